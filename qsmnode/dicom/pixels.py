"""Stored values of the images of an acquisition, turned into magnitudes and radians."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from qsmnode.dicom.encodings.encoding import (
    IMAGINARY,
    MAGNITUDE,
    PHASE,
    REAL,
    Encoding,
    phase_to_radians,
    rescale,
)
from qsmnode.dicom.encodings.siemens import SIEMENS
from qsmnode.dicom.frames import ImageView, views
from qsmnode.dicom.reading import BROKEN, quiet, read_pixels, text, whole
from qsmnode.errors import NotEligible, UnreadableDicom

TURN_TOLERANCE = 0.01
"""Part of a turn by which phase may leave it: stored values have a last step."""

Picture = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Loaded:
    """One file: its header and the pictures asked for, by frame index (0 for a classic object)."""

    dataset: Dataset
    views: tuple[ImageView, ...]
    pictures: Mapping[int, Picture]


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
            yield uid, _read(uid, paths[uid], wanted[uid], encoding)


def _read(uid: str, path: Path, kinds: Mapping[int, str], encoding: Encoding) -> Loaded:
    dataset = read_pixels(path)
    if text(dataset, "SOPInstanceUID") != uid:
        raise UnreadableDicom(f"{path.name}: expected instance {uid}, found another one; was it overwritten?")
    try:
        stored = dataset.pixel_array
        every = tuple(views(dataset))
    except (*BROKEN, RuntimeError, MemoryError) as error:
        raise UnreadableDicom(
            f"{path.name}: pixels cannot be decoded ({type(error).__name__}); send them uncompressed"
        ) from error
    if stored.ndim == 2:
        stored = stored[np.newaxis]
    if stored.ndim != 3 or max(kinds) >= min(len(stored), len(every)):
        raise UnreadableDicom(f"{path.name}: expected {max(kinds) + 1} grey-scale frames, got {stored.shape}")
    pictures = {index: _scaled(stored[index], every[index], kind, encoding) for index, kind in kinds.items()}
    del dataset.PixelData
    return Loaded(dataset, every, pictures)


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
        "does not say where zero is"
    )


def wrapped(phase: Picture) -> Picture:
    """Phase of one acquisition within one turn around zero.

    Args:
        phase: rad; within one turn around 0, or from 0 to one turn.

    Raises:
        NotEligible: values beyond one turn: unwrapped by the scanner, or another scaling.
    """
    low, high = float(phase.min()), float(phase.max())
    slack = TURN_TOLERANCE * 2 * math.pi
    if low >= -math.pi - slack and high <= math.pi + slack:
        return phase
    if low >= -slack and high <= 2 * math.pi + slack:
        return np.asarray(np.where(phase > np.pi, phase - 2 * np.pi, phase), dtype=np.float32)
    raise NotEligible(
        f"phase runs from {low:.3f} to {high:.3f} rad, more than one turn: unwrapped by the scanner "
        "or scaled in an unknown way"
    )


def polar(real: Picture, imaginary: Picture) -> tuple[Picture, Picture]:
    """Magnitude and phase (rad) of real and imaginary images."""
    return (
        np.hypot(real, imaginary, dtype=np.float32),
        np.arctan2(imaginary, real, dtype=np.float32),
    )


def alternates(magnitude: Picture, phase: Picture) -> bool:
    """Whether neighbouring slices differ in sign for most pairs, as in some 3-D GE reconstructions.

    Args:
        magnitude: (X, Y, Z) of one echo.
        phase: the same, rad.
    """
    pairs = magnitude.shape[2] - 1
    if pairs < 2:
        return False
    agreement = np.sum(
        magnitude[..., :-1] * magnitude[..., 1:] * np.cos(phase[..., :-1] - phase[..., 1:]),
        axis=(0, 1),
        dtype=np.float64,
    )
    return 2 * int(np.count_nonzero(agreement < 0)) > int(pairs)


def with_every_second_slice_negated(phase: Picture) -> Picture:
    """Phase (E, X, Y, Z) with half a turn added in slices 1, 3, 5 ..., wrapped."""
    turned = phase.copy()
    odd = turned[..., 1::2]
    turned[..., 1::2] = np.where(odd > 0, odd - np.float32(np.pi), odd + np.float32(np.pi))
    return turned


USED_KINDS = {MAGNITUDE: 0, PHASE: 1, REAL: 0, IMAGINARY: 1}
"""Which of the two arrays an image goes into."""
