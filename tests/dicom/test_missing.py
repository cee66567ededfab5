"""Completeness is proven by declared counts, and what is missing is said by kind, echo and slice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qsmnode.dicom.acquisition import Acquisition, group
from qsmnode.dicom.completeness import Completeness, assess
from qsmnode.dicom.instance import Frame, Instance
from qsmnode.dicom.source import load
from qsmnode.errors import NotEligible

Made = tuple[tuple[Instance, ...], dict[str, Path]]


@pytest.fixture(scope="module")
def siemens(session_builder: Any) -> Made:
    """Three echoes of ten slices, counted in the protocol."""
    made = session_builder.write(slices=10, salt="whole")
    return made.headers, made.paths


def place_of(frame: Frame) -> int:
    assert frame.position is not None
    return round((frame.position[2] - 30.0) / 2.0) + 1


def without(headers: tuple[Instance, ...], lost: Callable[[str, int, int], bool]) -> Acquisition:
    """The acquisition without the images whose kind, echo and slice (from 1) ``lost`` names."""
    kept = []
    for header in headers:
        (frame,) = header.frames
        assert frame.echo_time_s is not None
        if not lost(frame.kind, round(frame.echo_time_s / 0.005), place_of(frame)):
            kept.append(header)
    (one,) = group(kept).acquisitions
    return one


@pytest.mark.parametrize(
    ("lost", "missing"),
    [
        (
            lambda kind, echo, place: kind == "phase" and echo == 3 and place in (4, 5, 6),
            ("phase, echo 3, slices 4-6 of 10",),
        ),
        (
            lambda kind, echo, place: (kind, echo, place) == ("phase", 1, 2),
            ("phase, echo 1, slice 2 of 10",),
        ),
        (
            lambda kind, echo, place: kind == "magnitude" and place in (1, 2, 9),
            ("magnitude, echoes 1-3, slices 1-2, 9 of 10",),
        ),
        (lambda kind, echo, place: kind == "phase", ("phase, echoes 1-3, slices 1-10 of 10",)),
        (
            lambda kind, echo, place: kind == "phase" and echo != 2,
            ("phase, echo 1, slices 1-10 of 10", "phase, echo 3, slices 1-10 of 10"),
        ),
        (
            lambda kind, echo, place: echo == 3,
            ("magnitude, echo 3, slices 1-10 of 10", "phase, echo 3, slices 1-10 of 10"),
        ),
        (
            lambda kind, echo, place: place > 8,
            ("magnitude, echoes 1-3, 2 slices of 10 missing", "phase, echoes 1-3, 2 slices of 10 missing"),
        ),
    ],
)
def test_what_is_missing_is_named(
    siemens: Made, lost: Callable[[str, int, int], bool], missing: tuple[str, ...]
) -> None:
    one = without(siemens[0], lost)
    assert assess(one) == Completeness("incomplete", missing)
    with pytest.raises(NotEligible) as refused:
        load(one, siemens[1])
    assert all(text in str(refused.value) for text in missing)


def test_nothing_missing_is_complete(siemens: Made) -> None:
    assert assess(without(siemens[0], lambda *_: False)) == Completeness("complete", (), all_here=True)


def test_slices_that_come_in_any_order_are_never_a_contradiction(siemens: Made) -> None:
    # steps of two and three: the spacing cannot be seen yet
    one = without(siemens[0], lambda kind, echo, place: place not in (1, 3, 6))
    assert assess(one).state == "incomplete"
    assert assess(one).missing[0] == "magnitude, echoes 1-3, 7 slices of 10 missing"


def test_echoes_that_nobody_has_seen_are_counted(session_builder: Any) -> None:
    """Philips declares how many echoes there are, not when."""
    scan = session_builder.Scan(vendor="philips", salt="echoes", echo_times_ms=(5.0, 10.0, 15.0))
    headers = session_builder.write(scan).headers
    (one,) = group(h for h in headers if h.frames[0].echo_time_s == 0.005).acquisitions
    assert assess(one) == Completeness("incomplete", ("echoes 2-3 of 3: magnitude and phase",))


def test_images_that_a_header_counts_in_its_series(session_builder: Any) -> None:
    """GE counts all images of a series: with one more kind declared, two full kinds are not all."""

    def more(dataset: Any) -> None:
        dataset.ImagesInAcquisition = "36"

    (one,) = group(session_builder.write(vendor="ge", salt="counted", change=more).headers).acquisitions
    assert assess(one) == Completeness("incomplete", ("12 images of 36 in its series",))


def test_without_a_declared_count_a_full_grid_is_only_consistent(session_builder: Any) -> None:
    headers = session_builder.write(declared=False, salt="undeclared").headers
    (one,) = group(headers).acquisitions
    assert assess(one) == Completeness("undeclared", ())
    (gap,) = group(h for h in headers if place_of(h.frames[0]) != 2).acquisitions
    assert assess(gap).state == "incomplete"
    (lone,) = group(h for h in headers if h.frames[0].kind == "magnitude").acquisitions
    assert assess(lone).missing == ("phase, echoes 1-3, slices 1-4 of 4",)


def _one_slice_less(dataset: Any) -> None:
    block = dataset.private_block(0x0029, "SIEMENS CSA HEADER")
    tag = block.get_tag(0x20)
    dataset[tag].value = dataset[tag].value.replace(b"lImagesPerSlab\t = \t4", b"lImagesPerSlab\t = \t3")


def test_more_slices_than_declared_contradict(session_builder: Any) -> None:
    (one,) = group(session_builder.write(salt="more", change=_one_slice_less).headers).acquisitions
    whole = assess(one)
    assert whole.state == "contradiction"
    assert "4 slice positions are here, the header declares 3" in whole.missing


def test_headers_that_disagree_contradict(session_builder: Any) -> None:
    def half(dataset: Any) -> None:
        if dataset.ImageType[2] == "P":
            _one_slice_less(dataset)

    (one,) = group(session_builder.write(salt="half", change=half).headers).acquisitions
    assert assess(one).state == "contradiction"
    assert "headers declare 3 and 4 slices" in assess(one).missing


def test_all_declared_slices_at_unequal_places_contradict(session_builder: Any) -> None:
    def shifted(dataset: Any) -> None:
        if float(dataset.ImagePositionPatient[2]) == 36.0:
            dataset.ImagePositionPatient = [-10.0, -20.0, 36.7]

    (one,) = group(session_builder.write(salt="shifted", change=shifted).headers).acquisitions
    assert assess(one).state == "contradiction"
    assert "not equally spaced" in assess(one).missing[0]


def test_positions_rounded_in_the_header_are_one_grid(session_builder: Any) -> None:
    """0.33 mm slices written with two decimals: steps of 0.33 and 0.34 mm over forty slices."""

    def rounded(dataset: Any) -> None:
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, round(float(z), 2)]

    scan = session_builder.Scan(
        slices=40, spacing_mm=1 / 3, thickness_mm=0.33, echo_times_ms=(5.0,), salt="rounded", change=rounded
    )
    (one,) = group(session_builder.write(scan).headers).acquisitions
    assert assess(one) == Completeness("complete", (), all_here=True)
