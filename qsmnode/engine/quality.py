"""Numbers that tell how well each step of a reconstruction went."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from qsmnode.engine.compiled import compiled, in_slabs
from qsmnode.engine.field.field_map import FieldMap
from qsmnode.engine.mask.morphology import parts
from qsmnode.engine.order import median
from qsmnode.engine.types import Float, Grid, Mask

BRAIN_ML = (900.0, 2000.0)

# name -> (unit, meaning); numbers of single methods start with their step's name
NUMBERS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "input_nonfinite_voxels": ("voxel", "voxels that were NaN or infinite in some echo, masked"),
        "input_echoes": ("1", "echoes used"),
        "input_ghosting": (
            "1",
            "signal beside the head, along the phase encoding above that along the readout, over the head's; "
            "missing where there is too little air",
        ),
        "offset_corrected": ("1", "1 where the phase at echo time 0 was removed, else 0"),
        "offset_residual_rad": ("rad", "median size of what smoothing the offset left in the first echo"),
        "offset_odd_even_rad": ("rad", "odd/even echo phase difference along the readout, end to end"),
        "offset_odd_even_corrected": ("1", "1 where a bipolar readout's phase ramp was removed, else 0"),
        "unwrap_changed_fraction": ("1", "part of the masked voxels to which turns were added in some echo"),
        "unwrap_jump_fraction": ("1", "part of the neighbours in the mask still more than half a turn apart"),
        "unwrap_fallback_fraction": (
            "1",
            "part of the signal's voxels beside open fringe lines, whose phase comes from least squares",
        ),
        "phase_quality": ("1", "median voxel quality in the mask"),
        "mask_given": ("1", "1 where the caller gave the mask, else 0"),
        "mask_volume_ml": ("ml", "volume of the mask before background removal"),
        "mask_parts": ("1", "connected parts of that mask"),
        "mask_brain_plausible": ("1", "1 where that mask is one part of 900 to 2000 ml, else 0"),
        "field_noise_hz": ("Hz", "median standard deviation of the field in the mask"),
        "field_residual": ("1", "median relative residual of the fit in the mask"),
        "field_unusable_fraction": ("1", "part of the found mask whose field is not usable"),
        "field_iterations": ("1", "most steps that a voxel's fit took"),
        "field_unconverged_fraction": ("1", "part of the mask whose fit did not end by itself"),
        "field_sd_hz": ("Hz", "standard deviation of the total field in the mask"),
        "background_iterations": ("1", "iterations of background removal"),
        "background_residual": ("1", "relative residual at which background removal stopped"),
        "background_coverage": ("1", "mask after / mask before background removal"),
        "inversion_iterations": ("1", "iterations of the inversion"),
        "inversion_change": ("1", "relative change of the map in the last iteration"),
        "inversion_alpha": ("ppm mm", "weight of the total variation after the field's uncertainty"),
        "inversion_residual": ("1", "part of the local field that the map does not explain, weighted norms"),
        "inversion_streak": (
            "1",
            "power of the map next to the cone D = 0 against elsewhere; about 1 or less",
        ),
        "local_field_sd_ppm": ("ppm", "standard deviation of the local field"),
        "reference_offset_ppm": ("ppm", "what was subtracted from the map to set its zero"),
        "reference_csf_offset_ppm": ("ppm", "mean of the ventricles' fluid in the map as it is referenced"),
        "reference_whole_brain_offset_ppm": ("ppm", "mean of the whole mask in the map as it is referenced"),
        "susceptibility_sd_ppm": ("ppm", "standard deviation of the map"),
        "susceptibility_at_fast_decay_ppm": (
            "ppm",
            "median where R2* is highest in the middle, against the middle's median; nuclei make it positive",
        ),
        "map_volume_ml": ("ml", "volume of the map"),
        "r2star_median": ("1/s", "median R2* in the mask"),
        "r2star_limited_fraction": ("1", "part of the mask whose R2* is 0 or at its upper limit"),
        "r2star_iterations": ("1", "mean count of steps of the R2* fit"),
        "swi_phase_scale_hz": ("Hz", "field at which the phase mask has fallen to a half"),
        "separation_one_sign_fraction": ("1", "part of the mask with sources of one sign alone"),
    }
)


# name -> lowest and highest value without a warning, and what is wrong beyond; found on simulated heads, good
# ones and ones with wrong phase, geometry or echo times
_LIMITS: Mapping[str, tuple[float, float, str]] = MappingProxyType(
    {
        "input_echoes": (2.0, np.inf, "one echo: the phase at echo time 0 could not be removed"),
        "input_ghosting": (-np.inf, 0.02, "ghosts: the head moved"),
        "phase_quality": (0.5, np.inf, "the phase is noisy, or not the phase of this magnitude"),
        "offset_residual_rad": (
            -np.inf,
            0.35,
            "the phase at echo time 0 is not smooth: noise, or echo times",
        ),
        "unwrap_fallback_fraction": (
            -np.inf,
            0.02,
            "fringe lines end inside the head: phase is inconsistent",
        ),
        "unwrap_jump_fraction": (-np.inf, 0.05, "turns are left in the phase"),
        "field_residual": (-np.inf, 0.12, "the echoes do not lie on a line: noise, motion, or echo times"),
        "field_unusable_fraction": (-np.inf, 0.05, "much of the mask has no usable field"),
        "mask_parts": (-np.inf, 1.0, "the mask has fallen apart"),
        "inversion_streak": (-np.inf, 1.1, "streaks: the field does not fit the direction of B0"),
        "susceptibility_at_fast_decay_ppm": (
            0.0,
            np.inf,
            "nuclei are negative: the sign of the phase is wrong",
        ),
    }
)
# standard deviation of map over field; its inversion is well-known where tissue is
_GAIN = (1.9, 4.0)


def warnings(quality: Mapping[str, float]) -> tuple[str, ...]:
    """What in a reconstruction's numbers says that its map may be wrong; nothing for a good one.

    Args:
        quality: ``Maps.quality``.

    Returns:
        One sentence for each number beyond its limits, with number and limit.
    """
    found = []
    for name, (low, high, words) in _LIMITS.items():
        value = quality.get(name)
        if value is not None and not low <= value <= high:
            limit = f"at least {low:g}" if value < low else f"at most {high:g}"
            found.append(f"{words} ({name} {value:.3g}, expected {limit})")
    field = quality.get("local_field_sd_ppm", 0.0)
    if field > 0 and "susceptibility_sd_ppm" in quality:
        gain = quality["susceptibility_sd_ppm"] / field
        if not _GAIN[0] <= gain <= _GAIN[1]:
            found.append(
                "the map is too strong or too weak for its field: wrong direction of B0, or phase scale "
                f"(ratio {gain:.3g}, expected {_GAIN[0]:g} to {_GAIN[1]:g})"
            )
    return tuple(found)


def unwrap_numbers(wrapped: Float, unwrapped: Float, mask: Mask) -> dict[str, float]:
    """What unwrapping changed, and steps of more than half a turn that it left.

    Args:
        wrapped: (E, X, Y, Z), rad, before; the changes are whole turns.
        unwrapped: (E, X, Y, Z), rad, after.
        mask: (X, Y, Z).
    """
    counts = np.zeros((mask.shape[0], 4), np.int64)
    in_slabs(_turns, mask.shape[0], wrapped, unwrapped, mask, counts)
    voxels, changed, neighbours, jumps = (int(n) for n in counts.sum(axis=0))
    return {
        "unwrap_changed_fraction": changed / max(1, voxels),
        "unwrap_jump_fraction": jumps / max(1, neighbours),
    }


@compiled
def _turns(
    start: int, stop: int, wrapped: Float, unwrapped: Float, mask: Mask, counts: npt.NDArray[np.int64]
) -> None:
    """``counts`` (X, 4) per slab: voxels, those changed, neighbours, those half a turn apart."""
    echoes, nx, ny, nz = wrapped.shape
    first = unwrapped[0]
    for x in range(start, stop):
        voxels, changed, neighbours, jumps = 0, 0, 0, 0
        for y in range(ny):
            for z in range(nz):
                if not mask[x, y, z]:
                    continue
                voxels += 1
                for e in range(echoes):
                    if abs(unwrapped[e, x, y, z] - wrapped[e, x, y, z]) > np.pi:
                        changed += 1
                        break
                for axis in range(3):
                    i, j, k = x + int(axis == 0), y + int(axis == 1), z + int(axis == 2)
                    if i < nx and j < ny and k < nz and mask[i, j, k]:
                        neighbours += 1
                        jumps += int(abs(first[i, j, k] - first[x, y, z]) > np.pi)
        counts[x, 0], counts[x, 1], counts[x, 2], counts[x, 3] = voxels, changed, neighbours, jumps


def mask_numbers(mask: Mask, grid: Grid) -> dict[str, float]:
    """Volume, parts, and whether it could be a brain."""
    volume = volume_ml(mask, grid)
    count = parts(mask)
    plausible = count == 1 and BRAIN_ML[0] <= volume <= BRAIN_ML[1]
    return {
        "mask_volume_ml": volume,
        "mask_parts": float(count),
        "mask_brain_plausible": float(plausible),
    }


def field_numbers(field: FieldMap, mask: Mask, found: Mask) -> dict[str, float]:
    """Noise and residual of the field in ``mask``, and what was dropped from the ``found`` one."""
    return {
        "field_noise_hz": median(field.sigma_hz, mask),
        "field_residual": median(field.residual, mask),
        "field_unusable_fraction": float(np.mean(field.weight[found] == 0)),
        "field_sd_hz": float(np.std(field.total_field_hz[mask], dtype=np.float64)),
    }


def volume_ml(mask: Mask, grid: Grid) -> float:
    """Volume of a mask in ml."""
    return int(np.count_nonzero(mask)) * grid.voxel_volume_mm3 / 1000
