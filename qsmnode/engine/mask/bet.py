"""The brain as the inside of a surface that grows in the magnitude, then where the phase is smooth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage

from qsmnode.engine.coarse import Coarse
from qsmnode.engine.mask.evolution import Scene, grown, robust_levels
from qsmnode.engine.mask.intensity import combined, evened, foreground
from qsmnode.engine.mask.morphology import filled, largest_part
from qsmnode.engine.mask.refine import eroded, peeled, smooth_phase
from qsmnode.engine.mask.surface import Points, crosses_itself, enclosed, sphere
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask

DIVISIONS = 4  # 2562 points
PASSES = 3  # with ten times more smoothing each, while the surface crosses itself


@dataclass(frozen=True)
class Parameters:
    """How the surface grows, and what is taken off its inside."""

    fraction: float = parameter(
        0.5, "edge between dark and bright; smaller gives a larger brain", low=0.05, high=0.95
    )
    smoothness: float = parameter(1.0, "factor on the smoothing of concave places", low=1, high=1000)
    steps: int = parameter(1000, "most steps of the surface", unit="1", low=50, high=10000)
    tolerance_mm: float = parameter(
        0.1, "mean way in 20 steps below which the surface rests", unit="mm", low=1e-4, high=1
    )
    evening_mm: float = parameter(12.0, "width of the magnitude's correction", unit="mm", low=4, high=40)
    peel: float = parameter(
        0.8, "rim voxels darker than this part of the tissue around are dropped", low=0, high=1
    )
    peel_rounds: int = parameter(2, "most layers of dark voxels dropped", unit="1", low=0, high=10)
    pits_mm: float = parameter(
        5.0, "dropped pits up to twice as wide come back: lesions at the rim", unit="mm", low=0, high=20
    )
    erode: int = parameter(1, "mean voxel edges taken off at the rim", unit="voxel", low=0, high=5)


@method("mask", "bet", doi="10.1002/hbm.10062", parameters=Parameters)
def bet(magnitude: Float, voxel_quality: Float, grid: Grid, parameters: Parameters) -> Mask:
    """Brain extraction by a growing surface (BET); then only where the phase is smooth.

    A sphere in the head grows until it meets the dark skull, held smooth by its curvature; where it crosses
    itself it grows anew with more smoothing.

    Args:
        magnitude: (E, X, Y, Z).
        voxel_quality: (X, Y, Z), 0..1.
        grid: voxel sizes.
        parameters: how the surface grows.

    Returns:
        (X, Y, Z), one part without holes; empty where there is no head.

    Source: 10.1002/hbm.10062.
    """
    head = foreground(magnitude, grid.voxel_mm)
    if not head.any():
        return head
    even = evened(combined(magnitude), head, grid.voxel_mm, parameters.evening_mm)
    found = filled(extracted(even, head, grid, parameters) & head)
    smooth = eroded(smooth_phase(found, voxel_quality, head), parameters.erode, grid.voxel_mm)
    return peeled(
        largest_part(smooth),
        even,
        grid.voxel_mm,
        share=parameters.peel,
        rounds=parameters.peel_rounds,
        pits_mm=parameters.pits_mm,
    )


def extracted(even: Float, head: Mask, grid: Grid, parameters: Parameters) -> Mask:
    """The inside of the surface.

    Args:
        even: (X, Y, Z), magnitude, about 1 in bright tissue.
        head: (X, Y, Z), where there is signal.
        grid: voxel sizes.
        parameters: how the surface grows.
    """
    coarse = Coarse.of(grid.shape, grid.voxel_mm, 2.0)
    image = coarse.mean(even * head)
    centre, radius = middle_of(image, coarse.edge_mm)
    levels = robust_levels(image, centre, radius, coarse.edge_mm)
    scene = Scene(image, coarse.edge_mm, levels, parameters.fraction)
    unit, mesh = sphere(DIVISIONS)
    start = centre + radius / 2 * unit
    for attempt in range(PASSES):
        boost = parameters.smoothness * 10.0**attempt
        points, _ = grown(start, mesh, scene, parameters.steps, parameters.tolerance_mm, boost)
        if not crosses_itself(points, mesh):
            break
    # from the blocks' centres to the voxels'
    points += (np.array(coarse.blocks) - 1) / 2 * np.array(grid.voxel_mm)
    return enclosed(points, mesh, grid.shape, grid.voxel_mm)


def middle_of(image: Float, edge_mm: tuple[float, ...]) -> tuple[Points, float]:
    """Centre of gravity (mm from the first voxel's centre) and radius of a ball of the tissue's volume."""
    dark, bright = np.percentile(image, (2, 98))
    tissue = np.minimum(image, bright) * (image > dark + 0.1 * (bright - dark))
    if not tissue.any():
        tissue = np.ones_like(image)
    volume = np.count_nonzero(tissue) * float(np.prod(edge_mm))
    centre = np.array(scipy.ndimage.center_of_mass(tissue)) * np.array(edge_mm)
    return centre, float(np.cbrt(0.75 * volume / np.pi))
