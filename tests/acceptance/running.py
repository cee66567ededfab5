"""A node as IT would run it: a process of its own with a YAML, asked through the command line."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qsmnode.ledger import Store
from qsmnode.node.listing import listing
from tests.peers.ports import free_port, is_listening

QSMNODE = [sys.executable, "-m", "qsmnode"]
_ENDED = {"unmatched", "ignored", "rejected"}


def qsmnode(*arguments: str | Path, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    """One verb of the command line."""
    return subprocess.run(
        [*QSMNODE, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        stdin=subprocess.DEVNULL,
    )


class RunningNode:
    """`qsmnode run` with a configuration of two peers: MR1 sends, `archive` receives."""

    def __init__(
        self,
        folder: Path,
        archive: str,
        *,
        assembly: str = "",
        more: str = "",
        recipe: str = "default",
        products: str = "[qsm, report]",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.store = folder / "store"
        self.config = folder / "qsmnode.yaml"
        self.log = folder / "node.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.config.write_text(
            f"node: {{ae_title: QSMNODE, bind: 127.0.0.1, port: {self.port}, store: {self.store}}}\n"
            "peers:\n"
            "  mr1: {ae_title: MR1, host: 127.0.0.1}\n"
            f"  archive: {archive}\n"
            f"assembly: {{{assembly}}}\n"
            "delivery: {first_backoff_s: 0.5, longest_backoff_s: 2}\n"
            f"{more}"
            "routes:\n"
            "  - name: brain\n"
            "    match:\n"
            "      calling_ae: [MR1]\n"
            "      acquisition: {echoes: {min: 2}, kinds: [magnitude, phase], dimensions: 3}\n"
            f"    recipe: {recipe}\n"
            f"    products: {products}\n"
            "    send_to: [archive]\n"
        )

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*QSMNODE, "run", "-c", str(self.config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.until(lambda: is_listening(self.port), 60, "listening")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """kill -9, as a power cut would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> int | None:
        """Ends it as systemd would; its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.terminate()
        try:
            return process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def jobs(self) -> dict[str, Any]:
        """What `qsmnode jobs --json` says, without starting a process for every look."""
        with Store(self.store, read_only=True) as store:
            return listing(store)

    def until(self, condition: Callable[[], Any], timeout_s: float = 240, what: str = "") -> Any:
        """Wait for something; the log where it does not come."""
        deadline = time.monotonic() + timeout_s
        while not (found := condition()):
            if self._process is not None and self._process.poll() is not None:
                raise AssertionError(
                    f"the node ended with {self._process.returncode}:\n{self.log.read_text()}"
                )
            assert time.monotonic() < deadline, f"{what} did not come\n{self.log.read_text()}"
            time.sleep(0.2)
        return found

    def deliveries(self) -> list[dict[str, Any]]:
        return [
            delivery
            for acquisition in self.jobs()["acquisitions"]
            for job in acquisition["jobs"]
            for delivery in job["deliveries"]
        ]

    def until_delivered(self, count: int = 2, timeout_s: float = 240) -> None:
        """Until `count` deliveries are sent and none is under way."""

        def delivered() -> bool:
            rows = self.deliveries()
            return len(rows) >= count and all(row["state"] == "sent" for row in rows)

        self.until(delivered, timeout_s, f"{count} deliveries")

    def until_decided(self, timeout_s: float = 120) -> list[dict[str, Any]]:
        """Until every acquisition has ended without a job, or its job has; the acquisitions."""

        def decided() -> list[dict[str, Any]]:
            everything = self.jobs()
            found: list[dict[str, Any]] = everything["acquisitions"]
            done = all(
                item["state"] in _ENDED
                or (item["jobs"] and all(job["state"] not in ("queued", "running") for job in item["jobs"]))
                for item in found
            )
            return found if done and not everything["instances"].get("received") else []

        result: list[dict[str, Any]] = self.until(decided, timeout_s, "a decision")
        return result
