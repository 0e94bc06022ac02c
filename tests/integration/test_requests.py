"""Questions that machines ask on the listener of a gateway process, and what the journal then has of them."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.cfx import catalogue
from gateway.cfx.check import check
from gateway.transport.amqp import Connection
from gateway.transport.amqp_client import Endpoint, connect
from gateway.transport.amqp_engine import Options
from gateway.transport.amqp_links import Received
from gateway.transport.amqp_message import AmqpMessage
from gateway.transport.amqp_sender import Outcome, Sender
from gateway.transport.tls import client_context
from gateway.transport.users import hash_password
from tests.daemon import Daemon, config
from tests.integration.amqp.peers import Rhea, install_rhea
from tests.servers import free_port
from tests.servers.certificates import Certificates

US = "Lineside.Gateway.test-pc"
MACHINE = "Nordwerk.PlaceOne.7001"
ENVELOPE = ["MessageName", "Version", "TimeStamp", "UniqueID", "Source", "Target", "RequestID", "MessageBody"]
OWN = {
    "CFX.AreYouThereRequest": "CFX.AreYouThereResponse",
    "CFX.WhoIsThereRequest": "CFX.WhoIsThereResponse",
    "CFX.GetEndpointInformationRequest": "CFX.GetEndpointInformationResponse",
}
OTHER = "CFX.InformationSystem.UnitValidation.ValidateUnitsRequest"


def question(name: str, number: int, source: str = MACHINE, **body: Any) -> bytes:
    """As the SDK writes it."""
    envelope = dict.fromkeys(ENVELOPE) | {
        "MessageName": name,
        "Version": "2.1",
        "TimeStamp": "2026-11-20T13:44:33.943216+01:00",
        "UniqueID": f"0e223e33-230e-4bf4-859d-{number:012d}",
        "Source": source,
        "Target": US,
        "RequestID": f"REQUEST-{number}",
        "MessageBody": {"$type": f"{name}, CFX", **body},
    }
    return json.dumps(envelope, separators=(",", ":")).encode()


class Machine:
    """A machine that asks: sends on one link, and hears answers on one that the reply-to names."""

    reply_to = f"{MACHINE}-6c1d1bb2"

    def __init__(self) -> None:
        self.sender: Sender | None = None
        self._heard: asyncio.Queue[AmqpMessage] = asyncio.Queue()

    def opened(self, connection: Connection) -> None:
        return None

    def received(self, connection: Connection, message: Received) -> None:
        assert message.message is not None
        self._heard.put_nowait(message.message)
        message.accept()

    def closed(self, connection: Connection) -> None:
        return None

    async def send(self, envelope: bytes) -> None:
        """Returns when the gateway has taken it, that is when it is stored."""
        assert self.sender is not None
        number = json.loads(envelope)["RequestID"]
        message = AmqpMessage(
            body=envelope, message_id="command-request", reply_to=self.reply_to, correlation_id=number
        )
        assert (await self.sender.post(message)).outcome is Outcome.ACCEPTED

    async def answer(self) -> AmqpMessage:
        """The next answer."""
        async with asyncio.timeout(20):
            return await self._heard.get()

    async def ask(self, envelope: bytes) -> dict[str, Any]:
        """The answer's envelope, which must be as a strict peer wants it and belong to the question."""
        await self.send(envelope)
        message = await self.answer()
        asked, answer = json.loads(envelope), json.loads(message.body)
        assert list(answer) == ENVELOPE
        assert answer["RequestID"] == message.correlation_id == asked["RequestID"]
        assert (answer["Source"], answer["Target"]) == (US, asked["Source"])
        assert message.to == self.reply_to
        assert message.content_encoding is None
        check(answer["MessageName"], answer["MessageBody"])
        return dict(answer)

    @property
    def idle(self) -> bool:
        return self._heard.empty()


