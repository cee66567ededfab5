"""Several reconstructions and kinds of one scan: which are used, which are left, what is never guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qsmnode.dicom.acquisition import Acquisition, Grouping, group
from qsmnode.dicom.completeness import assess
from qsmnode.dicom.source import Source, load
from qsmnode.errors import NotEligible


def together(builder: Any, *scans: Any) -> tuple[Grouping, dict[str, Path]]:
    made = [builder.write(scan) for scan in scans]
    paths = {uid: path for one in made for uid, path in one.paths.items()}
    return group([header for one in made for header in one.headers]), paths


def only(grouping: Grouping) -> Acquisition:
    (one,) = grouping.acquisitions
    return one


def read(builder: Any, scan: Any) -> Source:
    made = builder.write(scan)
    return load(made.acquisition, made.paths)


def test_the_magnitude_with_the_flags_of_the_phase_is_used(builder: Any) -> None:
    scan = builder.Scan(flags=("DIS3D", "ND"))
    other = scan.changed(kinds=("M",), flags=("DIS3D", "ND", "NORM"))
    grouping, paths = together(builder, scan, other)
    one = only(grouping)
    assert one.held is None
    assert assess(one).state == "complete"
    assert len(grouping.ignored) == 12
    assert all("another reconstruction" in why and "NORM" in why for _, why in grouping.ignored)
    assert {header for header, _ in grouping.ignored}.isdisjoint(one.sop_instance_uids)
    assert load(one, paths).stack.phase.shape == (3, 8, 6, 4)


def test_a_normalised_magnitude_serves_where_it_is_the_only_one(builder: Any) -> None:
    grouping, _ = together(
        builder,
        builder.Scan(kinds=("P",), flags=("ND",)),
        builder.Scan(kinds=("M",), flags=("ND", "NORM")),
    )
    assert assess(only(grouping)).state == "complete"
    assert only(grouping).held is None


def test_magnitude_and_phase_on_different_geometries_are_never_paired(builder: Any) -> None:
    grouping, paths = together(
        builder, builder.Scan(kinds=("P",), flags=("ND",)), builder.Scan(kinds=("M",), flags=("DIS3D",))
    )
    assert "different geometries" in (only(grouping).held or "")
    with pytest.raises(NotEligible, match="different geometries"):
        load(only(grouping), paths)


def test_two_equally_good_pairs_are_held(builder: Any) -> None:
    grouping, paths = together(builder, builder.Scan(flags=("ND",)), builder.Scan(flags=("DIS3D",)))
    assert "2 equally good pairs" in (only(grouping).held or "")
    with pytest.raises(NotEligible, match="equally good"):
        load(only(grouping), paths)


def test_two_images_for_one_place_are_held(builder: Any) -> None:
    grouping, _ = together(builder, builder.Scan(), builder.Scan(kinds=("P",), salt="again"))
    assert "more than one image" in (only(grouping).held or "")


@pytest.mark.parametrize("word", ["SWI", "MNIP"])
def test_computed_pictures_are_no_source(builder: Any, word: str) -> None:
    grouping, _ = together(
        builder, builder.Scan(), builder.Scan(kinds=("M",), flags=("ND", word), salt="computed")
    )
    assert assess(only(grouping)).state == "complete"
    assert len(grouping.ignored) == 12


def test_a_slice_by_slice_sender_is_not_complete_after_two_slices(builder: Any) -> None:
    headers = [h for h in builder.write(slices=6).headers if h.frames[0].position[2] < 33.0]
    one = only(group(headers))
    assert len(one.slices) == 2
    assert assess(one).state == "incomplete"
    assert assess(one).missing == (
        "magnitude, echoes 1-3, 4 slices of 6 missing",
        "phase, echoes 1-3, 4 slices of 6 missing",
    )


def test_slices_in_several_orientations_are_a_localiser(builder: Any) -> None:
    planes = ((1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 0, -1))
    scans = [
        builder.Scan(
            kinds=("M",),
            slices=1,
            echo_times_ms=(4.0,),
            dimension="2D",
            orientation=plane,
            change=lambda ds, n=number: setattr(ds, "SOPInstanceUID", f"{ds.SOPInstanceUID}{n}"),
        )
        for number, plane in enumerate(planes)
    ]
    grouping, _ = together(builder, *scans)
    assert len(grouping.acquisitions) == 3
    assert all("localiser" in (one.ignored or "") for one in grouping.acquisitions)


def _own(ds: Any) -> None:
    ds.Manufacturer = "qsmnode"


def _derived(ds: Any) -> None:
    ds.ImageType = ["DERIVED", "SECONDARY", "M", "QSM"]


@pytest.mark.parametrize(("change", "reason"), [(_own, "this node"), (_derived, "DERIVED")])
def test_own_and_derived_images_are_never_taken_in(builder: Any, change: Any, reason: str) -> None:
    grouping, _ = together(builder, builder.Scan(change=change))
    assert grouping.acquisitions == ()
    assert all(reason in why for _, why in grouping.ignored)


def test_descriptions_decide_nothing(builder: Any) -> None:
    def change(ds: Any) -> None:
        ds.SeriesDescription = "QSM localizer derived"

    assert assess(builder.write(change=change).acquisition).state == "complete"


# ---- GE


def test_ge_prefers_real_and_imaginary_and_turns_the_phase(builder: Any) -> None:
    scan = builder.Scan(vendor="ge", kinds=("M", "P", "R", "I"), dimension="2D")
    made = builder.write(scan)
    one = made.acquisition
    assert one.pair == ("real", "imaginary")
    assert set(one.kinds) == {"magnitude", "phase", "real", "imaginary"}
    assert assess(one).state == "complete"
    assert len(group(made.headers).ignored) == 24
    stack = load(one, made.paths).stack
    real, imaginary = (
        np.array([[builder.stored(kind, echo, z) for z in range(4)] for echo in range(3)]).astype(float)
        - 1900
        for kind in "RI"
    )
    signal = (real - 1j * imaginary).transpose(0, 3, 2, 1)
    assert np.allclose(stack.magnitude, np.abs(signal), rtol=1e-5)
    assert np.allclose(np.exp(1j * stack.phase), signal / np.abs(signal), atol=1e-5)


def test_ge_members_alone_load_although_their_series_holds_more(builder: Any) -> None:
    scan = builder.Scan(vendor="ge", kinds=("M", "P", "R", "I"))
    made = builder.write(scan)
    headers = {header.sop_instance_uid: header for header in made.headers}
    alone = only(group(headers[uid] for uid in made.acquisition.sop_instance_uids))
    assert alone.key == made.acquisition.key
    paths = {uid: made.paths[uid] for uid in alone.sop_instance_uids}
    assert load(alone, paths).content_sha256 == load(made.acquisition, made.paths).content_sha256


def test_ge_magnitude_and_phase_are_in_mrad_and_negated(builder: Any) -> None:
    stack = read(builder, builder.Scan(vendor="ge", dimension="2D")).stack
    expected = -(np.array([builder.stored("P", 1, z) for z in range(4)]).astype(float) - 1900) * 1e-3
    assert np.allclose(stack.phase[1], expected.transpose(2, 1, 0), atol=1e-6)


def test_ge_sign_that_alternates_from_slice_to_slice_is_undone(builder: Any) -> None:
    def alternating(ds: Any) -> None:
        z = round((float(ds.ImagePositionPatient[2]) - 30.0) / 2.0)
        values = np.frombuffer(ds.PixelData, np.int16).astype(int)
        if z % 2 and ds[0x0043, 0x102F].value == 1:
            values = np.where(values > 0, values - 3142, values + 3142)
        ds.PixelData = values.astype(np.int16).tobytes()

    plain = read(builder, builder.Scan(vendor="ge"))
    turned = read(builder, builder.Scan(vendor="ge", change=alternating))
    assert not any("alternated" in word for word in plain.warnings)
    assert any("alternated" in word for word in turned.warnings)
    assert np.allclose(np.cos(plain.stack.phase - turned.stack.phase), 1, atol=1e-5)


# ---- scaling


def test_siemens_without_rescale_tags_is_scaled_all_the_same(builder: Any) -> None:
    def bare(ds: Any) -> None:
        for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
            if keyword in ds:
                delattr(ds, keyword)

    assert np.array_equal(
        read(builder, builder.Scan()).stack.phase, read(builder, builder.Scan(change=bare)).stack.phase
    )


def test_phase_that_is_no_turn_is_held(builder: Any) -> None:
    def odd(ds: Any) -> None:
        if ds.ImageType[2] == "P":
            ds.RescaleSlope, ds.RescaleIntercept = "1", "-2048"

    made = builder.write(change=odd)
    assert "unrecognised phase scaling" in (made.acquisition.held or "")
    with pytest.raises(NotEligible, match="unrecognised phase scaling"):
        load(made.acquisition, made.paths)


def test_an_unknown_vendor_needs_a_rule(builder: Any) -> None:
    assert "unrecognised phase scaling" in (builder.write(vendor="other").acquisition.held or "")

    def in_rad(ds: Any) -> None:
        if ds.ImageType[2] == "P":
            ds.RescaleSlope, ds.RescaleIntercept = f"{2 * np.pi / 4096:.12g}", f"{-np.pi:.12g}"

    made = builder.write(vendor="other", change=in_rad)
    assert made.acquisition.held is None
    assert assess(made.acquisition).state == "undeclared"
    stack = load(made.acquisition, made.paths).stack
    expected = builder.stored("P", 2, 3).astype(float) * 2 * np.pi / 4096 - np.pi
    assert np.allclose(stack.phase[2, :, :, 3], expected.T, atol=1e-5)


def test_enhanced_and_classic_give_the_same_arrays(builder: Any) -> None:
    scan = builder.Scan(vendor="philips")
    one = builder.write_enhanced(scan)
    enhanced, classic = load(one.acquisition, one.paths), read(builder, scan)
    assert assess(one.acquisition).state == "complete"
    assert np.allclose(enhanced.stack.phase, classic.stack.phase, atol=1e-6)
    assert np.array_equal(enhanced.stack.magnitude, classic.stack.magnitude)
    assert np.allclose(enhanced.affine, classic.affine)
    assert {place.frame_number for one in enhanced.slices for place in one.references} == set(range(1, 25))


def test_a_frequency_that_cannot_be_believed_is_refused(builder: Any) -> None:
    def change(ds: Any) -> None:
        ds.ImagingFrequency = "63.6"  # at 3 T

    made = builder.write(change=change)
    with pytest.raises(NotEligible, match="ImagingFrequency"):
        load(made.acquisition, made.paths)


def test_gaps_between_slices_are_refused(builder: Any) -> None:
    made = builder.write(spacing_mm=2.4, dimension="2D")
    with pytest.raises(NotEligible, match=r"gaps of 0\.40 mm"):
        load(made.acquisition, made.paths)
