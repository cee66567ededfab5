"""``qsmnode cancel``: end a job."""

from __future__ import annotations

import argparse
from typing import Any

from qsmnode.cli.settings import add_config, load_config
from qsmnode.node.control import ask


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "cancel",
        help="cancel a queued or running job",
        description="Cancel a job; `retry` can queue it again.",
    )
    add_config(verb)
    verb.add_argument("job", type=int, metavar="JOB", help="its number in `qsmnode jobs`")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask the running node, or do it here where none runs."""
    print(ask(load_config(arguments.config), "cancel", {"job": arguments.job}))
    return 0
