"""What is other in a recipe than in a preset, in words."""

from __future__ import annotations

import pytest

from qsmnode.engine import Recipe
from qsmnode.engine.departures import departures
from qsmnode.engine.presets import VERSIONS


@pytest.mark.parametrize("name", Recipe.presets())
def test_a_preset_differs_from_nothing_and_is_named_unless_it_is_the_usual_one(name: str) -> None:
    found = departures(Recipe.preset(name).as_mapping())
    assert found.short == ("" if name == "default" else name)
    assert str(found) == ("" if name == "default" else f"preset {name}")


def test_methods_parameters_and_steps_are_named() -> None:
    recipe = Recipe.from_mapping({"inversion": {"alpha": 5e-5}, "mask": "signal", "r2star": "nlls"})
    found = departures(recipe.as_mapping())
    assert found.preset == "default"
    assert found.map_steps == ("mask signal", "inversion alpha=5e-05")
    assert found.further_steps == ("r2star nlls",)
    assert found.short == "mask signal, inversion alpha=5e-05"
    assert str(found) == (
        f"other than preset {VERSIONS['default']}: mask signal; inversion alpha=5e-05; r2star nlls"
    )
    assert departures(Recipe.from_mapping({"r2star": "nlls"}).as_mapping()).short == "", "the map is the same"


def test_a_step_that_another_one_replaces_is_missing() -> None:
    assert "no background" in departures(Recipe.from_mapping({"inversion": "tgv"}).as_mapping()).map_steps
