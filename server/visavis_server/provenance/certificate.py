"""The certificate that made files are signed with: the operator's own, or one made here at the first need.

One that is made here says only that a file was signed on this installation and is unchanged since: nobody vouches for
it. C2PA wants no self-signed certificate, so there are two, the second signed with the first. Knows nothing of files
that are signed.
"""

from __future__ import annotations

import datetime
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from visavis_models.errors import StorageError
from visavis_server.provenance_settings import ProvenanceSettings
from visavis_server.setting_fields import BadSetting

_FILE = "signing.pem"
_YEARS = 10
_CLAIM_SIGNING = ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclass(frozen=True, slots=True)
class SigningCertificate:
    """What files are signed with."""

    algorithm: str
    """As C2PA names it: es256, es384, es512, ps256 or ed25519."""
    chain: bytes
    """PEM: the signer's certificate first."""
    key: bytes = field(repr=False)
    """PEM, PKCS #8, without a password."""


def signing_certificate(settings: ProvenanceSettings, data_dir: Path) -> SigningCertificate:
    """The operator's certificate, or the one of this installation; it is made if there is none.

    Raises:
        BadSetting: the operator's cannot be used.
        StorageError: the one of this installation can be neither read nor made.
    """
    if settings.certificate is not None and settings.certificate_key is not None:
        try:
            return _read(settings.certificate.read_bytes(), settings.certificate_key.read_bytes())
        except (OSError, ValueError, TypeError) as error:
            remedy = "Give PEM files of one certificate chain and its own private key, without a password."
            problem = f"cannot be used: {_one_line(error)}"
            raise BadSetting("provenance.certificate", problem, remedy) from error
    path = data_dir / "provenance" / _FILE
    try:
        if not path.is_file():
            _write_once(path, _made())
        content = path.read_bytes()
        return _read(content, content)
    except (OSError, ValueError, TypeError) as error:
        raise StorageError(
            "no_certificate",
            f"The certificate in {path} can be neither read nor made: {_one_line(error)}.",
            "Allow visavis to write there, or remove the file if it is damaged: a new one is made.",
        ) from error


def _read(chain: bytes, key: bytes) -> SigningCertificate:
    private = serialization.load_pem_private_key(key, None)
    certificates = x509.load_pem_x509_certificates(chain)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    der = serialization.Encoding.DER
    if private.public_key().public_bytes(der, form) != certificates[0].public_key().public_bytes(der, form):
        raise ValueError("the key belongs to another certificate")
    if isinstance(private, ec.EllipticCurvePrivateKey):
        algorithm = _CURVES.get(private.curve.name, "")
    elif isinstance(private, rsa.RSAPrivateKey):
        algorithm = "ps256"
    else:
        algorithm = "ed25519" if isinstance(private, ed25519.Ed25519PrivateKey) else ""
    if not algorithm:
        raise ValueError("C2PA has no such kind of key")
    pem = serialization.Encoding.PEM
    plain = private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return SigningCertificate(algorithm, b"".join(found.public_bytes(pem) for found in certificates), plain)


def _made() -> bytes:
    """Key, certificate and the certificate that it is signed with, whose own key nobody keeps: PEM."""
    now = datetime.datetime.now(datetime.UTC)
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root_name, name = (_name(f"visavis, this installation{what}") for what in (" (root)", ""))
    root_id = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())

    def begun(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(root_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))  # clocks differ
            .not_valid_after(now + datetime.timedelta(days=365 * _YEARS))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_id), critical=False)
        )

    root = (
        begun(root_name, root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(root_key, hashes.SHA256())
    )
    certificate = (
        begun(name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION, _CLAIM_SIGNING]), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return secret + certificate.public_bytes(pem) + root.public_bytes(pem)


def _name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "visavis"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _write_once(path: Path, content: bytes) -> None:
    """Written whole, for this user alone; where another process was quicker, its file stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # readable by its owner only
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            return
        except OSError:  # some file systems have no links
            os.replace(name, path)
            return
    finally:
        Path(name).unlink(missing_ok=True)


def _one_line(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:200].rstrip(".")
