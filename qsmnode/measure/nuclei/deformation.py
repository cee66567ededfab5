"""The aligned atlas bent onto a map: demons, with the atlas painted anew as the map teaches.

Demons: Thirion, Image matching as a diffusion process, Medical Image Analysis 1998; 2: 243-260,
https://doi.org/10.1016/S1361-8415(98)80022-4; forces of both images after Vercauteren et al., Diffeomorphic
demons, NeuroImage 2009; 45: S61-S72, https://doi.org/10.1016/j.neuroimage.2008.10.040. SimpleITK does them,
on one thread. They stay stiff, since softer ones wrap one bright nucleus around its neighbour: borders are
drawn afterwards (see :mod:`qsmnode.measure.nuclei.boundaries`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from qsmnode.engine.types import Float, Mask
from qsmnode.measure.grids import Affine, Box
from qsmnode.measure.nuclei.atlas import PARTS, Atlas, Labels
from qsmnode.measure.nuclei.space import Points, Volume, around, gaussian, image, moved, places, voxel_places

_SPACING_MM = 1.0
_MARGIN_MM = 14.0
_DEMONS_SPACING_MM, _DEMONS_SMOOTHING_MM = 2.0, 1.6
_DEMONS_STEPS, _DEMONS_STIFFNESS = 20, 2.5
_UPDATE_SMOOTHING, _LONGEST_UPDATE = 1.0, 1.0
_ROUNDS = 2
_GROUP_MM, _GROUP_EDGE_MM, _GROUP_BLUR_MM = 10.0, 6.0, 2.0
"""How far around a group its own transform counts, over what distance it ceases to, and how smoothly."""
_BESIDE_MM, _GROUND_MM, _CALM_PPB = 2.0, 4.0, 60.0
_TRUST_MM3, _PERCENTILE = 60.0, 60.0
_LEAST_TAUGHT, _MOST_TAUGHT = 0.5, 2.5
_LEAST_CORE = 20
_COMPARED_MM = 4.0
_LEAST_WEIGHT = 1e-3
Field = npt.NDArray[np.float64]
"""(X, Y, Z, 3): from a place in the patient to where the aligned atlas says of it what it is, in mm."""


@dataclass(frozen=True, eq=False)
class Registered:
    """The atlas on a grid along the patient's axes.

    Attributes:
        box: that grid.
        labels: (X, Y, Z) the atlas's own numbers; parts: numbers of the parts.
        correlation: of the painted atlas with the map, in and around the nuclei.
    """

    box: Box
    labels: Labels
    parts: Labels
    correlation: float


def bent(
    chi: Volume, brain: Volume, atlas: Atlas, transform: Affine, group: tuple[int, ...], own: Affine
) -> Registered:
    """The atlas on the map.

    Args:
        chi: map (ppb) with extremes cut off, 0 outside the brain.
        brain: its mask, as 0 and 1.
        atlas: the atlas.
        transform: (4, 4), LPS mm of the patient to LPS mm of the atlas.
        group: numbers of parts that have a transform of their own; own: that one.
    """
    points = moved(places(atlas.parts > 0, atlas.affine), np.asarray(np.linalg.inv(transform), np.float64))
    box = around(points, _SPACING_MM, _MARGIN_MM)
    map_here, brain_here = np.asarray(chi.on(box)), np.asarray(brain.on(box) > 0.5)
    field = _of_group(atlas, box, transform, group, own)
    values = np.array([part.typical_ppb for part in PARTS])
    for _ in range(_ROUNDS):
        parts = _looked_up(atlas, atlas.parts, transform, box, field)
        values = _taught(map_here, brain_here, parts, values)
        field = _demons(map_here, _painted(map_here, brain_here, parts, values), brain_here, box, field)
    parts = _looked_up(atlas, atlas.parts, transform, box, field)
    values = _taught(map_here, brain_here, parts, values)
    return Registered(
        box=box,
        labels=_looked_up(atlas, atlas.labels, transform, box, field),
        parts=parts,
        correlation=_correlation(map_here, brain_here, parts, values),
    )


def _of_group(atlas: Atlas, box: Box, transform: Affine, group: tuple[int, ...], own: Affine) -> Field:
    """The field that gives a group its own transform, and ceases around it."""
    here = voxel_places(box)
    shift = (moved(here, np.linalg.inv(transform) @ own) - here).reshape(*box.shape, 3)
    there = np.isin(Volume(atlas.parts, atlas.affine).on(box, own, nearest=True), group)
    distance = ndimage.distance_transform_edt(~there) * _SPACING_MM
    amount = np.clip((_GROUP_MM - distance) / _GROUP_EDGE_MM, 0, 1)
    return np.asarray(gaussian(amount, np.full(3, _GROUP_BLUR_MM / _SPACING_MM))[..., None] * shift)


def _demons(chi: Float, target: Float, brain: Mask, box: Box, field: Field) -> Field:
    """The field after some more steps."""
    import SimpleITK as sitk  # noqa: N813

    x, y, z = (int(np.ceil(n * _SPACING_MM / _DEMONS_SPACING_MM)) for n in box.shape)
    coarse = Box((x, y, z), box.affine @ np.diag([_DEMONS_SPACING_MM / _SPACING_MM] * 3 + [1.0]))
    width = np.full(3, _DEMONS_SMOOTHING_MM / _SPACING_MM)
    fixed, moving = (
        Volume(gaussian(np.where(brain, one, 0), width), box.affine).on(coarse) for one in (chi, target)
    )
    demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    demons.SetNumberOfThreads(1)
    demons.SetNumberOfIterations(_DEMONS_STEPS)
    demons.SetSmoothDisplacementField(True)
    demons.SetStandardDeviations(_DEMONS_STIFFNESS)
    demons.SetSmoothUpdateField(True)
    demons.SetUpdateFieldStandardDeviations(_UPDATE_SMOOTHING)
    demons.SetMaximumUpdateStepLength(_LONGEST_UPDATE)
    found = sitk.GetArrayFromImage(demons.Execute(image(fixed, coarse), image(moving, coarse)))
    step = np.stack(
        [Volume(np.ascontiguousarray(found[..., axis].T), coarse.affine).on(box) for axis in range(3)],
        axis=-1,
    ).astype(np.float64)
    # a place goes first where this step says, and on from there as before
    there = np.indices(box.shape, dtype=np.float64) + np.moveaxis(step, -1, 0) / _SPACING_MM
    before = [ndimage.map_coordinates(field[..., axis], there, order=1, mode="nearest") for axis in range(3)]
    return np.asarray(step + np.stack(before, axis=-1))


def _looked_up(atlas: Atlas, labels: Labels, transform: Affine, box: Box, field: Field) -> Labels:
    to_atlas = np.linalg.inv(atlas.affine) @ transform
    there: Points = moved(voxel_places(box) + field.reshape(-1, 3), to_atlas)
    found = ndimage.map_coordinates(labels, there.T, order=0, mode="constant")
    return np.asarray(found.reshape(box.shape))


def _taught(chi: Float, brain: Mask, parts: Labels, before: Points) -> Points:
    """What the map says of each part's value; its usual one counts for a little, and bounds it."""
    values = before.copy()
    for number, part in enumerate(PARTS, start=1):
        label = parts == number
        core = ndimage.binary_erosion(label) & brain
        used = chi[core if core.sum() >= _LEAST_CORE else label & brain]
        if used.size:
            trust = used.size / (used.size + _TRUST_MM3 / _SPACING_MM**3)
            taught = trust * float(np.percentile(used, _PERCENTILE)) + (1 - trust) * part.typical_ppb
            low, high = _LEAST_TAUGHT * part.typical_ppb, _MOST_TAUGHT * part.typical_ppb
            values[number - 1] = min(max(taught, low), high)
    return values


