"""A scan in NIfTI files, read: arrays for the engine, and what the sidecars say of them."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from qsmnode.bids.phase import Stored, radians, turn_of
from qsmnode.bids.placement import Placement
from qsmnode.bids.scan import ImageFile, Scan
from qsmnode.bids.sidecar import Sidecar, sidecar_of
from qsmnode.bids.volume import Volume, opened
from qsmnode.engine.contrasts import MHZ_PER_TESLA
from qsmnode.engine.types import EchoStack, Float
from qsmnode.errors import NotEligible

_TIME_TOLERANCE_S = 1e-5
_SAME_PLACE_MM = 1e-2
_FIELD_TOLERANCE = 0.1  # a magnet sold as 3 T may run at 2.89 T
_AXES = {"i": 0, "j": 1, "k": 2}  # BIDS' names of the file's axes
_ROWS = {"ROW": 0, "COL": 1}  # and a scanner's: along a row is the first


@dataclass(frozen=True)
class Recording:
    """One scan.

    Attributes:
        scan: its files.
        stack: in the engine's axes; phase in rad, as the vendor counts it.
        placement: how the files' voxels lie, and the way back into the files' axes.
        field_t: MagneticFieldStrength.
        dimensions: 2 or 3 by MRAcquisitionType, None where not said.
        slice_thickness_mm: where it is said.
        manufacturer: "" where not said.
        contrast_agent: "" where none is said.
        body_part: "" where none is said.
        remarks: what a reader of the maps should know of how it was read.
        content_sha256: over echo times, geometry and the arrays' bytes.
    """

    scan: Scan
    stack: EchoStack
    placement: Placement
    field_t: float
    dimensions: int | None
    slice_thickness_mm: float | None
    manufacturer: str
    contrast_agent: str
    body_part: str
    remarks: tuple[str, ...]
    content_sha256: str

    @property
    def sources(self) -> tuple[str, ...]:
        """Its files: BIDS URIs within their dataset, else names alone."""
        if self.scan.dataset is None:
            return tuple(path.name for path in self.scan.files)
        return tuple(f"bids:raw:{path.relative_to(self.scan.root).as_posix()}" for path in self.scan.files)


@dataclass(frozen=True)
class _Echo:
    """One echo of one file."""

    volume: Volume
    sidecar: Sidecar
    index: int
    time_s: float


def recorded(scan: Scan) -> Recording:
    """Read a scan.

    Raises:
        NotEligible: it cannot be read as what its names say, or does not say enough; names file and key.
    """
    files = [_described(image, scan) for image in (*scan.magnitude, *scan.phase)]
    sidecars = [sidecar for _, sidecar in files]
    placed, as_scanned = _as_scanned(_one_placement([volume for volume, _ in files]), sidecars[-1])
    echoes = [_echoes(volume, sidecar) for volume, sidecar in files]
    count = len(scan.magnitude)
    magnitude, phase = (_in_order(part) for part in (echoes[:count], echoes[count:]))
    _refuse_other_times(magnitude, phase)
    field_t = _common(sidecars, "MagneticFieldStrength", "the field in T", "write it, such as 3")
    stack = EchoStack(
        magnitude=_magnitudes(magnitude, placed),
        phase=_phases(phase, placed),
        echo_times_s=tuple(echo.time_s for echo in magnitude),
        imaging_frequency_mhz=_frequency(sidecars, field_t),
        grid=placed.engine_grid,
        readout_axis=_readout_axis(sidecars[-1], placed, as_scanned),
    )
    said = sidecars[-1]
    return Recording(
        scan=scan,
        stack=stack,
        placement=placed,
        field_t=field_t,
        dimensions={"2D": 2, "3D": 3}.get(said.text("MRAcquisitionType").upper()),
        slice_thickness_mm=_optional(said, "SliceThickness"),
        manufacturer=said.text("Manufacturer"),
        contrast_agent=said.text("ContrastBolusIngredient"),
        body_part=said.text("BodyPart") or said.text("BodyPartExamined"),
        remarks=(placed.remark,) if placed.remark else (),
        content_sha256=_content(stack, placed),
    )


def _described(image: ImageFile, scan: Scan) -> tuple[Volume, Sidecar]:
    return opened(image.path), sidecar_of(image.path, image.name, scan.root)


def _one_placement(volumes: Sequence[Volume]) -> Placement:
    """That of the first, which all share."""
    first = volumes[0].placement
    if min(first.shape) < 2:
        raise NotEligible(
            f"{volumes[0].path.name}: a single slice: its neighbours' field is not known; use a volume",
            check="slices",
        )
    for volume in volumes[1:]:
        other = volume.placement
        if other.shape != first.shape or np.abs(other.affine - first.affine).max() > _SAME_PLACE_MM:
            raise NotEligible(
                f"{volume.path.name}: expected shape and affine of {volumes[0].path.name} ({first.shape}), "
                f"found {other.shape} in another place or of another size; use images of one scan",
                check="slices",
            )
    return first


def _as_scanned(placement: Placement, sidecar: Sidecar) -> tuple[Placement, bool]:
    """With the scanner's rows and columns where the converter says them, and whether it does."""
    key, what = "ImageOrientationPatientDICOM", "six direction cosines of a row and a column"
    if key not in sidecar.values:
        return placement, False
    cosines = sidecar.numbers(key, what, "correct it or take it out")
    if len(cosines) != 6:
        raise sidecar.refusal(key, what, "correct it or take it out")
    found = placement.as_scanned(cosines)
    return (placement, False) if found is None else (found, True)


