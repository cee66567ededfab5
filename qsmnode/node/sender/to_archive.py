"""A delivery to an archive: object by object, so that a broken try is taken up where it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from qsmnode.errors import PeerError, PeerRefused, UnreadableDicom
from qsmnode.node.sender.cstore import Verdict, store
from qsmnode.node.sender.decide import Outcome
from qsmnode.node.sender.shortfall import Shortfall
from qsmnode.node.wire.part10 import Part10
from qsmnode.node.wire.requestor import Target


def deliver(
    target: Target,
    files: Sequence[Part10],
    acknowledged: Callable[[int], None],
    stopping: Callable[[], bool],
) -> Shortfall | None:
    """Send the files; None where the archive has all of them.

    Args:
        target: the archive.
        files: what it does not have yet.
        acknowledged: told the index of each file that it has now.
        stopping: asked between files; True ends the try.
    """
    refused: Counter[str] = Counter()
    try:
        for index, verdict in store(target, files):
            if verdict.outcome is Outcome.ACKNOWLEDGED:
                acknowledged(index)
            elif verdict.outcome is Outcome.REFUSED:
                refused[verdict.words] += 1
            else:
                return _later(target, verdict)
            if stopping():
                return Shortfall("the node was stopped while sending", permanent=False)
    except PeerRefused as error:
        # even "permanent" in an association's rejection is a setting that somebody there can correct
        return Shortfall(str(error), permanent=False, peer_is_down=True)
    except UnreadableDicom as error:
        return Shortfall(f"an object of this node's store: {error}", permanent=True)
    except PeerError as error:
        return Shortfall(str(error), permanent=False, peer_is_down=True)
    return _for_good(target, refused, len(files)) if refused else None


def _later(target: Target, verdict: Verdict) -> Shortfall:
    return Shortfall(
        f"{target}: cannot store now: {verdict.words}; look at its disk and its log",
        permanent=False,
        peer_is_down=True,
    )


def _for_good(target: Target, refused: Counter[str], count: int) -> Shortfall:
    words = "; ".join(f"{number} x {reason}" for reason, number in refused.items())
    return Shortfall(
        f"{target}: refuses {refused.total()} of {count} objects: {words}; allow them there, then retry",
        permanent=True,
    )
