"""Seconds and peak memory, each measurement in a process of its own; Linux only (/proc).

Times depend on the machine: they are also given as multiples of one FFT pair, a real transform of the image's
whole grid in float32 and back, measured in the same process.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from qsmnode.engine.fourier import irfftn, rfftn

T = TypeVar("T")
_STATUS = Path("/proc/self/status")
_FORGET = Path("/proc/self/clear_refs")
_KIB = 1024


def alone(function: Callable[..., T], *arguments: Any) -> T:
    """What ``function(*arguments)`` gives in a new process, whose memory is nobody else's."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def fft_pair_seconds(shape: tuple[int, ...], repeats: int = 7) -> float:
    """Seconds of one pair of transforms of ``shape``, the median of several after a first one."""
    x, y, z = shape
    data = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    seconds = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        irfftn(rfftn(data), (x, y, z))
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:])


def peak_bytes() -> int:
    """Most memory that this process has held since :func:`forget_peak`, or since its start."""
    return _status("VmHWM")


def resident_bytes() -> int:
    """Memory that this process holds now."""
    return _status("VmRSS")


def forget_peak() -> None:
    """Let the peak start from what is held now."""
    _FORGET.write_text("5")


def _status(name: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * _KIB
    raise OSError(f"{_STATUS} has no {name}")


@dataclass
class Steps:
    """A progress callback that notes how long each step took, and how much memory there was at most.

    Attributes:
        seconds: by step, in the order in which they began.
        peaks: bytes by step, of the whole process.
        resting: bytes that the process held before the first step: interpreter, libraries and input.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    peaks: dict[str, int] = field(default_factory=dict)
    resting: int = 0
    _step: str = ""
    _since: float = 0.0

    def __enter__(self) -> Steps:
        self.resting = resident_bytes()
        forget_peak()
        self._step, self._since = "preparation", time.perf_counter()
        return self

    def __call__(self, fraction: float, step: str) -> None:
        if step != self._step:
            self._close()
            self._step, self._since = step, time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._close()
        self.seconds.pop("done", None)

    def _close(self) -> None:
        passed = time.perf_counter() - self._since
        self.seconds[self._step] = self.seconds.get(self._step, 0.0) + passed
        self.peaks[self._step] = max(self.peaks.get(self._step, 0), peak_bytes())
        forget_peak()

    @property
    def total_seconds(self) -> float:
        """Of all steps together."""
        return sum(self.seconds.values())

    @property
    def peak(self) -> int:
        """Most bytes that the process held at any time."""
        return max(self.peaks.values())


@dataclass(frozen=True)
class Timed:
    """A result with what it cost.

    Attributes:
        result: whatever the function gave.
        seconds: wall time, the machine code being compiled already.
        pair_seconds: of one FFT pair of the whole grid.
        peak: bytes that the process held at most, input and libraries included.
    """

    result: Any
    seconds: float
    pair_seconds: float
    peak: int

    @property
    def pairs(self) -> float:
        """Wall time as a multiple of one FFT pair."""
        return self.seconds / self.pair_seconds


def timed(shape: tuple[int, ...], function: Callable[[], Any]) -> Timed:
    """Run ``function`` in this process and measure it; transforms of ``shape`` are the unit."""
    pair = fft_pair_seconds(shape)
    forget_peak()
    began = time.perf_counter()
    result = function()
    seconds = time.perf_counter() - began
    peak = peak_bytes()
    return Timed(result, seconds, statistics.mean((pair, fft_pair_seconds(shape))), peak)
