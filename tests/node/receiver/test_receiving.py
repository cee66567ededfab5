"""What a peer sends is here, bit for bit, when it is told Success; what is not here, is refused."""

from __future__ import annotations

import hashlib
import logging
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    MRImageStorage,
)
from pynetdicom import AE, build_context
from pynetdicom.association import Association

from qsmnode.ledger import Store
from qsmnode.node.receiver.reserve import Space

Run = Callable[..., object]
WriteObject = Callable[..., Path]
DataSetOf = Callable[[Path], bytes]


def associate(port: int, *pairs: tuple[str, str], calling: str = "MR1") -> Association:
    entity = AE(ae_title=calling)
    contexts = [
        build_context(sop_class, syntax)
        for sop_class, syntax in pairs or [(MRImageStorage, ExplicitVRLittleEndian)]
    ]
    return entity.associate("127.0.0.1", port, contexts, ae_title="QSMNODE")


def send(port: int, *paths: Path, calling: str = "MR1") -> list[int | None]:
    """Statuses of files sent on one association by pynetdicom, None where none came."""
    files = [pydicom.dcmread(path) for path in paths]
    pairs = list(dict.fromkeys((f.SOPClassUID, f.file_meta.TransferSyntaxUID) for f in files))
    association = associate(port, *pairs, calling=calling)
    assert association.is_established
    statuses = [association.send_c_store(file).get("Status") for file in files]
    association.release()
    return statuses


def test_bytes_row_and_name(
    run_receiver: Run, write_object: WriteObject, data_set_of: DataSetOf, tmp_path: Path
) -> None:
    node = run_receiver()
    sent = write_object(tmp_path / "sent.dcm", "1.2.3.4")
    assert send(node.port, sent) == [0x0000]
    (row,) = node.rows()
    here = node.store.path(row["path"])
    assert data_set_of(here) == data_set_of(sent)
    assert row["sha256"] == hashlib.sha256(data_set_of(sent)).hexdigest()
    assert (row["sop_instance_uid"], row["sop_class_uid"]) == ("1.2.3.4", MRImageStorage)
    assert (row["transfer_syntax"], row["state"]) == (ExplicitVRLittleEndian, "received")
    assert row["size"] == here.stat().st_size
    assert here.stat().st_mode & 0o777 == 0o600
    assert here.parent.stat().st_mode & 0o777 == 0o700
    assert "1.2.3.4" not in row["path"]
    meta = pydicom.dcmread(here).file_meta
    pydicom.dataset.validate_file_meta(meta, enforce_standard=True)
    assert meta.SourceApplicationEntityTitle == "MR1"
    (association,) = node.rows(table="association")
    assert (association["peer"], association["calling_ae"], association["address"]) == (
        "mr1",
        "MR1",
        "127.0.0.1",
    )
    assert association["ended_at"] is not None


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, ImplicitVRLittleEndian])
def test_other_transfer_syntaxes(
    run_receiver: Run, write_object: WriteObject, data_set_of: DataSetOf, tmp_path: Path, syntax: str
) -> None:
    node = run_receiver()
    sent = write_object(tmp_path / "sent.dcm", "1.2.3.4", transfer_syntax=syntax)
    assert send(node.port, sent) == [0x0000]
    (row,) = node.rows()
    assert row["transfer_syntax"] == syntax
    assert data_set_of(node.store.path(row["path"])) == data_set_of(sent)
    assert pydicom.dcmread(node.store.path(row["path"])).PatientID == "NETWORK"


def test_private_and_unknown_classes_are_taken(
    run_receiver: Run, write_object: WriteObject, tmp_path: Path
) -> None:
    node = run_receiver()
    classes = ["1.3.12.2.1107.5.9.1", "1.2.840.10008.5.1.4.1.1.99999"]
    files = [
        write_object(tmp_path / f"{i}.dcm", f"1.2.{i + 1}", sop_class=uid) for i, uid in enumerate(classes)
    ]
    associations = [associate(node.port, (uid, ExplicitVRLittleEndian)) for uid in classes]
    for association, uid, file in zip(associations, classes, files, strict=True):
        assert [c.abstract_syntax for c in association.accepted_contexts] == [uid]
        assert association.send_c_store(pydicom.dcmread(file)).Status == 0x0000
        association.release()
    assert [row["sop_class_uid"] for row in node.rows()] == classes


