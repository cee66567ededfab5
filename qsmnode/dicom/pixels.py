"""Stored values of the images of an acquisition, turned into magnitudes and radians."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from qsmnode.dicom.decoding import stored_values
from qsmnode.dicom.encodings.encoding import (
    IMAGINARY,
    MAGNITUDE,
    PHASE,
    REAL,
    Encoding,
    phase_to_radians,
    rescale,
    says_unwrapped,
)
from qsmnode.dicom.encodings.siemens import SIEMENS
from qsmnode.dicom.frames import ImageView, views
from qsmnode.dicom.reading import BROKEN, quiet, read_pixels, text, whole
from qsmnode.errors import NotEligible, UnreadableDicom

TURN_TOLERANCE = 0.01
"""Part of a turn by which phase may leave it: stored values have a last step."""

OBJECT_PART = 0.05
"""A pair of slices holds the object where its signal is more than this part of the strongest pair's."""

Picture = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Loaded:
    """One file: its header and the pictures asked for, by frame index (0 for a classic object).

    Attributes:
        units: how the header describes its phase images; empty where none was asked for.
    """

    dataset: Dataset
    views: tuple[ImageView, ...]
    pictures: Mapping[int, Picture]
    units: frozenset[PhaseUnit]


@dataclass(frozen=True)
class PhaseUnit:
    """What a phase image says of its own values: whether it names their unit, and that they are unwrapped."""

    named: bool
    unwrapped: bool


def read_all(
    paths: Mapping[str, Path], wanted: Mapping[str, Mapping[int, str]], encoding: Encoding
) -> Iterator[tuple[str, Loaded]]:
    """Read and scale the images of many files, in the order of their UIDs.

    Args:
        paths: SOP instance UID to file.
        wanted: SOP instance UID to the kind of each frame (index from 0) to read.
        encoding: the vendor's.

    Raises:
        UnreadableDicom: a file is missing, damaged, or not the instance that was asked for.
        NotEligible: the scaling of an image is not known.
    """
    uids = sorted(wanted)
    lost = [uid for uid in uids if uid not in paths]
    if lost:
        raise UnreadableDicom(f"{len(lost)} of {len(uids)} instances have no file (first: {lost[0]})")
    # one after the other: decoding holds the interpreter, and four threads took half as long again as one
    with quiet():
        for uid in uids:
            try:
                loaded = _read(uid, paths[uid], wanted[uid], encoding)
            except UnreadableDicom as error:
                # a job's files have the job's own names: the instance is what the sender knows
                raise UnreadableDicom(f"instance {uid}: {error}") from error
            yield uid, loaded


def _read(uid: str, path: Path, kinds: Mapping[int, str], encoding: Encoding) -> Loaded:
    dataset = read_pixels(path)
    if text(dataset, "SOPInstanceUID") != uid:
        raise UnreadableDicom(f"{path.name}: expected instance {uid}, found another one; was it overwritten?")
    try:
        stored = stored_values(dataset)
        every = tuple(views(dataset))
    except (*BROKEN, RuntimeError, MemoryError) as error:
        raise UnreadableDicom(
            f"{path.name}: pixels cannot be decoded ({type(error).__name__}); send them uncompressed"
        ) from error
    except NotEligible as error:
        raise type(error)(f"{path.name}: {error}") from error
    if stored.ndim == 2:
        stored = stored[np.newaxis]
    if stored.ndim != 3 or max(kinds) >= min(len(stored), len(every)):
        raise UnreadableDicom(f"{path.name}: expected {max(kinds) + 1} grey-scale frames, got {stored.shape}")
    pictures = {index: _scaled(stored[index], every[index], kind, encoding) for index, kind in kinds.items()}
    units = {
        PhaseUnit(phase_to_radians(every[index], encoding).unit_named, says_unwrapped(every[index]))
        for index, kind in kinds.items()
        if kind == PHASE
    }
    del dataset.PixelData
    return Loaded(dataset, every, pictures, frozenset(units))


def _scaled(stored: npt.NDArray[np.generic], view: ImageView, kind: str, encoding: Encoding) -> Picture:
    if kind == PHASE:
        scaling = phase_to_radians(view, encoding)
        slope, intercept = encoding.phase_sign * scaling.slope, encoding.phase_sign * scaling.intercept
    elif kind == MAGNITUDE:
        slope, intercept = rescale(view) or (1.0, 0.0)
    else:
        slope, intercept = _component_scaling(view, encoding)
        # conjugation turns the phase of a vendor that counts the other way
        if kind == IMAGINARY:
            slope, intercept = encoding.phase_sign * slope, encoding.phase_sign * intercept
    return np.asarray(stored.astype(np.float64) * slope + intercept, dtype=np.float32)


