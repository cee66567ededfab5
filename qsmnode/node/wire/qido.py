"""What a DICOMweb server says that it has: the answers to QIDO-RS (PS3.18 section 10.6), as text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydicom.datadict import tag_for_keyword

from qsmnode.errors import PeerError, PeerRefused, PeerUnreachable
from qsmnode.node.wire.web import WebAnswer, WebSession

_PAGE = 1000
"""Instances in one answer; a server may give fewer."""
_MOST_INSTANCES = 20_000
_NOTHING = 204
_GOOD = frozenset({200, 206})


def studies(session: WebSession, study_uid: str, keywords: Sequence[str]) -> list[dict[str, str]]:
    """What the server has under a study's UID: these attributes of each match, "" where one has none.

    Raises:
        PeerUnreachable: no connection, no answer in time, or a server in trouble.
        PeerRefused: it takes no such question.
        PeerError: its answer cannot be read.
    """
    return _read(session, session.studies(study_uid, keywords), keywords)


def instances(session: WebSession, study_uid: str, series_uid: str) -> set[str]:
    """The SOP Instance UIDs that the server lists of a series, page by page.

    Raises:
        PeerUnreachable, PeerRefused, PeerError: as for :func:`studies`; also where the list never ends.
    """
    listed: set[str] = set()
    seen = 0
    while True:
        answer = session.instances(study_uid, series_uid, limit=_PAGE, offset=seen)
        page = {each["SOPInstanceUID"] for each in _read(session, answer, ["SOPInstanceUID"])}
        if not page - listed:
            return listed  # the end, or a server that knows no offset and says the same again
        listed |= page
        seen += len(page)
        if seen > _MOST_INSTANCES:
            raise PeerError(f"{session}: lists more than {_MOST_INSTANCES} instances for one series")


def _read(session: WebSession, answer: WebAnswer, keywords: Sequence[str]) -> list[dict[str, str]]:
    if answer.status == _NOTHING:
        return []
    if answer.status >= 500:
        raise PeerUnreachable(f"{session}: answers QIDO-RS with HTTP {answer.status}; look at its log")
    if answer.status not in _GOOD:
        raise PeerRefused(f"{session}: answers QIDO-RS with HTTP {answer.status}")
    try:
        found = json.loads(answer.body) if answer.body else []
    except (ValueError, RecursionError):
        raise PeerError(f"{session}: an answer to QIDO-RS that is no JSON") from None
    items = [found] if isinstance(found, dict) else found
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise PeerError(f"{session}: an answer to QIDO-RS that is no list of matches")
    return [{keyword: _text(item, keyword) for keyword in keywords} for item in items]


def _text(item: dict[str, Any], keyword: str) -> str:
    """The first value of an attribute."""
    attribute = item.get(f"{tag_for_keyword(keyword):08X}")
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    first = values[0] if isinstance(values, list) and values else None
    return str(first).strip() if isinstance(first, str | int | float) else ""
