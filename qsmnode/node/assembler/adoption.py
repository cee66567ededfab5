"""Which acquisition of the ledger each thing found now is: pure.

A key holds about when a scan started, by the images that are here. An image that started a moment before a
step of that clock can give the scan another key when it comes: what shares its images with a row is that row
all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

IGNORED_PREFIX = "ignored:"
"""Begins the keys of images that are no acquisition."""


def adopt(found: Mapping[str, Set[int]], known: Mapping[str, Set[int]]) -> dict[str, str]:
    """The known key of each found key that has one: its own, or that of most of its images.

    Args:
        found: key of what is found now to the ids of its instances.
        known: key of each acquisition of the ledger to the ids of its instances.
    """
    adopted = {key: key for key in found if key in known}
    free = {key: ids for key, ids in known.items() if key not in adopted and _may_change(key)}
    shared = sorted(
        (-len(found[key] & ids), key, other)
        for key in found
        if key not in adopted and _may_change(key)
        for other, ids in free.items()
        if found[key] & ids
    )
    taken: set[str] = set()
    for _, key, other in shared:
        if key not in adopted and other not in taken:
            adopted[key] = other
            taken.add(other)
    return adopted


def _may_change(key: str) -> bool:
    return not key.startswith(IGNORED_PREFIX)
