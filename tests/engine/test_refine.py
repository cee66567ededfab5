"""What is taken off a mask: unusable voxels, poor phase, layers, a dark rim."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qsmnode.engine.mask.morphology import parts, rim
from qsmnode.engine.mask.refine import eroded, peeled, reliable, smooth_phase

MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, max_side=8))
VOXEL = (1.0, 1.0, 1.0)


def _ball(side=32, radius=12.0, voxel_mm=VOXEL):
    axes = np.meshgrid(*[(np.arange(round(side / v)) + 0.5) * v - side / 2 for v in voxel_mm], indexing="ij")
    distance = np.sqrt(sum(a * a for a in axes))
    return distance < radius, distance


def test_noisy_and_unexplained_voxels_are_excluded():
    mask, _ = _ball()
    noise = np.where(mask, 1.0, 0).astype(np.float32)
    residual = np.full(mask.shape, 0.05, np.float32)
    noise[16, 16, 4:8] = 4.5
    residual[16, 4:8, 16] = 0.5
    noise[10, 10, 10] = 0.0  # no signal at all
    noise[20, 20, 20] = np.nan
    kept = reliable(mask, noise, residual)
    assert not kept[16, 16, 4:8].any()
    assert not kept[16, 4:8, 16].any()
    assert not kept[10, 10, 10]
    assert not kept[20, 20, 20]
    assert (mask & ~kept).sum() < 30
    assert kept.sum() + 10 > reliable(mask, noise, residual, noise_limit=5.0).sum() > kept.sum()


def test_the_limits_are_in_medians_of_what_is_well_explained():
    mask, distance = _ball()
    half = distance < 9
    noise = np.where(half, 1.0, 40.0).astype(np.float32)
    residual = np.where(half, 0.05, 0.6).astype(np.float32)  # most of the mask is noise
    assert (mask & ~half).sum() > half.sum()
    kept = reliable(mask, noise, residual, residual_limit=0.3)
    assert not (kept & ~half).any()
    assert (kept & half).sum() > 0.95 * half.sum()
    assert np.array_equal(kept, reliable(mask, 1000 * noise, residual, residual_limit=0.3))


def test_the_opening_takes_lone_voxels_and_leaves_the_masks_own_rim():
    mask, distance = _ball()
    noise = np.ones(mask.shape, np.float32)
    residual = np.zeros(mask.shape, np.float32)
    assert (mask & ~reliable(mask, noise, residual)).sum() < 0.02 * mask.sum()
    residual[(distance > 6) & (distance < 10)] = 1.0
    residual[16, 16, 24] = 0.0  # alone in a bad shell
    kept = reliable(mask, noise, residual)
    assert not kept[16, 16, 24]
    assert kept[distance < 5].all()


@settings(max_examples=40, deadline=None)
@given(mask=MASKS, data=st.data())
def test_exclusion_only_takes_away_and_never_breaks(mask, data):
    values = hnp.arrays(np.float32, mask.shape, elements=st.floats(0, 100, width=32))
    noise, residual = data.draw(values), data.draw(values)
    kept = reliable(mask, noise, residual)
    assert not (kept & ~mask).any()
    assert not (kept & (residual > np.float32(0.3))).any()


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_layers_of_cubes_are_layers_of_voxels(layers):
    mask, _ = _ball()
    expected = mask.copy()
    for _ in range(min(layers, 1)):
        expected &= ~rim(expected)
    found = eroded(mask, layers, VOXEL)
    assert not (found & ~expected).any()
    if layers < 2:
        assert np.array_equal(found, expected)


def test_a_thin_rim_costs_no_thick_slice():
    mask = np.zeros((20, 20, 6), bool)
    mask[2:18, 2:18, 1:5] = True
    found = eroded(mask, 1, (1.0, 1.0, 4.0))
    assert found.any(axis=(0, 1)).tolist() == [False, True, True, True, True, False]
    assert found.any(axis=(1, 2)).sum() == 14
    assert eroded(mask, 4, (1.0, 1.0, 4.0)).any(axis=(0, 1)).sum() == 2


def test_what_the_field_of_view_cuts_is_not_eroded():
    mask = np.ones((9, 9, 3), bool)
    assert eroded(mask, 3, VOXEL).all()


def test_a_dark_rim_is_peeled_and_bright_tissue_is_not():
    mask, distance = _ball(40, 16.0)
    even = np.where(distance < 14, 1.0, 0.4).astype(np.float32)
    once = peeled(mask, even, VOXEL, share=0.8, rounds=1)
    done = peeled(mask, even, VOXEL, share=0.8, rounds=5)
    assert once.sum() < mask.sum()
    assert np.array_equal(done, distance < 14)
    assert np.array_equal(peeled(mask, even, VOXEL, share=0.8, rounds=0), mask)
    assert np.array_equal(peeled(mask, even, VOXEL, share=0.0, rounds=5), mask)


def test_the_rim_is_compared_with_the_tissue_around_it():
    mask, distance = _ball(64, 28.0)
    slope = np.linspace(0.3, 1.7, 64, dtype=np.float32)[:, None, None]  # what a surface coil leaves
    even = slope * np.where(distance < 26, 1.0, 0.4).astype(np.float32)
    done = peeled(mask, even, VOXEL, share=0.7, rounds=4)
    assert (done & (distance > 26)).sum() < 0.02 * ((distance > 26) & mask).sum()
    assert (done & (distance < 26)).sum() > 0.97 * (distance < 26).sum()


def test_a_dark_lesion_at_the_rim_stays_though_the_dark_rim_goes():
    mask, distance = _ball(40, 16.0)
    axes = np.meshgrid(*[np.arange(40) - 19.5] * 3, indexing="ij")
    lesion = mask & ((axes[0] - 12) ** 2 + axes[1] ** 2 + axes[2] ** 2 < 9)
    even = np.where((distance < 15) & ~lesion, 1.0, 0.3).astype(np.float32)
    plain = peeled(mask, even, VOXEL, share=0.8, rounds=8)
    kept = peeled(mask, even, VOXEL, share=0.8, rounds=8, pits_mm=5.0)
    assert (plain & lesion).sum() < 0.2 * lesion.sum()
    assert (kept & lesion & (distance < 14)).sum() > 0.9 * (lesion & (distance < 14)).sum()
    assert (kept & (distance > 15.5)).sum() < 0.1 * (mask & (distance > 15.5)).sum()


def test_poor_phase_is_taken_off_and_noise_leaves_nothing():
    mask, distance = _ball(40, 16.0)
    head = distance < 18
    quality = np.where(distance < 14, 0.85, 0.1).astype(np.float32)
    found = smooth_phase(mask, quality, head)
    assert np.array_equal(found, distance < 14)
    assert not smooth_phase(mask, np.full(mask.shape, 0.05, np.float32), head).any()
    assert np.array_equal(smooth_phase(mask, np.full(mask.shape, 0.8, np.float32), head), mask)


def test_a_void_inside_good_phase_stays_in():
    mask, distance = _ball(40, 16.0)
    quality = np.where(distance < 3, 0.02, 0.85).astype(np.float32)
    assert np.array_equal(smooth_phase(mask, quality, mask), mask)


@settings(max_examples=40, deadline=None)
@given(mask=MASKS, level=st.floats(0, 2, width=32), share=st.floats(0, 1))
def test_peeling_only_takes_away_and_leaves_one_part(mask, level, share):
    even = np.full(mask.shape, level, np.float32)
    even[::2] *= np.float32(0.3)
    left = peeled(mask, even, (1.0, 2.0, 0.7), share=share, rounds=3, pits_mm=2.0)
    assert not (left & ~mask).any()
    if share > 0:
        assert parts(left) <= 1


def test_empty_masks_stay_empty():
    nothing = np.zeros((4, 5, 6), bool)
    flat = np.ones(nothing.shape, np.float32)
    assert not reliable(nothing, flat, flat).any()
    assert not smooth_phase(nothing, flat, nothing).any()
    assert not eroded(nothing, 2, VOXEL).any()
    assert not peeled(nothing, flat, VOXEL, share=0.8, rounds=3, pits_mm=4.0).any()
