"""One scan however its slices and echoes are sent and numbered; what only looks like one is never mixed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qsmnode.dicom.acquisition import Acquisition, group
from qsmnode.dicom.completeness import assess
from qsmnode.dicom.identity import derive_uid
from qsmnode.dicom.source import load
from qsmnode.errors import NotEligible

OBLIQUE = (0.9363, 0.2896, -0.1987, -0.2753, 0.9564, 0.0978)
PLANES = {
    "axial": (1, 0, 0, 0, 1, 0),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "coronal": (1, 0, 0, 0, 0, -1),
    "double oblique": OBLIQUE,
    "feet first": (-1, 0, 0, 0, 1, 0),
}


def only(acquisitions: tuple[Acquisition, ...]) -> Acquisition:
    (one,) = acquisitions
    return one


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("order", ["reversed", "interleaved", "shuffled", "by echo"])
def test_slices_in_any_order_and_orientation_are_one_ascending_stack(
    session_builder: Any, plane: str, order: str
) -> None:
    made = session_builder.write(orientation=PLANES[plane], slices=5, salt=f"{plane} {order}")
    headers = list(made.headers)
    if order == "reversed":
        headers.reverse()
    elif order == "interleaved":
        headers = headers[::2] + headers[1::2]
    elif order == "by echo":
        headers.sort(key=lambda header: header.frames[0].echo_time_s or 0)
    else:
        random.Random(3).shuffle(headers)
    one = only(group(headers).acquisitions)
    assert assess(one).state == "complete"
    assert one == made.acquisition
    source = load(one, made.paths)
    axis = np.cross(PLANES[plane][:3], PLANES[plane][3:])
    places = [float(np.dot(piece.position_mm, axis)) for piece in source.slices]
    assert np.diff(places) == pytest.approx(2.0, abs=1e-3)
    expected = [session_builder.stored("M", 1, z).T for z in range(5)]
    assert np.array_equal(source.stack.magnitude[1], np.stack(expected, axis=-1))


def _each_echo_its_series(ds: Any) -> None:
    ds.SeriesInstanceUID = derive_uid("series", ds.ImageType[2], str(ds.EchoTime))
    ds.SeriesNumber = str(10 + 7 * int(float(ds.EchoTime)))


def _equal_numbers(ds: Any) -> None:
    ds.EchoNumbers, ds.InstanceNumber = "1", "1"


def _no_numbers(ds: Any) -> None:
    if "EchoNumbers" in ds:
        del ds.EchoNumbers
    del ds.InstanceNumber


def _wrong_numbers(ds: Any) -> None:
    """Echo numbers run backwards and differ between slices: only the echo time says which echo it is."""
    ds.EchoNumbers = str(1 + (3 - round(float(ds.EchoTime) / 5) + int(ds.InstanceNumber)) % 3)


@pytest.mark.parametrize("vendor", ["siemens", "philips", "ge"])
@pytest.mark.parametrize("change", [_equal_numbers, _no_numbers, _wrong_numbers])
def test_neither_echo_nor_instance_numbers_decide(
    session_builder: Any, vendor: str, change: Callable[[Any], None]
) -> None:
    scan = session_builder.Scan(vendor=vendor, salt=f"{vendor} numbers")
    plain = session_builder.write(scan)
    other = session_builder.write(scan.changed(change=change))
    assert assess(other.acquisition).state == "complete"
    assert (
        load(other.acquisition, other.paths).content_sha256
        == load(plain.acquisition, plain.paths).content_sha256
    )


@pytest.mark.parametrize("vendor", ["siemens", "philips"])
def test_a_series_for_each_echo_and_kind_is_one_scan(session_builder: Any, vendor: str) -> None:
    scan = session_builder.Scan(vendor=vendor, salt=f"{vendor} split", change=_each_echo_its_series)
    made = session_builder.write(scan)
    assert len({header.series_uid for header in made.headers}) >= 3
    assert assess(made.acquisition).state == "complete"
    assert made.acquisition.echo_times_s == (0.005, 0.010, 0.015)


def test_a_protocol_run_three_times_is_three_scans(session_builder: Any) -> None:
    headers = []
    for number, start in enumerate(("101500.1", "102000.1", "102010.1")):
        scan = session_builder.Scan(salt=f"run {number}", start=start)
        headers += session_builder.write(scan).headers
    random.Random(1).shuffle(headers)
    found = group(headers).acquisitions
    assert [assess(one).state for one in found] == ["complete"] * 3
    assert len({one.key for one in found}) == 3


def test_other_scans_of_the_study_are_other_acquisitions(session_builder: Any) -> None:
    """Another matrix, another protocol, another place in the patient: each is whole by itself."""
    scan = session_builder.Scan(salt="first")

    def slower(ds: Any) -> None:
        ds.RepetitionTime = "45"

    others = (
        scan.changed(salt="slower", change=slower),
        scan.changed(salt="tilted", orientation=OBLIQUE),
        scan.changed(salt="frame", change=lambda ds: setattr(ds, "FrameOfReferenceUID", "2.25.77")),
    )
    headers = [header for one in (scan, *others) for header in session_builder.write(one).headers]
    found = group(headers).acquisitions
    assert [assess(one).state for one in found] == ["complete"] * 4


def _without_time(ds: Any) -> None:
    del ds.AcquisitionTime


def _again(ds: Any) -> None:
    """The same slice under another UID, its position rounded otherwise."""
    ds.SOPInstanceUID = derive_uid(ds.SOPInstanceUID, "again")
    ds.ImagePositionPatient = [float(value) + 0.004 for value in ds.ImagePositionPatient]


@pytest.mark.parametrize("vendor", ["siemens", "philips", "ge"])
@pytest.mark.parametrize("nudge", [False, True], ids=["same digits", "other digits"])
def test_a_slice_twice_under_two_uids_is_held(builder: Any, vendor: str, nudge: bool) -> None:
    scan = builder.Scan(vendor=vendor)
    made = builder.write(scan)
    twin = builder.classic(scan, "P", 1, 2)
    _again(twin)
    if not nudge:
        twin.ImagePositionPatient = scan.position(2)
    extra = builder.write_all([twin])
    one = only(group([*made.headers, *extra.headers]).acquisitions)
    assert "more than one image" in (one.held or "")
    assert "phase, echo time 10.000 ms" in (one.held or "")
    with pytest.raises(NotEligible, match="more than one image"):
        load(one, {**made.paths, **extra.paths})


def test_echo_times_that_round_otherwise_are_one_echo_and_a_twin_among_them_is_held(builder: Any) -> None:
    scan = builder.Scan()
    made = builder.write(scan)
    twin = builder.classic(scan, "M", 0, 1)
    twin.SOPInstanceUID, twin.EchoTime = "2.25.5", "5.004"
    extra = builder.write_all([twin])
    one = only(group([*made.headers, *extra.headers]).acquisitions)
    assert "more than one image" in (one.held or "")


def test_images_of_one_place_that_are_shifted_in_their_plane_are_never_paired(builder: Any) -> None:
    """A second run with another field of view and no time to tell it by: its phase is another place's."""

    def moved(ds: Any) -> None:
        _without_time(ds)
        if ds.ImageType[2] == "P":
            x, y, z = ds.ImagePositionPatient
            ds.ImagePositionPatient = [float(x) + 3.0, float(y) - 4.0, z]

    made = builder.write(change=moved)
    whole = assess(made.acquisition)
    assert whole.state == "contradiction"
    assert "shifted against each other within their plane by up to 5.000 mm" in whole.missing[0]
    with pytest.raises(NotEligible, match=r"within their plane by up to 5\.000 mm"):
        load(made.acquisition, made.paths)


