"""Recipes with optional steps, and without a usual one: through real files, to everything that is made."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from qsmnode.dicom.source import Source, load
from qsmnode.engine import Recipe, fourier
from qsmnode.engine.contrasts import UNITS
from qsmnode.node import reconstruction
from qsmnode.node.offline import eligible, look_at
from qsmnode.node.reconstruction import reconstructed
from qsmnode.phantom.protocol import Protocol
from qsmnode.phantom.siemens import write_classic
from qsmnode.phantom.sphere import Sphere, simulate_sphere
from qsmnode.products import nifti, report_sr
from qsmnode.products.registry import PRODUCTS, usual

TIME = datetime(2026, 1, 1)  # noqa: DTZ001 - a time inside objects
PLAIN = {"preset": "fast", "mask": "signal"}
OPTIONAL = {"passes": "two", "r2star": "arlo", "swi": "clear", "separation": "r2star_qsm"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A sphere in gel, read from a scanner's files."""
    folder = tmp_path_factory.mktemp("sphere")
    protocol = Protocol(echo_times_s=(0.004, 0.010, 0.016), shape=(28, 28, 28), voxel_mm=(3.5, 3.5, 3.5))
    sphere = Sphere(radius_mm=12.0, chi_ppm=0.5, offset_mm=(6.0, -5.0, 8.0), gel_radius_mm=42.0)
    write_classic(simulate_sphere(sphere, protocol), folder)
    found = look_at([folder])
    (acquisition,) = eligible(found)
    return load(acquisition, found.paths)


@pytest.mark.parametrize(
    ("steps", "images"),
    [
        (OPTIONAL, set(UNITS)),
        ({"offset": "none", "inversion": {"method": "tgv", "iterations": 20}}, set()),
    ],
    ids=["every optional step", "no background removal"],
)
def test_every_product_and_file_can_be_made(
    steps: dict[str, Any], images: set[str], source: Source, tmp_path: Path
) -> None:
    recipe = Recipe.from_mapping({**PLAIN, **steps})
    context = reconstructed(source, recipe, TIME)
    assert set(context.maps.contrasts) == images

    made = {name: PRODUCTS[name].build(context) for name in usual(context)}
    assert set(made) == {"qsm", "report", "page"} | images
    assert len(made["qsm"]) == len(source.slices)
    said = "\n".join(report_sr.parameters(context))
    for step in recipe.steps:
        assert f"\n{step}: {recipe.steps[step].method.name}" in said

    nifti.write(context, tmp_path)
    sidecar = json.loads((tmp_path / nifti.SIDECAR).read_text("utf-8"))
    assert set(sidecar["Recipe"]["Steps"]) == set(recipe.steps)
    for name in images:
        stored = np.asanyarray(nibabel.load(tmp_path / f"{name}.nii.gz").dataobj)
        np.testing.assert_array_equal(stored, context.maps.contrasts[name])
        beside = json.loads((tmp_path / f"{name}.json").read_text("utf-8"))
        assert beside["Units"] == UNITS[name]


def test_an_unusual_library_of_transforms_reaches_the_products(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe.from_mapping(PLAIN)
    usual = reconstructed(source, recipe, TIME)
    assert fourier.backend_name().startswith("scipy ")
    assert usual.transforms == ""
    monkeypatch.setattr(reconstruction, "backend_name", lambda: "mkl 2.1.0")
    assert reconstructed(source, recipe, TIME).transforms == "mkl 2.1.0"
