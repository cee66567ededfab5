"""``qsmnode jobs``: what came in, what was decided, what was made and where it went."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from qsmnode.cli.settings import add_config, load_config
from qsmnode.ledger import Store
from qsmnode.node.listing import listing

_COLOURS = {
    "rejected": "red",
    "failed": "red",
    "parked": "red",
    "unreadable": "red",
    "lost": "red",
    "conflicting": "yellow",
    "held": "yellow",
    "unconfirmed": "yellow",
    "ignored": "dim",
    "unmatched": "dim",
    "succeeded": "green",
    "sent": "green",
    "committed": "green",
}


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "jobs",
        help="list acquisitions, jobs and deliveries",
        description="List what came in, what was decided and why, what was made and where it went.",
    )
    add_config(verb)
    verb.add_argument("--json", action="store_true", help="for scripts")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read the ledger beside the node."""
    with Store(load_config(arguments.config).node.store, read_only=True) as store:
        found = listing(store)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return 0
    counts = ", ".join(f"{count} {state}" for state, count in sorted(found["instances"].items()))
    # lines are never cut or wrapped: a reason that ends in the middle is no reason
    console = Console(soft_wrap=True, highlight=False, emoji=False, markup=False)
    console.print(f"instances: {counts or 'none'}")
    promised = ", ".join(f"{count} {state}" for state, count in sorted(found["promised"].items()))
    if promised:
        console.print(f"promised by storage commitment: {promised}")
    for item in found["unusable"]:
        console.print(_line(f"instance {item['id']}", item["state"], item["reason"]))
    for acquisition in found["acquisitions"]:
        for line in _lines(acquisition):
            console.print(line)
    return 0


def _lines(acquisition: dict[str, Any]) -> Iterator[Text]:
    revision = f" revision {acquisition['revision']}" if acquisition["revision"] > 1 else ""
    head = f"acquisition {acquisition['id']}{revision}  {acquisition['description']}"
    yield _line(head, acquisition["state"] + _waiting(acquisition), acquisition["reason"])
    if acquisition["asked"]:
        yield Text(f"  for what is missing: {acquisition['asked']}")
    if acquisition["conflicting"]:
        yield Text(f"  {acquisition['conflicting']} of its images came again with other bytes: not used")
    for job in acquisition["jobs"]:
        share = f" {100 * job['progress']:.0f} % {job['step']}" if job["state"] == "running" else ""
        task = "" if job["task"] == "qsm" else f"{job['task']}, "
        yield _line(f"  job {job['id']} ({task}{job['route']})", job["state"] + share, job["reason"])
        for delivery in job["deliveries"]:
            again = f", next try {delivery['next_try']}" if delivery["next_try"] and delivery["tries"] else ""
            title = f"    delivery {delivery['id']}: {delivery['product']} to {delivery['peer']}"
            yield _line(title, delivery["state"], delivery["reason"] + again)


def _waiting(acquisition: dict[str, Any]) -> str:
    """Since when and until when, of what waits for a decision."""
    if acquisition["state"] not in ("held", "collecting") or not acquisition["deadline"]:
        return ""
    return f" since {acquisition['since']}, until {acquisition['deadline']}"


def _line(head: str, state: str, reason: str) -> Text:
    line = Text(f"{head}  ")
    line.append(state, style=_COLOURS.get(state.split(" ")[0], ""))
    if reason:
        line.append(f"  {reason}")
    return line
