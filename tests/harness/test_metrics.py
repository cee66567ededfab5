"""The benchmarks' measures, where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.phantom.tissues import CALCIFICATION, GREY, LABEL_NAMES, RIM_LESION, WHITE, nucleus_label
from tests.bench import metrics
from tests.bench.metrics import Truth

RNG = np.random.default_rng(3)
SHAPE = (24, 24, 24)
NUCLEI = ("putamen", "globus pallidus", "dentate nucleus")


def truth_with(labels: np.ndarray, chi: np.ndarray) -> Truth:
    brain = np.zeros(SHAPE, bool)
    brain[2:-2, 2:-2, 2:-2] = True
    inner = np.zeros(SHAPE, bool)
    inner[4:-4, 4:-4, 4:-4] = True
    return Truth(chi.astype(np.float32), brain, inner, labels, LABEL_NAMES, (1.0, 1.0, 1.0))


@pytest.fixture
def nuclei_truth() -> Truth:
    """Three nuclei of 0.05, 0.1 and 0.2 ppm in white matter of 0."""
    labels = np.full(SHAPE, WHITE, np.uint8)
    labels[:, :8] = GREY
    chi = np.zeros(SHAPE)
    for n, (name, value) in enumerate(zip(NUCLEI, (0.05, 0.1, 0.2), strict=True)):
        at = (slice(5 + 5 * n, 8 + 5 * n), slice(10, 13), slice(10, 13))
        labels[at], chi[at] = nucleus_label(name, "left"), value
    return truth_with(labels, chi)


@pytest.fixture
def lesion_truth() -> Truth:
    """A calcification of -2 ppm, 27 voxels, in 0."""
    labels, chi = np.full(SHAPE, WHITE, np.uint8), np.zeros(SHAPE)
    at = (slice(11, 14),) * 3
    labels[at], chi[at] = CALCIFICATION, -2.0
    return truth_with(labels, chi)


def test_nrmse_sees_no_offset_and_all_of_a_factor() -> None:
    truth = RNG.standard_normal(SHAPE)
    mask = RNG.random(SHAPE) < 0.5
    assert metrics.nrmse(truth + 7, truth, mask) == pytest.approx(0, abs=1e-9)
    assert metrics.nrmse(0.8 * truth - 3, truth, mask) == pytest.approx(20)
    assert metrics.nrmse(np.zeros(SHAPE), truth, mask) == pytest.approx(100)
    assert np.isnan(metrics.nrmse(truth, np.ones(SHAPE), mask))


def test_nrmse_of_noise_is_its_share() -> None:
    truth, noise = RNG.standard_normal((2, 60, 60, 60))
    mask = np.ones(truth.shape, bool)
    assert metrics.nrmse(truth + 0.3 * noise, truth, mask) == pytest.approx(30, rel=0.02)


def test_detrended_nrmse_sees_no_factor() -> None:
    truth, noise = RNG.standard_normal((2, *SHAPE))
    mask = np.ones(SHAPE, bool)
    assert metrics.detrended_nrmse(0.4 * truth + 2, truth, mask) == pytest.approx(0, abs=1e-9)
    noise -= (noise * truth).sum() / (truth * truth).sum() * truth  # so that the fitted factor is 0.5
    noise -= noise.mean()
    expected = 100 * np.linalg.norm(0.2 * noise) / np.linalg.norm(truth - truth.mean())
    found = metrics.detrended_nrmse(0.5 * truth + 0.1 * noise, truth, mask)
    assert found == pytest.approx(expected, rel=1e-3)
    assert np.isnan(metrics.detrended_nrmse(np.zeros(SHAPE), truth, mask))


def test_dropped_voxels_count_as_zero() -> None:
    truth = RNG.standard_normal(SHAPE)
    mask = np.ones(SHAPE, bool)
    found = truth.copy()
    found[:12] = 0
    assert metrics.nrmse(found, truth, mask) == pytest.approx(100 / np.sqrt(2), rel=0.05)
    assert metrics.coverage(mask & (found != 0), mask) == pytest.approx(50)


def test_nuclei_slope_and_errors(nuclei_truth: Truth) -> None:
    rows = metrics.nuclei(0.9 * nuclei_truth.chi + 0.5, nuclei_truth)
    assert [row.name for row in rows] == [f"{name} left" for name in NUCLEI]
    assert metrics.slope_of(rows) == pytest.approx(0.9, rel=1e-4)
    assert [row.voxels for row in rows] == [27, 27, 27]
    scored = metrics.scores(0.9 * nuclei_truth.chi, nuclei_truth)
    assert scored["linearity"] == pytest.approx(0.1, rel=1e-3)
    assert scored["nuclei"] == 3
    for row in rows:
        assert row.error_percent == pytest.approx(-10, rel=1e-3)
        assert row.error_ppb == pytest.approx(-0.1 * row.true_ppb, rel=1e-3)


@pytest.mark.parametrize(
    ("found", "true", "off"),
    [(104.9, 100, False), (111, 100, True), (109, 100, False), (24.9, 20, False), (25.1, 20, True)],
)
def test_a_nucleus_is_off_beyond_ten_percent_and_five_ppb(found: float, true: float, off: bool) -> None:
    assert metrics.Nucleus("x", 30, found, true).off is off


def test_small_nuclei_are_left_out(nuclei_truth: Truth) -> None:
    nuclei_truth.labels[5:8, 10:13, 10:12] = WHITE
    assert len(metrics.nuclei(nuclei_truth.chi, nuclei_truth)) == 2


def test_lesion_moment_is_the_recovered_share(lesion_truth: Truth) -> None:
    chi = lesion_truth.chi
    for share in (0.0, 0.8, 1.2):
        found = metrics.lesion(share * chi + 0.3, lesion_truth, CALCIFICATION, lesion_truth.mask)
        assert found.moment == pytest.approx(share, abs=1e-6)
        assert found.streak == pytest.approx(0, abs=1e-6)


def test_a_blurred_lesion_keeps_its_moment(lesion_truth: Truth) -> None:
    blurred = lesion_truth.chi.copy()
    blurred[11:14, 11:14, 11:14] = -1.0
    blurred[10, 11:14, 11:14] = blurred[14, 11:14, 11:14] = -1.5
    found = metrics.lesion(blurred, lesion_truth, CALCIFICATION, lesion_truth.mask)
    assert found.moment == pytest.approx(1)


def test_streak_is_the_spread_around_a_lesion(lesion_truth: Truth) -> None:
    away = np.abs(np.indices(SHAPE) - 12).max(axis=0)
    residual = np.where(np.indices(SHAPE).sum(axis=0) % 2, 0.1, -0.1) * (away > 1)
    found = metrics.lesion(lesion_truth.chi + residual, lesion_truth, CALCIFICATION, lesion_truth.mask)
    assert found.streak == pytest.approx(0.1 / 2.0, rel=0.01)


def test_a_lesion_that_is_not_there_is_no_number(lesion_truth: Truth) -> None:
    found = metrics.lesion(lesion_truth.chi, lesion_truth, RIM_LESION, lesion_truth.brain)
    assert np.isnan(found.moment)
    assert np.isnan(found.streak)


def test_xsim_of_constants_and_of_opposites() -> None:
    everywhere, inside = np.ones(SHAPE, bool), (10, 10, 10)
    truth = RNG.normal(0, 0.1, SHAPE)
    assert metrics.xsim(truth, truth, everywhere) == pytest.approx(1)
    flat = metrics.xsim_map(np.full(SHAPE, 0.02), np.full(SHAPE, 0.05))[inside]
    assert flat == pytest.approx((2 * 0.02 * 0.05 + 1e-4) / (0.02**2 + 0.05**2 + 1e-4))
    checker = np.where(np.indices(SHAPE).sum(axis=0) % 2, 0.1, -0.1)
    assert metrics.xsim(-checker, checker, everywhere) == pytest.approx(-1, abs=0.05)


def test_xsim_of_one_window() -> None:
    r, t = RNG.normal(0, 0.1, (2, 5, 5, 5))
    both = np.cov(r.ravel(), t.ravel(), bias=True)
    expected = (2 * r.mean() * t.mean() + 1e-4) * (2 * both[0, 1] + 1e-6)
    expected /= (r.mean() ** 2 + t.mean() ** 2 + 1e-4) * (both[0, 0] + both[1, 1] + 1e-6)
    assert metrics.xsim_map(np.pad(r, 4), np.pad(t, 4))[6, 6, 6] == pytest.approx(expected)


def test_rim_error_is_that_of_the_outer_shell() -> None:
    brain = np.zeros((30, 30, 30), bool)
    brain[3:-3, 3:-3, 3:-3] = True
    inner = np.zeros_like(brain)
    inner[5:-5, 5:-5, 5:-5] = True
    chi = RNG.normal(0, 0.1, brain.shape).astype(np.float32)
    truth = Truth(chi, brain, inner, np.full(brain.shape, WHITE, np.uint8), LABEL_NAMES, (1.0, 1.0, 1.0))
    shell = metrics.outer_shell(truth)
    assert shell.sum() == 20**3 - 16**3  # the third and fourth layer of 24^3 voxels
    found = chi.copy()
    found[shell] *= 0.5
    scored = metrics.scores(found, truth)
    assert scored["rim_nrmse"] == pytest.approx(50, rel=0.05)
    assert metrics.shell_nrmse(chi + 1, chi, inner, shell) == pytest.approx(0, abs=1e-4)
    found = chi.copy()
    found[12:18, 12:18, 12:18] = 0
    assert metrics.scores(found, truth)["rim_nrmse"] < 2
