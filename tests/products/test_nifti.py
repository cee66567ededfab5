from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from qsmnode import __version__
from qsmnode.products import nifti
from qsmnode.products.context import ProductContext

Make = Callable[..., ProductContext]
UNITS_OF = {"susceptibility": "ppm", "mask": "arbitrary", "local_field": "ppm", "total_field": "Hz"}


def test_values_and_places_come_back(context: Make, tmp_path: Path) -> None:
    made = context()
    nifti.write(made, tmp_path / "out")
    for name in ("susceptibility", "local_field", "total_field", "mask"):
        image = nibabel.Nifti1Image.from_bytes(_unpacked(tmp_path / "out" / f"{name}.nii.gz"))
        np.testing.assert_array_equal(np.asanyarray(image.dataobj), getattr(made.maps, name))
    right, anterior, superior = nibabel.affines.apply_affine(image.affine, (2, 3, 4))
    left, posterior, up, _ = made.source.affine @ (2, 3, 4, 1)
    assert (right, anterior, superior) == pytest.approx((-left, -posterior, up), abs=1e-4)
    assert image.header.get_zooms() == pytest.approx((0.7, 0.8, 1.3))


def test_every_image_has_a_sidecar_after_bids(context: Make, tmp_path: Path) -> None:
    made = context()
    nifti.write(made, tmp_path)
    said = {name: json.loads((tmp_path / f"{name}.json").read_text("utf-8")) for name in UNITS_OF}
    assert {name: each["Units"] for name, each in said.items()} == UNITS_OF
    assert said["mask"]["Type"] == "Brain"
    for each in said.values():
        (by,) = each["GeneratedBy"]
        assert by["Name"] == "qsmnode"
        assert by["Version"] == __version__
        assert (by["Recipe"], by["RecipeSHA256"]) == (made.recipe.version, made.recipe.hash)
        assert each["EchoTime"] == list(made.source.stack.echo_times_s)
        assert each["ImagingFrequency"] == made.source.stack.imaging_frequency_mhz
        assert each["SourceSHA256"] == made.source.content_sha256
    chi = said["susceptibility"]
    assert chi == nifti.describe(made)
    assert chi["Reference"] == made.maps.reference
    assert chi["Recipe"]["SHA256"] == made.recipe.hash
    assert chi["Quality"]["residual_rad"] == 0.125
    assert chi["Warnings"] == ["2-D acquisition"]
    assert "Quality" not in said["mask"]


def test_equal_maps_are_equal_files_without_identity(context: Make, tmp_path: Path) -> None:
    first, second = (nifti.write(context(), tmp_path / name) for name in "ab")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert {p.stat().st_mode & 0o777 for p in first} == {0o600}
    assert not any("P-1" in path.read_text("utf-8") for path in (tmp_path / "a").glob("*.json"))


def test_contrasts_are_written_with_their_units(context: Make, tmp_path: Path) -> None:
    rates = np.full(context().maps.susceptibility.shape, 17.5, np.float32)
    written = nifti.write(context(maps={"contrasts": {"r2star": rates}}), tmp_path)
    assert tmp_path / "r2star.nii.gz" in written
    image = nibabel.Nifti1Image.from_bytes(_unpacked(tmp_path / "r2star.nii.gz"))
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), rates)
    assert json.loads((tmp_path / "r2star.json").read_text("utf-8"))["Units"] == "1/s"


def test_the_library_of_the_transforms_is_named_where_it_is_unusual(context: Make) -> None:
    assert "FourierTransforms" not in nifti.describe(context())["GeneratedBy"][0]
    other = nifti.describe(context(context={"transforms": "pyfftw 0.15.0"}))
    assert other["GeneratedBy"][0]["FourierTransforms"] == "pyfftw 0.15.0"


def _unpacked(path: Path) -> bytes:
    import gzip

    return gzip.decompress(path.read_bytes())
