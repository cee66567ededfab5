"""How the command line asks a running node: a line of JSON over a Unix socket in the store, a line back."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qsmnode.config import Config
from qsmnode.errors import QsmnodeError, StoreError, UsageError
from qsmnode.ledger.store import Store
from qsmnode.node.commands import Desk, perform
from qsmnode.node.supervise import Loop

_LONGEST_LINE = 65536
_PATIENCE_S = 10.0
_ANSWER_S = 600.0  # many files take their time


class Control:
    """Listens in the store (0600: only the node's own user may ask)."""

    def __init__(self, config: Config, store: Store) -> None:
        self._config = config
        self._store = store
        self._stopped = threading.Event()
        self._loop = Loop("control", self._step, lambda: None)

    def start(self) -> None:
        """Begin to listen; a socket left by a crash is replaced."""
        path = self._store.control_socket
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with _short(path) as name:
            mask = os.umask(0o177)
            try:
                self._socket.bind(name)
            finally:
                os.umask(mask)
        self._socket.listen(8)
        self._socket.settimeout(0.5)
        self._loop.start()

    def stop(self, timeout_s: float) -> None:
        """No further questions."""
        self._loop.stop(timeout_s)
        self._socket.close()
        self._store.control_socket.unlink(missing_ok=True)

    def _step(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except TimeoutError:
            return
        with connection:
            connection.settimeout(_PATIENCE_S)
            with contextlib.suppress(OSError):  # whoever asked has gone
                connection.sendall(json.dumps(self._answer(connection)).encode() + b"\n")

    def _answer(self, connection: socket.socket) -> dict[str, Any]:
        try:
            question = json.loads(_line(connection))
            verb, arguments = question["verb"], dict(question["arguments"])
        except (ValueError, KeyError, TypeError):
            return {"error": "expected one line of JSON with verb and arguments", "exit_code": 2}
        try:
            desk = Desk(self._store, self._config, _asker(connection))
            return {"message": perform(desk, str(verb), arguments)}
        except QsmnodeError as error:
            return {"error": str(error), "exit_code": error.exit_code}


def ask(config: Config, verb: str, arguments: Mapping[str, int | str]) -> str:
    """Have a command performed: by the node that runs with its store, or here where none runs.

    Raises:
        UsageError: the command cannot be done.
        StoreError: no node answers, yet another process holds the store.
    """
    root = config.node.store
    if not (root / "ledger.sqlite").exists():
        raise StoreError(f"{root}: no ledger there; has the node run with this store?")
    try:
        answer = _ask_running(root / "control.sock", verb, arguments)
    except (FileNotFoundError, ConnectionRefusedError):
        with Store(root) as store:
            return perform(Desk(store, config, f"uid {os.getuid()}"), verb, arguments)
    if "error" in answer:
        raise UsageError(answer["error"])
    return str(answer["message"])


def _ask_running(path: Path, verb: str, arguments: Mapping[str, int | str]) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, _short(path) as name:
        connection.settimeout(_ANSWER_S)
        connection.connect(name)
        connection.sendall(json.dumps({"verb": verb, "arguments": dict(arguments)}).encode() + b"\n")
        answer: dict[str, Any] = json.loads(_line(connection))
        return answer


def _asker(connection: socket.socket) -> str:
    """The user behind the other end, as the kernel knows it."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return f"uid {uid}"


def _line(connection: socket.socket) -> str:
    data = b""
    while not data.endswith(b"\n") and len(data) < _LONGEST_LINE:
        chunk = connection.recv(4096)
        if not chunk:
            break
        data += chunk
    return data.decode("utf-8", "replace")


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name for a socket path of any length: the kernel takes only 107 bytes."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
