"""Which images belong to one gradient-echo scan, whatever series and objects they came in.

``group`` is a pure function of a set of instances: any order of arrival and any duplicate give the same
answer, and the images of one scan grouped alone give the same key as among others.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qsmnode.dicom.eligibility import FILTERED_BY_SCANNER, spoils
from qsmnode.dicom.encodings.encoding import (
    FIELD_MAP,
    FILTERED_PHASE,
    IMAGINARY,
    OTHER,
    PHASE,
    REAL,
    USABLE,
    Declared,
)
from qsmnode.dicom.encodings.registry import encoding_for
from qsmnode.dicom.geometry import Vector
from qsmnode.dicom.grid import SliceGrid, merged_times
from qsmnode.dicom.instance import Frame, Instance
from qsmnode.dicom.pairing import Image, Pairing, pair_images

START_GAP_S = 5.0
"""Scans that started further apart are two: no multi-echo volume is over so soon."""

FREQUENCY_TOLERANCE = 1e-5
"""Part by which the centre frequencies of one scan's images may differ: headers round, scans keep tune."""

_NOWHERE = (math.nan, math.nan, math.nan)

Bucket = tuple[object, ...]


@dataclass(frozen=True)
class Acquisition:
    """All echoes and slices of one scan, magnitude with phase or real with imaginary, as far as they arrived.

    Attributes:
        key: names the scan; the same for any order of arrival and as more images come.
        sop_instance_uids: every instance that holds an image of it, sorted.
        kinds: what its images show.
        echo_times_s: ascending.
        slices: ImagePositionPatient of each slice, ascending along the normal.
        dimensions: 2 or 3, or None where the header does not say.
        field_t: nominal field strength.
        voxel_mm: along a row, down a column, between slices; None where slices cannot be measured.
        description: for people; holds nothing about the patient.
        held: why it must not be decided yet (ambiguous or contradictory), or None.
        held_check: the acceptance check behind ``held``.
        held_for_good: whether no image that may still come can end what holds it.
        ignored: why it can never become a map, or None.
        images: the images that would be reconstructed.
        declared: counts of the headers; ``contradiction`` where they disagree.
        images_present: images of any kind in its series, for headers that count them all.
    """

    key: str
    sop_instance_uids: tuple[str, ...]
    kinds: tuple[str, ...]
    echo_times_s: tuple[float, ...]
    slices: tuple[Vector, ...]
    dimensions: int | None
    field_t: float | None
    voxel_mm: tuple[float, float, float] | None
    description: str
    held: str | None
    held_check: str
    held_for_good: bool
    ignored: str | None
    images: tuple[Image, ...]
    pair: tuple[str, str]
    grid: SliceGrid
    orientation: tuple[float, ...]
    pixel_spacing_mm: tuple[float, float]
    slice_thickness_mm: float | None
    shape: tuple[int, int]
    imaging_frequency_mhz: float | None
    manufacturer: str
    declared: Declared
    contradiction: str | None
    images_present: int


@dataclass(frozen=True)
class Grouping:
    """What a set of instances holds: acquisitions, and instances that are in none, each with the reason."""

    acquisitions: tuple[Acquisition, ...]
    ignored: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Study:
    """What images say of others: the size of each series, its orientations, whether it maps a field.

    Attributes:
        orientations: of the usable images of each series.
        mapped: series that hold a field map.
    """

    by_uid: dict[str, Instance]
    sizes: dict[str, int]
    orientations: dict[str, set[tuple[float, ...]]]
    mapped: set[str]

    @classmethod
    def of(cls, by_uid: dict[str, Instance]) -> _Study:
        sizes: dict[str, int] = defaultdict(int)
        orientations: dict[str, set[tuple[float, ...]]] = defaultdict(set)
        mapped = set()
        for instance in by_uid.values():
            sizes[instance.series_uid] += len(instance.frames)
            for frame in instance.frames:
                if frame.kind == FIELD_MAP:
                    mapped.add(instance.series_uid)
                elif frame.kind in USABLE and frame.orientation is not None:
                    orientations[instance.series_uid].add(_turned(frame.orientation))
        return cls(by_uid, sizes, orientations, mapped)


