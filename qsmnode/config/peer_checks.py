"""What must hold between peers and node, beyond each setting's own type."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from qsmnode.config.document import Document, KeyPath
from qsmnode.config.peers import FolderPeer
from qsmnode.config.site import Config
from qsmnode.config.tls import TLS_PORT

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
        if isinstance(peer, dict) and "stow" in peer:
            _check_web(document, path, peer)
        if not isinstance(peer, dict) or "ae_title" not in peer:
            continue
        _check_tls(document, path, peer)
        if peer.get("may_send") is False and peer.get("port") is None:
            document.blame(path, "may not send and has no port to receive on: it can do nothing", key=True)
        identity = tuple(str(peer.get(key)) for key in ("ae_title", "host", "port"))
        if identity in seen:
            document.blame(path, f"the same AE title, host and port as peer {seen[identity]!r}", key=True)
        seen.setdefault(identity, name)
        if _is_this_node(document, peer):
            document.blame(path, "is this node itself: results would come back for ever", key=True)


def _check_tls(document: Document, path: KeyPath, peer: dict[str, Any]) -> None:
    """What a peer's TLS needs of its other keys and of node.tls."""
    own = bool(document.mapping("node").get("tls"))
    tls = peer.get("tls")
    if isinstance(tls, dict) and not own and "ca" not in tls:
        document.blame((*path, "tls"), "whom to trust? add ca here, or node.tls with its ca", key=True)
    if tls is not None and peer.get("port") is None:
        document.blame((*path, "tls"), "is for calling this peer, which has no port", key=True)
    if peer.get("certificate_subject") is not None and not own and tls is None:
        message = "no certificate comes without TLS: add node.tls, or tls to this peer"
        document.blame((*path, "certificate_subject"), message, key=True)


def _check_web(document: Document, path: KeyPath, peer: dict[str, Any]) -> None:
    """A DICOMweb server's credentials: one kind, out of files or variables, never in the clear."""
    for key in ("token", "password"):
        if peer.get(key) is not None and not document.is_secret((*path, key)):
            message = "a secret does not belong here: write ${file:PATH} or ${env:NAME}"
            document.blame((*path, key), message, key=True)
    if (peer.get("user") is None) != (peer.get("password") is None):
        document.blame(path, "user and password belong together: state both or neither", key=True)
    elif peer.get("token") is not None and peer.get("user") is not None:
        document.blame(path, "a token or user and password, not both", key=True)
    scheme, _, rest = str(peer["stow"]).partition("://")
    if scheme != "http":
        return
    if peer.get("tls") is not None:
        document.blame((*path, "tls"), "is for https: correct the URL, or leave tls out", key=True)
    host = re.split(r"[/:]", rest, maxsplit=1)[0]
    if (peer.get("token") or peer.get("password")) and not _is_loopback(host):
        document.blame((*path, "stow"), "credentials would cross the network in the clear: use https")


def check_node(document: Document) -> None:
    """One port cannot be both plain and TLS."""
    node = document.mapping("node")
    tls = node.get("tls")
    if isinstance(tls, dict) and node.get("port") is not None and node["port"] == tls.get("port", TLS_PORT):
        document.blame(("node", "port"), "is the port of node.tls as well: choose another, or leave it out")


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
    tls = node.get("tls")
    ports = [node.get("port", DEFAULT_PORT)]
    if isinstance(tls, dict):
        ports.append(tls.get("port", TLS_PORT))
    if peer.get("port") is None or peer["port"] not in ports:
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
