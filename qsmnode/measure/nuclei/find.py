"""The deep nuclei of a susceptibility map, by an atlas: experimental.

A pattern search places the painted atlas, two similarity transforms and demons bring it onto the map, and the
map's own contrast draws the borders, again and again from those before. What is implausible has no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from scipy import ndimage

from qsmnode.engine.types import Float, Maps, Mask
from qsmnode.measure.grids import Affine, Box
from qsmnode.measure.nuclei.atlas import INNER, OUTER, PARTS, Labels, atlas
from qsmnode.measure.nuclei.boundaries import MARGIN_MM, Drawn, redrawn
from qsmnode.measure.nuclei.decay import decay_rate
from qsmnode.measure.nuclei.deformation import Registered, bent
from qsmnode.measure.nuclei.gates import (
    LEAST_CORRELATION,
    LEAST_GUESS,
    LEAST_VOXELS,
    Evidence,
    judged,
    unregistered,
)
from qsmnode.measure.nuclei.search import search
from qsmnode.measure.nuclei.similarity import ALL, GROUP, aligned
from qsmnode.measure.nuclei.space import Volume
from qsmnode.measure.regions import Issue, Region
from qsmnode.measure.structures import named

DRAWN_BY = "qsmnode with the CIT168 atlas"
LARGEST_VOXEL_MM = 2.5
LEAST_BRAIN_ML = 150.0
_DRAWINGS = 3
_LOWEST_PPB, _HIGHEST_PPB = -50.0, 150.0
"""Beyond them lie veins, blood and calcium, which are no part of the pattern."""
_MIDBRAIN = ("red nucleus", "substantia nigra", "subthalamic nucleus")
_GROUP = tuple(number for number, part in enumerate(PARTS, start=1) if part.name in _MIDBRAIN)
_SPLIT = (("external globus pallidus", OUTER), ("internal globus pallidus", INNER))


def available() -> str:
    """Why nuclei cannot be found on this machine; "" where they can."""
    if find_spec("SimpleITK") is None:
        return "SimpleITK is not installed: install qsmnode with the extra [atlas]"
    return ""


def find_nuclei(
    maps: Maps,
    affine: Affine,
    magnitude: Float | None = None,
    echo_times_s: Sequence[float] = (),
) -> tuple[Region, ...]:
    """Caudate, putamen, globus pallidus (and its outer and inner part), red nucleus, substantia nigra and
    subthalamic nucleus, left and right.

    Args:
        maps: a reconstruction.
        affine: (4, 4), array index of its grid to patient LPS mm.
        magnitude: (E, X, Y, Z), any unit; where E >= 2 its decay helps to draw borders.
        echo_times_s: E echo times in s.

    Returns:
        A region for each, numbered from 1 in a fixed order; those that must not have a number are
        ``refused``, with the reason.

    Raises:
        ImportError: the extra [atlas] is not installed, see :func:`available`.
    """
    reason = _unfit(maps)
    if reason is not None:
        return _none(maps.mask, reason)
    chi = np.where(maps.mask, np.nan_to_num(maps.susceptibility * np.float32(1000)), np.float32(0))
    registered = _registered(chi, maps.mask, affine)
    if registered is None or registered.correlation < LEAST_CORRELATION:
        return _none(maps.mask, unregistered(registered.correlation if registered else None))
    view = _view(registered, maps.mask.shape, affine)
    decay = None
    if magnitude is not None and len(echo_times_s) > 1:
        decay = decay_rate(magnitude[(slice(None), *view.box)], echo_times_s)
    here = chi[view.box], decay, maps.mask[view.box], view.parts[view.box]
    *_, before, last = _drawn(*here, maps.grid.voxel_mm)
    voxel_ml = maps.grid.voxel_volume_mm3 / 1000
    evidence = [
        _evidence(inside, here[-1] == number, here[0], voxel_ml, before[number - 1], last[number - 1])
        for number, inside in enumerate(_inside(registered, maps, affine), start=1)
    ]
    masks = []
    for one in last:
        whole = np.zeros(maps.mask.shape, np.bool_)
        whole[view.box] = one.mask
        masks.append(whole)
    return _regions(masks, judged(evidence), view.labels)


def _none(mask: Mask, reason: Issue) -> tuple[Region, ...]:
    """All of them without a number, for one reason."""
    empty = np.zeros(mask.shape, np.bool_)
    return _regions([empty] * len(PARTS), [reason] * len(PARTS), np.zeros(mask.shape, np.uint8))


def _unfit(maps: Maps) -> Issue | None:
    """Why nobody need look."""
    largest = max(maps.grid.voxel_mm)
    if largest > LARGEST_VOXEL_MM:
        words = f"voxels of {largest:.1f} mm are too large for nuclei (limit {LARGEST_VOXEL_MM} mm)"
        return Issue("not_found", words)
    volume = float(maps.mask.sum()) * maps.grid.voxel_volume_mm3 / 1000
    if volume < LEAST_BRAIN_ML:
        words = f"{volume:.0f} ml of brain are in view, at least {LEAST_BRAIN_ML:.0f} ml expected"
        return Issue("not_found", words)
    return None


def _registered(chi: Float, mask: Mask, affine: Affine) -> Registered | None:
    """None where the pattern is nowhere, or cannot be brought onto the map."""
    found = atlas()
    calm = Volume(np.where(mask, np.clip(chi, _LOWEST_PPB, _HIGHEST_PPB), np.float32(0)), affine)
    brain = Volume(mask.astype(np.float32), affine)
    guess = search(calm, brain, found)
    if guess.correlation < LEAST_GUESS:
        return None
    try:
        transform = aligned(calm, brain, found, guess.transform, ALL)
        midbrain = aligned(calm, brain, found, transform, GROUP, _GROUP)
        return bent(calm, brain, found, transform, _GROUP, midbrain)
    except RuntimeError:  # so SimpleITK says that the two no longer overlap
        return None


@dataclass(frozen=True, eq=False)
class _View:
    """The registered atlas on the map's grid, and the part of that grid that holds it."""

    labels: Labels
    parts: Labels
    box: tuple[slice, ...]


