"""The node's own process holds no engine: what it needs of it is found out aside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from qsmnode.cli.prepare import prepared
from qsmnode.engine.recipe import Recipe
from qsmnode.errors import UsageError
from qsmnode.node.recipes import written_out

_HEAVY = ("numba", "scipy", "highdicom", "nibabel", "qsmnode.engine")


def test_what_the_node_runs_takes_no_engine_into_its_memory() -> None:
    code = (
        "import sys, qsmnode.cli, qsmnode.cli.run, qsmnode.cli.prepare, qsmnode.node.runtime\n"
        f"print([name for name in {_HEAVY!r} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


_CONFIG = """
node: {store: STORE}
peers: {PACS: {folder: ./out}}
routes:
  - {name: quick, match: {Modality: MR}, recipe: fast, send_to: [PACS]}
  - {name: own, recipe: {preset: fast, r2star: nlls}, send_to: [PACS]}
"""


def test_what_is_found_out_aside_is_what_the_engine_says(tmp_path: Path) -> None:
    path = tmp_path / "qsmnode.yaml"
    path.write_text(_CONFIG.replace("STORE", str(tmp_path / "store")))
    config, recipes = prepared(path)
    assert recipes == written_out(config)
    assert [route.name for route in config.routes] == list(recipes) == ["quick", "own"]
    assert recipes["quick"].hash == Recipe.preset("fast").hash


def test_a_product_brings_the_steps_that_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "qsmnode.yaml"
    listed = "recipe: fast, products: [qsm, report, r2star, chi_positive]"
    path.write_text(_CONFIG.replace("STORE", str(tmp_path / "store")).replace("recipe: fast", listed))
    _config, recipes = prepared(path)
    assert recipes["quick"].steps["r2star"]["method"] == "arlo"
    assert recipes["quick"].steps["separation"]["method"] == "r2star_qsm"
    assert recipes["quick"].hash != Recipe.preset("fast").hash
    assert recipes["own"].steps["r2star"]["method"] == "nlls"
    assert "swi" not in recipes["quick"].steps


def test_a_mistake_is_told_as_the_check_tells_it(tmp_path: Path) -> None:
    path = tmp_path / "qsmnode.yaml"
    path.write_text(_CONFIG.replace("STORE", str(tmp_path / "store")).replace("nlls", "guess"))
    with pytest.raises(UsageError) as mistake:
        prepared(path)
    assert str(mistake.value).startswith(f"{path}:6:")
    assert "r2star" in str(mistake.value)
    assert "\n" not in str(mistake.value)