def _component_scaling(view: ImageView, encoding: Encoding) -> tuple[float, float]:
    """Where zero lies in real and imaginary images: a wrong zero would bend every phase."""
    pair = rescale(view)
    if pair is not None:
        return pair
    if whole(view.dataset, "PixelRepresentation") == 1:
        return (1.0, 0.0)
    if encoding is SIEMENS:
        return (2.0, -4096.0)
    raise NotEligible(
        "unrecognised scaling of real and imaginary images: stored values are unsigned and RescaleIntercept "
        "does not say where zero is",
        check="phase_scaling",
    )


def wrapped(phase: Picture) -> Picture | None:
    """Phase of one acquisition within one turn around zero; None where its values leave one turn.

    Args:
        phase: rad; within one turn around 0, or from 0 to one turn.
    """
    low, high = float(phase.min()), float(phase.max())
    slack = TURN_TOLERANCE * 2 * math.pi
    if low >= -math.pi - slack and high <= math.pi + slack:
        return phase
    if low >= -slack and high <= 2 * math.pi + slack:
        return np.asarray(np.where(phase > np.pi, phase - 2 * np.pi, phase), dtype=np.float32)
    return None


def wrapped_or_unwrapped(phase: Picture, units: Collection[PhaseUnit]) -> tuple[Picture, bool]:
    """The phase of one acquisition, and whether the scanner has unwrapped it.

    Values beyond one turn are unwrapped phase only where every header names their unit: else the scaling may
    as well be another one.

    Args:
        phase: rad.
        units: what the headers of its images say.

    Raises:
        NotEligible: beyond one turn without a unit, or unwrapped in part.
    """
    said = {unit.unwrapped for unit in units}
    if len(said) > 1:
        raise NotEligible(
            "some phase images say that they are unwrapped, others do not", check="phase_scaling"
        )
    if said == {True}:
        return phase, True
    turned = wrapped(phase)
    if turned is not None:
        return turned, False
    if units and all(unit.named for unit in units):
        return phase, True
    raise NotEligible(
        f"phase runs from {float(phase.min()):.3f} to {float(phase.max()):.3f} rad, more than one turn, and "
        "its headers name no unit: unwrapped by the scanner, or scaled in an unknown way",
        check="phase_scaling",
    )


def polar(real: Picture, imaginary: Picture) -> tuple[Picture, Picture]:
    """Magnitude and phase (rad) of real and imaginary images."""
    return (
        np.hypot(real, imaginary, dtype=np.float32),
        np.arctan2(imaginary, real, dtype=np.float32),
    )


def alternates(magnitude: Picture, phase: Picture) -> bool:
    """Whether neighbouring slices differ in sign for most pairs, as in some 3-D GE reconstructions.

    Only pairs within the object count: air agrees with its neighbour by chance, or, where the scanner writes
    zeros, not at all.

    Args:
        magnitude: (X, Y, Z) of one echo, slices in order of their places.
        phase: the same, rad.
    """
    weight = magnitude[..., :-1] * magnitude[..., 1:]
    agreement = _over_slices(weight * np.cos(phase[..., :-1] - phase[..., 1:]))
    signal = _over_slices(weight)
    inside = signal > OBJECT_PART * signal.max(initial=0.0)
    pairs = int(np.count_nonzero(inside))
    return pairs > 1 and 2 * int(np.count_nonzero(agreement[inside] < 0)) > pairs


def _over_slices(values: Picture) -> npt.NDArray[np.float64]:
    return np.asarray(np.sum(values, axis=(0, 1), dtype=np.float64))


def with_every_second_slice_negated(phase: Picture) -> Picture:
    """Phase (E, X, Y, Z) with half a turn added in slices 1, 3, 5 ..., wrapped."""
    turned = phase.copy()
    odd = turned[..., 1::2]
    turned[..., 1::2] = np.where(odd > 0, odd - np.float32(np.pi), odd + np.float32(np.pi))
    return turned


USED_KINDS = {MAGNITUDE: 0, PHASE: 1, REAL: 0, IMAGINARY: 1}
"""Which of the two arrays an image goes into."""
