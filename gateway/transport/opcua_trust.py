"""Which servers are trusted, by the certificates and revocation lists in a folder (OPC 10000-4, 6.1.3).

The folder is laid out as OPC UA applications have it: `trusted/certs` (servers, and authorities whose servers are all
trusted), `trusted/crl`, `issuers/certs` (authorities that only stand between), `issuers/crl`, `rejected`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from gateway.core.errors import ConfigError, NotConnected
from gateway.transport.opcua_pki import load

_CERTIFICATES = ("*.der", "*.crt", "*.cer", "*.pem")
_LISTS = ("*.crl", "*.der", "*.pem")
_LONGEST = 8
"""Certificates from a server's up to the authority that is trusted."""
_MOST_REJECTED = 100


def certificates(chain: bytes) -> list[bytes]:
    """A server's certificate, and those of authorities that it sends behind it (OPC 10000-6, 6.2.6). DER says how long
    each is; what makes no sense is one."""
    found: list[bytes] = []
    while len(chain) > 4 and chain[0] == 0x30 and chain[1] == 0x82 and len(found) < _LONGEST:
        size = int.from_bytes(chain[2:4], "big") + 4
        found.append(chain[:size])
        chain = chain[size:]
    return found or [chain]


class Trusted(NamedTuple):
    """itself: a person has put this very certificate there, and no authority is asked."""

    certificate: x509.Certificate
    itself: bool


def trust(folder: Path, shown: Sequence[bytes], server: str) -> Trusted:
    """The first of `shown`, when it is in `trusted/certs`, or was issued by an authority that is, all of them in time.

    What lies there itself counts whatever its dates say, for machines rarely get new ones. One that is revoked is never
    trusted. Raises NotConnected; of a certificate that nobody vouches for a copy is kept in `rejected`, and the message
    says what to do.
    """
    try:
        first, *sent = [x509.load_der_x509_certificate(each) for each in shown]
    except ValueError as error:
        raise NotConnected(f"{server} shows a certificate that cannot be read") from error
    trusted = list(_certificates(folder / "trusted" / "certs"))
    authorities = [*trusted, *_certificates(folder / "issuers" / "certs"), *sent]
    lists = [*_lists(folder / "trusted" / "crl"), *_lists(folder / "issuers" / "crl")]
    if first in trusted:
        _stands([first], authorities, lists, server)
        return Trusted(first, itself=True)
    now = datetime.now(UTC)
    for path in _paths([first], authorities):
        if path[-1] in trusted and all(each.not_valid_before_utc <= now <= each.not_valid_after_utc for each in path):
            _stands(path, authorities, lists, server)
            return Trusted(first, itself=False)
    raise NotConnected(_rejected(folder, first, server))


def unfit(shown: x509.Certificate, host: str, uri: str | None) -> str | None:
    """In which way a certificate is another server's; None when it is for this host and this application.

    uri: the ApplicationUri that the server tells of itself.
    """
    try:
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "it names neither a host nor an application"
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if uri and uri not in uris:
        return f"it is for the application {_said(uris)}, and the server is {uri}"
    hosts = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    if _same(host) not in map(_same, hosts):
        return f"it is for the host {_said(hosts)}, and `url` has {host}"
    return None


def _same(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower().rstrip(".")


def _said(names: Sequence[str]) -> str:
    return ", ".join(repr(each) for each in names) or "nobody"


def _paths(path: list[x509.Certificate], authorities: Sequence[x509.Certificate]) -> Iterator[list[x509.Certificate]]:
    """From a certificate up to each authority that it comes from, the nearest first."""
    for each in authorities:
        if each not in path and _issued(path, each):
            longer = [*path, each]
            yield longer
            if len(longer) < _LONGEST:
                yield from _paths(longer, authorities)


def _issued(path: Sequence[x509.Certificate], authority: x509.Certificate) -> bool:
    """The last of `path`, by `authority`, which may issue one that has so many below it."""
    try:
        limits = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
        if not limits.ca or (limits.path_length is not None and limits.path_length < len(path) - 1):
            return False
        path[-1].verify_directly_issued_by(authority)
    except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _stands(
    path: Sequence[x509.Certificate],
    authorities: Sequence[x509.Certificate],
    lists: Sequence[tuple[Path, x509.CertificateRevocationList]],
    server: str,
) -> None:
    """Raises NotConnected when one of them is revoked. A list whose time is over still says what it has said."""
    for each in path:
        for file, revoked in lists:
            if (
                revoked.issuer != each.issuer
                or revoked.get_revoked_certificate_by_serial_number(each.serial_number) is None
            ):
                continue
            known = [authority for authority in authorities if authority.subject == each.issuer]
            if known and not any(_signed(revoked, authority) for authority in known):
                continue  # of another authority that goes by the same name
            what = "a certificate" if each is path[0] else "the certificate of an authority"
            raise NotConnected(f"{server} shows {what} that is revoked by {file}; it needs a new one")


def _signed(revoked: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    try:
        return revoked.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _certificates(folder: Path) -> Iterator[x509.Certificate]:
    for path in _files(folder, _CERTIFICATES):
        try:
            yield load(path)
        except ConfigError:  # another file beside them vouches for nobody
            continue


def _lists(folder: Path) -> Iterator[tuple[Path, x509.CertificateRevocationList]]:
    """Raises NotConnected for a file that is none: what it was to revoke, nobody knows."""
    for path in _files(folder, _LISTS):
        try:
            data = path.read_bytes()
            yield path, x509.load_pem_x509_crl(data) if b"-----BEGIN" in data else x509.load_der_x509_crl(data)
        except (OSError, ValueError) as error:
            raise NotConnected(f"{path} cannot be read as a revocation list; nobody is trusted until it is") from error


def _files(folder: Path, patterns: Sequence[str]) -> Iterator[Path]:
    for pattern in patterns:
        yield from sorted(folder.glob(pattern))


def _rejected(folder: Path, shown: x509.Certificate, server: str) -> str:
    trusted, rejected = folder / "trusted" / "certs", folder / "rejected"
    copy = rejected / f"{_name(shown)} [{shown.fingerprint(hashes.SHA1()).hex().upper()}].der"
    try:
        trusted.mkdir(parents=True, exist_ok=True)
        rejected.mkdir(parents=True, exist_ok=True)
        if not copy.exists() and len(list(rejected.iterdir())) >= _MOST_REJECTED:
            return f"{server} is not trusted, and {rejected} is full: no more certificates are kept there"
        copy.write_bytes(shown.public_bytes(serialization.Encoding.DER))
    except OSError as error:
        return f"{server} is not trusted, and its certificate cannot be kept: {error}"
    return f"{server} is not trusted; if that is it, move {copy} to {trusted}"


def _name(certificate: x509.Certificate) -> str:
    """As a file may be called."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    text = str(found[0].value) if found else "server"
    return "".join(each if each.isalnum() or each in "-_." else "_" for each in text)[:80]
