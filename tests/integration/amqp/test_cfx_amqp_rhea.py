"""The listener against machines made with rhea, an AMQP 1.0 library that is not ours and not proton."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from gateway.core.frame import Notice, NoticeKind
from gateway.core.observation import CfxMessage
from gateway.transport.users import hash_password
from tests.integration.amqp.peers import Item, Rhea, envelope, listening, take, until
from tests.servers.certificates import Certificates

pytestmark = pytest.mark.node
HASH = hash_password("right")


def events(told: list[dict[str, Any]]) -> list[str]:
    return [line["event"] for line in told]


async def test_plain_and_gzip_envelopes(rhea: Rhea) -> None:
    adapter = listening()
    messages = [rhea.message(envelope(number), pack=number % 2 == 1, subject=f"s{number}") for number in range(20)]
    async with adapter.connect() as items:
        process = await rhea.start(adapter.port or 0, messages)
        deliveries = await take(items, 20)
        for delivery in deliveries:
            delivery.ack()
        told = await rhea.told(process)
    assert events(told) == ["open"] + ["accepted"] * 20 + ["closed"]
    assert [delivery.frame.meta["subject"] for delivery in deliveries] == [f"s{number}" for number in range(20)]
    assert deliveries[1].frame.meta["content_encoding"] == "gzip"
    for number, delivery in enumerate(deliveries):
        (message,) = adapter.decode(delivery.frame)
        assert isinstance(message, CfxMessage)
        assert message.raw == envelope(number)


async def test_nothing_is_accepted_before_we_say_so(rhea: Rhea) -> None:
    adapter = listening()
    async with adapter.connect() as items:
        process = await rhea.start(adapter.port or 0, [rhea.message(envelope(1)), rhea.message(envelope(2))])
        first, second = await take(items, 2)
        second.ack()
        assert process.stdout is not None
        async with asyncio.timeout(20):
            assert b"open" in await process.stdout.readline()
            assert b"accepted" in await process.stdout.readline()
        first.ack()
        assert events(await rhea.told(process)) == ["accepted", "closed"]


async def test_a_string_body(rhea: Rhea) -> None:
    adapter = listening()
    async with adapter.connect() as items:
        process = await rhea.start(adapter.port or 0, [rhea.message(envelope(), as_value=True)])
        (delivery,) = await take(items, 1)
        assert delivery.frame.payload == envelope()
        delivery.ack()
        assert "accepted" in events(await rhea.told(process))


async def test_without_a_sasl_layer(rhea: Rhea) -> None:
    adapter = listening()
    async with adapter.connect() as items:
        process = await rhea.start(adapter.port or 0, [rhea.message(envelope())], skip_sasl=True)
        (delivery,) = await take(items, 1)
        delivery.ack()
        assert "accepted" in events(await rhea.told(process))


@pytest.fixture
def users(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "cfx-users").write_text(f"m1:{HASH}:A.B.C\n")
    return {"auth": {"users": f"file:{tmp_path / 'cfx-users'}"}}


@pytest.mark.parametrize("encrypted", [False, True], ids=["clear", "tls"])
async def test_plain_right_wrong_and_none(
    rhea: Rhea, users: dict[str, Any], pki: Certificates, encrypted: bool
) -> None:
    server = {"cert": str(pki.server.cert), "key": str(pki.server.key)}
    tls: dict[str, Any] = {"ca": str(pki.ca)} if encrypted else {}
    adapter = listening(**users, **({"tls": server} if encrypted else {}))
    message = [rhea.message(envelope())]
    async with adapter.connect() as items:
        port = adapter.port or 0
        process = await rhea.start(port, message, user="m1", password="right", **tls)
        (delivery,) = await take(items, 1)
        assert (delivery.principal, delivery.handles) == ("m1", frozenset({"A.B.C"}))
        delivery.ack()
        assert events(await rhea.told(process)) == ["open", "accepted", "closed"]
        refused: list[dict[str, Any]] = [
            {"user": "m1", "password": "wrong"},
            {"user": "m9", "password": "right"},
            {},
            {"skip_sasl": True},
        ]
        for credentials in refused:
            told = await rhea.told(await rhea.start(port, message, **credentials, **tls))
            assert not {"open", "accepted"} & set(events(told))
            assert "error" in events(told) or "user" not in credentials
        await until(lambda: adapter.refused.total() == 4)
        assert adapter.refused["not authenticated"] == 2


async def test_a_client_certificate(rhea: Rhea, pki: Certificates) -> None:
    server = {"cert": str(pki.server.cert), "key": str(pki.server.key), "client_ca": str(pki.ca)}
    adapter = listening(tls=server)
    async with adapter.connect() as items:
        process = await rhea.start(
            adapter.port or 0,
            [rhea.message(envelope())],
            ca=str(pki.ca),
            cert=str(pki.client.cert),
            key=str(pki.client.key),
        )
        (delivery,) = await take(items, 1)
        assert delivery.principal == "client"
        delivery.ack()
        assert "accepted" in events(await rhea.told(process))


async def test_a_question_is_answered_on_the_link_it_names(rhea: Rhea) -> None:
    """AreYouThere as the SDK asks it: receiver first, target `{handle}-{guid}`, then the question with that reply-to."""
    adapter = listening()
    reply_to = "A.B.C-6c1d1bb2"
    question = rhea.message(
        envelope(name="CFX.AreYouThereRequest"),
        pack=True,
        message_id="command-request",
        reply_to=reply_to,
        correlation_id="REQUEST-77",
        application_properties={"offset": 1},
    )
    async with adapter.connect() as items:
        process = await rhea.start(adapter.port or 0, [question], reply=reply_to, address="Lineside.Gateway.pc")
        (delivery,) = await take(items, 1)
        assert delivery.reply is not None
        answer = envelope(name="CFX.AreYouThereResponse")
        delivery.ack()
        delivery.reply(answer)
        told = await rhea.told(process)
    (message,) = [line for line in told if line["event"] == "message"]
    assert base64.b64decode(message["body"]) == answer
    assert message["typecode"] == 0x75
    assert message["correlation_id"] == "REQUEST-77"
    assert message["to"] == reply_to
    assert "content_encoding" not in message


async def test_two_machines_on_one_port(rhea: Rhea) -> None:
    adapter = listening()
    seen: list[Item] = []

    async def read(items: Any) -> None:
        async for item in items:
            seen.append(item)
            if not isinstance(item, Notice):
                item.ack()

    async with adapter.connect() as items:
        reading = asyncio.create_task(read(items), name="read")
        names = ("M1", "M2")
        processes = [
            await rhea.start(
                adapter.port or 0,
                [rhea.message(envelope(number, source=name)) for number in range(50)],
                container=name,
                address=f"from-{name}",
            )
            for name in names
        ]
        for process in processes:
            assert events(await rhea.told(process)).count("accepted") == 50
        down = {NoticeKind.PEER_DOWN}
        await until(lambda: sum(isinstance(item, Notice) and item.kind in down for item in seen) == 2)
        reading.cancel()
    for name in names:
        channel = f"from-{name}"
        frames = [item.frame for item in seen if not isinstance(item, Notice) and item.frame.channel == channel]
        assert [frame.payload for frame in frames] == [envelope(number, source=name) for number in range(50)]


async def test_a_machine_that_is_killed(rhea: Rhea) -> None:
    adapter = listening()
    async with adapter.connect() as items:
        process = await rhea.start(adapter.port or 0, [rhea.message(envelope(1)), rhea.message(envelope(2))])
        await take(items, 2)
        process.kill()
        await process.wait()
        async with asyncio.timeout(20):
            item = await anext(items)
        assert isinstance(item, Notice)
        assert item.kind is NoticeKind.PEER_DOWN
        again = await rhea.start(adapter.port or 0, [rhea.message(envelope(1))])
        (delivery,) = await take(items, 1)
        delivery.ack()
        assert "accepted" in events(await rhea.told(again))
