"""What a job is told: the route's wishes, written out so that a later change of the YAML changes nothing."""

from __future__ import annotations

from typing import Any

from qsmnode.config import AcceptanceSettings, Route
from qsmnode.engine.recipe import Recipe


def job_order(route: Route, limits: AcceptanceSettings) -> tuple[dict[str, Any], str]:
    """The order of a job on this route, and the recipe's hash."""
    recipe = recipe_of(route)
    order = {
        "route": route.name,
        "recipe": recipe.as_mapping(),
        "products": list(route.products),
        "send_to": list(route.send_to),
        "acceptance": limits.model_dump(),
        "on_reject": route.on_reject,
    }
    return order, recipe.hash


def recipe_of(route: Route) -> Recipe:
    """The recipe that a route names or spells out."""
    if isinstance(route.recipe, str):
        return Recipe.preset(route.recipe)
    return Recipe.from_mapping(route.recipe)
