"""Our own certificates and keys for OPC UA (OPC 10000-6, 6.2.2)."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.core.errors import ConfigError

_YEARS = timedelta(days=3650)


class Own(NamedTuple):
    """Our certificate and private key, and the ApplicationUri that the certificate is for."""

    certificate: Path
    private_key: Path
    uri: str


def own(folder: Path, certificate: Path | None, private_key: Path | None) -> Own:
    """What the settings name; else the pair in `folder/own`, which is made when neither of them is there.

    Raises ConfigError naming the file that cannot be used.
    """
    if certificate is None or private_key is None:
        certificate, private_key = folder / "own" / "certificate.der", folder / "own" / "private-key.pem"
        if not certificate.exists() and not private_key.exists():
            _make(certificate, private_key)
    loaded = load(certificate)
    try:
        names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except x509.ExtensionNotFound:
        uris = []
    if not uris:
        raise ConfigError([f"{certificate} names no ApplicationUri; servers would refuse it"])
    if not private_key.exists():
        raise ConfigError([f"there is no {private_key}, the private key of {certificate}"])
    return Own(certificate, private_key, uris[0])


def load(path: Path) -> x509.Certificate:
    """PEM or DER. Raises ConfigError."""
    try:
        data = path.read_bytes()
        return x509.load_pem_x509_certificate(data) if b"-----BEGIN" in data else x509.load_der_x509_certificate(data)
    except OSError as error:
        raise ConfigError([f"cannot read {path}: {error.strerror}"]) from error
    except ValueError as error:
        raise ConfigError([f"{path} is no certificate"]) from error


def private_key(path: Path, certificate: x509.Certificate) -> rsa.RSAPrivateKey:
    """The RSA key of this certificate, from PEM or DER without a passphrase. Raises ConfigError."""
    try:
        data = path.read_bytes()
        pem = b"-----BEGIN" in data
        key = (serialization.load_pem_private_key if pem else serialization.load_der_private_key)(data, None)
    except OSError as error:
        raise ConfigError([f"cannot read {path}: {error.strerror}"]) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError([f"{path} is no private key without a passphrase"]) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigError([f"{path} is no RSA key, which the security policies want"])
    if key.public_key() != certificate.public_key():
        raise ConfigError([f"{path} is the private key of another certificate"])
    return key


def _make(certificate: Path, private_key: Path) -> None:
    host = socket.gethostname()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Lineside {host}"[:64])])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # the machine's clock may be behind
        .not_valid_after(now + _YEARS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=True,
                key_encipherment=True,
                data_encipherment=True,
                key_agreement=False,
                key_cert_sign=True,  # of itself: some servers want it of what is self-signed
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"urn:{host}:lineside"), x509.DNSName(host)]),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        certificate.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(private_key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
        certificate.write_bytes(made.public_bytes(serialization.Encoding.DER))
    except OSError as error:
        raise ConfigError([f"cannot make a certificate in {certificate.parent}: {error.strerror}"]) from error
