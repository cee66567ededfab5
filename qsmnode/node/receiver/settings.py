"""What the receiver takes from the configuration."""

from __future__ import annotations

from dataclasses import dataclass

from qsmnode.config import Config, DicomPeer
from qsmnode.node.receiver.reserve import Reserve

_MB = 1_000_000


@dataclass(frozen=True)
class ListedPeer:
    """A peer that may associate."""

    name: str
    ae_title: str
    host: str
    may_send: bool
    commitment: bool = False
    deflated: bool = False
    certificate_subject: str | None = None


@dataclass(frozen=True)
class ReceiverSettings:
    """Everything that decides how this role behaves."""

    ae_title: str
    bind: str
    peers: tuple[ListedPeer, ...]
    reserve: Reserve
    largest_object: int
    max_associations: int
    max_strangers: int
    max_strangers_per_address: int
    acse_timeout_s: float
    pdu_timeout_s: float
    dimse_timeout_s: float
    network_timeout_s: float
    provide: bool = False


def receiver_settings(config: Config) -> ReceiverSettings:
    """The part of the configuration that this role needs."""
    limits = config.limits
    return ReceiverSettings(
        ae_title=config.node.ae_title,
        bind=config.node.bind,
        peers=tuple(
            ListedPeer(
                name,
                peer.ae_title,
                peer.host,
                peer.may_send,
                peer.commitment,
                peer.deflated,
                peer.certificate_subject,
            )
            for name, peer in config.peers.items()
            if isinstance(peer, DicomPeer)
        ),
        reserve=Reserve(limits.disk_reserve_mb * _MB, limits.disk_reserve_percent),
        largest_object=limits.max_object_mb * _MB,
        max_associations=limits.max_associations,
        max_strangers=limits.max_strangers,
        max_strangers_per_address=limits.max_strangers_per_address,
        acse_timeout_s=limits.acse_timeout_s,
        pdu_timeout_s=limits.pdu_timeout_s,
        dimse_timeout_s=limits.dimse_timeout_s,
        network_timeout_s=limits.network_timeout_s,
        provide=config.commitment.provide,
    )
