"""Questions to an archive: what is asked, what is understood, and what no archive can do to this node."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ImplicitVRLittleEndian, MRImageStorage
from pynetdicom import build_context

from qsmnode.errors import PeerError, PeerRefused, PeerUnreachable
from qsmnode.node.query import archive
from qsmnode.node.query.archive import Moved, find, move
from qsmnode.node.query.identifier import image_uid
from qsmnode.node.wire import finding
from qsmnode.node.wire.requestor import Target
from qsmnode.node.wire.uids import STUDY_ROOT_FIND
from tests.node.query.samples import image
from tests.peers.archive import AnsweringArchive

# pynetdicom's server forgets its socket where this side breaks off in the middle of an answer
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

Start = Callable[..., Target]

STUDY, SERIES = "2.25.100", ("2.25.101", "2.25.102")


def never() -> bool:
    return False


def unheard(_asked: bytes) -> None:
    """Nobody is told."""


def test_every_image_of_every_series_is_found(asked_archive: Start) -> None:
    asked: list[tuple[str, ...]] = []

    def answers(identifier: Dataset) -> Iterator[Any]:
        asked.append(
            tuple(
                str(identifier[name].value or "")
                for name in ("QueryRetrieveLevel", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
            )
        )
        yield from (image(f"{identifier.SeriesInstanceUID}.{number}") for number in range(3))

    told: list[bytes] = []
    found = find(asked_archive(find=answers), STUDY, SERIES, never, told.append)
    assert found == {series: [f"{series}.{number}" for number in range(3)] for series in SERIES}
    assert asked == [("IMAGE", STUDY, series, "") for series in SERIES]
    assert all(series.encode() in each for each, series in zip(told, SERIES, strict=True))


def test_nothing_found_is_an_answer(asked_archive: Start) -> None:
    def answers(_identifier: Dataset) -> Iterator[Any]:
        yield from ()

    assert find(asked_archive(find=answers), STUDY, SERIES[:1], never, unheard) == {SERIES[0]: []}


@pytest.mark.parametrize("status", [0xA700, 0xA900, 0xC001, 0xFE00])
def test_a_failure_is_told_with_its_status(asked_archive: Start, status: int) -> None:
    def answers(_identifier: Dataset) -> Iterator[Any]:
        yield status, None

    with pytest.raises(PeerRefused, match=f"answers C-FIND with 0x{status:04X}"):
        find(asked_archive(find=answers), STUDY, SERIES, never, unheard)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x08\x00\x18\x00\x06\x00\x00\x00../../",
        b"\x10\x00\x10\x00\x04\x00\x00\x00A^BC",
        bytes(range(200)),
    ],
    ids=["empty", "no UID", "another element", "noise"],
)
def test_an_answer_that_names_no_image_is_refused(raw: bytes) -> None:
    with pytest.raises(PeerError, match="an answer to C-FIND"):
        image_uid(raw)


def test_answers_without_end_are_cut(asked_archive: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(_identifier: Dataset) -> Iterator[Any]:
        number = 0
        while True:
            number += 1
            yield image(f"2.25.{number}")

    target = asked_archive(find=answers)
    monkeypatch.setattr(archive, "MOST_IMAGES", 50)
    with pytest.raises(PeerError, match="lists more than 50 images"):
        find(target, STUDY, SERIES, never, unheard)
    monkeypatch.setattr(archive, "MOST_IMAGES", 1 << 30)
    monkeypatch.setattr(finding, "LONGEST_S", 0.05)
    with pytest.raises(PeerError, match="do not end within"):
        find(target, STUDY, SERIES, never, unheard)


def test_an_answer_of_any_size_is_no_way_to_fill_the_memory(asked_archive: Start) -> None:
    def answers(_identifier: Dataset) -> Iterator[Any]:
        status, answer = image("2.25.1")
        answer.TextValue = "x" * 200_000
        yield status, answer

    with pytest.raises(PeerError, match="a data set of more than 65536 bytes"):
        find(asked_archive(find=answers), STUDY, SERIES, never, unheard)


def test_a_silent_archive_and_one_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent = Target("archive", "127.0.0.1", server.getsockname()[1], "ARCHIVE", "QSMNODE", 0.3, 0.3)
        with pytest.raises(PeerUnreachable, match="nothing came in time"):
            find(silent, STUDY, SERIES, never, unheard)
    with pytest.raises(PeerUnreachable, match="no connection"):
        find(silent, STUDY, SERIES, never, unheard)


def test_an_archive_without_query_says_so(asked_archive: Start) -> None:
    target = asked_archive(classes=(STUDY_ROOT_FIND,))
    with pytest.raises(PeerRefused, match=r"MOVE.*SOP class refused"):
        move(target, STUDY, {SERIES[0]: ["2.25.1"]}, never, unheard)


def test_a_stopping_node_waits_for_no_further_answer(asked_archive: Start) -> None:
    def answers(_identifier: Dataset) -> Iterator[Any]:
        yield from (image(f"2.25.{number}") for number in range(1, 100))

    with pytest.raises(PeerUnreachable, match="this node stops"):
        find(asked_archive(find=answers), STUDY, SERIES, lambda: True, unheard)


def test_an_archive_that_does_not_know_this_node_is_told_of_with_what_to_do(asked_archive: Start) -> None:
    def answers(_identifier: Dataset) -> Iterator[Any]:
        yield None, None  # pynetdicom answers 0xA801

    with pytest.raises(PeerRefused, match="0xA801, it does not know the destination; does it know QSMNODE"):
        move(asked_archive(move=answers), STUDY, {SERIES[0]: ["2.25.1"]}, never, unheard)


def test_many_images_are_asked_for_in_parts(
    asked_archive: Start,
    archive_answering: Callable[..., AnsweringArchive],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = archive_answering(0x0000, "QSMNODE")
    asked: list[list[str]] = []

    def answers(identifier: Dataset) -> Iterator[Any]:
        uids = identifier.SOPInstanceUID
        asked.append([uids] if isinstance(uids, str) else list(uids))
        yield here.host, here.port, {"contexts": [build_context(MRImageStorage)]}
        yield len(asked[-1])
        for uid in asked[-1]:
            image = Dataset()
            image.file_meta = FileMetaDataset()
            image.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
            image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, uid
            yield 0xFF00, image

    monkeypatch.setattr(archive, "IMAGES_AT_ONCE", 2)
    wanted = {SERIES[0]: ["2.25.1", "2.25.2", "2.25.3"], SERIES[1]: ["2.25.4"]}
    told: list[bytes] = []
    assert move(asked_archive(move=answers), STUDY, wanted, never, told.append) == Moved(sent=4, failed=0)
    assert len(told) == 1
    assert asked == [["2.25.1", "2.25.2"], ["2.25.3"], ["2.25.4"]]
    assert sorted(here.stored) == ["2.25.1", "2.25.2", "2.25.3", "2.25.4"]
