"""The rest of a clinical exam around the QSM scan: what a scanner forwards and no susceptibility map can use.

Localiser, magnitude-only gradient echo, field map (a phase difference, or in Hz), MPRAGE, a PDF, a secondary
capture and an object of a private SOP class, all in the study that the scan itself is written into.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qsmnode.engine.types import Float
from qsmnode.phantom.documents import write_pdf, write_private_object, write_secondary_capture
from qsmnode.phantom.encoders.image import MAGNITUDE, PHASE, Image
from qsmnode.phantom.encoders.signal import Signal
from qsmnode.phantom.head import SimulatedHead
from qsmnode.phantom.protocol import AXIAL, CORONAL, SAGITTAL, SliceGeometry
from qsmnode.phantom.scan import PulseSequence, Scan
from qsmnode.phantom.tissues import BONE, CSF, EYE, GREY, SOFT, VEIN, VENTRICLE, WHITE
from qsmnode.phantom.vendors import Vendor, coded_images, vendor_named
from qsmnode.phantom.visit import Visit

_FIELD_MAP_TIMES_S = (0.00492, 0.00738)
_T1_WEIGHTED = {SOFT: 0.7, BONE: 0.1, CSF: 0.2, GREY: 0.6, WHITE: 1.0, VENTRICLE: 0.2, EYE: 0.2, VEIN: 0.5}


@dataclass(frozen=True)
class _Exam:
    """What every scan of an exam is made from."""

    head: SimulatedHead
    folder: Path
    visit: Visit
    vendor: Vendor

    def images(
        self, kind: str, volumes: Float, times_s: tuple[float, ...], grid: SliceGeometry
    ) -> list[Image]:
        """Images of one kind in the vendor's stored values; ``volumes`` is (E, X, Y, Z)."""
        empty = np.zeros_like(volumes)
        magnitude, phase = (empty + 1, volumes) if kind == PHASE else (volumes, empty)
        return coded_images(self.vendor, Signal(magnitude, phase, times_s, grid), kind, self.vendor.bits)

    def scan(self, sequence: PulseSequence, grid: SliceGeometry, label: str, series: str = "") -> Scan:
        """A scan of this visit."""
        protocol = self.head.protocol
        return Scan(self.visit, sequence, grid, protocol.field_t, protocol.frequency_mhz, label, series)


def write_exam(
    head: SimulatedHead,
    folder: Path | str,
    *,
    vendor: str = "siemens",
    patient_id: str | None = None,
    seed: int | None = None,
    salt: str = "",
) -> list[Path]:
    """Write everything of an exam but the QSM scan.

    Args:
        head: what was measured; its images are taken as far as contrast allows.
        folder: where to; made if it does not exist.
        vendor: a name of ``vendors.VENDORS``.
        patient_id, seed, salt: the same as given to the writer of the scan, so that the study is the same.

    Returns:
        the files, in the order in which a scanner would send them.

    Raises:
        UsageError: an unknown vendor.
    """
    visit = Visit(head.seed if seed is None else seed, salt, patient_id)
    exam = _Exam(head, Path(folder), visit, vendor_named(vendor))
    maker = exam.vendor.maker
    return [
        *_localiser(exam),
        *_magnitude_only(exam),
        *_field_map(exam),
        *_mprage(exam),
        write_private_object(exam.folder, visit, maker),
        write_secondary_capture(head, exam.folder, visit, maker),
        write_pdf(exam.folder, visit, maker),
    ]


def _localiser(exam: _Exam) -> list[Path]:
    """Three single slices through the middle: transverse, sagittal, coronal, in one series."""
    written: list[Path] = []
    for number, plane in enumerate((AXIAL, SAGITTAL, CORONAL)):
        grid = SliceGeometry((96, 96, 1), (2.6, 2.6, 7.0), plane, exam.head.geometry.centre_mm)
        sequence = PulseSequence(
            "*fl2d1",
            "localizer",
            1,
            (0.0035,),
            ("NORM", "DIS2D"),
            slab=False,
            flip_deg=20.0,
            minutes_into_study=1.0,
        )
        scan = exam.scan(sequence, grid, f"localiser {number}", "localiser")
        volume = resampled(exam.head, exam.head.stack.magnitude[0], grid)[None]
        images = exam.images(MAGNITUDE, volume, sequence.echo_times_s, grid)
        numbered = [replace(image, instance=number + 1) for image in images]
        written += exam.vendor.write(scan, numbered, exam.folder)
    return written


