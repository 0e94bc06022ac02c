"""Numbered load: envelopes that carry their sender's own number, senders that know what was taken, a reader that resumes.

What was acknowledged and what is in the journal are compared by these numbers alone; nothing of ours made them.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import subprocess
import threading
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from gateway.core.times import now
from simulators.faces.cfx_amqp import CfxAmqpFace
from simulators.outbox import Outbox, Outgoing
from tests.daemon import HANDLE, Daemon
from tests.servers import require
from tests.servers.mosquitto import HOST, Mosquitto

NAME = "CFX.Production.WorkStarted"


def numbered(
    number: int,
    *,
    handle: str | None = HANDLE,
    unique_id: str | None = "",
    filler: int = 0,
    body: Mapping[str, object] | None = None,
) -> str:
    """An envelope on one line, its number in `PrimaryIdentifier`.

    unique_id: a GUID of its own unless something else is given. filler: characters added to the body. body: fields
    added to it.
    """
    content = {"$type": f"{NAME}, CFX", "PrimaryIdentifier": f"load-{number:07d}", "TransactionID": _guid(number, 2)}
    if filler:
        content["Filler"] = "x" * filler
    return json.dumps(
        {
            "MessageName": NAME,
            "Version": "2.1",
            "TimeStamp": datetime.now(UTC).isoformat(),
            "UniqueID": _guid(number, 1) if unique_id == "" else unique_id,
            "Source": handle,
            "Target": None,
            "RequestID": None,
            "MessageBody": content | dict(body or {}),
        },
        separators=(",", ":"),
    )


def _guid(number: int, kind: int) -> str:
    return str(uuid.UUID(int=(kind << 96) | number | 1 << 64))


def number_of(event: dict[str, Any]) -> int:
    """The sender's number in an event of the API."""
    return int(event["body"]["PrimaryIdentifier"].removeprefix("load-"))


def stored(daemon: Daemon) -> Counter[int]:
    """How often each number is in the journal."""
    return Counter(number_of(event) for event in daemon.events())


def wait_stored(daemon: Daemon, count: int, *, timeout_s: float = 30.0) -> None:
    """Until so many different numbers are in the journal."""
    daemon.wait(lambda: len(stored(daemon)) >= count, timeout_s=timeout_s)


def check_once(found: Counter[int], wanted: Iterable[int]) -> None:
    """Fails with what is missing, double or invented."""
    expected = set(wanted)
    missing = sorted(expected - found.keys())
    double = {number: count for number, count in found.items() if count > 1}
    invented = sorted(found.keys() - expected)
    assert not missing, f"{len(missing)} of {len(expected)} acknowledged messages are lost, first {missing[:10]}"
    assert not double, f"{len(double)} messages are visible more than once: {list(double.items())[:10]}"
    assert not invented, f"{len(invented)} messages that nobody sent: {invented[:10]}"


