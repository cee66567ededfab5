"""One scan over several associations at once, its slices shuffled, its echoes between each other."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pydicom

from qsmnode.ledger import Store
from qsmnode.phantom.head import HeadShape, simulate
from qsmnode.phantom.protocol import quick_protocol
from qsmnode.phantom.siemens import write_classic
from tests.acceptance.running import RunningNode

WAYS = 4


def test_four_associations_at_once_are_one_acquisition_and_one_job(
    run_node: Callable[..., RunningNode], storescu: Callable[..., Any], tmp_path: Any
) -> None:
    head = simulate(HeadShape(seed=9), quick_protocol(6.0, echo_times_s=(0.005, 0.012, 0.019)))
    files = write_classic(head, tmp_path / "scan")
    random.Random(4).shuffle(files)
    parts = [files[way::WAYS] for way in range(WAYS)]
    for part in parts:  # every association has a part of each echo and kind, its slices in no order
        headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in part]
        assert len({(header.EchoTime, header.ImageType[2]) for header in headers}) == 6
        places = [float(header.ImagePositionPatient[2]) for header in headers]
        assert places != sorted(places)
    node = run_node("{folder: ./out}", assembly="settling_s: 0.5, deadline_s: 600")
    with ThreadPoolExecutor(WAYS) as pool:
        sent = list(pool.map(lambda part: storescu(part, node.port), parts))
    assert [set(one.statuses.values()) for one in sent] == [{0x0000}] * WAYS
    node.until(lambda: node.jobs()["acquisitions"] and node.jobs()["acquisitions"][0]["jobs"], 120, "a job")
    node.until(lambda: "received" not in node.jobs()["instances"], 60, "every header")
    (acquisition,) = node.jobs()["acquisitions"]
    assert (acquisition["state"], acquisition["revision"], len(acquisition["jobs"])) == ("queued", 1, 1)
    with Store(node.store, read_only=True) as store:
        members = store.instances.of_acquisition(acquisition["id"])
    assert len(members) == len(files)
    assert len({member.association_id for member in members}) == WAYS
