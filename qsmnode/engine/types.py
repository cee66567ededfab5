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

import numpy as np
import numpy.typing as npt

from qsmnode.errors import EngineInputError

Float = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """A regular voxel grid and the direction of the main field in it.

    Args:
        shape: voxels along X, Y, Z; at least 1 each.
        voxel_mm: voxel edge lengths in mm, > 0.
        b0_direction: direction of B0 in array axes; normalised to a unit vector.

    Raises:
        EngineInputError: a value is out of these ranges.
    """

    shape: tuple[int, int, int]
    voxel_mm: tuple[float, float, float]
    b0_direction: tuple[float, float, float] = (0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        voxel = tuple(float(v) for v in self.voxel_mm)
        direction = tuple(float(b) for b in self.b0_direction)
        if len(shape) != 3 or min(shape) < 1:
            raise EngineInputError(f"shape: expected three voxel counts of at least 1, got {self.shape}")
        if len(voxel) != 3 or not all(math.isfinite(v) and v > 0 for v in voxel):
            raise EngineInputError(f"voxel_mm: expected three positive lengths in mm, got {self.voxel_mm}")
        length = math.hypot(*direction)
        if len(direction) != 3 or not math.isfinite(length) or length == 0:
            raise EngineInputError(f"b0_direction: expected a vector of length > 0, got {self.b0_direction}")
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "voxel_mm", voxel)
        object.__setattr__(self, "b0_direction", tuple(b / length for b in direction))

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in mm^3."""
        return math.prod(self.voxel_mm)


@dataclass(frozen=True)
class EchoStack:
    """Multi-echo gradient-echo magnitude and wrapped phase on one grid.

    Args:
        magnitude: (E, X, Y, Z), arbitrary units, >= 0.
        phase: (E, X, Y, Z), rad, wrapped to one turn.
        echo_times_s: E echo times in s, ascending, > 0.
        imaging_frequency_mhz: the scanner's centre frequency in MHz (never from the nominal field strength).
        grid: geometry of the three spatial axes.
        readout_axis: 0, 1 or 2, or None where not known.
        bipolar: whether even echoes were read backwards, or None where not known (found from the data).

    Raises:
        EngineInputError: names the argument, what was expected and what came.
    """

    magnitude: Float
    phase: Float
    echo_times_s: tuple[float, ...]
    imaging_frequency_mhz: float
    grid: Grid
    readout_axis: int | None = None
    bipolar: bool | None = None

    def __post_init__(self) -> None:
        times = tuple(float(t) for t in np.atleast_1d(np.asarray(self.echo_times_s, dtype=np.float64)))
        object.__setattr__(self, "echo_times_s", times)
        object.__setattr__(self, "magnitude", np.ascontiguousarray(self.magnitude, dtype=np.float32))
        object.__setattr__(self, "phase", np.ascontiguousarray(self.phase, dtype=np.float32))
        expected = (len(times), *self.grid.shape)
        for name in ("magnitude", "phase"):
            shape = getattr(self, name).shape
            if shape != expected:
                raise EngineInputError(f"{name}: expected shape (E, X, Y, Z) = {expected}, got {shape}")
        if not times or not all(math.isfinite(t) and t > 0 for t in times):
            raise EngineInputError(f"echo_times_s: expected times in s above 0, got {times}")
        if any(b <= a for a, b in itertools.pairwise(times)):
            raise EngineInputError(f"echo_times_s: expected strictly ascending times, got {times}")
        if times[-1] > 1.0:
            raise EngineInputError(f"echo_times_s: expected seconds, got {times} (milliseconds?)")
        frequency = float(self.imaging_frequency_mhz)
        if not (math.isfinite(frequency) and 1.0 <= frequency <= 1000.0):
            raise EngineInputError(f"imaging_frequency_mhz: expected 1 to 1000 MHz, got {frequency}")
        object.__setattr__(self, "imaging_frequency_mhz", frequency)
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
        quality: named numbers of every step (residuals, coverage, iterations ...).
        reference: what zero means, in words, for people and reports.
    """

    susceptibility: Float
    mask: Mask
    local_field: Float
    total_field: Float
    weight: Float
    grid: Grid
    quality: Mapping[str, float] = field(default_factory=dict)
    reference: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "quality", MappingProxyType(dict(self.quality)))
