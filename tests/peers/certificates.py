"""Certificate authorities and certificates, as a hospital's would be, in PEM files."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Shown:
    """A certificate and its key, and the authority that vouches for it."""

    certificate: Path
    key: Path
    ca: Path

    @property
    def setting(self) -> dict[str, str]:
        """As node.tls and a peer's tls have it."""
        return {"certificate": str(self.certificate), "key": str(self.key), "ca": str(self.ca)}

    @property
    def dcmtk(self) -> tuple[str, ...]:
        """As DCMTK's programs have it."""
        return ("+tls", str(self.key), str(self.certificate), "+cf", str(self.ca))


class Authority:
    """Signs certificates; its own is ``ca``. Every name has a key of its own, the same one in every test."""

    def __init__(self, folder: Path, name: str = "Hospital CA") -> None:
        self._folder = folder / name.replace(" ", "-")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._key = _key(name)
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.ca = self._folder / "ca.pem"
        self.ca.write_bytes(
            _pem(
                _builder(self._name, self._name, self._key, -1.0, 1.0)
                .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                .sign(self._key, hashes.SHA256())
            )
        )

    def issue(
        self,
        name: str,
        *,
        organisation: str = "Hospital",
        hosts: Sequence[str] = ("localhost", "127.0.0.1"),
        from_day: float = -1.0,
        to_day: float = 1.0,
    ) -> Shown:
        """A certificate for these hosts, valid between these days from now; a name's files are replaced."""
        key = _key(name)
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
                x509.NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        certificate = (
            _builder(subject, self._name, key, from_day, to_day)
            .add_extension(
                x509.SubjectAlternativeName([_alternative(host) for host in hosts]), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        shown = Shown(self._folder / f"{name}.crt", self._folder / f"{name}.key", self.ca)
        shown.certificate.write_bytes(_pem(certificate))
        shown.key.touch(mode=0o600)
        shown.key.write_bytes(_key_pem(key))
        return shown

    def revoke(
        self, *revoked: Shown, name: str = "revoked", from_day: float = -1.0, to_day: float = 1.0
    ) -> Path:
        """Its list with these certificates, valid between these days from now; a list's file is replaced."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now + timedelta(days=from_day))
            .next_update(now + timedelta(days=to_day))
        )
        for each in revoked:
            serial = x509.load_pem_x509_certificate(each.certificate.read_bytes()).serial_number
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
            )
        path = self._folder / f"{name}.crl"
        path.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return path


def with_password(key: bytes) -> bytes:
    """A private key that asks for its password."""
    return serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"a password"),
    )


@functools.cache
def _key(_name: str) -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: RSAPrivateKey, from_day: float, to_day: float
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=from_day))
        .not_valid_after(now + timedelta(days=to_day))
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
