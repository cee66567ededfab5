"""Maps as a derivative dataset: names, units and description after BIDS."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from qsmnode import __version__
from qsmnode.engine.contrasts import UNITS
from qsmnode.errors import UsageError
from qsmnode.products import nifti, nifti_dataset
from qsmnode.products.context import ProductContext
from qsmnode.products.nifti_dataset import Place

Make = Callable[..., ProductContext]
PLACE = Place(("sub-01", "ses-a", "acq-fine", "run-2"))
STEM = "sub-01_ses-a_acq-fine_run-2"


def made(context: Make) -> nifti.NiftiResult:
    """One with every image that a recipe can ask for."""
    rates = np.full(context().maps.susceptibility.shape, 17.5, np.float32)
    result = nifti.result_of(context(maps={"contrasts": dict.fromkeys(UNITS, rates)}))
    return replace(result, sources=("bids:raw:sub-01/ses-a/anat/a.nii.gz",))


def test_names_units_and_values(context: Make, tmp_path: Path) -> None:
    result = made(context)
    nifti_dataset.start(tmp_path)
    written = nifti_dataset.write(result, tmp_path, PLACE)
    images = {path.relative_to(tmp_path).as_posix() for path in written if path.name.endswith(".nii.gz")}
    top = "sub-01/ses-a"
    assert images == {
        f"{top}/anat/{STEM}_Chimap.nii.gz",
        f"{top}/anat/{STEM}_desc-brain_mask.nii.gz",
        f"{top}/anat/{STEM}_R2starmap.nii.gz",
        f"{top}/anat/{STEM}_desc-positive_Chimap.nii.gz",
        f"{top}/anat/{STEM}_desc-negative_Chimap.nii.gz",
        f"{top}/anat/{STEM}_swi.nii.gz",
        f"{top}/anat/{STEM}_minIP.nii.gz",
        f"{top}/fmap/{STEM}_desc-total_fieldmap.nii.gz",
        f"{top}/fmap/{STEM}_desc-local_fieldmap.nii.gz",
    }
    said = {path.name: json.loads(path.read_text("utf-8")) for path in written if path.suffix == ".json"}
    assert len(said) == len(images)
    assert said[f"{STEM}_Chimap.json"]["Units"] == "ppm"
    assert said[f"{STEM}_R2starmap.json"]["Units"] == "1/s"
    for name in ("total", "local"):
        assert said[f"{STEM}_desc-{name}_fieldmap.json"]["Units"] == "Hz"
    assert all(each["Sources"] == list(result.sources) for each in said.values())
    local = nibabel.Nifti1Image.from_filename(tmp_path / top / f"fmap/{STEM}_desc-local_fieldmap.nii.gz")
    hertz = result.maps.local_field * np.float32(result.imaging_frequency_mhz)
    np.testing.assert_array_equal(np.asanyarray(local.dataobj), hertz)
    chi = nibabel.Nifti1Image.from_filename(tmp_path / top / f"anat/{STEM}_Chimap.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(chi.dataobj), result.maps.susceptibility)


def test_the_dataset_describes_itself_and_its_source(tmp_path: Path) -> None:
    raw, out = tmp_path / "raw", tmp_path / "raw/derivatives/qsmnode"
    nifti_dataset.start(out, raw)
    said = json.loads((out / "dataset_description.json").read_text("utf-8"))
    assert said["DatasetType"] == "derivative"
    assert said["BIDSVersion"] == "1.10.0"
    assert said["GeneratedBy"] == [{"Name": "qsmnode", "Version": __version__}]
    assert said["DatasetLinks"] == {"raw": "../.."}  # bids:raw: begins there
    assert (out / ".bidsignore").read_text("utf-8").split() == ["*_swi.*", "*_minIP.*"]
    assert "Research use" in (out / "README").read_text("utf-8")


def test_the_same_again_is_the_same_bytes(context: Make, tmp_path: Path) -> None:
    for name in "ab":
        nifti_dataset.start(tmp_path / name)
        nifti_dataset.write(made(context), tmp_path / name, PLACE)
        nifti_dataset.start(tmp_path / name)
    first, second = (
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in "ab"
    )
    assert first == second
    assert len(first) == 21


@pytest.mark.parametrize("text", ['{"Name": "somebody else\'s"}', "no JSON"])
def test_another_dataset_is_left_alone(text: str, tmp_path: Path) -> None:
    path = tmp_path / "dataset_description.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"dataset_description.json: .*choose another folder for --bids"):
        nifti_dataset.start(tmp_path)
    assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot be written \(.*\); choose another --bids"):
        nifti_dataset.start(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ((), "add --subject LABEL"),
        (("ses-a",), "add --subject LABEL"),
        (("sub-a_b",), "expected key-label of letters and digits"),
        (("sub-01", "../x"), "expected key-label of letters and digits"),
        (("sub-", "run-1"), "expected key-label of letters and digits"),
    ],
)
def test_a_name_that_bids_does_not_allow(pieces: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Place(pieces)


def test_two_maps_of_one_name_are_found() -> None:
    one, other = Place(("sub-01",)), Place(("sub-01", "run-2"))
    assert nifti_dataset.collisions([one, other]) == []
    assert nifti_dataset.collisions([one, other, one]) == ["sub-01/anat/sub-01_Chimap"]
