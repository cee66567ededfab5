"""The whole chain from wrapped phase without a given mask, step by step, beside a plain chain and presets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qsmnode.engine import EngineInputError, Maps, Recipe
from qsmnode.engine.types import Float, Mask
from qsmnode.phantom.head import SimulatedHead
from tests.bench import metrics, plain, plots
from tests.bench.heads import load
from tests.bench.metrics import Truth
from tests.bench.reconstruction import Reconstruction, before_background, reconstructed
from tests.bench.setting import Setting
from tests.bench.tables import Row, Table
from tests.bench.timing import Timed, timed

_GB = 1e9
DEFAULT, PLAIN = "default", "plain PDF 30, weighted TV 50"
PLAIN_MASK = "plain PDF 30, TV 50, mask only"


def run(setting: Setting) -> list[Table]:
    """Tables of the whole chain, of its steps' fields, of its steps' costs, and of each nucleus."""
    parts: tuple[list[Row], list[Row], list[Row], list[Row]] = ([], [], [], [])
    for seed in setting.seeds:
        for rows, found in zip(parts, _head(setting, seed), strict=True):
            rows += found
    plots.bars(
        setting.figure("chain_nrmse"),
        "Whole chain",
        {
            name: [float(r["nrmse"]) for r in parts[0] if r["method"] == name and "nrmse" in r]
            for name in dict.fromkeys(str(r["method"]) for r in parts[0])
        },
        "NRMSE, %",
    )
    return [
        Table(
            "chain",
            "From wrapped phase to susceptibility, no mask given. The plain chain starts from the same total "
            "field, weight and mask. ratio: NRMSE over the plain chain's on the same head. Memory is that of "
            "the whole process, input and libraries included.",
            parts[0],
        ),
        Table("chain_fields", "Fields on the way: error against the truth in the scored mask.", parts[1]),
        Table("chain_steps", "Cost of each step; memory is the process's peak in that step.", parts[2]),
        Table(
            "chain_nuclei",
            "Each nucleus by the default recipe. off: by more than 10 % and more than 5 ppb.",
            parts[3],
        ),
    ]


@dataclass(frozen=True)
class _PlainChain:
    """The plain chain's local field and maps, on the engine's total field."""

    first: Maps
    local: Float
    weighted: Timed
    mask_only: Timed


def _plain_chain(path: Path, recipe: dict[str, object]) -> _PlainChain:
    head = load(path)
    first = _travelling(before_background(head.stack, Recipe.from_mapping(recipe)))
    total = first.total_field / np.float32(head.stack.imaging_frequency_mhz)
    mask, size, b0 = first.mask, first.grid.voxel_mm, first.grid.b0_direction
    local = plain.pdf(total, mask, size, b0, weight=first.weight)

    def whole() -> Float:
        found = plain.pdf(total, mask, size, b0, weight=first.weight)
        return plain.tv(found, mask, size, b0, weight=first.weight)

    return _PlainChain(
        first,
        local,
        timed(mask.shape, whole),
        timed(mask.shape, lambda: plain.tv(local, mask, size, b0)),
    )


def _travelling(maps: Maps) -> Maps:
    """The maps without what cannot travel between processes: their read-only mappings."""
    copy = Maps(**vars(maps))
    object.__setattr__(copy, "quality", dict(maps.quality))
    object.__setattr__(copy, "contrasts", {})
    return copy


def _head(setting: Setting, seed: int) -> tuple[list[Row], list[Row], list[Row], list[Row]]:
    path = setting.path(seed)
    head = load(path)
    truth = setting.truth(head)
    runs, refused = _runs(setting, path)
    simple = setting.apart(_plain_chain, path, setting.recipe.as_mapping())
    rows = [_engine_row(name, found, truth) for name, found in runs.items()]
    rows += _plain_rows(simple, truth)
    rows += [{"method": name, "refused": why} for name, why in refused.items()]
    reference = next(float(row["nrmse"]) for row in rows if row["method"] == PLAIN)
    for row in rows:
        row["ratio"] = float(row.get("nrmse", np.nan)) / reference
    maps = {name: found.maps.susceptibility for name, found in runs.items()}
    maps |= {PLAIN: simple.weighted.result, PLAIN_MASK: simple.mask_only.result}
    _draw(setting, f"head_{seed}", truth, maps)
    _draw_fields(setting, f"head_{seed}", head, runs[DEFAULT].maps, truth.mask)
    fields = [
        _field_row(DEFAULT, head, runs[DEFAULT].maps, truth.mask),
        _local_row(PLAIN, head, simple.local, simple.first.mask, truth.mask),
    ]
    steps = [row for name, found in runs.items() for row in _step_rows(name, found)]
    named: tuple[list[Row], ...] = (rows, fields, steps, _nuclei_rows(maps[DEFAULT], truth))
    return tuple([{"head": f"head {seed}", **row} for row in part] for part in named)  # type: ignore[return-value]


def _runs(setting: Setting, path: Path) -> tuple[dict[str, Reconstruction], dict[str, str]]:
    """The recipe and the other presets; and why those presets that refused the head did."""
    runs, refused = {DEFAULT: reconstructed(path, setting.recipe, setting)}, {}
    others = [Recipe.preset(name) for name in Recipe.presets()]
    others = [recipe for recipe in others if recipe.hash != setting.recipe.hash]
    for recipe in [r for r in others if r.name == "fast"] if setting.quick or setting.essential else others:
        try:
            runs[f"preset {recipe.name}"] = reconstructed(path, recipe, setting)
        except EngineInputError as error:
            refused[f"preset {recipe.name}"] = str(error)
    return runs, refused


def _engine_row(name: str, found: Reconstruction, truth: Truth) -> Row:
    scored = metrics.scores(found.maps.susceptibility, truth, found.maps.mask)
    return {
        "method": name,
        **scored,
        "ratio": np.nan,
        "seconds": found.steps.total_seconds,
        "pairs": found.pairs,
        "peak_gb": found.steps.peak / _GB,
        "iterations": found.maps.quality.get("inversion_iterations", np.nan),
    }


def _plain_rows(found: _PlainChain, truth: Truth) -> list[Row]:
    rows: list[Row] = []
    for name, run_ in ((PLAIN, found.weighted), (PLAIN_MASK, found.mask_only)):
        row: Row = {"method": name, **metrics.scores(run_.result, truth, found.first.mask), "ratio": np.nan}
        if name == PLAIN:  # of the other, only the inversion was timed
            row |= {"seconds": run_.seconds, "pairs": run_.pairs}
        rows.append(row)
    return rows


def _field_row(name: str, head: SimulatedHead, maps: Maps, mask: Mask) -> Row:
    kept = mask & maps.mask
    error = 1000 * (maps.total_field - head.total_field_hz) / np.float32(head.stack.imaging_frequency_mhz)
    error = error[kept]
    return {
        **_local_row(name, head, maps.local_field, maps.mask, mask),
        "total_field_median_error_ppb": float(np.median(np.abs(error - np.median(error)))),
    }


def _local_row(name: str, head: SimulatedHead, local: Float, kept: Mask, mask: Mask) -> Row:
    both = mask & kept
    error = local[both] - head.local_field_ppm[both]
    return {
        "method": name,
        "local_field_nrmse": metrics.nrmse(local, head.local_field_ppm, both),
        "local_field_median_error_ppb": 1000 * float(np.median(np.abs(error - np.median(error)))),
        "scored_mask_kept": metrics.coverage(kept, mask),
    }


def _step_rows(name: str, found: Reconstruction) -> list[Row]:
    return [
        {
            "method": name,
            "step": step,
            "seconds": seconds,
            "pairs": seconds / found.pair_seconds,
            "peak_gb": found.steps.peaks[step] / _GB,
            "resting_gb": found.steps.resting / _GB,
        }
        for step, seconds in found.steps.seconds.items()
    ]


def _nuclei_rows(chi: Float, truth: Truth) -> list[Row]:
    return [
        {
            "nucleus": n.name,
            "voxels": float(n.voxels),
            "found_ppb": n.found_ppb,
            "true_ppb": n.true_ppb,
            "error_ppb": n.error_ppb,
            "error_percent": n.error_percent,
            "off": n.off,
        }
        for n in metrics.nuclei(chi, truth)
    ]


def _draw(setting: Setting, name: str, truth: Truth, found: dict[str, Float]) -> None:
    for method, chi in found.items():
        if setting.quick and method != DEFAULT:
            continue
        pair = plots.Pair(f"{name}: {method}, susceptibility", truth.chi, chi, "ppm", 0.15)
        plots.maps(setting.figure(f"chain_{name}_{method}"), pair, truth.mask)
    plots.nuclei(
        setting.figure(f"chain_{name}_nuclei"),
        f"{name}: nuclei, whole chain",
        {method: metrics.nuclei(chi, truth) for method, chi in found.items()},
    )


def _draw_fields(setting: Setting, name: str, head: SimulatedHead, maps: Maps, mask: Mask) -> None:
    kept = mask & maps.mask
    local = plots.Pair(f"{name}: local field", head.local_field_ppm, maps.local_field, "ppm", 0.05)
    plots.maps(setting.figure(f"chain_{name}_local_field"), local, kept)
    total = plots.Pair(f"{name}: total field", head.total_field_hz, maps.total_field, "Hz", 60.0)
    plots.maps(setting.figure(f"chain_{name}_total_field"), total, kept)
