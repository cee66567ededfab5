"""What `qsmnode jobs` shows of a store."""

from __future__ import annotations

from pathlib import Path

from qsmnode.ledger import Store
from qsmnode.node.listing import listing


def test_instances_that_cannot_be_used_are_listed_with_their_reason(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        association = store.instances.open_association("mr1", "MR1", "127.0.0.1")
        for number, (uid, sha256) in enumerate((("2.25.6", "c"), ("2.25.7", "a"), ("2.25.7", "b"))):
            store.instances.add(
                sop_instance_uid=uid,
                sop_class_uid="1.2.840.10008.5.1.4.1.1.4",
                transfer_syntax="1.2.840.10008.1.2.1",
                sha256=sha256,
                size=1,
                path=f"instances/{number}.dcm",
                association_id=association,
            )
        store.instances.unreadable(1, "cut short")
        shown = listing(store)
    assert [(item["state"], item["reason"] != "") for item in shown["unusable"]] == [
        ("conflicting", True),
        ("unreadable", True),
    ]
    assert shown["acquisitions"] == []
