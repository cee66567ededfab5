"""Warming compiles what reconstructions need: the next process finds every loop on disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qsmnode.engine import EngineInputError, Recipe, methods
from qsmnode.engine import warm as warming
from qsmnode.engine.inversion import tgv, tgv_grids, tgv_mend

# another grid, another field of view and other echoes than the warming's
_RECONSTRUCT = """
import gc
import numpy as np
from numba.core.registry import CPUDispatcher
from qsmnode.engine import EchoStack, Grid, Recipe, reconstruct
x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in (28, 33, 25)], indexing="ij")
times = (0.004, 0.010, 0.016)
field = 60 * x - 40 * y**2 + 25 * np.exp(-20 * (x**2 + z**2))
rng = np.random.default_rng(2)
noise = rng.normal(size=(3, 28, 33, 25)) + 1j * rng.normal(size=(3, 28, 33, 25))
inside = x**2 + y**2 + z**2 < 0.8
signal = np.stack([inside * np.exp(-20 * t + 2j * np.pi * field * t) for t in times]) + noise / 60
stack = EchoStack(np.abs(signal), np.angle(signal), times, 123.2, Grid((28, 33, 25), (3, 3, 3)))
reconstruct(stack, Recipe.from_mapping({"preset": "fast", "mask": "signal"}))
used = [d for d in gc.get_objects() if isinstance(d, CPUDispatcher) and d.__module__.startswith("qsmnode")]
hits = sum(sum(d.stats.cache_hits.values()) for d in used)
misses = [d.__name__ for d in used if sum(d.stats.cache_misses.values())]
print(hits, *misses)
"""


def _python(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_after_warming_another_process_compiles_nothing() -> None:
    said = _python("-m", "qsmnode.engine.warm", "fast")
    assert said.startswith("Voxel loops compiled by 1 reconstruction in ")
    assert len(said.splitlines()) == 1
    hits, *misses = _python("-c", _RECONSTRUCT).split()
    assert misses == []
    assert int(hits) > 10


def test_every_preset_and_method_is_warmed_and_every_choice_of_one() -> None:
    plans = list(warming.plans())
    assert {plan["preset"] for plan in plans if len(plan) == 1} == set(Recipe.presets())
    run = {(step, choice) for plan in plans for step, choice in plan.items() if isinstance(choice, str)}
    assert {(m.step, m.name) for m in methods()} <= run
    for echoes in ("differences", "individual"):
        assert any(plan.get("unwrap") == {"method": "romeo", "echoes": echoes} for plan in plans)
    assert any(plan.get("unwrap") == {"method": "romeo", "fallback": False} for plan in plans)
    for plan in plans:
        Recipe.from_mapping(plan)


def test_the_head_can_wind_and_alternate() -> None:
    stack, brain = warming._acquired(3, 2.0, True)
    assert stack.phase.shape == (3, *warming.SHAPE)
    plan = {"preset": "fast", "mask": "signal"}
    numbers = warming.reconstruct(stack, Recipe.from_mapping(plan), brain).quality
    assert numbers["offset_odd_even_corrected"] == 1.0
    winding = warming.reconstruct(
        warming._acquired(1, 0.0, True)[0], Recipe.from_mapping({**plan, "offset": "none"}), brain
    )
    assert winding.quality["unwrap_fallback_fraction"] > 0


def test_the_wound_head_has_steps_to_mend_and_a_coarser_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    mended, grids = [], []

    def mend(*given: Any) -> Any:
        mended.append(tgv_mend.mend(*given))
        return mended[-1]

    def coarser(*given: Any) -> Any:
        grids.append(tgv_grids.coarser(*given))
        return grids[-1]

    monkeypatch.setattr(tgv_grids, "mend", mend)
    monkeypatch.setattr(tgv, "coarser", coarser)
    warming._run(warming._WOUND, echoes=1, winding=True)
    assert mended[0].sum() > 1  # one voxel alone would be laid out differently
    assert grids[0] is not None


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder for machine code in which nothing was warmed yet."""
    monkeypatch.setattr(warming, "cache_folder", lambda: tmp_path)
    return tmp_path


def test_what_was_warmed_is_not_warmed_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run: list[object] = []
    monkeypatch.setattr(warming, "_run", lambda plan, **_: run.append(plan))
    assert warming.main(("fast",)) == 0
    assert len(run) == 1
    assert warming.main(()) == 0  # one preset is not everything
    everything = len(run) - 1
    assert everything == len(list(warming.plans())) + 2
    assert f"compiled by {everything} reconstructions" in capsys.readouterr().out

    assert warming.main(()) == 0
    assert capsys.readouterr() == ("", "")
    assert len(run) == everything + 1

    monkeypatch.setattr(warming.platform, "python_version", lambda: "3.99.0")
    assert warming.main(()) == 0
    assert len(run) == 2 * everything + 1


def test_where_nothing_can_be_kept_nothing_is_warmed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(warming, "cache_folder", lambda: None)
    monkeypatch.setattr(warming, "_run", lambda *_, **__: pytest.fail("nothing is there to be warmed"))
    assert warming.main(()) == 0
    assert "no folder for them can be written" in capsys.readouterr().out


def test_a_refusal_is_said_and_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise EngineInputError("mask: nothing found")

    monkeypatch.setattr(warming, "_run", refuse)
    assert warming.main(()) == 2
    assert "mask: nothing found" in capsys.readouterr().err
    assert not any(folder.iterdir())


def test_an_unknown_preset_ends_with_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert warming.main(("fastest",)) == 2
    assert "expected one of" in capsys.readouterr().err
