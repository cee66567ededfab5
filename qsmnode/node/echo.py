"""Whether a peer answers: C-ECHO for DICOM peers, a question for DICOMweb servers, a file for folders."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from qsmnode.config import Config, FolderPeer, WebPeer
from qsmnode.errors import PeerRefused, PeerUnreachable, UsageError
from qsmnode.node.target import target_of, web_target_of
from qsmnode.node.wire.requestor import Association
from qsmnode.node.wire.status import SUCCESS, describe
from qsmnode.node.wire.uids import IMPLICIT_LITTLE, VERIFICATION, printable
from qsmnode.node.wire.web import WebSession

_PAIR = (VERIFICATION, IMPLICIT_LITTLE)


@dataclass(frozen=True)
class EchoResult:
    """A peer that answered."""

    peer: str
    where: str
    duration_s: float
    implementation: str = ""


def echo(config: Config, peer_name: str) -> EchoResult:
    """Ask one listed peer whether it is there.

    Raises:
        UsageError: there is no such peer, or it only sends.
        PeerUnreachable: no connection or no answer; for a folder: it cannot be written.
        PeerRefused: it answered, and said no.
    """
    peer = config.peers.get(peer_name)
    if peer is None:
        raise UsageError(f"{peer_name!r}: no such peer; the configuration lists {', '.join(config.peers)}")
    begin = time.monotonic()
    if isinstance(peer, FolderPeer):
        _write(peer_name, peer.folder)
        return EchoResult(peer_name, f"folder {peer.folder}", time.monotonic() - begin)
    if isinstance(peer, WebPeer):
        with WebSession(web_target_of(config, peer_name, peer)) as session:
            session.ask()
        return EchoResult(peer_name, peer.stow, time.monotonic() - begin)
    target = target_of(config, peer_name, peer)
    with Association(target, [_PAIR]) as association:
        if refusal := association.refusal(_PAIR):
            raise PeerRefused(f"{target}: takes the association, but no C-ECHO: {refusal}", permanent=True)
        status = association.echo(_PAIR)
        if status != SUCCESS:
            raise PeerRefused(f"{target}: answers C-ECHO with {describe(status)}")
        implementation = printable(association.implementation).strip("'")
    return EchoResult(peer_name, f"{peer.host}:{peer.port}", time.monotonic() - begin, implementation)


def _write(name: str, folder: Path) -> None:
    """Write and remove a small file where objects will be written."""
    probe = folder / f".{secrets.token_hex(8)}.partial"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        probe.unlink()
    except OSError as error:
        raise PeerUnreachable(
            f"{name} (folder {folder}): cannot be written ({error.strerror}); check its disk and its owner"
        ) from error
