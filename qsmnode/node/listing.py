"""What a store holds, for people and for scripts: acquisitions with their jobs, products and deliveries."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

from qsmnode.config.regions import in_words
from qsmnode.ledger.store import Store

_UNUSABLE_SHOWN = 100


def listing(store: Store) -> dict[str, Any]:
    """Everything that `qsmnode jobs` shows; plain values, no patient data."""
    return {
        "instances": store.instances.counts(),
        "promised": store.promises.counts(),
        "unusable": [
            {
                "id": row.id,
                "sop_instance_uid": row.sop_instance_uid,
                "state": row.state,
                "reason": row.reason,
                "received": _iso(row.received_at),
            }
            for row in store.instances.unusable(_UNUSABLE_SHOWN)
        ],
        "acquisitions": [_acquisition(store, row) for row in store.acquisitions.all()],
    }


def _acquisition(store: Store, row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "study_uid": row.study_uid,
        "revision": row.revision,
        "revision_of": row.revision_of,
        "state": row.state,
        "reason": row.reason,
        "route": row.route,
        "missing": list(row.missing),
        "asked": store.questions.answer(row.id),
        "conflicting": store.instances.conflicting_with(row.id),
        "description": row.description,
        "since": _iso(store.acquisitions.since(row)),
        "deadline": _iso(row.deadline_at),
        "updated": _iso(row.updated_at),
        "jobs": [_job(store, job) for job in store.jobs.of_acquisition(row.id)],
    }


def _job(store: Store, job: Any) -> dict[str, Any]:
    return {
        "id": job.id,
        "task": job.task,
        "state": job.state,
        "attempt": job.attempt,
        "progress": round(job.progress, 3),
        "step": job.step,
        "reason": job.reason,
        "route": job.order.get("route"),
        "recipe_hash": job.recipe_hash,
        "regions": in_words(job.order.get("regions")),
        "created": _iso(job.created_at),
        "started": _iso(job.started_at),
        "finished": _iso(job.finished_at),
        "result": dict(job.result),
        "products": [
            {**dataclasses.asdict(product), "objects": len(store.deliveries.objects_of(product.id))}
            for product in store.deliveries.products_of(job.id)
        ],
        "deliveries": [
            {
                "id": delivery.id,
                "product": delivery.kind,
                "peer": delivery.peer,
                "state": delivery.state,
                "tries": delivery.tries,
                "reason": delivery.reason,
                "next_try": _iso(delivery.next_try_at) if delivery.state == "pending" else None,
            }
            for delivery in store.deliveries.of_job(job.id)
        ],
    }


def _iso(when: float | None) -> str | None:
    return None if when is None else datetime.fromtimestamp(when, UTC).isoformat(timespec="seconds")
