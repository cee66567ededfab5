"""``qsmnode run``: be the node."""

from __future__ import annotations

import argparse
from typing import Any

from qsmnode.cli.settings import add_config


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "run",
        help="run the node until it is told to stop",
        description="Receive, reconstruct and send until SIGINT or SIGTERM; what is under way is kept.",
    )
    add_config(verb)
    verb.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="how much to log"
    )
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run until SIGINT or SIGTERM."""
    from qsmnode.cli.prepare import prepared
    from qsmnode.node.runtime import Node, run_until_signalled
    from qsmnode.observe.log import set_up

    config, recipes = prepared(arguments.config)
    set_up(arguments.log_level)
    run_until_signalled(Node(config, recipes))
    return 0
