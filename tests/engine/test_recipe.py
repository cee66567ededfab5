"""Recipes: complete, hashed, and refused with the path of what is wrong."""

from __future__ import annotations

import dataclasses
import json

import pytest

from qsmnode.engine import EngineInputError, Recipe, methods, registry
from qsmnode.engine.presets import VERSIONS


@pytest.mark.parametrize("name", Recipe.presets())
def test_presets_are_complete_and_come_back_from_their_mapping(name):
    recipe = Recipe.preset(name)
    mapping = recipe.as_mapping()
    assert tuple(mapping) == registry.STEPS
    for step, choice in mapping.items():
        chosen = registry.get(step, choice["method"])
        assert set(choice) == {"method", *(f.name for f in dataclasses.fields(chosen.parameters))}
    again = Recipe.from_mapping(json.loads(json.dumps(mapping)))
    assert (again.name, again.version, again.hash) == (name, VERSIONS[name], recipe.hash)
    assert Recipe.from_mapping(name).hash == Recipe.from_mapping({"preset": name}).hash == recipe.hash


def test_hashes_tell_recipes_apart_and_are_stable():
    hashes = {Recipe.preset(name).hash for name in Recipe.presets()}
    changed = Recipe.from_mapping({"offset": {"sigma_mm": 8}})
    assert changed.hash not in hashes
    assert (changed.name, changed.version) == ("custom", f"custom/{changed.hash[:12]}")
    assert changed.hash == Recipe.from_mapping({"offset": {"method": "mcpc3ds", "sigma_mm": 8.0}}).hash
    assert changed.as_mapping()["offset"] == {"method": "mcpc3ds", "sigma_mm": 8.0}


def test_a_step_may_be_a_name():
    recipe = Recipe.from_mapping({"preset": "fast", "offset": "none"})
    assert recipe.as_mapping()["offset"] == {"method": "none"}
    assert recipe.as_mapping()["inversion"]["method"] == "tkd"


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("best", r"recipe: expected one of default, fast.*'best'"),
        (3, r"recipe: expected a preset's name or a mapping"),
        ({"preset": "best"}, r"recipe\.preset: expected one of"),
        ({"preset": ["default"]}, r"recipe\.preset: expected one of"),
        ({"inverson": "tv"}, r"recipe\.inverson: unknown step; expected preset, offset"),
        ({"inversion": "tvv"}, r"recipe\.inversion: expected one of .*tv.*'tvv'"),
        ({"inversion": 5}, r"recipe\.inversion: expected a method's name or a mapping"),
        ({"inversion": {"method": ["tv"]}}, r"recipe\.inversion: expected one of"),
        ({"offset": {"sigma": 3}}, r"recipe\.offset\.mcpc3ds: unknown parameter 'sigma'; it takes: sigma_mm"),
        ({"offset": {"sigma_mm": "3"}}, r"recipe\.offset\.mcpc3ds\.sigma_mm: expected a number"),
        ({"offset": {"sigma_mm": True}}, r"recipe\.offset\.mcpc3ds\.sigma_mm: expected a number"),
        ({"offset": {"sigma_mm": 0.1}}, r"recipe\.offset\.mcpc3ds\.sigma_mm: expected 1 to 40, got 0\.1"),
        ({"field": {"steps": 1.5}}, r"recipe\.field\.weighted_fit\.steps: expected a whole number"),
        ({"unwrap": {"echoes": "x"}}, r"recipe\.unwrap\.romeo\.echoes: expected one of"),
    ],
)
def test_refusals_start_with_the_path(mapping, message):
    with pytest.raises(EngineInputError, match=message):
        Recipe.from_mapping(mapping)


def test_a_step_that_is_none_has_no_methods_to_list():
    with pytest.raises(EngineInputError, match=r"^step: expected one of offset, .*; got 'unwraping'$"):
        methods("unwraping")


def test_every_method_names_what_it_does():
    for found in methods():
        assert found.summary
        for declared in dataclasses.fields(found.parameters):
            assert declared.metadata["description"], f"{found.step}.{found.name}.{declared.name}"
            registry.make_parameters(found, {declared.name: declared.default})