def test_lossy_syntaxes_and_queries_are_refused_in_negotiation(run_receiver: Run) -> None:
    node = run_receiver()
    query = "1.2.840.10008.5.1.4.1.2.2.1"
    association = associate(
        node.port,
        (MRImageStorage, JPEGBaseline8Bit),
        (MRImageStorage, ImplicitVRLittleEndian),
        (query, ImplicitVRLittleEndian),
    )
    assert [c.transfer_syntax for c in association.accepted_contexts] == [[ImplicitVRLittleEndian]]
    assert {(c.abstract_syntax, c.result) for c in association.rejected_contexts} == {
        (MRImageStorage, 4),
        (query, 3),
    }
    association.release()


def test_the_same_object_again_is_success_and_nothing_new(
    run_receiver: Run, write_object: WriteObject, tmp_path: Path
) -> None:
    node = run_receiver()
    sent = write_object(tmp_path / "sent.dcm", "1.2.3.4")
    assert send(node.port, sent, sent) == [0x0000, 0x0000]
    assert send(node.port, sent) == [0x0000]
    assert len(node.rows()) == len(node.files()) == 1


def test_the_same_uid_with_other_bytes_is_kept_and_flagged(
    run_receiver: Run,
    write_object: WriteObject,
    data_set_of: DataSetOf,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    node = run_receiver()
    first = write_object(tmp_path / "a.dcm", "1.2.3.4", seed=1)
    other = write_object(tmp_path / "b.dcm", "1.2.3.4", seed=2)
    with caplog.at_level(logging.WARNING):
        assert send(node.port, first, other) == [0x0000, 0x0000]
    assert [row["state"] for row in node.rows()] == ["received", "conflicting"]
    here = [data_set_of(node.store.path(row["path"])) for row in node.rows()]
    assert here == [data_set_of(first), data_set_of(other)]
    assert "other bytes" in caplog.text
    assert "TEST^NETWORK" not in caplog.text


@pytest.mark.parametrize(
    "limits",
    [
        {"disk_reserve_mb": 500, "disk_reserve_percent": 0},
        {"disk_reserve_percent": 0.5, "disk_reserve_mb": 499},
    ],
)
def test_below_the_disk_reserve_everything_is_refused_until_there_is_room(
    run_receiver: Run,
    write_object: WriteObject,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    limits: dict[str, float],
) -> None:
    free, total = [10_000_000_000], 100_000_000_000
    node = run_receiver({"space": lambda _: Space(free[0], total)}, limits=limits)
    files = [write_object(tmp_path / f"{i}.dcm", f"1.2.{i + 1}") for i in range(3)]
    assert send(node.port, files[0]) == [0x0000]
    free[0] = 499_000_000
    with caplog.at_level(logging.WARNING):
        assert send(node.port, files[1], files[2]) == [0xA700, 0xA700]
        free[0] = 501_000_000
        assert send(node.port, files[1], files[2]) == [0x0000, 0x0000]
    assert len(node.rows()) == len(node.files()) == 3
    told = [
        r.getMessage()
        for r in caplog.records
        if "0xA700" in r.getMessage() and "the sender keeps" in r.getMessage()
    ]
    assert len(told) == 1  # one alert when it begins, one when it ends
    assert f"limits.{next(iter(limits))} keeps 500 MB" in told[0]
    assert "accepted again" in caplog.text


def test_the_reserve_holds_in_the_middle_of_a_large_object(
    run_receiver: Run, write_object: WriteObject, tmp_path: Path
) -> None:
    looks = iter([True] + [False] * 100)
    space = {"space": lambda _: Space(10**12 if next(looks) else 0, 10**12)}
    node = run_receiver(space, limits={"disk_reserve_mb": 500})
    sent = write_object(tmp_path / "large.dcm", "1.2.3.4", size=40_000_000)
    assert send(node.port, sent) == [0xA700]
    assert node.files() == []


@pytest.fixture
def smallest_files() -> Iterator[Callable[[int], None]]:
    """Lets the kernel refuse to write files beyond a size: an OSError at writing, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_refuses_to_write_is_0xa700_and_leaves_nothing(
    run_receiver: Run, write_object: WriteObject, tmp_path: Path, smallest_files: Callable[[int], None]
) -> None:
    node = run_receiver()
    large = write_object(tmp_path / "large.dcm", "1.2.3.4", size=8_000_000)
    small = write_object(tmp_path / "small.dcm", "1.2.3.5")
    smallest_files(4_000_000)
    assert send(node.port, large, small) == [0xA700, 0x0000]
    assert len(node.files()) == 1
    smallest_files(resource.RLIM_INFINITY)
    assert send(node.port, large) == [0x0000]


def test_while_the_ledger_cannot_be_written_all_is_0xa700_but_what_was_accepted_gets_its_row(
    run_receiver: Run, write_object: WriteObject, tmp_path: Path
) -> None:
    node = run_receiver()
    first, sent = (
        write_object(tmp_path / "first.dcm", "1.2.3.3"),
        write_object(tmp_path / "sent.dcm", "1.2.3.4"),
    )
    with node.store.database.transaction() as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON instance BEGIN SELECT RAISE(ABORT, 'I/O error'); END"
        )
    assert send(node.port, first) == [0x0000]  # its file is durable
    assert send(node.port, sent, sent) == [0xA700, 0xA700]
    assert len(node.files()) == 1
    assert node.rows() == []
    with node.store.database.transaction() as connection:
        connection.execute("DROP TRIGGER full")
    while not node.rows():
        time.sleep(0.01)
    assert send(node.port, sent) == [0x0000]
    assert [row["sop_instance_uid"] for row in node.rows()] == ["1.2.3.3", "1.2.3.4"]


def test_what_has_no_row_yet_when_the_node_ends_has_one_after_its_start(
    run_receiver: Run, write_object: WriteObject, tmp_path: Path
) -> None:
    node = run_receiver()
    with node.store.database.transaction() as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE INSERT ON instance BEGIN SELECT RAISE(ABORT, 'I/O error'); END"
        )
    assert send(node.port, write_object(tmp_path / "sent.dcm", "1.2.3.4")) == [0x0000]
    node.stop()
    with Store(node.store.root) as store, store.database.transaction() as connection:
        connection.execute("DROP TRIGGER full")
    node.start()
    assert [row["sop_instance_uid"] for row in node.rows()] == ["1.2.3.4"]
    assert len(node.files()) == 1


def test_the_end_of_an_association_is_noted_as_soon_as_the_ledger_can(
    run_receiver: Run, write_object: WriteObject, tmp_path: Path
) -> None:
    node = run_receiver()
    with node.store.database.transaction() as connection:
        connection.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON association BEGIN SELECT RAISE(ABORT, 'I/O error'); END"
        )
    assert send(node.port, write_object(tmp_path / "sent.dcm", "1.2.3.4")) == [0x0000]
    assert node.rows(table="association")[0]["ended_at"] is None
    with node.store.database.transaction() as connection:
        connection.execute("DROP TRIGGER full")
    while node.rows(table="association")[0]["ended_at"] is None:
        time.sleep(0.01)


def test_files_that_no_row_speaks_for_are_removed_at_the_start(
    run_receiver: Run, write_object: WriteObject, tmp_path: Path
) -> None:
    node = run_receiver()
    assert send(node.port, write_object(tmp_path / "sent.dcm", "1.2.3.4")) == [0x0000]
    node.stop()
    kept = node.files()
    orphan = write_object(kept[0].parent / "0123.dcm", "1.2.3.5")
    node.start()
    assert not orphan.exists()
    assert node.files() == kept
