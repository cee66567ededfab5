"""Compressed images: the same values from every lossless transfer syntax, a reason for every other."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import encapsulate_extended, generate_frames
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from qsmnode.dicom.acquisition import group
from qsmnode.dicom.codestream import describe
from qsmnode.dicom.decoding import stored_values
from qsmnode.dicom.instance import read_instance
from qsmnode.dicom.reading import read_pixels
from qsmnode.dicom.source import Source, load
from qsmnode.errors import NotEligible, UnreadableDicom
from tests.dicom.recoding import ENCAPSULATED, put, recoded, stream_of

PLAIN = (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
VENDORS = ("siemens", "ge", "philips enhanced")


def made_by(builder: Any, vendor: str) -> Any:
    scan = builder.Scan(vendor=vendor.split()[0], echo_times_ms=(5.0, 10.0), slices=2)
    return builder.write_enhanced(scan) if "enhanced" in vendor else builder.write(scan)


def read(paths: dict[str, Path]) -> Source:
    (acquisition,) = group([read_instance(path) for path in paths.values()]).acquisitions
    return load(acquisition, paths)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("syntax", [*ENCAPSULATED, *PLAIN], ids=lambda uid: uid.keyword)
def test_every_lossless_syntax_gives_the_same_bytes(builder: Any, vendor: str, syntax: UID) -> None:
    made = made_by(builder, vendor)
    expected = read(made.paths)
    for path in made.paths.values():
        recoded(path, syntax)
        assert dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID == syntax
    found = read(made.paths)
    assert found.stack.magnitude.tobytes() == expected.stack.magnitude.tobytes()
    assert found.stack.phase.tobytes() == expected.stack.phase.tobytes()
    assert found.content_sha256 == expected.content_sha256
    assert found.slices == expected.slices


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("syntax", list(ENCAPSULATED), ids=lambda uid: uid.keyword)
def test_signed_values_keep_their_sign(builder: Any, syntax: UID, bits: int) -> None:
    lowest = -(1 << (bits - 1))
    values = np.linspace(lowest, -lowest - 1, 48).astype(np.int16).reshape(6, 8)
    ds = builder.classic(builder.Scan(vendor="other"), kind="R")
    ds.PixelRepresentation, ds.BitsStored, ds.HighBit = 1, bits, bits - 1
    ds.PixelData = values.tobytes()
    path = builder.write_one(ds)
    recoded(path, syntax)
    assert np.array_equal(stored_values(dcmread(path)), values)


def test_frames_in_an_extended_offset_table(builder: Any) -> None:
    made = made_by(builder, "philips enhanced")
    expected = read(made.paths)
    (path,) = made.paths.values()
    recoded(path, JPEGLSLossless)
    ds = dcmread(path)
    frames = list(generate_frames(ds.PixelData, number_of_frames=ds.NumberOfFrames))
    ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(frames)
    ds.save_as(path)
    assert read(made.paths).content_sha256 == expected.content_sha256


# ---- loss


def one_image(builder: Any, kind: str = "P") -> Path:
    return builder.write_one(builder.classic(kind=kind))


def near_lossless(path: Path) -> None:
    ds = dcmread(path)
    ds.compress(JPEGLSNearLossless, jls_error=2, encoding_plugin="pyjpegls", generate_instance_uid=False)
    ds.save_as(path)


def irreversible(path: Path) -> None:
    put(path, [jpeg_2000(dcmread(path).pixel_array, irreversible=True)], JPEG2000)


def jpeg_2000(values: np.ndarray, **options: Any) -> bytes:
    written = io.BytesIO()
    Image.fromarray(values).save(written, "JPEG2000", no_jp2=True, **options)
    return written.getvalue()


def baseline(path: Path) -> None:
    written = io.BytesIO()
    Image.fromarray(dcmread(path).pixel_array.astype(np.uint8)).save(written, "JPEG")
    put(path, [written.getvalue()], JPEGBaseline8Bit)


def declared(path: Path) -> None:
    recoded(path, JPEG2000Lossless)
    put(path, [stream_of(path)], JPEG2000Lossless, LossyImageCompression="01")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (near_lossless, r"compressed with loss \(near-lossless JPEG-LS: values may be off by 2\)"),
        (irreversible, r"compressed with loss \(irreversible JPEG 2000"),
        (baseline, "JPEG Baseline"),
        (declared, "compressed with loss"),
    ],
)
def test_what_lost_detail_is_no_source_and_says_why(
    builder: Any, make: Callable[[Path], None], reason: str
) -> None:
    path = one_image(builder)
    make(path)
    header = read_instance(path)
    assert re.search(reason, header.not_source or "")
    assert re.search("without loss|uncompressed|cannot be trusted", header.not_source or "")
    assert group([header]).ignored == ((header.sop_instance_uid, header.not_source),)


def lossless_ls(path: Path) -> None:
    recoded(path, JPEGLSLossless)
    put(path, [stream_of(path)], JPEGLSNearLossless)


@pytest.mark.parametrize("make", [lossless_ls, lambda path: recoded(path, JPEG2000)], ids=["ls", "2000"])
def test_a_syntax_that_may_lose_is_read_where_it_did_not(builder: Any, make: Callable[[Path], None]) -> None:
    path = one_image(builder)
    make(path)
    assert read_instance(path).not_source is None


def near_lossless_in_a_lossless_syntax(path: Path) -> None:
    near_lossless(path)
    put(path, [stream_of(path)], JPEGLSLossless)


def irreversible_in_a_lossless_syntax(path: Path) -> None:
    irreversible(path)
    put(path, [stream_of(path)], JPEG2000Lossless)


def irreversible_in_one_tile(path: Path) -> None:
    """The main header says reversible, the second tile's own header does not."""
    stream = jpeg_2000(dcmread(path).pixel_array, tile_size=(4, 4), num_resolutions=1)
    assert describe(stream).loss is None
    second = stream.index(b"\xff\x90", stream.index(b"\xff\x90") + 2)
    at = stream.index(b"\xff\x52")
    style = stream[at : at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")]
    changed = style[:-1] + b"\0" if len(style) == 14 else style[:13] + b"\0" + style[14:]
    size = int.from_bytes(stream[second + 6 : second + 10], "big") + len(changed)
    head = stream[second : second + 6] + size.to_bytes(4, "big") + stream[second + 10 : second + 12]
    put(path, [stream[:second] + head + changed + stream[second + 12 :]], JPEG2000Lossless)


def cut_bits(path: Path) -> None:
    """A point transform: the encoder dropped the lowest bit of every value."""
    recoded(path, JPEGLosslessSV1)
    stream = bytearray(stream_of(path))
    at = stream.index(b"\xff\xda")
    stream[at + 3 + 2 * stream[at + 4] + 4] |= 1
    put(path, [bytes(stream)], JPEGLosslessSV1)


@pytest.mark.parametrize(
    "make",
    [
        near_lossless_in_a_lossless_syntax,
        irreversible_in_a_lossless_syntax,
        irreversible_in_one_tile,
        cut_bits,
    ],
)
def test_a_bit_stream_that_lost_detail_is_refused_whatever_its_syntax_says(
    builder: Any, make: Callable[[Path], None]
) -> None:
    made = made_by(builder, "siemens")
    make(list(made.paths.values())[-1])
    with pytest.raises(NotEligible, match="compressed with loss"):
        read(made.paths)


# ---- bombs and damage


def resized(stream: bytes, rows: int, columns: int) -> bytes:
    """The same bit stream, declaring another size."""
    changed = bytearray(stream)
    if stream[:2] == b"\xff\x4f":
        struct.pack_into(">II", changed, stream.index(b"\xff\x51") + 6, columns, rows)
    else:
        at = next(stream.index(mark) for mark in (b"\xff\xc3", b"\xff\xf7") if mark in stream)
        struct.pack_into(">HH", changed, at + 5, rows, columns)
    return bytes(changed)


@pytest.mark.parametrize(
    "syntax", [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless], ids=lambda u: u.keyword
)
@pytest.mark.parametrize("size", [(65535, 65535), (6, 9), (0, 8)])
def test_a_bit_stream_of_another_size_is_never_decoded(
    builder: Any, syntax: UID, size: tuple[int, int]
) -> None:
    made = made_by(builder, "siemens")
    path = list(made.paths.values())[-1]
    recoded(path, syntax)
    put(path, [resized(stream_of(path), *size)], syntax)
    with pytest.raises(UnreadableDicom, match="its bit stream"):
        read(made.paths)


@pytest.mark.parametrize("syntax", list(ENCAPSULATED), ids=lambda uid: uid.keyword)
@pytest.mark.parametrize("damage", ["cut", "end", "empty", "long", "twice", "other"])
def test_a_damaged_bit_stream_is_unreadable(builder: Any, syntax: UID, damage: str) -> None:
    made = made_by(builder, "siemens")
    path = list(made.paths.values())[-1]
    recoded(path, syntax)
    stream = stream_of(path)
    frames = {
        "cut": [stream[: len(stream) // 3]],
        "end": [stream.rstrip(b"\0")[:-4]],
        "empty": [b"\0\0"],
        "long": [stream + bytes(70_000)],
        "twice": [stream, stream],
        "other": [b"no picture at all " * 10],
    }[damage]
    put(path, frames, syntax)
    with pytest.raises(UnreadableDicom, match=path.name):
        read(made.paths)


def test_damage_that_only_the_decoder_finds_names_the_instance_and_what_to_do(builder: Any) -> None:
    made = made_by(builder, "siemens")
    uid, path = list(made.paths.items())[-1]
    recoded(path, RLELossless)
    stream = stream_of(path)
    put(path, [stream[:64] + stream[66:]], RLELossless)  # all that is declared is there, but two bytes
    assert read_instance(path).not_source is None
    with pytest.raises(UnreadableDicom, match=f"instance {uid}: {path.name}: .*send them uncompressed"):
        read(made.paths)


def deflated(path: Path, middle: bytes, pixels: bytes | None = None) -> None:
    """A deflated file with bytes put between its header and its pixels, and perhaps other pixels."""
    ds = dcmread(path)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    ds.save_as(path)
    raw = path.read_bytes()
    meta = 132 + 12 + int.from_bytes(raw[140:144], "little")
    body = zlib.decompress(raw[meta:], -15)
    at = body.index(struct.pack("<HH2sH", 0x7FE0, 0x0010, b"OW", 0))
    tail = body[at:] if pixels is None else body[at : at + 8] + struct.pack("<L", len(pixels)) + pixels
    packer = zlib.compressobj(1, wbits=-15)
    path.write_bytes(raw[:meta] + packer.compress(body[:at] + middle + tail) + packer.flush())


@pytest.mark.parametrize(("elements", "size"), [(1, 1 << 26), (64, (1 << 20) - 16)], ids=["one", "many"])
def test_a_deflate_bomb_in_the_header_stops_at_a_limit(builder: Any, elements: int, size: int) -> None:
    path = one_image(builder)
    bomb = (struct.pack("<HH2sHL", 0x6001, 0x1010 + n, b"OB", 0, size) + bytes(size) for n in range(elements))
    deflated(path, b"".join(bomb))
    assert path.stat().st_size < 1 << 19
    with pytest.raises(UnreadableDicom, match="more than 32 MB"):
        read_instance(path)


def test_deflated_pixels_are_as_many_as_the_header_describes(builder: Any) -> None:
    made = made_by(builder, "siemens")
    path = list(made.paths.values())[-1]
    deflated(path, b"", bytes(1 << 24))
    with pytest.raises(UnreadableDicom, match="deflated: expected 96 bytes"):
        read_instance(path)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.99])
def test_a_deflated_file_cut_short_is_unreadable_by_its_header_already(builder: Any, keep: float) -> None:
    path = one_image(builder)
    recoded(path, DeflatedExplicitVRLittleEndian)
    raw = path.read_bytes()
    meta = 132 + 12 + int.from_bytes(raw[140:144], "little")
    path.write_bytes(raw[: meta + round(keep * (len(raw) - meta))])
    with pytest.raises(UnreadableDicom, match=r"cut short|damaged"):
        read_instance(path)


def test_a_deflated_file_with_a_flipped_byte_never_reaches_a_job_with_fewer_pixels(builder: Any) -> None:
    """Deflated data have no checksum: what inflates to the right length is another image, not damage."""
    path = one_image(builder)
    recoded(path, DeflatedExplicitVRLittleEndian)
    raw, found = path.read_bytes(), 0
    meta = 132 + 12 + int.from_bytes(raw[140:144], "little")
    for at in range(meta, len(raw), 5):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 0x55]) + raw[at + 1 :])
        try:
            if read_instance(path).not_source is None:
                assert len(read_pixels(path).PixelData) == 96
        except UnreadableDicom:
            found += 1
    assert found > 0


