"""A small oblique map to draw on, and programs that draw."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from qsmnode.dicom.source import Source
from qsmnode.engine.types import Maps
from tests.products.conftest import make_maps, make_source

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