def _view(registered: Registered, shape: tuple[int, ...], affine: Affine) -> _View:
    grid = Box((shape[0], shape[1], shape[2]), affine)
    labels = Volume(registered.labels, registered.box.affine).on(grid, nearest=True)
    parts = Volume(registered.parts, registered.box.affine).on(grid, nearest=True)
    where = np.argwhere(parts)
    if not where.size:
        return _View(labels, parts, tuple(slice(0, n) for n in shape))
    reach = np.ceil(MARGIN_MM / np.linalg.norm(affine[:3, :3], axis=0)).astype(int)
    low, high = np.maximum(where.min(axis=0) - reach, 0), where.max(axis=0) + reach + 1
    return _View(labels, parts, tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True)))


def _drawn(
    chi: Float, decay: Float | None, brain: Mask, parts: Labels, voxel_mm: tuple[float, float, float]
) -> list[list[Drawn]]:
    """First from the atlas's borders, then from those drawn before, again and again."""
    drawn: list[list[Drawn]] = []
    for _ in range(_DRAWINGS):
        drawn.append(redrawn(chi, decay, brain, parts, np.array(voxel_mm)))
        parts = np.zeros(parts.shape, np.uint8)
        for number, one in enumerate(drawn[-1], start=1):
            parts[one.mask] = number
    return drawn


def _inside(registered: Registered, maps: Maps, affine: Affine) -> list[float]:
    """Part of each of the atlas's nuclei that lies in the map."""
    brain = Volume(maps.mask.astype(np.uint8), affine).on(registered.box, nearest=True) > 0
    labels = [registered.parts == number for number in range(1, len(PARTS) + 1)]
    return [float((label & brain).sum()) / max(int(label.sum()), 1) for label in labels]


def _evidence(
    inside: float, label: Mask, chi: Float, voxel_ml: float, before: Drawn, last: Drawn
) -> Evidence:
    """Of one part; ``label`` is the registered atlas's, on the map's grid."""
    voxels = int(last.mask.sum())
    return Evidence(
        inside=inside,
        voxels=voxels,
        voxel_ml=voxel_ml,
        atlas_ml=max(int(label.sum()), 1) * voxel_ml / max(inside, 0.1),
        volume_ml=voxels * voxel_ml,
        overlap=float((last.mask & label).sum()) / max(voxels, 1),
        before_ppb=_mean(chi, before.mask),
        last_ppb=_mean(chi, last.mask),
        contrast_ppb=last.contrast_ppb,
    )


def _mean(chi: Float, mask: Mask) -> float:
    return float(chi[mask].mean(dtype=np.float64)) if mask.any() else 0.0


def _regions(masks: Sequence[Mask], issues: Sequence[Issue | None], labels: Labels) -> tuple[Region, ...]:
    """All of them; the globus pallidus is followed by its two parts."""
    found: list[tuple[str, str, Mask, Issue | None]] = []
    pallidus = [n for n, part in enumerate(PARTS) if part.name == "globus pallidus"]
    for number, (part, mask, issue) in enumerate(zip(PARTS, masks, issues, strict=True)):
        found.append((part.name, part.side, mask, issue))
        if number != pallidus[-1]:
            continue
        halves = [(n, _halves(masks[n], labels)) for n in pallidus]
        for index, (name, _) in enumerate(_SPLIT):
            for n, pieces in halves:
                why = issues[n] or _too_small(pieces[index])
                found.append((name, PARTS[n].side, pieces[index], why))
    return tuple(
        Region(
            name=name,
            side=side,
            number=number,
            mask=mask,
            structure=named(name),
            drawn_by=DRAWN_BY,
            automatic=True,
            experimental=True,
            refused=issue,
        )
        for number, (name, side, mask, issue) in enumerate(found, start=1)
    )


def _halves(pallidus: Mask, labels: Labels) -> tuple[Mask, Mask]:
    """Outer and inner part of a globus pallidus: whichever of the atlas's is nearer."""
    outer, inner = np.isin(labels, OUTER), np.isin(labels, INNER)
    if not (pallidus.any() and outer.any() and inner.any()):
        none = np.zeros(pallidus.shape, np.bool_)
        return none, none
    nearer = ndimage.distance_transform_edt(~outer) <= ndimage.distance_transform_edt(~inner)
    return pallidus & nearer, pallidus & ~nearer


def _too_small(mask: Mask) -> Issue | None:
    voxels = int(mask.sum())
    return Issue("not_found", f"{voxels} voxels are left of it") if voxels < LEAST_VOXELS else None
