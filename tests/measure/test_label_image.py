from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from qsmnode.errors import NotEligible
from qsmnode.measure import label_image, lookup
from qsmnode.measure.grids import Box
from qsmnode.measure.structures import REGION_OF_INTEREST

SHAPE = (8, 7, 6)
LPS = np.array([[0.8, 0, 0, -3], [0, 1.0, 0, 5], [0, 0, 1.5, -20], [0, 0, 0, 1]])
RAS = np.diag([-1.0, -1, 1, 1]) @ LPS
BOX = Box(SHAPE, LPS)
ROWS: list[dict[str, Any]] = [
    {"number": 2, "name": "Putamen", "code": "", "laterality": "left"},
    {"number": 5, "name": "lesion 1", "code": "50960005", "laterality": "n/a"},
]


def labels() -> np.ndarray:
    made = np.zeros(SHAPE, np.int16)
    made[1:3, 2:5, 1:3] = 2
    made[5:7, 1, 4] = 5
    return made


def written(
    folder: Path, data: np.ndarray | None = None, affine: np.ndarray | None = RAS, rows: Any = ROWS
) -> Path:
    path = folder / "rois.nii.gz"
    image = nibabel.Nifti1Image(labels() if data is None else data, affine)
    if affine is None:
        image.header["sform_code"] = image.header["qform_code"] = 0
    nibabel.save(image, path)
    (folder / "rois.json").write_text(rows if isinstance(rows, str) else json.dumps(rows))
    return path


def test_labels_come_with_name_side_and_code(tmp_path: Path) -> None:
    first, second = label_image.read(written(tmp_path), BOX)
    assert (first.title, first.number, first.structure.value) == ("Putamen left", 2, "89278009")
    assert (second.title, second.number, second.structure.value) == ("lesion 1", 5, "50960005")
    np.testing.assert_array_equal(first.mask, labels() == 2)
    np.testing.assert_array_equal(second.mask, labels() == 5)
    assert (first.drawn_voxels, first.beyond_voxels, first.automatic) == (12, 0, False)


def test_a_table_with_tabs_says_the_same_and_may_be_one_of_bids(tmp_path: Path) -> None:
    path = written(tmp_path)
    (tmp_path / "rois.json").unlink()
    (tmp_path / "rois.tsv").write_text(
        "index\tname\tlaterality\tcolor\n2\tPutamen\tL\t#00ff00\n5\tmy nucleus\tn/a\t#ff0000\n"
    )
    first, second = label_image.read(path, BOX)
    assert (first.title, second.title) == ("Putamen left", "my nucleus")
    assert second.structure == REGION_OF_INTEREST


def test_another_grid_of_the_space_is_looked_up(tmp_path: Path) -> None:
    fine = np.repeat(np.repeat(np.repeat(labels()[::-1], 2, 0), 2, 1), 2, 2).astype(np.float32)
    flipped = np.diag([-1.0, 1, 1, 1])
    flipped[0, 3] = SHAPE[0] - 1
    half = np.diag([0.5, 0.5, 0.5, 1.0])
    half[:3, 3] = -0.25
    regions = label_image.read(written(tmp_path, fine, RAS @ flipped @ half), BOX)
    np.testing.assert_array_equal(regions[0].mask, labels() == 2)
    assert regions[0].drawn_voxels == 8 * 12


def test_a_part_beyond_the_images_is_counted(tmp_path: Path) -> None:
    moved = LPS.copy()
    moved[2, 3] += 2 * 1.5
    first, second = label_image.read(written(tmp_path), Box(SHAPE, moved))
    assert (first.beyond_voxels, np.count_nonzero(first.mask)) == (6, 6)
    assert (second.beyond_voxels, np.count_nonzero(second.mask)) == (0, 2)


def test_a_label_without_a_voxel_is_a_region_all_the_same(tmp_path: Path) -> None:
    rows = [*ROWS, {"number": 9, "name": "thalamus"}]
    *_, last = label_image.read(written(tmp_path, rows=rows), BOX)
    assert (last.title, last.drawn_voxels, last.mask.any()) == ("thalamus", 0, False)


def _nan() -> np.ndarray:
    made = labels().astype(np.float32)
    made[0, 0, 0] = np.nan
    return made


