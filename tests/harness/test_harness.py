"""The benchmarks' one command on small grids: tables and figures appear, and its parts say what is true."""

from __future__ import annotations

import csv
import json
import mmap
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qsmnode.engine import Recipe
from qsmnode.phantom.head import HeadShape, SimulatedHead, simulate
from qsmnode.phantom.protocol import quick_protocol
from tests.bench import chain, combinations, edges, heads, inversion, musts, robustness, scaling, unwrapping
from tests.bench.ideal import ideal_field
from tests.bench.tables import Row, Table
from tests.bench.timing import Steps, alone, fft_pair_seconds, peak_bytes
from tests.bench.turns import own_phase

ROOT = Path(__file__).parents[2]
TABLES = (
    "inversion",
    "chain",
    "chain_fields",
    "chain_steps",
    "chain_nuclei",
    "combinations",
    "unwrapping",
    "field_map",
    "scaling",
    "robustness",
    "robustness_numbers",
    "robustness_rule",
    "edges",
    "contrasts_r2star",
    "contrasts_swi_veins",
    "contrasts_swi_lesions",
    "microbleeds",
    "must_show",
)
FIGURES = (
    "inversion_nrmse",
    "inversion_head_1000_default",
    "inversion_head_1000_nuclei",
    "inversion_easy_head_1000_default",
    "chain_nrmse",
    "chain_head_1000_default",
    "chain_head_1000_nuclei",
    "chain_head_1000_local_field",
    "chain_head_1000_total_field",
    "combinations_nrmse",
    "unwrapping_wrong",
    "scaling",
    "robustness",
)
SMALL = quick_protocol(6.0, echo_times_s=(0.004, 0.012))