@asynccontextmanager
async def machine(
    port: int, *, user: str | None = None, password: str | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Machine]:
    made = Machine()
    peer = Endpoint(host="127.0.0.1", port=port, user=user, password=password)
    async with connect(peer, Options(container_id=MACHINE), made, tls=tls) as client:
        await client.receiver(made.reply_to, durable=False)
        made.sender = await client.sender(US)
        yield made


Start = Callable[..., tuple[Daemon, int]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A gateway that listens, with one station; more lines for its connection as argument."""
    daemons: list[Daemon] = []

    def started(*lines: str, host: str = "127.0.0.1") -> tuple[Daemon, int]:
        port = free_port()
        connection = ["[[connection]]", 'name = "p2p"', 'protocol = "cfx-amqp"', f'listen = "{host}:{port}"', *lines]
        station = f'[[line.station]]\nname = "pnp1"\nsource = {{ connection = "p2p", handle = "{MACHINE}" }}'
        daemon = Daemon(config(tmp_path, connections="\n".join(connection), stations=station))
        daemons.append(daemon)
        daemon.start()
        return daemon, port

    yield started
    for daemon in daemons:
        daemon.close()


def told(daemon: Daemon) -> list[dict[str, Any]]:
    """What was asked and answered, in the order of the journal."""
    return list(daemon.events("origin=native&origin=derived"))


def names(daemon: Daemon) -> list[str]:
    return [event["message"] for event in told(daemon)]


@pytest.mark.parametrize("name", OWN)
async def test_question_and_answer_are_both_in_the_journal(start: Start, name: str) -> None:
    daemon, port = start()
    asked = question(name, 1)
    async with machine(port) as peer:
        answer = await peer.ask(asked)
        # At once: what is answered has been committed before.
        first, second = told(daemon)
    assert answer["MessageName"] == OWN[name]
    assert (first["message"], first["origin"], first["handle"]) == (name, "native", MACHINE)
    assert (first["cfx"]["request_id"], first["cfx"]["target"]) == ("REQUEST-1", US)
    assert (second["message"], second["origin"], second["id"]) == (OWN[name], "derived", answer["UniqueID"])
    assert (second["handle"], second["cfx"]) == (None, None)
    assert {event["station"] for event in (first, second)} == {"L1.pnp1"}
    assert first["seq"] < second["seq"]
    assert second["body"] == answer["MessageBody"]
    assert daemon.raw(f"/events/{first['id']}/raw") == asked
    assert json.loads(daemon.raw(f"/events/{second['id']}/raw")) == answer


async def test_what_we_say_about_ourselves(start: Start) -> None:
    _, port = start()
    where = {"CFXHandle": US, "RequestNetworkUri": f"amqp://127.0.0.1:{port}", "RequestTargetAddress": US}
    async with machine(port) as peer:
        there = (await peer.ask(question("CFX.AreYouThereRequest", 1, CFXHandle=US)))["MessageBody"]
        who = (await peer.ask(question("CFX.WhoIsThereRequest", 2, SupportedTopicQueryType="Ignore")))["MessageBody"]
        told = (await peer.ask(question("CFX.GetEndpointInformationRequest", 3, CFXHandle=US)))["MessageBody"]
    for body in (there, who):
        assert body["Result"]["Result"] == "Success"
        assert {key: body[key] for key in where} == where
    information = told["EndpointInformation"]
    assert {key: information[key] for key in where} == where
    assert information["CFXVersion"] == "2.1"
    messages = {message for topic in information["SupportedTopics"] for message in topic["SupportedMessages"]}
    assert messages == set(catalogue.messages())


async def test_who_asks_for_somebody_else_hears_that_it_is_us(start: Start) -> None:
    _, port = start()
    async with machine(port) as peer:
        for number, name in enumerate(("CFX.AreYouThereRequest", "CFX.GetEndpointInformationRequest")):
            answer = await peer.ask(question(name, number, CFXHandle="Somebody.Else.1"))
            assert answer["MessageBody"]["Result"]["Result"] == "Failed"
            assert US in answer["MessageBody"]["Result"]["Message"]


async def test_who_is_there_is_answered_by_who_fits(start: Start) -> None:
    daemon, port = start()

    def asking(number: int, kind: str, *topics: str) -> bytes:
        wanted = [{"TopicName": topic, "TopicSupportType": "Consumer", "SupportedMessages": []} for topic in topics]
        return question("CFX.WhoIsThereRequest", number, SupportedTopicQueryType=kind, SupportedTopics=wanted)

    async with machine(port) as peer:
        await peer.ask(asking(1, "All", "CFX", "CFX.Production"))
        await peer.ask(asking(2, "Any", "Own.Topic", "CFX.Production"))
        await peer.send(asking(3, "All", "Own.Topic", "CFX.Production"))
        await peer.send(asking(4, "Any", "Own.Topic"))
        await peer.ask(asking(5, "Ignore"))  # the next answer belongs to this one
        assert peer.idle
    assert names(daemon).count("CFX.WhoIsThereRequest") == 5
    assert names(daemon).count("CFX.WhoIsThereResponse") == 3


async def test_another_request_is_not_supported(start: Start) -> None:
    daemon, port = start()
    async with machine(port) as peer:
        answer = await peer.ask(question(OTHER, 1))
    assert answer["MessageName"] == "CFX.NotSupportedResponse"
    assert answer["MessageBody"]["RequestResult"]["Result"] == "Failed"
    assert names(daemon) == [OTHER, "CFX.NotSupportedResponse"]


async def test_another_request_gets_no_answer_where_that_is_declared(start: Start) -> None:
    daemon, port = start('unanswered = "no-answer"')
    async with machine(port) as peer:
        await peer.send(question(OTHER, 1))
        await peer.ask(question("CFX.AreYouThereRequest", 2))  # the next answer belongs to this one
        assert peer.idle
    assert names(daemon) == [OTHER, "CFX.AreYouThereRequest", "CFX.AreYouThereResponse"]


async def test_only_questions_are_answered(start: Start) -> None:
    """Not events, not answers, nor what CFX does not have."""
    daemon, port = start()
    others = ["CFX.Heartbeat", "CFX.AreYouThereResponse", "Nordwerk.Own.Request"]
    async with machine(port) as peer:
        for number, name in enumerate(others):
            await peer.send(question(name, number))
        await peer.ask(question("CFX.AreYouThereRequest", 9))
        assert peer.idle
    assert names(daemon) == [*others, "CFX.AreYouThereRequest", "CFX.AreYouThereResponse"]


async def test_a_question_asked_again_is_answered_again_and_stored_once(start: Start) -> None:
    """A machine that did not hear the answer repeats itself."""
    daemon, port = start()
    asked = question("CFX.AreYouThereRequest", 1)
    async with machine(port) as peer:
        first, second = await peer.ask(asked), await peer.ask(asked)
    assert first["UniqueID"] != second["UniqueID"]
    assert names(daemon) == ["CFX.AreYouThereRequest", "CFX.AreYouThereResponse", "CFX.AreYouThereResponse"]
    assert daemon.metric("lineside_duplicates_total") == 1


async def test_two_questions_in_one_message(start: Start) -> None:
    """The SDK may send several envelopes as an array; the correlation-id of the message is then the first one's."""
    daemon, port = start()
    asked = [question("CFX.AreYouThereRequest", number) for number in (1, 2)]
    async with machine(port) as peer:
        assert peer.sender is not None
        await peer.sender.send(AmqpMessage(body=b"[" + b",".join(asked) + b"]", reply_to=peer.reply_to))
        answers = [json.loads((await peer.answer()).body)["RequestID"] for _ in asked]
    assert answers == ["REQUEST-1", "REQUEST-2"]
    assert names(daemon).count("CFX.AreYouThereResponse") == 2


async def test_a_machine_that_no_station_claims_is_answered(start: Start) -> None:
    daemon, port = start()
    async with machine(port) as peer:
        await peer.ask(question("CFX.AreYouThereRequest", 1, "Unknown.1"))
    assert {event["station"] for event in told(daemon)} == {"unassigned.Unknown%2E1"}


async def test_who_speaks_for_somebody_else_gets_no_answer(start: Start, tmp_path: Path) -> None:
    (tmp_path / "users").write_text(f"m1:{hash_password('right')}:{MACHINE}\n")
    daemon, port = start('auth = { users = "file:users" }')
    false = question("CFX.AreYouThereRequest", 1, "Nordwerk.Eye.3")
    nobody = question("CFX.AreYouThereRequest", 2).replace(f'"Source":"{MACHINE}"'.encode(), b'"Source":null')
    async with machine(port, user="m1", password="right") as peer:
        await peer.send(false)
        await peer.send(nobody)
        await peer.ask(question("CFX.AreYouThereRequest", 3))  # the next answer belongs to this one
        assert peer.idle
    question_, answer = told(daemon)
    assert question_["cfx"]["request_id"] == "REQUEST-3"
    assert answer["message"] == "CFX.AreYouThereResponse"
    entries = daemon.get("/quarantine")["quarantine"]
    assert [entry["reason"] for entry in entries] == ["source-mismatch"] * 2
    assert [daemon.raw(f"/quarantine/{entry['id']}/raw") for entry in entries] == [false, nobody]
    assert "'m1'" in entries[0]["detail"]
    assert "'Nordwerk.Eye.3'" in entries[0]["detail"]


async def test_the_address_that_we_name_can_be_reached(start: Start) -> None:
    """A gateway that listens on every address names its host, for nobody can connect to 0.0.0.0."""
    _, port = start("allow_anonymous = true", host="0.0.0.0")
    async with machine(port) as peer:
        answer = await peer.ask(question("CFX.AreYouThereRequest", 1))
    assert answer["MessageBody"]["RequestNetworkUri"] == f"amqp://{socket.gethostname()}:{port}"


async def test_over_tls(start: Start, certificates: Certificates) -> None:
    _, port = start(f'tls = {{ cert = "{certificates.server.cert}", key = "{certificates.server.key}" }}')
    async with machine(port, tls=client_context(ca=certificates.ca)) as peer:
        answer = await peer.ask(question("CFX.AreYouThereRequest", 1))
    assert answer["MessageBody"]["RequestNetworkUri"] == f"amqps://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def rhea(request: pytest.FixtureRequest) -> Rhea:
    return install_rhea(Path(request.config.cache.mkdir("rhea")))


@pytest.mark.node
async def test_a_machine_that_is_not_ours_asks_as_the_sdk_does(start: Start, rhea: Rhea) -> None:
    """A connection per question, the receiver first, the question compressed."""
    daemon, port = start()
    for number, (name, expected) in enumerate(OWN.items()):
        reply_to = f"{MACHINE}-{number}"
        message = rhea.message(
            question(name, number),
            pack=True,
            message_id="command-request",
            reply_to=reply_to,
            correlation_id=f"REQUEST-{number}",
        )
        seen = await rhea.told(await rhea.start(port, [message], reply=reply_to, address=US, container=MACHINE))
        (heard,) = [line for line in seen if line["event"] == "message"]
        answer = json.loads(base64.b64decode(heard["body"]))
        assert answer["MessageName"] == expected
        check(expected, answer["MessageBody"])
        assert (answer["Target"], answer["RequestID"]) == (MACHINE, f"REQUEST-{number}")
        assert (heard["to"], heard["correlation_id"]) == (reply_to, f"REQUEST-{number}")
    assert names(daemon) == [message for pair in OWN.items() for message in pair]
