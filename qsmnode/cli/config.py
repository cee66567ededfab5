"""``qsmnode config``: the commented default configuration, or its JSON schema."""

from __future__ import annotations

import argparse
import json
from typing import Any

from qsmnode.config import default_text, schema


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "config",
        help="print the commented default configuration",
        description="Print the default configuration, every setting explained, to start a site's own from.",
    )
    verb.add_argument("--schema", action="store_true", help="print the JSON schema instead, for editors")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    print(json.dumps(schema(), indent=2) if arguments.schema else default_text().rstrip("\n"))
    return 0
