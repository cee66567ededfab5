"""A scanner that keeps the reports on what it asked to be kept: python -m tests.campaigns.scanner FOLDER."""

from __future__ import annotations

import json
import sys
import threading
import uuid
from pathlib import Path

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import StorageCommitmentPushModel  # type: ignore[attr-defined]


def verdicts(report: Dataset) -> dict[str, int]:
    """What a report says: 0 or the failure reason by SOP Instance UID."""
    found = {str(item.ReferencedSOPInstanceUID): 0 for item in report.get("ReferencedSOPSequence", [])}
    for item in report.get("FailedSOPSequence", []):
        found[str(item.ReferencedSOPInstanceUID)] = int(item.FailureReason)
    return found


def main() -> None:
    """Runs until it is ended; prints its port."""
    folder = Path(sys.argv[1])

    def keep(event: evt.Event) -> tuple[int, None]:
        report = event.event_information
        partial = folder / f"{uuid.uuid4()}.part"
        partial.write_text(json.dumps([str(report.TransactionUID), verdicts(report)]))
        partial.replace(partial.with_suffix(".json"))
        return 0x0000, None

    entity = AE(ae_title="MR1")
    entity.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, keep)])
    print(server.socket.getsockname()[1], flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
