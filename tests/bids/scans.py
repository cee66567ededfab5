"""Writes scans as somebody's NIfTI files would lie: any order and direction of axes, any layout of echoes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

from qsmnode.engine.types import EchoStack

TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
Affine = npt.NDArray[np.float64]
Array = npt.NDArray[Any]


def sidecar(**changes: Any) -> dict[str, Any]:
    """What a good phase image says; a change of None takes a key out."""
    said = {
        "MagneticFieldStrength": 3,
        "ImagingFrequency": 123.22,
        "Manufacturer": "Siemens",
        "MRAcquisitionType": "3D",
        "Units": "rad",
        **changes,
    }
    return {key: value for key, value in said.items() if value is not None}


def save(
    path: Path, data: Array, affine: Affine, code: int = 1, said: Mapping[str, Any] | None = None
) -> Path:
    """One NIfTI file, and its sidecar where there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(affine, code=code)
    image.set_qform(None, code=0)
    path.write_bytes(image.to_bytes())
    if said is not None:
        path.with_suffix(".json").write_text(json.dumps(said))
    return path


def write(
    folder: Path,
    stack: EchoStack,
    affine_lps: Affine,
    *,
    stem: str = "sub-01",
    order: Sequence[int] = (0, 1, 2),
    flips: Sequence[int] = (),
    whole: bool = False,
    **said: Any,
) -> list[Path]:
    """A scan as one file for each echo and part, or as two of four dimensions.

    Args:
        stack: in the engine's axes.
        affine_lps: of these.
        order: which of them the file's axes are.
        flips: which of the file's axes run the other way.
        whole: one file for all echoes.
        said: more of the sidecars; None takes a key out.
    """
    affine = turned_affine(TO_RAS @ affine_lps, stack.grid.shape, order, flips)
    written = []
    for part, values in (("mag", stack.magnitude), ("phase", stack.phase)):
        echoes = [turned(one, order, flips) for one in values]
        times = list(stack.echo_times_s)
        if whole:
            path = folder / f"{stem}_part-{part}_MEGRE.nii"
            written.append(save(path, np.stack(echoes, -1), affine, said=sidecar(EchoTime=times, **said)))
            continue
        for number, (data, time) in enumerate(zip(echoes, times, strict=True), start=1):
            path = folder / f"{stem}_echo-{number}_part-{part}_MEGRE.nii"
            written.append(save(path, data, affine, said=sidecar(**{"EchoTime": time, **said})))
    return written


def turned(array: Array, order: Sequence[int], flips: Sequence[int]) -> Array:
    """An array (X, Y, Z) with its axes in another order and direction."""
    return np.ascontiguousarray(np.flip(np.transpose(array, order), tuple(flips)))


def turned_affine(affine: Affine, shape: Sequence[int], order: Sequence[int], flips: Sequence[int]) -> Affine:
    """The affine of such an array: every voxel stays where it is."""
    made = affine.copy()
    made[:3, :3] = affine[:3, list(order)]
    for axis in flips:
        made[:3, 3] += made[:3, axis] * (shape[order[axis]] - 1)
        made[:3, axis] *= -1
    return made
