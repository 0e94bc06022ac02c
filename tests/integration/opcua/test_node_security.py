"""Certificates, users and secure channels, at node-opcua."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from asyncua import ua
from asyncua.common.connection import SecureConnection

from adapters import opcua_session
from adapters.opcua_session import Session
from gateway.core.errors import ConfigError, NotConnected
from gateway.transport import opcua_pki
from tests.integration.opcua.node_peer import NodePeer, connect, listener, trusted
from tests.integration.opcua.test_adapter import values

pytestmark = pytest.mark.node

_SIGNED: dict[str, Any] = {"security_policy": "basic256sha256", "mode": "sign"}


async def test_security(node: NodePeer, tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    secured = {"security_policy": "basic256sha256", "user": "line", "password": "env:OVEN"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OVEN", "secret")
        with pytest.raises(NotConnected, match=r"is not trusted; if that is it, move .*rejected.* to .*trusted"):
            await connect(node.url, tmp_path, **secured)
        (rejected,) = (pki / "rejected").iterdir()
        rejected.rename(pki / "trusted" / "certs" / rejected.name)
        assert (pki / "own" / "private-key.pem").stat().st_mode & 0o777 == 0o600
        with pytest.raises(NotConnected):  # now it is the server that does not know us
            await connect(node.url, tmp_path, **secured)
        node.ask("trust", str(pki / "own" / "certificate.der"))
        for policy in ("basic256sha256", "aes128", "aes256"):
            for mode in ("sign", "sign-and-encrypt"):
                await connect(node.url, tmp_path, **{**secured, "security_policy": policy, "mode": mode})
        patch.setenv("OVEN", "wrong")
        with pytest.raises(NotConnected, match="BadUserAccessDenied"):
            await connect(node.url, tmp_path, **secured)
    assert node.ask("sessions") == {"sessions": 0, "subscriptions": 0}


@pytest.mark.parametrize("policy", ["none", "basic256sha256", "aes256"])
async def test_a_user_with_a_certificate(node: NodePeer, tmp_path: Path, policy: str) -> None:
    user = opcua_pki.own(tmp_path / "user", None, None)
    known = {
        "security_policy": policy,
        "user_certificate": str(user.certificate),
        "user_private_key": str(user.private_key),
    }
    if policy != "none":
        await trusted(node, node.url, tmp_path, **known)
    with pytest.raises(NotConnected, match=r"BadIdentityTokenRejected|BadUserAccessDenied|BadCertificateUntrusted"):
        await connect(node.url, tmp_path, **known)
    node.ask("know", str(user.certificate))
    await connect(node.url, tmp_path, **known)
    another = opcua_pki.own(tmp_path / "another", None, None)
    with pytest.raises(ConfigError, match="is the private key of another certificate"):
        await connect(node.url, tmp_path, **{**known, "user_private_key": str(another.private_key)})
    with pytest.raises(ConfigError, match="cannot read"):
        await connect(node.url, tmp_path, **{**known, "user_private_key": str(tmp_path / "none.pem")})


@pytest.mark.parametrize("policy", ["none", "basic256sha256", "aes256"])
async def test_the_secure_channel_is_renewed_under_way(
    node: NodePeer, tmp_path: Path, policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secured: dict[str, Any] = {"security_policy": policy}
    if policy != "none":
        await trusted(node, node.url, tmp_path, **secured)
    monkeypatch.setattr(opcua_session, "_CHANNEL_MS", 2_500)  # the server allows no shorter ones
    opened = SecureConnection.set_channel

    def yesterday(connection: SecureConnection, params: Any, *more: Any) -> None:
        """Of a machine whose clock is wrong."""
        params.SecurityToken.CreatedAt -= timedelta(days=1)
        opened(connection, params, *more)

    monkeypatch.setattr(SecureConnection, "set_channel", yesterday)
    renewals = []
    renew = Session.renew

    async def counted(session: Session) -> None:
        await renew(session)
        renewals.append(len(values(ear, "units.out")))

    monkeypatch.setattr(Session, "renew", counted)
    node.ask("write", "Count", [7])
    # With one publish request, for it is answered with the token that it was asked with, and that is soon over here.
    ear = listener(node.url, tmp_path, keepalive_s=1.0, publishes=1, **secured)
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: bool(values(ear, "units.out")))
        saying = asyncio.create_task(asyncio.to_thread(node.ask, "write", "Count", list(range(100, 170)), 75))
        await ear.hear(items, lambda: 169 in values(ear, "units.out"))
        await saying
    assert values(ear, "units.out") == [7, *range(100, 170)]
    assert not ear.notices
    assert len(renewals) >= 2
    assert renewals[0] < renewals[-1]


async def test_a_certificate_that_names_another_host_is_trusted_when_a_person_has_said_so(
    node: NodePeer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor is it where the server says that it is."""
    await trusted(node, node.url, tmp_path, **_SIGNED)
    ear = listener(node.url, tmp_path, **_SIGNED)
    offered = await Session(ear.adapter.settings).endpoints()
    assert {urlsplit(each.EndpointUrl).hostname for each in offered} == {"oven.invalid"}
    with caplog.at_level(logging.WARNING, "lineside"):
        for _ in range(2):
            async with ear.adapter.connect() as items:
                await ear.hear(items, lambda: bool(ear.deliveries))
    (told,) = [each.getMessage() for each in caplog.records if each.name == "lineside.opcua"]
    assert "is for the host" in told
    assert "127.0.0.1" in told


async def test_other_endpoints_in_the_session_than_before_it(
    node: NodePeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await trusted(node, node.url, tmp_path, **_SIGNED)
    offered = Session.endpoints

    def changed(change: Callable[[ua.EndpointDescription], None]) -> None:
        async def told(session: Session) -> list[ua.EndpointDescription]:
            found = await offered(session)
            for each in found:
                change(each)
            return found

        monkeypatch.setattr(Session, "endpoints", told)

    def elsewhere(endpoint: ua.EndpointDescription) -> None:
        endpoint.EndpointUrl = "opc.tcp://another.invalid:4840"

    def weaker(endpoint: ua.EndpointDescription) -> None:
        endpoint.SecurityLevel += 1

    def another(endpoint: ua.EndpointDescription) -> None:
        endpoint.Server.ApplicationUri = "urn:another"

    changed(elsewhere)
    await connect(node.url, tmp_path, **_SIGNED)
    changed(weaker)
    with pytest.raises(NotConnected, match="other endpoints in the session than before it"):
        await connect(node.url, tmp_path, **_SIGNED)
    changed(another)
    with pytest.raises(NotConnected, match=r"other ApplicationUri in the session than before it.*urn:another before"):
        await connect(node.url, tmp_path, **_SIGNED)
    assert node.ask("sessions") == {"sessions": 0, "subscriptions": 0}
