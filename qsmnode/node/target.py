"""How a listed peer is called."""

from __future__ import annotations

from qsmnode.config import Config, DicomPeer
from qsmnode.errors import UsageError
from qsmnode.node.wire.requestor import Target


def target_of(config: Config, name: str, peer: DicomPeer) -> Target:
    """Address, titles and patience for a peer.

    Raises:
        UsageError: it has no port: it only sends.
    """
    if peer.port is None:
        raise UsageError(f"peer {name}: it has no port, so it only sends; add peers.{name}.port to call it")
    return Target(
        name=name,
        host=peer.host,
        port=peer.port,
        called=peer.ae_title,
        calling=config.node.ae_title,
        connect_timeout_s=config.delivery.connect_timeout_s,
        response_timeout_s=config.delivery.response_timeout_s,
    )
