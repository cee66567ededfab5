"""Awkward data through the whole chain: a finite map or a refusal in words; never an exception, never NaN."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from qsmnode.engine import EchoStack, EngineInputError, Grid, Maps, Recipe, forward_field, reconstruct

Signal = np.ndarray
INCLUSION_PPM = 0.3
RECIPES = {
    "default": Recipe.preset("default"),
    "default, any object": Recipe.from_mapping({"mask": "signal"}),
    "fast, any object": Recipe.from_mapping({"preset": "fast", "mask": "signal"}),
    "phantom": Recipe.preset("phantom"),
}
# these are bound to find the inclusion: nothing in them takes the ball for a head
SEEING = ("default, any object", "fast, any object", "phantom")
MOST = ("default", "default, any object", "fast, any object")


@dataclass(frozen=True)
class Scan:
    """How a ball with an inclusion is measured."""

    shape: tuple[int, int, int] = (22, 24, 20)
    voxel_mm: tuple[float, float, float] = (4.0, 4.0, 4.0)
    b0: tuple[float, float, float] = (0.0, 0.0, 1.0)
    times: tuple[float, ...] = (0.005, 0.012, 0.019)
    mhz: float = 123.2

    @property
    def grid(self) -> Grid:
        return Grid(self.shape, self.voxel_mm, self.b0)

    def positions(self) -> list[np.ndarray]:
        """In mm, with the grid's middle at 0; broadcastable."""
        lines = [(np.arange(n) - (n - 1) / 2) * v for n, v in zip(self.shape, self.voxel_mm, strict=True)]
        return list(np.ix_(*lines))

    def ball(self, centre_mm: tuple[float, float, float], radius_mm: float) -> np.ndarray:
        return sum((p - c) ** 2 for p, c in zip(self.positions(), centre_mm, strict=True)) < radius_mm**2

    @property
    def body(self) -> np.ndarray:
        return self.ball((0, 0, 0), 38.0)

    @property
    def core(self) -> np.ndarray:
        return self.ball((6, -5, 3), 13.0)

    def signal(self, noise: float = 0.01) -> Signal:
        """(E, X, Y, Z) complex, smooth phase at echo time 0 and a smooth background field included."""
        x, y, z = (p / 40 for p in self.positions())
        ppm = forward_field(INCLUSION_PPM * self.core, self.grid) + 0.15 * x - 0.1 * y + 0.1 * (x**2 - z**2)
        t = np.array(self.times)[:, None, None, None]
        signal = self.body * np.exp(-15 * t + 1j * (2 * np.pi * self.mhz * t * ppm + 0.6 * y + 0.4))
        rng = np.random.default_rng(17)
        return signal + noise * (rng.normal(size=signal.shape) + 1j * rng.normal(size=signal.shape))

    def stack(self, magnitude: np.ndarray, phase: np.ndarray) -> EchoStack:
        return EchoStack(magnitude, phase, self.times, self.mhz, self.grid)


def outcome(stack: EchoStack, recipe: str, **more: Any) -> Maps | str:
    """The checked maps, or the words of a clear refusal."""
    try:
        maps = reconstruct(stack, RECIPES[recipe], **more)
    except EngineInputError as refusal:
        words = str(refusal)
    else:
        return checked(maps, stack)
    assert re.match(r"[a-z_]+: .{15}", words), words
    return words


def checked(maps: Maps, stack: EchoStack) -> Maps:
    """The maps, which are finite and fit together."""
    assert maps.mask.any()
    for values in (maps.susceptibility, maps.local_field, maps.total_field, maps.weight):
        assert values.shape == stack.grid.shape
        assert np.isfinite(values).all()
    assert not maps.susceptibility[~maps.mask].any()
    assert maps.weight.min() >= 0
    assert maps.weight.max() <= 1
    assert np.isfinite(list(maps.quality.values())).all()
    return maps


