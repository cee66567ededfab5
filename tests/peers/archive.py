"""An archive that answers as a test tells it to: full disks, duplicates, refused objects."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from pydicom.dataset import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

Answer = Callable[[Dataset], int]


class AnsweringArchive:
    """A C-STORE provider on loopback. `answer` gives the status for each data set, e.g. 0xA700 or 0x0122.

    Attempts are kept in order as (SOP Instance UID, status answered); data sets answered 0x0000 also in
    `stored`.
    """

    def __init__(self, answer: Answer | int, aet: str = "ARCHIVE") -> None:
        self.aet = aet
        self.host = "127.0.0.1"
        self.answer: Answer = answer if callable(answer) else lambda _dataset: answer
        self.attempts: list[tuple[str, int]] = []
        self.stored: dict[str, Dataset] = {}
        self.associations = 0
        entity = AE(ae_title=aet)
        entity.require_called_aet = True
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax, ALL_TRANSFER_SYNTAXES)
        entity.add_supported_context(Verification)
        handlers = [(evt.EVT_C_STORE, self._on_store), (evt.EVT_ACCEPTED, self._on_accepted)]
        self._server = entity.start_server((self.host, 0), block=False, evt_handlers=handlers)
        self.port: int = self._server.socket.getsockname()[1]

    def _on_accepted(self, _event: evt.Event) -> None:
        self.associations += 1

    def _on_store(self, event: evt.Event) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        uid = str(dataset.SOPInstanceUID)
        status = self.answer(dataset)
        self.attempts.append((uid, status))
        if status == 0x0000:
            self.stored[uid] = dataset
        return status

    def stop(self) -> None:
        self._server.shutdown()

    def __enter__(self) -> AnsweringArchive:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()
