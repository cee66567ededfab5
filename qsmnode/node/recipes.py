"""The routes' recipes written out: what only the engine knows, for a node that does not hold the engine.

The engine and its libraries take more memory than all that receives, decides and sends together, and the jobs
have it in processes of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qsmnode.config import Config


@dataclass(frozen=True)
class WrittenOut:
    """A recipe with every step, method and parameter, and the hash of that."""

    steps: Mapping[str, Any]
    hash: str


def written_out(config: Config) -> dict[str, WrittenOut]:
    """The recipe of every route, by the route's name; takes the engine into this process.

    What the route's products need and its recipe does not have is added to it.

    Raises:
        EngineInputError: a recipe that the engine does not know.
    """
    from qsmnode.engine.recipe import Recipe
    from qsmnode.products.registry import PRODUCTS

    found = {}
    for route in config.routes:
        recipe = Recipe.from_mapping(route.recipe)
        needed = [PRODUCTS[name].steps for name in route.products if name in PRODUCTS]
        lacking = {step: how for steps in needed for step, how in steps.items() if step not in recipe.steps}
        if lacking:
            base = {"preset": route.recipe} if isinstance(route.recipe, str) else route.recipe
            recipe = Recipe.from_mapping({**base, **lacking})
        found[route.name] = WrittenOut(recipe.as_mapping(), recipe.hash)
    return found
