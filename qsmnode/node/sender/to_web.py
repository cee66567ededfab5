"""A delivery to a DICOMweb server: batches of objects by STOW-RS, each object with its own verdict."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

from qsmnode.errors import PeerError, PeerRefused, UnreadableDicom
from qsmnode.node.sender.cstore import Verdict
from qsmnode.node.sender.decide import Outcome
from qsmnode.node.sender.shortfall import Shortfall, cannot_store_now, refused_for_good
from qsmnode.node.sender.stow import is_about_the_request, verdicts
from qsmnode.node.wire.part10 import Part10
from qsmnode.node.wire.web import WebSession, WebTarget


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
        shortfall = _all(target, files, acknowledged, stopping, refused)
    except PeerRefused as error:
        return Shortfall(str(error), permanent=False, peer_is_down=True)
    except UnreadableDicom as error:
        return Shortfall(f"an object of this node's store: {error}", permanent=True)
    except PeerError as error:
        return Shortfall(str(error), permanent=False, peer_is_down=True, unreachable=True)
    if shortfall is not None:
        return shortfall
    return refused_for_good(target, refused, len(files)) if refused else None


def store(
    session: WebSession, target: WebTarget, files: Sequence[Part10]
) -> Iterator[list[tuple[int, Verdict]]]:
    """Send the files, request by request: index and verdict of each file that a request settled.

    Raises:
        PeerUnreachable, PeerRefused, PeerError, UnreadableDicom: as for :meth:`WebSession.store`.
    """
    left = deque(batches([file.size for file in files], target.batch, target.batch_bytes))
    while left:
        batch = left.popleft()
        answer = session.store([files[index].path for index in batch])
        if len(batch) > 1 and is_about_the_request(answer):
            middle = len(batch) // 2  # which object is to blame
            left.extendleft([batch[middle:], batch[:middle]])
            continue
        found = verdicts(answer, [files[index].sop_instance_uid for index in batch])
        yield [(index, found[files[index].sop_instance_uid]) for index in batch]


def batches(sizes: Sequence[int], most: int, most_bytes: int) -> Iterator[list[int]]:
    """Indices in order, of so many objects and no more bytes than one request may have."""
    batch: list[int] = []
    total = 0
    for index, size in enumerate(sizes):
        if batch and (len(batch) == most or total + size > most_bytes):
            yield batch
            batch, total = [], 0
        batch.append(index)
        total += size
    if batch:
        yield batch


def _all(
    target: WebTarget,
    files: Sequence[Part10],
    acknowledged: Callable[[int], None],
    stopping: Callable[[], bool],
    refused: Counter[str],
) -> Shortfall | None:
    settled = 0
    with WebSession(target) as session:
        for judged in store(session, target, files):
            later = _book(judged, acknowledged, refused)
            if later is not None:
                return cannot_store_now(target, later)
            settled += len(judged)
            if settled < len(files) and stopping():
                return Shortfall("the node was stopped while sending", permanent=False)
    return None


def _book(
    judged: Sequence[tuple[int, Verdict]], acknowledged: Callable[[int], None], refused: Counter[str]
) -> str | None:
    """Note what became of a request's files; why the rest has to wait, where it has."""
    later = None
    for index, verdict in judged:
        if verdict.outcome is Outcome.ACKNOWLEDGED:
            acknowledged(index)
        elif verdict.outcome is Outcome.REFUSED:
            refused[verdict.words] += 1
        else:
            later = verdict.words
    return later
