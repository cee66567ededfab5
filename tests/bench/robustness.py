"""Random heads and protocols: does anything break, and do numbers of quality tell bad maps from good ones?"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np

from qsmnode.engine import quality, reconstruct
from qsmnode.phantom.head import HeadShape, Protocol
from qsmnode.phantom.protocol import AXIAL, CORONAL, SAGITTAL, tilted
from tests.bench import metrics, plots
from tests.bench.heads import load
from tests.bench.metrics import Truth
from tests.bench.setting import Setting
from tests.bench.tables import Row, Table

BAD_NRMSE, GOOD_NRMSE = 80.0, 45.0
MOST_FALSE_ALARMS = 0.10
_BASES = {"axial": AXIAL, "coronal": CORONAL, "sagittal": SAGITTAL}
_VIEW_MM = np.array([192.0, 216.0, 180.0])  # along left, back, up
_LONGEST_TE_S = 0.06
_QUICK_CASES = 2
_QUICK_MM = (4.5, 5.0)
Warnings = Callable[[Mapping[str, float]], Any]


def case(seed: int, voxel_range_mm: tuple[float, float] = (2.0, 2.5)) -> tuple[HeadShape, Protocol, Row]:
    """A random head, a random protocol, and the protocol in words."""
    rng = np.random.default_rng([seed, 86028121])
    base = str(rng.choice(list(_BASES)))
    tilt = rng.uniform(-25, 25, 2) * (rng.random() < 0.6)
    orientation = tilted(_BASES[base], float(tilt[0]), float(tilt[1]) / 2)
    voxel = rng.uniform(*voxel_range_mm, 3)
    row, column = np.array(_BASES[base][:3]), np.array(_BASES[base][3:])
    view = [float(abs(axis) @ _VIEW_MM) for axis in (row, column, np.cross(row, column))]
    shape = [max(8, round(extent / size)) for extent, size in zip(view, voxel, strict=True)]
    slab = float(rng.uniform(0.35, 0.8)) if rng.random() < 0.25 else 1.0
    shape[2] = max(8, round(shape[2] * slab))
    field_t = float(rng.choice([1.5, 3.0, 7.0], p=[0.25, 0.5, 0.25]))
    echoes = _echo_times(rng, field_t)
    protocol = Protocol(
        echo_times_s=echoes,
        field_t=field_t,
        shape=(shape[0], shape[1], shape[2]),
        voxel_mm=(float(voxel[0]), float(voxel[1]), float(voxel[2])),
        orientation=orientation,
        snr=float(np.exp(rng.uniform(math.log(15), math.log(120)))),
        ghost=float(rng.uniform(0.02, 0.15)) if rng.random() < 0.2 else 0.0,
        bipolar_rad=float(rng.uniform(0.3, 2.0)) if rng.random() < 0.25 else 0.0,
    )
    words: Row = {
        "seed": float(seed),
        "slices": base,
        "tilt_deg": float(abs(tilt).max()),
        "field_t": field_t,
        "echoes": float(len(echoes)),
        "last_te_ms": 1000 * echoes[-1],
        "snr": protocol.snr,
        "slab": slab,
        "ghost": protocol.ghost,
        "bipolar_rad": protocol.bipolar_rad,
    }
    return HeadShape(seed), protocol, words


def _echo_times(rng: np.random.Generator, field_t: float) -> tuple[float, ...]:
    count = int(rng.integers(1, 13))
    shorter = math.sqrt(3.0 / field_t)
    first, gap = shorter * rng.uniform(0.003, 0.008), shorter * rng.uniform(0.0025, 0.0065)
    if count == 1:
        return (float(shorter * rng.uniform(0.012, 0.025)),)
    times = [float(first + gap * n) for n in range(count)]
    return tuple(t for t in times if t <= _LONGEST_TE_S)


def run(setting: Setting) -> list[Table]:
    """Tables of every case, of how each number follows the error, and of the rule that flags bad maps."""
    count = _QUICK_CASES if setting.quick else setting.count
    size = _QUICK_MM if setting.quick else (2.0, 2.5)
    reconstruct(load(setting.warm_path()).stack, setting.recipe)  # compiles, so that seconds are the engine's
    rule = cast(Warnings | None, getattr(quality, "warnings", None))
    rows = [_row(setting, setting.first_case + n, size, rule) for n in range(count)]
    _draw(setting, rows)
    return [
        Table("robustness", "Default chain on random heads and protocols, no mask given.", rows),
        Table(
            "robustness_numbers",
            "How each number of quality follows the error: rank correlation with NRMSE, and the chance that "
            f"a map above {BAD_NRMSE:g} % has a larger number than one below {GOOD_NRMSE:g} % (0.5: tells "
            "nothing).",
            _relations(rows),
        ),
        Table(
            "robustness_rule",
            f"The rule has to flag every map above {BAD_NRMSE:g} % and at most {100 * MOST_FALSE_ALARMS:g} % "
            f"of those below {GOOD_NRMSE:g} %.",
            [verdict(rows, has_rule=rule is not None)],
        ),
    ]


def _row(setting: Setting, seed: int, size: tuple[float, float], rule: Warnings | None) -> Row:
    shape, protocol, words = case(seed, size)
    head = setting.heads.simulated(shape, protocol)
    row: Row = {**words, "nrmse": math.nan, "exception": "", "nan": False}
    began = time.perf_counter()
    try:
        maps = reconstruct(head.stack, setting.recipe)
    except Exception as error:  # noqa: BLE001  every kind of failure is what this part counts
        return {**row, "exception": f"{type(error).__name__}: {error}"}
    row["seconds"] = time.perf_counter() - began
    arrays = (maps.susceptibility, maps.local_field, maps.total_field, maps.weight)
    numbers = list(maps.quality.values())
    row["nan"] = not (all(np.isfinite(a).all() for a in arrays) and np.isfinite(numbers).all())
    row |= {
        key: value
        for key, value in metrics.scores(maps.susceptibility, Truth.of(head), maps.mask).items()
        if key in ("nrmse", "dnrmse", "slope", "xsim", "coverage")
    }
    if rule is not None:
        warned = rule(maps.quality)
        row["flagged"] = bool(warned)
        row["warnings"] = "; ".join(map(str, warned)) if not isinstance(warned, bool) else ""
    return row | {f"q_{name}": float(value) for name, value in maps.quality.items()}


def verdict(rows: list[Row], *, has_rule: bool) -> Row:
    """What broke, and how the flags agree with the error."""
    bad = [row for row in rows if float(row["nrmse"]) > BAD_NRMSE]
    good = [row for row in rows if float(row["nrmse"]) < GOOD_NRMSE]
    result: Row = {
        "cases": float(len(rows)),
        "exceptions": float(sum(bool(row["exception"]) for row in rows)),
        "with NaN": float(sum(bool(row["nan"]) for row in rows)),
        "bad": float(len(bad)),
        "good": float(len(good)),
    }
    if not has_rule:
        return {**result, "rule": "qsmnode.engine.quality has no warnings()"}
    missed = sum(not row["flagged"] for row in bad)
    alarms = sum(bool(row["flagged"]) for row in good)
    passed = missed == 0 and alarms <= MOST_FALSE_ALARMS * len(good)
    return {
        **result,
        "bad, not flagged": float(missed),
        "good, flagged": float(alarms),
        "rule": "pass" if passed else "FAIL",
    }


def _relations(rows: list[Row]) -> list[Row]:
    known = [row for row in rows if not math.isnan(float(row["nrmse"]))]
    error = np.array([float(row["nrmse"]) for row in known])
    relations: list[Row] = []
    for name in sorted({key for row in known for key in row if key.startswith("q_")}):
        values = np.array([float(row.get(name, math.nan)) for row in known])
        there = np.isfinite(values)
        if np.unique(values[there]).size < 2:
            continue
        bad, good = values[there & (error > BAD_NRMSE)], values[there & (error < GOOD_NRMSE)]
        relations.append(
            {
                "number": name.removeprefix("q_"),
                "rank_correlation": rank_correlation(values[there], error[there]),
                "larger_in_bad": larger_share(bad, good),
                "median_good": float(np.median(good)) if good.size else math.nan,
                "median_bad": float(np.median(bad)) if bad.size else math.nan,
            }
        )
    return relations or [{"number": "", "rank_correlation": math.nan}]


def rank_correlation(a: Any, b: Any) -> float:
    """Spearman's rank correlation; NaN where one of them does not vary."""
    ranks = [np.searchsorted(np.sort(v), v, "left") + np.searchsorted(np.sort(v), v, "right") for v in (a, b)]
    if any(np.ptp(r) == 0 for r in ranks):
        return math.nan
    return float(np.corrcoef(ranks)[0, 1])


def larger_share(first: Any, second: Any) -> float:
    """Share of pairs in which a value of ``first`` is the larger one, ties half; NaN without pairs."""
    if first.size == 0 or second.size == 0:
        return math.nan
    difference = first[:, None] - second[None, :]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


def _draw(setting: Setting, rows: list[Row]) -> None:
    known = [row for row in rows if not math.isnan(float(row["nrmse"]))]
    names = sorted({key for row in known for key in row if key.startswith("q_")})
    panels = {n.removeprefix("q_"): [float(row.get(n, math.nan)) for row in known] for n in names}
    panels = {n: values for n, values in panels.items() if len({v for v in values if not math.isnan(v)}) > 1}
    errors = [float(row["nrmse"]) for row in known]
    title = "Numbers of quality over the error of the map"
    plots.points(setting.figure("robustness"), title, errors, panels, "NRMSE, %")
