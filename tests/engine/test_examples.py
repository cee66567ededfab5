"""The examples in the engine's docstrings are true, and what the engine exports is described with one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

from qsmnode import engine

MODULES = sorted(m.name for m in pkgutil.walk_packages(engine.__path__, "qsmnode.engine."))
WITH_EXAMPLES = {
    "qsmnode.engine.dipole",
    "qsmnode.engine.fourier",
    "qsmnode.engine.images",
    "qsmnode.engine.pipeline",
    "qsmnode.engine.recipe",
    "qsmnode.engine.registry",
    "qsmnode.engine.steps",
    "qsmnode.engine.types",
}
# exported names without an example of their own, and why
WITHOUT_EXAMPLE = {
    "ENGINE_VERSION": "a word, not a function",
    "EngineInputError": "raised by the examples of what refuses bad arguments",
}
EXPORTED = sorted(set(engine.__all__) - set(WITHOUT_EXAMPLE))


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    ran = doctest.testmod(importlib.import_module(name))
    assert ran.failed == 0
    assert ran.attempted > 0 or name not in WITH_EXAMPLES


@pytest.mark.parametrize("name", EXPORTED)
def test_what_is_exported_is_described_with_an_example(name):
    thing = getattr(engine, name)
    described = [inspect.getdoc(thing) or ""]
    if inspect.isclass(thing):  # an example may stand in the method that makes one
        described += [inspect.getdoc(made) or "" for _, made in inspect.getmembers(thing, callable)]
    whole = "\n".join(described)
    wanted = ["Example:", "Raises:"]
    if inspect.isfunction(thing):
        wanted += ["Args:", "Returns:", "Source:"]
        for argument in inspect.signature(thing).parameters:
            assert f"\n    {argument}: " in whole, f"{name} does not describe {argument}"
    else:
        wanted += ["Args:" if name in ("Grid", "EchoStack") else "Attributes:"]
        assert thing.__doc__.strip()
    if name == "Maps":  # made by the engine alone, of what it has checked
        wanted.remove("Raises:")
    for section in wanted:
        assert section in whole, f"{name} has no section {section}"
    assert ">>>" in whole.partition("Example:")[2]


def test_a_name_without_example_is_one_that_is_exported():
    assert set(WITHOUT_EXAMPLE) <= set(engine.__all__)
