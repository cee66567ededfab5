"""How far a susceptibility map is from the truth, by the definitions of the second QSM challenge.

Everything is scored in one fixed mask, whatever a method kept: the true brain mask without its outer 2 mm.
What a method dropped counts as 0, and the share that it kept is stated. Source: 10.1002/mrm.28754 (challenge
2.0), 10.1002/mrm.30271 (XSIM).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmnode.engine.types import Float, Mask
from qsmnode.phantom.head import SimulatedHead
from qsmnode.phantom.tissues import CALCIFICATION, FIRST_NUCLEUS, GREY, HAEMORRHAGE, RIM_LESION, VEIN, WHITE

SMALLEST_NUCLEUS = 20  # voxels
GROWN_VOXELS = 2
RIM_VOXELS = 4
_LESIONS = (("calcification", CALCIFICATION), ("haemorrhage", HAEMORRHAGE))
Values = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Truth:
    """What a map is compared with, all (X, Y, Z).

    Attributes:
        chi: ppm.
        brain: the true brain mask.
        mask: where maps are scored.
        labels: tissue of each voxel.
        names: what the labels mean.
        voxel_mm: voxel edges.
        smallest_nucleus: nuclei of fewer voxels are left out.
    """

    chi: Float
    brain: Mask
    mask: Mask
    labels: npt.NDArray[np.uint8]
    names: dict[int, str]
    voxel_mm: tuple[float, float, float]
    smallest_nucleus: int = SMALLEST_NUCLEUS

    @classmethod
    def of(cls, head: SimulatedHead, erosion_mm: float = 2.0) -> Truth:
        """The truth behind a simulated head."""
        return cls(
            head.susceptibility_ppm,
            head.brain_mask,
            head.scoring_mask(erosion_mm),
            head.labels,
            head.label_names,
            head.stack.grid.voxel_mm,
        )


@dataclass(frozen=True)
class Nucleus:
    """Mean of one nucleus, found and true, both relative to the mean of the scoring mask."""

    name: str
    voxels: int
    found_ppb: float
    true_ppb: float

    @property
    def error_ppb(self) -> float:
        """Found minus true."""
        return self.found_ppb - self.true_ppb

    @property
    def error_percent(self) -> float:
        """Found minus true, relative to true."""
        return 100 * self.error_ppb / abs(self.true_ppb) if self.true_ppb else np.nan

    @property
    def off(self) -> bool:
        """Whether it is wrong by more than 10 % and by more than 5 ppb."""
        return abs(self.error_ppb) > max(5.0, 0.1 * abs(self.true_ppb))


def nrmse(found: Values, truth: Values, mask: Mask) -> float:
    """100 |r - t| / |t| in %, both demeaned in ``mask``."""
    r, t = _demeaned(found, mask), _demeaned(truth, mask)
    return _percent(r - t, t)


def detrended_nrmse(found: Values, truth: Values, mask: Mask) -> float:
    """NRMSE in % after r = s t + b was fitted and taken back: (r - b) / s. NaN where s is 0."""
    r, t = _demeaned(found, mask), _demeaned(truth, mask)
    square = float(t @ t)
    slope = float(r @ t) / square if square > 0 else 0.0
    return _percent(r / slope - t, t) if slope != 0 else np.nan


def shell_nrmse(found: Values, truth: Values, mask: Mask, shell: Mask) -> float:
    """100 |r - t| / |t| in % over ``shell``, both relative to their means in ``mask``."""
    r, t = (v[shell].astype(np.float64) - v[mask].mean(dtype=np.float64) for v in (found, truth))
    return _percent(r - t, t)


def _demeaned(values: Values, mask: Mask) -> npt.NDArray[np.float64]:
    inside = values[mask].astype(np.float64)
    return np.asarray(inside - inside.mean()) if inside.size else inside


def _percent(difference: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]) -> float:
    size = float(np.linalg.norm(truth))
    return 100 * float(np.linalg.norm(difference)) / size if size > 0 else np.nan


def nuclei(found: Values, truth: Truth) -> list[Nucleus]:
    """Each deep nucleus that has enough voxels in the scoring mask, by label."""
    levels = [float(v[truth.mask].mean(dtype=np.float64)) for v in (found, truth.chi)]
    rows = []
    for label in sorted(truth.names):
        inside = (truth.labels == label) & truth.mask
        count = int(np.count_nonzero(inside))
        if label < FIRST_NUCLEUS or count < truth.smallest_nucleus:
            continue
        means = [
            1000 * (float(v[inside].mean(dtype=np.float64)) - level)
            for v, level in zip((found, truth.chi), levels, strict=True)
        ]
        rows.append(Nucleus(truth.names[label], count, means[0], means[1]))
    return rows


def slope_of(rows: list[Nucleus]) -> float:
    """Slope of the found over the true means of the nuclei; NaN below two nuclei."""
    if len(rows) < 2:
        return np.nan
    return float(np.polyfit([r.true_ppb for r in rows], [r.found_ppb for r in rows], 1)[0])


@dataclass(frozen=True)
class Lesion:
    """How well one lesion came out.

    Attributes:
        moment: sum of chi over the lesion grown by 2 voxels, relative to the median of its surroundings (the
            rim of 4 voxels around that), divided by the same of the truth. 1 is perfect.
        streak: SD of found minus true in that rim / |mean of the true lesion relative to its surroundings|.
    """

    moment: float
    streak: float


def lesion(found: Values, truth: Truth, label: int, within: Mask) -> Lesion:
    """The lesion of ``label`` in the part of the map ``within``; NaN where there is none."""
    core = (truth.labels == label) & within
    if not core.any():
        return Lesion(np.nan, np.nan)
    away = ndimage.distance_transform_edt(~core)
    grown = (away <= GROWN_VOXELS) & within
    rim = (away > GROWN_VOXELS) & (away <= GROWN_VOXELS + RIM_VOXELS) & within
    if not rim.any():
        return Lesion(np.nan, np.nan)
    r, t = found.astype(np.float64), truth.chi.astype(np.float64)
    moments = [float((v[grown] - np.median(v[rim])).sum()) for v in (r, t)]
    depth = abs(float(t[core].mean() - np.median(t[rim])))
    return Lesion(
        moments[0] / moments[1] if moments[1] else np.nan,
        float((r - t)[rim].std()) / depth if depth else np.nan,
    )


def xsim(found: Values, truth: Values, mask: Mask) -> float:
    """Structural similarity of susceptibility maps in ppm: mean over ``mask`` of :func:`xsim_map`.

    Both maps are 0 outside the mask. 1 is perfect.
    """
    similarity = xsim_map(np.where(mask, found, 0), np.where(mask, truth, 0))
    return float(similarity[mask].mean()) if mask.any() else np.nan


def xsim_map(found: Values, truth: Values, c1: float = 1e-4, c2: float = 1e-6) -> npt.NDArray[np.float64]:
    """SSIM in windows of 5^3 voxels, unweighted, with the constants of 10.1002/mrm.30271; 0 lies beyond."""
    r, t = found.astype(np.float64), truth.astype(np.float64)

    def mean(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.asarray(ndimage.uniform_filter(values, 5, mode="constant"))

    mr, mt = mean(r), mean(t)
    vr, vt, both = mean(r * r) - mr * mr, mean(t * t) - mt * mt, mean(r * t) - mr * mt
    top = (2 * mr * mt + c1) * (2 * both + c2)
    return np.asarray(top / ((mr * mr + mt * mt + c1) * (vr + vt + c2)))


def outer_shell(truth: Truth, near_mm: float = 2.0, far_mm: float = 4.0) -> Mask:
    """Voxels of the brain between ``near_mm`` and ``far_mm`` from its edge."""
    padded = np.pad(truth.brain, 1, mode="edge")
    depth = ndimage.distance_transform_edt(padded, sampling=truth.voxel_mm)[1:-1, 1:-1, 1:-1]
    return np.asarray((depth > near_mm) & (depth <= far_mm))


def coverage(kept: Mask, brain: Mask) -> float:
    """Share of the true brain mask that a method kept, in %."""
    return 100 * float(np.count_nonzero(kept & brain) / np.count_nonzero(brain))


def scores(found: Values, truth: Truth, kept: Mask | None = None) -> dict[str, float]:
    """Every number of one map.

    Args:
        found: (X, Y, Z), ppm, 0 where the method dropped the voxel.
        truth: what it is compared with.
        kept: (X, Y, Z), where the method gave a value; the whole brain if None.
    """
    mask = truth.mask
    level = [float(v[mask].mean(dtype=np.float64)) for v in (found, truth.chi)]
    rows = nuclei(found, truth)
    slope = slope_of(rows)
    errors = [abs(r.error_ppb) for r in rows]
    shell = outer_shell(truth)
    tissue = np.isin(truth.labels, (GREY, WHITE)) & mask
    result = {
        "nrmse": nrmse(found, truth.chi, mask),
        "dnrmse": detrended_nrmse(found, truth.chi, mask),
        "dnrmse_tissue": detrended_nrmse(found, truth.chi, tissue),
        "dnrmse_veins": detrended_nrmse(found, truth.chi, (truth.labels == VEIN) & mask),
        "dnrmse_nuclei": detrended_nrmse(found, truth.chi, (truth.labels >= FIRST_NUCLEUS) & mask),
        "slope": slope,
        "linearity": abs(1 - slope),
        "nuclei_error_ppb": float(np.mean(errors)) if errors else np.nan,
        "nuclei_off": float(sum(r.off for r in rows)),
        "nuclei": float(len(rows)),
        "xsim": xsim(found - level[0], truth.chi - level[1], mask),
        "rim_nrmse": shell_nrmse(found, truth.chi, mask, shell) if shell.any() else np.nan,
        "coverage": 100.0 if kept is None else coverage(kept, truth.brain),
    }
    for name, label in _LESIONS:
        one = lesion(found, truth, label, mask)
        result[f"{name}_moment"], result[f"{name}_streak"] = one.moment, one.streak
    result["rim_lesion_moment"] = lesion(found, truth, RIM_LESION, truth.brain).moment
    return result
