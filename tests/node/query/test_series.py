"""Series of which nothing came: which of them an archive is asked for, and how they are listed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydicom import Dataset

from qsmnode.errors import PeerError
from qsmnode.node.query import archive
from qsmnode.node.query.archive import find_series
from qsmnode.node.query.series import SeriesFound, plausible
from qsmnode.node.wire.requestor import Target
from tests.node.query.samples import MEMBER, series

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

Start = Callable[..., Target]

OURS = {"modality": "MR", "frame_of_reference_uid": "2.25.50", "protocol": "qsm"}


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ({}, True),
        ({"modality": "SR"}, False),
        ({"frame_of_reference_uid": "2.25.51"}, False),
        ({"protocol": "t1_mprage"}, False),
        ({"frame_of_reference_uid": "", "protocol": ""}, True),
        ({"frame_of_reference_uid": ""}, True),
        ({"frame_of_reference_uid": "", "protocol": "t1_mprage"}, False),
    ],
)
def test_a_series_is_asked_for_where_nothing_known_of_it_contradicts_the_scan(
    said: dict[str, str], asked: bool
) -> None:
    found = [SeriesFound("2.25.102", **{**OURS, **said})]
    assert plausible(found, [MEMBER], {"2.25.101"}) == (("2.25.102",) if asked else ())


def test_what_is_here_or_was_made_here_is_not_asked_for() -> None:
    found = [SeriesFound(f"2.25.{number}", **OURS) for number in (101, 103, 104, 102, 104)]
    assert plausible(found, [MEMBER], {"2.25.101", "2.25.103"}) == ("2.25.102", "2.25.104")


def test_a_scan_that_names_no_protocol_contradicts_none() -> None:
    silent = dataclasses.replace(MEMBER, keywords={}, frame_of_reference_uid="")
    assert plausible([SeriesFound("2.25.102", **OURS)], [silent], set()) == ("2.25.102",)


def test_every_series_of_a_study_is_listed_with_what_the_archive_says(asked_archive: Start) -> None:
    asked: list[Dataset] = []

    def answers(identifier: Dataset) -> Iterator[Any]:
        asked.append(identifier)
        yield series(7, Modality="MR", ProtocolName="qsm", FrameOfReferenceUID="2.25.50")
        yield series(8)

    found = find_series(asked_archive(find=answers), "2.25.100", lambda: False, lambda _: None)
    assert found == [SeriesFound("2.25.7", "MR", "2.25.50", "qsm"), SeriesFound("2.25.8")]
    (identifier,) = asked
    assert (identifier.QueryRetrieveLevel, identifier.StudyInstanceUID) == ("SERIES", "2.25.100")
    assert not identifier.SeriesInstanceUID


def test_a_list_without_end_or_without_names_is_refused(
    asked_archive: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_SERIES", 5)
    endless = asked_archive(find=lambda _identifier: (series(number) for number in range(1, 100)))
    with pytest.raises(PeerError, match="lists more than 5 series"):
        find_series(endless, "2.25.100", lambda: False, lambda _: None)
    nameless = asked_archive(find=lambda _identifier: iter([series(7, SeriesInstanceUID="")]))
    with pytest.raises(PeerError, match="without a Series Instance UID"):
        find_series(nameless, "2.25.100", lambda: False, lambda _: None)
