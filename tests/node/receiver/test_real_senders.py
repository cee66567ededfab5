"""DCMTK's storescu and echoscu into the receiver."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pydicom

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


def test_rle_and_big_endian_from_dcmtk(
    run_receiver: Run, write_object: WriteObject, storescu: Callable[..., object], tmp_path: Path
) -> None:
    node = run_receiver()
    big = write_object(tmp_path / "b.dcm", "1.2.4", transfer_syntax="1.2.840.10008.1.2.2")
    rle = tmp_path / "r.dcm"
    compressed = pydicom.dcmread(write_object(tmp_path / "plain" / "r.dcm", "1.2.5"))
    compressed.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)
    compressed.save_as(rle)
    assert storescu([big], node.port, "--propose-big").statuses == {big: 0x0000}
    assert storescu([rle], node.port, "--propose-rle").statuses == {rle: 0x0000}
    syntaxes = [row["transfer_syntax"] for row in node.rows()]
    assert syntaxes == ["1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5"]
    assert pydicom.dcmread(node.store.path(node.rows()[1]["path"])).pixel_array.shape == (1, 1024)