def found(maps: Maps | str, scan: Scan) -> float:
    """Contrast of the inclusion in ppm."""
    assert isinstance(maps, Maps), maps
    core, around = maps.mask & scan.core, maps.mask & ~scan.core
    assert core.any()
    return float(maps.susceptibility[core].mean() - maps.susceptibility[around].mean())


PROTOCOLS = {
    "plain": Scan(),
    "odd matrix": Scan(shape=(23, 25, 21)),
    "two to one": Scan(shape=(28, 30, 13), voxel_mm=(3.0, 3.0, 6.0)),
    "four to one": Scan(shape=(40, 42, 11), voxel_mm=(2.0, 2.0, 8.0)),
    "one to three across": Scan(shape=(9, 28, 28), voxel_mm=(9.0, 3.0, 3.0)),
    "oblique": Scan(b0=(0.0, 0.6, 0.8)),
    "double oblique": Scan(b0=(0.48, -0.6, 0.64)),
    "B0 along rows": Scan(b0=(1.0, 0.0, 0.0)),
    "one echo": Scan(times=(0.018,)),
    "two echoes": Scan(times=(0.006, 0.016)),
    "twelve echoes": Scan(times=tuple(0.003 + 0.0021 * n for n in range(12))),
    "uneven echoes": Scan(times=(0.0031, 0.0047, 0.0113, 0.0201)),
    "1.5 T": Scan(mhz=63.7, times=(0.008, 0.018, 0.028)),
    "7 T": Scan(mhz=297.2, times=(0.003, 0.007, 0.011)),
}


@pytest.mark.parametrize("recipe", MOST)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_protocols(protocol: str, recipe: str) -> None:
    scan = PROTOCOLS[protocol]
    signal = scan.signal()
    maps = outcome(scan.stack(np.abs(signal), np.angle(signal)), recipe)
    if recipe in SEEING:
        assert 0.5 * INCLUSION_PPM < found(maps, scan) < 1.5 * INCLUSION_PPM


@pytest.mark.parametrize("recipe", MOST)
@pytest.mark.parametrize("slices", [1, 3, 8])
@pytest.mark.parametrize("axis", [0, 2])
def test_thin_slabs(slices: int, axis: int, recipe: str) -> None:
    shape = [22, 24, 20]
    shape[axis] = slices
    scan = Scan(shape=(shape[0], shape[1], shape[2]))
    signal = scan.signal()
    maps = outcome(scan.stack(np.abs(signal), np.angle(signal)), recipe, mask=scan.body)
    if slices == 8 and recipe in SEEING:
        assert found(maps, scan) > 0.3 * INCLUSION_PPM


@pytest.mark.parametrize("recipe", MOST)
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 2), (3, 1, 4), (5, 6, 7), (1, 12, 9)])
def test_tiny_matrices(shape: tuple[int, int, int], recipe: str) -> None:
    scan = Scan(shape=shape, b0=(0.0, 0.6, 0.8))
    signal = scan.signal()
    outcome(scan.stack(np.abs(signal), np.angle(signal)), recipe)
    outcome(scan.stack(np.abs(signal), np.angle(signal)), recipe, mask=np.ones(shape, bool))


def _some(scan: Scan, part: float, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).random((len(scan.times), *scan.shape)) < part


def sprinkled(scan: Scan, magnitude: Signal, phase: Signal) -> None:
    """NaN and infinity in 1 % of the voxels of each array, inside and outside."""
    phase[_some(scan, 0.003, 1)] = np.nan
    phase[_some(scan, 0.003, 2)] = np.inf
    magnitude[_some(scan, 0.003, 3)] = np.nan
    magnitude[_some(scan, 0.002, 4)] = -np.inf


def zero_background(scan: Scan, magnitude: Signal, phase: Signal) -> None:
    magnitude *= scan.body
    phase *= scan.body


def nan_background(scan: Scan, magnitude: Signal, phase: Signal) -> None:
    magnitude[:, ~scan.body] = np.nan
    phase[:, ~scan.body] = np.nan


