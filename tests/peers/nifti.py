"""dcm2niix: what somebody else's converter makes of a folder of DICOM files."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib

from tests.peers import programs


@dataclass(frozen=True)
class Conversion:
    """One image that dcm2niix wrote."""

    name: str
    image: nib.Nifti1Image
    sidecar: dict[str, Any]


def dcm2niix(folder: Path, *options: str) -> list[Conversion]:
    """Converts every series below a folder, in the order of their names.

    Stored values are kept as the objects have them ("-l o"). RuntimeError with dcm2niix' own words where it
    fails; what it could not convert is missing from the list.
    """
    with tempfile.TemporaryDirectory(prefix="dcm2niix-") as out:
        result = programs.run(
            "dcm2niix", "-b", "y", "-z", "n", "-l", "o", "-f", "%s_%d_%e", *options, "-o", out, folder
        )
        if result.returncode != 0:
            raise RuntimeError(f"dcm2niix ended with {result.returncode}:\n{result.stdout}")
        return [_read(path) for path in sorted(Path(out).glob("*.nii"))]


def _read(path: Path) -> Conversion:
    image = nib.Nifti1Image.from_bytes(path.read_bytes())
    sidecar_path = path.with_suffix(".json")
    sidecar = json.loads(sidecar_path.read_text(encoding="utf-8")) if sidecar_path.exists() else {}
    return Conversion(path.stem, image, sidecar)
