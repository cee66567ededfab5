"""``qsmnode send``: DICOM files from disk to a peer."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from qsmnode.cli.settings import add_config, load_config
from qsmnode.errors import EXIT_DONE, EXIT_PEER
from qsmnode.observe.progress import ProgressLine


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "send",
        help="send DICOM files to a peer",
        description=(
            "Send files, or everything below folders, to a peer of the configuration: by C-STORE, or by"
            " STOW-RS to a DICOMweb server."
        ),
    )
    add_config(verb)
    verb.add_argument("peer", metavar="PEER", help="name of a peer with a port or a URL (stow)")
    verb.add_argument("path", type=Path, nargs="+", metavar="PATH", help="files or folders")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Send them, and say what was refused."""
    from qsmnode.node.offline import files_under
    from qsmnode.node.sender.files import send_files

    config = load_config(arguments.config)
    files = files_under(arguments.path)
    with ProgressLine(f"sending to {arguments.peer}") as progress:
        results = send_files(config, arguments.peer, files, progress)
    refused = [result for result in results if not result.sent]
    for result in refused:
        print(f"{result.path}: {result.message}", file=sys.stderr)
    print(f"{len(results) - len(refused)} of {len(results)} files sent to {arguments.peer}")
    return EXIT_PEER if refused else EXIT_DONE