def _echoes(volume: Volume, sidecar: Sidecar) -> list[_Echo]:
    """The echoes of a file."""
    what = "one echo time in s" if volume.echoes == 1 else f"a list of {volume.echoes} echo times in s"
    remedy = "write them as the scanner has them, such as 0.004 for 4 ms"
    times = sidecar.numbers("EchoTime", what, remedy)
    if len(times) != volume.echoes or not all(0 < time < 1 for time in times):
        raise sidecar.refusal("EchoTime", what, remedy)
    return [_Echo(volume, sidecar, index, time) for index, time in enumerate(times)]


def _in_order(files: Sequence[Sequence[_Echo]]) -> list[_Echo]:
    """Every echo by its time."""
    echoes = sorted((echo for file in files for echo in file), key=lambda echo: echo.time_s)
    for before, after in itertools.pairwise(echoes):
        if after.time_s - before.time_s < _TIME_TOLERANCE_S:
            raise after.sidecar.refusal(
                "EchoTime",
                f"another time than {before.sidecar.file} has",
                "write each echo's own time",
            )
    return echoes


def _refuse_other_times(magnitude: Sequence[_Echo], phase: Sequence[_Echo]) -> None:
    if len(magnitude) != len(phase):
        raise NotEligible(
            f"{phase[0].volume.path.name}: expected {len(magnitude)} echoes, as the magnitude has, found "
            f"{len(phase)}; use every echo of both",
            check="complete",
        )
    for one, other in zip(magnitude, phase, strict=True):
        if abs(one.time_s - other.time_s) > _TIME_TOLERANCE_S:
            raise other.sidecar.refusal(
                "EchoTime",
                f"{one.time_s:g} s as in {one.sidecar.file}",
                "write this echo's time in both",
            )


def _common(sidecars: Sequence[Sidecar], key: str, expected: str, remedy: str) -> float:
    """A number above 0 that every sidecar has, or all of those that have it."""
    found: dict[float, Sidecar] = {}
    for sidecar in sidecars:
        if key in sidecar.values:
            values = sidecar.numbers(key, expected, remedy)
            if len(values) != 1 or values[0] <= 0:
                raise sidecar.refusal(key, expected, remedy, "field_strength")
            found[values[0]] = sidecar
    if not found:
        raise sidecars[-1].refusal(key, expected, remedy, "field_strength")
    if len(found) > 1:
        raise found[max(found)].refusal(key, f"{min(found):g} as in {found[min(found)].file}", "correct it")
    return next(iter(found))


