"""Transforms, their shapes and the thread limit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qsmnode.engine.fourier import fast_shape, irfftn, rfftn, set_threads, threads
from qsmnode.engine.window import Window
from qsmnode.errors import EngineInputError

sizes = st.tuples(*[st.integers(1, 40)] * 3)


@pytest.fixture(autouse=True)
def _same_threads_afterwards() -> Iterator[None]:
    before = threads()
    yield
    set_threads(before)


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 7, 9), (16, 12, 10), (3, 1, 8)])
def test_a_transform_and_back_changes_nothing(shape: tuple[int, int, int]) -> None:
    array = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    spectrum = rfftn(array)
    assert spectrum.dtype == np.complex64
    back = irfftn(spectrum, shape)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, array, atol=1e-5)


def test_transforms_are_the_same_bytes_on_any_number_of_threads() -> None:
    array = np.random.default_rng(2).normal(size=(40, 45, 36)).astype(np.float32)
    results = []
    for count in (1, 2, 1):
        set_threads(count)
        results.append(irfftn(rfftn(array), (40, 45, 36)).tobytes())
    assert len(set(results)) == 1


def test_the_thread_limit_is_cut_to_the_machine_and_refuses_none() -> None:
    set_threads(10_000)
    assert threads() >= 1
    set_threads(1)
    assert threads() == 1
    with pytest.raises(EngineInputError, match="at least 1"):
        set_threads(0)


@given(sizes, sizes)
def test_fast_shapes_have_room_and_are_not_wasteful(
    shape: tuple[int, int, int], padding: tuple[int, int, int]
) -> None:
    for n, p, quick in zip(shape, padding, fast_shape(shape, padding), strict=True):
        assert n + p <= quick <= 2 * (n + p)


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, max_side=9)), st.floats(0, 12))
def test_a_window_keeps_what_the_mask_covers_and_has_its_padding(mask: np.ndarray, padding_mm: float) -> None:
    voxel_mm = (1.0, 2.0, 0.7)
    window = Window.around(mask, voxel_mm, padding_mm)
    values = np.arange(mask.size, dtype=np.float32).reshape(mask.shape) + 1
    padded = window.cut(np.where(mask, values, np.float32(0)))
    np.testing.assert_array_equal(window.paste(padded), np.where(mask, values, 0))
    for axis, voxel in enumerate(voxel_mm):
        part = window.inner[axis]
        assert part.start * voxel >= padding_mm - 1e-6
        assert (padded.shape[axis] - part.stop) * voxel >= padding_mm - 1e-6
