"""UIDs from the wire, as people read them."""

from __future__ import annotations

import pytest

from qsmnode.node.wire.uids import uid_name


@pytest.mark.parametrize(
    ("uid", "words"),
    [
        ("1.2.840.10008.1.2.1", "Explicit VR Little Endian (1.2.840.10008.1.2.1)"),
        ("1.2.3.4", "1.2.3.4"),
        (
            "1.2.840.00008.1.2.1",
            "1.2.840.00008.1.2.1",
        ),  # zeros that lead: whatever a peer calls it, no warning
        ("1.2.x\x1b[2J", "'1.2.x\\x1b[2J'"),
    ],
)
def test_a_uid_is_named_where_the_standard_does(uid: str, words: str) -> None:
    assert uid_name(uid) == words
