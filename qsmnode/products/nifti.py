"""Maps as NIfTI with a sidecar, for research: the same bytes for the same maps."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

from qsmnode import __version__
from qsmnode.engine.contrasts import UNITS
from qsmnode.products.context import ProductContext
from qsmnode.products.storage import open_private

# NIfTI coordinates point right and anterior where DICOM's point left and posterior
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
SIDECAR = "susceptibility.json"
_UNITS = {"susceptibility": "ppm", "local_field": "ppm", "total_field": "Hz", "mask": "0 or 1"}


def write(context: ProductContext, folder: Path) -> list[Path]:
    """Write susceptibility (ppm), mask, local_field (ppm), total_field (Hz), contrasts and the sidecar."""
    maps = context.maps
    affine = _LPS_TO_RAS @ context.source.affine
    images: dict[str, npt.NDArray[Any]] = {
        "susceptibility": maps.susceptibility,
        "mask": maps.mask.astype(np.uint8),
        "local_field": maps.local_field,
        "total_field": maps.total_field,
        **maps.contrasts,
    }
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = [_write(folder / f"{name}.nii.gz", data, affine) for name, data in images.items()]
    sidecar = folder / SIDECAR
    with open_private(sidecar) as stream:
        stream.write(json.dumps(describe(context), indent=2).encode() + b"\n")
    return [*written, sidecar]


def describe(context: ProductContext) -> Mapping[str, Any]:
    """What the numbers are: units, reference, how they were made, and how well."""
    stack = context.source.stack
    software = {"Name": "qsmnode", "Version": __version__}
    if context.transforms:
        software["FourierTransforms"] = context.transforms
    return {
        "Units": {**_UNITS, **{name: UNITS[name] for name in context.maps.contrasts}},
        "Reference": context.maps.reference,
        "EchoTimes_s": list(stack.echo_times_s),
        "ImagingFrequency_MHz": stack.imaging_frequency_mhz,
        "B0DirectionInArrayAxes": list(stack.grid.b0_direction),
        "GeneratedBy": software,
        "Recipe": {
            "Version": context.recipe.version,
            "SHA256": context.recipe.hash,
            "Steps": context.recipe.as_mapping(),
        },
        "Quality": {
            # JSON has no word for NaN
            name: float(value) if math.isfinite(value) else None
            for name, value in context.quality.items()
        },
        "Measurements_ppb": [] if context.withheld else [vars(item) for item in context.measurements],
        "Warnings": list(context.source.remarks),
        "Findings": [vars(item) for item in context.findings],
        "SourceSHA256": context.source.content_sha256,
        "Use": "research use, not for diagnosis",
    }


def _write(path: Path, data: npt.NDArray[Any], affine: npt.NDArray[np.float64]) -> Path:
    make: Any = nibabel.Nifti1Image  # nibabel's constructors carry no types
    image = make(np.asfortranarray(data), affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    # no name and no time in the gzip header, or equal maps would be unequal files
    with open_private(path) as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as stream:
        stream.write(image.to_bytes())
    return path
