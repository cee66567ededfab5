"""A site's program draws: what it gets, what may go wrong, and that nothing of it stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from qsmnode.config import RegionProgram
from qsmnode.dicom.source import Source
from qsmnode.engine.types import Maps
from qsmnode.measure.statistics import whole_brain
from qsmnode.node.regions import guard
from qsmnode.node.regions.drawn import Drawn, measured
from qsmnode.node.regions.program import draw_by_program

Write = Callable[[str], str]
COPY = """
shutil.copy("mask.nii.gz", place + "/labels.nii.gz")
open(place + "/labels.tsv", "w").write("number\\tname\\tlaterality\\n1\\tputamen\\tleft\\n")
"""


def _draw(maps: Maps, source: Source, place: Path, *command: str, timeout_s: float = 60.0) -> Drawn:
    settings = RegionProgram(program=command, timeout_s=timeout_s)
    try:
        return draw_by_program(settings, place / "private", 3, maps, source)
    finally:
        assert not (place / "private").exists()


def _gone(pid: int) -> bool:
    """Whether a process has ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _until_gone(pid: int) -> None:
    deadline = time.monotonic() + 30
    while not _gone(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_its_labels_are_measured_like_those_of_a_file(
    maps: Maps, source: Source, program: Write, tmp_path: Path
) -> None:
    said = "print(sorted(os.environ), os.getcwd() == place, oct(os.stat(place).st_mode), sys.argv[1:])"
    drawn = _draw(maps, source, tmp_path, program(COPY + said), "--fast")
    (one,), failure = measured(maps, drawn)
    assert failure is None
    np.testing.assert_array_equal(one.region.mask, maps.mask)
    assert (one.title, one.region.automatic) == ("putamen left", True)
    assert one.region.drawn_by == "program segmenter"
    brain = whole_brain(maps)
    assert brain is not None
    assert one.measurement is not None
    assert replace(one.measurement, name=brain.name) == brain
    names = ["HOME", "LANG", "OMP_NUM_THREADS", "PATH", "TMPDIR"]
    (line,) = drawn.output
    environment, rest = line.split("] ", 1)
    assert set(environment.strip("[]").replace("'", "").split(", ")) - {"LC_CTYPE"} == set(names)
    assert rest == "True 0o40700 ['--fast', '.']"


def test_the_images_are_the_maps_in_their_place(
    maps: Maps, source: Source, program: Write, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    drawn = _draw(maps, source, tmp_path, program(f"shutil.copytree(place, {str(kept)!r})"))
    assert drawn.failure is not None
    assert drawn.failure.kind == "program_nothing"
    found = {path.name: nibabel.Nifti1Image.from_filename(path) for path in kept.iterdir()}
    assert set(found) == {"magnitude.nii.gz", "susceptibility.nii.gz", "mask.nii.gz"}
    chi = np.asanyarray(found["susceptibility.nii.gz"].dataobj)
    np.testing.assert_array_equal(chi, maps.susceptibility)
    for image in found.values():
        assert image.shape == maps.mask.shape
        np.testing.assert_allclose(image.affine, np.diag([-1, -1, 1, 1]) @ source.affine, atol=1e-5)


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ("sys.exit(3)", "program_failed", "it ended with exit code 3"),
        ("os.abort()", "program_failed", "it ended by signal 6"),
        (COPY + "sys.exit(1)", "program_failed", "it ended with exit code 1"),
        ("", "program_nothing", "expected labels.nii.gz or segmentation.dcm, and it left neither"),
        (COPY + "open(place + '/segmentation.dcm', 'w')", "regions_several", "and it left both"),
        ("open(place + '/labels.nii.gz', 'w').write('x')", "regions_unusable", "expected labels.json or"),
        (COPY + "open('labels.nii.gz', 'w').write('x')", "regions_unusable", "no readable NIfTI image"),
        (COPY + "open('labels.tsv', 'w').write('n\\n1')", "regions_unusable", "labels.tsv, entry 1"),
        ("open(place + '/segmentation.dcm', 'w')", "regions_unusable", "segmentation.dcm: expected"),
        (
            COPY + "os.mkdir('shut'); os.mkdir('shut/in'); os.chmod('shut', 0); sys.exit(2)",
            "program_failed",
            "2",
        ),
    ],
)
def test_what_goes_wrong_is_a_reason_and_never_a_number(
    body: str, kind: str, words: str, maps: Maps, source: Source, program: Write, tmp_path: Path
) -> None:
    drawn = _draw(maps, source, tmp_path, program(body))
    assert drawn.regions == ()
    assert drawn.failure is not None
    assert drawn.failure.kind == kind
    assert words in drawn.failure.words
    assert str(tmp_path) not in drawn.failure.words