def _magnitude_only(exam: _Exam) -> list[Path]:
    """A 2-D T2*-weighted gradient echo without phase images."""
    grid = _thick_slices(exam.head, 5.0)
    sequence = PulseSequence(
        "*fl2d1", "t2_fl2d_tra_hemo", 3, (0.020,), ("NORM", "DIS2D"), slab=False, minutes_into_study=4.0
    )
    volume = resampled(exam.head, exam.head.stack.magnitude[-1], grid)[None]
    images = exam.images(MAGNITUDE, volume, sequence.echo_times_s, grid)
    return exam.vendor.write(exam.scan(sequence, grid, "hemo"), images, exam.folder)


def _field_map(exam: _Exam) -> list[Path]:
    """Magnitude, and what the vendor makes of two echoes: their phase difference, a map in Hz, or nothing."""
    head, grid = exam.head, _thick_slices(exam.head, 4.0)
    sequence = PulseSequence(
        "*fm2d2r",
        "gre_field_mapping",
        5,
        _FIELD_MAP_TIMES_S,
        slab=False,
        repetition_time_ms=500.0,
        flip_deg=60.0,
        minutes_into_study=6.0,
    )
    magnitude = np.repeat(resampled(head, head.stack.magnitude[0], grid)[None], 2, axis=0)
    images = exam.images(MAGNITUDE, magnitude, sequence.echo_times_s, grid)
    hertz = resampled(head, head.total_field_hz, grid)
    if exam.vendor.coded_hertz is not None:
        # one map of both echoes, beside the magnitude of the first
        sequence = replace(sequence, echo_times_s=sequence.echo_times_s[:1])
        images = [image for image in images if image.echo == 0] + exam.vendor.coded_hertz(hertz)
    elif exam.vendor.subtracts:
        turn = 2.0 * math.pi * (_FIELD_MAP_TIMES_S[1] - _FIELD_MAP_TIMES_S[0]) * hertz
        difference = np.angle(np.exp(1j * turn)).astype(np.float32)[None]
        phase = exam.images(PHASE, difference, sequence.echo_times_s[1:], grid)
        images += [replace(image, echo=1, echo_number=2) for image in phase]
    kinds = len({image.kind for image in images})
    return exam.vendor.write(
        replace(exam.scan(sequence, grid, "field map"), kinds=kinds), images, exam.folder
    )


def _mprage(exam: _Exam) -> list[Path]:
    """A T1-weighted 3-D volume: inversion-prepared, one echo, magnitude."""
    head = exam.head
    extent = [n * v for n, v in zip(head.geometry.shape, head.geometry.voxel_mm, strict=True)]
    shape = (max(8, round(extent[0] / 2.0)), max(8, round(extent[1] / 2.0)), 24)
    grid = SliceGeometry(shape, (2.0, 2.0, 2.0), head.geometry.orientation, head.geometry.centre_mm)
    sequence = PulseSequence(
        "*tfl3d1_16",
        "t1_mprage",
        8,
        (0.00298,),
        ("ND", "NORM"),
        ("GR", "IR"),
        "SK",
        repetition_time_ms=2300.0,
        flip_deg=9.0,
        inversion_time_ms=900.0,
        minutes_into_study=9.0,
    )
    weights = np.full(256, 0.65, np.float32)
    weights[0] = 0.0
    weights[list(_T1_WEIGHTED)] = list(_T1_WEIGHTED.values())
    images = exam.images(
        MAGNITUDE, resampled(head, weights[head.labels], grid)[None], sequence.echo_times_s, grid
    )
    return exam.vendor.write(exam.scan(sequence, grid, "mprage"), images, exam.folder)


def resampled(head: SimulatedHead, volume: Float, geometry: SliceGeometry) -> Float:
    """``volume`` on another grid by the nearest voxel; 0 outside the measured field of view."""
    to_index = np.linalg.inv(head.affine) @ geometry.affine
    indices = np.indices(geometry.shape).reshape(3, -1)
    nearest = np.rint(to_index[:3, :3] @ indices + to_index[:3, 3:]).astype(np.int64)
    size = np.array(volume.shape)[:, None]
    inside = np.all((nearest >= 0) & (nearest < size), axis=0)
    values: npt.NDArray[np.float32] = np.zeros(indices.shape[1], np.float32)
    values[inside] = volume[tuple(nearest[:, inside])]
    return values.reshape(geometry.shape)


def _thick_slices(head: SimulatedHead, thickness_mm: float) -> SliceGeometry:
    """The head's field of view in 3 mm pixels and at most 12 thick slices."""
    extent = [n * v for n, v in zip(head.geometry.shape, head.geometry.voxel_mm, strict=True)]
    slices = max(1, min(12, int(extent[2] / thickness_mm)))
    shape = (max(8, round(extent[0] / 3.0)), max(8, round(extent[1] / 3.0)), slices)
    return SliceGeometry(shape, (3.0, 3.0, thickness_mm), head.geometry.orientation, head.geometry.centre_mm)
