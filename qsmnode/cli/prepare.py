"""Everything that only the engine and the products know of a configuration, found out in a process aside.

``python -m qsmnode.cli.prepare FILE`` checks a configuration like ``qsmnode check`` and prints its recipes as
JSON. The node starts with it and goes on without the engine in its own memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from qsmnode.config import Config, load
from qsmnode.errors import EXIT_DONE, EXIT_USAGE, QsmnodeError, UsageError
from qsmnode.node.recipes import WrittenOut


def prepared(path: Path) -> tuple[Config, dict[str, WrittenOut]]:
    """A checked configuration, and its routes' recipes.

    Raises:
        UsageError: mistakes in it; or it changed while it was read.
    """
    child = subprocess.run(
        [sys.executable, "-m", "qsmnode.cli.prepare", str(path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode == EXIT_USAGE:
        raise UsageError(child.stderr.rstrip("\n"))
    if child.returncode != EXIT_DONE:
        raise QsmnodeError(
            f"{path}: checking it failed (exit code {child.returncode}): {child.stderr.strip()}"
        )
    recipes = {name: WrittenOut(**recipe) for name, recipe in json.loads(child.stdout).items()}
    config = load(path)
    if set(recipes) != {route.name for route in config.routes}:
        raise UsageError(f"{path}: it was changed while the node read it; start again")
    return config, recipes


def main(path: Path) -> int:
    """Check and print; the exit code."""
    from qsmnode.cli.settings import load_config
    from qsmnode.node.recipes import written_out

    try:
        recipes = written_out(load_config(path))
    except QsmnodeError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(json.dumps({name: asdict(recipe) for name, recipe in recipes.items()}))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
