"""The painted atlas moved, turned and sized onto a map, by correlation; SimpleITK does it.

On one thread: its sums depend on the number of threads, and numbers must not.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmnode.measure.grids import Affine
from qsmnode.measure.nuclei.atlas import Atlas
from qsmnode.measure.nuclei.space import Points, Volume, around, image, places

_MARGIN_MM = 6.0
_LEAST_WEIGHT = 0.3
_SMALLEST_STEP, _MOST_STEPS, _RELAXATION = 0.02, 60, 0.6


@dataclass(frozen=True)
class Fit:
    """How a set of nuclei is aligned.

    Attributes:
        levels: spacing and smoothing in mm, coarse first.
        reach_mm: how far around the nuclei map and atlas are compared.
        first_step: of the optimiser, in voxels.
    """

    levels: tuple[tuple[float, float], ...]
    reach_mm: float
    first_step: float


ALL = Fit(((3.0, 2.0), (2.0, 1.2)), 6.0, 2.0)
GROUP = Fit(((2.0, 1.6), (1.2, 0.8)), 4.0, 1.0)


def aligned(
    chi: Volume, brain: Volume, atlas: Atlas, start: Affine, fit: Fit, parts: Collection[int] | None = None
) -> Affine:
    """The similarity transform that correlates best, from a first guess.

    Args:
        chi: map (ppb) with extremes cut off, 0 outside the brain.
        brain: its mask, as 0 and 1.
        atlas: what is aligned.
        start: (4, 4), LPS mm of the patient to LPS mm of the atlas; so is the result.
        fit: how.
        parts: the numbers of the nuclei that count; None: all.
    """
    chosen = atlas.parts > 0 if parts is None else np.isin(atlas.parts, list(parts))
    transform = start
    for spacing, sigma in fit.levels:
        transform = _level(chi, brain, atlas, chosen, transform, fit, spacing, sigma)
    return transform


def _level(
    chi: Volume,
    brain: Volume,
    atlas: Atlas,
    chosen: npt.NDArray[np.bool_],
    start: Affine,
    fit: Fit,
    spacing: float,
    sigma: float,
) -> Affine:
    import SimpleITK as sitk  # noqa: N813

    points = places(chosen, atlas.affine)
    box = around(points, spacing, _MARGIN_MM)
    there = Volume(chosen.astype(np.uint8), atlas.affine).on(box, nearest=True)
    near = ndimage.distance_transform_edt(there == 0) * spacing < fit.reach_mm
    head = around(places(brain.values > 0, brain.affine), spacing, 0.0)
    weight = brain.smoothed(sigma).on(head)
    smooth = chi.smoothed(sigma).on(head) / np.maximum(weight, _LEAST_WEIGHT)

    found = _backwards(sitk.Similarity3DTransform(), start, points.mean(axis=0))
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetMetricFixedMask(image(near.astype(np.uint8), box))
    method.SetMetricMovingMask(image((weight > 0.5).astype(np.uint8), head))
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=fit.first_step,
        minStep=_SMALLEST_STEP,
        numberOfIterations=_MOST_STEPS,
        relaxationFactor=_RELAXATION,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(found, inPlace=True)
    pattern = Volume(atlas.painted(), atlas.affine).smoothed(sigma).on(box)
    method.Execute(image(pattern, box), image(smooth, head))
    return _forwards(found)


def _backwards(transform: Any, to_atlas: Affine, centre: Points) -> Any:
    """SimpleITK's transform from the atlas to the patient, without whatever is no similarity."""
    back = np.linalg.inv(to_atlas)
    left, _, right = np.linalg.svd(back[:3, :3])
    size = float(np.cbrt(np.linalg.det(back[:3, :3])))
    transform.SetCenter(centre.tolist())
    transform.SetMatrix((size * (left @ right)).ravel().tolist())
    transform.SetTranslation((back[:3, :3] @ centre + back[:3, 3] - centre).tolist())
    return transform


def _forwards(transform: Any) -> Affine:
    back = np.eye(4)
    back[:3, :3] = np.array(transform.GetMatrix()).reshape(3, 3)
    centre = np.array(transform.GetCenter())
    back[:3, 3] = np.array(transform.GetTranslation()) + centre - back[:3, :3] @ centre
    return np.asarray(np.linalg.inv(back), np.float64)