def group(instances: Iterable[Instance]) -> Grouping:
    """Put the images of one scan together.

    Args:
        instances: any, in any order; a SOP instance that comes twice counts once.

    Returns:
        acquisitions sorted by key, ignored instances sorted by SOP instance UID.
    """
    unique = {instance.sop_instance_uid: instance for instance in instances}
    by_uid = {uid: unique[uid] for uid in sorted(unique)}
    ignored: dict[str, str] = {}
    buckets: dict[Bucket, list[Image]] = defaultdict(list)
    for instance in by_uid.values():
        if instance.not_source is not None:
            ignored[instance.sop_instance_uid] = instance.not_source
            if spoils(instance.not_source) is None or instance.pixel_spacing is None:
                continue
        found_in = list(_images(instance))
        if len({bucket for bucket, _ in found_in if not instance.not_source}) > 1:
            ignored[instance.sop_instance_uid] = "several orientations in one object: a localiser"
            continue
        for bucket, image in found_in:
            buckets[bucket].append(image)
    study = _Study.of(by_uid)
    found = []
    for bucket, images in buckets.items():
        for run in _runs(images):
            if all(image.spoilt for image in run):
                continue
            pairing = pair_images(run, by_uid)
            ignored |= dict(pairing.ignored)
            if pairing.images:
                found.append(_acquisition(bucket, run, pairing, study))
    taken = {uid for acquisition in found for uid in acquisition.sop_instance_uids}
    return Grouping(
        tuple(sorted(found, key=lambda acquisition: acquisition.key)),
        tuple(sorted((uid, reason) for uid, reason in ignored.items() if uid not in taken)),
    )


def _images(instance: Instance) -> Iterable[tuple[Bucket, Image]]:
    several = len(instance.frames) > 1
    orientations: dict[tuple[float, ...], tuple[float, ...]] = {}
    spacing = instance.pixel_spacing or (0.0, 0.0)
    fixed = (
        instance.study_uid,
        instance.frame_of_reference_uid,
        instance.rows,
        instance.columns,
        round(spacing[0], 4),
        round(spacing[1], 4),
        instance.acquisition_number,
        instance.series_uid if encoding_for(instance.manufacturer).one_series else None,
        instance.sequence,
    )
    start = _start_s(instance)
    for index, frame in enumerate(instance.frames):
        kind, spoilt = _kind_and_spoilt(frame, instance.not_source)
        if kind not in USABLE and kind != FIELD_MAP:
            continue
        exact = frame.orientation or ()
        if exact not in orientations:
            orientations[exact] = _turned(exact)
        yield (
            (*fixed, orientations[exact]),
            Image(
                instance.sop_instance_uid,
                instance.series_uid,
                index if several else None,
                kind,
                frame.echo_time_s,
                frame.position or _NOWHERE,
                frame.flags,
                start,
                spoilt,
            ),
        )


def _kind_and_spoilt(frame: Frame, reason: str | None) -> tuple[str, str]:
    """What a frame would show if nothing spoilt it, and what does; OTHER where it could not be placed."""
    filtered = frame.kind == FILTERED_PHASE
    if reason is None and not filtered:
        return frame.kind, ""
    placed = frame.position is not None and frame.orientation is not None and frame.echo_time_s is not None
    return (PHASE if filtered else frame.kind) if placed else OTHER, reason or FILTERED_BY_SCANNER


def _turned(orientation: tuple[float, ...]) -> tuple[float, ...]:
    """An orientation as it enters a key; adding 0.0 makes -0.0 and 0.0 one value."""
    return tuple(round(value, 3) + 0.0 for value in orientation)


def _start_s(instance: Instance) -> float | None:
    """When the scan of an instance started; None where unknown, or where its number or series says more.

    All slices of a 3-D scan are measured together. Those of a 2-D scan follow each other, so that the time of
    one tells the start only where the vendor writes how much later it was.
    """
    encoding = encoding_for(instance.manufacturer)
    if encoding.one_series or (encoding.numbers_are_unique and instance.acquisition_number is not None):
        return None
    if not instance.start_is_exact and instance.mr_acquisition_type != "3D":
        return None
    return min((frame.started_s for frame in instance.frames if frame.started_s is not None), default=None)


def _runs(images: Sequence[Image]) -> list[list[Image]]:
    """Split the images of one protocol and place into scans by the time at which they started."""
    timed = sorted(
        ((image.started_s, image) for image in images if image.started_s is not None),
        key=lambda pair: pair[0],
    )
    runs: list[list[Image]] = []
    last = -math.inf
    for start, image in timed:
        if start - last > START_GAP_S:
            runs.append([])
        runs[-1].append(image)
        last = start
    untimed = [image for image in images if image.started_s is None]
    if untimed and len(runs) == 1:
        runs[0].extend(untimed)
    elif untimed:
        runs.append(untimed)
    return runs