def test_a_program_that_cannot_be_started_is_one_that_failed(
    maps: Maps, source: Source, tmp_path: Path
) -> None:
    drawn = _draw(maps, source, tmp_path, str(tmp_path / "absent"))
    assert drawn.failure is not None
    assert drawn.failure.kind == "program_failed"
    assert drawn.failure.words == "it could not be started (No such file or directory)"


def test_labels_that_are_no_numbers_or_of_another_place_are_refused_another_grid_is_taken(
    maps: Maps, source: Source, program: Write, labels: Callable[..., Path], tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    ready.mkdir()
    body = f"[shutil.copy({str(ready)!r} + name, place) for name in ('/labels.nii.gz', '/labels.tsv')]"
    run = program(body)
    broken = np.ones(maps.mask.shape, np.float32)
    broken[3, 3, 3] = np.nan
    labels(ready / "labels.nii.gz", broken)
    refused = _draw(maps, source, tmp_path, run).failure
    assert refused is not None
    assert refused.words == "labels.nii.gz: expected labels that are whole numbers, got 1 voxels of NaN"
    away = source.affine.copy()
    away[:3, 3] += 1000
    labels(ready / "labels.nii.gz", np.ones((5, 5, 5), np.uint8), away)
    refused = _draw(maps, source, tmp_path, run).failure
    assert refused is not None
    assert "no label lies in the map's field of view" in refused.words
    finer = source.affine @ np.diag([0.5, 0.5, 0.5, 1.0])
    finer[:3, 3] = (source.affine @ [-0.25, -0.25, -0.25, 1.0])[:3]
    labels(
        ready / "labels.nii.gz",
        np.repeat(np.repeat(np.repeat(maps.mask, 2, 0), 2, 1), 2, 2).astype("u1"),
        finer,
    )
    (region,) = _draw(maps, source, tmp_path, run).regions
    np.testing.assert_array_equal(region.mask, maps.mask)


def test_a_segmentation_need_not_name_a_study_that_it_was_never_told(
    maps: Maps, source: Source, program: Write, seg: Path, tmp_path: Path
) -> None:
    unnamed = pydicom.dcmread(seg)
    unnamed.StudyInstanceUID, unnamed.FrameOfReferenceUID = "2.25.1", "2.25.2"
    unnamed.save_as(seg)
    drawn = _draw(maps, source, tmp_path, program(f"shutil.copy({str(seg)!r}, 'segmentation.dcm')"))
    (region,) = drawn.regions
    assert (region.title, region.drawn_by) == ("lesion", "program segmenter")
    np.testing.assert_array_equal(region.mask, maps.mask & (np.indices(maps.mask.shape)[0] > 5))


def test_one_that_hangs_is_ended_with_all_that_it_started(
    maps: Maps, source: Source, program: Write, tmp_path: Path
) -> None:
    hanging = """
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""
    drawn = _draw(maps, source, tmp_path, program(hanging), timeout_s=1.0)
    assert drawn.failure is not None
    assert drawn.failure.kind == "program_late"
    assert drawn.failure.words == "it ran longer than timeout_s = 1 s and was ended"
    for pid in map(int, drawn.output[0].split()):
        _until_gone(pid)


def test_one_that_talks_without_end_fills_nothing(
    maps: Maps, source: Source, program: Write, tmp_path: Path
) -> None:
    talking = "print('first')\nfor n in range(30000): print(n, '\\x1b[31m' + 'x' * 300)\nsys.exit(1)"
    drawn = _draw(maps, source, tmp_path, program(talking))
    assert len(drawn.output) == 20
    assert all(len(line) <= 200 and line.isprintable() for line in drawn.output)
    assert drawn.output[-1].startswith("29999 ?[31mxxx")


def test_it_ends_with_whoever_asked_for_it(program: Write, tmp_path: Path) -> None:
    """As when the node is killed: the keeper's standard input ends."""
    body = "open(place + '/pid', 'w').write(str(os.getpid()))\ntime.sleep(600)"
    read, write = os.pipe()
    keeper = subprocess.Popen(
        [sys.executable, "-P", guard.__file__, str(write), "600", program(body), str(tmp_path)],
        stdin=subprocess.PIPE,
        pass_fds=(write,),
    )
    try:
        deadline = time.monotonic() + 30
        while not (tmp_path / "pid").is_file() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert keeper.stdin is not None
        keeper.stdin.close()
        assert keeper.wait(30) == 0
        _until_gone(int((tmp_path / "pid").read_text()))
    finally:
        os.close(read)
        os.close(write)
        if keeper.poll() is None:
            keeper.send_signal(signal.SIGKILL)
            keeper.wait()
