"""Compile every voxel loop ahead of the first reconstruction: ``python -m qsmnode.engine.warm [PRESET ...]``.

Loops are compiled for the types of their arguments, which only a reconstruction has: so real ones of a tiny
head are run, with every preset, every method, and every choice that a method offers. Presets named on the
command line are warmed alone. Where the machine code is kept, :mod:`qsmnode.engine.compiled` says; a mark
there tells that everything was warmed for exactly these sources, this numba and this processor, so that doing
it again ends at once and says nothing.
"""

from __future__ import annotations

import functools
import hashlib
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core.registry import cpu_target

from qsmnode.engine import registry
from qsmnode.engine.compiled import cache_folder
from qsmnode.engine.dipole import forward_field
from qsmnode.engine.pipeline import reconstruct
from qsmnode.engine.recipe import Recipe
from qsmnode.engine.types import EchoStack, Float, Grid, Mask
from qsmnode.errors import EngineInputError

SHAPE = (30, 34, 30)
VOXEL_MM = 4.0
TIMES_S = (0.004, 0.009, 0.014, 0.019)
FREQUENCY_MHZ = 123.2

# lines along z about which the phase turns: where they cross x, in voxels, and which way. One stands alone;
# two are so close that nothing turns around both
LINES = ((11.4, 1), (18.4, 1), (19.4, -1))

Plan = Mapping[str, Any]
_PLAIN = {"preset": "fast", "mask": "signal"}
# the whole brain, so that lines in it stay; and with voxels as long as these a coarser grid only if asked for
_WOUND = {
    **_PLAIN,
    "offset": "none",
    "mask": "given",
    "inversion": {"method": "tgv", "coarsest_mm": 2 * VOXEL_MM},
}


def warm(presets: tuple[str, ...] = ()) -> int:
    """Run every plan once.

    Args:
        presets: run these alone; all of them, and every method, if empty.

    Returns:
        How many reconstructions were run.

    Raises:
        EngineInputError: a preset is unknown, or refuses the tiny head, as may a method.
    """
    chosen: list[Plan] = [{"preset": name} for name in presets] or list(plans())
    for plan in chosen:
        _run(plan)
    if presets:
        return len(chosen)
    # a readout that alternates; and one echo whose fringe lines end, which leaves steps to be mended
    _run(_PLAIN, ramp_rad=2.0)
    _run(_WOUND, echoes=1, winding=True)
    return len(chosen) + 2


def plans() -> Iterator[Plan]:
    """Recipes, as mappings: presets, then each method, then each choice of its parameters."""
    for name in Recipe.presets():
        yield {"preset": name}
    for chosen in registry.methods():
        plain = {**_PLAIN, **{step: _first(step) for step in chosen.needs}}
        yield {**plain, chosen.step: chosen.name}
        for declared in fields(chosen.parameters):
            for value in _others(declared):
                yield {**plain, chosen.step: {"method": chosen.name, declared.name: value}}


def _first(step: str) -> str:
    return registry.methods(step)[0].name


def _others(declared: Any) -> tuple[Any, ...]:
    """The values of a parameter that are not its default, where they can be counted."""
    if declared.metadata.get("choices"):
        return tuple(value for value in declared.metadata["choices"] if value != declared.default)
    return (not declared.default,) if isinstance(declared.default, bool) else ()


def _run(plan: Plan, echoes: int = len(TIMES_S), ramp_rad: float = 0.0, winding: bool = False) -> None:
    stack, brain = _acquired(echoes, ramp_rad, winding)
    given = "given" in plan.values()
    reconstruct(
        stack, Recipe.from_mapping(plan), brain if given else None, reference_mask=brain if given else None
    )


@functools.cache
def _head() -> tuple[Grid, Mask, Float, Float, Float]:
    """A brain in a skull and a scalp: grid, voxels of the brain, signal, R2* in 1/s, field in Hz."""
    grid = Grid(SHAPE, (VOXEL_MM,) * 3, (0.0, 0.28, 0.96))
    x, y, z = np.meshgrid(*[(np.arange(n) - (n - 1) / 2) * VOXEL_MM for n in SHAPE], indexing="ij")
    radius = np.sqrt((x / 44) ** 2 + (y / 52) ** 2 + (z / 44) ** 2)
    brain = radius < 1
    chi = np.where(radius < 1.2, 0.0, 0.4)
    for place, value in (((14, 0, 0), 0.12), ((-14, 0, 0), 0.12), ((0, 18, 8), -0.08), ((0, -16, -6), 0.2)):
        apart = np.sqrt((x - place[0]) ** 2 + (y - place[1]) ** 2 + (z - place[2]) ** 2)
        chi[apart < 9] = value
    fluid = (np.abs(x) < 6) & (np.abs(y) < 14) & (np.abs(z) < 8)
    signal = np.where(brain, 100.0, 8.0) + np.where((radius > 1.12) & (radius < 1.2), 60.0, 0.0)
    signal = np.where(radius < 1.2, signal * np.where(fluid, 1.2, 1.0), 0.0)
    field = forward_field(chi.astype(np.float32), grid) * np.float32(FREQUENCY_MHZ)
    rate = np.where(fluid, 2.0, np.where(brain, 20.0, 30.0))
    return grid, brain, signal.astype(np.float32), rate.astype(np.float32), field


def _acquired(echoes: int, ramp_rad: float, winding: bool) -> tuple[EchoStack, Mask]:
    """The head measured: with a ramp between odd and even echoes, and fringe lines that end, if wanted."""
    grid, brain, signal, rate, field = _head()
    x, y, _ = np.indices(SHAPE)
    offset = 0.05 * x
    for place, turns in LINES if winding else ():
        offset += turns * np.arctan2(y - 16.3, x - place)
    random = np.random.default_rng(1)
    measured = np.empty((echoes, *SHAPE), dtype=np.complex64)
    for echo, time_s in enumerate(TIMES_S[:echoes]):
        lean = ramp_rad * x / SHAPE[0] * (echo % 2)
        noise = random.normal(size=SHAPE) + 1j * random.normal(size=SHAPE)
        decay = np.exp(-time_s * rate)
        measured[echo] = signal * decay * np.exp(1j * (2 * np.pi * field * time_s + offset + lean)) + noise
    magnitude, phase = np.abs(measured), np.angle(measured)
    return EchoStack(magnitude, phase, TIMES_S[:echoes], FREQUENCY_MHZ, grid), brain


def mark() -> Path | None:
    """The file that is there once everything is warmed; None where machine code cannot be kept.

    It lies with the machine code of these sources. Its name holds what else numba tells its own files by.
    """
    folder = cache_folder()
    if folder is None:
        return None
    processor = cpu_target.target_context.codegen().magic_tuple()
    made_by = repr((platform.python_version(), numba.__version__, processor))
    return folder / f"warmed-{hashlib.sha256(made_by.encode()).hexdigest()[:16]}"


def main(presets: tuple[str, ...]) -> int:
    """Warm what is not warmed yet, and print one line about it.

    Returns:
        The exit code: 2 where a preset is unknown, or the tiny head is refused.
    """
    done = mark()
    if done is None:
        print("Voxel loops are not compiled ahead: no folder for them can be written")
        return 0
    if not presets and done.exists():
        return 0
    start = time.monotonic()
    try:
        count = warm(presets)
    except EngineInputError as error:
        print(f"qsmnode.engine.warm: {error}", file=sys.stderr)
        return 2
    if not presets:
        done.touch(mode=0o600)
    runs = f"{count} reconstruction{'s' * (count != 1)}"
    print(f"Voxel loops compiled by {runs} in {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(tuple(sys.argv[1:])))
