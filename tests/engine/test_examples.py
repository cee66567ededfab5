"""The examples in the engine's docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import qsmnode.engine

MODULES = sorted(m.name for m in pkgutil.walk_packages(qsmnode.engine.__path__, "qsmnode.engine."))
WITH_EXAMPLES = {
    "qsmnode.engine.images",
    "qsmnode.engine.pipeline",
    "qsmnode.engine.recipe",
    "qsmnode.engine.steps",
}


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    ran = doctest.testmod(importlib.import_module(name))
    assert ran.failed == 0
    assert ran.attempted > 0 or name not in WITH_EXAMPLES
