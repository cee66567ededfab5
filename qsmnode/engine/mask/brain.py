"""The brain, from magnitude and phase quality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.ndimage

from qsmnode.engine.coarse import Coarse
from qsmnode.engine.mask.intensity import combined, evened, foreground
from qsmnode.engine.mask.morphology import dilated_mm, eroded_mm, filled, largest_part
from qsmnode.engine.mask.refine import eroded, peeled, smooth_phase
from qsmnode.engine.registry import method, parameter
from qsmnode.engine.types import Float, Grid, Mask

DEEP_MM = 11.0  # deeper than scalp, muscle of the neck or the eyes reach
CLOSING_MM = 5.0  # over sulci and veins


@dataclass(frozen=True)
class Parameters:
    """Sizes and thresholds of the extraction."""

    cut_mm: float = parameter(
        7.0, "erosion that parts the brain from what touches it", unit="mm", low=2, high=15
    )
    evening_mm: float = parameter(12.0, "width of the magnitude's correction", unit="mm", low=4, high=40)
    smooth: float = parameter(
        0.6, "part of the deep tissue's phase quality that counts as brain", low=0, high=1
    )
    tissue: float = parameter(0.5, "part of the bright level that counts as tissue", low=0.1, high=0.9)
    peel: float = parameter(
        0.8, "rim voxels darker than this part of the tissue around are dropped", low=0, high=1
    )
    peel_rounds: int = parameter(2, "most layers of dark voxels dropped", unit="1", low=0, high=10)
    pits_mm: float = parameter(
        5.0, "dropped pits up to twice as wide come back: lesions at the rim", unit="mm", low=0, high=20
    )
    erode: int = parameter(1, "mean voxel edges taken off at the rim", unit="voxel", low=0, high=5)


@method("mask", "brain", doi="10.1002/mrm.30006", parameters=Parameters)
def brain(magnitude: Float, voxel_quality: Float, grid: Grid, parameters: Parameters) -> Mask:
    """Threshold, erode, keep the largest part, grow back; then only where the phase is smooth.

    Args:
        magnitude: (E, X, Y, Z).
        voxel_quality: (X, Y, Z), 0..1.
        grid: voxel sizes.
        parameters: sizes and thresholds.

    Returns:
        (X, Y, Z), one part without holes; empty where nothing brain-like was found.
    """
    head = foreground(magnitude, grid.voxel_mm)
    even = evened(combined(magnitude), head, grid.voxel_mm, parameters.evening_mm)
    found = extracted(even, voxel_quality, head, grid, parameters)
    smooth = eroded(smooth_phase(found, voxel_quality, head), parameters.erode, grid.voxel_mm)
    return peeled(
        largest_part(smooth),
        even,
        grid.voxel_mm,
        share=parameters.peel,
        rounds=parameters.peel_rounds,
        pits_mm=parameters.pits_mm,
    )


def extracted(even: Float, voxel_quality: Float, head: Mask, grid: Grid, parameters: Parameters) -> Mask:
    """The brain at about 2 mm: the largest part that an erosion leaves of the tissue, grown back into it.

    Muscle, fat and marrow are told from brain by their poorer phase as well: fat is off resonance.
    """
    coarse = Coarse.of(grid.shape, grid.voxel_mm, 2.0)
    edge = coarse.edge_mm
    inside = coarse.mean(head.astype(np.float32)) >= 0.5
    bright = (coarse.mean(even * head) > parameters.tissue) & inside
    quality = scipy.ndimage.gaussian_filter(coarse.mean(voxel_quality), [1.5 / e for e in edge])
    deep = eroded_mm(bright, DEEP_MM, edge)
    typical = float(np.median(quality[deep])) if deep.any() else 0.0
    tissue = bright & (quality > parameters.smooth * typical)
    core = largest_part(eroded_mm(tissue, parameters.cut_mm, edge))
    if not core.any():
        return np.zeros(grid.shape, dtype=np.bool_)
    grown = grown_back(core, tissue, parameters.cut_mm, edge)
    closed = eroded_mm(dilated_mm(grown, CLOSING_MM, edge), CLOSING_MM, edge) & inside
    return coarse.back(filled(closed | grown))


def grown_back(core: Mask, tissue: Mask, distance_mm: float, edge_mm: tuple[float, ...]) -> Mask:
    """``core`` grown inside ``tissue`` by about ``distance_mm``, thin bridges left out."""
    reach = dilated_mm(core, distance_mm + min(edge_mm), edge_mm) & tissue
    opened = dilated_mm(eroded_mm(reach, 2.0, edge_mm), 2.0, edge_mm) & reach
    labels, _ = scipy.ndimage.label(opened | core)
    kept: Mask = labels == int(np.bincount(labels[core]).argmax())
    return kept
