"""Philips enhanced: all kinds, echoes and slices of a scan as frames of one object.

RescaleType says US whatever the unit; the real-world value mapping says mrad. Every frame nests its classic
header in a private sequence, whose position is another one: nobody may look into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydicom import Dataset
from pydicom.sequence import Sequence as Items

from qsmnode.phantom.encoders import philips
from qsmnode.phantom.encoders.classic import file_label
from qsmnode.phantom.encoders.enhanced import Dimension, Object, item, write_object
from qsmnode.phantom.encoders.image import COMPONENTS, FIELD_MAP, KINDS, Image
from qsmnode.phantom.pixels import decimal, plane_position
from qsmnode.phantom.scan import Scan

_EFFECTIVE_ECHO_TIME, _ECHO_GROUP = 0x00189082, 0x00189114
_COMPONENT, _TYPE_GROUP = 0x00089208, 0x00189226
_NESTED_SHIFT_MM = -1.5  # how far off the nested position lies, in all three coordinates
_NO_UNITS = ("1", "no units")


def write(scan: Scan, images: Sequence[Image], folder: Path) -> list[Path]:
    """One object with every image of the scan."""
    kinds = sorted({image.kind for image in images}, key=KINDS.index)
    component = COMPONENTS[kinds[0]] if len(kinds) == 1 else "MIXED"
    number = philips.series_number(scan)
    units = {image.kind: image.scaling.unit for image in images}
    made = Object(
        maker=philips.MAKER,
        number=number,
        parts=("all",),
        instance=1,
        image_type=["ORIGINAL", "PRIMARY", _technique(kinds[0]), component],
        component=component,
        dimensions=(
            Dimension(_EFFECTIVE_ECHO_TIME, _ECHO_GROUP, lambda image: image.echo_number or 1),
            Dimension(_COMPONENT, _TYPE_GROUP, lambda image: kinds.index(image.kind) + 1),
        ),
        frame_type=lambda image: ["ORIGINAL", "PRIMARY", _technique(image.kind), _letter(image.kind)],
        frame=lambda of, image, place: _frame(of, image, place, units[image.kind]),
    )
    top = philips.counts(scan)
    top.AcquisitionNumber = scan.sequence.series_number
    said = [replace(image, scaling=replace(image.scaling, unit="US")) for image in images]
    path = folder / f"{number:04d}-all-e00-all{file_label(scan)}.dcm"
    return [write_object(scan, said, made, Dataset(), top, path)]


def _technique(kind: str) -> str:
    return "FIELD_MAP" if kind == FIELD_MAP else "T1"


def _letter(kind: str) -> str:
    return "B0" if kind == FIELD_MAP else kind


def _frame(scan: Scan, image: Image, number: int, unit: str) -> Dataset:
    """The real-world value mapping, and the nested classic header."""
    ds = Dataset()
    if image.scaling.said and unit:
        ds.RealWorldValueMappingSequence = _real_world(image, unit)
    ds.add_new(0x20050014, "LO", "Philips MR Imaging DD 005")
    ds.add_new(0x2005140F, "SQ", Items([_nested(scan, image, number)]))
    return ds


def _real_world(image: Image, unit: str) -> Items:
    code = _NO_UNITS if unit == "normalized" else (unit, unit)
    top = (1 << image.bits) - 1
    (mapping,) = item(
        LUTExplanation=f"Real World Value Mapping for {unit}",
        LUTLabel="Philips",
        RealWorldValueSlope=image.scaling.slope,
        RealWorldValueIntercept=image.scaling.intercept,
        MeasurementUnitsCodeSequence=item(
            CodeValue=code[0], CodingSchemeDesignator="UCUM", CodeMeaning=code[1]
        ),
    )
    mapping.add_new("RealWorldValueFirstValueMapped", "US", 0)
    mapping.add_new("RealWorldValueLastValueMapped", "US", top)
    return Items([mapping])


def _nested(scan: Scan, image: Image, number: int) -> Dataset:
    place = plane_position(scan.geometry, image.place).ImagePositionPatient
    ds = Dataset()
    ds.ImageType = philips.image_type(image.kind)
    ds.SOPInstanceUID = scan.visit.uid(scan.label, "nested", *image.identity)
    ds.ScanningSequence, ds.SequenceVariant = list(scan.sequence.scanning), scan.sequence.variant
    ds.EchoTime = decimal(1000.0 * scan.sequence.echo_times_s[image.echo])
    if image.echo_number is not None:
        ds.EchoNumbers = image.echo_number
    ds.ImagingFrequency = decimal(scan.frequency_mhz)
    ds.AcquisitionNumber = scan.sequence.series_number
    ds.InstanceNumber = number if image.instance is None else image.instance
    ds.ImagePositionPatient = [decimal(float(value) + _NESTED_SHIFT_MM) for value in place]
    return ds
