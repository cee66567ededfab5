"""What must hold for storage commitment and the comparison of identities, beyond each setting's own type."""

from __future__ import annotations

from qsmnode.config.document import Document
from qsmnode.config.wording import unknown_name

_NEED_A_PORT = {
    "commitment": "to be asked for storage commitment",
    "check_identity": "to be asked what it has of a study",
}


def check_commitment(document: Document) -> None:
    """Who is asked has a port; the archive of ``commitment`` is a peer that is asked."""
    peers = document.mapping("peers")
    for name, peer in peers.items():
        for key, why in _NEED_A_PORT.items():
            if not isinstance(peer, dict) or "stow" in peer:
                continue
            if peer.get(key) is True and peer.get("port") is None:
                document.blame(("peers", name, key), f"it has no port {why}: add peers.{name}.port")
    archive = document.get("commitment", "archive")
    if not isinstance(archive, str):
        return
    peer = peers.get(archive)
    if peer is None:
        document.blame(("commitment", "archive"), unknown_name("peer", archive, peers))
    elif not isinstance(peer, dict) or peer.get("commitment") is not True:
        document.blame(
            ("commitment", "archive"),
            f"it is not asked for storage commitment: set peers.{archive}.commitment",
        )
