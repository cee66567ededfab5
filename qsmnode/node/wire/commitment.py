"""The data sets of storage commitment (PS3.4 annex J, PS3.3 section C.14): requests and reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.sequence import Sequence as Items

from qsmnode.dicom.reading import items
from qsmnode.errors import PeerError
from qsmnode.node.wire import status
from qsmnode.node.wire.dataset import decoded, encoded, said
from qsmnode.node.wire.requestor import Pair
from qsmnode.node.wire.uids import IMPLICIT_LITTLE, STORAGE_COMMITMENT, is_uid

PAIR: Pair = (STORAGE_COMMITMENT, IMPLICIT_LITTLE)
"""What is proposed for it: every DICOM program takes it."""

REQUEST = 1
"""The one action type."""
ALL_COMMITTED, SOME_FAILED = 1, 2
"""The event types of a report."""

MOST_OBJECTS = 20_000
"""In one request; no exam has more."""
LONGEST = 4 << 20
"""Bytes of a request or report: more than so many objects need."""
_ITEM = b"\xfe\xff\x00\xe0"

NOT_NAMED = "not named in the report"
_REQUEST_WORDS = "a storage commitment request"
_REPORT_WORDS = "a storage commitment report"


class TooMany(PeerError):
    """A request for more objects than are ever looked at together."""


@dataclass(frozen=True)
class Demand:
    """A request: its transaction UID, and SOP class and instance of each object."""

    transaction_uid: str
    objects: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Report:
    """An answer: what became of each object, by SOP Instance UID; 0 where it is committed."""

    transaction_uid: str
    verdicts: Mapping[str, int]


def encode_demand(demand: Demand) -> bytes:
    """The data set of an N-ACTION, in Implicit VR Little Endian."""
    dataset = Dataset()
    dataset.TransactionUID = demand.transaction_uid
    dataset.ReferencedSOPSequence = Items([_item(*each) for each in demand.objects])
    return encoded(dataset)


def decode_demand(raw: bytes, transfer_syntax: str) -> Demand:
    """Read the data set of an N-ACTION.

    Raises:
        TooMany: more than :data:`MOST_OBJECTS`.
        PeerError: it cannot be read, or says not what is to be kept.
    """
    dataset = _decoded(raw, _REQUEST_WORDS, transfer_syntax)
    objects = tuple(dict.fromkeys(_references(dataset, "ReferencedSOPSequence", _REQUEST_WORDS)))
    if not objects:
        raise PeerError(f"{_REQUEST_WORDS} that names no object")
    if len({uid for _, uid in objects}) != len(objects):
        raise PeerError(f"{_REQUEST_WORDS} that names one object under two SOP classes")
    return Demand(_transaction(dataset, _REQUEST_WORDS), objects)


def encode_report(
    transaction_uid: str, objects: Sequence[tuple[str, str, int]], transfer_syntax: str
) -> tuple[int, bytes]:
    """Event type and data set of an N-EVENT-REPORT: SOP class, SOP instance and verdict of each object."""
    dataset = Dataset()
    dataset.TransactionUID = transaction_uid
    kept = [_item(sop_class, uid) for sop_class, uid, code in objects if code == status.SUCCESS]
    failed = [_failed_item(*each) for each in objects if each[2] != status.SUCCESS]
    if kept:
        dataset.ReferencedSOPSequence = Items(kept)
    if failed:
        dataset.FailedSOPSequence = Items(failed)
    return (SOME_FAILED if failed else ALL_COMMITTED), encoded(dataset, transfer_syntax)


def decode_report(raw: bytes, transfer_syntax: str) -> Report:
    """Read the data set of an N-EVENT-REPORT; what is named as both kept and failed has failed.

    Raises:
        TooMany: more than :data:`MOST_OBJECTS`.
        PeerError: it cannot be read.
    """
    dataset = _decoded(raw, _REPORT_WORDS, transfer_syntax)
    verdicts = {
        uid: status.SUCCESS for _, uid in _references(dataset, "ReferencedSOPSequence", _REPORT_WORDS)
    }
    for item in items(dataset, "FailedSOPSequence"):
        reason = said(item, "FailureReason", _REPORT_WORDS)
        code = int(reason) if reason.isdecimal() else status.PROCESSING_FAILURE
        verdicts[_uid(item, _REPORT_WORDS)] = code or status.PROCESSING_FAILURE
    return Report(_transaction(dataset, _REPORT_WORDS), verdicts)


def words(failures: Iterable[int | None]) -> str:
    """Failure reasons for people: ``2 x 0x0112, no such object``; None: it was not named."""
    counted = Counter(NOT_NAMED if code is None else status.describe(code) for code in failures)
    return "; ".join(f"{count} x {text}" for text, count in counted.items())


def _decoded(raw: bytes, what: str, transfer_syntax: str) -> Dataset:
    """Its items are counted before any is made: a few bytes each, they would take very much memory."""
    count = raw.count(_ITEM)
    if count > MOST_OBJECTS:
        raise TooMany(f"{what} with {count} objects; at most {MOST_OBJECTS} at a time")
    return decoded(raw, what, transfer_syntax)


def _references(dataset: Dataset, keyword: str, what: str) -> list[tuple[str, str]]:
    found = items(dataset, keyword)
    return [(said(item, "ReferencedSOPClassUID", what), _uid(item, what)) for item in found]


def _uid(item: Dataset, what: str) -> str:
    uid = said(item, "ReferencedSOPInstanceUID", what)
    if not is_uid(uid):
        raise PeerError(f"{what} with an object that has no UID")
    return uid


def _transaction(dataset: Dataset, what: str) -> str:
    uid = said(dataset, "TransactionUID", what)
    if not is_uid(uid):
        raise PeerError(f"{what} without a transaction UID")
    return uid


def _item(sop_class: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
    return item


def _failed_item(sop_class: str, uid: str, code: int) -> Dataset:
    item = _item(sop_class, uid)
    item.FailureReason = code
    return item
