"""An archive that keeps the hash of each object that it takes: python -m tests.campaigns.archive FOLDER."""

from __future__ import annotations

import hashlib
import sys
import threading
from pathlib import Path

from pydicom.dataset import Dataset

from tests.peers.archive import AnsweringArchive


def main() -> None:
    """Runs until it is ended; prints its port."""
    folder = Path(sys.argv[1])

    def keep(dataset: Dataset) -> int:
        text = dataset.to_json().encode()
        (folder / f"{dataset.SOPInstanceUID}-{hashlib.sha256(text).hexdigest()[:16]}.sha").touch()
        return 0x0000

    with AnsweringArchive(keep) as archive:
        print(archive.port, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
