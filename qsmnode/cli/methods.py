"""``qsmnode methods``: what the engine can do, step by step."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import fields
from typing import Any

from qsmnode import engine
from qsmnode.engine.recipe import Recipe
from qsmnode.engine.registry import Method


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "methods",
        help="list presets, methods and their parameters",
        description="List what a recipe can name: presets, and for each step its methods with parameters.",
    )
    verb.add_argument("--json", action="store_true", help="for scripts")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List them."""
    presets = [Recipe.preset(name) for name in Recipe.presets()]
    if arguments.json:
        listing = {
            "presets": {recipe.name: recipe.as_mapping() for recipe in presets},
            "methods": [_entry(method) for method in engine.methods()],
        }
        print(json.dumps(listing, indent=2))
        return 0
    print("presets")
    for recipe in presets:
        print(f"  {recipe.version:12} {recipe.hash[:12]}")
    step = ""
    for method in engine.methods():
        if method.step != step:
            step = method.step
            print(f"\n{step}")
        print(f"  {method.name:16} {method.summary}" + (f"  (doi:{method.doi})" if method.doi else ""))
        for line in _parameters(method):
            print(f"      {line}")
    return 0


def _entry(method: Method) -> dict[str, Any]:
    return {
        "step": method.step,
        "name": method.name,
        "summary": method.summary,
        "doi": method.doi,
        "parameters": {
            item.name: {"default": item.default, **_described(item.metadata)}
            for item in fields(method.parameters)
        },
    }


def _described(metadata: Any) -> dict[str, Any]:
    """The metadata without infinities, which JSON does not have."""
    return {
        key: value
        for key, value in metadata.items()
        if value not in ("", ()) and not (isinstance(value, float) and math.isinf(value))
    }


def _parameters(method: Method) -> list[str]:
    lines = []
    for item in fields(method.parameters):
        known = _described(item.metadata)
        span = f" [{known.get('low', '')}..{known.get('high', '')}]" if {"low", "high"} & set(known) else ""
        choices = f" [{', '.join(map(str, known['choices']))}]" if "choices" in known else ""
        unit = f" {known['unit']}" if known.get("unit", "1") != "1" else ""
        lines.append(f"{item.name} = {item.default}{unit}{span}{choices}  {known.get('description', '')}")
    return lines
