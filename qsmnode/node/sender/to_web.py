"""A delivery to a DICOMweb server: batches of objects by STOW-RS, each object with its own verdict."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

import pydicom
from pydicom import Dataset
from pydicom.errors import InvalidDicomError

from qsmnode.errors import PeerError, PeerRefused, UnreadableDicom
from qsmnode.node.sender.decide import Outcome
from qsmnode.node.sender.shortfall import Shortfall, cannot_store_now, refused_for_good
from qsmnode.node.sender.stow import is_about_the_request, verdicts
from qsmnode.node.wire.part10 import Part10
from qsmnode.node.wire.web import WebAnswer, WebSession, WebTarget

_MOST_BYTES = 32_000_000
"""In one request, which is held in memory; a larger object goes alone."""


def deliver(
    target: WebTarget,
    files: Sequence[Part10],
    acknowledged: Callable[[int], None],
    stopping: Callable[[], bool],
) -> Shortfall | None:
    """Send the files; None where the server has all of them.

    Args:
        target: the server.
        files: what it does not have yet.
        acknowledged: told the index of each file that it has now.
        stopping: asked between requests; True ends the try.
    """
    refused: Counter[str] = Counter()
    try:
        with WebSession(target) as session:
            shortfall = _all_batches(session, target, files, acknowledged, stopping, refused)
    except PeerRefused as error:
        return Shortfall(str(error), permanent=False, peer_is_down=True)
    except UnreadableDicom as error:
        return Shortfall(f"an object of this node's store: {error}", permanent=True)
    except PeerError as error:
        return Shortfall(str(error), permanent=False, peer_is_down=True, unreachable=True)
    if shortfall is not None:
        return shortfall
    return refused_for_good(target, refused, len(files)) if refused else None


def _all_batches(
    session: WebSession,
    target: WebTarget,
    files: Sequence[Part10],
    acknowledged: Callable[[int], None],
    stopping: Callable[[], bool],
    refused: Counter[str],
) -> Shortfall | None:
    left = deque(batches([file.size for file in files], target.batch))
    while left:
        if stopping():
            return Shortfall("the node was stopped while sending", permanent=False)
        batch = left.popleft()
        answer = session.store(_objects([files[index] for index in batch]))
        if len(batch) > 1 and is_about_the_request(answer):
            middle = len(batch) // 2  # which object is to blame
            left.extendleft([batch[middle:], batch[:middle]])
            continue
        later = _book(answer, batch, files, acknowledged, refused)
        if later is not None:
            return cannot_store_now(target, later)
    return None


def _book(
    answer: WebAnswer,
    batch: Sequence[int],
    files: Sequence[Part10],
    acknowledged: Callable[[int], None],
    refused: Counter[str],
) -> str | None:
    """Note what became of a batch; why the rest has to wait, where it has."""
    later = None
    found = verdicts(answer, [files[index].sop_instance_uid for index in batch])
    for index in batch:
        verdict = found[files[index].sop_instance_uid]
        if verdict.outcome is Outcome.ACKNOWLEDGED:
            acknowledged(index)
        elif verdict.outcome is Outcome.REFUSED:
            refused[verdict.words] += 1
        else:
            later = verdict.words
    return later


def batches(sizes: Sequence[int], most: int) -> Iterator[list[int]]:
    """Indices in order, of so many objects and no more bytes than fit into one request."""
    batch: list[int] = []
    total = 0
    for index, size in enumerate(sizes):
        if batch and (len(batch) == most or total + size > _MOST_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(index)
        total += size
    if batch:
        yield batch


def _objects(files: Sequence[Part10]) -> Iterator[Dataset]:
    for file in files:
        try:
            yield pydicom.dcmread(file.path)
        except (InvalidDicomError, EOFError, ValueError, OSError) as error:
            raise UnreadableDicom(f"{file.path.name}: cannot be read to its end") from error
