"""Environment variables over the file: ``QSMNODE__NODE__PORT=11113`` sets ``node.port``.

Double underscores separate keys; upper and lower case are the same; a number picks an entry of a list. The
value is read as a YAML scalar, so that quotes make a number text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qsmnode.config.document import Document, KeyPath, Place, dotted
from qsmnode.config.reader import read_yaml
from qsmnode.config.scalars import Scalar, resolve_scalar
from qsmnode.errors import ConfigError, Problem

PREFIX = "QSMNODE__"


def apply_overrides(document: Document, environ: Mapping[str, str]) -> None:
    """Set what the environment says; problems bear the variable's name instead of a file's."""
    for name in sorted(environ):
        if name.upper().startswith(PREFIX):
            _apply(document, name, environ[name])


def _apply(document: Document, name: str, value: str) -> None:
    parts = name[len(PREFIX) :].split("__")
    if not all(parts):
        _blame(document, name, (), "expected key names separated by two underscores")
        return
    if document.data is None:
        document.data = {}
    here: Any = document.data
    path: KeyPath = ()
    for number, part in enumerate(parts):
        key = _key(document, name, here, path, part)
        if key is None:
            return
        path = (*path, key)
        if number == len(parts) - 1:
            _forget(document, path)
            here[key] = _scalar(document, name, path, value)
        elif isinstance(here, dict) and here.get(key) is None:
            here[key] = {}
        else:
            here = here[key]
            continue
        document.values[path] = document.keys[path] = Place(name)
        here = here[key]


def _key(document: Document, name: str, here: Any, path: KeyPath, part: str) -> str | int | None:
    """The key that ``part`` means in ``here``, or None after blaming."""
    if isinstance(here, list):
        if part.isascii() and part.isdigit() and int(part[:9]) < len(here):
            return int(part)
        _blame(document, name, path, f"expected the number of one of {len(here)} entries, got {part!r}")
        return None
    if not isinstance(here, dict):
        _blame(document, name, path, "is a single value in the file: nothing inside it can be set")
        return None
    same = [key for key in here if key.casefold() == part.casefold()]
    if len(same) > 1 and part not in same:
        _blame(document, name, path, f"could mean any of {', '.join(same)}")
        return None
    return part if part in same else same[0] if same else part.lower()


def _scalar(document: Document, name: str, path: KeyPath, value: str) -> Scalar:
    if not value.startswith(("'", '"')):
        return resolve_scalar(value)
    try:
        read = read_yaml(value, name).data
    except ConfigError as error:
        _blame(document, name, path, error.problems[0].message)
        return None
    return read if isinstance(read, str) else value


def _forget(document: Document, path: KeyPath) -> None:
    for places in (document.values, document.keys):
        for inside in [each for each in places if each[: len(path)] == path]:
            del places[inside]


def _blame(document: Document, name: str, path: KeyPath, message: str) -> None:
    document.problems.append(Problem(name, 1, 1, dotted(path), message))
