"""What a plain YAML scalar means: the core schema of YAML 1.2, and nothing more.

``NO`` and ``on`` are text, ``10:30`` is text, ``1e-3`` is a number. Source: YAML 1.2.2, section 10.3.2.
"""

from __future__ import annotations

import re

Scalar = str | int | float | bool | None

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)")
_NAN = frozenset((".nan", ".NaN", ".NAN"))
_LONGEST_NUMBER = 100  # no setting needs more digits, and int() refuses thousands of them


def resolve_scalar(text: str) -> Scalar:
    """The value of an unquoted scalar; what is no null, boolean or number is the text itself."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    return text if len(text) > _LONGEST_NUMBER else _resolve_number(text)


def _resolve_number(text: str) -> str | int | float:
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", ""))
    return float("nan") if text in _NAN else text
