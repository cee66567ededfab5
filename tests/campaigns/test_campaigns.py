"""A few points of each campaign; the README beside this file says how to run many."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def _run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: it forks, which a process with other tests' threads must not."""
    return subprocess.run(
        [sys.executable, "-m", f"tests.campaigns.{module}", *arguments],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_nothing_is_lost_twice_or_stuck_after_kills_full_disks_and_power_cuts() -> None:
    ended = _run(
        "crash", "--points", "3", "--seed", "11", "--stories", "receiving", "committing", "migrating"
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "seed 11" in ended.stdout
    assert "3 points: nothing lost" in ended.stdout


def test_the_campaign_would_find_what_is_not_synced() -> None:
    ended = _run(
        "crash",
        "--points",
        "1",
        "--seed",
        "4",
        "--stories",
        "receiving",
        "--faults",
        "power",
        "--forget-syncs",
    )
    assert ended.returncode == 1
    assert "AssertionError: 2.25." in ended.stderr, ended.stderr
    assert "acknowledged, " in ended.stderr


def test_associations_that_break_off_lose_nothing() -> None:
    ended = _run("soak", "--instances", "120", "--associations", "8", "--seed", "3")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "120 instances" in ended.stdout
