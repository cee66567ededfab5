"""What must hold between peers and node, beyond each setting's own type."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from qsmnode.config.document import Document, KeyPath
from qsmnode.config.peers import FolderPeer
from qsmnode.config.site import Config

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
DEFAULT_PORT = 11112


def check_peers(document: Document) -> None:
    """Names, peers that can do nothing, the same peer twice, the node itself as a peer."""
    seen: dict[tuple[Any, ...], str] = {}
    for name, peer in document.mapping("peers").items():
        path: KeyPath = ("peers", name)
        if not _NAME.fullmatch(name):
            message = "a peer's name has 1 to 64 letters, digits, dots, dashes and underscores"
            document.blame(path, message, key=True)
        if not isinstance(peer, dict) or "ae_title" not in peer:
            continue
        if peer.get("may_send") is False and peer.get("port") is None:
            document.blame(path, "may not send and has no port to receive on: it can do nothing", key=True)
        identity = tuple(str(peer.get(key)) for key in ("ae_title", "host", "port"))
        if identity in seen:
            document.blame(path, f"the same AE title, host and port as peer {seen[identity]!r}", key=True)
        seen.setdefault(identity, name)
        if _is_this_node(document, peer):
            document.blame(path, "is this node itself: results would come back for ever", key=True)


def check_folders(document: Document, config: Config) -> None:
    """A folder peer apart from the store: whatever cleans one up must not touch the other."""
    store = config.node.store.resolve()
    for name, peer in config.peers.items():
        if isinstance(peer, FolderPeer):
            folder = peer.folder.resolve()
            if folder.is_relative_to(store) or store.is_relative_to(folder):
                document.blame(
                    ("peers", name, "folder"), "overlaps node.store: choose a folder apart from it"
                )


def _is_this_node(document: Document, peer: dict[str, Any]) -> bool:
    node = document.mapping("node")
    if peer.get("port") is None or peer["port"] != node.get("port", DEFAULT_PORT):
        return False
    host, bind = str(peer.get("host")), str(node.get("bind", "127.0.0.1"))
    return host == bind or (_is_loopback(host) and (_is_loopback(bind) or bind in ("0.0.0.0", "::")))  # noqa: S104  # compared, not bound


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def can_receive(peer: Any) -> bool:
    """Whether products can be sent to it, as far as its keys say."""
    return isinstance(peer, dict) and any(peer.get(key) is not None for key in ("port", "folder", "stow"))


def sender_titles(document: Document) -> set[str]:
    """The AE titles whose images are accepted."""
    peers = document.mapping("peers").values()
    return {
        str(peer["ae_title"])
        for peer in peers
        if isinstance(peer, dict) and "ae_title" in peer and peer.get("may_send") is not False
    }
