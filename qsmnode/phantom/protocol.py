"""How the simulated scanner measures: echoes, field, grid, slice orientation, noise and imperfections."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qsmnode.engine.types import Grid
from qsmnode.errors import EngineInputError

Cosines = tuple[float, float, float, float, float, float]

AXIAL: Cosines = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL: Cosines = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL: Cosines = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)

# what scanners of these nominal fields run at; a "3 T" runs below 3 T
_FREQUENCIES_MHZ = {1.5: 63.68, 3.0: 123.22, 7.0: 297.20}


def tilted(base: Cosines, first_deg: float, second_deg: float = 0.0) -> Cosines:
    """``base`` turned about its rows by ``first_deg`` and then about its columns: oblique, double oblique."""
    row, column = np.array(base[:3]), np.array(base[3:])
    normal = np.cross(row, column)
    a, b = math.radians(first_deg), math.radians(second_deg)
    column, normal = math.cos(a) * column + math.sin(a) * normal, math.cos(a) * normal - math.sin(a) * column
    row = math.cos(b) * row + math.sin(b) * normal
    return tuple(float(v) for v in (*row, *column))  # type: ignore[return-value]


@dataclass(frozen=True)
class SliceGeometry:
    """Where a grid lies in the patient: patient mm (L, P, S) = affine @ (X, Y, Z, 1).

    Args:
        shape: voxels along X (columns), Y (rows) and Z (slices).
        voxel_mm: voxel edge lengths.
        orientation: direction cosines of a row and of a column, as ImageOrientationPatient.
        centre_mm: patient position of the middle of the grid.

    Raises:
        EngineInputError: cosines that are no pair of orthogonal unit vectors, or a bad shape or voxel.
    """

    shape: tuple[int, int, int]
    voxel_mm: tuple[float, float, float]
    orientation: Cosines = AXIAL
    centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        row, column = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        if (
            len(self.orientation) != 6
            or abs(row @ row - 1) + abs(column @ column - 1) + abs(row @ column) > 1e-6
        ):
            raise EngineInputError(
                f"orientation: expected two orthogonal unit vectors, got {self.orientation}"
            )
        self.grid()

    @property
    def axes(self) -> npt.NDArray[np.float64]:
        """(3, 3): columns are the patient directions of X, Y and Z."""
        row, column = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        return np.stack([row, column, np.cross(row, column)], axis=1)

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """(4, 4): array index to patient mm of the voxel's centre."""
        affine = np.eye(4)
        affine[:3, :3] = self.axes * np.array(self.voxel_mm)
        middle = (np.array(self.shape) - 1) / 2
        affine[:3, 3] = np.array(self.centre_mm) - affine[:3, :3] @ middle
        return affine

    def grid(self) -> Grid:
        """The engine's grid; B0 is patient z, written in array axes."""
        row, column = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        normal = np.cross(row, column)
        return Grid(self.shape, self.voxel_mm, (float(row[2]), float(column[2]), float(normal[2])))


@dataclass(frozen=True)
class Protocol:
    """One multi-echo gradient-echo protocol.

    Args:
        echo_times_s: ascending, in s.
        field_t: nominal field; R2* of the tissues follows it.
        imaging_frequency_mhz: centre frequency; None takes the usual one of ``field_t``.
        shape, voxel_mm, orientation, centre_mm: the reported grid, see :class:`SliceGeometry`.
        snr: mean white-matter signal of the first echo over the noise SD of one channel; 0 means no noise.
        transmit_phase_rad: range of the smooth phase that all echoes share.
        receive_bias: relative depth of the smooth receive profile.
        shimmed: fit and remove a second-order field over the brain, as a shim would.
        ghost: relative strength of a motion ghost half a field of view away along the columns.
        bipolar_rad: odd/even phase difference from edge to edge along the rows; 0 is a monopolar readout.
        noise_seed: the same head can be measured again with other noise.

    Raises:
        EngineInputError: names the argument, what was expected and what came.
    """

    echo_times_s: tuple[float, ...] = (0.004, 0.010, 0.016, 0.022, 0.028)
    field_t: float = 3.0
    imaging_frequency_mhz: float | None = None
    shape: tuple[int, int, int] = (160, 192, 160)
    voxel_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    orientation: Cosines = AXIAL
    centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    snr: float = 60.0
    transmit_phase_rad: float = 3.0
    receive_bias: float = 0.3
    shimmed: bool = True
    ghost: float = 0.0
    bipolar_rad: float = 0.0
    noise_seed: int = 0

    def __post_init__(self) -> None:
        times = self.echo_times_s
        if not times or times[0] <= 0 or any(b <= a for a, b in itertools.pairwise(times)) or times[-1] > 0.2:
            raise EngineInputError(f"echo_times_s: expected ascending seconds in 0 to 0.2, got {times}")
        if not 0.2 <= self.field_t <= 12.0:
            raise EngineInputError(f"field_t: expected 0.2 to 12 T, got {self.field_t}")
        if not (self.snr >= 0 and 0 <= self.ghost < 1 and 0 <= self.receive_bias < 1):
            raise EngineInputError("snr, ghost, receive_bias: expected >= 0, and below 1 for the last two")
        self.geometry()

    @property
    def frequency_mhz(self) -> float:
        """The centre frequency in MHz."""
        if self.imaging_frequency_mhz is not None:
            return self.imaging_frequency_mhz
        return _FREQUENCIES_MHZ.get(self.field_t, 42.577478 * self.field_t)

    def geometry(self) -> SliceGeometry:
        """Where the reported grid lies."""
        return SliceGeometry(self.shape, self.voxel_mm, self.orientation, self.centre_mm)


def quick_protocol(voxel_mm: float = 3.0, **changes: object) -> Protocol:
    """A whole head in few voxels, for tests: 64 x 72 x 60 at 3 mm, or the same view in other voxels."""
    shape = tuple(round(extent / voxel_mm) for extent in (192.0, 216.0, 180.0))
    return Protocol(**{"shape": shape, "voxel_mm": (voxel_mm,) * 3, **changes})  # type: ignore[arg-type]
