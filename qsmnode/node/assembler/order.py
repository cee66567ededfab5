"""What a job is told: the route's wishes, written out so that a later change of the YAML changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qsmnode.config import AcceptanceSettings, Route, SeriesSettings
from qsmnode.config.regions import as_plain
from qsmnode.node.recipes import WrittenOut


def job_order(
    route: Route,
    limits: AcceptanceSettings,
    recipe: WrittenOut,
    series: Mapping[str, SeriesSettings],
    page: Mapping[str, str],
) -> dict[str, Any]:
    """The order of a job.

    Args:
        route: what it wants.
        limits: of the acceptance checks there.
        recipe: the route's.
        series: how products present themselves, by name.
        page: what the site chooses of the one-page summary.
    """
    return {
        "route": route.name,
        "recipe": recipe.steps,
        "products": list(route.products),
        "send_to": list(route.send_to),
        "acceptance": limits.model_dump(),
        "on_reject": route.on_reject,
        "regions": as_plain(route.regions),
        "iron": route.iron,
        "page": dict(page) if "page" in route.products else {},
        "series": {
            name: series[name].model_dump(exclude_none=True) for name in route.products if name in series
        },
    }
