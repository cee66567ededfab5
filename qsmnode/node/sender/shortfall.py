"""Why a try to deliver did not bring everything."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shortfall:
    """What stands between a delivery and its end; ``permanent`` where another try cannot help."""

    reason: str
    permanent: bool
    peer_is_down: bool = False
