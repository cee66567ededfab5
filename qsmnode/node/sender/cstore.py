"""Files to one archive by C-STORE, each with its own verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from qsmnode.node.sender.decide import Outcome, judge
from qsmnode.node.wire.part10 import Part10
from qsmnode.node.wire.requestor import MOST_CONTEXTS, Association, Target, pair_name
from qsmnode.node.wire.status import describe


@dataclass(frozen=True)
class Verdict:
    """What became of one file; ``status`` is None where it could not even be offered.

    ``comment`` is the peer's own and may quote the object: for the person who sends, not for logs.
    """

    outcome: Outcome
    status: int | None
    words: str
    comment: str = ""


def open_for(target: Target, files: Sequence[Part10]) -> Association:
    """An association that proposes exactly what these files are, to be used in a ``with`` block.

    Raises:
        PeerUnreachable: no connection, or no answer in time.
        PeerRefused: the peer wants no association.
    """
    return Association(target, list(dict.fromkeys(_pair(file) for file in files)))


def store_one(association: Association, file: Part10) -> Verdict:
    """Send one file and judge the answer.

    Raises:
        PeerUnreachable: the association ended.
        PeerError: the peer breaks the protocol.
        UnreadableDicom: the file cannot be read to its end.
    """
    refusal = association.refusal(_pair(file))
    if refusal is not None:
        return Verdict(Outcome.REFUSED, None, f"{pair_name(_pair(file))}: {refusal}")
    code, comment = association.store(file)
    return Verdict(judge(code), code, describe(code), comment)


def _pair(file: Part10) -> tuple[str, str]:
    return file.sop_class_uid, file.transfer_syntax


def batches(files: Mapping[int, Part10]) -> Iterator[list[int]]:
    """Their indices in order, cut where an association would need too many contexts."""
    batch: list[int] = []
    pairs: set[tuple[str, str]] = set()
    for index, file in files.items():
        if _pair(file) not in pairs and len(pairs) == MOST_CONTEXTS:
            yield batch
            batch, pairs = [], set()
        batch.append(index)
        pairs.add(_pair(file))
    if batch:
        yield batch
