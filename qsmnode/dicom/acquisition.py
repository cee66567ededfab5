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

from qsmnode.dicom.encodings.encoding import FIELD_MAP, USABLE, Declared
from qsmnode.dicom.geometry import Vector
from qsmnode.dicom.grid import SliceGrid, merged_times
from qsmnode.dicom.instance import Instance
from qsmnode.dicom.pairing import Image, Pairing, pair_images

START_TOLERANCE_S = 2.0
"""Images of one scan start within this time of each other; no gradient-echo volume is over so soon."""

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
            continue
        for bucket, image in _images(instance):
            buckets[bucket].append(image)
    mapped = {
        instance.series_uid
        for instance in by_uid.values()
        if any(frame.kind == FIELD_MAP for frame in instance.frames)
    }
    sizes = _series_sizes(by_uid.values())
    found = []
    for bucket, images in buckets.items():
        for run in _runs(images):
            pairing = pair_images(run, by_uid)
            acquisition = _acquisition(bucket, run, pairing, by_uid, mapped, sizes)
            found.append(acquisition)
            ignored |= {
                uid: reason for uid, reason in pairing.ignored if uid not in acquisition.sop_instance_uids
            }
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
        instance.sequence,
    )
    for index, frame in enumerate(instance.frames):
        if frame.kind not in USABLE and frame.kind != FIELD_MAP:
            continue
        exact = frame.orientation or ()
        if exact not in orientations:
            orientations[exact] = tuple(round(value, 3) + 0.0 for value in exact)
        yield (
            (*fixed, orientations[exact]),
            Image(
                instance.sop_instance_uid,
                instance.series_uid,
                index if several else None,
                frame.kind,
                frame.echo_time_s,
                frame.position or _NOWHERE,
                frame.flags,
                frame.started_s,
            ),
        )


def _series_sizes(instances: Iterable[Instance]) -> dict[str, int]:
    sizes: dict[str, int] = defaultdict(int)
    for instance in instances:
        sizes[instance.series_uid] += len(instance.frames)
    return sizes


def _runs(images: Sequence[Image]) -> list[list[Image]]:
    """Split the images of one protocol and place into scans by the time at which they started."""
    timed = sorted(
        ((image.started_s, image) for image in images if image.started_s is not None),
        key=lambda pair: pair[0],
    )
    runs: list[list[Image]] = []
    last = -math.inf
    for start, image in timed:
        if start - last > START_TOLERANCE_S:
            runs.append([])
        runs[-1].append(image)
        last = start
    untimed = [image for image in images if image.started_s is None]
    if untimed and len(runs) == 1:
        runs[0].extend(untimed)
    elif untimed:
        runs.append(untimed)
    return runs


def _acquisition(
    bucket: Bucket,
    run: Sequence[Image],
    pairing: Pairing,
    by_uid: dict[str, Instance],
    mapped: set[str],
    sizes: dict[str, int],
) -> Acquisition:
    uids = tuple(sorted({image.sop_instance_uid for image in pairing.images}))
    members = [by_uid[uid] for uid in uids]
    one = members[0]
    orientation = next(
        (frame.orientation for frame in one.frames if frame.orientation is not None), (1.0, 0, 0, 0, 1.0, 0)
    )
    usable = [image for image in pairing.images if image.kind in USABLE]
    grid = SliceGrid.of([image.position for image in usable], orientation)
    times = merged_times(image.echo_time_s for image in usable if image.echo_time_s is not None)
    declared, contradiction = _merged([member.declared for member in members])
    series = {member.series_uid for member in members}
    ignored = pairing.reason_against
    if ignored is None and series & mapped and not {"phase", "real", "imaginary"} & set(pairing.kinds):
        ignored = "belongs to a scanner's field map in Hz; there is no phase image"
    spacing = one.pixel_spacing or (0.0, 0.0)
    thickness = one.slice_thickness_mm
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
        held=pairing.held,
        ignored=ignored,
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
        images_present=sum(sizes[uid] for uid in series),
    )


def _one_frequency(members: Sequence[Instance]) -> float | None:
    """The centre frequency that all images share, or None where one lacks it or they differ."""
    known = [m.imaging_frequency_mhz for m in members if m.imaging_frequency_mhz is not None]
    if len(known) < len(members) or max(known) - min(known) > FREQUENCY_TOLERANCE * min(known):
        return None
    return min(known)


def _key(bucket: Bucket, run: Sequence[Image]) -> str:
    """Names the scan by what every one of its images carries: place, protocol, and second of its start."""
    starts = [image.started_s for image in run if image.started_s is not None]
    facts = [*bucket, math.floor(min(starts)) if starts else None]
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
