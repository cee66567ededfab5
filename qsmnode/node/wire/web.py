"""One DICOMweb server: TLS, credentials, patience, and a limit on everything that it answers.

Questions are put by dicomweb-client. Objects are posted here: it would hold all of a request in memory.
"""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import requests
from dicomweb_client import DICOMwebClient
from requests.adapters import HTTPAdapter

from qsmnode.errors import PeerError, PeerRefused, PeerUnreachable, UsageError
from qsmnode.node.wire.multipart import Multipart
from qsmnode.node.wire.tls import TlsFiles, client_context, explain
from qsmnode.node.wire.uids import IMPLEMENTATION_VERSION

_LONGEST_ANSWER = 8 << 20
_HELP = {
    401: "credentials are wanted or wrong: correct token, or user and password",
    403: "it does not allow this: correct the credentials, or the rights there",
    404: "no such service: correct the URL",
    405: "no such service: correct the URL",
    407: "a proxy wants credentials",
    501: "no such service: correct the URL",
}


@dataclass(frozen=True)
class WebTarget:
    """A DICOMweb server, and how patient to be with it."""

    name: str
    url: str
    token: str | None = field(repr=False)
    user: str | None
    password: str | None = field(repr=False)
    batch: int
    batch_bytes: int
    connect_timeout_s: float
    response_timeout_s: float
    tls: TlsFiles

    def __str__(self) -> str:
        return f"{self.name} ({self.url})"


@dataclass(frozen=True)
class WebAnswer:
    """An answer: HTTP status and, as far as it is allowed to be long, its body."""

    status: int
    body: bytes


def _unheard(_url: bytes) -> None:
    """Nobody is told."""


class WebSession:
    """Connections to one server, to be used in a ``with`` block. Certificates are read when it is made.

    Proxies, credentials and authorities of the environment are not looked at, and no redirection is followed:
    patients' data go to the server that the configuration names, or nowhere.

    Args:
        target: the server.
        note: told the URL of each question before it is asked.

    Raises:
        PeerUnreachable: a file of its TLS settings cannot be used.
    """

    def __init__(self, target: WebTarget, note: Callable[[bytes], None] = _unheard) -> None:
        self._target = target
        self._answer: WebAnswer | None = None
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = IMPLEMENTATION_VERSION
        self._session.headers["Accept"] = "application/dicom+json"
        if target.token is not None:
            self._session.headers["Authorization"] = f"Bearer {target.token}"
        elif target.user is not None and target.password is not None:
            pair = f"{target.user}:{target.password}".encode()
            self._session.headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        try:
            context = client_context(target.tls)
        except UsageError as error:
            raise PeerUnreachable(f"{target}: {error}") from error
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _Adapter(target, context, note))
        self._client = DICOMwebClient(target.url, self._session, callback=self._take, permissive_uid=True)
        self._client.set_http_retry_params(retry=False)  # when to try again is for others to decide

    def __str__(self) -> str:
        return str(self._target)

    def __enter__(self) -> WebSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._session.close()

    def ask(self) -> None:
        """Whether it is there and takes our credentials: a question for a study; its answer is not looked at.

        Raises:
            PeerUnreachable: no connection, no answer in time, or a server in trouble.
            PeerRefused: it answers, and refuses.
        """
        answer = self._answered(lambda: self._client.search_for_studies(limit=1))
        if answer.status >= 500:
            raise PeerUnreachable(f"{self._target}: answers with HTTP {answer.status}; look at its log")

    def studies(self, study_uid: str, fields: Sequence[str]) -> WebAnswer:
        """QIDO-RS for one study, with these attributes by keyword.

        Raises:
            PeerUnreachable, PeerRefused: as for :meth:`ask`.
            PeerError: its answer is too long.
        """
        filters = {"StudyInstanceUID": study_uid}
        return self._answered(
            lambda: self._client.search_for_studies(fields=list(fields), search_filters=filters)
        )

    def instances(self, study_uid: str, series_uid: str, *, limit: int, offset: int) -> WebAnswer:
        """QIDO-RS for some of the instances of a series.

        Raises:
            PeerUnreachable, PeerRefused: as for :meth:`ask`.
            PeerError: its answer is too long.
        """
        return self._answered(
            lambda: self._client.search_for_instances(study_uid, series_uid, limit=limit, offset=offset)
        )

    def store(self, files: Sequence[Path]) -> WebAnswer:
        """STOW-RS of these files in one request, which is read from them while it is sent.

        Raises:
            PeerUnreachable: no connection, or no answer in time.
            PeerRefused: no object was looked at: wrong credentials or URL.
            PeerError: its answer is too long.
            UnreadableDicom: a file cannot be read to its end.
        """
        body = Multipart(files)
        return self._answered(
            lambda: self._session.post(
                f"{self._target.url}/studies",
                data=body,
                headers={"Content-Type": body.content_type},
                allow_redirects=False,
            )
        )

    def _answered(self, request: Callable[[], object]) -> WebAnswer:
        """What a request is answered with."""
        with _named(self._target):
            request()
        answer, self._answer = self._answer, None
        assert answer is not None
        self.check(answer.status)
        return answer

    def check(self, status: int) -> None:
        """Raise PeerRefused where a status is about this node or its URL, and not about any object."""
        if 300 <= status < 400:
            raise PeerRefused(f"{self._target}: points to another URL (HTTP {status}): use that one")
        if status in _HELP:
            raise PeerRefused(f"{self._target}: HTTP {status}: {_HELP[status]}")

    def _take(self, answer: requests.Response, *_: Any, **__: Any) -> requests.Response:
        """Keep the answer; what the client gets in its place leaves it nothing to follow, parse or print."""
        with answer:
            self._answer = WebAnswer(answer.status_code, answer.content)
        nothing = requests.Response()
        nothing.status_code = 200
        return nothing