def _moved_slice(to_mm: float) -> Callable[[Any], None]:
    def change(ds: Any) -> None:
        if float(ds.ImagePositionPatient[2]) == 36.0:
            ds.ImagePositionPatient = [-10.0, -20.0, to_mm]

    return change


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "undeclared"])
def test_unequal_spacing_is_refused_with_its_numbers(builder: Any, declared: bool) -> None:
    made = builder.write(declared=declared, change=_moved_slice(36.7))
    words = "not equally spaced (steps of 2.000 to 2.700 mm)"
    whole = assess(made.acquisition)
    assert whole.state == ("contradiction" if declared else "incomplete")
    assert words in whole.missing[0]
    with pytest.raises(NotEligible, match=r"steps of 2\.000 to 2\.700 mm"):
        load(made.acquisition, made.paths)


def _slabs(distance_mm: float) -> Callable[[Any], None]:
    """Two slabs of two slices, as their protocol declares, ``distance_mm`` from one to the other."""

    def change(ds: Any) -> None:
        z = float(ds.ImagePositionPatient[2])
        if z > 33.0:
            ds.ImagePositionPatient = [-10.0, -20.0, z - 34.0 + 32.0 + distance_mm]
        block = ds.private_block(0x0029, "SIEMENS CSA HEADER")
        tag = block.get_tag(0x20)
        text = ds[tag].value.replace(b"lSize\t = \t1", b"lSize\t = \t2")
        ds[tag].value = text.replace(b"lImagesPerSlab\t = \t4", b"lImagesPerSlab\t = \t2")

    return change


@pytest.mark.parametrize(
    ("distance_mm", "state", "words"),
    [
        (2.0, "complete", ""),
        (3.1, "contradiction", "steps of 2.000 to 3.100 mm"),
        (4.0, "contradiction", "slices reach over 5 places, the header declares 4"),
    ],
    ids=["adjoining", "apart", "a slice apart"],
)
def test_several_slabs_are_one_stack_where_they_adjoin(
    builder: Any, distance_mm: float, state: str, words: str
) -> None:
    made = builder.write(change=_slabs(distance_mm))
    whole = assess(made.acquisition)
    assert whole.state == state
    assert words in "; ".join(whole.missing)
    if state == "complete":
        assert load(made.acquisition, made.paths).stack.grid.shape[2] == 4


@pytest.mark.parametrize(
    ("flags", "kinds"),
    [(("DIS3D", "ND"), ("M",)), (("ND", "NORM"), ("M",)), (("ND", "SWI"), ("M",)), (("MNIP", "ND"), ("M",))],
    ids="-".join,
)
@pytest.mark.parametrize("first", [True, False], ids=["it came first", "it came last"])
def test_another_reconstruction_changes_nothing_of_the_one_that_is_used(
    builder: Any, flags: tuple[str, ...], kinds: tuple[str, ...], first: bool
) -> None:
    scan = builder.Scan(flags=("ND",))
    made = builder.write(scan)
    other = builder.write(scan.changed(flags=flags, kinds=kinds, salt="other", start="101459.900000"))
    headers = [*other.headers, *made.headers] if first else [*made.headers, *other.headers]
    one = only(group(headers).acquisitions)
    assert one.held is None
    assert one.sop_instance_uids == made.acquisition.sop_instance_uids
    assert assess(one).state == "complete"
    paths: dict[str, Path] = {**made.paths, **other.paths}
    assert load(one, paths).content_sha256 == load(made.acquisition, made.paths).content_sha256
