"""Which servers are trusted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.core.errors import NotConnected
from gateway.transport import opcua_trust

_NOW = datetime.now(UTC)
_KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("root", "plant", "line", "oven", "false")}


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def made(
    name: str,
    issuer: str | None = None,
    *,
    days: int = 1,
    authority: bool = False,
    below: int | None = None,
    serial: int = 5,
    names: x509.SubjectAlternativeName | None = None,
) -> x509.Certificate:
    """Valid from two days ago for `days` from now. below: how many authorities there may be below this one."""
    signer = issuer or name
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(signer))
        .public_key(_KEYS[name].public_key())
        .serial_number(serial)
        .not_valid_before(_NOW - timedelta(days=2))
        .not_valid_after(_NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=below), critical=True)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return builder.sign(_KEYS[signer], hashes.SHA256())


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def revoking(issuer: str, *serials: int, signer: str | None = None) -> x509.CertificateRevocationList:
    """A list whose next issue is overdue."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(_named(issuer))
        .last_update(_NOW - timedelta(days=2))
        .next_update(_NOW - timedelta(days=1))
    )
    for serial in serials:
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(_NOW - timedelta(days=2)).build()
        builder = builder.add_revoked_certificate(one)
    return builder.sign(_KEYS[signer or issuer], hashes.SHA256())


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path
        for part in ("trusted/certs", "trusted/crl", "issuers/certs", "issuers/crl"):
            (path / part).mkdir(parents=True)

    def put(self, part: str, *found: x509.Certificate | x509.CertificateRevocationList) -> None:
        for each in found:
            (self.path / part / f"{len(list((self.path / part).iterdir()))}.pem").write_bytes(
                each.public_bytes(Encoding.PEM)
            )

    def trust(self, *shown: x509.Certificate) -> bool:
        """Whether it is there itself. Raises NotConnected."""
        return opcua_trust.trust(self.path, [der(each) for each in shown], "the oven").itself

    def refuses(self, *shown: x509.Certificate, because: str = "is not trusted") -> None:
        with pytest.raises(NotConnected, match=because):
            self.trust(*shown)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_server_is_refused_until_its_certificate_is_moved(tmp_path: Path) -> None:
    shown = der(made("oven"))
    for _ in range(2):
        with pytest.raises(NotConnected, match="is not trusted; if that is it, move") as caught:
            opcua_trust.trust(tmp_path, [shown], "the oven")
    (kept,) = (tmp_path / "rejected").iterdir()
    assert str(kept) in str(caught.value)
    assert kept.read_bytes() == shown
    kept.rename(tmp_path / "trusted" / "certs" / kept.name)
    (tmp_path / "trusted" / "certs" / "readme.pem").write_text("not a certificate")
    assert opcua_trust.trust(tmp_path, [shown], "the oven").itself
    with pytest.raises(NotConnected, match="is not trusted"):
        opcua_trust.trust(tmp_path, [der(made("oven", days=2))], "the oven")


def test_no_more_are_kept_than_anyone_would_look_at(folder: Folder) -> None:
    shown = [made("oven") for _ in range(101)]  # each of another signature
    for each in (*shown[:100], shown[0]):
        folder.refuses(each, because="move")
    folder.refuses(shown[100], because="is full")
    assert len(list((folder.path / "rejected").iterdir())) == 100


def test_what_a_person_has_put_there_counts_whatever_its_dates(folder: Folder) -> None:
    old = made("oven", days=-1)
    folder.put("trusted/certs", old)
    assert folder.trust(old)


def test_what_an_authority_has_issued(folder: Folder) -> None:
    folder.put("trusted/certs", made("plant", authority=True))
    assert not folder.trust(made("oven", "plant"))
    for other in (made("oven"), made("oven", "plant", days=-1), made("oven", "root")):
        folder.refuses(other)


def test_an_authority_whose_time_is_over_vouches_for_nobody(folder: Folder) -> None:
    folder.put("trusted/certs", made("plant", authority=True, days=-1))
    folder.refuses(made("oven", "plant"))


def test_a_server_that_is_trusted_vouches_for_no_other(folder: Folder) -> None:
    folder.put("trusted/certs", made("plant"))
    folder.refuses(made("oven", "plant"))


def test_authorities_below_one_that_is_trusted(folder: Folder) -> None:
    root, plant, oven = made("root", authority=True), made("plant", "root", authority=True), made("oven", "plant")
    folder.put("trusted/certs", root)
    folder.refuses(oven)
    assert not folder.trust(oven, plant)  # sent by the server
    folder.put("issuers/certs", plant)
    assert not folder.trust(oven)


