"""What a STOW-RS answer says about each object (PS3.18 section 10.5.3)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from qsmnode.node.sender.cstore import Verdict
from qsmnode.node.sender.decide import Outcome, judge
from qsmnode.node.wire.status import describe
from qsmnode.node.wire.web import WebAnswer

_FAILED, _STORED = "00081198", "00081199"
_UID, _REASON = "00081155", "00081197"
_ALL_STORED = 200
# the request itself is refused: sending the same again cannot help
_FOR_GOOD = frozenset({400, 406, 409, 411, 413, 414, 415, 422})


def verdicts(answer: WebAnswer, uids: Sequence[str]) -> dict[str, Verdict]:
    """What became of each object.

    Where the answer names objects, an object that it does not name is to be sent again, whatever the status.

    Args:
        answer: of the server.
        uids: SOP Instance UIDs that were sent.
    """
    listed = _parsed(answer.body)
    failed = dict(_items(listed, _FAILED))
    stored = dict(_items(listed, _STORED))
    named = bool(failed or stored)
    return {uid: _verdict(uid, answer.status, failed, stored, named=named) for uid in uids}


def is_about_the_request(answer: WebAnswer) -> bool:
    """Whether it was refused for good without a word about single objects: one of them may be to blame."""
    listed = _parsed(answer.body)
    named = any(True for key in (_FAILED, _STORED) for _ in _items(listed, key))
    return answer.status in _FOR_GOOD and not named


def _verdict(
    uid: str, status: int, failed: dict[str, int | None], stored: dict[str, int | None], *, named: bool
) -> Verdict:
    if uid in failed:
        code = failed[uid]
        if code is None:
            return Verdict(Outcome.LATER, None, "failed, without a reason")
        return Verdict(judge(code), code, describe(code))
    if uid in stored:
        return Verdict(Outcome.ACKNOWLEDGED, 0, "stored")
    if named:
        return Verdict(Outcome.LATER, None, f"HTTP {status}, and its answer does not name every object")
    if status == _ALL_STORED:
        return Verdict(Outcome.ACKNOWLEDGED, 0, "stored")
    outcome = Outcome.REFUSED if status in _FOR_GOOD else Outcome.LATER
    return Verdict(outcome, None, f"HTTP {status}")


def _parsed(body: bytes) -> dict[str, Any]:
    """The data set of an answer in JSON; empty where it is something else."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(found, list) and len(found) == 1:
        found = found[0]  # as some servers have it
    return found if isinstance(found, dict) else {}


def _items(listed: dict[str, Any], sequence: str) -> Iterator[tuple[str, int | None]]:
    """SOP Instance UID and failure reason of each item of a sequence; what is malformed is skipped."""
    for item in _values(listed, sequence):
        uids = _values(item, _UID)
        if uids and isinstance(uids[0], str):
            reason = next(iter(_values(item, _REASON)), None)
            usable = type(reason) is int and 0 <= reason <= 0xFFFF
            yield uids[0], reason if usable else None


def _values(holder: Any, tag: str) -> list[Any]:
    element = holder.get(tag) if isinstance(holder, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []
