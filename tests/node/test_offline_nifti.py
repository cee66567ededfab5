"""NIfTI files become the map that DICOM images become, whatever their axes and whoever converted them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmnode.bids.scan import scans_under
from qsmnode.engine import Recipe
from qsmnode.errors import NotEligible, UsageError
from qsmnode.node.offline import eligible, look_at, reconstruct_acquisition
from qsmnode.node.offline_nifti import reconstruct_scan
from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import AXIAL, SAGITTAL, Cosines, Protocol, quick_protocol, tilted
from qsmnode.phantom.siemens import write_classic
from qsmnode.phantom.sphere import SimulatedSphere, Sphere, simulate_sphere
from qsmnode.products.nifti import NiftiResult, result_of
from tests.bids.scans import TO_RAS, write
from tests.peers import programs

FAST = Recipe.preset("fast")
GEL = Recipe.from_mapping({"preset": "fast", "mask": "signal"})
SPHERE = Sphere(radius_mm=14.0, chi_ppm=0.5, offset_mm=(8.0, -5.0, 11.0), gel_radius_mm=45.0)
LAYOUTS = [
    (order, flips)
    for order in itertools.permutations(range(3))
    for count in range(4)
    for flips in itertools.combinations(range(3), count)
]


def reconstructed(folder: Path, recipe: Recipe = GEL) -> NiftiResult:
    (scan,) = scans_under([folder])
    return reconstruct_scan(scan, recipe)


def converted(folder: Path, out: Path) -> None:
    """What dcm2niix makes of DICOM files, named after BIDS; the sidecars also say that phase has no unit."""
    out.mkdir()
    result = programs.run("dcm2niix", "-b", "y", "-z", "y", "-f", "%s_%e", "-o", out, folder)
    assert result.returncode == 0, result.stdout
    for path in sorted(out.glob("*.json")):
        said = json.loads(path.read_text())
        part = "phase" if path.stem.endswith("_ph") else "mag"
        name = f"sub-01_echo-{said['EchoNumber']}_part-{part}_MEGRE"
        path.with_suffix(".nii.gz").replace(out / f"{name}.nii.gz")
        path.rename(out / f"{name}.json").write_text(json.dumps({**said, "Units": "arbitrary"}))


@pytest.mark.peers("dcm2niix")
@pytest.mark.parametrize(
    "orientation", [AXIAL, tilted(SAGITTAL, 15.0, 10.0)], ids=["axial", "oblique sagittal"]
)
def test_dcm2niixs_files_give_the_map_of_the_dicom_images(orientation: Cosines, tmp_path: Path) -> None:
    protocol = quick_protocol(4.7, echo_times_s=(0.006, 0.014, 0.022), orientation=orientation)
    write_classic(simulate(HeadShape(seed=3), protocol), tmp_path / "dicom")
    converted(tmp_path / "dicom", tmp_path / "nifti")
    found = look_at([tmp_path / "dicom"])
    (acquisition,) = eligible(found)
    dicom = result_of(reconstruct_acquisition(found, acquisition, FAST, lambda *_: None))
    nifti = reconstructed(tmp_path / "nifti", FAST)
    moved, same_place = onto(dicom, nifti)
    np.testing.assert_allclose(same_place, dicom.affine, atol=1e-3)
    np.testing.assert_array_equal(moved["mask"], dicom.maps.mask)
    apart = moved["susceptibility"] - dicom.maps.susceptibility
    assert np.abs(apart).max() < 1e-3  # ppm: 1 ppb
    assert float(dicom.maps.susceptibility.std()) > 5e-3
    assert np.abs(moved["total_field"] - dicom.maps.total_field).max() < 1e-3


def onto(target: NiftiResult, other: NiftiResult) -> tuple[dict[str, Any], Any]:
    """Another result's arrays, and its affine, with the target's axes: no value is changed."""
    across = np.linalg.inv(other.affine[:3, :3]) @ target.affine[:3, :3]
    order = np.abs(across).argmax(axis=0)
    signs = np.sign(across[order, range(3)])
    flips = [axis for axis in range(3) if signs[axis] < 0]
    names = ("susceptibility", "mask", "total_field")
    arrays = {name: np.flip(getattr(other.maps, name).transpose(order), flips) for name in names}
    affine = other.affine.copy()
    affine[:3, :3] = other.affine[:3, order]
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (arrays["mask"].shape[axis] - 1)
        affine[:3, axis] *= -1
    return arrays, affine


def measured(orientation: Cosines = AXIAL) -> SimulatedSphere:
    protocol = Protocol(
        echo_times_s=(0.004, 0.010, 0.016),
        shape=(26, 25, 24),
        voxel_mm=(4.0, 4.0, 4.5),
        orientation=orientation,
    )
    return simulate_sphere(SPHERE, protocol)


@pytest.fixture(scope="module")
def sphere() -> SimulatedSphere:
    return measured(tilted(AXIAL, 20.0, 15.0))


@pytest.fixture(scope="module")
def usual(sphere: SimulatedSphere, tmp_path_factory: pytest.TempPathFactory) -> NiftiResult:
    """Its map, from files with the engine's axes."""
    folder = tmp_path_factory.mktemp("usual")
    write(folder, sphere.stack, sphere.affine)
    return reconstructed(folder)


