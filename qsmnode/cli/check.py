"""``qsmnode check``: is this configuration right?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from qsmnode.cli.settings import load_config


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "check",
        help="check a configuration",
        description="Print every mistake as file:line:col: key: message.",
    )
    verb.add_argument("file", type=Path, metavar="FILE", help="configuration (see `qsmnode config`)")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Load it as the node would."""
    config = load_config(arguments.file)
    print(f"{arguments.file}: good; peers: {len(config.peers)}, routes: {len(config.routes)}")
    return 0
