"""A delivery to an archive: object by object, so that a broken try is taken up where it ended."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence

from qsmnode.errors import PeerError, PeerRefused, UnreadableDicom
from qsmnode.node.sender.cstore import Verdict, batches, open_for, store_one
from qsmnode.node.sender.decide import Outcome
from qsmnode.node.sender.shortfall import Shortfall, cannot_store_now, refused_for_good
from qsmnode.node.wire.part10 import Part10
from qsmnode.node.wire.requestor import Association, Target

_log = logging.getLogger(__name__)
OBJECTS_PER_ASSOCIATION = 16
"""With fewer objects for each, another association costs more than it brings."""
_FAILED = Shortfall("an unexpected error on another association", permanent=False)


def deliver(
    target: Target,
    files: Sequence[Part10],
    acknowledged: Callable[[int], None],
    stopping: Callable[[], bool],
    associations: int = 1,
) -> Shortfall | None:
    """Send the files; None where the archive has all of them.

    Args:
        target: the archive.
        files: what it does not have yet.
        acknowledged: told the index of each file that it has now, by several threads.
        stopping: asked between files; True ends the try.
        associations: how many may be open at the same time.
    """
    shipment = _Shipment(target, files, acknowledged, stopping)
    for batch in batches(dict(enumerate(files))):
        shortfall = shipment.send(batch, associations)
        if shortfall is not None:
            return shortfall
    return refused_for_good(target, shipment.refused, len(files)) if shipment.refused else None


class _Shipment:
    """Files on their way over several associations, which take them from one queue."""

    def __init__(
        self,
        target: Target,
        files: Sequence[Part10],
        acknowledged: Callable[[int], None],
        stopping: Callable[[], bool],
    ) -> None:
        self._target = target
        self._files = files
        self._acknowledged = acknowledged
        self._stopping = stopping
        self._lock = threading.Lock()
        self._left: deque[int] = deque()
        self._batch: list[Part10] = []
        self._opened = threading.Event()
        self._halt: Shortfall | None = None
        self._broken: dict[int, Shortfall] = {}
        self._errors: list[BaseException] = []
        self.refused: Counter[str] = Counter()

    def send(self, batch: Sequence[int], associations: int) -> Shortfall | None:
        """Send a batch that one association can carry; None where every file was answered for good."""
        self._left.extend(batch)
        self._batch = [self._files[index] for index in batch]
        self._opened.clear()
        self._broken.clear()
        lanes = min(associations, max(1, len(batch) // OBJECTS_PER_ASSOCIATION))
        helpers = [
            threading.Thread(target=self._help, args=(lane,), name=f"sending {lane}", daemon=True)
            for lane in range(1, lanes)
        ]
        for helper in helpers:
            helper.start()
        try:
            self._lane(0)
        except BaseException:
            self._halt = self._halt or _FAILED
            raise
        finally:
            self._opened.set()
            for helper in helpers:
                helper.join()
        if self._errors:
            raise self._errors[0]
        if self._halt is not None or not self._left:
            return self._halt
        return self._broken[min(self._broken)]  # files are left only where an association broke

    def _help(self, lane: int) -> None:
        self._opened.wait()  # a peer that takes none is not asked for more
        if 0 in self._broken:
            return
        try:
            self._lane(lane)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits for this one
            self._errors.append(error)
            self._halt = self._halt or _FAILED

    def _lane(self, lane: int) -> None:
        """One association until nothing is left, the try is over, or it breaks: then others send the rest."""
        try:
            with open_for(self._target, self._batch) as association:
                self._opened.set()
                while (index := self._next()) is not None:
                    self._one(association, index)
        except UnreadableDicom as error:
            self._halt = Shortfall(f"an object of this node's store: {error}", permanent=True)
        except PeerError as error:
            # even "permanent" in an association's rejection is a setting that somebody there can correct
            away = not isinstance(error, PeerRefused)
            self._broken[lane] = Shortfall(str(error), permanent=False, peer_is_down=True, unreachable=away)
            if lane:
                _log.info("one association less: %s", error)

    def _next(self) -> int | None:
        with self._lock:
            if self._halt is None and self._left and self._stopping():
                self._halt = Shortfall("the node was stopped while sending", permanent=False)
            return None if self._halt is not None or not self._left else self._left.popleft()

    def _one(self, association: Association, index: int) -> None:
        try:
            verdict = store_one(association, self._files[index])
        except PeerError:
            with self._lock:
                self._left.appendleft(index)
            raise
        self._take(index, verdict)

    def _take(self, index: int, verdict: Verdict) -> None:
        if verdict.outcome is Outcome.ACKNOWLEDGED:
            self._acknowledged(index)
            return
        with self._lock:
            if verdict.outcome is Outcome.REFUSED:
                self.refused[verdict.words] += 1
            elif self._halt is None:
                self._halt = cannot_store_now(self._target, verdict.words)
