"""Pydantic's errors in this project's words, at the place in the file where they arose."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from qsmnode.config.document import Document, KeyPath, child
from qsmnode.config.site import Config
from qsmnode.config.values import Settings

_EXPECTED: Mapping[str, str] = {
    "int_type": "expected a whole number",
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "bool_type": "expected true or false",
    "string_type": "expected text",
    "string_too_short": "expected text that is not empty",
    "path_type": "expected a path",
    "tuple_type": "expected a list, as in [a, b]",
    "dict_type": "expected a mapping",
    "model_type": "expected a mapping",
    "too_short": "expected at least one entry",
}
_MOST_NAMED = 12
_WITH_BOUNDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "greater_than": lambda bounds: f"expected more than {bounds['gt']:g}",
    "greater_than_equal": lambda bounds: f"expected at least {bounds['ge']:g}",
    "less_than_equal": lambda bounds: f"expected at most {bounds['le']:g}",
    "string_too_long": lambda bounds: f"expected at most {bounds['max_length']} characters",
    "literal_error": lambda bounds: f"expected {bounds['expected']}",
}


def blame_all(document: Document, error: ValidationError) -> None:
    """Add each of pydantic's errors to the document's problems."""
    for details in error.errors(include_url=False):
        path = _path(document.data, details["loc"])
        if path in document.unresolved:
            continue
        if details["type"] == "missing":
            document.blame(path, "required, and not given", key=True)
        elif details["type"] == "extra_forbidden":
            unknown = unknown_name("key", str(path[-1]), _known_keys(details["loc"]))
            document.blame(path, unknown, key=True)
        else:
            document.blame(path, _message(document, path, details))


def unknown_name(noun: str, name: str, known: Iterable[str]) -> str:
    """That ``name`` is unknown, with the nearest known one or all of them."""
    candidates = sorted(known)
    folded = {candidate.casefold(): candidate for candidate in candidates}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    if near:
        return f"unknown {noun}; did you mean {folded[near[0]]!r}?"
    more = ", ..." if len(candidates) > _MOST_NAMED else ""
    return f"unknown {noun}; known here: {', '.join(candidates[:_MOST_NAMED]) or 'none'}{more}"


def _message(document: Document, path: KeyPath, details: ErrorDetails) -> str:
    kind = details["type"]
    context = details.get("ctx", {})
    if kind == "value_error":
        if document.is_secret(path):
            return "the value that the placeholder stands for is not valid here"
        return str(context["error"])
    expected = _EXPECTED.get(kind)
    if expected is None:
        worded = _WITH_BOUNDS.get(kind)
        expected = worded(context) if worded else details["msg"]
    if kind == "too_short":
        return expected
    value = document.get(*path)
    quoting = kind == "string_type" and isinstance(value, (int, float))
    return f"{expected}, got {document.shown(path)}{': put it in quotes' if quoting else ''}"


def _path(data: Any, location: tuple[str | int, ...]) -> KeyPath:
    """The location without the marks (``#dicom``, ``#keywords``) that stand for no key in the file."""
    path: KeyPath = ()
    for part in location:
        if _is_mark(part) and not (isinstance(data, dict) and part in data):
            continue
        path = (*path, part)
        data = child(data, part)
    return path


def _is_mark(part: str | int) -> bool:
    return isinstance(part, str) and part.startswith("#")


def _known_keys(location: tuple[str | int, ...]) -> list[str]:
    """The keys that the model at ``location`` (less its last part) takes."""
    annotation: Any = Config
    for part in location[:-1]:
        annotation = _inside(annotation, part)
    if not (isinstance(annotation, type) and issubclass(annotation, Settings)):
        return []
    names = [info.alias or name for name, info in annotation.model_fields.items()]
    return [name for name in names if not _is_mark(name)] + list(annotation.siblings)


def _inside(annotation: Any, part: str | int) -> Any:
    """The type that stands one location part deeper."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        return next((_plain(f.annotation) for name, f in fields if part in (name, f.alias)), None)
    members = get_args(annotation)
    if get_origin(annotation) is dict:
        return _plain(members[1])
    if get_origin(annotation) is tuple:
        return _plain(members[0])
    return next((_plain(member) for member in members if _tag(member) == part), None)


def _plain(annotation: Any) -> Any:
    """Without ``Annotated`` and ``| None`` around it; a tagged union stays one."""
    while True:
        members = [member for member in get_args(annotation) if member is not type(None)]
        if get_origin(annotation) is Annotated or len(members) == 1 < len(get_args(annotation)):
            annotation = members[0]
        else:
            return annotation


def _tag(member: Any) -> str | None:
    return next((each.tag for each in get_args(member) if isinstance(each, Tag)), None)
