"""A certificate that this server makes for itself, so that browsers on other machines give it the microphone.

Nobody vouches for it: browsers warn once, and people compare its fingerprint. Knows nothing of serving.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import os
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from visavis_models.errors import StorageError

LIFE_DAYS = 397
"""Browsers refuse certificates that last longer."""
_RENEW_DAYS = 30
_NAME = re.compile(r"[A-Za-z0-9.:\-]{1,253}")
_BACKDATED_HOURS = 24
"""Clocks of others may be behind."""


@dataclass(frozen=True, slots=True)
class OwnCertificate:
    """A certificate of our own and its key, as PEM files."""

    certificate: Path
    key: Path
    fingerprint: str
    """SHA-256, as browsers show it: `AB:CD:...`."""
    made: bool
    """Just now; else it was there."""


def own_certificate(folder: Path, names: Iterable[str], now: dt.datetime | None = None) -> OwnCertificate:
    """The certificate kept in this folder; made anew if there is none, it ends soon, or it lacks one of the names.

    Args:
        folder: made if need be, for its owner only.
        names: host names and addresses that it must be for.
        now: with a time zone.

    Raises:
        StorageError: `certificate`, it cannot be kept.
    """
    now = now or dt.datetime.now(dt.UTC)
    wanted = sorted({name.lower() for name in names if name})
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    try:
        kept = _usable(certificate, key, wanted, now)
        if kept is not None:
            return OwnCertificate(certificate, key, fingerprint(kept), False)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        made, private = _make(wanted, now)
        _write(key, private)
        _write(certificate, made.public_bytes(serialization.Encoding.PEM))
    except OSError as error:
        message = f"A certificate cannot be kept in {folder}: {error.strerror}."
        raise StorageError("certificate", message, "Choose another --data-dir, or give --tls-cert.") from error
    return OwnCertificate(certificate, key, fingerprint(made), True)


def names_of_this_machine(host: str, allowed_hosts: Iterable[str]) -> list[str]:
    """Under which names and addresses others may open the page.

    Args:
        host: where the server listens.
        allowed_hosts: names that the operator has given it.
    """
    own = socket.gethostname()
    names = ["localhost", "127.0.0.1", "::1", own, *allowed_hosts]
    if "." not in own:
        names.append(f"{own}.local")
    if host not in ("0.0.0.0", "::", ""):
        names.append(host)
    return [name for name in names if _NAME.fullmatch(name)]  # the rest is no name, and listening will say so


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, as browsers show it."""
    digest = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def _usable(certificate: Path, key: Path, wanted: Iterable[str], now: dt.datetime) -> x509.Certificate | None:
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), None)
        alternatives = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (FileNotFoundError, ValueError, TypeError, x509.ExtensionNotFound):
        return None
    named = {*alternatives.get_values_for_type(x509.DNSName)}
    named |= {str(address) for address in alternatives.get_values_for_type(x509.IPAddress)}
    lasts = found.not_valid_before_utc <= now < found.not_valid_after_utc - dt.timedelta(days=_RENEW_DAYS)
    same_key = private.public_key() == found.public_key()
    return found if lasts and same_key and named.issuperset(_san_text(name) for name in wanted) else None


def _make(names: Iterable[str], now: dt.datetime) -> tuple[x509.Certificate, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "visavis (made by this server)")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=_BACKDATED_HOURS))
        .not_valid_after(now - dt.timedelta(hours=_BACKDATED_HOURS) + dt.timedelta(days=LIFE_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return builder.sign(key, hashes.SHA256()), private


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(_san_text(name))


def _san_text(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.encode("idna").decode("ascii")


def _write(path: Path, content: bytes) -> None:
    """Replaces a file as a whole; only its owner may read it."""
    half = path.with_suffix(".half")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
