"""TLS: which certificates this node shows, and whose it trusts."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from qsmnode.config.values import FolderPath, Host, Port, Settings, Text

FilePath = FolderPath
TLS_PORT = 2762
"""DICOM's registered port for TLS (dicom-tls)."""

_SUBJECT_NAMES = {
    "CN": "commonName",
    "O": "organizationName",
    "OU": "organizationalUnitName",
    "C": "countryName",
    "L": "localityName",
    "ST": "stateOrProvinceName",
    "DC": "domainComponent",
    "SERIALNUMBER": "serialNumber",
}


def parse_subject(text: str) -> tuple[tuple[str, str], ...]:
    r"""The parts of a certificate's subject, as ``CN=mr1.example, O=Hospital``; a comma in a value is ``\,``.

    Returns:
        Pairs of the attribute's long name and its value.

    Raises:
        ValueError: it is no subject.
    """
    found = []
    for part in text.replace("\\,", "\0").split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value or name.upper() not in _SUBJECT_NAMES:
            known = ", ".join(_SUBJECT_NAMES)
            raise ValueError(
                f"expected parts of a certificate's subject, as in CN=mr1.example; known are {known}"
            )
        found.append((_SUBJECT_NAMES[name.upper()], value.replace("\0", ",")))
    return tuple(found)


def _check_subject(text: str) -> str:
    parse_subject(text)
    return text


Subject = Annotated[Text, AfterValidator(_check_subject)]


class NodeTls(Settings):
    """TLS of this node: what it shows when it is called and when it calls, and whom it believes."""

    certificate: FilePath = Field(description="PEM file with this node's certificate and its chain.")
    key: FilePath = Field(description="PEM file with its private key, readable by the node's user alone.")
    ca: FilePath = Field(
        description="PEM file with the authorities whose certificates are accepted, of whoever calls as well."
    )
    crl_file: FilePath | None = Field(
        None,
        description="PEM file with the authorities' revocation lists; left out: no certificate is looked up.",
    )
    port: Port = Field(
        TLS_PORT,
        description="TCP port for TLS; the plain port is open only where node.port is stated as well.",
    )


class ClientTls(Settings):
    """TLS towards one peer; what is left out is taken from node.tls."""

    ca: FilePath | None = Field(
        None, description="PEM file with the authorities of this peer's certificate; left out: node.tls.ca."
    )
    certificate: FilePath | None = Field(
        None, description="PEM file with the certificate shown to this peer; left out: node.tls.certificate."
    )
    key: FilePath | None = Field(None, description="PEM file with the private key of that certificate.")
    crl_file: FilePath | None = Field(
        None,
        description="PEM file with the revocation lists of these authorities; left out: node.tls.crl_file"
        " where the authorities are those of node.tls as well.",
    )

    @model_validator(mode="after")
    def _paired(self) -> ClientTls:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: state both or neither")
        return self


class PeerTls(ClientTls):
    """TLS when this peer is called; what is left out is taken from node.tls."""

    name: Host | None = Field(
        None, description="Name that the peer's certificate is for; left out: its host."
    )
