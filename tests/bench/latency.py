"""From the last image's Success to the last delivered object: how long, and where the time goes.

    python -m tests.bench.latency [--runs N] [--shape X Y Z] [--echoes N]

Runs a node as a process of its own with a folder as archive, sends a simulated head as a Siemens scanner
would (DCMTK's storescu where it is installed, this project's own sender otherwise), and prints each step's
share in seconds, in percent, and in FFT pairs (real-to-complex and back, float32) of the same grid, measured
in the same run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from qsmnode.ledger import Store
from qsmnode.phantom.head import HeadShape, Protocol, simulate
from qsmnode.phantom.siemens import write_classic
from tests.acceptance.running import RunningNode, qsmnode
from tests.bench.timing import fft_pair_seconds
from tests.peers import dcmtk, programs

GOAL_S = 30.0
_PATIENCE_S = 900.0
_FIRST_ECHO_S, _SPACING_S = 0.004, 0.006


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="qsmnode-bench-") as scratch:
        folder = Path(scratch)
        times = tuple(_FIRST_ECHO_S + _SPACING_S * echo for echo in range(arguments.echoes))
        head = simulate(HeadShape(seed=1), Protocol(echo_times_s=times, shape=tuple(arguments.shape)))
        files = write_classic(head, folder / "scan")
        print(f"{len(files)} images, {arguments.echoes} echoes of {'x'.join(map(str, arguments.shape))}")
        print(f"processors: {os.cpu_count()}")
        totals = []
        for run in range(1, arguments.runs + 1):
            pair_s = fft_pair_seconds(tuple(arguments.shape))
            shares = _one_run(folder / f"run{run}", files)
            totals.append(sum(shares.values()))
            _print(run, shares, pair_s)
        print(f"\ntotal: median {statistics.median(totals):.1f} s, {min(totals):.1f} to {max(totals):.1f} s")
        print(f"goal on two processors: under {GOAL_S:.0f} s")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3, help="default: 3; the first also warms the caches")
    parser.add_argument("--shape", type=int, nargs=3, default=(160, 192, 160), help="default: 160 192 160")
    parser.add_argument("--echoes", type=int, default=5, help="default: 5")
    return parser.parse_args()


def _one_run(folder: Path, files: list[Path]) -> dict[str, float]:
    node = RunningNode(folder, "{folder: ./out}")
    node.start()
    try:
        _send(files, node)
        _wait(node)
        return _shares(node.store)
    finally:
        node.stop()
        shutil.rmtree(folder)


def _wait(node: RunningNode) -> None:
    """Look into the ledger now and then: a command line that starts again and again would be measured too."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        with Store(node.store, read_only=True) as store:
            deliveries = [row.state for row in store.deliveries.all()]
        if deliveries and all(state == "sent" for state in deliveries):
            return
        assert node.alive(), node.log.read_text()
        assert time.monotonic() < deadline, node.log.read_text()
        time.sleep(0.5)


def _send(files: list[Path], node: RunningNode) -> None:
    if not programs.missing(("dcmtk",)):
        dcmtk.storescu(files, node.port)
        return
    scanner = node.config.with_name("scanner.yaml")
    scanner.write_text(
        "node: {ae_title: MR1}\n"
        f"peers: {{node: {{ae_title: QSMNODE, host: 127.0.0.1, port: {node.port}}}}}\nroutes: []\n"
    )
    sent = qsmnode("send", "-c", scanner, "node", *files)
    assert sent.returncode == 0, sent.stderr


def _shares(root: Path) -> dict[str, float]:
    """Seconds of each step, from what the ledger noted."""
    with Store(root, read_only=True) as store:
        (job,) = store.jobs.all()
        last_success = store.database.rows("SELECT max(received_at) AS t FROM instance")[0]["t"]
        last_delivered = store.database.rows("SELECT max(sent_at) AS t FROM delivery_object")[0]["t"]
    assert job.started_at is not None
    assert job.finished_at is not None
    seconds: dict[str, Any] = dict(job.result["seconds"])
    shares = {"headers, grouping, routing": job.created_at - last_success}
    shares["claiming"] = job.started_at - job.created_at
    computing = sum(seconds.values())
    shares.update({f"job: {name}": float(value) for name, value in seconds.items()})
    shares["job folder, process end, booking"] = job.finished_at - job.started_at - computing
    shares["delivering"] = last_delivered - job.finished_at
    return shares


def _print(run: int, shares: dict[str, float], pair_s: float) -> None:
    total = sum(shares.values())
    print(f"\nrun {run}: FFT pair {1000 * pair_s:.0f} ms\n{'step':36} {'s':>7} {'%':>6} {'FFT pairs':>10}")
    for name, seconds in [*shares.items(), ("from last Success to last object", total)]:
        print(f"{name:36} {seconds:7.2f} {100 * seconds / total:6.1f} {seconds / pair_s:10.1f}")


if __name__ == "__main__":
    main()
