"""A preset is frozen by its version: what stands in reports as ``default/3`` never means other numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qsmnode.engine import Recipe, registry
from qsmnode.engine.presets import VERSIONS
from qsmnode.engine.recipe import ENGINE_VERSION as _ENGINE

# A line stays for good: add one for a new version, change none. The hash covers every parameter, those
# included that a preset leaves at its method's default.
PINNED = {
    "default/2": "cacf318f1836a0027e2121c2cd4a633a7d2ee39483c6fa3d4d190f669565e721",
    "fast/2": "8d4f10b9b46615893b3f1289e2eb464234e519ced7b7a61f00327221e2ef25a6",
    "consensus-fansi/1": "0c74aef0e123307ba36b8fe49fb00a3cfaf74ad0fcb12d9cff045896c6ec2169",
    "consensus-medi/1": "537e37b72fd4d3ea2be0ab721895de4ef9b572ab767973e4a6cbca5614a57e52",
    "single-echo/1": "4830d19be7370ac5f78a4d65de563e4a96d4884776abc3a40ba53edbcdacf8dc",
    "phantom/1": "500e05ece567a071c3ccfcfebfa334a59787f4acf76d89cede0da69b12279a80",
    "default/3": "9a3133ab285b2f034252e310297ff243abbab15c77ca1536d83d08f5ee0ac596",
    "fast/3": "9c0020a57b7d509f971b587d2d09c6eb917675dc06bcb89c1589afd1ae622163",
    "consensus-fansi/2": "7e07475cdc07e83944c3082f5db0c5850424acc6a325aa9ea1a92854ee56ae40",
    "consensus-medi/2": "8e49c3d2c61922ad0b26dcade96f19082c5c1a93712e8e5e15381287061c0e66",
    "single-echo/2": "71a9c25c4b57b714bbff5ec0b05b64e0b8fe54f18839ae13c78218cc6197e9f0",
    "phantom/2": "d18186a2e326053e42a5e92b19a35e4a030ac8a34fb90bb2483a300f7ce80de8",
    "default/4": "c441100d849d5bea8f181290a0410f2e6c0b55dc8ad50b6735cbd7a523638c0d",
    "default/5": "431bd719bb4d0824a1eca97206c09674b73a677da091ee1a982c8f6a86b7af5f",
    "single-echo/3": "28ec8a6c94fc19841c31c1bf5c095318b0a852f9ef3b17461f5e07e2d7671f30",
    "phantom/3": "040533f00851daf8899c47740d355f0060f437474f5c1dcb8fffcddeb9f233cf",
}


@pytest.fixture(autouse=True)
def _engine_of_the_pins(monkeypatch: pytest.MonkeyPatch) -> None:
    # the engine's version is part of the hash, and goes up without any preset's
    monkeypatch.setattr("qsmnode.engine.recipe.ENGINE_VERSION", "2")


@pytest.mark.parametrize("name", Recipe.presets())
def test_a_preset_means_what_its_version_has_always_meant(name: str) -> None:
    recipe = Recipe.preset(name)
    assert recipe.version.startswith(f"{name}/")
    assert recipe.version in PINNED, (
        f'{recipe.version} is new: pin it, "{recipe.version}": "{recipe.hash}", and keep the lines before it'
    )
    assert recipe.hash == PINNED[recipe.version], (
        f"{recipe.version} has got other parameters, in its preset or by a method's new default. Where that"
        f" is meant, give {name!r} the next version in presets.VERSIONS and pin it with {recipe.hash!r};"
        " where it is not, write the former value into the preset"
    )


def test_no_two_versions_are_the_same() -> None:
    assert len(set(PINNED.values())) == len(PINNED)
    assert len(set(VERSIONS.values())) == len(VERSIONS)


@pytest.mark.parametrize("name", Recipe.presets())
def test_another_default_of_any_method_is_another_hash(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Recipe.preset(name)
    for step, chosen in before.steps.items():
        for declared in dataclasses.fields(chosen.parameters):
            value = getattr(chosen.parameters, declared.name)
            other = next((c for c in declared.metadata["choices"] if c != value), None)
            if isinstance(value, bool):
                other = not value
            elif other is None:
                other = value + 1
            changed = dataclasses.replace(chosen.parameters, **{declared.name: other})
            with monkeypatch.context() as patched:
                patched.setattr(registry, "make_parameters", _instead(chosen.method, changed))
                assert Recipe.preset(name).hash != before.hash, f"{step}.{declared.name}"


def _instead(method: registry.Method, changed: object) -> Callable[..., Any]:
    made = registry.make_parameters
    return lambda chosen, given: changed if chosen is method else made(chosen, given)


def test_the_accuracy_page_names_the_version_that_its_figures_belong_to() -> None:
    page = (Path(__file__).parents[2] / "docs" / "accuracy.md").read_text(encoding="utf-8")
    named = f"engine version {_ENGINE} and the preset `{VERSIONS['default']}`"
    assert named in " ".join(page.split()), f"measure docs/accuracy.md anew: it does not say {named!r}"
