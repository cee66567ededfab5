"""One scan of a visit: where, with what, in which field; and what every vendor's header says of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydicom import Dataset

from qsmnode.phantom.pixels import decimal
from qsmnode.phantom.protocol import SliceGeometry
from qsmnode.phantom.visit import Visit

SLICE_TIME = timedelta(milliseconds=80)
"""How long after its neighbour a slice of a 2-D scan is measured; a slab is measured as a whole."""


@dataclass(frozen=True)
class PulseSequence:
    """What the headers say of one scan besides its geometry.

    ``flags`` follow the kind in ImageType; ``scanning`` and ``variant`` are ScanningSequence and
    SequenceVariant; ``slab`` is whether all slices were excited together (3-D).
    """

    name: str
    description: str
    series_number: int
    echo_times_s: tuple[float, ...]
    flags: tuple[str, ...] = ("ND",)
    scanning: tuple[str, ...] = ("GR",)
    variant: str = "SP"
    slab: bool = True
    repetition_time_ms: float = 35.0
    flip_deg: float = 15.0
    inversion_time_ms: float | None = None
    minutes_into_study: float = 5.0


@dataclass(frozen=True)
class Scan:
    """One scan of a visit: where, with what, and in which field.

    ``label`` tells its UIDs from those of other scans; scans of one ``series_label`` share a series.
    ``thickness_mm`` is that of a slice where it is not the distance of two; ``kinds`` is how many kinds of
    image are made of each slice and echo.
    """

    visit: Visit
    sequence: PulseSequence
    geometry: SliceGeometry
    field_t: float
    frequency_mhz: float
    label: str = "gre"
    series_label: str = ""
    thickness_mm: float | None = None
    kinds: int = 1

    @property
    def began(self) -> datetime:
        """When the scan began."""
        return self.visit.began + timedelta(minutes=self.sequence.minutes_into_study)

    @property
    def slice_mm(self) -> float:
        """Thickness of a slice."""
        return self.thickness_mm if self.thickness_mm is not None else self.geometry.voxel_mm[2]

    def series_uid(self, *parts: object) -> str:
        """UID of one of its series."""
        return self.visit.uid(self.series_label or self.label, "series", *parts)

    def acquired(self, index: int) -> datetime:
        """When slice ``index`` was measured."""
        return self.began if self.sequence.slab else self.began + SLICE_TIME * index


def sequence_elements(scan: Scan) -> Dataset:
    """What a classic header says of the sequence."""
    sequence, shape = scan.sequence, scan.geometry.shape
    ds = Dataset()
    ds.ScanningSequence = list(sequence.scanning)
    ds.SequenceVariant = sequence.variant
    ds.ScanOptions = ""
    ds.MRAcquisitionType = "3D" if sequence.slab else "2D"
    ds.SequenceName = sequence.name
    ds.AngioFlag = "N"
    ds.RepetitionTime = decimal(sequence.repetition_time_ms)
    if sequence.inversion_time_ms is not None:
        ds.InversionTime = decimal(sequence.inversion_time_ms)
    ds.NumberOfAverages = "1"
    ds.ImagingFrequency = decimal(scan.frequency_mhz)
    ds.ImagedNucleus = "1H"
    ds.MagneticFieldStrength = decimal(scan.field_t)
    if not sequence.slab:
        ds.SpacingBetweenSlices = decimal(scan.geometry.voxel_mm[2])
    ds.NumberOfPhaseEncodingSteps = shape[1]
    ds.EchoTrainLength = 0
    ds.PercentSampling = ds.PercentPhaseFieldOfView = "100"
    ds.PixelBandwidth = "300"
    ds.TransmitCoilName = "Body"
    ds.AcquisitionMatrix = [shape[0], 0, 0, shape[1]]
    ds.InPlanePhaseEncodingDirection = "COL"
    ds.FlipAngle = decimal(sequence.flip_deg)
    ds.VariableFlipAngleFlag = "N"
    ds.SAR = "0.05"
    ds.dBdt = "0"
    return ds
