"""The other ends: scanners and archives that speak DICOM, and folders."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, Field, Tag

from qsmnode.config.values import AETitle, Flag, FolderPath, Host, Port, Settings


class DicomPeer(Settings):
    """A scanner, archive or workstation: with ``port`` it can receive, without it only sends."""

    siblings: ClassVar[tuple[str, ...]] = ("folder",)

    ae_title: AETitle = Field(description="AE title of the peer, as it calls and as it is called.")
    host: Host = Field(description="Host name or IP address of the peer.")
    port: Port | None = Field(
        None, description="TCP port where the peer accepts C-STORE; leave out for one that only sends."
    )
    may_send: Flag = Field(True, description="Whether images from this peer are accepted; C-ECHO always is.")
    commitment: Flag = Field(
        False, description="Whether to ask the peer for storage commitment after sending."
    )

    @property
    def can_receive(self) -> bool:
        return self.port is not None


class FolderPeer(Settings):
    """A folder into which results are written as DICOM files."""

    folder: FolderPath = Field(description="Folder for the results; created if missing.")

    @property
    def can_receive(self) -> bool:
        return True


def peer_tag(value: Any) -> str:
    """Which kind of peer a YAML mapping (or a ready object) is."""
    if isinstance(value, FolderPeer) or (isinstance(value, dict) and "folder" in value):
        return "#folder"
    return "#dicom"


Peer = Annotated[
    Annotated[DicomPeer, Tag("#dicom")] | Annotated[FolderPeer, Tag("#folder")],
    Discriminator(peer_tag),
]
