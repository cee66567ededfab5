"""``qsmnode purge``: let go what nobody needs here any more."""

from __future__ import annotations

import argparse
import json
from typing import Any

from qsmnode.cli.settings import add_config, load_config
from qsmnode.ledger import Store
from qsmnode.node.control import ask
from qsmnode.node.retention.judge import Judged, Limits, Plan
from qsmnode.node.retention.purge import described, planned, rules_of, size_of


def add(verbs: Any) -> None:
    """Declare the verb."""
    verb = verbs.add_parser(
        "purge",
        help="remove files that nobody needs here any more",
        description=(
            "Remove the images and results of acquisitions that every receiver has, and of those that became "
            "no map for `retention.ignored_days`. The ledger remembers them. What was promised by storage "
            "commitment stays until an archive has it."
        ),
    )
    add_config(verb)
    verb.add_argument(
        "--dry-run", action="store_true", help="only list what would go, and why the rest stays"
    )
    verb.add_argument("--acquisition", type=int, metavar="N", help="only this one")
    verb.add_argument(
        "--older-than-days", type=int, default=0, metavar="N", help="only what nobody has needed for so long"
    )
    verb.add_argument(
        "--undelivered",
        action="store_true",
        help="with --acquisition: even where its job failed, its delivery is parked or it is too new to go",
    )
    verb.add_argument("--json", action="store_true", help="with --dry-run: for scripts")
    verb.set_defaults(run=run, verb_parser=verb)


def run(arguments: argparse.Namespace) -> int:
    """Look beside the node, or ask it."""
    if arguments.undelivered and arguments.acquisition is None:
        arguments.verb_parser.error("--undelivered needs --acquisition N: name what may be lost")
    if arguments.older_than_days < 0:
        arguments.verb_parser.error("--older-than-days: expected 0 or more")
    config = load_config(arguments.config)
    if not arguments.dry_run:
        wanted = {"older_than_days": arguments.older_than_days, "undelivered": int(arguments.undelivered)}
        if arguments.acquisition is not None:
            wanted["acquisition"] = arguments.acquisition
        print(ask(config, "purge", wanted))
        return 0
    with Store(config.node.store, read_only=True) as store:
        found = planned(
            store,
            rules_of(config, undelivered=arguments.undelivered),
            Limits(float(arguments.older_than_days)),
            only=None if arguments.acquisition is None else {arguments.acquisition},
        )
        if arguments.json:
            print(json.dumps(_as_json(store, found), indent=2))
        else:
            _print(store, found)
    return 0


def _as_json(store: Store, found: Plan) -> dict[str, Any]:
    return {
        "goes": [_entry(store, each) | {"why": each.why} for each in found.goes],
        "stays": [_entry(store, each) | {"why": each.stays} for each in found.stays],
        "files": [file.path for file in (*found.instances, *found.objects)],
    }


def _entry(store: Store, each: Judged) -> dict[str, Any]:
    files = (*each.instances, *each.objects)
    return {
        "acquisition": each.acquisition,
        "description": each.description,
        "files": len(files),
        "bytes": sum(size_of(store, file) for file in files),
    }


def _print(store: Store, found: Plan) -> None:
    for each in found.goes:
        print(f"would go: {described(each)}: {_amount(store, each)}, {each.why}")
    for each in found.stays:
        print(f"stays: {described(each)}: {_amount(store, each)}, {each.stays}")
    files = (*found.instances, *found.objects)
    size = sum(size_of(store, file) for file in files)
    print(f"{len(files)} files would go, {size / 1e6:.1f} MB")


def _amount(store: Store, each: Judged) -> str:
    entry = _entry(store, each)
    return f"{entry['files']} files, {entry['bytes'] / 1e6:.1f} MB"
