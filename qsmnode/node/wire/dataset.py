"""Small data sets of messages, between bytes and pydicom: identifiers, requests and reports, never images."""

from __future__ import annotations

from io import BytesIO

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from qsmnode.dicom.reading import BROKEN, quiet, text
from qsmnode.errors import PeerError
from qsmnode.node.wire.uids import IMPLICIT_LITTLE


def encoded(dataset: Dataset, transfer_syntax: str = IMPLICIT_LITTLE) -> bytes:
    """Its bytes in Implicit or Explicit VR Little Endian."""
    stream = DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, transfer_syntax == IMPLICIT_LITTLE
    write_dataset(stream, dataset)
    return stream.getvalue()


def decoded(raw: bytes, what: str, transfer_syntax: str = IMPLICIT_LITTLE) -> Dataset:
    """The data set of these bytes; its values are only converted when they are asked for.

    Args:
        raw: in Implicit or Explicit VR Little Endian.
        what: says in an error what it was.
        transfer_syntax: which of the two.

    Raises:
        PeerError: they are none.
    """
    try:
        with quiet():
            implicit = transfer_syntax == IMPLICIT_LITTLE
            return read_dataset(BytesIO(raw), is_implicit_VR=implicit, is_little_endian=True)
    except (*BROKEN, MemoryError) as error:
        raise _unreadable(what, error) from error


def said(found: Dataset, keyword: str, what: str) -> str:
    """The first value of an element as text, "" where there is none.

    Raises:
        PeerError: it cannot be converted.
    """
    try:
        with quiet():
            return text(found, keyword)
    except (*BROKEN, MemoryError) as error:
        raise _unreadable(what, error) from error


def _unreadable(what: str, error: BaseException) -> PeerError:
    return PeerError(f"{what} that cannot be read ({type(error).__name__})")
