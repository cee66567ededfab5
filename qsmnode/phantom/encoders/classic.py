"""Classic objects, one image each: what vendors other than Siemens write alike, and the writing of a scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import MRImageStorage

from qsmnode.phantom.encoders.image import KINDS, SHORT, Image, pixel_elements, rescale_elements
from qsmnode.phantom.encoders.maker import Maker
from qsmnode.phantom.part10 import SeriesWriter
from qsmnode.phantom.pixels import decimal, plane_module, plane_position
from qsmnode.phantom.scan import Scan, sequence_elements
from qsmnode.phantom.visit import clock


@dataclass(frozen=True)
class Series:
    """One series of a scan; ``parts`` tell its UID from those of the scan's other series."""

    number: int
    parts: tuple[object, ...]


@dataclass(frozen=True)
class Classic:
    """How a vendor writes classic objects.

    Attributes:
        maker: who.
        series: of an image.
        shared: elements that all images of a kind and echo share, beyond those of every vendor.
        own: elements of one image, beyond those of every vendor.
    """

    maker: Maker
    series: Callable[[Scan, Image], Series]
    shared: Callable[[Scan, Image], Dataset]
    own: Callable[[Scan, Image], Dataset]

    def write(self, scan: Scan, images: Sequence[Image], folder: Path) -> list[Path]:
        """Write a scan's images, one file each, in their order."""
        writers: dict[tuple[object, ...], SeriesWriter] = {}
        numbers: dict[int, int] = {}
        written = []
        for image in images:
            series = self.series(scan, image)
            key = (series.number, image.kind, image.echo)
            if key not in writers:
                writers[key] = SeriesWriter(folder, self._header(scan, image, series))
            numbers[series.number] = numbers.get(series.number, 0) + 1
            own = _image_header(scan, image, series, numbers[series.number])
            own.update(self.own(scan, image))
            again = f"-{image.copy}" if image.copy else ""
            name = f"{series.number:04d}-{SHORT[image.kind]}-e{image.echo + 1:02d}-s{image.index + 1:04d}"
            written.append(writers[key].write(f"{name}{file_label(scan)}{again}.dcm", own))
        return written

    def _header(self, scan: Scan, image: Image, series: Series) -> Dataset:
        sequence, day = scan.sequence, scan.visit.began.strftime("%Y%m%d")
        ds = scan.visit.header()
        ds.update(plane_module(scan.geometry))
        ds.update(self.maker.elements(scan.field_t))
        ds.update(sequence_elements(scan))
        ds.SOPClassUID = MRImageStorage
        ds.Modality = "MR"
        ds.SliceThickness = decimal(scan.slice_mm)
        ds.SpacingBetweenSlices = decimal(scan.geometry.voxel_mm[2])
        ds.SeriesInstanceUID = scan.series_uid(*series.parts)
        ds.SeriesNumber = series.number
        ds.SeriesDescription = ds.ProtocolName = sequence.description
        ds.InstanceCreationDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = day
        ds.SeriesTime = clock(scan.began)
        ds.AcquisitionNumber = 1
        ds.BodyPartExamined = "HEAD"
        ds.PatientPosition = "HFS"
        ds.update(rescale_elements(image.scaling))
        ds.update(self.shared(scan, image))
        return ds


def file_label(scan: Scan) -> str:
    """Part of a file's name where several scans share a series."""
    return f"-{scan.label.replace(' ', '-')}" if scan.series_label else ""


def _image_header(scan: Scan, image: Image, series: Series, number: int) -> Dataset:
    stored_at = timedelta(seconds=53, milliseconds=20 * image.index + 250 * KINDS.index(image.kind))
    ds = plane_position(scan.geometry, image.place)
    ds.SOPInstanceUID = scan.visit.uid(scan.label, "instance", series.number, *image.identity)
    ds.InstanceCreationTime = ds.ContentTime = clock(scan.began + stored_at)
    ds.AcquisitionTime = clock(scan.acquired(image.index))
    ds.EchoTime = decimal(1000.0 * scan.sequence.echo_times_s[image.echo])
    if image.echo_number is not None:
        ds.EchoNumbers = image.echo_number
    ds.InstanceNumber = number if image.instance is None else image.instance
    ds.update(pixel_elements(image))
    return ds
