"""``qsmnode explain``: what a node would do with these images, and why."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from qsmnode.cli.settings import add_config, load_config
from qsmnode.observe.progress import ProgressLine


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "explain",
        help="say which route images would take, why, and what is missing",
        description="For each acquisition found: its route, why, why not the others, and what is missing.",
    )
    add_config(verb)
    verb.add_argument("path", type=Path, nargs="+", metavar="PATH", help="files or folders of DICOM images")
    verb.add_argument("--calling-ae", metavar="TITLE", help="explain as if this AE title had sent them")
    verb.add_argument("--json", action="store_true", help="for scripts")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read the headers, then say it."""
    from qsmnode.node.explanation import explain, in_words
    from qsmnode.node.offline import look_at

    config = load_config(arguments.config)
    with ProgressLine("reading headers") as progress:
        found = look_at(arguments.path, progress)
    explanation = explain(found, config, arguments.calling_ae)
    print(json.dumps(explanation, indent=2) if arguments.json else "\n".join(in_words(explanation)))
    return 0
