"""Identical input gives identical files of every product: again, on other threads, in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from qsmnode.phantom.head import HeadShape, Protocol, simulate
from qsmnode.phantom.siemens import write_classic
from qsmnode.products.context import ProductContext
from qsmnode.products.registry import PRODUCTS
from tests.acceptance.making import context_of, make

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slab of a head as a scanner writes it: few slices are few files."""
    folder = tmp_path_factory.mktemp("images")
    protocol = Protocol(echo_times_s=(0.005, 0.015, 0.025), shape=(32, 40, 12), voxel_mm=(5.0, 5.0, 5.0))
    write_classic(simulate(HeadShape(3), protocol), folder)
    return folder


@pytest.fixture(scope="module")
def context(images: Path) -> ProductContext:
    return context_of(images, 1)


@pytest.fixture(scope="module")
def first(context: ProductContext, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything, made on one thread."""
    folder = tmp_path_factory.mktemp("first")
    make(context, folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def differing(one: Path, other: Path) -> list[str]:
    """Names of the files that differ or that only one has."""
    a, b = contents(one), contents(other)
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def test_every_product_is_among_them(first: Path) -> None:
    made = {name.rsplit("-", 1)[0] for name in contents(first) if name.endswith(".dcm")}
    assert made == {*PRODUCTS, "page-pdf"}
    (segments,) = (pydicom.dcmread(path) for path in first.glob("segmentation-*.dcm"))
    assert len(segments.SegmentSequence) == 4, "brain and three regions"


def test_made_again_they_are_the_same_bytes(context: ProductContext, first: Path, tmp_path: Path) -> None:
    make(context, tmp_path)
    assert differing(first, tmp_path) == []


def test_in_another_process_on_two_threads_they_are_the_same_bytes(
    images: Path, first: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    # what a process may differ in: order of sets, time zone, language, folder, threads of the libraries
    others = {"PYTHONHASHSEED": "7", "TZ": "Asia/Kathmandu", "LC_ALL": "C", "NUMBA_NUM_THREADS": "2"}
    others |= {"QSMNODE_THREADS": "2", "OMP_NUM_THREADS": "2", "PYTHONPATH": str(_ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.acceptance.making", images, out, "2"],
        cwd=tmp_path,
        env={**os.environ, **others},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert differing(first, out) == []


def test_one_changed_value_is_noticed(first: Path, tmp_path: Path) -> None:

    (path,) = first.glob("report-*.dcm")
    other = pydicom.dcmread(path)
    other.ContentTime = "235959"
    for file in first.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    other.save_as(tmp_path / path.name)
    assert differing(first, tmp_path) == [path.name]
