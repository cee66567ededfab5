"""Transforms, their shapes and the thread limit."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qsmnode.engine.fourier import (
    backend_name,
    fast_shape,
    irfftn,
    rfftn,
    set_backend,
    set_threads,
    threads,
)
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


@pytest.fixture
def _same_backend_afterwards() -> Iterator[None]:
    before = set(sys.modules)
    yield
    set_backend("scipy")
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.usefixtures("_same_backend_afterwards")
def test_the_default_backend_is_scipy_and_says_its_version() -> None:
    assert backend_name() == f"scipy {scipy.__version__}"


@pytest.mark.usefixtures("_same_backend_afterwards")
def test_a_backend_is_used_and_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _install(tmp_path, monkeypatch, "pyfftw", "interfaces", "scipy_fft", version="7.8")
    set_backend("pyfftw")
    assert backend_name() == "pyfftw 7.8"
    array = np.random.default_rng(3).normal(size=(6, 5, 4)).astype(np.float32)
    spectrum = rfftn(array)
    np.testing.assert_allclose(irfftn(spectrum, (6, 5, 4)), array, atol=1e-5)
    calls = sys.modules["pyfftw.interfaces.scipy_fft"].calls
    assert calls == [("rfftn", threads()), ("irfftn", threads())]
    assert sys.modules["pyfftw.interfaces.cache"].enabled == [True]


@pytest.mark.usefixtures("_same_backend_afterwards")
@pytest.mark.parametrize(
    ("name", "extra", "module"), [("pyfftw", "fftw", "pyfftw"), ("mkl", "mkl", "mkl_fft")]
)
def test_a_backend_that_is_not_installed_is_refused_with_its_extra(
    name: str, extra: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for below in ("", ".interfaces", ".interfaces.scipy_fft"):
        monkeypatch.setitem(sys.modules, module + below, None)
    with pytest.raises(EngineInputError, match=rf"fft backend: {name} .*qsmnode\[{extra}\]"):
        set_backend(name)
    assert backend_name().startswith("scipy ")


def test_every_extra_that_a_refusal_names_exists() -> None:
    with (Path(__file__).parents[2] / "pyproject.toml").open("rb") as file:
        extras = tomllib.load(file)["project"]["optional-dependencies"]
    assert {"fftw", "mkl"} <= set(extras)


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(EngineInputError, match="expected one of scipy, pyfftw, mkl; got 'fastest'"):
        set_backend("fastest")


@pytest.mark.parametrize(
    ("given", "said"), [("", "scipy "), ("scipy", "scipy "), ("fastest", "got 'fastest'")]
)
def test_the_environment_chooses_the_backend(given: str, said: str) -> None:
    code = (
        "from qsmnode.engine.fourier import backend_name, rfftn; import numpy as np\n"
        "try:\n    rfftn(np.zeros((2, 2, 2), np.float32)); print(backend_name())\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "QSMNODE_FFT": given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said in ended.stdout


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str, version: str) -> None:
    """A package under ``folder`` that passes scipy's transforms on and keeps what it was called with."""
    package = folder.joinpath(*names[:-1])
    package.mkdir(parents=True)
    for inner in (folder / names[0], package):
        (inner / "__init__.py").write_text("")
    (package / f"{names[-1]}.py").write_text(
        "import scipy.fft\ncalls = []\n"
        "def rfftn(a, workers):\n    calls.append(('rfftn', workers)); return scipy.fft.rfftn(a)\n"
        "def irfftn(a, s, overwrite_x, workers):\n"
        "    calls.append(('irfftn', workers)); return scipy.fft.irfftn(a, s=s)\n"
    )
    (package / "cache.py").write_text("enabled = []\ndef enable():\n    enabled.append(True)\n")
    facts = folder / f"{names[0]}-{version}.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {names[0]}\nVersion: {version}\n")
    for name in list(sys.modules):
        if name.partition(".")[0] == names[0]:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(folder))
