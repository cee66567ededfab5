"""Which part of the way to the map departs from what it should be, as lights with words beside them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from qsmnode.products import codes
from qsmnode.products.context import ProductContext
from qsmnode.products.page.words import Words


class Level(enum.IntEnum):
    """How bad it is."""

    GOOD = 0
    WARNS = 1
    BAD = 2


@dataclass(frozen=True)
class Light:
    """One part of the way, and the reasons where it is not good."""

    name: str
    level: Level
    reasons: tuple[str, ...]


# every check that is not named belongs to the acquisition
_PARTS: dict[str, frozenset[str]] = {
    "phase": frozenset({"phase_scaling", "filtered_phase", "unwrapped_phase", "poles", "bipolar"}),
    "signal": frozenset({"snr", "ghosting", "magnitude"}),
    "mask": frozenset({"mask"}),
    "fit": frozenset({"fit", "streaks", "quality"}),
}
_SEVERITIES = {"warn": Level.WARNS, "degraded": Level.BAD, "withhold": Level.BAD, "reject": Level.BAD}


def lights(context: ProductContext, words: Words) -> tuple[Light, ...]:
    """One light for each part, in the order of the way."""
    levels = dict.fromkeys(words.lights, Level.GOOD)
    reasons: dict[str, list[str]] = {part: [] for part in words.lights}
    for finding in context.findings:
        part = next((name for name, checks in _PARTS.items() if finding.check in checks), "acquisition")
        levels[part] = max(levels[part], _SEVERITIES[finding.severity])
        reasons[part].append(f"{codes.REASONS[finding.check].value}  {words.reasons[finding.check]}")
    return tuple(
        Light(words.lights[part], levels[part], tuple(dict.fromkeys(reasons[part]))) for part in words.lights
    )
