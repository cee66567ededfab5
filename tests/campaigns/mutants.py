"""A made case with a little of it changed: as many near misses as wanted, the same ones each time."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator

_EDGES = tuple(
    bytes.fromhex(edge) for edge in ("00000000", "ffffffff", "7fffffff", "80000000", "00000001", "feffffff")
)
_LONGEST_PIECE = 64


def mutants(data: bytes, count: int) -> Iterator[bytes]:
    """``count`` changed copies of ``data``, which alone decides how."""
    chance = random.Random(zlib.crc32(data))
    for _ in range(count):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 4))):
            chance.choice(_CHANGES)(changed, chance)
        yield bytes(changed)


def _place(data: bytearray, chance: random.Random) -> tuple[int, int]:
    begin = chance.randint(0, len(data))
    return begin, min(len(data), begin + chance.randint(1, _LONGEST_PIECE))


def _bit(data: bytearray, chance: random.Random) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _edge(data: bytearray, chance: random.Random) -> None:
    begin, _ = _place(data, chance)
    edge = chance.choice(_EDGES)
    if chance.random() < 0.5:
        edge = edge[: chance.choice((1, 2))]
    data[begin : begin + len(edge)] = edge


def _cut(data: bytearray, chance: random.Random) -> None:
    begin, end = _place(data, chance)
    del data[begin:end]


def _again(data: bytearray, chance: random.Random) -> None:
    begin, end = _place(data, chance)
    data[begin:begin] = data[begin:end]


def _foreign(data: bytearray, chance: random.Random) -> None:
    begin, _ = _place(data, chance)
    data[begin:begin] = chance.randbytes(chance.randint(1, 8))


def _end(data: bytearray, chance: random.Random) -> None:
    del data[chance.randint(0, len(data)) :]


_CHANGES = (_bit, _bit, _edge, _edge, _cut, _again, _foreign, _end)
