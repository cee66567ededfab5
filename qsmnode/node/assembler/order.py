"""What a job is told: the route's wishes, written out so that a later change of the YAML changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qsmnode.config import AcceptanceSettings, Route, SeriesSettings
from qsmnode.node.recipes import WrittenOut


def job_order(
    route: Route, limits: AcceptanceSettings, recipe: WrittenOut, series: Mapping[str, SeriesSettings]
) -> dict[str, Any]:
    """The order of a job on this route, with this recipe; ``series`` says how products present themselves."""
    return {
        "route": route.name,
        "recipe": recipe.steps,
        "products": list(route.products),
        "send_to": list(route.send_to),
        "acceptance": limits.model_dump(),
        "on_reject": route.on_reject,
        "series": {
            name: series[name].model_dump(exclude_none=True) for name in route.products if name in series
        },
    }
