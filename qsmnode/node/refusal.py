"""The job that tells the receivers of a route why there is no map of an acquisition."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from qsmnode.errors import Finding
from qsmnode.ledger.store import Store

REFUSAL = "refusal"
"""The task of such a job."""


def queue_refusal(
    store: Store, acquisition_id: int, route: str, send_to: Sequence[str], findings: Sequence[Finding]
) -> int:
    """Queue it once: the same images with the same reasons are refused by one job, however often they are
    looked at.

    Args:
        store: the node's.
        acquisition_id: what is refused.
        route: name of the route that it took.
        send_to: that route's receivers.
        findings: every reason.

    Returns:
        the job's id.
    """
    content = store.acquisitions.get(acquisition_id).content
    reasons = [dataclasses.asdict(finding) for finding in findings]
    order: dict[str, Any] = {
        "route": route,
        "send_to": list(send_to),
        "findings": reasons,
        "content": content,
    }
    digest = hashlib.sha256(json.dumps([content, reasons], sort_keys=True).encode()).hexdigest()
    return store.jobs.queue(acquisition_id, REFUSAL, digest, order)


def withdraw_refusals(store: Store, acquisition_id: int, reason: str) -> None:
    """Cancel those that have not begun: something came that may change the answer."""
    for job in store.jobs.of_acquisition(acquisition_id):
        if job.task == REFUSAL and job.state == "queued" and job.attempt == 0:
            store.jobs.cancel(job.id, reason)
