"""DICOM keywords in a route's ``match``: known, and compared in a way that can hold."""

from __future__ import annotations

from typing import Any

from pydicom.datadict import dictionary_VR, keyword_dict, tag_for_keyword

from qsmnode.config.document import Document, KeyPath
from qsmnode.config.wording import unknown_name

COMPUTED = ("calling_ae", "acquisition")
_NUMBERS = frozenset(("DS", "IS", "US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"))
_TEXTS = frozenset(("AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"))
_FILE_META_GROUP = 0x0002


def check_keywords(document: Document, path: KeyPath) -> None:
    """Blame what could silently never match."""
    for keyword, condition in document.mapping(*path).items():
        if keyword not in COMPUTED:
            _check_keyword(document, (*path, keyword), keyword, condition)


def _check_keyword(document: Document, path: KeyPath, keyword: str, condition: Any) -> None:
    tag = tag_for_keyword(keyword)
    if tag is None:
        hint = unknown_name("DICOM keyword", keyword, (*COMPUTED, *keyword_dict))
        document.blame(path, hint if "did you mean" in hint else "unknown DICOM keyword", key=True)
        return
    representations = set(dictionary_VR(tag).split(" or "))
    numeric = representations <= _NUMBERS
    if tag >> 16 <= _FILE_META_GROUP or not (numeric or representations <= _TEXTS):
        document.blame(path, "this element holds nothing that a route could compare", key=True)
        return
    _check_condition(document, path, condition, numeric)


def _check_condition(document: Document, path: KeyPath, condition: Any, numeric: bool) -> None:
    if isinstance(condition, list):
        for index, each in enumerate(condition):
            _check_scalar(document, (*path, index), each, numeric)
    elif not isinstance(condition, dict):
        _check_scalar(document, path, condition, numeric)
    elif "regex" in condition:
        if numeric:
            message = "this element holds numbers, which a regex never matches: use a number, or min and max"
            document.blame((*path, "regex"), message, key=True)
    elif "min" in condition or "max" in condition:
        if not numeric:
            document.blame(
                path, "this element holds text, which has no min and max: use text or regex", key=True
            )
    else:
        _check_inner(document, path, condition, numeric)


def _check_inner(document: Document, path: KeyPath, condition: dict[str, Any], numeric: bool) -> None:
    for key in ("not", "any", "all"):
        if key not in condition:
            continue
        inner = condition[key]
        quantified = {"any", "all"} & {str(part) for part in path[4:]}
        if key in ("any", "all") and quantified:
            document.blame((*path, key), "stands inside another any or all: one of them is enough", key=True)
        _check_condition(document, (*path, key), inner, numeric)


def _check_scalar(document: Document, path: KeyPath, value: Any, numeric: bool) -> None:
    if isinstance(value, bool) or document.is_secret(path):
        return
    if numeric and isinstance(value, str):
        document.blame(
            path, f"this element holds numbers: {document.shown(path)} never matches; leave out quotes"
        )
    elif not numeric and isinstance(value, (int, float)):
        document.blame(path, f"this element holds text: put {document.shown(path)} in quotes")
