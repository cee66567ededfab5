"""The binary layout ("SV10") in which Siemens classic objects keep their private headers.

A list of named tags; each holds a number of items, the unused ones empty, and every text is closed by a zero
byte and filled up to four bytes. Numbers of data types and markers are as observed in scanner files.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_USED, _UNUSED = 77, 205
_ITEMS = 6  # tags with values hold at least so many items, the unused ones empty
_TYPES = {
    "UN": 0,
    "DS": 3,
    "FD": 4,
    "IS": 6,
    "SL": 7,
    "UL": 9,
    "US": 10,
    "CS": 16,
    "LO": 19,
    "SH": 22,
    "UT": 27,
}


@dataclass(frozen=True)
class Tag:
    """One named entry; ``values`` are texts, already formatted."""

    name: str
    vr: str
    values: tuple[str, ...] = ()
    multiplicity: int | None = None


def integers(name: str, *values: int, vr: str = "IS") -> Tag:
    """Whole numbers, filled with spaces to eight characters."""
    return Tag(name, vr, tuple(f"{value:<8d}" for value in values))


def decimals(name: str, *values: float, vr: str = "DS") -> Tag:
    """Numbers with eight decimals."""
    return Tag(name, vr, tuple(f"{value:.8f}" for value in values))


def encode(tags: list[Tag]) -> bytes:
    """The whole header as bytes, an even number of them.

    Raises:
        ValueError: a name is longer than the 63 characters that the layout has room for.
    """
    parts = [b"SV10\x04\x03\x02\x01", struct.pack("<II", len(tags), _USED)]
    parts.extend(_tag(tag) for tag in tags)
    return b"".join(parts) + bytes(4)


def _tag(tag: Tag) -> bytes:
    name = tag.name.encode("ascii")
    if len(name) > 63:
        raise ValueError(f"CSA tag name: expected at most 63 characters, got {tag.name!r}")
    count = max(_ITEMS, len(tag.values)) if tag.values else 0
    multiplicity = tag.multiplicity if tag.multiplicity is not None else max(1, len(tag.values))
    vr = tag.vr.encode("ascii")
    state = _USED if tag.values else _UNUSED
    parts = [struct.pack("<64si4siii", name, multiplicity, vr, _TYPES[tag.vr], count, state)]
    for value in tag.values:
        raw = value.encode("latin-1") + b"\0"
        parts.append(struct.pack("<4i", len(raw), len(raw), _USED, len(raw)) + raw + bytes(-len(raw) % 4))
    parts.extend([struct.pack("<4i", 0, 0, _UNUSED, 0)] * (count - len(tag.values)))
    return b"".join(parts)


def protocol_text(values: dict[str, str]) -> str:
    """The scanner protocol as the text that the series header carries, one ``name = value`` per line."""
    lines = "\n".join(f"{name}\t = \t{value}" for name, value in values.items())
    return (
        '<XProtocol> \n{\n  <Name> "PhoenixMetaProtocol" \n  <ID> 1000002 \n  <Userversion> 2.0 \n  \n'
        '  <ParamMap.""> \n  {\n    <ParamLong."Count"> { 1 }\n    <ParamString."Protocol0"> \n    { "'
        f'\n### ASCCONV BEGIN ###\n{lines}\n### ASCCONV END ###"\n    }}\n  }}\n}}\n'
    )
