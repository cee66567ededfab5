"""Files written anew in other transfer syntaxes, by GDCM and pydicom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gdcm
import numpy as np
from pydicom import dcmread, dcmwrite
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

ENCAPSULATED = {
    JPEGLossless: gdcm.TransferSyntax.JPEGLosslessProcess14,
    JPEGLosslessSV1: gdcm.TransferSyntax.JPEGLosslessProcess14_1,
    JPEGLSLossless: gdcm.TransferSyntax.JPEGLSLossless,
    JPEG2000Lossless: gdcm.TransferSyntax.JPEG2000Lossless,
    JPEG2000: gdcm.TransferSyntax.JPEG2000Lossless,
    RLELossless: gdcm.TransferSyntax.RLELossless,
}


def recoded(path: Path, syntax: UID) -> None:
    """Writes a file anew in another transfer syntax."""
    if syntax in ENCAPSULATED:
        _encapsulated(path, syntax)
        return
    ds = dcmread(path)
    big = syntax == ExplicitVRBigEndian
    ds.decode()  # else elements nobody has looked at are written in the order of bytes that they were read in
    if big:
        ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
    ds.file_meta.TransferSyntaxUID = syntax
    dcmwrite(
        path, ds, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=not big, force_encoding=True
    )


def _encapsulated(path: Path, syntax: UID) -> None:
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(ENCAPSULATED[syntax]))
    change.SetInput(reader.GetImage())
    assert change.Change()
    frames = [_bytes(change.GetOutput())]
    ds = dcmread(path)
    count = int(ds.get("NumberOfFrames", 1))
    if count > 1:
        sequence = change.GetOutput().GetDataElement().GetSequenceOfFragments()
        frames = [_fragment(sequence, index) for index in range(count)]
    put(path, frames, syntax)


def _fragment(sequence: Any, index: int) -> bytes:
    return sequence.GetFragment(index).GetByteValue().GetBuffer().encode("utf-8", "surrogateescape")


def _bytes(image: Any) -> bytes:
    return _fragment(image.GetDataElement().GetSequenceOfFragments(), 0)


def put(path: Path, frames: list[bytes], syntax: UID, **values: Any) -> None:
    """Makes bit streams the pixel data of a file."""
    ds = dcmread(path)
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = syntax
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    ds.save_as(path)


def stream_of(path: Path) -> bytes:
    return next(generate_frames(dcmread(path).PixelData, number_of_frames=1))
