"""Time and memory of the default chain over the number of voxels, from small cubes to a 0.5 mm head at 7 T.

The inputs are made cheaply: field and signal of one simulated head, interpolated to the size that is asked
for. They cost what a real head of that size costs; their maps mean nothing.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from qsmnode.engine import EchoStack, Grid, Recipe, reconstruct
from qsmnode.phantom.head import HeadShape, Protocol, SimulatedHead
from tests.bench import plots
from tests.bench.heads import load, whole_head
from tests.bench.reconstruction import measured
from tests.bench.setting import Setting
from tests.bench.tables import Row, Table
from tests.bench.timing import alone

CUBES = (64, 96, 128, 160, 192, 256, 320)
QUICK_CUBES = (32, 40)
LARGE_SHAPE, LARGE_MM = (400, 400, 300), 0.5
_SOURCE_MM = 2.0
_SNR = 60.0
_GB = 1e9


def run(setting: Setting) -> list[Table]:
    """Tables of the cubes and, where asked for, of the large head."""
    size = setting.voxel_mm if setting.quick else _SOURCE_MM
    source = setting.heads.path(HeadShape(setting.seeds[0]), whole_head(size, snr=0.0))
    rows = [_row(setting, source, (n, n, n), first=i == 0) for i, n in enumerate(_cubes(setting))]
    scale = _add_fit(rows)
    voxels = [float(row["voxels"]) for row in rows]
    plots.curves(
        setting.figure("scaling"),
        "Default chain",
        voxels,
        {
            "seconds": [float(row["seconds"]) for row in rows],
            "fit c N log N": [scale * n * math.log(n) for n in voxels],
        },
        ("voxels N", "s"),
    )
    tables = [
        Table(
            "scaling",
            "Default chain on cubes that hold the whole head. over_fit: seconds over c N log N, c fitted to "
            "the rows (in logarithms). exponent: local slope of log seconds over log N. Bytes per voxel: the "
            "process's peak less what it held before the input was made.",
            rows,
        )
    ]
    if setting.large:
        tables.append(_large(setting))
    return tables


def _cubes(setting: Setting) -> tuple[int, ...]:
    return QUICK_CUBES if setting.quick else CUBES


def _row(setting: Setting, source: Path, shape: tuple[int, int, int], *, first: bool) -> Row:
    """One size; a quick run measures only its first one in a process of its own."""
    arguments = (source, shape, setting.recipe.as_mapping(), setting.warm_path())
    if setting.quick and not first:
        return _measure(*arguments)
    return alone(_measure, *arguments)


def _measure(source: Path, shape: tuple[int, int, int], recipe: dict[str, Any], warm: Path) -> Row:
    chosen = Recipe.from_mapping(recipe)
    reconstruct(load(warm).stack, chosen, mask=load(warm).brain_mask)
    reconstruct(load(warm).stack, chosen)
    stack = resampled(load(source), shape)
    given = stack.magnitude.nbytes + stack.phase.nbytes
    maps, steps, pair = measured(stack, chosen)
    voxels = math.prod(shape)
    row: Row = {
        "shape": "x".join(map(str, shape)),
        "voxels": float(voxels),
        "seconds": steps.total_seconds,
        "pairs": steps.total_seconds / pair,
        "peak_gb": steps.peak / _GB,
        "bytes_per_voxel": (steps.peak - steps.resting + given) / voxels,
        "input_bytes_per_voxel": given / voxels,
        "iterations": maps.quality.get("inversion_iterations", math.nan),
    }
    return row | {f"pairs {step}": seconds / pair for step, seconds in steps.seconds.items()}


def resampled(head: SimulatedHead, shape: tuple[int, int, int]) -> EchoStack:
    """The noise-free ``head`` on a grid of ``shape`` over the same view, with noise.

    Field and magnitude are interpolated linearly; the phase is 2 pi x field x echo time.
    """
    grid = head.stack.grid
    factors = [n / old for n, old in zip(shape, grid.shape, strict=True)]
    x, y, z = (v / f for v, f in zip(grid.voxel_mm, factors, strict=True))

    def zoomed(values: Any) -> Any:
        return ndimage.zoom(values, factors, order=1, mode="nearest", grid_mode=True)

    field = zoomed(head.total_field_hz)
    times = head.stack.echo_times_s
    magnitude, phase = (np.empty((len(times), *shape), np.float32) for _ in range(2))
    rng = np.random.default_rng([head.seed, *shape])
    sd = np.float32(head.stack.magnitude[0][head.brain_mask].mean() / _SNR)
    for echo, time_s in enumerate(times):
        signal = zoomed(head.stack.magnitude[echo]) * np.exp(2j * np.pi * np.float32(time_s) * field)
        signal = signal.astype(np.complex64)
        signal.real += sd * rng.standard_normal(shape, dtype=np.float32)
        signal.imag += sd * rng.standard_normal(shape, dtype=np.float32)
        magnitude[echo], phase[echo] = np.abs(signal), np.angle(signal)
    made = Grid((shape[0], shape[1], shape[2]), (x, y, z), grid.b0_direction)
    return EchoStack(magnitude, phase, times, head.stack.imaging_frequency_mhz, made, bipolar=False)


def _add_fit(rows: list[Row]) -> float:
    """Add to each row how it lies to c N log N, and the local exponent; returns c."""
    size = np.array([float(row["voxels"]) for row in rows])
    seconds = np.array([float(row["seconds"]) for row in rows])
    work = size * np.log(size)
    scale = float(np.exp(np.mean(np.log(seconds / work))))
    for row, over in zip(rows, seconds / (scale * work), strict=True):
        row["over_fit"] = float(over)
    for before, row in itertools.pairwise(rows):
        growth = math.log(float(row["seconds"]) / float(before["seconds"]))
        row["exponent"] = growth / math.log(float(row["voxels"]) / float(before["voxels"]))
    return scale


def _large(setting: Setting) -> Table:
    """A whole head at 7 T, 0.5 mm: interpolated from 1 mm."""
    x, y, z = (round(n * LARGE_MM) for n in LARGE_SHAPE)
    protocol = Protocol(
        echo_times_s=(0.003, 0.007, 0.011, 0.015, 0.019), field_t=7.0, shape=(x, y, z), snr=0.0
    )
    source = setting.heads.path(HeadShape(setting.seeds[0]), protocol)
    row = alone(_measure, source, LARGE_SHAPE, setting.recipe.as_mapping(), setting.warm_path())
    return Table("large", "Whole head, 0.5 mm, 7 T, five echoes, interpolated from 1 mm.", [row])
