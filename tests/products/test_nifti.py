from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from qsmnode.products import nifti
from qsmnode.products.context import ProductContext

Make = Callable[..., ProductContext]


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
    sidecar = json.loads((tmp_path / "out" / nifti.SIDECAR).read_text("utf-8"))
    assert sidecar["Units"]["total_field"] == "Hz"
    assert sidecar["Recipe"]["SHA256"] == made.recipe.hash
    assert sidecar["Quality"]["residual_rad"] == 0.125


def test_equal_maps_are_equal_files_without_identity(context: Make, tmp_path: Path) -> None:
    first, second = (nifti.write(context(), tmp_path / name) for name in "ab")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert {p.stat().st_mode & 0o777 for p in first} == {0o600}
    assert "P-1" not in (tmp_path / "a" / nifti.SIDECAR).read_text("utf-8")


def test_contrasts_are_written_with_their_units(context: Make, tmp_path: Path) -> None:
    rates = np.full(context().maps.susceptibility.shape, 17.5, np.float32)
    written = nifti.write(context(maps={"contrasts": {"r2star": rates}}), tmp_path)
    assert tmp_path / "r2star.nii.gz" in written
    image = nibabel.Nifti1Image.from_bytes(_unpacked(tmp_path / "r2star.nii.gz"))
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), rates)
    assert json.loads((tmp_path / nifti.SIDECAR).read_text("utf-8"))["Units"]["r2star"] == "1/s"


def test_the_library_of_the_transforms_is_named_where_it_is_unusual(context: Make) -> None:
    assert nifti.describe(context())["GeneratedBy"].keys() == {"Name", "Version"}
    other = nifti.describe(context(context={"transforms": "pyfftw 0.15.0"}))
    assert other["GeneratedBy"]["FourierTransforms"] == "pyfftw 0.15.0"


def _unpacked(path: Path) -> bytes:
    import gzip

    return gzip.decompress(path.read_bytes())
