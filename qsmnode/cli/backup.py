"""``qsmnode backup``: the ledger, and which files belong to it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from qsmnode.cli.settings import add_config, load_config
from qsmnode.errors import QsmnodeError, StoreError
from qsmnode.ledger import Store
from qsmnode.ledger.backup import FILES, LEDGER, back_up
from qsmnode.node.control import ask


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "backup",
        help="copy the ledger while the node runs",
        description=(
            f"Copy the ledger into a new folder ({LEDGER}), with a list of the files of the store that "
            f"belong to it ({FILES}, for rsync --files-from). The node may run. To restore: put both, and "
            "the files, into an empty store."
        ),
    )
    add_config(verb)
    verb.add_argument("folder", type=Path, metavar="FOLDER", help="made; must not be there yet")
    verb.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read beside the node, write outside the store, and have the audit trail tell of it."""
    config = load_config(arguments.config)
    folder = arguments.folder.absolute()
    with Store(config.node.store, read_only=True) as store:
        made = back_up(store, folder)
    try:
        ask(config, "note_backup", {"folder": str(folder)})
    except QsmnodeError as error:
        raise StoreError(f"{folder}: is made, and the audit trail does not tell of it: {error}") from error
    print(
        f"{arguments.folder}: {LEDGER}, and {FILES} with {made.files} files"
        f" ({made.size / 1e6:.1f} MB received)"
    )
    return 0
