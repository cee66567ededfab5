"""How fast objects are received and sent, beside real storescp and real Orthanc, in one run.

    .venv/bin/python -m tests.bench.throughput                     # some minutes
    .venv/bin/python -m tests.bench.throughput --instances 1600 --rounds 5

DCMTK's storescu sends to each receiver in turn, round after round, and every figure is a ratio of medians of
the same run. What this node does with objects after its answer is over before the next one's turn.
TCP_NODELAY=1 stands in the environment of senders and receivers alike; one row has everybody's defaults, with
Nagle's algorithm on. The node answers Success when an object is durable; the others sync less
or nothing. Needs dcmtk and orthanc.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage

from qsmnode.ledger import Store
from qsmnode.node.sender.to_archive import deliver
from qsmnode.node.wire.part10 import encode_front, read_front
from qsmnode.node.wire.requestor import Target
from tests.acceptance.running import RunningNode
from tests.bench.tables import Row, Table
from tests.peers import programs
from tests.peers.orthanc import Orthanc
from tests.peers.ports import free_port, is_listening

_UID = "1.2.826.0.1.3680043.10.1{:016d}"  # always as long
_PATIENCE_S = 600
NODE, ORTHANC, STORESCP = "this node", "Orthanc", "storescp"


class Objects:
    """Objects of one size in memory, written under UIDs that nobody has seen."""

    def __init__(self, size: int, sop_class: str = MRImageStorage) -> None:
        self._sop_class = sop_class
        self._data_set = _data_set(size, sop_class)
        self._next = time.time_ns() // 1000

    def write(self, folder: Path, count: int) -> list[Path]:
        """So many new files."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        paths = []
        for number in range(count):
            self._next += 1
            uid = _UID.format(self._next)
            path = folder / f"{number:05}.dcm"
            front = encode_front(self._sop_class, uid, ExplicitVRLittleEndian, "MR1")
            path.write_bytes(front + self._data_set.replace(_UID.format(0).encode(), uid.encode()))
            paths.append(path)
        return paths


def _data_set(size: int, sop_class: str) -> bytes:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, _UID.format(0)
    ds.StudyInstanceUID, ds.SeriesInstanceUID = _UID.format(1), _UID.format(2)
    ds.PatientName, ds.PatientID, ds.Modality = "BENCH^SPEED", "BENCH", "MR"
    frames = max(1, size // (256 * 256 * 2))
    ds.Rows = ds.Columns = 256
    ds.NumberOfFrames = frames
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 0
    ds.PixelData = np.random.default_rng(1).integers(0, 4096, frames * 256 * 256, np.uint16).tobytes()
    ds["PixelData"].VR = "OW"
    ds.file_meta = FileMetaDataset()
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, ds)
    return buffer.getvalue()


class Receiving:
    """A receiver that runs: title, port and process; ``busy`` tells whether work waits that was put off."""

    def __init__(self, title: str, port: int, pid: int, busy: Callable[[], bool] = lambda: False) -> None:
        self.title = title
        self.port = port
        self._pid = pid
        self._busy = busy

    def settle(self) -> None:
        """Return when everything is done that receiving has caused."""
        while self._busy():
            time.sleep(0.1)

    def forget_peak(self) -> float:
        """Look for its peak memory anew; what it holds now, in MB."""
        Path(f"/proc/{self._pid}/clear_refs").write_text("5")
        return self.peak_mb()

    def peak_mb(self) -> float:
        """The most memory that it held since then, in MB."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self._pid}/status").read_text())
        assert found is not None
        return int(found[1]) / 1000


@contextmanager
def node(folder: Path) -> Iterator[Receiving]:
    """This node, with all its roles."""
    more = "limits: {disk_reserve_mb: 0, disk_reserve_percent: 0}\n"
    running = RunningNode(folder, "{folder: ./out}", more=more)
    running.start()

    def busy() -> bool:
        with Store(running.store, read_only=True) as store:
            return store.instances.backlog()[0] > 0

    try:
        yield Receiving("QSMNODE", running.port, running.pid, busy)
    finally:
        running.stop()


@contextmanager
def orthanc(folder: Path) -> Iterator[Receiving]:
    """Debian's Orthanc with its own defaults for storage."""
    running = Orthanc(folder)
    running.start()
    try:
        yield Receiving(running.aet, running.dicom_port, running.pid)
    finally:
        running.stop()