class MqttLoad:
    """`mosquitto_pub`, fed line by line at a rate, for as long as the block runs and then to its end.

    It ends with status 0 only when the broker has acknowledged every line, so after the block `sent` numbers were
    acknowledged: from 0 on, without a hole. Lines of `filler` bytes and more.
    """

    def __init__(self, broker: Mosquitto, topic: str, *, per_second: int, first: int = 0, filler: int = 0) -> None:
        # fmt: off
        self._process = subprocess.Popen(
            [require("mosquitto_pub", "mosquitto-clients"), "-h", HOST, "-p", str(broker.port), "-V", "mqttv311",
             "-t", topic, "-q", "1", "-l"],
            stdin=subprocess.PIPE,
        )
        # fmt: on
        self._first = first
        self._filler = filler
        self._per_second = per_second
        self._stop = threading.Event()
        self.sent = first
        self._thread = threading.Thread(target=self._feed, name="mqtt load")

    def _feed(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError), pipe:
            while not self._stop.wait(0.01):
                for _ in range(max(1, self._per_second // 100)):
                    pipe.write(numbered(self.sent, filler=self._filler).encode() + b"\n")
                    self.sent += 1
                pipe.flush()

    @property
    def running(self) -> bool:
        return self._process.poll() is None and not self._stop.is_set()

    @property
    def numbers(self) -> range:
        return range(self._first, self.sent)

    def finish(self, *, timeout_s: float = 30.0) -> None:
        """No more lines; returns when the broker has acknowledged them all."""
        self._stop.set()
        self._thread.join()
        assert self._process.wait(timeout_s) == 0, "mosquitto_pub failed: not every message was acknowledged"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self._stop.is_set():
                self.finish()
        finally:
            self._stop.set()
            self._thread.join()
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()


class AmqpLoad:
    """A machine that keeps every message until the listener has accepted it, as the CFX SDK does point to point.

    sent: how many were made; taken: the numbers that were accepted, in order.
    """

    def __init__(self, *, filler: int = 0) -> None:
        self.outbox = Outbox()
        self.sent = 0
        self.taken: list[int] = []
        self._filler = filler

    async def put(self, count: int = 1) -> None:
        """Say `count` more messages."""
        for _ in range(count):
            text = numbered(self.sent, filler=self._filler)
            await self.outbox.put(Outgoing(HANDLE, NAME, _guid(self.sent, 1), now(), text.encode()))
            self.sent += 1

    async def put_raw(self, payload: bytes) -> None:
        """Say something that is no message; it counts nowhere."""
        await self.outbox.put(Outgoing(HANDLE, "", str(uuid.uuid4()), now(), payload))

    def _taken(self, outgoing: Outgoing) -> None:
        if outgoing.name:
            self.taken.append(
                int(json.loads(outgoing.payload)["MessageBody"]["PrimaryIdentifier"].removeprefix("load-"))
            )

    async def _pace(self, per_second: int) -> None:
        while True:
            await self.put(max(1, per_second // 100))
            await asyncio.sleep(0.01)  # this is the load's own pace; nothing waits for it

    @asynccontextmanager
    async def connected(self, port: int, *, per_second: int = 0, window: int = 50) -> AsyncIterator[None]:
        """Sends while the block runs; with a rate it also goes on talking."""
        face = CfxAmqpFace(handle=HANDLE, host=HOST, port=port, gzip=False, retry_s=0.05, window=window)
        tasks = [asyncio.create_task(face.run(self.outbox, self._taken), name="amqp load")]
        if per_second:
            tasks.append(asyncio.create_task(self._pace(per_second), name="amqp pace"))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def drained(self, *, timeout_s: float = 30.0) -> None:
        """Everything was accepted."""
        async with asyncio.timeout(timeout_s):
            await self.outbox.empty()


class Follower:
    """A subscriber of the live stream that comes back with the last id it saw, however often the gateway goes.

    seen: how often each number came. positions: the cursors' numbers, which may only grow. resumed: connections that
    began behind an id. gaps: what the stream said it could not give.
    """

    def __init__(self, daemon: Daemon) -> None:
        address = urlsplit(daemon.url)
        assert address.hostname is not None
        assert address.port is not None
        self._place = (address.hostname, address.port)
        self._stop = threading.Event()
        self._last: str | None = None
        self._socket: http.client.HTTPConnection | None = None
        self.seen: Counter[int] = Counter()
        self.positions: list[int] = []
        self.gaps: list[str] = []
        self.resumed = 0
        self.problem: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="follower")

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                with contextlib.suppress(OSError, http.client.HTTPException):
                    self._follow()
                self._stop.wait(0.02)
        except (ValueError, KeyError, AssertionError) as error:
            self.problem = error

    def _follow(self) -> None:
        connection = self._socket = http.client.HTTPConnection(*self._place, timeout=30)
        try:
            headers = {} if self._last is None else {"Last-Event-ID": self._last}
            connection.request("GET", "/api/v1/events/stream?origin=native&after=0", headers=headers)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            self.resumed += self._last is not None
            block: dict[str, str] = {}
            while line := answer.readline():
                if not line.endswith(b"\n"):
                    return  # cut in the middle of a line: this block never arrived
                text = line.decode().rstrip("\r\n")
                if text:
                    field, _, value = text.partition(":")
                    block[field] = value.removeprefix(" ")
                elif block:
                    self._block(block)
                    block = {}
        finally:
            connection.close()

    def _block(self, block: dict[str, str]) -> None:
        if block.get("event") == "gap":
            self.gaps.append(block["data"])
        elif "data" in block:
            self.seen[number_of(json.loads(block["data"]))] += 1
            self.positions.append(int(block["id"].rpartition(":")[2]))
        if "id" in block:
            self._last = block["id"]

    def wait(self, daemon: Daemon, count: int, *, timeout_s: float = 30.0) -> None:
        """Until so many different numbers have come; fails when the follower has failed."""

        def holds() -> bool:
            assert self.problem is None, self.problem
            return len(self.seen) >= count

        daemon.wait(holds, timeout_s=timeout_s)

    def check(self, wanted: Iterable[int]) -> None:
        """Exactly these came, each once, in the order of the journal, and nothing was said to be missing."""
        assert self.problem is None, self.problem
        assert self.gaps == []
        check_once(self.seen, wanted)
        assert self.positions == sorted(set(self.positions))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        connection = self._socket
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(2)  # wakes the reading thread
        self._thread.join()
