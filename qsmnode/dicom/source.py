"""What a reconstruction starts from and its products refer back to: arrays, geometry, header, references."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from qsmnode.dicom.acquisition import Acquisition
from qsmnode.dicom.completeness import obstacles
from qsmnode.dicom.encodings.encoding import Encoding
from qsmnode.dicom.encodings.registry import encoding_for
from qsmnode.dicom.frames import ImageView
from qsmnode.dicom.geometry import affine_of, b0_direction, order_slices
from qsmnode.dicom.grid import echo_index
from qsmnode.dicom.pairing import Image
from qsmnode.dicom.pixels import (
    USED_KINDS,
    PhaseUnit,
    alternates,
    polar,
    read_all,
    with_every_second_slice_negated,
    wrapped_or_unwrapped,
)
from qsmnode.dicom.reading import text, texts
from qsmnode.dicom.template import template_of
from qsmnode.engine.types import EchoStack, Float, Grid
from qsmnode.errors import Finding, NotEligible


@dataclass(frozen=True)
class ImageReference:
    """One source image: an instance, or a frame of one.

    Attributes:
        frame_number: from 1, or None for an instance with a single frame.
        kind: magnitude, phase, real or imaginary.
        echo: from 1, in the order of the echo times.
    """

    sop_class_uid: str
    sop_instance_uid: str
    frame_number: int | None
    kind: str
    echo: int
    series_instance_uid: str


@dataclass(frozen=True)
class SliceSource:
    """One slice of the stack: its ImagePositionPatient and every image that it was read from."""

    position_mm: tuple[float, float, float]
    references: tuple[ImageReference, ...]


@dataclass(frozen=True)
class Source:
    """One acquisition, read: arrays in the engine's axes and everything that its products must repeat.

    Attributes:
        stack: axes (E, X, Y, Z) with X = column, Y = row, Z along row x column ascending; phase in rad.
        slices: index = Z of the arrays.
        orientation: ImageOrientationPatient.
        pixel_spacing_mm: DICOM order, (between rows, between columns).
        slice_thickness_mm: SliceThickness.
        slice_spacing_mm: distance of neighbouring slices along the normal.
        template: one source header, enhanced ones flattened: patient, study, frame of reference, equipment
            and sequence facts; no pixel data, no private elements.
        content_sha256: over SOP instance UIDs, echo times, geometry and the arrays' bytes.
        warnings: what a reader of the maps should know of how it was read.
        phase_is_unwrapped: the scanner has made the phase continuous: it may leave one turn.
        findings: what the acceptance checks found against it; each has a code in reports.
    """

    stack: EchoStack
    slices: tuple[SliceSource, ...]
    orientation: tuple[float, ...]
    pixel_spacing_mm: tuple[float, float]
    slice_thickness_mm: float
    slice_spacing_mm: float
    template: Dataset
    content_sha256: str
    warnings: tuple[str, ...]
    phase_is_unwrapped: bool = False
    findings: tuple[Finding, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Findings and warnings in words."""
        return (*map(str, self.findings), *self.warnings)

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """(4, 4): array index (X, Y, Z, 1) to patient LPS coordinates in mm."""
        return affine_of(
            self.orientation, self.pixel_spacing_mm, self.slice_spacing_mm, self.slices[0].position_mm
        )


@dataclass(frozen=True)
class _Geometry:
    spacing_mm: float
    thickness_mm: float
    grid: Grid


def load(acquisition: Acquisition, paths: Mapping[str, Path]) -> Source:
    """Read an acquisition's images into arrays.

    Args:
        acquisition: whole; neither held nor ignored.
        paths: SOP instance UID to file, of every member.

    Raises:
        NotEligible: it must not become a map: says why.
        UnreadableDicom: a file is missing or damaged.
    """
    frequency = _refuse(acquisition)
    geometry = _geometry(acquisition)
    encoding = encoding_for(acquisition.manufacturer)
    arrays, units, references, template_view = _read(acquisition, paths, encoding)
    magnitude, phase, unwrapped, remarks = _polar(acquisition, arrays, units, encoding)
    slices = tuple(
        SliceSource(position, tuple(sorted(found, key=lambda one: (one.echo, one.kind))))
        for position, found in zip(acquisition.slices, references, strict=True)
    )
    stack = EchoStack(
        magnitude=magnitude,
        phase=phase,
        echo_times_s=acquisition.echo_times_s,
        imaging_frequency_mhz=frequency,
        grid=geometry.grid,
        readout_axis=_readout_axis(template_view),
    )
    return Source(
        stack=stack,
        slices=slices,
        orientation=acquisition.orientation,
        pixel_spacing_mm=acquisition.pixel_spacing_mm,
        slice_thickness_mm=geometry.thickness_mm,
        slice_spacing_mm=geometry.spacing_mm,
        template=template_of(template_view),
        content_sha256=_content(acquisition, stack),
        warnings=remarks,
        phase_is_unwrapped=unwrapped,
    )


def _refuse(acquisition: Acquisition) -> float:
    """The centre frequency in MHz of an acquisition that may be read."""
    if acquisition.ignored is not None:
        raise NotEligible(acquisition.ignored)
    if acquisition.held is not None:
        raise NotEligible(acquisition.held, check=acquisition.held_check)
    missing = obstacles(acquisition)
    if missing:
        raise NotEligible(f"not all there, or contradictory: {'; '.join(missing)}", check="complete")
    if acquisition.imaging_frequency_mhz is None:
        raise NotEligible(
            "ImagingFrequency is missing, implausible for the field strength, or differs between images: "
            "the ppm scale comes from it and from nothing else",
            check="field_strength",
        )
    return acquisition.imaging_frequency_mhz


