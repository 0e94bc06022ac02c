"""TLS contexts from files, against each other, and what is said of files that cannot be used."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.core.errors import ConfigError
from gateway.transport.tls import ClientTls, ServerTls, client_context, server_context
from tests.servers.certificates import Certificates


async def talk(server: ssl.SSLContext, client: ssl.SSLContext, name: str = "localhost") -> bytes:
    """What the client hears."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    listening = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=server)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
        try:
            return await reader.read()
        finally:
            writer.transport.abort()


async def test_verified_server(certificates: Certificates) -> None:
    server = ServerTls(cert=certificates.server.cert, key=certificates.server.key).context()
    assert await talk(server, ClientTls(ca=certificates.ca).context()) == b"hello"
    assert await talk(server, ClientTls(verify=False).context(), "whatever") == b"hello"
    with pytest.raises(ssl.SSLCertVerificationError, match=r"self.signed|unable to get"):
        await talk(server, ClientTls(ca=certificates.other_ca).context())
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get"):
        await talk(server, ClientTls().context())  # not known to the system
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        await talk(server, ClientTls(ca=certificates.ca).context(), "elsewhere")


async def test_client_certificate(certificates: Certificates) -> None:
    server = server_context(cert=certificates.server.cert, key=certificates.server.key, client_ca=certificates.ca)
    ours = client_context(ca=certificates.ca, cert=certificates.client.cert, key=certificates.client.key)
    assert await talk(server, ours) == b"hello"
    try:
        heard = await talk(server, client_context(ca=certificates.ca))
    except (ssl.SSLError, ConnectionError):
        heard = b""
    assert heard == b""  # in TLS 1.3 the client learns of it, or not, after its own handshake


async def test_nothing_older_than_tls_1_2(certificates: Certificates) -> None:
    old = client_context(ca=certificates.ca)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    server = server_context(cert=certificates.server.cert, key=certificates.server.key)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await talk(server, old)


def problem(model: type[ClientTls] | type[ServerTls], **settings: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        model.model_validate(settings).context()
    (only,) = caught.value.problems
    return only


def test_files_that_cannot_be_used(certificates: Certificates, tmp_path: Path) -> None:
    cert, key = certificates.client
    missing, junk = str(tmp_path / "missing.pem"), tmp_path / "junk.pem"
    junk.write_text("no PEM")
    assert missing in problem(ClientTls, ca=missing)
    assert "No such file" in problem(ClientTls, ca=missing)
    assert str(junk) in problem(ClientTls, ca=junk)
    assert missing in problem(ClientTls, cert=missing, key=str(key))
    assert missing in problem(ServerTls, cert=str(cert), key=missing)
    assert str(certificates.server.key) in problem(ClientTls, cert=str(cert), key=str(certificates.server.key))
    assert "key values mismatch" in problem(ClientTls, cert=str(cert), key=str(certificates.server.key))
    assert str(junk) in problem(ServerTls, cert=str(cert), key=str(key), client_ca=str(junk))
    secret = tmp_path / "secret.key"
    subprocess.run(["openssl", "ec", "-in", key, "-out", secret, "-aes128", "-passout", "pass:abcd"], check=True)
    assert f"{secret} has a passphrase" in problem(ClientTls, cert=str(cert), key=str(secret))


def test_settings_that_do_not_fit_together() -> None:
    with pytest.raises(ValidationError, match="belong together"):
        ClientTls(cert=Path("a.pem"))
    with pytest.raises(ValidationError, match="switches that off"):
        ClientTls(ca=Path("a.pem"), verify=False)
    with pytest.raises(ValidationError, match="client_ca"):
        ClientTls.model_validate({"client_ca": "a.pem"})
