"""The arrays that travel through the engine, each with the geometry that gives it meaning.

Axes are (X, Y, Z): X along a row (column index), Y down the rows, Z along row x column. Echo is the first
axis where there is one. Arrays are float32; phase is in radians, fields in ppm or Hz as their names say.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from qsmnode.errors import EngineInputError

Float = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

# of a unit vector: what a few written digits leave
LENGTH_TOLERANCE = 1e-3


def real_array(name: str, values: Any) -> Float:
    """``values`` as a float32 array; whole numbers and float64 are converted.

    Raises:
        EngineInputError: they are complex, text or objects.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise EngineInputError(f"{name}: expected an array of real numbers, got {array.dtype}")
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is then masked
        return np.ascontiguousarray(array, dtype=np.float32)


def _numbers(name: str, values: Any) -> tuple[float, ...]:
    """``values`` as a tuple of floats."""
    try:
        return tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise EngineInputError(f"{name}: expected numbers, got {values!r}") from None


@dataclass(frozen=True)
class Grid:
    """A regular voxel grid and the direction of the main field in it.

    Args:
        shape: voxels along X, Y, Z; at least 1 each.
        voxel_mm: voxel edge lengths in mm, > 0.
        b0_direction: unit vector of B0 in array axes; a length within 0.001 of 1 is set to 1.

    Raises:
        EngineInputError: a value is out of these ranges.

    Example:
        >>> grid = Grid(shape=(160, 192, 96), voxel_mm=(1, 1, 1.5), b0_direction=(0, 0.5, 0.866))
        >>> grid.voxel_volume_mm3
        1.5
        >>> Grid(shape=(160, 192, 96), voxel_mm=(1, 1, 0))
        Traceback (most recent call last):
        qsmnode.errors.EngineInputError: voxel_mm: expected three positive lengths in mm, got (1, 1, 0)
    """

    shape: tuple[int, int, int]
    voxel_mm: tuple[float, float, float]
    b0_direction: tuple[float, float, float] = (0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        counts = _numbers("shape", self.shape)
        voxel = _numbers("voxel_mm", self.voxel_mm)
        direction = _numbers("b0_direction", self.b0_direction)
        if len(counts) != 3 or not all(math.isfinite(n) and n >= 1 and n == int(n) for n in counts):
            raise EngineInputError(f"shape: expected three voxel counts of at least 1, got {self.shape}")
        if len(voxel) != 3 or not all(math.isfinite(v) and v > 0 for v in voxel):
            raise EngineInputError(f"voxel_mm: expected three positive lengths in mm, got {self.voxel_mm}")
        shape = tuple(int(n) for n in counts)
        length = math.hypot(*direction)
        if len(direction) != 3 or not abs(length - 1) <= LENGTH_TOLERANCE:
            raise EngineInputError(
                "b0_direction: expected a unit vector (three numbers, length 1), "
                f"got {self.b0_direction} of length {length:.6g}"
            )
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "voxel_mm", voxel)
        object.__setattr__(self, "b0_direction", tuple(b / length for b in direction))

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in mm^3."""
        return math.prod(self.voxel_mm)


def checked_echo_times(values: Any) -> tuple[float, ...]:
    """``values`` as ascending echo times in s.

    Raises:
        EngineInputError: they are none, not above 0, not ascending, or look like milliseconds.
    """
    times = _numbers("echo_times_s", [values] if np.ndim(values) == 0 else values)
    if not times or not all(math.isfinite(t) and t > 0 for t in times):
        raise EngineInputError(f"echo_times_s: expected times in s above 0, got {times}")
    if any(b <= a for a, b in itertools.pairwise(times)):
        raise EngineInputError(f"echo_times_s: expected strictly ascending times, got {times}")
    if times[-1] > 1.0:
        raise EngineInputError(f"echo_times_s: expected seconds, got {times} (milliseconds?)")
    return times


@dataclass(frozen=True)
class EchoStack:
    """Multi-echo gradient-echo magnitude and wrapped phase on one grid.

    Args:
        magnitude: (E, X, Y, Z), arbitrary units, >= 0.
        phase: (E, X, Y, Z), rad, wrapped to one turn.
        echo_times_s: E echo times in s, ascending, > 0.
        imaging_frequency_mhz: the scanner's centre frequency in MHz, 1 to 1000 (never from the nominal field
            strength).
        grid: geometry of the three spatial axes.
        readout_axis: 0, 1 or 2, or None where not known.
        bipolar: whether even echoes were read backwards, or None where not known (found from the data).

    Raises:
        EngineInputError: names the argument, what was expected and what came.

    Example:
        >>> import numpy as np
        >>> grid = Grid(shape=(4, 4, 4), voxel_mm=(1, 1, 1))
        >>> magnitude, phase = np.ones((2, 4, 4, 4)), np.zeros((2, 4, 4, 4))
        >>> EchoStack(magnitude, phase, (0.005, 0.010), 123.2, grid).phase.dtype
        dtype('float32')
        >>> EchoStack(magnitude, phase, (5, 10), 123.2, grid)
        Traceback (most recent call last):
        qsmnode.errors.EngineInputError: echo_times_s: expected seconds, got (5.0, 10.0) (milliseconds?)
    """

    magnitude: Float
    phase: Float
    echo_times_s: tuple[float, ...]
    imaging_frequency_mhz: float
    grid: Grid
    readout_axis: int | None = None
    bipolar: bool | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.grid, Grid):
            raise EngineInputError(f"grid: expected a Grid, got {type(self.grid).__name__}")
        times = checked_echo_times(self.echo_times_s)
        object.__setattr__(self, "echo_times_s", times)
        object.__setattr__(self, "magnitude", real_array("magnitude", self.magnitude))
        object.__setattr__(self, "phase", real_array("phase", self.phase))
        expected = (len(times), *self.grid.shape)
        for name in ("magnitude", "phase"):
            shape = getattr(self, name).shape
            if shape != expected:
                raise EngineInputError(f"{name}: expected shape (E, X, Y, Z) = {expected}, got {shape}")
        (frequency,) = _numbers("imaging_frequency_mhz", [self.imaging_frequency_mhz])
        if not (math.isfinite(frequency) and 1.0 <= frequency <= 1000.0):
            raise EngineInputError(f"imaging_frequency_mhz: expected 1 to 1000 MHz, got {frequency}")
        object.__setattr__(self, "imaging_frequency_mhz", frequency)
        if self.bipolar not in (None, True, False):
            raise EngineInputError(f"bipolar: expected True, False or None, got {self.bipolar!r}")
        if self.readout_axis not in (None, 0, 1, 2):
            raise EngineInputError(f"readout_axis: expected 0, 1, 2 or None, got {self.readout_axis}")


@dataclass(frozen=True)
class Maps:
    """What a reconstruction gives back; every array on the input's grid.

    Attributes:
        susceptibility: (X, Y, Z), ppm, referenced as the recipe says, 0 outside ``mask``.
        mask: (X, Y, Z), where ``susceptibility`` is meant.
        local_field: (X, Y, Z), ppm, 0 outside ``mask``.
        total_field: (X, Y, Z), Hz.
        weight: (X, Y, Z), 0..1, trust in the field of each voxel.
        grid: the input's geometry.
        quality: named numbers of every step (residuals, coverage, iterations ...).
        reference: what zero means, in words, for people and reports.
        contrasts: further images (X, Y, Z) that the recipe asked for: ``r2star`` (1/s), ``swi``, ``swi_mip``
            (magnitude's unit), ``chi_positive``, ``chi_negative`` (ppm).

    Example:
        :func:`reconstruct` makes them; what is missing is empty, and the mappings cannot be changed.

        >>> import numpy as np
        >>> grid = Grid(shape=(4, 4, 4), voxel_mm=(1, 1, 1))
        >>> image, inside = np.zeros(grid.shape, np.float32), np.ones(grid.shape, bool)
        >>> maps = Maps(image, inside, image, image, image, grid, {"input_echoes": 5.0})
        >>> maps.quality["input_echoes"], dict(maps.contrasts)
        (5.0, {})
    """

    susceptibility: Float
    mask: Mask
    local_field: Float
    total_field: Float
    weight: Float
    grid: Grid
    quality: Mapping[str, float] = field(default_factory=dict)
    reference: str = ""
    contrasts: Mapping[str, Float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "quality", MappingProxyType(dict(self.quality)))
        object.__setattr__(self, "contrasts", MappingProxyType(dict(self.contrasts)))
