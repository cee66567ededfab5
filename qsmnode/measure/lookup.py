"""What the numbers of a label image mean: a JSON or TSV file beside it, one region per entry."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.sr.coding import Code

from qsmnode.errors import NotEligible
from qsmnode.measure import structures

MOST_REGIONS = 256
LONGEST_NAME = 48  # with its side it still fits the 64 characters of a segment's label
_LARGEST_FILE = 1 << 20
_LARGEST_LABEL = 65535
_COLUMNS = ("number", "name", "code", "laterality")
_UNUSED = ("abbreviation", "color", "mapping")  # BIDS has them in such tables
_SIDES = {"": "", "n/a": "", "left": "left", "l": "left", "right": "right", "r": "right"}
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .,:()/_+-]*")  # what no table program takes for a formula
_SNOMED = re.compile(r"[0-9]{6,18}")


@dataclass(frozen=True)
class Entry:
    """One region of a label image."""

    number: int
    name: str
    side: str
    structure: Code


def beside(image: Path) -> Path:
    """The lookup that belongs to a label image: of the same name, .json or .tsv.

    Raises:
        NotEligible: there is none.
    """
    stem = re.sub(r"\.nii(\.gz)?$", "", image.name, flags=re.IGNORECASE)
    candidates = [image.with_name(f"{stem}{ending}") for ending in (".json", ".tsv")]
    for path in candidates:
        if path.is_file():
            return path
    raise NotEligible(
        f"{image.name}: expected {candidates[0].name} or {candidates[1].name} beside it, which names its "
        "labels (number, name, and where known code and laterality)"
    )


def read(path: Path) -> tuple[Entry, ...]:
    """Its entries, in their order.

    Raises:
        NotEligible: an entry cannot be used; says which and why.
    """
    rows = _rows(path)
    if not 0 < len(rows) <= MOST_REGIONS:
        raise NotEligible(f"{path.name}: expected 1 to {MOST_REGIONS} regions, got {len(rows)}")
    entries = []
    for place, row in enumerate(rows, start=1):
        try:
            entries.append(_entry(row))
        except NotEligible as error:
            raise NotEligible(f"{path.name}, entry {place}: {error}") from None
    _refuse_doubles(path, entries)
    return tuple(entries)


def cleaned(name: str) -> str:
    """A name in plain characters, as they may stand in every document; "" where nothing is left of it."""
    stripped = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    found = _WORD.search(" ".join(stripped.split()))
    return "" if found is None else found.group()[:LONGEST_NAME].rstrip()


def without_side(name: str, side: str) -> str:
    """A name that says its side already, without it: the side is stated beside the name."""
    words = name.split()
    for end in (0, -1):
        if len(words) > 1 and side and words[end].lower().strip(",") == side:
            del words[end]
    return " ".join(words).rstrip(",")


def _rows(path: Path) -> Sequence[Mapping[str, Any]]:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise NotEligible(f"{path.name}: expected a lookup of at most {_LARGEST_FILE} bytes")
        text = path.read_text("utf-8-sig")
        if path.suffix.lower() == ".json":
            rows = json.loads(text)
        else:
            rows = list(csv.DictReader(io.StringIO(text), delimiter="\t"))
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        raise NotEligible(f"{path.name}: no readable lookup of labels ({type(error).__name__})") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise NotEligible(f'{path.name}: expected a list such as [{{"number": 1, "name": "putamen"}}]')
    return rows


def _entry(row: Mapping[str, Any]) -> Entry:
    values = {("number" if key == "index" else key): value for key, value in row.items()}
    unknown = [str(key) for key in values if key not in (*_COLUMNS, *_UNUSED)]
    if unknown:
        raise NotEligible(f"expected {', '.join(_COLUMNS)}, got {unknown[0][:LONGEST_NAME]!r} beside them")
    name = str(values.get("name") or "").strip()
    if not name or cleaned(name) != " ".join(unicodedata.normalize("NFKC", name).split()):
        raise NotEligible(
            f"name: expected up to {LONGEST_NAME} letters, digits and simple signs, beginning with a letter "
            f"or digit, got {name[:LONGEST_NAME]!r}"
        )
    name = cleaned(name)
    side = str(values.get("laterality") or "").strip().lower()
    if side not in _SIDES:
        raise NotEligible(f"laterality: expected left, right or nothing, got {side[:LONGEST_NAME]!r}")
    name = without_side(name, _SIDES[side])
    return Entry(_number(values.get("number")), name, _SIDES[side], _structure(values.get("code"), name))


def _number(value: object) -> int:
    text = str(value).strip()
    if (
        isinstance(value, bool)
        or not text.isascii()
        or not text.isdigit()
        or len(text) > len(str(_LARGEST_LABEL))
    ):
        raise NotEligible(f"number: expected a whole number from 1 to {_LARGEST_LABEL}, got {text[:16]!r}")
    if not 1 <= int(text) <= _LARGEST_LABEL:
        raise NotEligible(f"number: expected a whole number from 1 to {_LARGEST_LABEL}, got {text!r}")
    return int(text)


def _structure(value: object, name: str) -> Code:
    text = str(value if value is not None else "").strip()
    if text in ("", "n/a"):
        return structures.named(name)
    if not _SNOMED.fullmatch(text):
        raise NotEligible(f"code: expected a SNOMED CT code of digits, got {text[:LONGEST_NAME]!r}")
    return structures.of_snomed(text, name)


def _refuse_doubles(path: Path, entries: Sequence[Entry]) -> None:
    numbers = [entry.number for entry in entries]
    titles = [(entry.name.lower(), entry.side) for entry in entries]
    for entry in entries:
        if numbers.count(entry.number) > 1:
            raise NotEligible(f"{path.name}: expected each number once, got {entry.number} twice")
        if titles.count((entry.name.lower(), entry.side)) > 1:
            raise NotEligible(f"{path.name}: expected each name once per side, got {entry.name!r} twice")
