"""Reading the headers of a study: time and bytes per instance, in several transfer syntaxes.

    python -m tests.bench.headers [--instances N] [--csa-kb N]

Writes a simulated multi-echo study as a Siemens scanner would, with private headers as long as real ones,
reads it as the node does when it arrives (header, facts, JSON for the ledger), and groups it. Bytes are those
that the process read from files, by the system's own count.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from qsmnode.dicom.acquisition import group
from qsmnode.dicom.completeness import assess
from qsmnode.dicom.instance import read_instance
from qsmnode.phantom.protocol import Protocol
from qsmnode.phantom.siemens import write_classic
from qsmnode.phantom.sphere import Sphere, simulate_sphere
from tests.bench.tables import Row, Table

ECHO_TIMES_S = (0.004, 0.010, 0.016, 0.022, 0.028)
SIDE = 256
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
)
_COUNTS = Path("/proc/self/io")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    given = _parser().parse_args(arguments)
    print(table(given.instances, given.csa_kb).markdown())
    return 0


def table(instances: int, csa_kb: int) -> Table:
    """One row for each transfer syntax.

    Args:
        instances: about how many; every echo has magnitude and phase.
        csa_kb: length of the private header that is added to each.
    """
    slices = max(2, instances // (2 * len(ECHO_TIMES_S)))
    with tempfile.TemporaryDirectory(prefix="qsmnode-bench-") as scratch:
        protocol = Protocol(shape=(8, 8, slices), voxel_mm=(8.0, 8.0, 1.0), echo_times_s=ECHO_TIMES_S, snr=0)
        files = write_classic(simulate_sphere(Sphere(10.0, 1.0), protocol), Path(scratch))
        rows = [_row(files, syntax, csa_kb) for syntax in SYNTAXES]
    caption = f"{len(files)} instances of {SIDE} x {SIDE} pixels, {csa_kb} KB of private header each."
    return Table("headers", caption, rows)


def _row(files: Sequence[Path], syntax: UID, csa_kb: int) -> Row:
    noise = np.random.default_rng(0).integers(0, 4096, (SIDE, SIDE), np.uint16)
    for path in files:
        _rewrite(path, syntax, noise, csa_kb)
    before, began, used = _bytes_read(), time.perf_counter(), time.process_time()
    headers = [read_instance(path) for path in files]
    read_s, used_s = time.perf_counter() - began, time.process_time() - used
    read_bytes = _bytes_read() - before
    json_s = _seconds(lambda: [header.to_json() for header in headers])
    group_s = _seconds(lambda: group(headers))
    (acquisition,) = group(headers).acquisitions
    assert assess(acquisition).state == "complete"
    count = len(files)
    return {
        "transfer syntax": syntax.name,
        "header, ms": 1000 * read_s / count,
        "of it processor, ms": 1000 * used_s / count,
        "JSON, ms": 1000 * json_s / count,
        "grouping, ms": 1000 * group_s / count,
        "file, KB": sum(path.stat().st_size for path in files) / count / 1000,
        "read, KB": read_bytes / count / 1000,
    }


def _rewrite(path: Path, syntax: UID, noise: np.ndarray, csa_kb: int) -> None:
    """Full-size pixels and a private header, in another transfer syntax."""
    ds: Dataset = dcmread(path)
    if ds.Rows != SIDE:
        ds.Rows = ds.Columns = SIDE
        ds.private_block(0x0029, "SIEMENS CSA NON-IMAGE", create=True).add_new(
            0x10, "OB", bytes(1000 * csa_kb)
        )
    ds.decode()
    ds.PixelData = noise.tobytes()
    ds["PixelData"].VR = "OW"
    if syntax == RLELossless:
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.compress(RLELossless, noise, generate_instance_uid=False)
        ds.save_as(path)
        return
    ds["PixelData"].is_undefined_length = False
    ds.file_meta.TransferSyntaxUID = syntax
    ds.save_as(path, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=True, overwrite=True)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _bytes_read() -> int:
    """What this process has read so far; 0 where the system does not count."""
    if not _COUNTS.exists():
        return 0
    return int(_COUNTS.read_text().split()[1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--instances", type=int, default=1600, help="default: 1600")
    parser.add_argument("--csa-kb", type=int, default=80, help="default: 80")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
