"""What the router may look at, from what the headers say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qsmnode.dicom.acquisition import Acquisition
from qsmnode.node.router import RoutingFacts


def routing_facts(
    acquisition: Acquisition,
    keywords: Sequence[Mapping[str, tuple[Any, ...]]],
    calling_aes: frozenset[str] | None,
    *,
    final: bool,
) -> RoutingFacts:
    """What the router may look at, of one acquisition and its members' keywords."""
    return RoutingFacts(
        calling_aes=calling_aes,
        echoes=len(acquisition.echo_times_s),
        kinds=frozenset(acquisition.kinds),
        dimensions=acquisition.dimensions,
        field_t=acquisition.field_t,
        voxel_mm=acquisition.voxel_mm,
        final=final,
        instances=keywords,
    )
