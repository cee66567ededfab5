"""DICOM TLS by BCP 195 (RFC 9325, PS3.15 annex B): mutual, TLS 1.2 (AEAD suites) or 1.3, renewed at work."""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qsmnode.config.tls import parse_subject
from qsmnode.errors import UsageError

_log = logging.getLogger(__name__)
# ephemeral keys and authenticated encryption only; the suites of TLS 1.3 are such anyway
_SUITES_OF_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20"
_WIDE = 0o037
_PLAIN_INSTEAD = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNSUPPORTED_PROTOCOL", "RECORD_LAYER_FAILURE"}
)
_WORDS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it showed no certificate",
    "NO_SHARED_CIPHER": "it offers no cipher suite of BCP 195",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust this node's certificate authority",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate from this node: add one to its tls",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it finds this node's certificate expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "it finds this node's certificate revoked",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it refuses this node's certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it refuses this node's certificate",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it agrees to no cipher suite of BCP 195, or wants a certificate",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it speaks neither TLS 1.2 nor 1.3",
}

_REVOCATION = {  # by OpenSSL's X509_V_ERR
    3: "crl_file holds no list of its authority: add it",
    11: "the list in crl_file is not valid yet: look at the clocks",
    12: "the list in crl_file has expired: fetch the authority's newest one",
    23: "its authority has revoked it (crl_file)",
}

Certificate = Mapping[str, Any]
"""A verified certificate, as :meth:`ssl.SSLSocket.getpeercert` gives it."""


@dataclass(frozen=True)
class TlsFiles:
    """PEM files of one end. ``where`` names their settings; without ``ca`` the system's are trusted.

    With ``crl`` a certificate is accepted only where its authority's list is there, valid, and without it.
    """

    where: str
    certificate: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    crl: Path | None = None


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """For connections that come in: shows the certificate, and demands one of the authorities in ``ca``.

    Raises:
        UsageError: a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    # every connection shows a certificate that is valid now: none is taken up from an earlier one
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return _filled(context, files)


def client_context(files: TlsFiles, *, check_name: bool = True) -> ssl.SSLContext:
    """For connections that this node opens; ``check_name``: the certificate is to be for the name called.

    Raises:
        UsageError: a file cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_name
    return _filled(context, files)


class Renewable:
    """The server's context, made anew when one of its files has changed.

    A change that cannot be used (one of two files is written, say) is told, and leaves the one before in use.

    Raises:
        UsageError: a file cannot be used now.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._stamp = _stamp(files)
        self._context = server_context(files)

    def context(self) -> ssl.SSLContext:
        """For the next handshake."""
        with self._lock:
            stamp = _stamp(self._files)
            if stamp != self._stamp:
                self._stamp = stamp
                self._renew()
            return self._context

    def _renew(self) -> None:
        try:
            self._context = server_context(self._files)
        except UsageError as error:
            _log.error("the certificate before stays in use: %s", error)
        else:
            _log.info("%s: the changed certificate files are in use", self._files.where)


def has_subject(certificate: Certificate | None, wanted: str) -> bool:
    """Whether a certificate's subject has, of each kind of part in ``wanted``, exactly those values."""
    if not certificate:
        return False
    expected = parse_subject(wanted)
    kinds = {kind for kind, _ in expected}
    parts = [part for parts in certificate.get("subject", ()) for part in parts]
    return sorted(part for part in parts if part[0] in kinds) == sorted(expected)


def subject_text(certificate: Certificate | None) -> str:
    """A certificate's subject for a log, or that there is none."""
    if not certificate:
        return "no certificate"
    parts = [part for parts in certificate.get("subject", ()) for part in parts]
    return ascii(", ".join(f"{kind}={value}" for kind, value in parts)[:200])


def explain(error: OSError) -> str:
    """Why a connection failed, in words for the people who run both ends."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = _REVOCATION.get(error.verify_code, error.verify_message.removesuffix("."))
        return f"its certificate is not accepted: {why}"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "it closed the connection"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        if reason in _PLAIN_INSTEAD:
            return "it does not speak TLS here"
        return _WORDS.get(reason, reason.replace("_", " ").lower() or "an unknown error of TLS")
    return error.strerror or type(error).__name__


def _filled(context: ssl.SSLContext, files: TlsFiles) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES_OF_1_2)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if files.ca is None:
        context.load_default_certs()
    else:
        _load_authorities(context, files, files.ca)
    if files.crl is not None:
        _load_revoked(context, files, files.crl)
    if files.certificate is not None and files.key is not None:
        _load_own(context, files, files.certificate, files.key)
    return context


def _load_authorities(context: ssl.SSLContext, files: TlsFiles, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise UsageError(f"{files.where}.ca: {ca} holds no PEM certificates") from error
    except OSError as error:
        raise UsageError(f"{files.where}.ca: {ca} cannot be read ({error.strerror})") from error


def _load_revoked(context: ssl.SSLContext, files: TlsFiles, crl: Path) -> None:
    before = context.cert_store_stats()
    try:
        context.load_verify_locations(crl)
    except ssl.SSLError as error:
        raise UsageError(
            f"{files.where}.crl_file: {crl} holds no PEM revocation lists; authorities often publish DER:"
            " convert it with `openssl crl -inform DER -in LIST -out FILE`"
        ) from error
    except OSError as error:
        raise UsageError(f"{files.where}.crl_file: {crl} cannot be read ({error.strerror})") from error
    after = context.cert_store_stats()
    if after["x509"] != before["x509"] or after["crl"] == before["crl"]:
        raise UsageError(
            f"{files.where}.crl_file: {crl} holds certificates, or no revocation list: only such lists in PEM"
            " belong there"
        )
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _load_own(context: ssl.SSLContext, files: TlsFiles, certificate: Path, key: Path) -> None:
    for name, path in (("certificate", certificate), ("key", key)):
        try:
            with path.open("rb"):
                mode = path.stat().st_mode & 0o777
        except OSError as error:
            raise UsageError(f"{files.where}.{name}: {path} cannot be read ({error.strerror})") from error
        if name == "key" and mode & _WIDE:
            raise UsageError(
                f"{files.where}.key: {path} has mode {mode:04o}, so that others can use it: chmod 0600 {path}"
            )
    try:
        # without this, a key with a password would ask for it on the terminal
        context.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, OSError) as error:
        raise UsageError(
            f"{files.where}: {certificate} and {key} are no certificate with its private key, in PEM and"
            f" without a password ({explain(error)})"
        ) from error


def _stamp(files: TlsFiles) -> tuple[object, ...]:
    """Changes with any of the files; one that is not there has a stamp, too."""
    found: list[object] = []
    for path in (files.certificate, files.key, files.ca, files.crl):
        try:
            status = None if path is None else path.stat()
        except OSError as error:
            found.append(error.errno)
        else:
            found.append(status and (status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode))
    return tuple(found)