class _named:  # noqa: N801 - used as a statement, like contextlib's own
    """Errors of HTTP say whom they are about."""

    def __init__(self, target: WebTarget) -> None:
        self._target = target

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, PeerError):
            raise type(error)(f"{self._target}: {error}") from error
        if isinstance(error, requests.exceptions.Timeout):
            raise PeerUnreachable(f"{self._target}: nothing came in time") from error
        if isinstance(error, requests.exceptions.RequestException):
            raise PeerUnreachable(f"{self._target}: {_why(error)}") from error


class _Adapter(HTTPAdapter):
    """Transport with this node's TLS, a deadline, and answers of bounded length."""

    def __init__(self, target: WebTarget, context: ssl.SSLContext, note: Callable[[bytes], None]) -> None:
        self._target = target
        self._context = context
        self._note = note
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """The context says whom to trust: the list of authorities that comes with requests is not added."""
        conn.cert_reqs = "CERT_REQUIRED"

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        request.headers.pop("Host", None)  # the client's own lacks the port
        if request.method == "GET":
            self._note(str(request.url).encode())
        kwargs["timeout"] = (self._target.connect_timeout_s, self._target.response_timeout_s)
        answer = super().send(request, *args, **kwargs)
        answer.raw = _Bounded(answer.raw, self._target.response_timeout_s)
        return answer


class _Bounded:
    """The body of an answer, as requests reads it; an error where it grows or lasts too long."""

    def __init__(self, raw: Any, timeout_s: float) -> None:
        self._raw = raw
        self._deadline = time.monotonic() + timeout_s

    def stream(self, size: int, decode_content: bool = True) -> Iterator[bytes]:
        """The body, piece by piece."""
        total = 0
        for piece in self._raw.stream(min(size, 1 << 16), decode_content=decode_content):
            total += len(piece)
            if total > _LONGEST_ANSWER:
                raise PeerError(f"an answer of more than {_LONGEST_ANSWER >> 20} MB")
            if time.monotonic() > self._deadline:
                raise PeerUnreachable("its answer took too long")
            yield piece

    def close(self) -> None:
        """Read no further."""
        self._raw.close()

    def release_conn(self) -> None:
        """The connection may carry another request."""
        self._raw.release_conn()


def _why(error: BaseException) -> str:
    """The reason at the bottom of what requests and urllib3 wrapped around it."""
    seen: list[BaseException] = []
    here: BaseException | None = error
    while here is not None and here not in seen:
        seen.append(here)
        if isinstance(here, ssl.SSLError):
            return f"no TLS: {explain(here)}"
        if isinstance(here, OSError) and here.strerror and not isinstance(here, requests.RequestException):
            return f"no connection ({here.strerror})"
        inner = [
            each for each in (*here.args, getattr(here, "reason", None)) if isinstance(each, BaseException)
        ]
        here = here.__cause__ or here.__context__ or (inner[0] if inner else None)
    return f"HTTP failed ({type(error).__name__})"
