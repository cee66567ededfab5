"""An archive that keeps the hash of each object that it takes: python -m tests.campaigns.archive FOLDER.

It commits what it has, as the plan in its folder says: on the association on which it was asked or on one of
its own, at once or late, and it may have lost an object by the first time that it is asked for it.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydicom.uid import Comprehensive3DSRStorage
from pynetdicom import build_context, evt

from tests.peers.commitment import CommittingArchive

_PLAN = "plan.json"
_NO_SUCH_OBJECT = 0x0112
_TRIES = 20
_PAUSE_S = 0.25


@dataclass(frozen=True)
class Plan:
    """How it reports.

    Attributes:
        port: of the node.
        same: on the association on which it was asked, as long as that is there.
        delay_s: before it reports.
        loses: how many of a thousand objects it loses once.
        seed: which ones.
    """

    port: int = 0
    same: bool = True
    delay_s: float = 0.0
    loses: int = 0
    seed: int = 0

    def write(self, folder: Path) -> None:
        """Leave it for the archive."""
        (folder / _PLAN).write_text(json.dumps(asdict(self)))

    def loses_object(self, uid: str) -> bool:
        """Whether this is one that it loses."""
        return int(hashlib.sha256(f"{self.seed} {uid}".encode()).hexdigest(), 16) % 1000 < self.loses


class KeepingArchive(CommittingArchive):
    """Keeps hashes in a folder, where its plan stands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(self._has)
        self._server.contexts.append(build_context(Comprehensive3DSRStorage))

    @property
    def plan(self) -> Plan:
        return Plan(**json.loads((self.folder / _PLAN).read_text()))

    def _on_store(self, event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        digest = hashlib.sha256(event.request.DataSet.getvalue()).hexdigest()
        self.stored[uid] = str(event.request.AffectedSOPClassUID)
        (self.folder / f"{uid}-{digest[:16]}.sha").touch()
        return 0x0000

    def _has(self, uid: str) -> int:
        files, lost = list(self.folder.glob(f"{uid}-*.sha")), self.folder / f"{uid}.lost"
        if files and not lost.exists() and self.plan.loses_object(uid):
            lost.touch()
            for path in files:
                path.unlink()
            return _NO_SUCH_OBJECT
        return 0 if files else _NO_SUCH_OBJECT

    def _answer(self, association: Any, transaction_uid: str, uids: tuple[str, ...]) -> None:
        """Until the node has taken the report: it may be dead, or its disk full."""
        plan = self.plan
        time.sleep(plan.delay_s)
        for number in range(_TRIES):
            try:
                if number == 0 and plan.same and association.is_established:
                    answer = self._tell(association, transaction_uid, uids)
                else:
                    answer = self.report(transaction_uid, uids, plan.port)
            except (AssertionError, RuntimeError, ValueError):
                answer = -1  # nobody there
            if answer == 0x0000:
                return
            time.sleep(_PAUSE_S)


def main() -> None:
    """Runs until it is ended; prints its port."""
    folder = Path(sys.argv[1])
    Plan().write(folder)
    print(KeepingArchive(folder).port, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
