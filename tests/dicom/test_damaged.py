"""Files that are anything: one exception or a plain reason, never a crash."""

from __future__ import annotations

import random
import struct
import warnings
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence

from qsmnode.dicom.acquisition import group
from qsmnode.dicom.completeness import assess
from qsmnode.dicom.instance import Instance, read_instance
from qsmnode.errors import UnreadableDicom


@pytest.fixture
def image(builder: Any) -> bytes:
    return builder.write_one(builder.classic()).read_bytes()


def reread(path: Path) -> Instance | None:
    """What a damaged file leads to: an instance that can be grouped and stored, or the one exception."""
    try:
        header = read_instance(path)
    except UnreadableDicom as error:
        return None if str(error) else pytest.fail("an error without words")
    assert Instance.from_json(header.to_json()) == header
    for acquisition in group([header]).acquisitions:
        assess(acquisition)
    return header


@pytest.mark.parametrize(
    "content",
    [b"", b"DICM", b"hello, this is a text\n" * 50, bytes(128) + b"DICM", b"\x89PNG\r\n\x1a\n" + bytes(500)],
    ids=["empty", "word", "text", "prefix only", "picture"],
)
def test_what_is_no_dicom_file_is_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UnreadableDicom, match="file"):
        read_instance(path)


def test_a_missing_file_and_a_folder_are_unreadable(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(UnreadableDicom):
            read_instance(path)


def test_a_file_cut_within_its_pixels_is_unreadable(tmp_path: Path, image: bytes) -> None:
    path = tmp_path / "cut"
    path.write_bytes(image[:-1])
    with pytest.raises(UnreadableDicom, match="cut short"):
        read_instance(path)


def test_every_cut_ends_well(tmp_path: Path, image: bytes) -> None:
    path = tmp_path / "cut"
    for length in range(0, len(image), 7):
        path.write_bytes(image[:length])
        header = reread(path)
        assert header is None or header.not_source is not None


def test_flipped_bytes_end_well(tmp_path: Path, image: bytes) -> None:
    path = tmp_path / "flipped"
    generator = random.Random(5)
    for _ in range(400):
        damaged = bytearray(image)
        for _ in range(generator.randint(1, 6)):
            damaged[generator.randrange(128, len(damaged))] = generator.randrange(256)
        path.write_bytes(damaged)
        reread(path)


def test_an_element_that_claims_gigabytes_is_not_read(tmp_path: Path, image: bytes) -> None:
    # a private OB element of 4 GB before the pixels, in a file of a few kilobytes
    pixels = image.index(struct.pack("<HH", 0x7FE0, 0x0010))
    huge = struct.pack("<HH2sHL", 0x6001, 0x1010, b"OB", 0, 0xFFFFFFF0)
    path = tmp_path / "huge"
    path.write_bytes(image[:pixels] + huge + image[pixels:])
    header = reread(path)
    assert header is None or header.not_source == "no pixel data"


def test_a_large_private_element_is_left_on_disk(builder: Any) -> None:
    ds = builder.classic()
    ds.private_block(0x0029, "SOMEBODY", create=True).add_new(0x10, "OB", bytes(3 << 20))
    header = reread(builder.write_one(ds))
    assert header is not None
    assert header.not_source is None
    assert len(header.to_json()) < 5000


def test_deeply_nested_sequences_end_well(builder: Any) -> None:
    ds = builder.classic()
    inner = Dataset()
    for _ in range(60):
        outer = Dataset()
        outer.ReferencedImageSequence = Sequence([inner])
        inner = outer
    ds.ReferencedImageSequence = Sequence([inner])
    header = reread(builder.write_one(ds))
    assert header is not None
    assert header.not_source is None


@pytest.mark.parametrize("keyword", ["SOPInstanceUID"])
def test_an_object_without_a_name_is_unreadable(tmp_path: Path, builder: Any, keyword: str) -> None:
    ds = builder.classic()
    path = builder.write_one(ds)
    delattr(ds, keyword)
    ds.save_as(path, enforce_file_format=True)
    with pytest.raises(UnreadableDicom, match=keyword):
        read_instance(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Rows": None}, "Rows or Columns"),
        ({"BitsAllocated": 1}, "grey-scale"),
        ({"SamplesPerPixel": 3}, "grey-scale"),
        ({"Modality": "CT"}, "Modality is CT"),
        ({"ImageType": ["DERIVED", "PRIMARY", "M", "ND"]}, "derived"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER", "M"]}, "localiser"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "SWI", "ND"]}, "neither magnitude"),
        ({"Manufacturer": "qsmnode"}, "made by this node"),
        ({"ScanningSequence": "SE"}, "not a gradient echo"),
        ({"ScanningSequence": ["GR", "EP"]}, "echo planar"),
        ({"ScanningSequence": None}, "ScanningSequence is missing"),
        ({"ImagedNucleus": "31P"}, "nucleus 31P"),
        ({"LossyImageCompression": "01"}, "loss"),
        ({"EchoTime": None}, "EchoTime"),
        ({"EchoTime": "0"}, "EchoTime"),
        ({"PixelSpacing": None}, "PixelSpacing"),
        ({"PixelSpacing": ["0", "1"]}, "PixelSpacing"),
        ({"ImagePositionPatient": None}, "ImagePositionPatient"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "perpendicular"),
        ({"NumberOfFrames": 60000}, "NumberOfFrames says 60000"),
        ({"Rows": 7}, "absurd size"),
    ],
)
def test_what_is_no_source_says_why(builder: Any, change: dict[str, Any], reason: str) -> None:
    ds = builder.classic()
    for keyword, value in change.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    header = read_instance(builder.write_one(ds))
    assert reason in (header.not_source or "")
    assert group([header]).ignored == ((header.sop_instance_uid, header.not_source),)


def test_absurd_sizes_are_no_source(builder: Any) -> None:
    ds = builder.classic()
    ds.Rows = ds.Columns = 65535
    ds.BitsAllocated = 32
    header = read_instance(builder.write_one(ds))
    assert "absurd size" in (header.not_source or "")


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192", ["", "ISO 2022 IR 87"], "NO SUCH SET"])
def test_every_character_set_ends_well(builder: Any, charset: Any) -> None:
    ds = builder.classic()
    path = builder.write_one(ds)
    raw = path.read_bytes().replace(b"TEST^BUILDER", b"T\xe4ST^B\x1b$B\xff  ")
    path.write_bytes(raw)
    header = reread(path)
    assert header is not None
    assert header.not_source is None
    ds.SpecificCharacterSet = charset
    ds.PatientName = "Yamada^Tarou"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # writing an unknown set warns; reading it is what is tested
        path = builder.write_one(ds)
    assert reread(path) is not None


@pytest.mark.parametrize(
    ("value", "expected"),
    [("123.25", 123.25), ("123250000", 123.25), ("123250", 123.25), ("64", None), ("0", None), ("x", None)],
)
def test_the_centre_frequency_is_believed_only_where_the_field_agrees(
    builder: Any, value: str, expected: float | None
) -> None:
    path = builder.write_one(builder.classic())
    raw = path.read_bytes()
    old = b"123.25"
    head, _, tail = raw.partition(struct.pack("<HH2sH", 0x0018, 0x0084, b"DS", 6) + old)
    assert tail
    padded = value.encode() + b" " * (len(value) % 2)
    path.write_bytes(head + struct.pack("<HH2sH", 0x0018, 0x0084, b"DS", len(padded)) + padded + tail)
    header = read_instance(path)
    assert header.imaging_frequency_mhz == (None if expected is None else pytest.approx(expected))


def test_routing_keywords_are_public_short_values(builder: Any) -> None:
    ds = builder.classic()
    ds.ImageComments = "x" * 5000
    ds.SeriesDescription = "t2s_qsm"
    header = read_instance(builder.write_one(ds))
    assert header.keywords["SeriesDescription"] == ("t2s_qsm",)
    assert header.keywords["ImageType"] == ("ORIGINAL", "PRIMARY", "M", "ND")
    assert header.keywords["EchoTime"] == (5.0,)
    assert not {"ImageComments", "PixelData"} & set(header.keywords)


def test_a_record_that_is_none_is_refused() -> None:
    for document in ("{}", "[]", '{"frames": 3}', "no json"):
        with pytest.raises(ValueError, match=r"\w"):
            Instance.from_json(document)
