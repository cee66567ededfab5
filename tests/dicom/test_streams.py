"""Streams that headers are read from give pieces only, and of a deflated file no more than was allowed."""

from __future__ import annotations

import io
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsmnode.dicom.streams import Inflated, Piecewise
from qsmnode.errors import UnreadableDicom


def deflated(content: bytes) -> io.BytesIO:
    packer = zlib.compressobj(wbits=-15)
    return io.BytesIO(packer.compress(content) + packer.flush())


@given(
    content=st.binary(max_size=4000),
    steps=st.lists(
        st.tuples(st.sampled_from(["read", "set", "skip"]), st.integers(0, 1500)), min_size=1, max_size=20
    ),
)
def test_an_inflated_stream_reads_like_its_content(content: bytes, steps: list[tuple[str, int]]) -> None:
    inflated, plain = Inflated(deflated(content), 1 << 20), io.BytesIO(content)
    for step, size in steps:
        if step == "read":
            assert inflated.read(size) == plain.read(size)
        elif step == "set":
            assert inflated.seek(size) == plain.seek(size)
        else:
            assert inflated.seek(size, io.SEEK_CUR) == plain.seek(size, io.SEEK_CUR)
        assert inflated.tell() == plain.tell()


@given(st.integers(0, 3000), st.integers(1, 3000))
def test_not_a_byte_beyond_the_limit(limit: int, size: int) -> None:
    inflated = Inflated(deflated(bytes(10_000)), limit)
    if size <= limit:
        assert inflated.read(size) == bytes(size)
    else:
        with pytest.raises(UnreadableDicom, match="more than"):
            inflated.read(size)
    with pytest.raises(UnreadableDicom, match="more than"):
        inflated.read()


def test_a_skip_beyond_the_limit_is_found_at_the_next_byte() -> None:
    inflated = Inflated(deflated(bytes(10_000)), 100)
    inflated.seek(5000)
    with pytest.raises(UnreadableDicom, match="more than"):
        inflated.read(1)


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_the_way_to_the_end_is_counted(read: int, size: int) -> None:
    inflated = Inflated(deflated(bytes(size)), 1 << 20)
    got = len(inflated.read(read))
    assert inflated.left(3000) == size - got


def test_a_long_way_to_the_end_takes_no_memory() -> None:
    content = deflated(bytes(1 << 26))
    tracemalloc.start()
    try:
        assert Inflated(content, 100).left(1 << 26) == 1 << 26
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_what_goes_on_for_ever_or_breaks_off_is_found() -> None:
    with pytest.raises(UnreadableDicom, match="far beyond"):
        Inflated(deflated(bytes(1 << 26)), 100).left(1 << 20)
    whole = deflated(bytes(range(256)) * 40).getvalue()
    for end in range(len(whole)):
        with pytest.raises(UnreadableDicom, match="cut short"):
            Inflated(io.BytesIO(whole[:end]), 100).left(1 << 20)


def test_damaged_bytes_are_an_error_of_their_own() -> None:
    with pytest.raises(zlib.error):
        Inflated(io.BytesIO(b"no deflated bytes at all"), 100).read(10)


def test_pieces_only() -> None:
    pieces = Piecewise(io.BytesIO(b"abcdef"))
    assert pieces.read(2) == b"ab"
    assert pieces.seek(4) == pieces.tell() == 4
    assert pieces.read(9) == b"ef"
    with pytest.raises(UnreadableDicom):
        pieces.read()
