"""How a listed peer is called."""

from __future__ import annotations

from qsmnode.config import Config, DicomPeer, WebPeer
from qsmnode.config.tls import ClientTls
from qsmnode.errors import UsageError
from qsmnode.node.wire.requestor import Target, TlsCall
from qsmnode.node.wire.tls import TlsFiles
from qsmnode.node.wire.web import WebTarget


def target_of(config: Config, name: str, peer: DicomPeer) -> Target:
    """Address, titles, TLS and patience for a peer.

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
        tls=_tls_call(config, name, peer),
    )


def web_target_of(config: Config, name: str, peer: WebPeer) -> WebTarget:
    """URL, credentials, TLS and patience for a DICOMweb server."""
    files = TlsFiles("the system's authorities") if peer.tls is None else _tls_files(config, name, peer.tls)
    return WebTarget(
        name=name,
        url=peer.stow,
        token=peer.token,
        user=peer.user,
        password=peer.password,
        batch=peer.batch,
        batch_bytes=peer.batch_mb * 1_000_000,
        connect_timeout_s=config.delivery.connect_timeout_s,
        response_timeout_s=config.delivery.response_timeout_s,
        tls=files,
    )


def _tls_files(config: Config, name: str, tls: ClientTls) -> TlsFiles:
    """The files for calling a peer: its own, else the node's."""
    own = config.node.tls
    shown = tls if tls.certificate is not None else own
    return TlsFiles(
        where=f"peers.{name}.tls" if tls.model_fields_set else "node.tls",
        certificate=shown.certificate if shown else None,
        key=shown.key if shown else None,
        ca=tls.ca or (own.ca if own else None),
        crl=tls.crl_file or (own.crl_file if own and tls.ca is None else None),
    )


def _tls_call(config: Config, name: str, peer: DicomPeer) -> TlsCall | None:
    if peer.tls is None:
        return None
    return TlsCall(
        files=_tls_files(config, name, peer.tls),
        name=peer.tls.name or peer.host,
        subject=peer.certificate_subject,
    )
