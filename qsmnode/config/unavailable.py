"""Settings that are reserved for features this version does not have: an error, never ignored.

Enabling a feature removes its line here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qsmnode.config.document import Document, KeyPath


@dataclass(frozen=True)
class Reserved:
    """A key, or some of its values, without a feature behind it.

    Attributes:
        pattern: the key's path; ``*`` stands for any peer's name or list entry.
        feature: what it would ask for.
        values: the values that are refused; none listed: every value.
    """

    pattern: tuple[str, ...]
    feature: str
    values: tuple[Any, ...] = ()


RESERVED = (
    Reserved(("peers", "*", "b0_axis"), "data from vertical-field magnets"),
    Reserved(("tls",), "TLS at the top level: it stands under node and under a peer"),
    Reserved(("web",), "the dashboard"),
    Reserved(("compute",), "computing on other machines"),
    Reserved(("routes", "*", "task"), "a task other than qsm", values=("measure_roi", "phantom")),
)


def take_out_reserved(document: Document) -> Any:
    """Blame every reserved setting; returns the data without them, for the checks that follow."""
    return _pruned(document, (), document.data)


def _pruned(document: Document, path: KeyPath, data: Any) -> Any:
    if isinstance(data, list):
        return [_pruned(document, (*path, index), each) for index, each in enumerate(data)]
    if not isinstance(data, dict):
        return data
    kept: dict[str, Any] = {}
    for key, value in data.items():
        here = (*path, key)
        found = _reserved(here, value)
        if found is None:
            kept[key] = _pruned(document, here, value)
        else:
            document.blame(here, f"not available in this version: {found.feature}", key=True)
    return kept


def _reserved(path: KeyPath, value: Any) -> Reserved | None:
    for each in RESERVED:
        if _fits(path, each.pattern) and (not each.values or _is_one_of(value, each.values)):
            return each
    return None


def _is_one_of(value: Any, refused: tuple[Any, ...]) -> bool:
    return any(type(value) is type(each) and value == each for each in refused)  # 1 is not true here


def _fits(path: KeyPath, pattern: tuple[str, ...]) -> bool:
    return len(path) == len(pattern) and all(p in ("*", str(k)) for k, p in zip(path, pattern, strict=True))
