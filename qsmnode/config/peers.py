"""The other ends: scanners and archives that speak DICOM, DICOMweb servers, and folders."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Discriminator, Field, Tag

from qsmnode.config.tls import ClientTls, PeerTls, Subject
from qsmnode.config.values import AETitle, Flag, FolderPath, Host, Port, Settings, Text, WholeNumber


def _check_url(text: str) -> str:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        raise ValueError("no usable URL") from None
    if url.scheme not in ("https", "http") or not url.hostname:
        raise ValueError("expected a URL such as https://pacs.example/dicom-web, up to and without /studies")
    if url.username is not None or url.password is not None or url.query or url.fragment:
        raise ValueError("a URL without user, password, ? and #: credentials have settings of their own")
    return text.rstrip("/")


Url = Annotated[str, AfterValidator(_check_url)]


class DicomPeer(Settings):
    """A scanner, archive or workstation: with ``port`` it can receive, without it only sends."""

    siblings: ClassVar[tuple[str, ...]] = ("folder", "stow")

    ae_title: AETitle = Field(description="AE title of the peer, as it calls and as it is called.")
    host: Host = Field(description="Host name or IP address of the peer.")
    port: Port | None = Field(
        None, description="TCP port where the peer accepts C-STORE; leave out for one that only sends."
    )
    may_send: Flag = Field(True, description="Whether images from this peer are accepted; C-ECHO always is.")
    deflated: Flag = Field(
        False,
        description="Whether deflated objects are accepted; a few bytes of one can stand for very many.",
    )
    commitment: Flag = Field(
        False,
        description="Whether the peer is asked, by storage commitment, to answer for what it was sent.",
    )
    check_identity: Flag = Field(
        False,
        description="Whether PatientID and AccessionNumber of the study are compared with the peer's, by"
        " C-FIND, before anything is sent; a difference holds the delivery.",
    )
    associations: WholeNumber = Field(
        2,
        ge=1,
        le=8,
        description="Most associations at the same time that a delivery of many objects is sent over.",
    )
    tls: PeerTls | None = Field(
        None, description="TLS when this peer is called; left out: it is called without."
    )
    certificate_subject: Subject | None = Field(
        None,
        description="Subject that its certificate must have, whoever calls; without it: of any name that the"
        " authority vouches for when it calls, and for its host when it is called.",
    )

    @property
    def can_receive(self) -> bool:
        return self.port is not None

    @property
    def is_asked(self) -> bool:
        """Whether it is asked if it has what it was sent."""
        return self.commitment


class FolderPeer(Settings):
    """A folder into which results are written as DICOM files."""

    folder: FolderPath = Field(description="Folder for the results; created if missing.")

    @property
    def can_receive(self) -> bool:
        return True

    @property
    def is_asked(self) -> bool:
        """Whether it is asked if it has what it was sent."""
        return False


class WebPeer(Settings):
    """A DICOMweb server to which results are sent by STOW-RS."""

    stow: Url = Field(description="URL of its DICOMweb service, up to and without /studies.")
    tls: ClientTls | None = Field(
        None,
        description="Authorities and certificate for https; left out: the system's authorities alone.",
    )
    token: Text | None = Field(
        None, description="Bearer token, from a placeholder such as ${file:/run/secrets/token}."
    )
    user: Text | None = Field(None, description="User name for basic authentication.")
    password: Text | None = Field(
        None, description="Password for basic authentication, from a placeholder as well."
    )
    batch: WholeNumber = Field(50, ge=1, le=1000, description="Most objects in one request.")
    batch_mb: WholeNumber = Field(
        32, ge=1, le=10000, description="Most MB in one request; a larger object goes alone."
    )
    confirm: Flag = Field(
        False,
        description="Whether the server is asked, by QIDO-RS, if it lists what it was sent: DICOMweb knows no"
        " storage commitment. What it does not list within commitment.timeout_s is sent again.",
    )
    check_identity: Flag = Field(
        False,
        description="Whether PatientID and AccessionNumber of the study are compared with the server's, by"
        " QIDO-RS, before anything is sent; a difference holds the delivery.",
    )

    @property
    def can_receive(self) -> bool:
        return True

    @property
    def is_asked(self) -> bool:
        """Whether it is asked if it has what it was sent."""
        return self.confirm


def peer_tag(value: Any) -> str:
    """Which kind of peer a YAML mapping (or a ready object) is."""
    for tag, kind, key in (("#folder", FolderPeer, "folder"), ("#stow", WebPeer, "stow")):
        if isinstance(value, kind) or (isinstance(value, dict) and key in value):
            return tag
    return "#dicom"


Peer = Annotated[
    Annotated[DicomPeer, Tag("#dicom")]
    | Annotated[FolderPeer, Tag("#folder")]
    | Annotated[WebPeer, Tag("#stow")],
    Discriminator(peer_tag),
]
