"""syngo XA: enhanced objects, one for each echo and kind; classic export, one series for each of both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage

from qsmnode.dicom.completeness import assess
from qsmnode.dicom.csa import private_tag
from qsmnode.dicom.identity import derive_uid
from qsmnode.dicom.source import load

COMPONENTS = {"M": "MAGNITUDE", "P": "PHASE", "R": "REAL", "I": "IMAGINARY"}


def exported(ds: Dataset) -> None:
    """Interoperability mode: split by echo, series numbers jump, the protocol moves into group 0021."""
    kind = ds.ImageType[2]
    echo = float(ds.EchoTime)
    ds.Manufacturer = "Siemens Healthineers"
    ds.ImageType = ["ORIGINAL", "PRIMARY", kind, "NONE", "MFSPLIT"]
    ds.SeriesInstanceUID = derive_uid("split", kind, str(echo))
    ds.SeriesNumber = str(7 + 13 * round(echo) + ord(kind))
    ds.ComplexImageComponent = COMPONENTS[kind]
    tag = private_tag(ds, 0x0029, "SIEMENS CSA HEADER", 0x20)
    if tag is not None:
        text = ds[tag].value
        del ds[tag]
        ds.private_block(0x0021, "SIEMENS MR SDS 01", create=True).add_new(0x19, "OB", text)


def enhanced(builder: Any, scan: Any) -> Iterator[Dataset]:
    """One object for each echo and kind."""
    for kind in scan.kinds:
        for echo, time in enumerate(scan.echo_times_ms):
            slices = [builder.classic(scan, kind, echo, z) for z in range(scan.slices)]
            yield _object(slices, kind, time)


def _object(slices: list[Dataset], kind: str, time: float) -> Dataset:
    ds = slices[0]
    scaled = "RescaleSlope" in ds
    frames = []
    for one in slices:
        frame = Dataset()
        frame.PlanePositionSequence = _group(ImagePositionPatient=one.ImagePositionPatient)
        frame.PlaneOrientationSequence = _group(ImageOrientationPatient=one.ImageOrientationPatient)
        frame.PixelMeasuresSequence = _group(PixelSpacing=one.PixelSpacing, SliceThickness=one.SliceThickness)
        frame.MREchoSequence = _group(EffectiveEchoTime=time)
        frame.MRImageFrameTypeSequence = _group(
            FrameType=["ORIGINAL", "PRIMARY", kind, "NONE"], ComplexImageComponent=COMPONENTS[kind]
        )
        frame.PixelValueTransformationSequence = _group(
            RescaleSlope="2" if scaled else "1", RescaleIntercept="-4096" if scaled else "0", RescaleType="US"
        )
        frames.append(frame)
    shared = Dataset()
    shared.MRImagingModifierSequence = _group(TransmitterFrequency=123.25)
    block = shared.private_block(0x0021, "SIEMENS MR SDS 01", create=True)
    block.add_new(0x19, "OB", ds[0x0029, 0x1020].value)
    pixels = b"".join(one.PixelData for one in slices)
    for keyword in (
        "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "EchoTime",
        "ImagingFrequency", "ScanningSequence", "AcquisitionTime", "AcquisitionDate", "RescaleSlope",
        "RescaleIntercept", "RescaleType",
    ):  # fmt: skip
        if keyword in ds:
            delattr(ds, keyword)
    del ds[0x0029, 0x1020]
    ds.Manufacturer = "Siemens Healthineers"
    ds.SOPClassUID, ds.NumberOfFrames, ds.PixelData = EnhancedMRImageStorage, len(slices), pixels
    ds.SOPInstanceUID = derive_uid("enhanced", kind, str(time))
    ds.AcquisitionDateTime = "20260102101500.100000"
    ds.EchoPulseSequence, ds.EchoPlanarPulseSequence = "GRADIENT", "NO"
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    ds.PerFrameFunctionalGroupsSequence = Sequence(frames)
    return ds


def _group(**values: Any) -> Sequence:
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return Sequence([item])


@pytest.mark.parametrize("kinds", [("M", "P"), ("R", "I")])
@pytest.mark.parametrize("form", ["interoperability", "enhanced"])
def test_both_forms_give_the_arrays_of_the_classic_one(builder: Any, form: str, kinds: tuple[str]) -> None:
    scan = builder.Scan(kinds=kinds)
    classic = builder.write(scan)
    expected = load(classic.acquisition, classic.paths)
    if form == "enhanced":
        made = builder.write_all(enhanced(builder, scan))
        assert len(made.headers) == 6
    else:
        made = builder.write(scan, change=exported)
        assert len({header.series_uid for header in made.headers}) == 6
    one = made.acquisition
    assert one.held is None
    assert assess(one).state == "complete"
    assert (one.declared.slices, one.declared.echoes) == (4, 3)
    assert one.declared.echo_times_s == (0.005, 0.010, 0.015)
    found = load(one, made.paths)
    assert np.array_equal(found.stack.magnitude, expected.stack.magnitude)
    assert np.array_equal(found.stack.phase, expected.stack.phase)
    assert np.allclose(found.affine, expected.affine)


def test_an_object_of_one_echo_alone_lacks_the_others(builder: Any) -> None:
    scan = builder.Scan()
    made = builder.write_all(list(enhanced(builder, scan))[:1])
    assert assess(made.acquisition).missing[0].startswith("magnitude, echoes 2-3")


@pytest.mark.parametrize(
    "text",
    [
        b"\n" * 900_000,
        b" " * 900_000,
        b"a" * 900_000,
        b"lContrasts = 999999999\n",
        b"lContrasts = 0x7fffffff\n",
    ],
    ids=["empty lines", "blanks", "one long name", "a billion echoes", "a hexadecimal billion"],
)
def test_an_absurd_protocol_declares_nothing_and_is_soon_read(builder: Any, text: bytes) -> None:
    def absurd(ds: Dataset) -> None:
        ds[0x0029, 0x1020].value = b"### ASCCONV BEGIN ###\n" + text + b"### ASCCONV END ###"

    made = builder.write(echo_times_ms=(5.0,), slices=1, kinds=("M",), change=absurd)
    assert {header.declared.echoes for header in made.headers} == {None}