@pytest.mark.parametrize("syntax", list(ENCAPSULATED), ids=lambda uid: uid.keyword)
@pytest.mark.parametrize("enhanced", [False, True], ids=["classic", "enhanced"])
def test_a_compressed_file_cut_anywhere_in_its_pixels_is_found_by_its_header(
    builder: Any, syntax: UID, enhanced: bool
) -> None:
    path = next(iter(made_by(builder, "philips enhanced").paths.values())) if enhanced else one_image(builder)
    recoded(path, syntax)
    raw = path.read_bytes()
    begin = raw.index(struct.pack("<HH", 0x7FE0, 0x0010)) + 12
    assert read_instance(path).not_source is None
    for end in range(begin, len(raw) - 8, 7):
        path.write_bytes(raw[:end])
        with pytest.raises(UnreadableDicom, match=r"cut short|send it again"):
            read_instance(path)


def test_a_compressed_file_without_its_delimiter_or_a_frame_is_found_by_its_header(builder: Any) -> None:
    (path,) = made_by(builder, "philips enhanced").paths.values()
    recoded(path, JPEGLSLossless)
    frames = list(generate_frames(dcmread(path).PixelData, number_of_frames=dcmread(path).NumberOfFrames))
    raw = path.read_bytes()
    assert raw.endswith(struct.pack("<HHL", 0xFFFE, 0xE0DD, 0))
    path.write_bytes(raw[:-8])
    with pytest.raises(UnreadableDicom, match="have no end; send it again"):
        read_instance(path)
    path.write_bytes(raw)
    put(path, frames[:-1], JPEGLSLossless)
    with pytest.raises(UnreadableDicom, match=f"expected {len(frames)} compressed frames, got"):
        read_instance(path)
    put(path, [*frames[:2], frames[2][: len(frames[2]) // 2 & ~1], *frames[3:]], JPEGLSLossless)
    with pytest.raises(UnreadableDicom, match="compressed frame 3 is cut short"):
        read_instance(path)


def test_pixels_without_a_length_are_no_uncompressed_pixels(builder: Any) -> None:
    path = one_image(builder)
    raw = path.read_bytes()
    plain = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OW", 0, 96)
    assert plain in raw
    path.write_bytes(raw.replace(plain, plain[:-4] + b"\xff" * 4))
    with pytest.raises(UnreadableDicom, match="without a length"):
        read_instance(path)


@pytest.mark.parametrize("start", [b"", b"\xff", b"\xff\xd8", b"\xff\x4f", b"\xff\xd8\xff\xc3\0\x0b"])
@given(data=st.data())
def test_any_bytes_are_described_or_refused(start: bytes, data: st.DataObject) -> None:
    stream = start + data.draw(st.binary(max_size=200))
    with contextlib.suppress(UnreadableDicom):
        assert describe(stream).rows >= 0 or stream[:2] == b"\xff\x4f"