def read(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> heads.Heads:
    """Heads of all tests of this file."""
    return heads.Heads(tmp_path_factory.mktemp("heads"))


@pytest.fixture(scope="module")
def small(kept: heads.Heads) -> SimulatedHead:
    """A head at 6 mm."""
    return kept.simulated(HeadShape(5), SMALL)


@pytest.fixture(scope="module")
def clean(kept: heads.Heads) -> SimulatedHead:
    """A head at 5 mm without noise."""
    return kept.simulated(HeadShape(5), quick_protocol(5.0, snr=0.0))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, kept: heads.Heads) -> Path:
    """What `python -m tests.bench all --quick` leaves."""
    out = tmp_path_factory.mktemp("bench")
    command = [sys.executable, "-m", "tests.bench", "all", "--quick", "--out", str(out / "results")]
    ran = subprocess.run(
        [*command, "--cache", str(kept.folder)],
        cwd=ROOT,
        env={**os.environ, "MPLCONFIGDIR": str(out)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "must_show" in ran.stdout
    return out / "results"


def test_every_table_and_figure_is_there(results: Path) -> None:
    for name in TABLES:
        assert read(results, name), name
        assert f"## {name}" in (results / f"{name}.md").read_text("utf-8")
    for name in FIGURES:
        assert (results / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name


def test_the_tables_hold_the_methods_and_plausible_numbers(results: Path) -> None:
    inversions = {row["method"]: row for row in read(results, "inversion") if row["head"] == "head 1000"}
    assert {inversion.DEFAULT, inversion.TKD, inversion.TV50, inversion.UNWEIGHTED} <= set(inversions)
    assert float(inversions[inversion.TKD][f"ratio_to {inversion.TKD}"]) == pytest.approx(1)
    assert float(inversions[inversion.TV50]["nrmse"]) < float(inversions[inversion.TKD]["nrmse"])
    chains = {row["method"]: row for row in read(results, "chain")}
    assert float(chains[chain.PLAIN]["ratio"]) == pytest.approx(1)
    assert 20 < float(chains[chain.DEFAULT]["nrmse"]) < 120
    assert float(chains[chain.DEFAULT]["pairs"]) > 1
    assert float(chains[chain.DEFAULT]["peak_gb"]) > 0.05
    steps = {row["step"] for row in read(results, "chain_steps") if row["method"] == chain.DEFAULT}
    assert {"offset", "unwrap", "mask", "field", "inversion", "reference"} <= steps
    assert len(read(results, "must_show")) == len(musts.MUSTS)
    assert {row["exception"] for row in read(results, "robustness")} == {""}
    wraps = read(results, "unwrapping")
    assert {row["method"] for row in wraps} == {unwrapping.OURS, unwrapping.THEIRS}
    assert {row["snr"] for row in wraps} == {"20.0", "70.0"}


def test_a_kept_head_is_the_simulated_one(kept: heads.Heads, small: SimulatedHead) -> None:
    fresh = simulate(HeadShape(5), SMALL)
    assert small.protocol == SMALL
    assert small.stack.grid == fresh.stack.grid
    assert small.stack.phase.tobytes() == fresh.stack.phase.tobytes()
    assert np.array_equal(small.scoring_mask(), fresh.scoring_mask())
    written = kept.path(HeadShape(5), SMALL).stat().st_mtime_ns
    kept.simulated(HeadShape(5), SMALL)
    assert kept.path(HeadShape(5), SMALL).stat().st_mtime_ns == written
    assert kept.path(HeadShape(5), replace(SMALL, snr=50.0)) != kept.path(HeadShape(5), SMALL)


def test_ideal_field_has_the_noise_that_its_weight_says(small: SimulatedHead) -> None:
    given = ideal_field(small)
    error = (given.field_ppm - small.local_field_ppm)[given.mask] * given.weight[given.mask]
    assert error.std() == pytest.approx(given.noise_ppm, rel=0.1)
    assert given.weight[given.mask].min() > 0
    assert not given.field_ppm[~given.mask].any()


def test_wrong_wraps_are_counted() -> None:
    mask = np.ones((6, 6, 6), bool)
    truth = np.linspace(-20, 20, 216).reshape(6, 6, 6)
    shared = truth + 4 * np.pi + 0.4
    assert not unwrapping.wrong(shared.astype(np.float32), truth, mask).any()
    shared[0, 0, :3] += 2 * np.pi
    assert unwrapping.wrong(shared.astype(np.float32), truth, mask).sum() == 3


def test_a_voxels_own_phase_is_continuous_and_the_mean_fields_where_that_varies_little(
    clean: SimulatedHead,
) -> None:
    line = unwrapping.true_phase(clean)
    own = own_phase(clean, line)
    turns = (own.phase - clean.stack.phase) / (2 * np.pi)
    assert np.abs(turns - np.rint(turns))[:, clean.brain_mask].max() < 1e-3
    assert (np.diff(own.weakest, axis=0) <= 0).all()
    assert (own.weakest <= clean.stack.magnitude).all()
    deep = clean.scoring_mask(6.0)
    assert np.median(np.abs(own.phase - line)[:, deep]) < 0.1


def test_noise_free_phase_of_a_head_is_the_truth_up_to_turns(clean: SimulatedHead) -> None:
    inside = clean.scoring_mask(6.0)
    left = np.angle(np.exp(1j * (clean.stack.phase - unwrapping.true_phase(clean))))[:, inside]
    assert np.median(np.abs(left)) < 0.1
    noisy = unwrapping.with_noise(clean, 20.0)
    assert heads.noise_sd(noisy) == pytest.approx(
        clean.stack.magnitude[0][clean.labels == 5].mean() / 20, rel=0.02
    )


def test_corruption_stays_at_the_edge(small: SimulatedHead) -> None:
    layer = edges.edge_layer(small.brain_mask)
    assert layer.sum() < small.brain_mask.sum()
    changed = (edges.corrupted(small, layer, 7).phase != small.stack.phase).any(axis=0)
    assert changed.sum() == 7
    assert not (changed & ~layer).any()


def test_a_resampled_head_keeps_its_field(clean: SimulatedHead) -> None:
    x, y, z = clean.stack.grid.shape
    made = scaling.resampled(clean, (2 * x, 2 * y, 2 * z))
    assert made.grid.voxel_mm == pytest.approx((2.5, 2.5, 2.5))
    before = np.median(clean.stack.magnitude[0][clean.brain_mask])
    brain = clean.brain_mask.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    assert np.median(made.magnitude[0][brain]) == pytest.approx(before, rel=0.05)


def test_cases_are_drawn_from_their_seed_and_spread() -> None:
    drawn = [robustness.case(seed) for seed in range(60)]
    assert robustness.case(7)[1] == drawn[7][1]
    assert {len(p.echo_times_s) for _, p, _ in drawn} >= {1, 2, 5}
    assert {p.field_t for _, p, _ in drawn} == {1.5, 3.0, 7.0}
    assert any(p.ghost for _, p, _ in drawn)
    assert any(p.bipolar_rad for _, p, _ in drawn)
    assert any(words["slab"] != 1.0 for _, _, words in drawn)
    assert all(15 <= p.snr <= 120 and min(p.voxel_mm) >= 2.0 and max(p.voxel_mm) <= 2.5 for _, p, _ in drawn)


def case_row(nrmse: float, flagged: bool) -> Row:
    return {"nrmse": nrmse, "flagged": flagged, "exception": "", "nan": False}


def test_the_rule_passes_only_where_it_flags_all_bad_and_few_good() -> None:
    good = [case_row(30.0, False)] * 9
    assert (
        robustness.verdict([*good, case_row(90, True), case_row(40, True)], has_rule=True)["rule"] == "pass"
    )
    assert robustness.verdict([*good, case_row(90, False)], has_rule=True)["rule"] == "FAIL"
    alarms = [case_row(40.0, True)] * 2
    assert robustness.verdict([*good, *alarms], has_rule=True)["rule"] == "FAIL"
    assert "no warnings" in str(robustness.verdict(good, has_rule=False)["rule"])
    assert robustness.rank_correlation(np.arange(9.0), np.arange(9.0) ** 3) == pytest.approx(1)
    assert robustness.larger_share(np.array([3.0, 1.0]), np.array([2.0, 1.0])) == pytest.approx(0.625)


def test_requirements_hold_on_every_head_or_fail() -> None:
    must = musts.Must("slope 0.9 to 1.1", "chain", "slope", 0.9, 1.1)

    def verdict(*slopes: float) -> object:
        rows: list[Row] = [
            {"head": f"head {n}", "method": chain.DEFAULT, "slope": slope} for n, slope in enumerate(slopes)
        ]
        rows.append({"head": "easy head 0", "method": chain.DEFAULT, "slope": 5.0})
        rows.append({"head": "head 0", "method": chain.PLAIN, "slope": 5.0})
        return musts.judged({"chain": Table("chain", "", rows)}, [must]).rows[0]["verdict"]

    assert verdict(0.9, 1.0, 1.1) == "pass"
    assert verdict(0.95, 1.2) == "FAIL"
    assert verdict(1.0, float("nan")) == "FAIL"
    assert verdict() == "FAIL"


def test_combinations_are_every_other_pair_once() -> None:
    default = Recipe.preset("default")
    found = combinations.recipes(default)
    assert found["default"] is default
    assert len({recipe.hash for recipe in found.values()}) == len(found)
    assert "vsharp > tkd" in found
    given = default.as_mapping()
    assert f"{given['background']['method']} > {given['inversion']['method']}" not in found


def test_steps_note_time_and_memory() -> None:
    with Steps() as steps:
        for step in ("offset", "unwrap", "unwrap"):
            steps(0.1, step)
            # new memory, not what an earlier test has freed and the process still holds
            with mmap.mmap(-1, 96_000_000) as fresh:
                fresh.write(bytes(len(fresh)))
        steps(1.0, "done")
    assert list(steps.seconds) == ["preparation", "offset", "unwrap"]
    assert steps.peak - steps.resting > 60_000_000
    assert steps.total_seconds > 0
    assert fft_pair_seconds((16, 16, 16), 3) > 0


def test_a_measurement_apart_has_memory_of_its_own() -> None:
    ballast = np.ones(40_000_000, np.float32)
    assert alone(peak_bytes) < peak_bytes()
    assert ballast[0] == 1


def test_tables_are_written_for_people_and_programs(tmp_path: Path) -> None:
    rows: list[Row] = [{"a": 1.0, "b": "x"}, {"a": float("nan"), "c": True}]
    table = Table("t", "What it shows.", rows)
    table.write(tmp_path)
    assert read(tmp_path, "t") == [{"a": "1.0", "b": "x", "c": ""}, {"a": "nan", "b": "", "c": "True"}]
    assert table.markdown().splitlines()[4:] == [
        "| a | b | c |",
        "|---|---|---|",
        "| 1 | x |  |",
        "| - |  | yes |",
    ]


def test_a_recipe_can_be_given_as_json(tmp_path: Path, kept: heads.Heads) -> None:
    from tests.bench.__main__ import main

    recipe = json.dumps({"preset": "fast"})
    out = ["--out", str(tmp_path), "--cache", str(kept.folder)]
    assert main(["edges", "--quick", "--seeds", "1000", "7", "--recipe", recipe, *out]) == 0
    assert [row["head"] for row in read(tmp_path, "edges")] == ["head 1000"] * 3
