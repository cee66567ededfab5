"""A small oblique map to draw on, and programs that draw."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import nibabel
import numpy as np
import pytest

from qsmnode.dicom.source import Source
from qsmnode.engine.types import Maps
from qsmnode.measure.regions import Region, measure_regions
from qsmnode.measure.statistics import whole_brain
from qsmnode.measure.structures import named
from qsmnode.products import segmentation
from qsmnode.products.context import ProductContext
from qsmnode.products.storage import write
from tests.products.conftest import FixedRecipe, make_maps, make_source

TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
LOOKUP = "number\tname\n1\tlesion\n"


@pytest.fixture
def source() -> Source:
    return make_source()


@pytest.fixture
def maps(source: Source) -> Maps:
    return make_maps(source)


@pytest.fixture
def labels(source: Source) -> Callable[..., Path]:
    """labels(path, values, affine=the source's, lookup=...): a label image in LPS axes with its lookup."""

    def write(path: Path, values: np.ndarray, affine: np.ndarray | None = None, lookup: str = LOOKUP) -> Path:
        placed = TO_RAS @ (source.affine if affine is None else affine)
        nibabel.save(nibabel.Nifti1Image(values, placed), path)
        path.with_name(f"{path.name.partition('.nii')[0]}.tsv").write_text(lookup)
        return path

    return write


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """program(python): a file that can be run; `place` is the folder that it is given."""

    def write(body: str) -> str:
        path = tmp_path / "segmenter"
        head = f"#!{sys.executable} -S\nimport os, shutil, subprocess, sys, time\nplace = sys.argv[-1]\n"
        path.write_text(head + body)
        path.chmod(0o700)
        return str(path)

    return write


@pytest.fixture
def seg(source: Source, maps: Maps, tmp_path: Path) -> Path:
    """A segmentation of the study that a workstation might have made, under a name of its own."""
    brain = whole_brain(maps)
    assert brain is not None
    lesion = Region("lesion", "", 1, maps.mask & (np.indices(maps.mask.shape)[0] > 5), named("lesion"), "x")
    context = ProductContext(
        source=source,
        maps=maps,
        measurements=(brain,),
        recipe=FixedRecipe(),
        created_at=datetime(2026, 3, 4, 12, 30, tzinfo=UTC),
        regions=measure_regions(maps, [lesion]),
    )
    (path,) = write(segmentation.build(context), tmp_path / "made", "any")
    return path
