"""Real scanners' files: each folder leads to what its table says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from qsmnode.config import AcceptanceSettings
from qsmnode.dicom.acceptance import header_findings
from qsmnode.dicom.acquisition import Grouping, group
from qsmnode.dicom.completeness import assess
from qsmnode.dicom.instance import Instance, read_instance
from qsmnode.dicom.source import Source, load
from qsmnode.errors import NotEligible

pytestmark = pytest.mark.corpus


@dataclass(frozen=True)
class Folder:
    paths: dict[str, Path]
    headers: list[Instance]
    grouping: Grouping


def look(folder: Path) -> Folder:
    paths, headers = {}, []
    for path in sorted(folder.rglob("*.dcm")):
        header = read_instance(path)
        paths[header.sop_instance_uid] = path
        headers.append(header)
    return Folder(paths, headers, group(headers))


def loaded(folder: Folder) -> Source:
    (acquisition,) = folder.grouping.acquisitions
    return load(acquisition, folder.paths)


def departures(folder: Folder) -> set[str]:
    """The acceptance checks that something was found by."""
    (acquisition,) = folder.grouping.acquisitions
    found = header_findings(acquisition, folder.headers, AcceptanceSettings.default())
    return {finding.check for finding in found}


def field_ppm(source: Source) -> np.ndarray:
    """Field from the difference of two echoes, where it is less than half a turn."""
    stack = source.stack
    turn = np.angle(np.exp(1j * (stack.phase[1] - stack.phase[0]))) / (2 * np.pi)
    return turn / (stack.echo_times_s[1] - stack.echo_times_s[0]) / stack.imaging_frequency_mhz


def test_philips_enhanced_head_becomes_arrays(corpus: Path) -> None:
    found = look(corpus / "philips-enhanced-head-2echo")
    (acquisition,) = found.grouping.acquisitions
    assert assess(acquisition).state == "complete"
    source = loaded(found)
    stack = source.stack
    assert stack.echo_times_s == (0.0023, 0.0046)
    assert stack.grid.shape == (80, 80, 53)
    assert stack.grid.voxel_mm == pytest.approx((3, 3, 3), abs=1e-4)
    assert stack.grid.b0_direction[2] == pytest.approx(0.998, abs=5e-4)
    assert stack.imaging_frequency_mhz == pytest.approx(127.748512)
    # the real-world value mapping says mrad, RescaleType says US
    assert -np.pi - 0.002 < stack.phase.min() < -3.1
    assert 3.1 < stack.phase.max() < np.pi + 0.002
    assert np.mean(stack.phase < -3.14) == pytest.approx(0.53, abs=0.02)
    assert all(len(one.references) == 4 for one in source.slices)
    assert "echoes" in departures(found)
    assert source.template.EchoTime == 2.3
    assert "PerFrameFunctionalGroupsSequence" not in source.template
    assert not any(element.tag.is_private for element in source.template.iterall())


def test_philips_head_has_the_field_of_a_head(corpus: Path) -> None:
    source = loaded(look(corpus / "philips-enhanced-head-2echo"))
    magnitude = source.stack.magnitude[0]
    head = magnitude > 0.2 * np.percentile(magnitude, 99)
    middle = np.percentile(field_ppm(source)[head], [5, 50, 95])
    assert abs(middle[1]) < 0.1
    assert -1.0 < middle[0] < -0.2 < 0.2 < middle[2] < 1.2


def test_philips_frames_lie_where_their_positions_say(corpus: Path) -> None:
    source = loaded(look(corpus / "philips-enhanced-head-2echo"))
    for z in (0, 20, 52):
        assert source.affine @ (0, 0, z, 1) == pytest.approx((*source.slices[z].position_mm, 1), abs=1e-3)


def test_philips_phantom_splits_one_series_by_image(corpus: Path) -> None:
    found = look(corpus / "philips-phantom-2echo")
    assert len({header.series_uid for header in found.headers}) == 1
    (acquisition,) = found.grouping.acquisitions
    assert acquisition.kinds == ("magnitude", "phase")
    assert acquisition.dimensions == 2
    assert assess(acquisition).state == "complete"
    source = loaded(found)
    assert source.stack.echo_times_s == (0.007001, 0.01)
    assert "dimensions" in departures(found)
    assert float(np.abs(source.stack.phase).max()) == pytest.approx(np.pi, abs=0.002)


@pytest.mark.parametrize("name", ["philips-enhanced-b0map", "ge-b0map"])
def test_a_field_map_in_hertz_is_neither_magnitude_nor_phase(corpus: Path, name: str) -> None:
    found = look(corpus / name)
    kinds = [frame.kind for header in found.headers for frame in header.frames]
    assert kinds.count("field_map") == len(kinds) // 2
    assert kinds.count("magnitude") == len(kinds) // 2
    (acquisition,) = found.grouping.acquisitions
    assert "phase" not in acquisition.kinds
    assert "field map in Hz" in (acquisition.ignored or "")
    with pytest.raises(NotEligible, match="field map in Hz"):
        load(acquisition, found.paths)


@pytest.mark.parametrize("name", ["siemens-e11-fieldmap", "siemens-xa30-enhanced-fieldmap"])
def test_a_phase_difference_is_no_echo(corpus: Path, name: str) -> None:
    found = look(corpus / name)
    (acquisition,) = found.grouping.acquisitions
    assert acquisition.kinds == ("magnitude", "phase_difference")
    assert "phase difference" in (acquisition.ignored or "")
    with pytest.raises(NotEligible, match="phase difference"):
        load(acquisition, found.paths)


def test_siemens_counts_come_from_the_protocol_in_both_containers(corpus: Path) -> None:
    for name, slices in (("siemens-e11-fieldmap", 36), ("siemens-xa30-enhanced-fieldmap", 33)):
        declared = {header.declared for header in look(corpus / name).headers}
        assert len(declared) == 1
        (one,) = declared
        assert (one.slices, one.echoes) == (slices, 2)
        assert len(one.echo_times_s) == 2


def test_uih_magnitude_lacks_phase_and_slices(corpus: Path) -> None:
    found = look(corpus / "uih-gre-magnitude")
    (acquisition,) = found.grouping.acquisitions
    assert assess(acquisition).missing == (
        "magnitude, echo 1, 152 slices of 160 missing",
        "phase, echo 1, slices 1-160 of 160",
    )
    assert acquisition.imaging_frequency_mhz == pytest.approx(128.175847)  # written in Hz
    assert acquisition.ignored is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [("canon-epi", "echo planar"), ("hitachi-se", "not a gradient echo"), ("siemens-xa60-not-gre", "")],
)
def test_what_is_no_gradient_echo_is_no_source(corpus: Path, name: str, reason: str) -> None:
    found = look(corpus / name)
    assert found.grouping.acquisitions == ()
    assert len(found.grouping.ignored) == len(found.headers)
    assert all(reason in why for _, why in found.grouping.ignored)


def test_objects_without_pixels_are_named(corpus: Path) -> None:
    reasons = {why for _, why in look(corpus / "siemens-xa60-not-gre").grouping.ignored}
    assert any("Enhanced SR" in why for why in reasons)
    assert any("echo planar" in why for why in reasons)


def test_an_orphan_phase_slice_says_what_is_missing(corpus: Path) -> None:
    (acquisition,) = look(corpus / "siemens-orphan-phase-slice").grouping.acquisitions
    whole = assess(acquisition)
    assert whole.state == "incomplete"
    assert whole.missing == ("magnitude, echoes 1-2, slice 1 of 1", "phase, echo 1, slice 1 of 1")
    assert acquisition.ignored is None


def test_headers_survive_json(corpus: Path) -> None:
    for path in sorted(corpus.rglob("001.dcm")):
        header = read_instance(path)
        assert Instance.from_json(header.to_json()) == header


VERDICTS = {
    "canon-epi": "no source",
    "ge-b0map": "ignored",
    "hitachi-se": "no source",
    "philips-enhanced-b0map": "ignored",
    "philips-enhanced-head-2echo": "complete",
    "philips-phantom-2echo": "complete",
    "siemens-e11-fieldmap": "ignored",
    "siemens-orphan-phase-slice": "incomplete",
    "siemens-xa30-enhanced-fieldmap": "ignored",
    "siemens-xa60-not-gre": "no source",
    "uih-gre-magnitude": "incomplete",
}
"""What each folder leads to, from its headers alone."""


@pytest.fixture(scope="module")
def folders(corpus: Path) -> dict[str, Folder]:
    """Every folder that holds DICOM files."""
    return {path.name: look(path) for path in sorted(corpus.iterdir()) if any(path.rglob("*.dcm"))}


def verdict(folder: Folder) -> str:
    """The state of the one acquisition of a folder; to be held, or without a count, would be limbo."""
    if not folder.grouping.acquisitions:
        return "no source"
    (acquisition,) = folder.grouping.acquisitions
    assert acquisition.held is None
    return "ignored" if acquisition.ignored else assess(acquisition).state


def test_every_folder_leads_to_a_decision(folders: dict[str, Folder]) -> None:
    assert {name: verdict(folder) for name, folder in folders.items()} == VERDICTS


def test_every_image_is_in_an_acquisition_or_says_why_not(folders: dict[str, Folder]) -> None:
    for found in folders.values():
        used = {uid for one in found.grouping.acquisitions for uid in one.sop_instance_uids}
        ignored = dict(found.grouping.ignored)
        assert used | set(ignored) == {header.sop_instance_uid for header in found.headers}
        assert all(ignored.values())


def test_phase_of_every_vendor_here_has_a_rule(folders: dict[str, Folder]) -> None:
    assert not any(header.phase_problem for folder in folders.values() for header in folder.headers)


def test_folders_together_are_the_folders_apart(folders: dict[str, Folder]) -> None:
    apart = [one.key for folder in folders.values() for one in folder.grouping.acquisitions]
    together = group(header for folder in folders.values() for header in folder.headers)
    assert sorted(apart) == [acquisition.key for acquisition in together.acquisitions]
