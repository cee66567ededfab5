"""Inversions from the true local field with noise: the recipe's, the engine's others, and plain ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qsmnode.engine import EngineInputError, methods
from qsmnode.engine.types import Float
from tests.bench import metrics, plain, plots
from tests.bench.heads import load
from tests.bench.ideal import IdealField, ideal_field
from tests.bench.reconstruction import inversion_of, inverted
from tests.bench.setting import Setting
from tests.bench.tables import Row, Table
from tests.bench.timing import Timed, timed

_GB = 1e9
DEFAULT, TKD, TV50 = "default", "plain TKD", "plain weighted TV 50"
UNWEIGHTED = "plain TV 50, mask only"
_EASY_EROSION_VOXELS = 4


def run(setting: Setting) -> list[Table]:
    """One table: reporting heads, and one easy head to compare with figures of other packages."""
    rows: list[Row] = []
    for seed in setting.seeds:
        rows += _head(setting, f"head {seed}", setting.path(seed), erosion_mm=2.0)
    easy = setting.heads.easy_path(setting.seeds[0], setting.voxel_mm)
    rows += _head(
        setting, f"easy head {setting.seeds[0]}", easy, erosion_mm=_EASY_EROSION_VOXELS * setting.voxel_mm
    )
    caption = (
        "Inversion of the true local field plus the scan's noise, in the true brain mask. Easy head: field "
        "computed on the image's own grid, no texture, scored in the mask eroded by 4 voxels. Ratios are "
        "NRMSE over that of the plain reference on the same head; pairs are multiples of one FFT pair."
    )
    plots.bars(
        setting.figure("inversion_nrmse"), "Inversion of the true local field", _by_method(rows), "NRMSE, %"
    )
    return [Table("inversion", caption, rows)]


def _by_method(rows: list[Row]) -> Mapping[str, list[float]]:
    names = dict.fromkeys(str(row["method"]) for row in rows)
    return {
        name: [
            float(r["nrmse"])
            for r in rows
            if r["method"] == name and "nrmse" in r and not str(r["head"]).startswith("easy")
        ]
        for name in names
    }


def _head(setting: Setting, name: str, path: Path, erosion_mm: float) -> list[Row]:
    truth = setting.truth(load(path), erosion_mm)
    runs, refused = _runs(setting, path)
    reference = {
        key: metrics.nrmse(runs[key].result, truth.chi, truth.mask) for key in (TKD, TV50) if key in runs
    }
    rows: list[Row] = []
    for method, run_ in runs.items():
        found = metrics.scores(run_.result, truth)
        row: Row = {"head": name, "method": method, **found}
        row |= {f"ratio_to {key}": found["nrmse"] / value for key, value in reference.items()}
        row |= {"seconds": run_.seconds, "pairs": run_.pairs, "peak_gb": run_.peak / _GB}
        rows.append(row)
        if setting.quick and method != DEFAULT:
            continue
        pair = plots.Pair(f"{name}: {method}, susceptibility", truth.chi, run_.result, "ppm", 0.15)
        plots.maps(setting.figure(f"inversion_{name}_{method}"), pair, truth.mask)
    rows += [{"head": name, "method": method, "refused": why} for method, why in refused.items()]
    plots.nuclei(
        setting.figure(f"inversion_{name}_nuclei"),
        f"{name}: nuclei from the true local field",
        {method: metrics.nuclei(run_.result, truth) for method, run_ in runs.items()},
    )
    return rows


def _runs(setting: Setting, path: Path) -> tuple[dict[str, Timed], dict[str, str]]:
    """The recipe's method, the plain ones, the engine's others; and why those that refused did.

    A perfect local field needs no refitting of the background: the method runs as ``engine.invert`` has it by
    default, and once more as the recipe tunes it for what background removal leaves.
    """
    method, parameters = inversion_of(setting.recipe)
    runs = {}
    if not setting.recipe.steps["inversion"].method.replaces:
        runs[DEFAULT] = inverted(path, method, {}, setting)
        if not setting.essential:
            runs["as in the recipe"] = inverted(path, method, parameters, setting)
    for name in PLAIN:
        runs[name] = setting.apart(_plain, path, name)
    others = [m.name for m in methods("inversion") if not m.replaces and m.name != method]
    refused = {}
    for other in [n for n in others if n == "tkd"] if setting.quick or setting.essential else others:
        try:
            runs[f"engine {other}"] = inverted(path, other, {}, setting)
        except EngineInputError as error:
            refused[f"engine {other}"] = str(error)
    return runs, refused


def _plain(path: Path, name: str) -> Timed:
    given = ideal_field(load(path))
    return timed(given.grid.shape, lambda: PLAIN[name](given))


def _tkd(given: IdealField) -> Float:
    return plain.tkd(given.field_ppm, given.mask, given.grid.voxel_mm, given.grid.b0_direction)


def _tv(given: IdealField, weight: Any) -> Float:
    return plain.tv(given.field_ppm, given.mask, given.grid.voxel_mm, given.grid.b0_direction, weight=weight)


def _weighted(given: IdealField) -> Float:
    return _tv(given, given.weight)


def _unweighted(given: IdealField) -> Float:
    return _tv(given, None)


PLAIN: Mapping[str, Callable[[IdealField], Float]] = {TKD: _tkd, TV50: _weighted, UNWEIGHTED: _unweighted}


def tune(setting: Setting, alphas: list[float], couplings: list[float]) -> list[Table]:
    """NRMSE of the plain weighted TV over its parameters: how TV_ALPHA and TV_COUPLING were chosen."""
    rows: list[Row] = []
    for coupling in couplings:
        for alpha in alphas:
            row: Row = {"alpha": alpha, "coupling": coupling}
            found = []
            for seed in setting.seeds:
                head = setting.head(seed)
                given, truth = ideal_field(head), setting.truth(head)
                chi = plain.tv(
                    given.field_ppm,
                    given.mask,
                    given.grid.voxel_mm,
                    given.grid.b0_direction,
                    weight=given.weight,
                    alpha=alpha,
                    coupling=coupling,
                )
                found.append(metrics.nrmse(chi, truth.chi, truth.mask))
                row[f"nrmse {seed}"] = found[-1]
            row["mean"] = float(np.mean(found))
            rows.append(row)
    return [Table("plain_tv_tuning", "Plain weighted TV, 50 iterations, true local field plus noise.", rows)]
