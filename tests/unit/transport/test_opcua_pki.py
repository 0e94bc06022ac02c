"""Our own certificate, and which servers are trusted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.core.errors import ConfigError, NotConnected
from gateway.transport import opcua_pki

_NOW = datetime.now(UTC)
_KEYS = {"authority": ec.generate_private_key(ec.SECP256R1()), "oven": ec.generate_private_key(ec.SECP256R1())}


def made(name: str, issuer: str | None = None, *, days: int = 1, authority: bool = False) -> x509.Certificate:
    """Valid from two days ago for `days` from now."""
    signer = issuer or name
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, signer)]))
        .public_key(_KEYS[name].public_key())
        .serial_number(5)
        .not_valid_before(_NOW - timedelta(days=2))
        .not_valid_after(_NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(_KEYS[signer], hashes.SHA256())
    )


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def test_a_server_is_refused_until_its_certificate_is_moved(tmp_path: Path) -> None:
    shown = der(made("oven"))
    for _ in range(2):
        with pytest.raises(NotConnected, match="is not trusted; if that is it, move") as caught:
            opcua_pki.trust(tmp_path, shown, "the oven")
    (kept,) = (tmp_path / "rejected").iterdir()
    assert str(kept) in str(caught.value)
    assert kept.read_bytes() == shown
    kept.rename(tmp_path / "trusted" / kept.name)
    (tmp_path / "trusted" / "readme.pem").write_text("not a certificate")
    opcua_pki.trust(tmp_path, shown, "the oven")
    with pytest.raises(NotConnected, match="is not trusted"):
        opcua_pki.trust(tmp_path, der(made("oven", days=2)), "the oven")


def test_what_a_person_has_put_there_counts_whatever_its_dates(tmp_path: Path) -> None:
    old = made("oven", days=-1)
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted" / "oven.pem").write_bytes(old.public_bytes(Encoding.PEM))
    opcua_pki.trust(tmp_path, der(old), "the oven")


def test_what_an_authority_has_issued(tmp_path: Path) -> None:
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted" / "plant.crt").write_bytes(der(made("authority", authority=True)))
    opcua_pki.trust(tmp_path, der(made("oven", "authority")), "the oven")
    for other in (made("oven"), made("oven", "authority", days=-1)):
        with pytest.raises(NotConnected, match="is not trusted"):
            opcua_pki.trust(tmp_path, der(other), "the oven")


def test_a_server_that_is_trusted_vouches_for_no_other(tmp_path: Path) -> None:
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted" / "plant.crt").write_bytes(der(made("authority")))
    with pytest.raises(NotConnected, match="is not trusted"):
        opcua_pki.trust(tmp_path, der(made("oven", "authority")), "the oven")


def test_rubbish_is_not_trusted(tmp_path: Path) -> None:
    with pytest.raises(NotConnected, match="cannot be read"):
        opcua_pki.trust(tmp_path, b"rubbish", "the oven")


def test_our_own_is_made_once(tmp_path: Path) -> None:
    first = opcua_pki.own(tmp_path, None, None)
    before = first.certificate.read_bytes()
    assert opcua_pki.own(tmp_path, None, None) == first
    assert first.certificate.read_bytes() == before
    assert first.private_key.stat().st_mode & 0o777 == 0o600
    assert first.uri.startswith("urn:")
    certificate = opcua_pki.load(first.certificate)
    assert certificate.not_valid_after_utc > _NOW + timedelta(days=3000)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        opcua_pki.own(tmp_path, tmp_path / "none.der", tmp_path / "none.pem")
    (tmp_path / "text.der").write_text("text")
    with pytest.raises(ConfigError, match="is no certificate"):
        opcua_pki.own(tmp_path, tmp_path / "text.der", tmp_path / "none.pem")
    (tmp_path / "oven.der").write_bytes(der(made("oven")))
    with pytest.raises(ConfigError, match="names no ApplicationUri"):
        opcua_pki.own(tmp_path, tmp_path / "oven.der", tmp_path / "none.pem")
    own = opcua_pki.own(tmp_path, None, None)
    own.private_key.unlink()
    with pytest.raises(ConfigError, match="the private key of"):
        opcua_pki.own(tmp_path, None, None)