def test_an_issuer_alone_is_not_trusted(folder: Folder) -> None:
    folder.put("issuers/certs", made("root", authority=True), made("plant", "root", authority=True))
    folder.refuses(made("oven", "plant"))
    folder.put("trusted/certs", made("plant", "root", authority=True))  # itself, whatever is above it
    assert not folder.trust(made("oven", "plant"))


def test_more_authorities_than_one_may_have_below(folder: Folder) -> None:
    plant, line, oven = (
        made("plant", "root", authority=True),
        made("line", "plant", authority=True),
        made("oven", "line"),
    )
    folder.put("trusted/certs", made("root", authority=True, below=1))
    folder.refuses(oven, line, plant)
    folder.put("trusted/certs", made("root", authority=True, below=2))
    assert not folder.trust(oven, line, plant)


def test_a_certificate_that_is_revoked(folder: Folder) -> None:
    oven = made("oven", "plant", serial=7)
    folder.put("trusted/certs", made("plant", authority=True))
    folder.put("trusted/crl", revoking("plant", 6, 7))
    folder.refuses(oven, because=r"shows a certificate that is revoked by .*0\.pem; it needs a new one")
    assert not folder.trust(made("oven", "plant", serial=8))
    folder.put("trusted/certs", oven)  # not even then
    folder.refuses(oven, because="is revoked by")
    assert not (folder.path / "rejected").exists()


def test_an_authority_that_is_revoked(folder: Folder) -> None:
    folder.put("trusted/certs", made("root", authority=True))
    folder.put("issuers/certs", made("plant", "root", authority=True))
    assert not folder.trust(made("oven", "plant", serial=9))
    folder.put("issuers/crl", revoking("root", 5))
    folder.refuses(made("oven", "plant", serial=9), because="the certificate of an authority that is revoked")


def test_a_list_that_its_authority_has_not_signed_revokes_nothing(folder: Folder) -> None:
    folder.put("trusted/certs", made("plant", authority=True))
    folder.put("trusted/crl", revoking("plant", 7, signer="false"))
    assert not folder.trust(made("oven", "plant", serial=7))


def test_a_list_of_an_authority_that_nobody_knows(folder: Folder) -> None:
    oven = made("oven", "plant")
    folder.put("trusted/certs", oven)
    assert folder.trust(oven)
    folder.put("trusted/crl", revoking("plant", 5))
    folder.refuses(oven, because="is revoked by")


def test_a_list_that_cannot_be_read(folder: Folder) -> None:
    folder.put("trusted/certs", made("oven"))
    (folder.path / "trusted" / "crl" / "plant.crl").write_text("nothing")
    folder.refuses(made("oven"), because="cannot be read as a revocation list")


def test_rubbish_is_not_trusted(folder: Folder) -> None:
    with pytest.raises(NotConnected, match="cannot be read"):
        opcua_trust.trust(folder.path, opcua_trust.certificates(b"rubbish"), "the oven")


def test_a_chain_is_taken_apart(folder: Folder) -> None:
    names = x509.SubjectAlternativeName([x509.DNSName("x" * 200)])  # so long that DER gives its length in two bytes
    shown = [der(made("oven", names=names)), der(made("plant", authority=True, names=names))]
    assert opcua_trust.certificates(b"".join(shown)) == shown
    assert opcua_trust.certificates(b"") == [b""]


@pytest.mark.parametrize(
    ("host", "uri", "wrong"),
    [
        ("OVEN-3.plant.example", "urn:oven", None),
        ("10.0.0.31", "urn:oven", None),
        ("10.0.0.32", "urn:oven", "it is for the host 'oven-3.plant.example', '10.0.0.31', and `url` has 10.0.0.32"),
        ("10.0.0.31", None, None),
        ("10.0.0.31", "urn:other", "it is for the application 'urn:oven', and the server is urn:other"),
    ],
)
def test_names(host: str, uri: str | None, wrong: str | None) -> None:
    names = x509.SubjectAlternativeName(
        [
            x509.UniformResourceIdentifier("urn:oven"),
            x509.DNSName("oven-3.plant.example"),
            x509.IPAddress(ip_address("10.0.0.31")),
        ]
    )
    assert opcua_trust.unfit(made("oven", names=names), host, uri) == wrong
    assert opcua_trust.unfit(made("oven"), host, uri) == "it names neither a host nor an application"
