"""YAML text to a ``Document``: built from the parser's events, so that every key and value keeps its place.

Refused, with their places: duplicate keys, tags, several documents, keys that are no text. Aliases may repeat
a part of the file, within bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from qsmnode.config.document import Document, KeyPath, Place, dotted
from qsmnode.config.scalars import Scalar, resolve_scalar
from qsmnode.errors import ConfigError, Problem

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_VALUES = 20_000
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
_TEXT_TAGS = frozenset(("!", "tag:yaml.org,2002:str"))


@dataclass(frozen=True)
class _Leaf:
    place: Place
    value: Scalar


@dataclass(frozen=True)
class _Items:
    place: Place
    nodes: tuple[_Node, ...]


@dataclass(frozen=True)
class _Entries:
    place: Place
    nodes: tuple[tuple[_Node, _Node], ...]


_Node = _Leaf | _Items | _Entries


def read_yaml(text: str, file: str) -> Document:
    """Parse ``text``.

    Args:
        text: the whole file.
        file: its name, for the places.

    Returns:
        The document, with the problems that reading could step over (duplicate keys, tags).

    Raises:
        ConfigError: the text is no YAML, or beyond the bounds: reading cannot go on.
    """
    document = Document(file)
    root = _Builder(document, _events(text, file)).build()
    if root is not None:
        document.data = _Expansion(document).expand(root, ())
    return document


def _fail(place: Place, message: str, path: KeyPath = ()) -> ConfigError:
    return ConfigError([Problem(place.file, place.line, place.column, dotted(path), message)])


def _events(text: str, file: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        raise _fail(place, f"not valid YAML: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise _fail(place, "not valid YAML: a character that is not printable") from None
    except (ValueError, OverflowError):
        # the scanner hands an escape such as "\UFFFFFFFF" or an endless number to Python as it stands
        raise _fail(Place(file), "not valid YAML: an escape or directive is out of range") from None


class _Builder:
    """Events to nodes; keeps anchors."""

    def __init__(self, document: Document, events: Iterator[yaml.Event]) -> None:
        self._document = document
        self._events = events
        self._anchors: dict[str, _Node] = {}

    def build(self) -> _Node | None:
        root: _Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise _fail(
                        self._place(event), "a second YAML document: one file holds one configuration"
                    )
                root = self._node(next(self._events), 0)
        return root

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        assert mark is not None  # every event out of text has one
        return Place(self._document.file, mark.line + 1, mark.column + 1)

    def _node(self, event: yaml.Event, depth: int) -> _Node:
        place = self._place(event)
        if depth > MAX_DEPTH:
            raise _fail(place, f"nested more than {MAX_DEPTH} deep")
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _fail(place, f"alias *{event.anchor} has no finished anchor before it")
            return self._anchors[event.anchor]
        if isinstance(event, yaml.ScalarEvent):
            node: _Node = _Leaf(place, self._scalar(event))
        elif isinstance(event, yaml.SequenceStartEvent):
            self._refuse_tag(event, place)
            node = _Items(
                place, tuple(self._node(each, depth + 1) for each in self._until(yaml.SequenceEndEvent))
            )
        else:
            self._refuse_tag(event, place)
            node = _Entries(
                place,
                tuple(
                    (self._node(key, depth + 1), self._node(next(self._events), depth + 1))
                    for key in self._until(yaml.MappingEndEvent)
                ),
            )
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        for event in self._events:
            if isinstance(event, end):
                return
            yield event

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        place = self._place(event)
        if _UNFIT.search(event.value):
            raise _fail(place, "text with control characters or half characters")
        if event.tag in _TEXT_TAGS:
            return str(event.value)
        self._refuse_tag(event, place)
        return resolve_scalar(event.value) if event.implicit[0] else str(event.value)

    def _refuse_tag(self, event: Any, place: Place) -> None:
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            problem = Problem(
                place.file, place.line, place.column, "", f"tag {event.tag!r}: tags are not supported"
            )
            self._document.problems.append(problem)


class _Expansion:
    """Nodes to plain values; what an alias repeats is copied, up to a bound."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._count = 0

    def expand(self, node: _Node, path: KeyPath) -> Any:
        self._count += 1
        if self._count > MAX_VALUES or len(path) > MAX_DEPTH:
            raise _fail(
                node.place,
                f"more than {MAX_VALUES} values or {MAX_DEPTH} levels, counting what aliases repeat",
            )
        self._document.values[path] = node.place
        if isinstance(node, _Leaf):
            return node.value
        if isinstance(node, _Items):
            return [self.expand(each, (*path, index)) for index, each in enumerate(node.nodes)]
        return self._mapping(node, path)

    def _mapping(self, node: _Entries, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.nodes:
            if not isinstance(key, _Leaf) or not isinstance(key.value, str):
                self._blame(key.place, path, "a key must be text: put it in quotes")
                continue
            here = (*path, key.value)
            if key.value in found:
                first = self._document.keys[here]
                at = f"line {first.line}, column {first.column}"
                self._blame(key.place, here, f"duplicate key: it stands at {at} already")
                continue
            self._document.keys[here] = key.place
            found[key.value] = self.expand(value, here)
        return found

    def _blame(self, place: Place, path: KeyPath, message: str) -> None:
        self._document.problems.append(Problem(place.file, place.line, place.column, dotted(path), message))