def random_phase_outside(scan: Scan, magnitude: Signal, phase: Signal) -> None:
    """The magnitude outside is exactly 0, or a little; the phase knows nothing."""
    noise = np.random.default_rng(9).uniform(-np.pi, np.pi, phase.shape)
    phase[:, ~scan.body] = noise[:, ~scan.body]
    magnitude[:, ~scan.body & (scan.positions()[0] > 0)] = 0


def holes(scan: Scan, magnitude: Signal, phase: Signal) -> None:
    """Signal voids inside, one of them open to the outside."""
    rng = np.random.default_rng(10)
    void = scan.ball((-14, 10, -6), 7.0) | scan.ball((0, 22, 0), 6.0) | scan.ball((-36, 0, 0), 9.0)
    magnitude[:, void] = 0.005 * rng.random(magnitude[:, void].shape)
    phase[:, void] = rng.uniform(-np.pi, np.pi, phase[:, void].shape)


def open_fringe_line(scan: Scan, magnitude: Signal, phase: Signal) -> None:
    """A turn around a line through the object: no unwrapping is right on both sides of the cut."""
    x, y, _ = scan.positions()
    phase[:] = np.angle(np.exp(1j * (phase + np.arctan2(y - 9.0, x + 11.0))))


def lost_echo(scan: Scan, magnitude: Signal, phase: Signal) -> None:
    magnitude[-1] = 0
    phase[-1] = 0


def two_parts(scan: Scan, magnitude: Signal, phase: Signal) -> None:
    gap = np.abs(scan.positions()[1] - 18) < 3
    magnitude *= ~gap


def from_zero(scan: Scan, magnitude: Signal, phase: Signal) -> None:
    phase[:] = np.mod(phase, 2 * np.pi)


def whole_numbers(scan: Scan, magnitude: Signal, phase: Signal) -> None:
    """As 12 bit storage leaves them."""
    magnitude[:] = np.round(4095 * magnitude / magnitude.max())
    phase[:] = np.round(phase * 2048 / np.pi) * np.pi / 2048


def lost_rows(scan: Scan, magnitude: Signal, phase: Signal) -> None:
    phase[:, :, 7] = np.nan


TROUBLES: tuple[Callable[[Scan, Signal, Signal], None], ...] = (
    sprinkled,
    zero_background,
    nan_background,
    random_phase_outside,
    holes,
    open_fringe_line,
    lost_echo,
    two_parts,
    from_zero,
    whole_numbers,
    lost_rows,
)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda t: t.__name__)
def test_troubles(trouble: Callable[[Scan, Signal, Signal], None], recipe: str) -> None:
    scan = Scan()
    signal = scan.signal()
    magnitude, phase = np.abs(signal), np.angle(signal)
    trouble(scan, magnitude, phase)
    maps = outcome(scan.stack(magnitude, phase), recipe)
    # a line that has no right phase and rows that are missing cost more than a bound can say, and so do
    # many missing voxels, between which only small spheres fit
    if trouble in (open_fringe_line, lost_rows) or (trouble is sprinkled and recipe == "fast, any object"):
        return
    if recipe in SEEING:
        assert 0.5 * INCLUSION_PPM < found(maps, scan) < 1.6 * INCLUSION_PPM


@pytest.mark.parametrize("recipe", MOST)
@pytest.mark.parametrize("kind", ["noise", "flat", "one voxel"])
def test_nothing_to_see(kind: str, recipe: str) -> None:
    scan = replace(Scan(), shape=(14, 13, 12))
    rng = np.random.default_rng(12)
    shape = (len(scan.times), *scan.shape)
    magnitude, phase = rng.rayleigh(size=shape), rng.uniform(-np.pi, np.pi, shape)
    if kind == "flat":
        magnitude, phase = np.ones(shape), np.zeros(shape)
    if kind == "one voxel":
        magnitude = np.zeros(shape)
        magnitude[:, 7, 6, 5] = 1.0
    maps = outcome(scan.stack(magnitude, phase), recipe)
    if kind == "flat" and isinstance(maps, Maps):
        assert np.abs(maps.susceptibility).max() < 1e-3
