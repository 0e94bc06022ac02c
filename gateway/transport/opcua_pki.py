"""Certificates of OPC UA: our own, and those of servers that are trusted (OPC 10000-4, 6.1.3)."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.core.errors import ConfigError, NotConnected

_YEARS = timedelta(days=3650)
_NAMES = ("*.der", "*.crt", "*.cer", "*.pem")


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


def trust(folder: Path, der: bytes, server: str) -> None:
    """Whether a server's certificate is in `folder/trusted`, or was issued by an authority that is, and is in time.

    One that a person has put there counts whatever its dates say: machines rarely get new ones. Raises NotConnected for
    any other, of which a copy is kept in `folder/rejected`; its message says what to do.
    """
    trusted, rejected = folder / "trusted", folder / "rejected"
    try:
        shown = x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise NotConnected(f"{server} shows a certificate that cannot be read") from error
    now = datetime.now(UTC)
    in_time = shown.not_valid_before_utc <= now <= shown.not_valid_after_utc
    for known in _certificates(trusted):
        if known == shown or (in_time and _issued(shown, known)):
            return
    try:
        trusted.mkdir(parents=True, exist_ok=True)
        rejected.mkdir(parents=True, exist_ok=True)
        copy = rejected / f"{_name(shown)} [{shown.fingerprint(hashes.SHA1()).hex().upper()}].der"
        copy.write_bytes(der)
    except OSError as error:
        raise NotConnected(f"{server} is not trusted, and its certificate cannot be kept: {error}") from error
    raise NotConnected(f"{server} is not trusted; if that is it, move {copy} to {trusted}")


def _certificates(folder: Path) -> Iterator[x509.Certificate]:
    for pattern in _NAMES:
        for path in sorted(folder.glob(pattern)):
            try:
                yield load(path)
            except ConfigError:  # another file beside them vouches for nobody
                continue


def _issued(shown: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        if not authority.extensions.get_extension_for_class(x509.BasicConstraints).value.ca or shown == authority:
            return False
        shown.verify_directly_issued_by(authority)
    except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature):
        return False
    return True


def _name(certificate: x509.Certificate) -> str:
    """As a file may be called."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    text = str(found[0].value) if found else "server"
    return "".join(each if each.isalnum() or each in "-_." else "_" for each in text)[:80]


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
