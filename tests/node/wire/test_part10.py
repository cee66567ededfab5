"""The front of a file: pydicom reads ours, we read pydicom's, damaged ones are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest

from qsmnode.errors import UnreadableDicom
from qsmnode.node.wire.part10 import encode_front, read_front
from qsmnode.node.wire.uids import EXPLICIT_LITTLE, is_storage, is_uid

MR = "1.2.840.10008.5.1.4.1.1.4"


def test_pydicom_reads_our_front(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(encode_front(MR, "1.2.3", EXPLICIT_LITTLE, "MR1") + b"\x08\0\x60\0CS\x02\0MR")
    read = pydicom.dcmread(path)
    meta = read.file_meta
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == (MR, "1.2.3")
    assert (meta.TransferSyntaxUID, meta.SourceApplicationEntityTitle) == (EXPLICIT_LITTLE, "MR1")
    pydicom.dataset.validate_file_meta(meta, enforce_standard=True)
    assert read.Modality == "MR"


def test_our_front_of_pydicoms_file(
    tmp_path: Path, write_object: Callable[..., Path], data_set_of: Callable[[Path], bytes]
) -> None:
    path = write_object(tmp_path / "a.dcm", "1.2.3.4")
    front = read_front(path)
    assert (front.sop_class_uid, front.sop_instance_uid, front.transfer_syntax) == (
        MR,
        "1.2.3.4",
        EXPLICIT_LITTLE,
    )
    assert path.read_bytes()[front.offset :] == data_set_of(path)
    assert front.size == len(data_set_of(path))


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:200],
        lambda raw: b"x" * 500,
        lambda raw: b"",
        lambda raw: raw[: 144 + int.from_bytes(raw[140:144], "little")],
    ],
)
def test_damaged_files_are_refused(
    tmp_path: Path, write_object: Callable[..., Path], damage: Callable[[bytes], bytes]
) -> None:
    path = write_object(tmp_path / "a.dcm", "1.2.3.4")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UnreadableDicom, match=r"a\.dcm"):
        read_front(path)


@pytest.mark.parametrize(
    ("uid", "storage"),
    [
        (MR, True),
        ("1.2.840.10008.5.1.4.1.1.66.7", True),
        ("1.2.840.10008.5.1.4.1.1.99999", True),  # newer than every dictionary here
        ("1.3.12.2.1107.5.9.1", True),  # a scanner maker's own
        ("1.2.840.10008.1.1", False),
        ("1.2.840.10008.5.1.4.1.2.2.1", False),  # query
        ("1.2.840.10008.1.20.1", False),  # storage commitment
        ("../../etc/passwd", False),
    ],
)
def test_what_counts_as_storage(uid: str, storage: bool) -> None:
    assert is_storage(uid) is storage


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("1.2.3", True),
        ("1" * 64, True),
        ("1" * 65, False),
        ("", False),
        ("1..2", False),
        ("1.2/3", False),
        ("1.2\n", False),
    ],
)
def test_what_is_a_uid(text: str, valid: bool) -> None:
    assert is_uid(text) is valid
