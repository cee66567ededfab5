"""A computation whose steps are counted with its node's: python -m tests.campaigns.compute ORDER ..."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from qsmnode.node.worker import compute
from tests.campaigns.disk import Disk
from tests.campaigns.steps import Steps


def main() -> int:
    """The computation, counted."""
    order = json.loads(sys.argv.pop(1))
    disk = Disk(Path(order["root"]), Path(order["shadow"])) if "root" in order else None
    steps = Steps(order["what"], order["at"], Path(order["counter"]), disk, lasting_s=order["lasting_s"])
    steps.install(order["node"])
    return compute.main()


if __name__ == "__main__":
    sys.exit(main())
