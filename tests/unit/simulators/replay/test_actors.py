"""Frames played by an actor come to a gateway's adapter as they were captured, also after sight was lost in between."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.registry import ADAPTERS, build
from gateway import resources
from gateway.config import profiles
from gateway.core.errors import NotConnected
from gateway.core.frame import POSITION, POSITION_OF, Delivery, Frame
from gateway.profile import hermes
from gateway.profile.bound import Machine
from gateway.transport.hermes import Message, encode
from simulators.broker import private_broker
from simulators.faces.hermes_talk import Board, moved
from simulators.replay.actor import Actor, Role, Seat, Stage
from simulators.replay.address import spelt
from simulators.replay.cast import actor
from simulators.replay.files import Mark
from tests.contract.rigs.text import Talk, profile

STATION, HANDLE = "L1.one", "Example.Machine.SN1"


class Part(msgspec.Struct):
    """What is played. settings: as captured, of addresses that nobody can reach any more."""

    protocol: str
    settings: dict[str, Any]
    frames: list[Frame]
    profile: str | None = None
    peer: str | None = None
    cut: bool = True


def frame(channel: str, payload: bytes, **meta: str | int) -> Frame:
    return Frame(connection="one", received=1_763_640_000_000_000, channel=channel, payload=payload, meta=meta)


def envelopes(channel: str, **meta: str | int) -> list[Frame]:
    return [frame(channel, b'{"MessageName":"CFX.Heartbeat","n":%d}' % number, **meta) for number in range(3)]


def board(number: int) -> Frame:
    content = moved("BoardArrived", "Loader", Board(board_id=f"board {number}", top="P1"), 1, 1)
    return frame(STATION, encode(Message("2026-11-20T12:44:33.943", content)))


def whole(name: str, *parts: bytes, revision: int = 0) -> Frame:
    """As it is read of a file and its parts."""
    text = b"".join(parts)
    read = text if parts[0].endswith(b"\n") else b"\n".join(parts)
    mark = {
        "size": len(text),
        "mtime": 1_763_640_000_123_456_789 + revision,
        "sha256": hashlib.sha256(text).hexdigest(),
    }
    position = msgspec.json.encode(mark | ({"revision": revision} if revision else {})).decode()
    meta: dict[str, str | int] = {"sha256": str(mark["sha256"]), **({"revision": revision} if revision else {})}
    return frame(name, read, **{POSITION_OF: name, POSITION: f"{revision + 1} {position}"}, **meta)


PARTS = {
    "cfx-mqtt": Part("cfx-mqtt", {"host": "10.0.0.5", "topics": ["Example/#"]}, envelopes("Example/One/CFX")),
    "machines": Part(
        "cfx-amqp",
        {"listen": "0.0.0.0:5672", "allow_anonymous": True},
        envelopes("cfx", content_encoding="gzip", subject="s", message_id="m"),
        peer=HANDLE,
    ),
    "broker": Part(
        "cfx-amqp",
        {"host": "10.0.0.5", "vhost": "/", "addresses": ["/queue/one", "/queue/two"]},
        [*envelopes("/queue/one"), *envelopes("/queue/two", subject="s")],
    ),
    "serial-text": Part(
        "serial-text",
        {"port": "/dev/serial/by-id/usb-Example_Reader-if00", "baudrate": 115_200},
        [
            frame(STATION, b"\x02PNL1\x03"),
            frame(STATION, b"\x02PN", problem="cut-short"),
            frame(STATION, b"\x02NOREAD\x03"),
        ],
        "barcode_reader/example-serial",
    ),
    "tcp-text": Part(
        "tcp-text",
        {"host": "10.0.0.5", "port": 4001},
        [frame(STATION, b"\x02PNL1\x03"), frame(STATION, b"\x02PNL2\x03")],
        "barcode_reader/example-stx-etx",
    ),
    "tcp-text, calling": Part(
        "tcp-text",
        {"listen": "0.0.0.0:4001", "allow_anonymous": True, "most_frame_bytes": 64},
        [
            frame(STATION, b"\x02PNL1\x03"),
            frame(STATION, b"\x02" + b"P" * 63, problem="too-long"),
            frame(STATION, b"\x02P2\x03"),
        ],
        "barcode_reader/example-stx-etx",
    ),
    "hermes-vertical": Part("hermes-vertical", {"host": "10.0.0.5", "port": 50_100}, [board(1), board(2)]),
    "files": Part(
        "files",
        {
            "path": "/mnt/xray",
            "pattern": "*.xml",
            "settle_s": 0.02,
            "every_s": 0.05,
            "parts": ["{}.det"],
            "trigger": "{}.ok",
        },
        [
            whole("a.xml", b"<one>\n", b"</one>"),
            whole("b.xml", b"<two/>"),
            whole("a.xml", b"<one>", b"</one >", revision=1),
        ],
        "axi/example-xml",
        cut=False,
    ),
}


class Rig:
    """An actor, and the connection of a gateway that finds it. heard: frames as they came."""

    def __init__(self, part: Part, actor: Actor) -> None:
        self.part = part
        self.actor = actor
        self.heard: list[Frame] = []
        machine = [] if part.protocol.startswith("cfx") else [Machine(station=STATION, bound=_bound(part))]
        settings = {key: value for key, value in {**part.settings, **actor.addresses}.items() if value is not None}
        settings |= {"protocol": part.protocol, "name": "one"}
        self._adapter = build(
            ADAPTERS[part.protocol].settings.model_validate(settings), gateway="two", machines=machine
        )

    async def listen(self) -> None:
        """As the supervisor does: connect, again and again."""
        while True:
            try:
                async with self._adapter.connect() as items:
                    async for item in items:
                        if isinstance(item, Delivery):
                            self.heard.append(item.frame)
                            item.ack()
            except NotConnected:
                await asyncio.sleep(0.01)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.heard) < count:
                await asyncio.sleep(0.005)


def _bound(part: Part) -> Any:
    if part.profile is None:
        return hermes.bound("magazine_loader")
    return profiles.read(part.profile, (resources.config_dir() / resources.PROFILES,), Path.cwd())


@asynccontextmanager
async def rig(part: Part, folder: Path) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        at = None
        if part.protocol == "cfx-mqtt":
            broker = await stack.enter_async_context(private_broker(folder))
            at = spelt(broker.host, broker.port)
        stage = Stage(folder=folder, patience_s=5)
        bound = None if part.protocol.startswith("cfx") else _bound(part)
        seat = Seat(station=STATION, machine_class="generic", bound=bound, handles=(HANDLE,))
        role = Role(connection="one", protocol=part.protocol, settings=part.settings, seats=(seat,), at=at)
        async with actor(role, stage) as played:
            made = Rig(part, played)
            listening = asyncio.create_task(made.listen(), name="gateway")
            try:
                yield made
            finally:
                listening.cancel()
                await asyncio.wait({listening})


def told(found: Frame) -> tuple[Any, ...]:
    meta = dict(found.meta)
    if POSITION in meta:  # its number counts what this gateway has read
        meta[POSITION] = str(meta[POSITION]).partition(" ")[2]
    return found.channel, found.payload, found.redelivered, meta


@pytest.mark.parametrize("name", PARTS)
async def test_what_is_played_is_heard_as_it_was(name: str, tmp_path: Path) -> None:
    part = PARTS[name]
    async with rig(part, tmp_path) as made:
        async with asyncio.timeout(10):
            await made.actor.met()
            for each in part.frames:
                await made.actor.play(each, part.peer)
            await made.actor.done()
        await made.until(len(part.frames))
        assert [told(each) for each in made.heard] == [told(each) for each in part.frames]


@pytest.mark.parametrize("name", [name for name, part in PARTS.items() if part.cut and name != "cfx-mqtt"])
async def test_sight_is_lost_and_what_comes_next_is_heard(name: str, tmp_path: Path) -> None:
    part = PARTS[name]
    first, last = part.frames[0], part.frames[-1]
    async with rig(part, tmp_path) as made, asyncio.timeout(10):
        await made.actor.play(first, part.peer)
        await made.until(1)
        await made.actor.lose(STATION)
        await made.actor.play(last, part.peer)
        await made.until(2)
        assert [told(each) for each in made.heard] == [told(first), told(last)]


def grown(start: int, text: bytes, revision: int = 0) -> Frame:
    mark = {"mtime": 1_763_640_000_123_456_789 + revision, "offset": start + len(text), "revision": revision}
    return frame("day.txt", text, **{POSITION_OF: "day.txt", POSITION: f"1 {msgspec.json.encode(mark).decode()}"})


async def test_a_file_grows_as_it_did_and_what_was_in_it_before_takes_its_room(tmp_path: Path) -> None:
    machine = Talk(profile(tmp_path, "files", kind="lines")).machine
    settings = {"path": "/mnt/log", "pattern": "*.txt", "every_s": 0.02}
    pieces = [grown(1000, b"a\nb\n"), grown(1004, b"c\n"), grown(1100, b"d\n"), grown(0, b"e\n", revision=1)]
    role = Role(
        connection="one",
        protocol="files",
        settings=settings,
        seats=(Seat(station=machine.station, machine_class="electrical_test", bound=machine.bound),),
    )
    async with actor(role, Stage(folder=tmp_path)) as played, asyncio.timeout(10):
        found = {**settings, **played.addresses, "protocol": "files", "name": "one"}
        adapter = build(ADAPTERS["files"].settings.model_validate(found), gateway="two", machines=[machine])
        heard: list[Frame] = []
        async with adapter.connect() as items:
            for piece in pieces:
                await played.play(piece, None)
                while not heard or not heard[-1].payload.endswith(piece.payload):
                    item = await anext(aiter(items))
                    assert isinstance(item, Delivery)
                    heard.append(item.frame)
    told = [(each.payload.strip(), Mark.of(each)) for each in heard]
    assert [(text, mark.offset, mark.revision) for text, mark in told if mark is not None] == [
        (b"a\nb", 1004, 0),
        (b"c", 1006, 0),
        (b"d", 1102, 0),
        (b"e", 2, 1),
    ]
