"""The atlas, its search, decay and tissues: each against what is known of it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsmnode.measure.nuclei import atlas as atlas_file
from qsmnode.measure.nuclei.atlas import PARTS, atlas
from qsmnode.measure.nuclei.boundaries import redrawn
from qsmnode.measure.nuclei.decay import decay_rate
from qsmnode.measure.nuclei.search import search
from qsmnode.measure.nuclei.space import Volume, moved, places
from qsmnode.measure.nuclei.tissues import Tissues
from tests.measure.nuclei.painted import painted, to_atlas

DATA = Path(atlas_file.__file__).parent / "atlas_data"


def test_the_file_is_the_one_that_is_attributed() -> None:
    words = (DATA / "ATTRIBUTION.md").read_text()
    digest = hashlib.sha256((DATA / "CIT168_subcortex.nii.gz").read_bytes()).hexdigest()
    assert digest in words
    assert re.search(r"CC BY 4\.0", words)


def test_left_is_left_and_volumes_are_those_of_a_brain() -> None:
    found = atlas()
    for number, part in enumerate(PARTS, start=1):
        here = places(found.parts == number, found.affine)
        assert (here[:, 0].mean() > 0) == (part.side == "left"), "LPS: left is positive"
        assert 0.2 < len(here) / 1000 < 10
    numbers = {part.name: number for number, part in enumerate(PARTS, start=1)}
    red, caudate = (
        places(found.parts == numbers[name], found.affine).mean(axis=0) for name in ("red nucleus", "caudate")
    )
    assert red[2] < caudate[2], "z grows towards the top"
    assert red[1] > caudate[1], "y grows towards the back"


def test_the_search_finds_a_place_without_a_first_guess() -> None:
    head = painted((2.0, 2.0, 2.0))
    chi = np.where(head.maps.mask, np.clip(1000 * head.maps.susceptibility, -50, 150), 0).astype(np.float32)
    guess = search(Volume(chi, head.affine), Volume(head.maps.mask.astype(np.float32), head.affine), atlas())
    points = moved(places(atlas().parts > 0, atlas().affine), np.linalg.inv(to_atlas()))
    off = np.linalg.norm(moved(moved(points, guess.transform), np.linalg.inv(to_atlas())) - points, axis=1)
    assert guess.correlation > 0.6
    assert off.mean() < 4.0


@settings(deadline=None, max_examples=30)
@given(st.floats(1, 150), st.floats(1, 1e6), st.integers(2, 6))
def test_an_exponential_has_its_rate(rate: float, amplitude: float, echoes: int) -> None:
    times = [0.003 + 0.004 * echo for echo in range(echoes)]
    magnitude = (amplitude * np.exp(-rate * np.array(times))).astype(np.float32).reshape(-1, 1, 1, 1)
    assert decay_rate(magnitude, times)[0, 0, 0] == pytest.approx(rate, rel=5e-3, abs=0.05)


def test_a_decay_without_signal_is_none() -> None:
    magnitude = np.zeros((3, 2, 1, 1), np.float32)
    magnitude[:, 1] = np.nan
    assert decay_rate(magnitude, (0.004, 0.008, 0.012)).tolist() == [[[0.0]], [[0.0]]]


def test_tissues_are_told_apart_by_both_images() -> None:
    random = np.random.default_rng(3)
    centres = np.array([[-28.0, 22.0], [18.0, 15.0], [12.0, 4.0]])
    samples = np.concatenate([random.normal(0, (6, 2), (2000, 2)) + centre for centre in centres]).T
    found = Tissues.of(samples.astype(np.float32))
    np.testing.assert_allclose(found.means, centres, atol=1.0)
    np.testing.assert_allclose(found.spread, (6, 2), rtol=0.1)
    ends = np.array([centres[0], centres[1], (centres[0] + centres[1]) / 2]).T.reshape(2, 3, 1, 1)
    way = found.part_of_the_way(ends.astype(np.float32), centres[0], centres[1])
    np.testing.assert_allclose(way.ravel(), (0, 1, 0.5), atol=1e-6)


def test_a_ball_gets_its_own_border_from_a_label_that_is_off_and_too_large() -> None:
    """Half maximum of a ball of 5 mm: the atlas's is 7 mm and lies 1.5 mm beside it."""
    index = np.moveaxis(np.indices((48, 48, 48)), 0, -1) - 23.5
    ball = (index**2).sum(axis=-1) < 5**2
    label = ((index - (1.5, 0, 0)) ** 2).sum(axis=-1) < 7**2
    random = np.random.default_rng(1)
    chi = np.where(ball, 100.0, -30.0).astype(np.float32) + random.normal(0, 5, ball.shape).astype(np.float32)
    number = next(n for n, part in enumerate(PARTS, start=1) if part.name == "globus pallidus")
    parts = np.where(label, number, 0).astype(np.uint8)
    drawn = redrawn(chi, None, np.ones(ball.shape, bool), parts, np.ones(3))
    mask = drawn[number - 1].mask
    assert 2 * (mask & ball).sum() / (mask.sum() + ball.sum()) > 0.93
    again = redrawn(chi, None, np.ones(ball.shape, bool), np.where(mask, parts.max(), 0), np.ones(3))
    assert again[number - 1].contrast_ppb == pytest.approx(130, abs=10)
    assert not any(one.mask.any() for n, one in enumerate(drawn, start=1) if n != number)