def _frequency(sidecars: Sequence[Sidecar], field_t: float) -> float:
    """The centre frequency in MHz: the scale of ppm comes from it and from nothing else."""
    key = "ImagingFrequency"
    usual = field_t * MHZ_PER_TESLA
    expected = f"the scanner's centre frequency in MHz, about {usual:.1f} at {field_t:g} T"
    remedy = "write what the scanner says (DICOM ImagingFrequency), or correct MagneticFieldStrength"
    frequency = _common(sidecars, key, expected, remedy)
    if abs(frequency / usual - 1) > _FIELD_TOLERANCE:
        said = next(sidecar for sidecar in sidecars if key in sidecar.values)
        raise said.refusal(key, expected, remedy, "field_strength")
    return frequency


def _optional(sidecar: Sidecar, key: str) -> float | None:
    if key not in sidecar.values:
        return None
    (value,) = sidecar.numbers(key, "a length in mm", "correct it or take it out")[:1]
    return value


def _readout_axis(sidecar: Sidecar, placement: Placement, as_scanned: bool) -> int | None:
    """Frequency encoding runs across the phase encoding within the slice; in the engine's axes."""
    text = sidecar.text("PhaseEncodingDirection") or sidecar.text("PhaseEncodingAxis")
    in_file = _AXES.get(text.rstrip("-+"))
    encoded = None if in_file is None else placement.order.index(in_file)
    if encoded is None and as_scanned:
        encoded = _ROWS.get(sidecar.text("InPlanePhaseEncodingDirectionDICOM").upper())
    return 1 - encoded if encoded in (0, 1) else None


def _values(echoes: Sequence[_Echo], placement: Placement) -> Iterator[tuple[_Echo, Stored]]:
    """Each echo's values; a file with several is read once."""
    read: tuple[Volume, Stored] | None = None
    for echo in echoes:
        if read is None or read[0] is not echo.volume:
            read = echo.volume, echo.volume.stored(placement)
        yield echo, read[1].of(echo.index)


def _magnitudes(echoes: Sequence[_Echo], placement: Placement) -> Float:
    magnitude = np.stack([_magnitude(echo, stored) for echo, stored in _values(echoes, placement)])
    if not np.nanmax(magnitude, initial=0.0) > 0:
        name = echoes[0].volume.path.name
        raise NotEligible(f"{name}: every magnitude is 0; convert the images again", check="magnitude")
    return magnitude


def _magnitude(echo: _Echo, stored: Stored) -> Float:
    values = stored.values.astype(np.float64) * stored.slope + stored.intercept
    lowest = float(np.min(values, where=np.isfinite(values), initial=0.0))
    if lowest < 0:
        raise NotEligible(
            f"{echo.volume.path.name}: expected a magnitude, found values down to {lowest:g}: a field map "
            "or a phase image? Name it after what it is",
            check="magnitude",
        )
    return np.asarray(values, dtype=np.float32)


def _phases(echoes: Sequence[_Echo], placement: Placement) -> Float:
    found = [
        radians(echo.volume.path.name, stored, turn_of(echo.sidecar, stored))
        for echo, stored in _values(echoes, placement)
    ]
    return np.stack(found)


def _content(stack: EchoStack, placement: Placement) -> str:
    """Hex SHA-256 of what a reconstruction sees; not of names, nor of how the files are packed."""
    facts = (stack.echo_times_s, stack.imaging_frequency_mhz, placement.affine.tolist(), placement.shape)
    digest = hashlib.sha256(json.dumps(facts).encode())
    digest.update(stack.magnitude.tobytes())
    digest.update(stack.phase.tobytes())
    return digest.hexdigest()