@dataclass(repr=False)
class Scene:
    """Arrays that nobody wants to see in a message."""

    sphere: SimulatedSphere
    usual: NiftiResult
    folders: pytest.TempPathFactory


@pytest.fixture(scope="module")
def scene(sphere: SimulatedSphere, usual: NiftiResult, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(sphere, usual, tmp_path_factory)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.sampled_from(LAYOUTS), st.booleans())
def test_a_sphere_is_positive_and_in_its_place_for_every_affine(
    scene: Scene, layout: tuple[Sequence[int], Sequence[int]], whole: bool
) -> None:
    folder, sphere = scene.folders.mktemp("scan"), scene.sphere
    order, flips = layout
    write(folder, sphere.stack, sphere.affine, order=order, flips=flips, whole=whole)
    found = reconstructed(folder)
    chi = found.maps.susceptibility
    assert chi.shape == tuple(sphere.stack.grid.shape[axis] for axis in order)
    truth = np.flip(np.transpose(sphere.susceptibility_ppm, order), flips)
    inside, around = ((truth > 0.49) & found.maps.mask, (truth == 0) & found.maps.mask)
    assert float(chi[inside].mean() - chi[around].mean()) == pytest.approx(SPHERE.chi_ppm, rel=0.25)
    right, anterior, superior, _ = found.affine @ (*np.unravel_index(np.argmax(chi), chi.shape), 1.0)
    assert np.linalg.norm(np.array([-right, -anterior, superior]) - SPHERE.offset_mm) <= SPHERE.radius_mm
    moved, affine = onto(scene.usual, found)
    np.testing.assert_allclose(affine, scene.usual.affine, atol=1e-3)
    if tuple(order) == (0, 1, 2):  # which way round a file counts changes no bit
        np.testing.assert_array_equal(moved["susceptibility"], scene.usual.maps.susceptibility)


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 0, 1), (1, 0, 2)])
def test_exchanged_axes_change_no_bit_where_the_converter_says_the_scanners(
    order: tuple[int, int, int], scene: Scene, tmp_path: Path
) -> None:
    cosines = list(scene.sphere.protocol.orientation)
    said = {"ImageOrientationPatientDICOM": cosines}
    write(tmp_path, scene.sphere.stack, scene.sphere.affine, order=order, flips=(1,), **said)
    moved, _ = onto(scene.usual, reconstructed(tmp_path))
    np.testing.assert_array_equal(moved["susceptibility"], scene.usual.maps.susceptibility)


def test_a_vendor_that_counts_the_other_way_is_turned(
    sphere: SimulatedSphere, usual: NiftiResult, tmp_path: Path
) -> None:
    against = replace(sphere.stack, phase=-sphere.stack.phase)
    write(tmp_path, against, sphere.affine, Manufacturer="GE")
    found = reconstructed(tmp_path)
    np.testing.assert_array_equal(found.maps.susceptibility, usual.maps.susceptibility)
    assert "direction of phase (GE): taken as falling with the field" in found.remarks


