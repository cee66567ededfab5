"""DCMTK's storescu and echoscu into the receiver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gdcm
import pydicom
import pytest

from tests.peers import programs

Run = Callable[..., object]
WriteObject = Callable[..., Path]


def test_echo(run_receiver: Run, echoscu: Callable[..., tuple[int, str]]) -> None:
    node = run_receiver(peers={"viewer": {"ae_title": "VIEWER", "host": "localhost", "may_send": False}})
    assert echoscu(node.port, calling="VIEWER")[0] == 0
    assert node.rows(table="association") == []  # an echo a minute must not grow the ledger


def test_who_is_not_listed_is_rejected_in_the_right_words(
    run_receiver: Run, echoscu: Callable[..., tuple[int, str]]
) -> None:
    node = run_receiver(
        peers={
            "mr1": {"ae_title": "MR1", "host": "127.0.0.1"},
            "mr2": {"ae_title": "MR2", "host": "192.0.2.7"},
        }
    )
    for asked, reason in (
        ({"calling": "NOBODY"}, "Calling AE Title Not Recognized"),
        ({"calling": "MR1", "called": "OTHER"}, "Called AE Title Not Recognized"),
        ({"calling": "MR2"}, "Calling AE Title Not Recognized"),
    ):
        code, output = echoscu(node.port, **asked)
        assert code != 0
        assert "Rejected Permanent, Source: Service User" in output
        assert reason in output


def test_four_associations_at_a_time(
    run_receiver: Run,
    write_object: WriteObject,
    data_set_of: Callable[[Path], bytes],
    storescu: Callable[..., object],
    tmp_path: Path,
) -> None:
    node = run_receiver()
    sent = {
        f"1.2.{i}": write_object(tmp_path / "sent" / f"{i}.dcm", f"1.2.{i}", seed=i) for i in range(1, 81)
    }
    files = list(sent.values())
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda i: storescu(files[i::4], node.port, nodelay=bool(i % 2)), range(4)))
    assert all(set(result.statuses.values()) == {0x0000} for result in results)
    assert sum(len(result.statuses) for result in results) == 80
    rows = node.rows()
    assert {row["sop_instance_uid"] for row in rows} == set(sent)
    for row in rows:
        assert data_set_of(node.store.path(row["path"])) == data_set_of(sent[row["sop_instance_uid"]])
    associations = node.rows(table="association")
    assert len(associations) == 4
    assert all(row["ended_at"] is not None for row in associations)


ENCODERS = {
    "--propose-lossless": (("dcmcjpeg", "--encode-lossless-sv1"), "1.2.840.10008.1.2.4.70"),
    "--propose-jls-lossless": (("dcmcjpls", "--encode-lossless"), "1.2.840.10008.1.2.4.80"),
    "--propose-jls-lossy": (("dcmcjpls", "--encode-nearlossless"), "1.2.840.10008.1.2.4.81"),
    "--propose-j2k-lossless": (("gdcm",), "1.2.840.10008.1.2.4.90"),
    "--propose-rle": (("dcmcrle",), "1.2.840.10008.1.2.5"),
    "--propose-deflated": (("dcmconv", "--write-xfer-deflated"), "1.2.840.10008.1.2.1.99"),
    "--propose-big": (("dcmconv", "--write-xfer-big"), "1.2.840.10008.1.2.2"),
    "--propose-implicit": (("dcmconv", "--write-xfer-implicit"), "1.2.840.10008.1.2"),
}


def encoded(plain: Path, program: Sequence[str], path: Path) -> Path:
    """The file in another transfer syntax, by somebody else's program."""
    if program == ("gdcm",):
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(str(plain))
        assert reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEG2000Lossless))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.SetFileName(str(path))
        assert writer.Write()
        return path
    made = programs.run(*program, plain, path)
    assert made.returncode == 0, made.stdout
    return path


@pytest.mark.parametrize("option", ENCODERS)
def test_every_lossless_syntax_from_dcmtk(
    run_receiver: Run,
    write_object: WriteObject,
    data_set_of: Callable[[Path], bytes],
    storescu: Callable[..., object],
    tmp_path: Path,
    option: str,
) -> None:
    node = run_receiver(peers={"mr1": {"ae_title": "MR1", "host": "127.0.0.1", "deflated": True}})
    program, syntax = ENCODERS[option]
    plain = write_object(tmp_path / "plain.dcm", "1.2.4", size=65536)
    file = encoded(plain, program, tmp_path / "sent.dcm")
    assert pydicom.dcmread(file).file_meta.TransferSyntaxUID == syntax
    assert storescu([file], node.port, option).statuses == {file: 0x0000}
    (row,) = node.rows()
    assert row["transfer_syntax"] == syntax
    kept = node.store.path(row["path"])
    # a deflated data set of odd length is sent with a byte more
    assert data_set_of(kept).rstrip(b"\0") == data_set_of(file).rstrip(b"\0")
    difference = pydicom.dcmread(kept).pixel_array.astype(int) - pydicom.dcmread(plain).pixel_array
    assert int(abs(difference).max()) <= (2 if "lossy" in option else 0)


def test_a_syntax_that_can_only_lose_detail_is_refused_and_explained(
    run_receiver: Run,
    write_object: WriteObject,
    storescu: Callable[..., object],
    tmp_path: Path,
) -> None:
    node = run_receiver()
    eight_bits = pydicom.dcmread(write_object(tmp_path / "plain.dcm", "1.2.4"))
    eight_bits.PixelData = bytes(range(256)) * (eight_bits.Rows * eight_bits.Columns // 256)
    eight_bits.BitsAllocated = eight_bits.BitsStored = 8
    eight_bits.HighBit = 7
    eight_bits.save_as(tmp_path / "plain.dcm")
    program = ("dcmcjpeg", "--encode-baseline")
    file = encoded(tmp_path / "plain.dcm", program, tmp_path / "sent.dcm")
    assert storescu([file], node.port, "--propose-jpeg8").statuses.get(file) is None
    assert node.rows() == []
