"""Files from anywhere, by C-STORE and STOW-RS, each with its own result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from qsmnode.config import Config
from qsmnode.errors import PeerRefused, PeerUnreachable, UsageError
from qsmnode.node.sender import send_files
from tests.peers.dicomweb import DicomwebServer, Reply, Request, reply
from tests.peers.orthanc import Orthanc

ConfigOf = Callable[..., Config]
WriteObject = Callable[..., Path]


def test_any_transfer_syntax_byte_for_byte(
    run_receiver: Callable[..., Any],
    node_config: ConfigOf,
    write_object: WriteObject,
    data_set_of: Callable[[Path], bytes],
    tmp_path: Path,
) -> None:
    node = run_receiver(peers={"me": {"ae_title": "QSMNODE", "host": "127.0.0.1"}})
    config = node_config(peers={"node": {"ae_title": "QSMNODE", "host": "localhost", "port": node.port}})
    syntaxes = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"]
    files = [
        write_object(tmp_path / f"{i}.dcm", f"1.2.{i + 1}", seed=i, size=500_000, transfer_syntax=syntax)
        for i, syntax in enumerate(syntaxes)
    ]
    told: list[float] = []
    results = send_files(config, "node", files, lambda fraction, _: told.append(fraction))
    assert [(r.path, r.sent, r.status) for r in results] == [(path, True, 0x0000) for path in files]
    assert told == pytest.approx([1 / 3, 2 / 3, 1])
    assert [row["transfer_syntax"] for row in node.rows()] == syntaxes
    for row, path in zip(node.rows(), files, strict=True):
        assert data_set_of(node.store.path(row["path"])) == data_set_of(path)


def test_each_file_has_its_own_result(
    archive_answering: Callable[..., Any], node_config: ConfigOf, write_object: WriteObject, tmp_path: Path
) -> None:
    archive = archive_answering(lambda ds: {"1.2.2": 0xA700, "1.2.3": 0xC000}.get(ds.SOPInstanceUID, 0))
    config = node_config(peers={"pacs": {"ae_title": "ARCHIVE", "host": "127.0.0.1", "port": archive.port}})
    files = [write_object(tmp_path / f"{n}.dcm", f"1.2.{n}") for n in (1, 2, 3, 4)]
    private = write_object(tmp_path / "p.dcm", "1.2.5", sop_class="1.3.12.2.1107.5.9.1")
    text = tmp_path / "notes.txt"
    text.write_text("no DICOM")
    absent = tmp_path / "absent.dcm"
    results = send_files(config, "pacs", [text, absent, private, *files])
    assert [(r.sent, r.status) for r in results] == [
        (False, None),
        (False, None),
        (False, None),
        (True, 0x0000),
        (False, 0xA700),
        (False, 0xC000),
        (True, 0x0000),
    ]
    for result, words in zip(results, ["no DICOM file", "No such file", "SOP class refused"], strict=False):
        assert words in result.message
    assert list(archive.stored) == ["1.2.1", "1.2.4"]


def test_more_pairs_than_an_association_holds(
    run_receiver: Callable[..., Any], node_config: ConfigOf, write_object: WriteObject, tmp_path: Path
) -> None:
    node = run_receiver(peers={"me": {"ae_title": "QSMNODE", "host": "127.0.0.1"}})
    config = node_config(peers={"node": {"ae_title": "QSMNODE", "host": "127.0.0.1", "port": node.port}})
    files = [write_object(tmp_path / f"{n}.dcm", f"1.2.{n}", sop_class=f"1.2.3.{n}") for n in range(1, 141)]
    assert all(result.sent for result in send_files(config, "node", files))
    assert len(node.rows()) == 140
    assert len(node.rows(table="association")) == 2


def test_who_cannot_be_sent_to(
    archive_answering: Callable[..., Any],
    node_config: ConfigOf,
    write_object: WriteObject,
    free_port: Callable[[], int],
    tmp_path: Path,
) -> None:
    archive = archive_answering(0x0000)
    config = node_config(
        peers={
            "mr1": {"ae_title": "MR1", "host": "127.0.0.1"},
            "out": {"folder": str(tmp_path / "out")},
            "down": {"ae_title": "DOWN", "host": "127.0.0.1", "port": free_port()},
            "wrong": {"ae_title": "WRONG", "host": "127.0.0.1", "port": archive.port},
        }
    )
    files = [write_object(tmp_path / "a.dcm", "1.2.3")]
    for peer, error, words in (
        ("nobody", UsageError, "no such peer; the configuration lists mr1, out, down, wrong"),
        ("mr1", UsageError, "only sends"),
        ("out", UsageError, "a folder"),
        ("down", PeerUnreachable, "Connection refused"),
        ("wrong", PeerRefused, "called AE title not recognised"),
    ):
        with pytest.raises(error, match=words):
            send_files(config, peer, files)


def test_a_dicomweb_server_gets_them_and_each_file_has_its_own_result(
    node_config: ConfigOf, write_object: WriteObject, tmp_path: Path
) -> None:
    def answer(request: Request) -> Reply:
        bad = [uid for uid in request.objects if uid in ("1.2.2", "1.2.5")]
        return reply(202, [uid for uid in request.objects if uid not in bad], dict.fromkeys(bad, 0xA700))

    files = [write_object(tmp_path / f"{n}.dcm", f"1.2.{n}", seed=n, size=300_000) for n in range(1, 8)]
    files.insert(3, tmp_path / "absent.dcm")
    with DicomwebServer(answer) as server:
        config = node_config(peers={"web": {"stow": server.url, "batch_mb": 1}})
        results = send_files(config, "web", files)
        assert server.broken == []
        assert [len(request.objects) for request in server.requests] == [3, 3, 1]
    assert [(r.path, r.sent) for r in results] == [
        (path, path.stem not in ("2", "5", "absent")) for path in files
    ]
    assert "No such file" in results[3].message
    assert "0xA700" in results[1].message
    sent = {uid: raw for request in server.requests for uid, raw in request.objects.items()}
    assert sent == {f"1.2.{n}": (tmp_path / f"{n}.dcm").read_bytes() for n in range(1, 8)}


def test_a_dicomweb_server_that_goes_away_leaves_the_rest_with_the_reason(
    node_config: ConfigOf, write_object: WriteObject, tmp_path: Path
) -> None:
    files = [write_object(tmp_path / f"{n}.dcm", f"1.2.{n}") for n in (1, 2, 3)]
    with DicomwebServer(
        lambda r: Reply(401) if "1.2.2" in r.objects else reply(stored=[*r.objects])
    ) as server:
        config = node_config(peers={"web": {"stow": server.url, "batch": 1}})
        results = send_files(config, "web", files)
        server.answer = Reply(403)
        with pytest.raises(PeerRefused, match="HTTP 403: it does not allow this"):
            send_files(config, "web", files)
    assert [result.sent for result in results] == [True, False, False]
    assert "HTTP 401" in results[2].message
    with pytest.raises(PeerUnreachable, match="Connection refused"):
        send_files(config, "web", files)


def test_orthanc_gets_them_by_dicomweb(
    node_config: ConfigOf, write_object: WriteObject, orthanc: Orthanc, tmp_path: Path
) -> None:
    web = {"stow": orthanc.dicomweb_url, "user": orthanc.user, "password": orthanc.password, "batch_mb": 2}
    files = [write_object(tmp_path / f"{n}.dcm", f"1.2.{n}", seed=n, size=600_000) for n in range(1, 11)]
    assert all(result.sent for result in send_files(node_config(peers={"web": web}), "web", files))
    assert sorted(orthanc.instances()) == sorted(f"1.2.{n}" for n in range(1, 11))
    assert orthanc.file("1.2.7") == files[6].read_bytes()


@pytest.mark.peers("dcmtk")
def test_storescp_gets_the_same_data_set(
    node_config: ConfigOf,
    write_object: WriteObject,
    data_set_of: Callable[[Path], bytes],
    storescp: tuple[int, Path],
    tmp_path: Path,
) -> None:
    port, folder = storescp
    config = node_config(peers={"pacs": {"ae_title": "STORESCP", "host": "127.0.0.1", "port": port}})
    files = [write_object(tmp_path / f"{n}.dcm", f"1.2.{n}", seed=n, size=300_000) for n in range(1, 11)]
    assert all(result.sent for result in send_files(config, "pacs", files))
    for path in files:
        (here,) = folder.glob(f"*1.2.{path.stem}")
        assert pydicom.dcmread(here).PixelData == pydicom.dcmread(path).PixelData