def test_a_vendor_that_nobody_names_is_said(
    sphere: SimulatedSphere, usual: NiftiResult, tmp_path: Path
) -> None:
    write(tmp_path, sphere.stack, sphere.affine, Manufacturer=None)
    found = reconstructed(tmp_path)
    np.testing.assert_array_equal(found.maps.susceptibility, usual.maps.susceptibility)
    assert any(remark.startswith("direction of phase (unknown vendor)") for remark in found.remarks)
    assert not any(remark.startswith("direction of phase") for remark in usual.remarks)


def alternating(sphere: SimulatedSphere) -> Any:
    turned = sphere.stack.phase.copy()
    turned[..., 1::2] += np.float32(np.pi)
    return replace(sphere.stack, phase=np.angle(np.exp(1j * turned)))


def test_slices_that_alternate(sphere: SimulatedSphere, tmp_path: Path) -> None:
    write(tmp_path / "a", alternating(sphere), sphere.affine)
    with pytest.raises(NotEligible, match=r"sub-01_MEGRE: phase goes by half a turn from slice to slice"):
        reconstructed(tmp_path / "a")
    write(tmp_path / "b", alternating(sphere), sphere.affine, Manufacturer="GE")
    assert "slices alternated in sign: every second one negated" in reconstructed(tmp_path / "b").remarks


@pytest.mark.parametrize(
    ("said", "check", "severity"),
    [
        ({"ContrastBolusIngredient": "GADOLINIUM"}, "contrast_agent", "withhold"),
        ({"BodyPart": "NECK"}, "neck", "withhold"),
        ({"MRAcquisitionType": "2D"}, "dimensions", "warn"),
    ],
)
def test_sidecars_are_judged_as_headers_are(
    said: dict[str, str], check: str, severity: str, sphere: SimulatedSphere, tmp_path: Path
) -> None:
    write(tmp_path, sphere.stack, sphere.affine, **said)
    found = reconstructed(tmp_path)
    assert (check, severity) in {(finding.check, finding.severity) for finding in found.findings}
    assert found.withheld is (severity == "withhold")


@pytest.mark.parametrize(
    ("said", "check"),
    [
        ({"SliceThickness": 2.0}, "gaps"),
        ({"MagneticFieldStrength": 0.5, "ImagingFrequency": 21.3}, "b0_axis"),
    ],
)
def test_what_headers_forbid_sidecars_forbid(
    said: dict[str, float], check: str, sphere: SimulatedSphere, tmp_path: Path
) -> None:
    write(tmp_path, sphere.stack, sphere.affine, **said)
    with pytest.raises(NotEligible) as caught:
        reconstructed(tmp_path)
    assert [finding.check for finding in caught.value.findings] == [check]


def test_regions_come_as_labels_alone(sphere: SimulatedSphere, tmp_path: Path) -> None:
    import nibabel

    write(tmp_path / "scan", sphere.stack, sphere.affine, flips=(1,))
    labels = nibabel.Nifti1Image((sphere.susceptibility_ppm > 0.49).astype(np.uint8), TO_RAS @ sphere.affine)
    (tmp_path / "roi.nii").write_bytes(labels.to_bytes())
    (tmp_path / "roi.tsv").write_text("index\tname\n1\tsphere\n2\tnothing\n")
    (scan,) = scans_under([tmp_path / "scan"])
    found = reconstruct_scan(scan, GEL, roi=tmp_path / "roi.nii")
    assert "nothing: no voxel was drawn" in found.remarks
    (region,) = [one for one in found.measurements if one.name != "whole brain"]
    assert region.mean_ppb == pytest.approx(1000 * SPHERE.chi_ppm, rel=0.25)
    with pytest.raises(
        UsageError, match=r"--roi .*: expected a NIfTI label image, as the scan comes in NIfTI"
    ):
        reconstruct_scan(scan, GEL, roi=tmp_path / "roi.dcm")
