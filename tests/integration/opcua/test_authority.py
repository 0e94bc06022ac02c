"""A server whose certificate is an authority's work, at node-opcua."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.core.errors import NotConnected
from gateway.transport import opcua_pki
from tests.contract.relay import relay
from tests.integration.opcua.node_peer import NodePeer, connect, node_peer

pytestmark = pytest.mark.node

_NOW = datetime.now(UTC)
_SERIAL = 4711
_SIGNED = {"security_policy": "aes256", "mode": "sign"}


class Authority:
    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Plant")])
        own = self._builder(self.name, self.key.public_key()).serial_number(1)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.certificate = own.sign(self.key, hashes.SHA256())

    def _builder(self, name: x509.Name, key: rsa.RSAPublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self.name).public_key(key)
        return builder.not_valid_before(_NOW - timedelta(days=1)).not_valid_after(_NOW + timedelta(days=1))

    def issue(self, key: rsa.RSAPrivateKey) -> x509.Certificate:
        """To the server at 127.0.0.1."""
        names: list[x509.GeneralName] = [
            x509.UniformResourceIdentifier("urn:oven"),
            x509.IPAddress(ip_address("127.0.0.1")),
        ]
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "oven")]), key.public_key())
        builder = builder.serial_number(_SERIAL).add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True).sign(
            self.key, hashes.SHA256()
        )

    def revoke(self, serial: int) -> bytes:
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(_NOW).build()
        made = x509.CertificateRevocationListBuilder().issuer_name(self.name).add_revoked_certificate(one)
        made = made.last_update(_NOW - timedelta(hours=1)).next_update(_NOW + timedelta(days=1))
        return made.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def plant_node(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodePeer]:
    folder = tmp_path_factory.mktemp("authority")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    (folder / "oven.pem").write_bytes(authority.issue(key).public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with node_peer(folder / "node", folder / "oven.pem", folder / "key.pem") as made:
        yield made


async def test_a_server_of_an_authority_that_is_trusted(
    authority: Authority, plant_node: NodePeer, tmp_path: Path
) -> None:
    pki = tmp_path / "pki"
    plant_node.ask("trust", str(opcua_pki.own(pki, None, None).certificate))
    with pytest.raises(NotConnected, match="is not trusted; if that is it, move"):
        await connect(plant_node.url, tmp_path, **_SIGNED)
    (pki / "trusted" / "certs" / "plant.der").write_bytes(authority.certificate.public_bytes(Encoding.DER))
    await connect(plant_node.url, tmp_path, **_SIGNED)
    with pytest.raises(
        NotConnected, match=r"another's certificate: it is for the host '127\.0\.0\.1', and `url` has localhost"
    ):
        await connect(plant_node.url.replace("127.0.0.1", "localhost"), tmp_path, **_SIGNED)
    async with relay(lambda: plant_node.port) as between:  # the port may be another's
        await connect(f"opc.tcp://127.0.0.1:{between.port}", tmp_path, **_SIGNED)
    crl = pki / "trusted" / "crl" / "plant.crl"
    crl.parent.mkdir()
    crl.write_bytes(authority.revoke(_SERIAL + 1))
    await connect(plant_node.url, tmp_path, **_SIGNED)
    crl.write_bytes(authority.revoke(_SERIAL))
    with pytest.raises(NotConnected, match=r"shows a certificate that is revoked by .*plant\.crl; it needs a new one"):
        await connect(plant_node.url, tmp_path, **_SIGNED)