FAR = RAS.copy()
FAR[0, 3] += 500
FLAT = RAS.copy()
FLAT[:, 1] = FLAT[:, 0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"affine": FAR},
            "no label lies in the map's field of view; expected a label image in the same space",
        ),
        ({"data": _nan()}, "whole numbers, got 1 voxels of NaN"),
        ({"data": labels() / 4.0}, "whole numbers, got fractions"),
        ({"data": -labels()}, "labels from 1 and 0 for none, got -5"),
        ({"data": np.zeros(SHAPE, np.uint8)}, "expected labels, got 0 everywhere"),
        ({"data": labels().astype(np.int32) * 20000}, "labels up to 65535, got 100000"),
        ({"data": labels().astype(np.complex64)}, "whole numbers, got complex64"),
        ({"data": np.stack([labels()] * 2, -1)}, "expected three dimensions"),
        ({"affine": None}, "place in space .sform or qform., got neither"),
        ({"affine": FLAT}, "got one without volume"),
        ({"rows": ROWS[:1]}, "lookup names no label 5; add a line for each"),
        ({"rows": "{"}, "rois.json: no readable lookup of labels"),
        ({"rows": "[" * 100000}, "rois.json: no readable lookup of labels"),
        ({"rows": {"2": "Putamen"}}, "expected a list such as"),
        ({"rows": []}, "expected 1 to 256 regions, got 0"),
        ({"rows": [{"number": 2}]}, "entry 1: name: expected up to 48 letters"),
        ({"rows": [{"number": 2, "name": "=SUM(A1)"}]}, "name: expected up to 48 letters"),
        ({"rows": [{"number": 2, "name": "x" * 49}]}, "name: expected up to 48 letters"),
        ({"rows": [{"number": 0, "name": "x"}]}, "number: expected a whole number from 1 to 65535, got '0'"),
        ({"rows": [{"number": 1.5, "name": "x"}]}, "number: expected a whole number from 1 to 65535"),
        ({"rows": [{"number": True, "name": "x"}]}, "number: expected a whole number"),
        ({"rows": [{"number": 2, "name": "x", "laterality": "both"}]}, "laterality: expected left, right or"),
        (
            {"rows": [{"number": 2, "name": "x", "code": "T-A2500"}]},
            "code: expected a SNOMED CT code of digits",
        ),
        ({"rows": [{"number": 2, "name": "x", "colour": "red"}]}, "got 'colour' beside them"),
        ({"rows": [ROWS[0], {**ROWS[1], "number": 2}]}, "each number once, got 2 twice"),
        ({"rows": [ROWS[0], {**ROWS[0], "number": 5}]}, "each name once per side, got 'Putamen' twice"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(NotEligible, match=words):
        label_image.read(written(tmp_path, **changes), BOX)


def test_a_missing_lookup_and_a_file_that_is_no_image_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(NotEligible, match=r"rois\.nii\.gz: no readable NIfTI image"):
        label_image.read(path, BOX)
    path.write_bytes(b"no image")
    with pytest.raises(NotEligible, match=r"rois\.nii\.gz: no readable NIfTI image"):
        label_image.read(path, BOX)
    (tmp_path / "rois.json").unlink()
    with pytest.raises(NotEligible, match=r"expected rois\.json or rois\.tsv beside it"):
        label_image.read(path, BOX)


def test_names_are_cleaned_for_every_document() -> None:
    assert lookup.cleaned("  Noyau  caud\u00e9\n ") == "Noyau caude"
    assert lookup.cleaned("=cmd|x") == "cmd"
    assert lookup.cleaned("\u5c71") == ""


@pytest.mark.parametrize(
    ("name", "side", "expected"),
    [
        ("Putamen left", "left", "Putamen"),
        ("Left putamen", "left", "putamen"),
        ("Putamen, left", "left", "Putamen"),
        ("Putamen left", "", "Putamen left"),
        ("Putamen left", "right", "Putamen left"),
        ("left", "left", "left"),
    ],
)
def test_a_side_is_stated_once(name: str, side: str, expected: str) -> None:
    assert lookup.without_side(name, side) == expected
