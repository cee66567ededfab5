"""What the simulated scanner writes is read back as what it measured, in every slice orientation."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qsmnode.dicom.acquisition import Acquisition, group
from qsmnode.dicom.completeness import assess
from qsmnode.dicom.instance import Instance, read_instance
from qsmnode.dicom.source import Source, load
from qsmnode.errors import NotEligible, UnreadableDicom
from qsmnode.phantom.exam import write_exam
from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import AXIAL, CORONAL, SAGITTAL, Cosines, Protocol, tilted
from qsmnode.phantom.siemens import write_classic
from qsmnode.phantom.sphere import SimulatedSphere, Sphere, simulate_sphere

STORED_STEP_RAD = 2 / 4096 * np.pi
PROTOCOL = Protocol(shape=(20, 24, 8), voxel_mm=(5.0, 6.0, 7.0), echo_times_s=(0.004, 0.010, 0.017), snr=40.0)


def measured(orientation: Cosines) -> SimulatedSphere:
    # nothing about the sphere's place is symmetric: a flipped or swapped axis shows
    sphere = Sphere(14.0, 1.5, offset_mm=(11.0, -17.0, 6.0), gel_radius_mm=50.0)
    return simulate_sphere(sphere, replace(PROTOCOL, orientation=orientation, centre_mm=(7.0, -3.0, 5.0)))


def headers_of(files: list[Path]) -> dict[str, tuple[Path, Instance]]:
    found = {}
    for path in files:
        header = read_instance(path)
        found[header.sop_instance_uid] = (path, header)
    return found


def grouped(files: list[Path]) -> tuple[Acquisition, dict[str, Path]]:
    found = headers_of(files)
    (acquisition,) = group([header for _, header in found.values()]).acquisitions
    return acquisition, {uid: path for uid, (path, _) in found.items()}


def read(files: list[Path]) -> Source:
    return load(*grouped(files))


@pytest.mark.parametrize(
    "orientation",
    [AXIAL, SAGITTAL, CORONAL, tilted(AXIAL, 25.0, 15.0)],
    ids=["axial", "sagittal", "coronal", "double oblique"],
)
def test_what_is_written_is_read_back(tmp_path: Path, orientation: Cosines) -> None:
    truth = measured(orientation)
    source = read(write_classic(truth, tmp_path))
    stack = source.stack
    difference = np.angle(np.exp(1j * (stack.phase.astype(np.float64) - truth.stack.phase)))
    assert float(np.abs(difference).max()) <= STORED_STEP_RAD
    scale = float(stack.magnitude.max() / truth.stack.magnitude.max())
    assert np.allclose(stack.magnitude, scale * truth.stack.magnitude, atol=1.0)
    assert stack.echo_times_s == pytest.approx(truth.stack.echo_times_s, abs=1e-9)
    assert stack.imaging_frequency_mhz == pytest.approx(truth.protocol.frequency_mhz, abs=1e-6)
    assert stack.grid.shape == truth.geometry.shape
    assert stack.grid.voxel_mm == pytest.approx(truth.geometry.voxel_mm, abs=1e-4)
    assert stack.grid.b0_direction == pytest.approx(truth.geometry.grid().b0_direction, abs=1e-6)
    assert np.allclose(source.affine, truth.affine, atol=1e-3)
    assert stack.readout_axis == 0


def test_every_image_is_referred_to_once_in_its_slice(tmp_path: Path) -> None:
    files = write_classic(measured(AXIAL), tmp_path)
    headers = headers_of(files)
    source = read(files)
    names = [one.sop_instance_uid for place in source.slices for one in place.references]
    assert sorted(names) == sorted(headers)
    for place in source.slices:
        assert Counter((one.kind, one.echo) for one in place.references) == Counter(
            (kind, echo) for kind in ("magnitude", "phase") for echo in (1, 2, 3)
        )
        for one in place.references:
            _, header = headers[one.sop_instance_uid]
            assert header.frames[0].position == pytest.approx(place.position_mm)
            assert header.frames[0].kind == one.kind
            assert one.frame_number is None


def test_template_names_patient_and_study_and_holds_nothing_private(tmp_path: Path) -> None:
    template = read(write_classic(measured(AXIAL), tmp_path, patient_id="P-17")).template
    assert template.PatientID == "P-17"
    assert template.StudyInstanceUID
    assert template.FrameOfReferenceUID
    assert "PixelData" not in template
    assert not any(element.tag.is_private for element in template.iterall())


def test_content_hash_follows_the_content(tmp_path: Path) -> None:
    truth = measured(AXIAL)
    first = read(write_classic(truth, tmp_path / "a"))
    again = read(write_classic(truth, tmp_path / "b")[::-1])
    assert first.content_sha256 == again.content_sha256
    truth.stack.phase[1, 3, 3, 3] += 0.1
    changed = read(write_classic(truth, tmp_path / "c"))
    assert changed.content_sha256 != first.content_sha256


@pytest.mark.parametrize("numbering", ["repeating", "running"])
def test_instance_numbers_decide_nothing(tmp_path: Path, numbering: str) -> None:
    truth = measured(AXIAL)
    source = read(write_classic(truth, tmp_path, numbering=numbering))
    assert np.allclose(np.cos(source.stack.phase - truth.stack.phase), 1, atol=1e-5)


def test_a_protocol_run_twice_is_two_acquisitions(tmp_path: Path) -> None:
    truth = measured(AXIAL)
    files = write_classic(truth, tmp_path / "1") + write_classic(truth, tmp_path / "2", repeat=2)
    acquisitions = group([header for _, header in headers_of(files).values()]).acquisitions
    assert len(acquisitions) == 2
    assert len({one.key for one in acquisitions}) == 2
    assert [assess(one).state for one in acquisitions] == ["complete", "complete"]
    assert not any(one.held or one.ignored for one in acquisitions)
    # the first half of one run and the second of the other are never taken for one scan
    mixed = files[:24] + files[-24:]
    halves = group([header for _, header in headers_of(mixed).values()]).acquisitions
    assert [assess(one).state for one in halves] == ["incomplete", "incomplete"]


def test_of_a_whole_exam_only_the_multi_echo_scan_is_a_source(tmp_path: Path) -> None:
    protocol = Protocol(
        shape=(24, 28, 12), voxel_mm=(8.0, 8.0, 8.0), echo_times_s=(0.005, 0.012, 0.019), snr=0
    )
    head = simulate(HeadShape(3), protocol)
    found = headers_of([*write_classic(head, tmp_path / "gre"), *write_exam(head, tmp_path / "exam")])
    grouping = group([header for _, header in found.values()])
    complete = [one for one in grouping.acquisitions if assess(one).state == "complete"]
    assert [(one.kinds, len(one.echo_times_s)) for one in complete] == [(("magnitude", "phase"), 3)]
    reasons = [one.ignored for one in grouping.acquisitions if one.ignored]
    assert sum("localiser" in reason for reason in reasons) == 3
    assert sum("phase difference" in reason for reason in reasons) == 1
    rest = [one for one in grouping.acquisitions if one not in complete and not one.ignored]
    assert all(one.kinds == ("magnitude",) for one in rest)
    assert all(assess(one).missing[0].startswith("phase, echo 1, slices 1-") for one in rest)
    assert len(grouping.ignored) == 3  # PDF, screen shot, private object
    assert all("no MR image" in reason for _, reason in grouping.ignored)


def test_one_file_short_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    files = write_classic(measured(AXIAL), tmp_path)
    gone = next(path for path in files if path.name.endswith("pha-e02-s0003.dcm"))
    acquisition, paths = grouped([path for path in files if path != gone])
    assert assess(acquisition).missing == ("phase, echo 2, slice 3 of 8",)
    with pytest.raises(NotEligible, match="phase, echo 2, slice 3 of 8"):
        load(acquisition, paths)


def test_a_file_that_changed_after_it_was_looked_at_is_refused(tmp_path: Path) -> None:
    acquisition, paths = grouped(write_classic(measured(AXIAL), tmp_path))
    first, second = sorted(paths)[:2]
    with pytest.raises(UnreadableDicom, match="another one"):
        load(acquisition, {**paths, first: paths[second]})
    paths[first].unlink()
    with pytest.raises(UnreadableDicom):
        load(acquisition, paths)
    del paths[first]
    with pytest.raises(UnreadableDicom, match="no file"):
        load(acquisition, paths)
