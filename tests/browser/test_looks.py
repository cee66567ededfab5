"""The judgement itself: a picture that is as meant passes, and each way of being wrong does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.browser import __main__ as command
from tests.browser import looks
from tests.browser.looks import Picture, Rectangle
from tests.browser.screens import Verdict, screens
from tests.browser.study import Study

VIEWPORT = Rectangle(40, 20, 300, 240)


@pytest.fixture(scope="module")
def study() -> Study:
    """A map of blobs, two segments in it, and a page of lines."""
    rng = np.random.default_rng(5)
    coarse = rng.normal(0, 80, (8, 10, 3))
    chi = np.kron(coarse, np.ones((5, 5, 1)))
    chi[:4], chi[-4:] = 0, 0
    segmented = np.zeros(chi.shape, bool)
    segmented[8:16, 10:20, 1], segmented[25:33, 20:40, 1] = True, True
    page = np.zeros((160, 120, 3), np.uint8)
    page[10:150:7, 8:100] = 200
    return Study("1.2", {}, chi.astype(np.int16), (50.0, 300.0), (80.0, 100.0), segmented, page, 1)


@pytest.fixture
def shown(study: Study) -> Picture:
    """The map's slice as a viewer shows it, with letters outside of the head."""
    picture = np.zeros((300, 400, 3), np.uint8)
    place = looks.fitted(VIEWPORT, *study.size_mm)
    grey = looks.stretched(looks.windowed(study.map_ppb[:, :, 1].T, study.window), place)
    place.of(picture)[:] = np.rint(grey)[..., None]
    picture[22:30, 180:186] = 255
    return picture


def judged(name: str, picture: Picture, study: Study) -> Verdict:
    (screen,) = (one for one in screens() if one.name == name)
    return screen.judge(picture, VIEWPORT, study)


def coloured(shown: Picture, study: Study) -> Picture:
    place = looks.fitted(VIEWPORT, *study.size_mm)
    picture = shown.copy()
    part = place.of(picture)
    one, other = study.segmented[:, :, 1].copy(), study.segmented[:, :, 1].copy()
    one[20:], other[:20] = False, False
    part[looks.stretched(one.T, place, smooth=False) > 0] = (180, 80, 80)
    part[looks.stretched(other.T, place, smooth=False) > 0] = (80, 160, 80)
    return picture


def paged(study: Study) -> Picture:
    picture = np.full((300, 400, 3), 40, np.uint8)
    picture[60:220, 100:220] = study.page
    return picture


def test_what_is_as_meant_passes(shown: Picture, study: Study) -> None:
    assert judged("qsm", shown, study).good
    assert judged("segmentation", coloured(shown, study), study).good
    assert judged("page", paged(study), study).good


def test_a_map_that_is_black_flat_mirrored_shifted_or_in_another_window_does_not(
    shown: Picture, study: Study
) -> None:
    for wrong in (
        np.zeros_like(shown),
        np.full_like(shown, 85),
        shown[:, ::-1],
        np.roll(shown, 12, axis=0),
        (shown * 0.8).astype(np.uint8),
    ):
        assert not judged("qsm", wrong, study).good
    other_slice = Study(**{**vars(study), "slice_index": 2})
    assert not judged("qsm", shown, other_slice).good


def test_segments_without_colour_in_one_colour_or_elsewhere_do_not(shown: Picture, study: Study) -> None:
    right = coloured(shown, study)
    assert not judged("segmentation", shown, study).good
    assert not judged("segmentation", np.roll(right, 15, axis=1), study).good
    one_colour = right.copy()
    one_colour[looks.coloured(right)] = (180, 80, 80)
    assert not judged("segmentation", one_colour, study).good


def test_no_page_or_another_one_does_not(study: Study) -> None:
    assert not judged("page", np.full((300, 400, 3), 40, np.uint8), study).good
    other = paged(study)
    other[60:220, 100:220] = study.page[::-1].transpose(1, 0, 2)[:120].repeat(2, axis=0)[:160, :120]
    assert not judged("page", other, study).good


def test_what_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [
        "--viewer",
        str(tmp_path),
        "--chromium",
        str(tmp_path / "chromium"),
        "--out",
        str(tmp_path / "out"),
    ]
    assert command.main(asked) == 2
    said = capsys.readouterr().err
    assert "index.html (OHIF 3.13.2: tests/browser/install.sh)" in said
    assert "chromium: tests/browser/install.sh" in said
    assert not (tmp_path / "out").exists()
