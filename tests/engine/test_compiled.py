"""Compiled loops: they work without a writable cache, and cover their range with any number of threads."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine import fourier
from qsmnode.engine.compiled import compiled, in_slabs


def _double(start, stop, values, out):
    for index in range(start, stop):
        out[index] = 2 * values[index]


def test_without_a_folder_for_the_cache_it_compiles_in_memory(monkeypatch):
    monkeypatch.setattr("qsmnode.engine.compiled.cache_folder", lambda: None)
    loop = compiled(_double)
    out = np.zeros(5)
    loop(0, 5, np.arange(5.0), out)
    assert out.tolist() == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("length", [1, 2, 3, 17])
@pytest.mark.parametrize("count", [1, 2])
def test_slabs_cover_the_range_once(length, count):
    before = fourier.threads()
    seen = []
    try:
        fourier.set_threads(count)
        in_slabs(lambda start, stop: seen.extend(range(start, stop)), length)
    finally:
        fourier.set_threads(before)
    assert sorted(seen) == list(range(length))


def test_an_error_in_a_slab_is_raised():
    def failing(start, stop):
        raise ValueError("in the loop")

    with pytest.raises(ValueError, match="in the loop"):
        in_slabs(failing, 4)
