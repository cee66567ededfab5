"""OHIF's files on loopback, with an archive's DICOMweb service beside them, as a site would serve them."""

from __future__ import annotations

import base64
import mimetypes
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from tests.peers.orthanc import Orthanc

ROOT = "/dicom-web"
_CONFIGURATION = """\
window.config = {
  routerBasename: null,
  extensions: [],
  modes: [],
  customizationService: {},
  showStudyList: true,
  maxNumberOfWebWorkers: 1,
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: false,
  showLoadingIndicator: true,
  strictZSpacingForVolumeViewport: true,
  investigationalUseDialog: { option: 'never' },
  defaultDataSourceName: 'archive',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
    sourceName: 'archive',
    configuration: {
      friendlyName: 'archive',
      name: 'archive',
      qidoRoot: '/dicom-web',
      wadoRoot: '/dicom-web',
      wadoUriRoot: '/dicom-web',
      qidoSupportsIncludeField: false,
      imageRendering: 'wadors',
      thumbnailRendering: 'wadors',
      enableStudyLazyLoad: true,
      supportsFuzzyMatching: false,
      supportsWildcard: true,
      omitQuotationForMultipartRequest: true,
      bulkDataURI: { enabled: true },
    },
  }],
};
"""
_PASSED_ON = ("Accept", "Content-Type")
_LONGEST_BODY = 2**20
_TIMEOUT_S = 60


class Viewer:
    """Serves until it is closed.

    Args:
        files: OHIF's `dist` folder.
        archive: whose DICOMweb service it shows.
    """

    def __init__(self, files: Path, archive: Orthanc) -> None:
        token = base64.b64encode(f"{archive.user}:{archive.password}".encode()).decode()

        class Handler(_Handler):
            root = files.resolve()
            upstream = archive.url
            authorization = f"Basic {token}"

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="viewer", daemon=True)
        self._thread.start()

    def series(self, study_uid: str, series_uid: str) -> str:
        """The address at which OHIF opens a study with this series shown."""
        return (
            f"{self.url}/viewer?StudyInstanceUIDs={quote(study_uid)}"
            f"&initialSeriesInstanceUID={quote(series_uid)}"
        )

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that ends in the middle of a request is no error; anything else is printed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root: Path
    upstream: str
    authorization: str
    # proxies of the environment are not for loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path.startswith(f"{ROOT}/"):
            self._forward(None)
        elif path == "/app-config.js":
            self._answer(200, "text/javascript", _CONFIGURATION.encode())
        else:
            self._file(path)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if not urlsplit(self.path).path.startswith(f"{ROOT}/") or length > _LONGEST_BODY:
            self._answer(403, "text/plain", b"only questions to the archive")
            return
        self._forward(self.rfile.read(length))

    def _file(self, path: str) -> None:
        """A file, or the page itself for what is an address within the application."""
        wanted = (self.root / path.lstrip("/")).resolve()
        if not wanted.is_relative_to(self.root) or not wanted.is_file():
            wanted = self.root / "index.html"
        kind = mimetypes.guess_type(wanted.name)[0] or "application/octet-stream"
        self._answer(200, kind, wanted.read_bytes())

    def _forward(self, body: bytes | None) -> None:
        headers = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
        headers["Authorization"] = self.authorization
        # Orthanc writes addresses of bulk data from these: they have to lead back here
        headers["Host"] = self.headers.get("Host", "")
        request = urllib.request.Request(self.upstream + self.path, body, headers)
        try:
            with self.opener.open(request, timeout=_TIMEOUT_S) as answer:
                content = answer.read()
                self._answer(answer.status, answer.headers.get("Content-Type", ""), content)
        except urllib.error.HTTPError as refusal:
            with refusal:
                self._answer(refusal.code, refusal.headers.get("Content-Type", ""), refusal.read())
        except OSError as error:
            self._answer(502, "text/plain", f"the archive does not answer: {error}".encode())

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True  # the browser no longer wants it

    def log_message(self, *_message: object) -> None:
        """Nothing: an address holds a study's UID."""
