"""What the receiver takes from the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from qsmnode.config import Config, DicomPeer

_MB = 1_000_000


@dataclass(frozen=True)
class ListedPeer:
    """A peer that may associate."""

    name: str
    ae_title: str
    host: str
    may_send: bool
    commitment: bool = False


@dataclass(frozen=True)
class ReceiverSettings:
    """Everything that decides how this role behaves."""

    ae_title: str
    bind: str
    port: int
    peers: tuple[ListedPeer, ...]
    disk_reserve_bytes: int
    max_associations: int
    acse_timeout_s: float
    dimse_timeout_s: float
    network_timeout_s: float
    provide: bool = False


def receiver_settings(config: Config) -> ReceiverSettings:
    """The part of the configuration that this role needs."""
    limits = config.limits
    return ReceiverSettings(
        ae_title=config.node.ae_title,
        bind=config.node.bind,
        port=config.node.port,
        peers=tuple(
            ListedPeer(name, peer.ae_title, peer.host, peer.may_send, peer.commitment)
            for name, peer in config.peers.items()
            if isinstance(peer, DicomPeer)
        ),
        disk_reserve_bytes=limits.disk_reserve_mb * _MB,
        max_associations=limits.max_associations,
        acse_timeout_s=limits.acse_timeout_s,
        dimse_timeout_s=limits.dimse_timeout_s,
        network_timeout_s=limits.network_timeout_s,
        provide=config.commitment.provide,
    )
