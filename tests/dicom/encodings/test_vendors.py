"""Canon, UIH, Hitachi and everybody unknown: read by the standard's attributes, or held."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from qsmnode.dicom.completeness import assess
from qsmnode.dicom.encodings.registry import encoding_for
from qsmnode.dicom.source import load

COMPONENTS = {"M": "MAGNITUDE", "P": "PHASE"}


def vendor(name: str, change: Any = lambda ds, kind: None) -> Any:
    """Turns an image of the unknown vendor into one of ``name``, phase over one turn in 12 bits."""

    def changed(ds: Dataset) -> None:
        kind = ds.ImageType[2]
        ds.Manufacturer = name
        if kind == "P":
            ds.RescaleSlope, ds.RescaleIntercept = f"{2 * np.pi / 4096:.12g}", f"{-np.pi:.12g}"
        change(ds, kind)

    return changed


@pytest.mark.parametrize(
    ("manufacturer", "name"),
    [
        ("SIEMENS", "Siemens"),
        ("Siemens Healthineers", "Siemens"),
        ("Philips Medical Systems", "Philips"),
        ("GE MEDICAL SYSTEMS", "GE"),
        ("CANON_MEC", "Canon"),
        ("TOSHIBA_MEC", "Canon"),
        ("UIH", "UIH"),
        ("Hitachi Medical Corporation", "Hitachi"),
        ("FUJIFILM Healthcare Corporation", "Hitachi"),
        ("Somebody", "unknown vendor"),
        ("General", "unknown vendor"),
        ("", "unknown vendor"),
    ],
)
def test_a_manufacturer_has_one_encoding(manufacturer: str, name: str) -> None:
    assert encoding_for(manufacturer).name == name


@pytest.mark.parametrize("name", ["CANON_MEC", "UIH", "Hitachi Medical Corporation"])
def test_rescale_values_over_one_turn_are_radians(builder: Any, name: str) -> None:
    made = builder.write(slices=3, vendor="other", change=vendor(name))
    source = load(made.acquisition, made.paths)
    expected = builder.stored("P", 1, 2).astype(float) * 2 * np.pi / 4096 - np.pi
    assert np.allclose(source.stack.phase[1, :, :, 2], expected.T, atol=1e-5)
    assert sum("direction of phase" in word for word in source.warnings) == 1


@pytest.mark.parametrize("name", ["CANON_MEC", "UIH", "Hitachi Medical Corporation"])
@pytest.mark.parametrize("factor", [0.99, 2.0])
def test_rescale_values_over_anything_else_are_held(builder: Any, name: str, factor: float) -> None:
    def other(ds: Dataset, kind: str) -> None:
        if kind == "P":
            ds.RescaleSlope = f"{factor * 2 * np.pi / 4096:.9g}"

    made = builder.write(slices=3, vendor="other", change=vendor(name, other))
    assert "unrecognised phase scaling" in (made.acquisition.held or "")


def test_uih_says_its_kind_by_a_letter_and_counts_its_slices(builder: Any) -> None:
    def uih(ds: Dataset, kind: str) -> None:
        ds.ImageType = ["ORIGINAL", "PRIMARY", kind, "UCA", *(["IF"] if kind == "M" else [])]
        del ds.ComplexImageComponent
        ds.NumberOfSlices = 5

    made = builder.write(slices=3, vendor="other", change=vendor("UIH", uih))
    assert made.acquisition.kinds == ("magnitude", "phase")
    assert assess(made.acquisition).missing == tuple(
        f"{kind}, echoes 1-3, 2 slices of 5 missing" for kind in ("magnitude", "phase")
    )


def test_canon_counts_distortion_correction_as_another_geometry(builder: Any) -> None:
    def canon(ds: Dataset, kind: str) -> None:
        ds.ImageType = ["ORIGINAL", "PRIMARY", *(["GDC"] if kind == "M" else ["OTHER"])]

    made = builder.write(slices=3, vendor="other", change=vendor("CANON_MEC", canon))
    assert "different geometries" in (made.acquisition.held or "")


@pytest.mark.parametrize("name", ["CANON_MEC", "Hitachi Medical Corporation", "Somebody"])
def test_an_image_that_names_no_component_is_no_source(builder: Any, name: str) -> None:
    def silent(ds: Dataset, kind: str) -> None:
        ds.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
        del ds.ComplexImageComponent

    made = builder.write(slices=3, vendor="other", change=vendor(name, silent))
    assert all("neither magnitude" in (header.not_source or "") for header in made.headers)


@pytest.mark.parametrize("name", ["CANON_MEC", "UIH", "Hitachi Medical Corporation", "Somebody"])
def test_a_header_that_contradicts_itself_is_not_believed(builder: Any, name: str) -> None:
    def contradicting(ds: Dataset, kind: str) -> None:
        ds.ComplexImageComponent = "MAGNITUDE"

    made = builder.write(slices=2, vendor="other", change=vendor(name, contradicting))
    assert made.acquisition.kinds == ("magnitude",)
    reasons = {header.not_source for header in made.headers if header.frames[0].kind == "other"}
    assert len(reasons) == 1
    assert "neither magnitude" in (reasons.pop() or "")
