"""Throw-away certificates, made with the `openssl` command: an authority, a server, a client, and a stranger."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.servers import require


class Pair(NamedTuple):
    """Certificate and private key, PEM."""

    cert: Path
    key: Path


class Certificates(NamedTuple):
    """server is for localhost and 127.0.0.1; client has the common name `client`; other_ca has signed nothing."""

    ca: Path
    server: Pair
    client: Pair
    other_ca: Path


_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def make_certificates(folder: Path) -> Certificates:
    """Needs `openssl`."""
    openssl = require("openssl", "openssl")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], cwd=folder, check=True, capture_output=True, timeout=30)

    def authority(name: str) -> Path:
        # fmt: off
        run("req", "-x509", *_CURVE, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2",
            "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        # fmt: on
        return folder / f"{name}.pem"

    def signed(name: str, extensions: str) -> Pair:
        (folder / f"{name}.ext").write_text(
            f"{extensions}\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n"
            "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        run("req", *_CURVE, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        # fmt: off
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext")
        # fmt: on
        return Pair(folder / f"{name}.pem", folder / f"{name}.key")

    return Certificates(
        ca=authority("ca"),
        server=signed("server", "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth"),
        client=signed("client", "extendedKeyUsage=clientAuth"),
        other_ca=authority("other"),
    )


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """One set for the whole session."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))
