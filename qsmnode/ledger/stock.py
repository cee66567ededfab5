"""What the ledger says against what lies on the disk: done at every start, before anything is received."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from qsmnode.ledger.store import Store

_log = logging.getLogger(__name__)
_NAMED = 10  # at most so many are named one by one


@dataclass(frozen=True)
class Stock:
    """What a look at every file found.

    Attributes:
        lost: ids of acknowledged instances whose file is gone or has another size, found out now.
        found: ids of those that were lost and are here again.
        lost_objects: ids of objects of products that are still to be sent and have no file.
        leftovers: files in the folder of products that no row speaks for, removed.
    """

    lost: tuple[int, ...]
    found: tuple[int, ...]
    lost_objects: tuple[int, ...]
    leftovers: int


def take_stock(store: Store) -> Stock:
    """Compare every row with its file, note what is lost, and say it loudly. Nothing may run beside this."""
    with store.database.transaction():
        lost = tuple(
            identity
            for identity, path, size in store.instances.files()
            if not _is_there(store.path(path), size)
        )
        for identity in lost:
            reason = "acknowledged, but its file is gone or damaged; restore it, or have it sent again"
            store.instances.lose(identity, reason)
        found = tuple(
            row.id
            for row in store.instances.missing()
            if row.id not in lost
            and _is_there(store.path(row.path), row.size)
            and store.instances.regain(row)
        )
    lost_objects = tuple(
        item.id for item in store.deliveries.undelivered_objects() if not store.path(item.path).is_file()
    )
    stock = Stock(lost, found, lost_objects, _remove_leftovers(store))
    _tell(stock)
    return stock


def _is_there(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False  # gone, or on a disk that cannot read it: of no use in either case


def _remove_leftovers(store: Store) -> int:
    """Files of products that were purged, or never booked, when the process ended: one by one, by name."""
    spoken_for = store.deliveries.object_paths()
    folder = store.root / "products"
    removed = 0
    for path in sorted(folder.glob("*/*")):
        if path.relative_to(store.root).as_posix() not in spoken_for and path.is_file():
            path.unlink()
            removed += 1
    for path in folder.iterdir():
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    return removed


def _tell(stock: Stock) -> None:
    if stock.lost:
        _log.error(
            "%d acknowledged instances have no whole file any more (instances %s): restore them from a"
            " backup, or have them sent again; see `qsmnode jobs`",
            len(stock.lost),
            _some(stock.lost),
        )
    if stock.lost_objects:
        _log.error(
            "%d objects that are still to be sent have no file any more (objects %s): restore them from a"
            " backup",
            len(stock.lost_objects),
            _some(stock.lost_objects),
        )
    if stock.found:
        _log.warning("%d instances that were lost are here again", len(stock.found))
    if stock.leftovers:
        _log.info("%d files of products that nothing refers to are removed", stock.leftovers)


def _some(identities: tuple[int, ...]) -> str:
    named = ", ".join(map(str, identities[:_NAMED]))
    return f"{named} ..." if len(identities) > _NAMED else named
