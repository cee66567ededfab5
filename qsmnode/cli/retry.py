"""``qsmnode retry``: start again what has stopped."""

from __future__ import annotations

import argparse
from typing import Any

from qsmnode.cli.settings import add_config, load_config
from qsmnode.node.control import ask


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "retry",
        help="queue failed jobs and parked deliveries again",
        description="Queue everything again that failed or was parked, or only the one named.",
    )
    add_config(verb)
    one = verb.add_mutually_exclusive_group()
    one.add_argument("--job", type=int, metavar="N", help="only this job")
    one.add_argument("--delivery", type=int, metavar="N", help="only this delivery")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask the running node, or do it here where none runs."""
    wanted = {"job": arguments.job, "delivery": arguments.delivery}
    given = {name: value for name, value in wanted.items() if value is not None}
    print(ask(load_config(arguments.config), "retry", given))
    return 0
