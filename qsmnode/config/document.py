"""A configuration as plain values, with the place of every key and value, and the problems found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from qsmnode.errors import Problem

KeyPath = tuple[str | int, ...]
_LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Place:
    """Where something stands: line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1


def dotted(path: KeyPath) -> str:
    """``("routes", 0, "name")`` as ``routes[0].name``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def child(data: Any, part: str | int) -> Any:
    """The entry of a mapping or list, or None where there is no such entry."""
    if isinstance(data, dict):
        return data.get(part)
    if isinstance(data, list) and isinstance(part, int) and 0 <= part < len(data):
        return data[part]
    return None


@dataclass
class Document:
    """What a file and its overrides say; grows problems instead of stopping at the first.

    Attributes:
        file: name used for places that are unknown.
        data: plain dicts, lists and scalars.
        values: place of each value by its path.
        keys: place of each mapping key by the path of its value.
        secrets: paths whose values came from a placeholder and are never shown.
        unresolved: those of them whose placeholder could not be filled: blamed once, then left alone.
        problems: what was found so far, in no order.
    """

    file: str
    data: Any = None
    values: dict[KeyPath, Place] = field(default_factory=dict)
    keys: dict[KeyPath, Place] = field(default_factory=dict)
    secrets: set[KeyPath] = field(default_factory=set)
    unresolved: set[KeyPath] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def get(self, *path: str | int) -> Any:
        """The value at ``path``, or None."""
        data = self.data
        for part in path:
            data = child(data, part)
        return data

    def mapping(self, *path: str | int) -> dict[str, Any]:
        """The mapping at ``path``; empty where there is something else."""
        found = self.get(*path)
        return found if isinstance(found, dict) else {}

    def sequence(self, *path: str | int) -> list[Any]:
        """The list at ``path``; empty where there is something else."""
        found = self.get(*path)
        return found if isinstance(found, list) else []

    def value_place(self, path: KeyPath) -> Place:
        """Where the value stands, or else its nearest ancestor."""
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Place(self.file))

    def key_place(self, path: KeyPath) -> Place:
        """Where the key stands (of a list item: the item), or else that of its nearest ancestor."""
        while path and path not in self.keys and path not in self.values:
            path = path[:-1]
        return self.keys.get(path) or self.value_place(path)

    def is_secret(self, path: KeyPath) -> bool:
        """Whether the value, or something inside it, came from a placeholder."""
        return any(secret[: len(path)] == path for secret in self.secrets)

    def shown(self, path: KeyPath) -> str:
        """The value as an error message may show it."""
        if self.is_secret(path):
            return "a secret value"
        return show(self.get(*path))

    def blame(self, path: KeyPath, message: str, *, key: bool = False) -> None:
        """Add a problem with the value at ``path``, or with its key."""
        place = self.key_place(path) if key else self.value_place(path)
        self.problems.append(Problem(place.file, place.line, place.column, dotted(path), message))


def show(value: Any) -> str:
    """A value in YAML's words, short enough for a message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
