"""Regions from a site's folder: the right file, none, too many, and one that comes later."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian

from qsmnode.config import RegionFolder
from qsmnode.dicom.source import Source
from qsmnode.engine.types import Maps
from qsmnode.measure.statistics import whole_brain
from qsmnode.node.regions.drawn import Drawn, measured
from qsmnode.node.regions.folder import FolderLook

Make = Callable[..., Path]
SERIES = ("1.2.3.4.5", "1.2.3.4.6")


def _drawn(folder: Path, source: Source, wait_s: float = 0.0) -> Drawn:
    settings = RegionFolder(folder=folder, wait_s=wait_s)
    return FolderLook(settings, SERIES).draw(source)


def _failure(drawn: Drawn) -> tuple[str, str]:
    assert drawn.regions == ()
    assert drawn.failure is not None
    return drawn.failure.kind, drawn.failure.words


@pytest.mark.parametrize("name", ["1.2.3.4", "A17", *SERIES])
def test_labels_are_found_by_study_accession_number_and_series(
    name: str, source: Source, maps: Maps, labels: Make, tmp_path: Path
) -> None:
    folder = tmp_path / "rois"
    folder.mkdir()
    labels(folder / "9.9.nii.gz", np.ones(maps.mask.shape, np.uint8))
    assert _failure(_drawn(folder, source))[0] == "regions_none"
    labels(folder / f"{name}.nii.gz", maps.mask.astype(np.uint8))
    (one,), failure = measured(maps, _drawn(folder, source))
    assert failure is None
    assert one.measurement is not None
    brain = whole_brain(maps)
    assert brain is not None
    assert replace(one.measurement, name=brain.name) == brain
    assert {path.name for path in folder.iterdir()} == {
        "9.9.nii.gz",
        "9.9.tsv",
        f"{name}.nii.gz",
        f"{name}.tsv",
    }


def test_a_segmentation_is_found_by_what_it_names_and_never_that_of_another_study(
    source: Source, seg: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "rois"
    folder.mkdir()
    foreign = pydicom.dcmread(seg)
    foreign.StudyInstanceUID = "1.2.999"
    foreign.save_as(folder / "DOE^JANE.dcm")
    (folder / "notes.txt").write_text("no regions")
    assert _failure(_drawn(folder, source)) == (
        "regions_none",
        "no file of regions of this study came into the folder",
    )
    seg.rename(folder / "whatever.dcm")
    (region,) = _drawn(folder, source).regions
    assert region.title == "lesion"
    deflated = pydicom.dcmread(folder / "whatever.dcm")
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    (folder / "whatever.dcm").unlink()
    deflated.save_as(folder / "deflated.dcm")
    assert [one.digest for one in _drawn(folder, source).regions] == [region.digest]
    foreign.save_as(folder / "1.2.3.4.dcm")
    kind, words = _failure(_drawn(folder, source))
    assert (kind, words.split(";")[0]) == ("regions_unusable", "*.dcm: it belongs to another study")


def test_two_that_fit_alike_are_never_guessed_between(source: Source, seg: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rois"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / name).write_bytes(seg.read_bytes())
    kind, words = _failure(_drawn(folder, source))
    assert kind == "regions_several"
    assert words.startswith("2 files belong to it alike")
    (folder / f"{SERIES[0]}.dcm").write_bytes(seg.read_bytes())
    assert _drawn(folder, source).failure is None


def test_what_is_no_file_of_regions_is_a_reason(source: Source, labels: Make, tmp_path: Path) -> None:
    folder = tmp_path / "rois"
    assert _failure(_drawn(folder, source)) == (
        "regions_unavailable",
        "the folder of regions cannot be read (No such file or directory)",
    )
    folder.mkdir()
    (folder / "1.2.3.4.nii.gz").write_bytes(b"\x1f\x8b" + bytes(50))
    assert _failure(_drawn(folder, source))[0] == "regions_unusable"
    (folder / "1.2.3.4.nii.gz").unlink()
    labels(folder / "A17.nii", np.ones((4, 4, 4), np.uint8)).with_name("A17.tsv").unlink()
    kind, words = _failure(_drawn(folder, source))
    assert kind == "regions_unusable"
    assert words.startswith("*.nii: expected *.json or *.tsv beside it")
    (folder / "1.2.3.4.dcm").write_bytes(bytes(128) + b"DICM" + bytes(9))
    assert _failure(_drawn(folder, source))[0] == "regions_unusable"


def test_a_file_that_comes_later_is_waited_for(source: Source, seg: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rois"
    folder.mkdir()
    (folder / "1.2.3.4.dcm").write_bytes(seg.read_bytes()[:700])  # still on its way

    def whole() -> None:
        time.sleep(0.1)
        seg.replace(folder / "1.2.3.4.dcm")

    thread = threading.Thread(target=whole)
    thread.start()
    try:
        assert _drawn(folder, source, wait_s=60).failure is None
    finally:
        thread.join()


def test_waiting_in_vain_says_how_long(source: Source, tmp_path: Path) -> None:
    (tmp_path / "rois").mkdir()
    assert _failure(_drawn(tmp_path / "rois", source, wait_s=0.2))[1].endswith(
        "came into the folder within 0.2 s"
    )
