"""The engine, called as a black box in a process of its own: maps and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from qsmnode.engine import EchoStack, Maps, Recipe, invert, reconstruct
from qsmnode.engine.types import Float
from tests.bench.heads import load
from tests.bench.ideal import IdealField, ideal_field
from tests.bench.setting import Setting
from tests.bench.timing import Steps, Timed, fft_pair_seconds, timed

# the steps before background removal cannot be asked for alone: the cheapest rest
_CHEAP_REST: Mapping[str, Any] = {"background": {"method": "pdf", "iterations": 1}, "inversion": "tkd"}


@dataclass(frozen=True)
class Reconstruction:
    """One reconstruction and its cost.

    Attributes:
        maps: what the engine gave.
        steps: seconds and memory by step.
        pair_seconds: of one FFT pair of the image's whole grid, in the same process.
    """

    maps: Maps
    steps: Steps
    pair_seconds: float

    @property
    def pairs(self) -> float:
        """Wall time as a multiple of one FFT pair."""
        return self.steps.total_seconds / self.pair_seconds


def reconstructed(path: Path, recipe: Recipe, setting: Setting) -> Reconstruction:
    """The head of ``path`` by ``recipe``, measured apart after a run on a small head."""
    arrays, steps, pair = setting.apart(_measured, path, recipe.as_mapping(), setting.warm_path())
    return Reconstruction(Maps(**arrays), steps, pair)


def _measured(path: Path, recipe: dict[str, Any], warm: Path) -> tuple[dict[str, Any], Steps, float]:
    chosen = Recipe.from_mapping(recipe)
    reconstruct(load(warm).stack, chosen, mask=load(warm).brain_mask)
    reconstruct(load(warm).stack, chosen)
    stack = load(path).stack
    maps, steps, pair = measured(stack, chosen)
    return _plain(maps), steps, pair


def measured(stack: EchoStack, recipe: Recipe) -> tuple[Maps, Steps, float]:
    """Reconstruct in this process: maps, cost by step, and seconds of an FFT pair (before and after)."""
    before = fft_pair_seconds(stack.grid.shape)
    with Steps() as steps:
        maps = reconstruct(stack, recipe, progress=steps)
    return maps, steps, (before + fft_pair_seconds(stack.grid.shape)) / 2


def _plain(maps: Maps) -> dict[str, Any]:
    """The maps as values that can travel between processes."""
    found = {f.name: getattr(maps, f.name) for f in fields(Maps)}
    return {**found, "quality": dict(maps.quality), "contrasts": dict(maps.contrasts)}


def before_background(stack: EchoStack, recipe: Recipe, mask: Any = None) -> Maps:
    """Total field, weight and mask as the recipe's first steps make them; the rest means nothing."""
    first = {
        step: choice
        for step, choice in recipe.as_mapping().items()
        if step in ("offset", "unwrap", "field", "mask", "reference")
    }
    return reconstruct(stack, Recipe.from_mapping({"preset": "fast", **first, **_CHEAP_REST}), mask=mask)


def inverted(path: Path, method: str, parameters: Mapping[str, Any], setting: Setting) -> Timed:
    """The ideal local field of the head of ``path``, inverted and measured apart."""
    return setting.apart(_inverted, path, method, dict(parameters), setting.warm_path())


def _inverted(path: Path, method: str, parameters: dict[str, Any], warm: Path) -> Timed:
    invert_ideal(ideal_field(load(warm)), method, parameters)
    given = ideal_field(load(path))
    return timed(given.grid.shape, lambda: invert_ideal(given, method, parameters))


def invert_ideal(given: IdealField, method: str, parameters: Mapping[str, Any]) -> Float:
    """Susceptibility in ppm by one of the engine's inversions."""
    return np.asarray(
        invert(
            given.field_ppm,
            given.mask,
            given.grid,
            method,
            given.weight,
            magnitude=given.magnitude,
            rad_per_ppm=given.rad_per_ppm,
            noise_ppm=given.noise_ppm if given.noise_ppm > 0 else None,
            parameters=dict(parameters),
        )
    )


def inversion_of(recipe: Recipe) -> tuple[str, dict[str, Any]]:
    """Method and parameters of a recipe's inversion."""
    choice = recipe.as_mapping()["inversion"]
    return str(choice.pop("method")), choice
