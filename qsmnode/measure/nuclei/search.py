"""Where in a head the nuclei are, roughly: the painted atlas as a pattern that is looked for everywhere.

Normalised cross-correlation by Fourier transforms, for some nods and sizes of the head, on a coarse grid: no
first guess, no matter where the field of view lies or what part of the head it holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft

from qsmnode.engine.types import Float
from qsmnode.measure.grids import Affine, Box
from qsmnode.measure.nuclei.atlas import Atlas
from qsmnode.measure.nuclei.space import Points, Volume, around, places

_SPACING_MM = 3.0
_SMOOTHING_MM = 2.0
_NODS_DEG = tuple(range(-30, 31, 6))
_SIZES = (0.9, 1.0, 1.1)
"""Of the head against the atlas, as multiples of what its width says."""
_USUAL_WIDTH_MM = 138.0
"""Of the brain in the atlas's space, from left to right."""
_OFF_MIDLINE_MM = 12.0
_HALF_BOX = (13, 15, 11)
"""Voxels of the pattern's box on either side of its middle: all nuclei at the largest size and nod."""
_NEAR_MM, _NEAR_GAIN = 4.0, 8.0
_COVERED = 0.7
"""Part of the pattern that has to lie in the brain."""
_LEAST_SPREAD_PPB = 1.0
_LEAST_WEIGHT = 0.3
Spectrum = npt.NDArray[np.complexfloating]


@dataclass(frozen=True, eq=False)
class Guess:
    """Where the pattern fits best.

    Attributes:
        transform: (4, 4), LPS mm of the patient to LPS mm of the atlas.
        correlation: of the pattern with the map there, -1 to 1.
    """

    transform: Affine
    correlation: float


def search(chi: Volume, brain: Volume, atlas: Atlas) -> Guess:
    """The best of all places, nods and sizes.

    Args:
        chi: map (ppb) with extremes cut off, 0 outside the brain.
        brain: its mask, as 0 and 1.
        atlas: what is looked for.
    """
    box = around(places(brain.values > 0, brain.affine), _SPACING_MM, 0.0)
    weight = brain.smoothed(_SMOOTHING_MM).on(box)
    if not (weight > 0.5).any():
        return Guess(np.eye(4), -1.0)  # single voxels are no brain
    maps = _Spectra.of(chi.smoothed(_SMOOTHING_MM).on(box) / np.maximum(weight, _LEAST_WEIGHT), weight)
    width, middle_x = _width(box, weight)
    off = np.abs(box.affine[0, 3] + _SPACING_MM * np.arange(box.shape[0]) - middle_x) > _OFF_MIDLINE_MM
    pattern = Volume(atlas.painted(), atlas.affine)
    near = Volume(_near(atlas), atlas.affine)
    centre = atlas.centre_mm
    best = Guess(np.eye(4), -1.0)
    for size in (part * width / _USUAL_WIDTH_MM for part in _SIZES):
        smooth, weights = (one.smoothed(_SMOOTHING_MM / size) for one in (pattern, near))
        for nod in _NODS_DEG:
            turn = _turn(nod, size)
            value, where = maps.best(_patch(smooth, centre, turn), _patch(weights, centre, turn), off)
            if value > best.correlation:
                transform = np.eye(4)
                transform[:3, :3] = turn
                transform[:3, 3] = centre - turn @ (box.affine[:3, :3] @ where + box.affine[:3, 3])
                best = Guess(transform, value)
    return best


def _near(atlas: Atlas) -> Float:
    """1 in the nuclei, falling to 0 within some millimetres: where the pattern is looked at."""
    blurred = Volume(atlas.parts > 0, atlas.affine).smoothed(_NEAR_MM).values
    return np.asarray(np.minimum(_NEAR_GAIN * blurred, 1.0), np.float32)


def _width(box: Box, weight: Float) -> tuple[float, float]:
    """Of the brain from left to right where it is widest (mm), and the middle of that."""
    inside = weight.max(axis=2) > 0.5  # (x, y)
    there = inside.any(axis=0)
    first = np.where(there, inside.argmax(axis=0), inside.shape[0])
    last = np.where(there, inside.shape[0] - 1 - inside[::-1].argmax(axis=0), -1)
    widest = int((last - first).argmax())
    middle = box.affine[0, 3] + _SPACING_MM * (first[widest] + last[widest]) / 2
    return _SPACING_MM * float(last[widest] - first[widest] + 1), float(middle)


def _turn(nod_deg: float, size: float) -> Points:
    """(3, 3): directions of the patient to directions of the atlas, for a head of that size against it."""
    c, s = np.cos(np.radians(nod_deg)), np.sin(np.radians(nod_deg))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) / size


def _patch(volume: Volume, centre: Points, turn: Points) -> Float:
    """The atlas, turned and sized, in a box around its centre."""
    affine = np.diag([_SPACING_MM, _SPACING_MM, _SPACING_MM, 1.0])
    affine[:3, 3] = -_SPACING_MM * np.array(_HALF_BOX)
    transform = np.eye(4)
    transform[:3, :3], transform[:3, 3] = turn, centre
    x, y, z = (2 * half + 1 for half in _HALF_BOX)
    return np.asarray(volume.on(Box((x, y, z), affine), transform))


@dataclass(frozen=True, eq=False)
class _Spectra:
    """Transforms of the map, its square and the brain, padded so that nothing wraps round."""

    value: Spectrum
    square: Spectrum
    brain: Spectrum
    shape: tuple[int, ...]
    view: tuple[slice, ...]

    @classmethod
    def of(cls, values: Float, brain: Float) -> _Spectra:
        pad = [(half, half) for half in _HALF_BOX]
        shape = tuple(
            fft.next_fast_len(n + 2 * half, real=True)
            for n, half in zip(values.shape, _HALF_BOX, strict=True)
        )
        value, square, weight = (fft.rfftn(np.pad(one, pad), shape) for one in (values, values**2, brain))
        return cls(value, square, weight, shape, tuple(slice(0, n) for n in values.shape))

    def best(self, pattern: Float, near: Float, off: npt.NDArray[np.bool_]) -> tuple[float, Points]:
        """Highest weighted correlation of a pattern with the map, and the index of its middle there."""
        weight = near / near.sum()
        centred = (pattern - (weight * pattern).sum()) * weight
        length = float(np.sqrt((centred * pattern).sum()))
        weights = fft.rfftn(weight, self.shape).conj()
        mean = self._at(self.value * weights)
        spread = np.sqrt(np.maximum(self._at(self.square * weights) - mean**2, _LEAST_SPREAD_PPB**2))
        correlation = self._at(self.value * fft.rfftn(centred, self.shape).conj()) / (spread * length)
        correlation[self._at(self.brain * weights) < _COVERED] = -1.0
        correlation[off] = -1.0
        at = np.unravel_index(int(correlation.argmax()), correlation.shape)
        return float(correlation[at]), np.array(at, dtype=np.float64)

    def _at(self, product_: Spectrum) -> Float:
        return np.asarray(fft.irfftn(product_, self.shape)[self.view])