@contextmanager
def storescp(folder: Path, *, several: bool = True) -> Iterator[Receiving]:
    """DCMTK's storescp; ``several`` associations at a time, each in a process of its own."""
    folder.mkdir(parents=True)
    port = free_port()
    options = ["--fork"] if several else []
    process = subprocess.Popen(
        [programs.find("storescp"), *options, "-od", folder, "-aet", "STORESCP", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not is_listening(port):
            time.sleep(0.01)
        yield Receiving("STORESCP", port, process.pid)
    finally:
        process.terminate()
        process.wait()


def send(folders: Sequence[Path], to: Receiving) -> float:
    """Seconds in which storescu sends folders, each over an association of its own, at the same time."""
    os.sync()  # nobody pays for what was written before
    began = time.perf_counter()
    senders = [
        subprocess.Popen(
            [
                *(programs.find("storescu"), "--no-halt", "--scan-directories"),
                *("-aec", to.title, "-aet", "MR1", "127.0.0.1", str(to.port), folder),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for folder in folders
    ]
    for sender in senders:
        _, errors = sender.communicate(timeout=_PATIENCE_S)
        if sender.returncode != 0 or errors:
            raise RuntimeError(f"storescu to {to.title}: {errors.decode(errors='replace')[:500]}")
    return time.perf_counter() - began


def receiving(work: Path, count: int, lanes: int, rounds: int) -> dict[str, list[float]]:
    """Instances per second of every receiver, round by round."""
    objects = Objects(131_072)
    rates: dict[str, list[float]] = {NODE: [], ORTHANC: [], STORESCP: []}
    with ExitStack() as stack:
        sides = {
            NODE: stack.enter_context(node(work / "node")),
            ORTHANC: stack.enter_context(orthanc(work / "orthanc")),
            STORESCP: stack.enter_context(storescp(work / "storescp")),
        }
        for number in range(rounds + 1):
            for name in _rotated(list(sides), number):
                folders = [work / "send" / str(lane) for lane in range(lanes)]
                for folder in folders:
                    objects.write(folder, count // lanes)
                rate = count / send(folders, sides[name])
                sides[name].settle()
                if number:  # the first round fills caches
                    rates[name].append(rate)
    return rates


def large(work: Path, megabytes: int, rounds: int) -> dict[str, list[tuple[float, float, float]]]:
    """MB/s of each receiver for one enhanced object, its peak memory, and how much of it the object took."""
    objects = Objects(megabytes * 1_000_000, EnhancedMRImageStorage)
    found: dict[str, list[tuple[float, float, float]]] = {NODE: [], ORTHANC: [], STORESCP: []}
    with ExitStack() as stack:
        sides = {
            NODE: stack.enter_context(node(work / "node")),
            ORTHANC: stack.enter_context(orthanc(work / "orthanc")),
            STORESCP: stack.enter_context(storescp(work / "storescp", several=False)),
        }
        for number in range(rounds + 1):
            for name in _rotated(list(sides), number):
                objects.write(work / "send", 1)
                before = sides[name].forget_peak()
                rate = megabytes / send([work / "send"], sides[name])
                if number:
                    peak = sides[name].peak_mb()
                    found[name].append((rate, peak, peak - before))
                sides[name].settle()
    return found


def sending(work: Path, count: int, rounds: int) -> dict[tuple[str, str], list[float]]:
    """Instances per second of this node's sender and of storescu, to storescp and to Orthanc."""
    objects = Objects(131_072)
    found: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as stack:
        sides = {
            ORTHANC: stack.enter_context(orthanc(work / "orthanc")),
            STORESCP: stack.enter_context(storescp(work / "storescp")),
        }
        senders: dict[str, Callable[[Path, Receiving], float]] = {
            "storescu": lambda folder, to: send([folder], to),
            "this node, 1 association": lambda folder, to: _deliver(folder, to, 1),
            "this node, 2 associations": lambda folder, to: _deliver(folder, to, 2),
        }
        for number in range(rounds + 1):
            for receiver in sides:
                for name in _rotated(list(senders), number):
                    objects.write(work / "send", count)
                    rate = count / senders[name](work / "send", sides[receiver])
                    if number:
                        found.setdefault((receiver, name), []).append(rate)
    return found


def _deliver(folder: Path, to: Receiving, associations: int) -> float:
    os.sync()
    target = Target("bench", "127.0.0.1", to.port, to.title, "QSMNODE", 10, 60)
    began = time.perf_counter()
    files = [read_front(path) for path in sorted(folder.iterdir())]
    shortfall = deliver(target, files, lambda index: None, lambda: False, associations)
    if shortfall is not None:
        raise RuntimeError(f"sending to {to.title}: {shortfall}")
    return time.perf_counter() - began


def _rotated(names: list[str], by: int) -> list[str]:
    by %= len(names)
    return names[by:] + names[:by]


def _ratio_rows(what: str, rates: dict[str, list[float]]) -> Row:
    middle = {name: statistics.median(values) for name, values in rates.items()}
    spread = (max(rates[NODE]) - min(rates[NODE])) / middle[NODE]
    return {
        "receiving": what,
        "instances/s": round(middle[NODE]),
        "x Orthanc": round(middle[NODE] / middle[ORTHANC], 2),
        "x storescp": round(middle[NODE] / middle[STORESCP], 2),
        "spread": round(spread, 2),
    }


def main() -> None:
    """Measure everything and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--instances", type=int, default=400, help="of 131 KB, default: 400")
    parser.add_argument("--rounds", type=int, default=3, help="default: 3, after one that warms up")
    parser.add_argument("--large-mb", type=int, default=210, help="of the enhanced object, default: 210")
    parser.add_argument("--parts", nargs="+", default=["receiving", "defaults", "large", "sending"])
    given = parser.parse_args()
    print(f"processors: {os.cpu_count()}, load: {os.getloadavg()[0]:.1f}", flush=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="qsmnode-bench-") as scratch:
        work = Path(scratch)
        os.environ["TCP_NODELAY"] = "1"
        if "receiving" in given.parts:
            for lanes in (1, 4):
                rates = receiving(work / f"nodelay{lanes}", given.instances, lanes, given.rounds)
                rows.append(_ratio_rows(f"TCP_NODELAY=1, associations: {lanes}", rates))
        if "defaults" in given.parts:
            del os.environ["TCP_NODELAY"]
            rates = receiving(work / "defaults", max(20, given.instances // 10), 1, given.rounds)
            rows.append(_ratio_rows("everybody's defaults, associations: 1", rates))
            os.environ["TCP_NODELAY"] = "1"
        _show("throughput_receiving", "131 KB each, from storescu.", rows)
        if "large" in given.parts:
            _show(
                "throughput_large",
                "One enhanced object.",
                _large_rows(large(work / "large", given.large_mb, given.rounds)),
            )
        if "sending" in given.parts:
            rates_by_pair = sending(work / "sending", given.instances, given.rounds)
            _show("throughput_sending", "131 KB each.", _sending_rows(rates_by_pair))


def _large_rows(found: dict[str, list[tuple[float, float, float]]]) -> list[Row]:
    speed = {name: statistics.median(rate for rate, _, _ in values) for name, values in found.items()}
    return [
        {
            "receiver": name,
            "MB/s": round(speed[name]),
            "x storescp": round(speed[name] / speed[STORESCP], 2),
            "peak MB": round(max(peak for _, peak, _ in values)),
            "of it for the object": round(max(more for _, _, more in values)),
        }
        for name, values in found.items()
    ]


def _sending_rows(found: dict[tuple[str, str], list[float]]) -> list[Row]:
    middle = {key: statistics.median(values) for key, values in found.items()}
    return [
        {
            "to": receiver,
            "sender": name,
            "instances/s": round(middle[receiver, name]),
            "x storescu": round(middle[receiver, name] / middle[receiver, "storescu"], 2),
        }
        for receiver, name in found
    ]


def _show(name: str, caption: str, rows: list[Row]) -> None:
    if rows:
        print("\n" + Table(name, caption, rows).markdown(), flush=True)


if __name__ == "__main__":
    main()
