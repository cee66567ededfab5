"""In which way a recipe is another one than a preset, in words that fit into a series' description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qsmnode.engine.presets import VERSIONS
from qsmnode.engine.recipe import Recipe
from qsmnode.engine.registry import OPTIONAL_STEPS

_USUAL = "default"
Steps = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Departures:
    """The preset that a recipe is nearest to, and what is other than there.

    Attributes:
        preset: its name.
        map_steps: what is other in a step that the susceptibility map follows from.
        further_steps: what is other in the optional steps.
    """

    preset: str
    map_steps: tuple[str, ...]
    further_steps: tuple[str, ...]

    @property
    def short(self) -> str:
        """For a title; "" for the default preset, whatever is made beside the map."""
        return ", ".join((*([self.preset] if self.preset != _USUAL else []), *self.map_steps))

    def __str__(self) -> str:
        """The whole, "" where it is the default preset itself."""
        changed = "; ".join((*self.map_steps, *self.further_steps))
        if not changed:
            return "" if self.preset == _USUAL else f"preset {self.preset}"
        return f"other than preset {VERSIONS[self.preset]}: {changed}"


def departures(recipe: Steps) -> Departures:
    """Compare a recipe, written out, with the presets; the nearest has the fewest differences.

    Example:
        >>> str(departures(Recipe.from_mapping({"inversion": "tkd"}).as_mapping()))
        'other than preset default/5: inversion tkd'
    """
    found = [(name, _differences(recipe, Recipe.preset(name).as_mapping())) for name in Recipe.presets()]
    name, differences = min(found, key=lambda item: len(item[1]))
    return Departures(
        name,
        tuple(words for step, words in differences if step not in OPTIONAL_STEPS),
        tuple(words for step, words in differences if step in OPTIONAL_STEPS),
    )


def _differences(recipe: Steps, preset: Steps) -> list[tuple[str, str]]:
    """Step and words, one for each other method and each other parameter."""
    found = []
    for step in dict.fromkeys((*preset, *recipe)):
        if step not in recipe:
            found.append((step, f"no {step}"))
            continue
        here, there = recipe[step], preset.get(step, {})
        if here["method"] != there.get("method"):
            found.append((step, f"{step} {here['method']}"))
            continue
        changed = [name for name in here if here[name] != there[name]]
        found += [(step, f"{step} {name}={here[name]}") for name in changed]
    return found