def _geometry(acquisition: Acquisition) -> _Geometry:
    ordered = order_slices(acquisition.slices, acquisition.orientation)
    spacing = ordered.spacing_mm
    if spacing is None:
        raise NotEligible("a single slice: the field of its neighbourhood is not known", check="slices")
    thickness = acquisition.slice_thickness_mm or spacing
    gap = spacing - thickness
    if gap > max(0.01 * thickness, 0.02):
        raise NotEligible(f"gaps of {gap:.2f} mm between slices of {thickness:.2f} mm", check="gaps")
    rows, columns = acquisition.shape
    between_rows, between_columns = acquisition.pixel_spacing_mm
    grid = Grid(
        shape=(columns, rows, len(acquisition.slices)),
        voxel_mm=(between_columns, between_rows, spacing),
        b0_direction=b0_direction(acquisition.orientation),
    )
    return _Geometry(spacing, thickness, grid)


def _read(
    acquisition: Acquisition, paths: Mapping[str, Path], encoding: Encoding
) -> tuple[Float, set[PhaseUnit], list[list[ImageReference]], ImageView]:
    """Both kinds as (2, E, X, Y, Z), what the phase images say of their unit, the references of each slice,
    and the view for the template."""
    times, grid = acquisition.echo_times_s, acquisition.grid
    used = [image for image in acquisition.images if image.kind in acquisition.pair]
    by_uid: dict[str, list[Image]] = {}
    for image in used:
        by_uid.setdefault(image.sop_instance_uid, []).append(image)
    wanted = {uid: {one.frame_index or 0: one.kind for one in images} for uid, images in by_uid.items()}
    rows, columns = acquisition.shape
    arrays = np.zeros((2, len(times), len(grid.positions), rows, columns), dtype=np.float32)
    references: list[list[ImageReference]] = [[] for _ in grid.positions]
    template: ImageView | None = None
    units: set[PhaseUnit] = set()
    for uid, loaded in read_all(paths, wanted, encoding):
        sop_class, series = (text(loaded.dataset, name) for name in ("SOPClassUID", "SeriesInstanceUID"))
        units |= loaded.units
        for image in by_uid[uid]:
            index, z = image.frame_index or 0, grid.index_of[image.position]
            echo = echo_index(image.echo_time_s, times)
            picture = loaded.pictures[index]
            if echo is None or picture.shape != (rows, columns):
                raise NotEligible(f"an image has {picture.shape} pixels, its acquisition {(rows, columns)}")
            arrays[USED_KINDS[image.kind], echo, z] = picture
            number = None if image.frame_index is None else index + 1
            references[z].append(ImageReference(sop_class, uid, number, image.kind, echo + 1, series))
            if (image.kind, echo, z) == (acquisition.pair[0], 0, 0):
                template = loaded.views[index]
    if template is None:
        raise NotEligible(f"the first slice of {acquisition.pair[0]}, echo 1, is missing")
    return arrays.transpose(0, 1, 4, 3, 2), units, references, template


def _polar(
    acquisition: Acquisition, arrays: Float, units: set[PhaseUnit], encoding: Encoding
) -> tuple[Float, Float, bool, tuple[str, ...]]:
    """Magnitude, phase, whether the scanner unwrapped it, and what to say of it."""
    remarks, unwrapped = [], False
    if acquisition.pair[0] == "real":
        magnitude, phase = polar(arrays[0], arrays[1])
    else:
        magnitude = arrays[0]
        phase, unwrapped = wrapped_or_unwrapped(arrays[1], units)
    if not encoding.direction_checked:
        remarks.append(
            f"direction of phase ({encoding.name}): taken as rising with the field, "
            "not checked on that vendor's own images"
        )
    if float(magnitude.min()) < 0:
        raise NotEligible(
            f"magnitude images hold negative values (down to {float(magnitude.min()):g}): a field map?",
            check="magnitude",
        )
    if float(magnitude.max()) <= 0:
        raise NotEligible("magnitude images are empty", check="magnitude")
    if acquisition.dimensions != 2 and not unwrapped and alternates(magnitude[0], phase[0]):
        if not encoding.may_alternate:
            raise NotEligible(
                f"phase goes by half a turn from slice to slice, which images of {encoding.name} are not "
                "known to do: expected phase that neighbouring slices share; look at the phase images",
                check="phase_scaling",
            )
        phase = with_every_second_slice_negated(phase)
        remarks.append("slices alternated in sign: every second one negated")
    return magnitude, phase, unwrapped, tuple(remarks)


def _readout_axis(view: ImageView) -> int | None:
    """Frequency encoding runs across the phase encoding direction."""
    direction = texts(view.get("InPlanePhaseEncodingDirection"))[:1]
    return {"ROW": 1, "COL": 0, "COLUMN": 0}.get(direction[0]) if direction else None


def _content(acquisition: Acquisition, stack: EchoStack) -> str:
    """Hex SHA-256 of what a reconstruction sees: the same images give the same, one changed voxel another."""
    facts: Sequence[object] = (
        acquisition.sop_instance_uids,
        stack.echo_times_s,
        stack.imaging_frequency_mhz,
        acquisition.orientation,
        acquisition.pixel_spacing_mm,
        acquisition.slices,
    )
    digest = hashlib.sha256(json.dumps(facts).encode())
    digest.update(stack.magnitude.tobytes())
    digest.update(stack.phase.tobytes())
    return digest.hexdigest()
