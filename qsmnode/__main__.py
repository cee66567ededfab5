"""``python -m qsmnode`` and the ``qsmnode`` command."""

from __future__ import annotations

import sys

from qsmnode.cli import main

if __name__ == "__main__":
    sys.exit(main())
