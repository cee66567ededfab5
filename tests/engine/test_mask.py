"""Masks: shapes in millimetres, thresholds, and the brain in simulated heads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qsmnode.engine import EchoStack, Grid, Recipe, reconstruct, registry
from qsmnode.engine.box import Box
from qsmnode.engine.coarse import Coarse, spread
from qsmnode.engine.field.trust import trusted
from qsmnode.engine.mask.intensity import evened, foreground, otsu
from qsmnode.engine.mask.morphology import (
    dilated_mm,
    eroded_mm,
    filled,
    largest_part,
    parts,
    rim,
    without_specks,
)
from qsmnode.phantom.head import HeadShape, Protocol, simulate

MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, max_side=9))


@settings(max_examples=60, deadline=None)
@given(mask=MASKS)
def test_filling_only_adds_and_is_done_once(mask):
    once = filled(mask)
    assert not (mask & ~once).any()
    assert np.array_equal(filled(once), once)


@settings(max_examples=60, deadline=None)
@given(mask=MASKS, radius=st.floats(0.5, 4.0))
def test_erosion_and_dilation_are_on_the_right_side(mask, radius):
    assert not (eroded_mm(mask, radius, (1.0, 1.5, 2.0)) & ~mask).any()
    assert not (mask & ~dilated_mm(mask, radius, (1.0, 1.5, 2.0))).any()


@settings(max_examples=60, deadline=None)
@given(mask=MASKS)
def test_parts_and_boxes(mask):
    part = largest_part(mask)
    assert parts(part) == (1 if mask.any() else 0)
    assert not (part & ~mask).any()
    box = Box.around(mask, 1.0, (1.0, 2.0, 0.5))
    assert np.array_equal(box.paste(box.crop(mask)), mask)


def test_a_hole_is_filled_and_a_bay_is_not():
    mask = np.zeros((9, 9, 9), bool)
    mask[1:8, 1:8, 1:8] = True
    mask[4, 4, 4] = False
    mask[4, 4, 7] = False
    done = filled(mask)
    assert done[4, 4, 4]
    assert not done[4, 4, 7]


def test_slices_of_a_thin_slab_are_filled_in_their_plane():
    ring = np.zeros((12, 12, 2), bool)
    ring[2:10, 2:10] = True
    ring[5:7, 5:7] = False
    assert filled(ring)[5, 5].all()


def test_erosion_is_in_millimetres():
    mask = np.zeros((20, 20, 20), bool)
    mask[2:18, 2:18, 2:18] = True
    thin = eroded_mm(mask, 2.0, (1.0, 2.0, 4.0))
    assert [int(thin.any(axis=(1, 2)).sum()), int(thin.any(axis=(0, 2)).sum())] == [12, 14]
    assert rim(mask).sum() == 16**3 - 14**3


def test_specks_are_dropped():
    mask = np.zeros((10, 10, 10), bool)
    mask[1:5, 1:5, 1:5] = True
    mask[8, 8, 8] = True
    assert without_specks(mask, 2).sum() == 64


def test_threshold_lies_between_two_classes():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(10, 1, 4000), rng.normal(50, 3, 1000)])
    assert 14 < otsu(values) < 42
    assert otsu(np.full(10, 6.0)) == 3.0
    assert otsu([]) == 0.0


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 13)] * 3),
    blocks=st.tuples(*[st.integers(1, 5)] * 3),
)
def test_blocks_there_and_back(shape, blocks):
    blocks = tuple(min(b, n) for b, n in zip(blocks, shape, strict=True))
    coarse = Coarse(shape, (1.0, 1.0, 1.0), blocks)
    flat = np.full(shape, 3.0, np.float32)
    assert np.allclose(coarse.mean(flat), 3.0)
    assert np.allclose(spread(coarse.mean(flat).astype(np.float64), shape, blocks), 3.0)
    assert coarse.back(np.ones(coarse.mean(flat).shape, bool)).shape == shape


def test_receive_profile_is_evened():
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, 48)] * 3, indexing="ij")
    body = x**2 + y**2 + z**2 < 0.8
    image = (body * (1.0 + 0.6 * x)).astype(np.float32)
    even = evened(image, body, (2, 2, 2), 12.0)
    before = image[body].std() / image[body].mean()
    assert even[body].std() / even[body].mean() < 0.4 * before


def test_foreground_keeps_voids_inside():
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, 40)] * 3, indexing="ij")
    radius = np.sqrt(x**2 + y**2 + z**2)
    magnitude = ((radius < 0.8) & (radius > 0.2)).astype(np.float32)[None]
    found = foreground(magnitude + 0.01, (1, 1, 1))
    assert found[20, 20, 20]
    assert not found[0, 0, 0]


def test_unusable_voxels_leave_the_rim_but_not_the_inside():
    mask = np.zeros((12, 12, 12), bool)
    mask[1:11, 1:11, 1:11] = True
    weight = mask.astype(np.float32)
    weight[5:7, 5:7, 5:7] = 0
    weight[1, 1:11, 1:11] = 0
    kept = trusted(mask, weight)
    assert kept[5:7, 5:7, 5:7].all()
    assert not kept[1].any()


HEADS = {
    "axial": Protocol(shape=(84, 100, 80), voxel_mm=(2.0, 2.0, 2.0), echo_times_s=(0.004, 0.012, 0.02)),
    "coarse, 1.5 T, low signal": Protocol(
        shape=(60, 72, 56), voxel_mm=(3.0, 3.0, 3.0), echo_times_s=(0.005, 0.02), field_t=1.5, snr=25.0
    ),
    "slab": Protocol(shape=(84, 100, 26), voxel_mm=(2.0, 2.0, 2.5), echo_times_s=(0.004, 0.012, 0.02)),
}


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("seed", [31])
def test_brain_of_a_simulated_head(name, seed):
    head = simulate(HeadShape(seed=seed), HEADS[name])
    chosen = registry.get("mask", "brain")
    maps = reconstruct(head.stack, Recipe.preset("fast"))
    brain = head.brain_mask
    assert chosen.parameters() == Recipe.preset("fast").steps["mask"].parameters
    found = maps.total_field != 0
    inner = head.scoring_mask(2.0 * max(HEADS[name].voxel_mm))
    assert (found & inner).sum() > 0.95 * inner.sum()
    assert (found & ~brain).sum() < 0.12 * brain.sum()
    assert maps.quality["mask_parts"] == 1.0


def test_objects_of_several_parts_are_found_by_signal():
    x, y, _ = np.meshgrid(*[np.linspace(-1, 1, 48)] * 3, indexing="ij")
    tubes = ((x - 0.5) ** 2 + y**2 < 0.05) | ((x + 0.5) ** 2 + y**2 < 0.05)
    rng = np.random.default_rng(0)
    signal = (
        tubes * np.exp(0.4j * x)
        + (rng.normal(size=(2, 48, 48, 48)) + 1j * rng.normal(size=(2, 48, 48, 48))) / 60
    )
    stack = EchoStack(np.abs(signal), np.angle(signal), (0.004, 0.01), 123.0, Grid((48,) * 3, (2,) * 3))
    maps = reconstruct(stack, Recipe.from_mapping({"preset": "fast", "mask": "signal"}))
    found = maps.total_field != 0
    assert maps.quality["mask_parts"] == 2.0
    assert (found & tubes).sum() > 0.9 * tubes.sum()
    assert not (found & ~tubes).sum() > 0.02 * tubes.sum()
