"""Debian's Orthanc as the archive: started, asked, stopped and started again by a test."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.peers import programs
from tests.peers.ports import free_port, is_listening

_START_S = 60
_STOP_S = 30


class OrthancError(Exception):
    """Orthanc did not start, or refused a request."""


class Orthanc:
    """One Orthanc with a storage of its own, on loopback ports that stay the same over stop and start.

    Debian's 1.10.1 listens on every interface whatever it is told, hence the password and the refusal of
    remote requests. `settings` replace or add entries of its configuration file.
    """

    def __init__(self, folder: Path, aet: str = "ORTHANC", settings: dict[str, Any] | None = None) -> None:
        self.aet = aet
        self.host = "127.0.0.1"
        self.dicom_port = free_port()
        self.http_port = free_port()
        self.user = "tests"
        self.password = secrets.token_urlsafe(24)
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.dicomweb_url = f"{self.url}/dicom-web"
        self.log = folder / "orthanc.log"
        self._folder = folder
        self._settings = settings or {}
        self._process: subprocess.Popen[bytes] | None = None
        # proxies of the environment are not for loopback
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise OrthancError("Orthanc is stopped")
        return self._process.pid

    def start(self) -> None:
        """Starts it where it is stopped, with what it held before, and waits until both ports answer."""
        if self.is_running:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = self._folder / "orthanc.json"
        configuration.write_text(json.dumps(self._configuration(), indent=1))
        configuration.chmod(0o600)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [programs.find("Orthanc"), configuration],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
            )
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if not self.is_running or time.monotonic() > deadline:
                self.stop()
                raise OrthancError(f"Orthanc did not start; its log:\n{self.log.read_text(errors='replace')}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends it, and this one only. What it holds stays on disk."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        try:
            self.get("/system")
        except (OSError, OrthancError):
            return False
        return is_listening(self.dicom_port)

    def _configuration(self) -> dict[str, Any]:
        return {
            "Name": "qsmnode tests",
            "StorageDirectory": str(self._folder / "storage"),
            "IndexDirectory": str(self._folder / "storage"),
            "Plugins": [str(programs.DICOMWEB_PLUGIN)],
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": True,
            "RegisteredUsers": {self.user: self.password},
            "SslEnabled": False,
            "DicomAet": self.aet,
            "DicomPort": self.dicom_port,
            "DicomCheckCalledAet": True,
            "DicomAlwaysAllowEcho": True,
            "DicomAlwaysAllowStore": True,
            "DicomModalities": {},
            "StrictAetComparison": True,
            "UnknownSopClassAccepted": True,
            "SaveJobs": False,
            "HttpDescribeErrors": True,
            "StableAge": 1,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False},
            **self._settings,
        }

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> bytes:
        """One REST request; the body of the answer. OrthancError where it is not a success."""
        token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        request = urllib.request.Request(
            self.url + path, body, {"Authorization": f"Basic {token}", **(headers or {})}, method=method
        )
        try:
            with self._opener.open(request, timeout=60) as answer:
                content: bytes = answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                detail = refusal.read().decode(errors="replace")
            raise OrthancError(f"{method} {path}: {refusal.code} {detail}") from None
        return content

    def get(self, path: str) -> Any:
        """REST GET of JSON, e.g. get("/studies?expand")."""
        return json.loads(self.request("GET", path))

    def dicomweb(self, path: str) -> Any:
        """DICOMweb GET of DICOM JSON: dicomweb("/studies?PatientID=X"), dicomweb("/studies/UID/metadata")."""
        answer = self.request("GET", f"/dicom-web{path}", headers={"Accept": "application/dicom+json"})
        return json.loads(answer) if answer else []

    def studies(self) -> list[dict[str, Any]]:
        """Every study, as Orthanc describes it (ID, MainDicomTags, PatientMainDicomTags, Series)."""
        return list(self.get("/studies?expand"))

    def series_of(self, study_uid: str) -> list[dict[str, Any]]:
        """The series of one study, by its Study Instance UID, in order of their numbers."""
        series = [
            one
            for one in self.get("/series?expand")
            if self.get(f"/series/{one['ID']}/study")["MainDicomTags"]["StudyInstanceUID"] == study_uid
        ]
        return sorted(series, key=lambda one: int(one["MainDicomTags"].get("SeriesNumber") or 0))

    def instances(self) -> dict[str, str]:
        """Every object: SOP Instance UID -> Orthanc's own identifier."""
        return {one["MainDicomTags"]["SOPInstanceUID"]: one["ID"] for one in self.get("/instances?expand")}

    def file(self, sop_instance_uid: str) -> bytes:
        """One object as Orthanc keeps it, Part 10 bytes. KeyError where it has none under that UID."""
        return self.request("GET", f"/instances/{self.instances()[sop_instance_uid]}/file")

    def add_modality(self, name: str, aet: str, port: int, *, tls: bool = False) -> None:
        """Tells it where to reach somebody, e.g. the node that wants the report of a storage commitment."""
        modality = {"AET": aet, "Host": "127.0.0.1", "Port": port, "UseDicomTls": tls}
        self.request("PUT", f"/modalities/{name}", json.dumps(modality).encode())

    def clear(self) -> None:
        """Deletes everything it holds and every modality it was told of."""
        for patient in self.get("/patients"):
            self.request("DELETE", f"/patients/{patient}")
        for modality in self.get("/modalities"):
            self.request("DELETE", f"/modalities/{modality}")
