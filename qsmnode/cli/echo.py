"""``qsmnode echo``: do the peers answer?"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from qsmnode.cli.settings import add_config, load_config
from qsmnode.errors import EXIT_DONE, EXIT_PEER, PeerError


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "echo",
        help="ask peers whether they answer",
        description="C-ECHO to every peer that can receive, or to the one named; DICOMweb servers are asked"
        " for a study, folders are tried out.",
    )
    add_config(verb)
    verb.add_argument(
        "peer", nargs="?", metavar="PEER", help="name of one peer (default: all that can receive)"
    )
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask them."""
    from qsmnode.node.echo import echo

    config = load_config(arguments.config)
    names = (
        [arguments.peer] if arguments.peer else [n for n, peer in config.peers.items() if peer.can_receive]
    )
    code = EXIT_DONE
    for name in names:
        try:
            answer = echo(config, name)
        except PeerError as error:
            print(error, file=sys.stderr)
            code = EXIT_PEER
            continue
        made = f", {answer.implementation}" if answer.implementation else ""
        print(f"{answer.peer}: {answer.where} answers ({1000 * answer.duration_s:.0f} ms{made})")
    return code
