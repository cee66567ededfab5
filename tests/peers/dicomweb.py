"""A DICOMweb server that takes requests apart strictly, and answers as a test tells it to."""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from types import TracebackType

import pydicom

ANY_STUDY = "GET /dicom-web/studies?limit=1"


@dataclass(frozen=True)
class Request:
    """One request: its headers, the Part 10 bytes of each object by SOP Instance UID, or what is asked."""

    headers: Message
    objects: dict[str, bytes]
    asked: str = ""


@dataclass(frozen=True)
class Reply:
    """What is answered."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    pause_s: float = 0.0


def reply(
    status: int = 200, stored: Sequence[str] = (), failed: dict[str, int] | None = None, **more: float
) -> Reply:
    """An answer that names objects, as PS3.18 has it."""
    sequences = {
        "00081199": [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in stored],
        "00081198": [
            {"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [reason]}}
            for uid, reason in (failed or {}).items()
        ],
    }
    body = {tag: {"vr": "SQ", "Value": items} for tag, items in sequences.items() if items}
    return Reply(status, json.dumps(body).encode(), (("Content-Type", "application/dicom+json"),), **more)


def matches(*found: dict[str, str]) -> Reply:
    """An answer to QIDO-RS: attributes by tag."""
    items = [{tag: {"vr": "LO", "Value": [value]} for tag, value in each.items()} for each in found]
    return Reply(200 if found else 204, json.dumps(items).encode() if found else b"")


class DicomwebServer:
    """On loopback; ``answer`` gives the reply for each request. Requests are kept in order.

    Args:
        answer: the reply, or a function of the request; to the question for a study as well, without objects.
        context: for https.
        found: the answer to QIDO-RS, by what is asked for below the service's URL; None: it is no question
            that a test expects.
    """

    def __init__(
        self,
        answer: Callable[[Request], Reply] | Reply,
        context: ssl.SSLContext | None = None,
        found: Callable[[str], Reply] | None = None,
    ) -> None:
        self.answer = answer
        self.found = found
        self.requests: list[Request] = []
        self.questions: list[Request] = []
        self.broken: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self._server.server_port}/dicom-web"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def received(self) -> list[str]:
        """Every UID, in the order in which it came."""
        return [uid for request in self.requests for uid in request.objects]

    def __enter__(self) -> DicomwebServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                try:
                    assert self.path == "/dicom-web/studies", self.path
                    assert self.headers["Host"] == f"127.0.0.1:{server.port}", self.headers["Host"]
                    body = self.rfile.read(int(self.headers["Content-Length"]))
                    request = Request(self.headers, _objects(self.headers["Content-Type"], body))
                except (AssertionError, TypeError) as error:
                    server.broken.append(str(error))
                    self._say(Reply(400))
                    return
                server.requests.append(request)
                self._say(server.answer(request) if callable(server.answer) else server.answer)

            def do_GET(self) -> None:
                request = Request(self.headers, {}, self.path.removeprefix("/dicom-web"))
                server.questions.append(request)
                if server.found is not None and f"GET {self.path}" != ANY_STUDY:
                    self._say(server.found(request.asked))
                    return
                if f"GET {self.path}" != ANY_STUDY:
                    server.broken.append(self.path)
                self._say(server.answer(request) if callable(server.answer) else server.answer)

            def _say(self, answer: Reply) -> None:
                threading.Event().wait(answer.pause_s)
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(answer.body)  # who has had enough does not wait for the rest

            def log_message(self, *_: object) -> None:
                """Tests look at what was asked, not at a log."""

        return Handler


def _objects(content_type: str, body: bytes) -> dict[str, bytes]:
    """The parts of a multipart/related message (RFC 2387), each of them application/dicom."""
    message = Message()
    message["Content-Type"] = content_type
    assert message.get_content_type() == "multipart/related", content_type
    assert message.get_param("type") == "application/dicom", content_type
    boundary = str(message.get_param("boundary")).encode()
    assert re.fullmatch(rb"[0-9A-Za-z'()+_,./:=?-]{1,70}", boundary), boundary
    first, *parts = body.removeprefix(b"\r\n").split(b"--" + boundary)
    assert first == b"", first
    assert parts[-1].strip(b"\r\n") == b"--", parts[-1]
    found = {}
    for part in parts[:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        assert head.strip().lower() == b"content-type: application/dicom", head
        raw = content.removesuffix(b"\r\n")
        found[str(pydicom.dcmread(BytesIO(raw)).SOPInstanceUID)] = raw
    return found