def _painted(chi: Float, brain: Mask, parts: Labels, values: Points) -> Float:
    """The parts with these values, in surroundings as smooth as can be, so that only borders draw."""
    beside = brain & (ndimage.distance_transform_edt(parts == 0) * _SPACING_MM > _BESIDE_MM)
    width = np.full(3, _GROUND_MM / _SPACING_MM)
    weight = gaussian(beside, width)
    calm = np.clip(chi, -_CALM_PPB, _CALM_PPB)
    ground = gaussian(np.where(beside, calm, 0), width) / np.maximum(weight, _LEAST_WEIGHT)
    table = np.array([0.0, *values], np.float32)
    return np.asarray(np.where(parts > 0, table[parts], ground), np.float32)


def _correlation(chi: Float, brain: Mask, parts: Labels, values: Points) -> float:
    """0 where there is nothing to compare."""
    compared = (ndimage.distance_transform_edt(parts == 0) * _SPACING_MM < _COMPARED_MM) & brain
    width = np.full(3, 1.0 / _SPACING_MM)
    table = np.array([0.0, *values], np.float32)
    one, other = (gaussian(values_, width)[compared] for values_ in (table[parts], chi))
    if one.size == 0 or float(one.std()) == 0.0 or float(other.std()) == 0.0:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])
