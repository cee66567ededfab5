"""Real Fourier transforms, and the limit of threads that they and the voxel loops obey.

Results do not depend on the number of threads: each one-dimensional transform is computed by one of them.
That is a promise of the default backend, scipy. Others are faster on some machines, are asked for by
``QSMNODE_FFT`` or :func:`set_backend`, and give the same numbers up to their last bits, which may also depend
on threads and processor. They are installed as extras, and bring licences of their own:

========  ==================  ========================================================================
name      extra               licence
========  ==================  ========================================================================
scipy     none                BSD-3-Clause
pyfftw    ``qsmnode[fftw]``   BSD-3-Clause; its packages hold FFTW, GPL-2.0-or-later
mkl       ``qsmnode[mkl]``    mkl_fft and mkl-service: BSD-3-Clause; they need Intel's MKL, which is
                              proprietary (Intel Simplified Software License)
========  ==================  ========================================================================
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import scipy.fft

from qsmnode.engine.types import Float
from qsmnode.errors import EngineInputError

THREADS_VARIABLE = "QSMNODE_THREADS"
BACKEND_VARIABLE = "QSMNODE_FFT"
DEFAULT_BACKEND = "scipy"

Spectrum = npt.NDArray[np.complex64]
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class _Backend:
    """A library with scipy's transforms.

    Attributes:
        module: has ``rfftn`` and ``irfftn`` that take ``workers``.
        distribution: what is installed, for its version.
        extra: of this package, which installs it.
    """

    module: str
    distribution: str
    extra: str = ""

    def load(self, name: str) -> Any:
        """The module.

        Raises:
            EngineInputError: it is not installed.
        """
        try:
            module = importlib.import_module(self.module)
            if name == "pyfftw":
                # else every transform is planned anew
                importlib.import_module("pyfftw.interfaces.cache").enable()
        except ImportError as error:
            raise EngineInputError(
                f"fft backend: {name} cannot be loaded ({error}); qsmnode[{self.extra}] brings it"
            ) from None
        return module


_BACKENDS = {
    DEFAULT_BACKEND: _Backend("scipy.fft", "scipy"),
    "pyfftw": _Backend("pyfftw.interfaces.scipy_fft", "pyfftw", "fftw"),
    "mkl": _Backend("mkl_fft.interfaces.scipy_fft", "mkl_fft", "mkl"),
}


class _Settings:
    """The one thread limit and backend of this process: a worker sets them once, before it computes."""

    def __init__(self) -> None:
        available = os.cpu_count() or 1
        text = os.environ.get(THREADS_VARIABLE, "")
        self.count = max(1, min(available, int(text))) if text.isdecimal() else available
        # looked at when first needed: a wrong name must not break the import of this file
        self.name = os.environ.get(BACKEND_VARIABLE, "") or DEFAULT_BACKEND
        self.module: Any = None

    def choose(self, name: str) -> None:
        if name not in _BACKENDS:
            raise EngineInputError(f"fft backend: expected one of {', '.join(_BACKENDS)}; got {name!r}")
        self.module = _BACKENDS[name].load(name)
        self.name = name

    @property
    def transforms(self) -> Any:
        if self.module is None:
            self.choose(self.name)
        return self.module


_settings = _Settings()


def set_threads(count: int) -> None:
    """Limit the transforms and voxel loops of this process to ``count`` threads.

    Args:
        count: at least 1; what exceeds the machine's processors is cut.

    Raises:
        EngineInputError: ``count`` is below 1.

    Example:
        >>> before = threads()
        >>> set_threads(1)
        >>> threads()
        1
        >>> set_threads(before)
    """
    if count < 1:
        raise EngineInputError(f"threads: expected at least 1, got {count}")
    _settings.count = min(count, os.cpu_count() or 1)


def threads() -> int:
    """How many threads are used now; ``QSMNODE_THREADS`` or every processor unless set."""
    return _settings.count


def set_backend(name: str) -> None:
    """Compute this process' real transforms with another library.

    Args:
        name: ``scipy``, ``pyfftw`` or ``mkl``.

    Raises:
        EngineInputError: there is no such backend, or it is not installed; the one before stays.

    Example:
        >>> set_backend("fftpack")
        Traceback (most recent call last):
        qsmnode.errors.EngineInputError: fft backend: expected one of scipy, pyfftw, mkl; got 'fftpack'
    """
    _settings.choose(name)


def backend_name() -> str:
    """The library that computes the transforms and its version, such as ``scipy 1.17.1``.

    Raises:
        EngineInputError: ``QSMNODE_FFT`` names one that is not known or not installed.
    """
    if _settings.module is None:
        _settings.choose(_settings.name)
    version = importlib.metadata.version(_BACKENDS[_settings.name].distribution)
    return f"{_settings.name} {version}"


def rfftn(array: Float) -> Spectrum:
    """Forward transform of a real (X, Y, Z) float32 array: (X, Y, Z // 2 + 1) complex64.

    Raises:
        EngineInputError: ``QSMNODE_FFT`` names a backend that is not known or not installed.
    """
    return cast(Spectrum, _settings.transforms.rfftn(array, workers=_settings.count))


def irfftn(spectrum: Spectrum, shape: Shape) -> Float:
    """Inverse of :func:`rfftn` for a real array of ``shape``; what is in ``spectrum`` is lost."""
    transforms = _settings.transforms
    return cast(Float, transforms.irfftn(spectrum, s=shape, overwrite_x=True, workers=_settings.count))


def fast_shape(shape: Shape, padding: Shape = (0, 0, 0)) -> Shape:
    """The smallest quickly transformed shape of at least ``shape`` plus ``padding`` voxels per axis."""
    x, y, z = (n + p for n, p in zip(shape, padding, strict=True))
    quick = scipy.fft.next_fast_len
    return int(quick(x)), int(quick(y)), int(quick(z, real=True))