def _acquisition(bucket: Bucket, run: Sequence[Image], pairing: Pairing, study: _Study) -> Acquisition:
    uids = tuple(sorted({image.sop_instance_uid for image in pairing.images}))
    members = [study.by_uid[uid] for uid in uids]
    one = members[0]
    orientation = next(
        (frame.orientation for frame in one.frames if frame.orientation is not None), (1.0, 0, 0, 0, 1.0, 0)
    )
    usable = [image for image in pairing.images if image.kind in USABLE]
    grid = SliceGrid.of([image.position for image in usable], orientation)
    times = merged_times(image.echo_time_s for image in usable if image.echo_time_s is not None)
    declared, contradiction = _merged([member.declared for member in members])
    series = {member.series_uid for member in members}
    spacing = one.pixel_spacing or (0.0, 0.0)
    thickness = one.slice_thickness_mm
    unscaled = next((member.phase_problem for member in members if member.phase_problem), None)
    between = grid.spacing_mm or thickness
    return Acquisition(
        key=_key(bucket, run),
        sop_instance_uids=uids,
        kinds=pairing.kinds,
        echo_times_s=times,
        slices=grid.positions,
        dimensions={"2D": 2, "3D": 3}.get(one.mr_acquisition_type),
        field_t=next((m.field_t for m in members if m.field_t is not None), None),
        voxel_mm=(spacing[1], spacing[0], round(between, 4)) if between else None,
        description=_description(members, times, grid, pairing.kinds),
        held=pairing.held or unscaled,
        held_check=pairing.held_check if pairing.held or not unscaled else "phase_scaling",
        held_for_good=pairing.held_for_good or (pairing.held is None and unscaled is not None),
        ignored=pairing.reason_against or _reason_beside(series, pairing.kinds, one, study),
        images=tuple(usable),
        pair=pairing.pair,
        grid=grid,
        orientation=orientation,
        pixel_spacing_mm=spacing,
        slice_thickness_mm=thickness,
        shape=(one.rows, one.columns),
        imaging_frequency_mhz=_one_frequency(members),
        manufacturer=one.manufacturer,
        declared=declared,
        contradiction=contradiction,
        images_present=sum(study.sizes[uid] for uid in series),
    )


def _reason_beside(series: set[str], kinds: Sequence[str], one: Instance, study: _Study) -> str | None:
    """Why images without any phase are no source, from what else their series hold."""
    if {PHASE, REAL, IMAGINARY}.intersection(kinds):
        return None
    if series & study.mapped:
        return "belongs to a scanner's field map in Hz; there is no phase image"
    if one.mr_acquisition_type == "2D" and any(len(study.orientations[uid]) > 1 for uid in series):
        return "a localiser: one series with slices in several orientations"
    return None


def _one_frequency(members: Sequence[Instance]) -> float | None:
    """The centre frequency that all images share, or None where one lacks it or they differ."""
    known = [m.imaging_frequency_mhz for m in members if m.imaging_frequency_mhz is not None]
    if len(known) < len(members) or max(known) - min(known) > FREQUENCY_TOLERANCE * min(known):
        return None
    return min(known)


def _key(bucket: Bucket, run: Sequence[Image]) -> str:
    """Names the scan by what every one of its images carries: place, protocol, and about when it started.

    Two scans of one bucket start more than a gap apart, so they never fall into the same step.
    """
    starts = [image.started_s for image in run if image.started_s is not None]
    facts = [*bucket, math.floor(min(starts) / START_GAP_S) if starts else None]
    return hashlib.sha256(json.dumps(facts, separators=(",", ":")).encode()).hexdigest()[:32]


def _merged(declared: Sequence[Declared]) -> tuple[Declared, str | None]:
    """One set of counts, and the first one on which the headers disagree."""
    distinct = sorted(set(declared), key=repr)
    merged: dict[str, int | None] = {}
    contradiction = None
    for name in ("slices", "echoes", "images"):
        values = sorted({getattr(one, name) for one in distinct if getattr(one, name) is not None})
        merged[name] = values[-1] if values else None
        if len(values) > 1 and contradiction is None:
            contradiction = f"headers declare {' and '.join(map(str, values))} {name}"
    times = next((one.echo_times_s for one in distinct if one.echo_times_s), ())
    return Declared(merged["slices"], merged["echoes"], merged["images"], times), contradiction


def _description(
    members: Sequence[Instance], times: Sequence[float], grid: SliceGrid, kinds: Sequence[str]
) -> str:
    numbers = sorted({str(number) for m in members for number in m.keywords.get("SeriesNumber", ())})
    shown = ", ".join(numbers) or "without number"
    dimension = members[0].mr_acquisition_type or "gradient echo"
    echoes = f"{len(times)} echo{'es' if len(times) != 1 else ''}"
    slices = f"{len(grid.positions)} slice{'s' if len(grid.positions) != 1 else ''}"
    return f"series {shown}: {dimension}, {echoes}, {slices}, {' and '.join(itertools.chain(kinds))}"
