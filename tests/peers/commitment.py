"""An archive that stores, lists and answers for objects as a test tells it to."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from socketserver import BaseServer
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)
from pynetdicom.transport import ThreadedAssociationServer

Verdict = Callable[[str], int]
"""By SOP Instance UID: 0 where the archive answers for it, the failure reason, or -1: it is not named."""


class CommittingArchive:
    """C-STORE, C-FIND and storage commitment on loopback.

    Args:
        verdict: what is reported of an object; changed at will.
        node: where to report to; None: on the association on which it was asked.
        silent: it never reports.
        takes: it accepts storage commitment at all.
        tls: it speaks only through this.
        calls_with: what it calls the node's port for TLS with; None: it calls in the clear.
    """

    def __init__(
        self,
        verdict: Verdict = lambda _uid: 0,
        *,
        node: Callable[[], int] | None = None,
        silent: bool = False,
        takes: bool = True,
        tls: ssl.SSLContext | None = None,
        calls_with: ssl.SSLContext | None = None,
        aet: str = "ARCHIVE",
    ) -> None:
        self.calls_with = calls_with
        self.aet, self.verdict, self.node, self.silent = aet, verdict, node, silent
        self.action_status = 0x0000
        self.hangs_up = False
        self.stored: dict[str, str] = {}
        self.stores: list[str] = []
        self.requests: list[tuple[str, tuple[str, ...]]] = []
        self.answers: list[int] = []
        self.studies: list[dict[str, str]] = []
        """What it answers at STUDY level, beside the UID that it was asked for."""
        self._threads: list[threading.Thread] = []
        entity = AE(ae_title=aet)
        for context in (MRImageStorage, StudyRootQueryRetrieveInformationModelFind, Verification):
            entity.add_supported_context(context)
        if takes:
            entity.add_supported_context(StorageCommitmentPushModel)
        handlers = [
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_C_FIND, self._on_find),
            (evt.EVT_N_ACTION, self._on_action),
        ]
        self._server = entity.make_server(
            ("127.0.0.1", 0),
            evt_handlers=handlers,
            server_class=ThreadedAssociationServer,
            ssl_context=tls,
        )
        self.port: int = self._server.socket.getsockname()[1]
        # looks whether it has to end twenty-five times as often as with start_server
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def peer(self) -> dict[str, Any]:
        """How a configuration lists it."""
        return {"ae_title": self.aet, "host": "127.0.0.1", "port": self.port, "commitment": True}

    def stop(self) -> None:
        BaseServer.shutdown(self._server)
        self._thread.join()
        self._server.server_close()
        for thread in self._threads:
            thread.join(20)
        for association in self._server.active_associations:
            association.join(20)

    def report(self, transaction_uid: str, uids: tuple[str, ...], port: int) -> int:
        """Tell a node what became of objects, on an association of the archive's own; its status."""
        entity = AE(ae_title=self.aet)
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        contexts = [build_context(StorageCommitmentPushModel)]
        association = entity.associate(
            "127.0.0.1",
            port,
            contexts,
            ae_title="QSMNODE",
            ext_neg=[role],
            tls_args=(self.calls_with, "127.0.0.1") if self.calls_with else None,
        )
        if not association.is_established:
            return -1
        try:
            return self._tell(association, transaction_uid, uids)
        finally:
            association.release()

    def _on_store(self, event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        self.stores.append(uid)
        self.stored[uid] = str(event.request.AffectedSOPClassUID)
        return 0x0000

    def _on_find(self, event: evt.Event) -> Iterator[tuple[int, Dataset]]:
        if event.identifier.QueryRetrieveLevel == "STUDY":
            for study in self.studies:
                answer = Dataset()
                answer.QueryRetrieveLevel = "STUDY"
                answer.StudyInstanceUID = event.identifier.StudyInstanceUID
                for keyword, value in study.items():
                    setattr(answer, keyword, value)
                yield 0xFF00, answer
            return
        for uid in list(self.stored):
            answer = Dataset()
            answer.QueryRetrieveLevel, answer.SOPInstanceUID = event.identifier.QueryRetrieveLevel, uid
            yield 0xFF00, answer

    def _on_action(self, event: evt.Event) -> tuple[int, None]:
        if self.hangs_up:
            event.assoc.abort()
            return 0x0110, None
        asked = event.action_information
        uids = tuple(str(item.ReferencedSOPInstanceUID) for item in asked.ReferencedSOPSequence)
        self.requests.append((str(asked.TransactionUID), uids))
        if self.action_status == 0x0000 and not self.silent:
            arguments = (event.assoc, str(asked.TransactionUID), uids)
            self._threads.append(threading.Thread(target=self._answer, args=arguments, daemon=True))
            self._threads[-1].start()
        return self.action_status, None

    def _answer(self, association: Any, transaction_uid: str, uids: tuple[str, ...]) -> None:
        if self.node is not None:
            self.answers.append(self.report(transaction_uid, uids, self.node()))
            return
        time.sleep(0.05)  # after the answer to the request
        self.answers.append(self._tell(association, transaction_uid, uids))

    def _tell(self, association: Any, transaction_uid: str, uids: tuple[str, ...]) -> int:
        verdicts = {uid: self.verdict(uid) for uid in uids}
        report = Dataset()
        report.TransactionUID = transaction_uid
        report.ReferencedSOPSequence = [self._item(uid) for uid, code in verdicts.items() if code == 0]
        failed = []
        for uid, code in verdicts.items():
            if code > 0:
                failed.append(self._item(uid))
                failed[-1].FailureReason = code
        if failed:
            report.FailedSOPSequence = failed
        status, _ = association.send_n_event_report(
            report, 2 if failed else 1, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        return int(status.Status) if status else -1

    def _item(self, uid: str) -> Dataset:
        item = Dataset()
        item.ReferencedSOPClassUID = self.stored.get(uid, MRImageStorage)
        item.ReferencedSOPInstanceUID = uid
        return item
