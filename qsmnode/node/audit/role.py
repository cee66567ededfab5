"""The audit role: follows the events of the ledger, writes the trail, and hands it on to a syslog server.

What happened is told at least once: the trail has a message, durable, before the ledger says so.
A server that is away, or a disk that is full, stops nothing else; the trail catches up by itself.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import socket
import sqlite3
import ssl
import threading
import time
from collections.abc import Callable

from qsmnode.config import Config
from qsmnode.ledger.store import Store
from qsmnode.ledger.trail import EventRow
from qsmnode.node.audit import events
from qsmnode.node.audit.syslog import Syslog
from qsmnode.node.supervise import Loop
from qsmnode.node.wire.tls import TlsFiles, client_context, explain
from qsmnode.observe import audit_message as audit
from qsmnode.observe.audit_message import Message, encode
from qsmnode.observe.audit_trail import Reader, Trail

_log = logging.getLogger(__name__)
_MB = 1_000_000
_BATCH = 100
_LONGEST_WAIT_S = 30.0
_HEADERS_S = 600.0  # an association is told without its studies where their headers take longer
_LOOK_AGAIN_S = 1.0
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
_MOST_REFUSED = 256


class Audit:
    """Tells who sent, received and deleted what.

    Args:
        config: a loaded configuration.
        store: whose events are told.
    """

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self._node = events.Node(config.node.ae_title, socket.gethostname())
        self._refused: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()
        self._pause = _FIRST_PAUSE_S
        self._away = False
        self._skipped = False
        settings = config.audit
        folder = settings.folder or store.root / "audit"
        self._trail = Trail(folder, settings.file_mb * _MB, settings.files)
        self._reader = Reader(folder)
        self._loop = Loop("audit", self._step, store.database.wake)
        self._server = _server(config)
        self._forward = Loop("audit syslog", self._forward_step, self._wake_forward)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Tell that the node starts, then what happened."""
        self._tell_activity(audit.START)
        self._loop.start()
        if self._server is not None:
            self._forward.start()

    def stop(self, timeout_s: float) -> None:
        """Tell what is left and that the node stops."""
        self._loop.stop(timeout_s)
        with contextlib.suppress(sqlite3.Error, OSError):  # told after the next start
            self.tell_all()
        self._tell_activity(audit.STOP)
        if self._server is not None:
            self._forward.stop(min(timeout_s, 5.0))
            self._server.close()
        self._trail.close()

    def refused(self, address: str, why: str) -> None:
        """Somebody was turned away; the same again and again is told together. Called by any thread."""
        with self._lock:
            if len(self._refused) < _MOST_REFUSED or (address, why) in self._refused:
                self._refused[address, why] = self._refused.get((address, why), 0) + 1

    def tell_all(self) -> bool:
        """Tell everything that can be told now; False where headers are waited for.

        Raises:
            OSError: the trail cannot be written.
            sqlite3.Error: the ledger cannot be read or written.
        """
        self._tell_refused()
        while found := self._store.audit_events.next(_BATCH):
            last = None
            for event in found:
                if event.entity == "backup":
                    self._tell_backup(event)
                elif (message := self._message(event)) is not None:
                    self._tell(message)
                else:
                    break
                last = event.id
            if last is not None:
                self._store.audit_events.told(last)
            if last != found[-1].id:
                return False
        return True

    def _step(self) -> None:
        seen = self._store.database.version
        wait = _LONGEST_WAIT_S if self.tell_all() else _LOOK_AGAIN_S
        self._store.database.wait_for_change(seen, wait)

    def _tell_backup(self, event: EventRow) -> None:
        """With every study that the ledger knows, in as many messages as that takes."""
        known = self._store.audit_events
        folder, by = known.backup(event)
        some = known.studies("", events.STUDIES_TOGETHER)
        while True:
            self._tell(events.backed_up(self._node, folder, by, some, event.at))
            if len(some) < events.STUDIES_TOGETHER:
                return
            some = known.studies(some[-1].study_uid, events.STUDIES_TOGETHER)

    def _message(self, event: EventRow) -> Message | None:
        """What is told of an event; None: not yet."""
        known = self._store.audit_events
        if event.entity == "query":
            return events.asked(self._node, self._config, known.query(event), event.at)
        if event.entity == "retrieval":
            return events.begins(self._node, self._config, known.retrieval(event), event.at)
        if event.entity == "delivery":
            return events.delivered(self._node, self._config, known.delivery(event.row_id), event.at)
        if event.entity == "files":
            return events.deleted(self._node, known.files_of(event.row_id), event.reason, event.at)
        if event.entity == "instance":
            return events.deleted(self._node, known.instance(event.row_id), event.reason, event.at)
        transfer = known.association(event.row_id)
        if transfer.pending and time.time() < event.at + _HEADERS_S:
            return None
        return events.received(self._node, transfer, event.at)

    def _tell_refused(self) -> None:
        with self._lock:
            refused, self._refused = self._refused, {}
        for (address, why), count in refused.items():
            self._tell(events.refused(self._node, address, why, count, time.time()))

    def _tell_activity(self, kind: audit.Code) -> None:
        try:
            self._tell(events.activity(self._node, kind, time.time()))
        except OSError as error:
            _log.error("%s is not in the audit trail: %s", kind.meaning, error.strerror)

    def _tell(self, message: Message) -> None:
        self._trail.append(encode(message, self._node.ae_title))

    def _forward_step(self) -> None:
        """Hand on until nothing is left, or the server is away."""
        assert self._server is not None
        seen = self._trail.count
        while (found := self._reader.next()) is not None and not self._forward.stopping:
            message, position = found
            self._tell_skipped()
            try:
                self._server.send(message)
            except OSError as error:
                self._server_is_away(error)
                self._stopping.wait(self._pause)
                self._pause = min(2 * self._pause, _LONGEST_PAUSE_S)
                return
            self._server_is_there()
            self._reader.done(position)
        self._trail.wait(seen, _LONGEST_WAIT_S)

    def _server_is_away(self, error: OSError) -> None:
        if not self._away:
            _log.error(
                "%s: takes no audit messages (%s): they are kept and sent later", self._server, explain(error)
            )
        self._away = True

    def _server_is_there(self) -> None:
        if self._away:
            _log.warning("%s: takes audit messages again", self._server)
        self._away = False
        self._pause = _FIRST_PAUSE_S

    def _tell_skipped(self) -> None:
        if self._reader.skipped and not self._skipped:
            _log.error("audit messages went with the oldest file before %s had them", self._server)
        self._skipped = self._reader.skipped

    def _wake_forward(self) -> None:
        self._stopping.set()
        self._trail.wake()


def _server(config: Config) -> Syslog | None:
    settings = config.audit.syslog
    if settings is None:
        return None
    context: Callable[[], ssl.SSLContext] | None = None
    if settings.protocol == "tls":
        files = _files(config)
        client_context(files)  # a file that cannot be used is told at the start
        context = functools.partial(client_context, files)  # anew for each connection: files get renewed
    return Syslog(settings.host, settings.port, context, config.node.ae_title)


def _files(config: Config) -> TlsFiles:
    settings = config.audit.syslog
    assert settings is not None
    own, node = settings.tls, config.node.tls
    certificate, key = (own.certificate, own.key) if own else (None, None)
    if certificate is None and node is not None:
        certificate, key = node.certificate, node.key
    authorities = (own.ca if own else None) or (node.ca if node else None)
    revoked = own.crl_file if own else None
    if revoked is None and node is not None and (own is None or own.ca is None):
        revoked = node.crl_file
    return TlsFiles("audit.syslog.tls", certificate, key, authorities, revoked)
