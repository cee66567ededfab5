"""Who is turned away at the door stands in the audit trail of a running node."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qsmnode.config import Config
from qsmnode.errors import PeerRefused, StoreError
from qsmnode.node.runtime import Node
from qsmnode.node.wire.requestor import Association, Target
from qsmnode.node.wire.uids import IMPLICIT_LITTLE, VERIFICATION
from tests.observe.audit_schema import faults


def test_a_stranger_is_told_of(node_config: Callable[..., Config]) -> None:
    config = node_config()
    with Node(config):
        target = Target("node", "127.0.0.1", config.node.port, "QSMNODE", "EVIL", 10.0, 10.0)
        for _ in range(3):
            with pytest.raises(PeerRefused), Association(target, [(VERIFICATION, IMPLICIT_LITTLE)]):
                pass
    lines = _lines(config.node.store / "audit")
    assert [fault for line in lines for fault in faults(line)] == []
    told = [line.decode() for line in lines if b"Security Alert" in line]
    assert told
    assert all("127.0.0.1" in line and "EVIL" in line and "not listed under peers" in line for line in told)


def test_an_audit_folder_that_cannot_be_used_is_told_at_once(
    node_config: Callable[..., Config], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"choose audit\.folder"):
        Node(node_config(audit={"folder": str(tmp_path / "file")}))


def _lines(folder: Path) -> list[bytes]:
    return [line for path in sorted(folder.glob("*.log")) for line in path.read_bytes().splitlines()]
