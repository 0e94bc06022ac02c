"""Our own certificate and keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from gateway.core.errors import ConfigError
from gateway.transport import opcua_pki
from tests.unit.transport.test_opcua_trust import der, made


def test_our_own_is_made_once(tmp_path: Path) -> None:
    first = opcua_pki.own(tmp_path, None, None)
    before = first.certificate.read_bytes()
    assert opcua_pki.own(tmp_path, None, None) == first
    assert first.certificate.read_bytes() == before
    assert first.private_key.stat().st_mode & 0o777 == 0o600
    assert first.uri.startswith("urn:")
    certificate = opcua_pki.load(first.certificate)
    assert certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=3000)


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


def test_private_keys(tmp_path: Path) -> None:
    own = opcua_pki.own(tmp_path, None, None)
    certificate = opcua_pki.load(own.certificate)
    key = opcua_pki.private_key(own.private_key, certificate)
    binary = tmp_path / "key.der"
    binary.write_bytes(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    assert opcua_pki.private_key(binary, certificate).private_numbers() == key.private_numbers()
    with pytest.raises(ConfigError, match="cannot read"):
        opcua_pki.private_key(tmp_path / "none.pem", certificate)
    with pytest.raises(ConfigError, match="of another certificate"):
        opcua_pki.private_key(own.private_key, made("oven"))
    binary.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    with pytest.raises(ConfigError, match="is no private key without a passphrase"):
        opcua_pki.private_key(binary, certificate)
    curve = ec.generate_private_key(ec.SECP256R1())
    binary.write_bytes(curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(ConfigError, match="is no RSA key"):
        opcua_pki.private_key(binary, certificate)
