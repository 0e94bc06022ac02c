"""Machines that are faster than any gateway: pre-encoded messages from a process of their own.

`python -m tests.benchmarks.load mqtt PORT TOPIC COUNT` publishes to a broker, `… amqp PORT COUNT` sends to a listener.
Each says `ready` when it is connected, then reads on its standard input how many messages it may have sent in all (a
number per line), and says `done` when every one of them is acknowledged.
"""

from __future__ import annotations

import os
import random
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

HOST = "127.0.0.1"
MACHINES = 4
"""Machines whose messages come by turns."""


def handle(machine: int) -> str:
    return f"SMTPlus.Model_21232.SN{machine:05d}"


def envelopes(count: int, *, seed: int = 1) -> list[bytes]:
    """`count` envelopes of about 1 KB, as the SDK writes them: WorkStarted and WorkCompleted of panels of two boards.

    Every UniqueID is new, and so are the boards of every second message. The same seed gives the same.
    """
    chance = random.Random(seed)
    start = datetime.now(UTC)
    made: list[bytes] = []
    for number in range(count):
        panel, machine = divmod(number // 2, MACHINES)
        unique = UUID(int=chance.getrandbits(128), version=4)
        stamp = (start + timedelta(milliseconds=number)).isoformat(timespec="microseconds")
        units = ",".join(
            f'{{"UnitIdentifier":"PNL{machine}{panel:07d}-{place}","PositionNumber":{place},'
            f'"PositionName":"CIRCUIT{place}","X":50.45,"Y":80.66,"Z":null,"Rotation":90.0,'
            '"FlipX":false,"FlipY":false,"Status":"Pass"}'
            for place in (1, 2)
        )
        if number % 2 == 0:
            name = "CFX.Production.WorkStarted"
            more = (
                '"Lane":1,"RecipeName":"CONTROLLER-MAINBOARD-TOP","Revision":"C.4","RelevantSurface":"PrimarySurface",'
                '"WorkOrderIdentifier":{"WorkOrderId":"WO-2026-11-1000","Batch":"WO-2026-11-1000-B1"}'
            )
        else:
            name = "CFX.Production.WorkCompleted"
            more = '"Result":"Completed","PerformanceImpacts":[{"Cause":"AdditionalImageAcquisition","Duration":1.25}]'
        made.append(
            f'{{"MessageName":"{name}","Version":"2.1","TimeStamp":"{stamp}","UniqueID":"{unique}",'
            f'"Source":"{handle(machine)}","Target":null,"RequestID":null,"MessageBody":{{"$type":"{name}, CFX",'
            f'"TransactionID":"00000000-0000-4000-8000-{machine:04d}{panel:08d}","PrimaryIdentifier":null,'
            f'"HermesIdentifier":null,"UnitCount":2,"Units":[{units}],{more}}}}}'.encode()
        )
    return made


# -- MQTT 3.1.1, no more of it than publishing and acknowledging needs


def mqtt_text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def mqtt_packet(first: int, body: bytes) -> bytes:
    length = len(body)
    out = bytearray([first])
    while True:
        length, low = divmod(length, 128)
        out.append(low | (0x80 if length else 0))
        if not length:
            return bytes(out) + body


def mqtt_connect(port: int, client: str, *, clean: bool) -> socket.socket:
    """Connected: CONNACK has come."""
    peer = socket.create_connection((HOST, port))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    flags = 0x02 if clean else 0x00
    peer.sendall(mqtt_packet(0x10, mqtt_text("MQTT") + bytes([4, flags]) + struct.pack(">H", 600) + mqtt_text(client)))
    answer = peer.recv(4, socket.MSG_WAITALL)
    if answer[:2] != b"\x20\x02" or answer[3]:
        raise ConnectionError(f"CONNACK {answer!r}")
    return peer


def mqtt_subscribe(peer: socket.socket, topic: str) -> None:
    """With QoS 1; the SUBACK is read unless messages of a kept session come before it."""
    peer.sendall(mqtt_packet(0x82, struct.pack(">H", 1) + mqtt_text(topic) + b"\x01"))


def register(port: int, client: str, topic: str) -> None:
    """Make a persistent session with this subscription, and leave."""
    with mqtt_connect(port, client, clean=False) as peer:
        mqtt_subscribe(peer, topic)
        peer.recv(5, socket.MSG_WAITALL)
        peer.sendall(b"\xe0\x00")
        peer.recv(1)


def left_over(port: int, client: str, *, wait_s: float = 0.3) -> int:
    """Bytes that the broker still has for a session whose client has gone: none if all was acknowledged."""
    with mqtt_connect(port, client, clean=False) as peer:
        peer.settimeout(wait_s)
        try:
            return len(peer.recv(1 << 16))
        except TimeoutError:
            return 0


def _mqtt(port: int, topic: str, count: int) -> None:
    name = mqtt_text(topic)
    packets = [
        mqtt_packet(0x32, name + struct.pack(">H", number % 65_535 + 1) + payload)
        for number, payload in enumerate(envelopes(count))
    ]
    peer = mqtt_connect(port, f"load-{os.getpid()}", clean=True)
    confirmed = 0

    def send(first: int, stop: int) -> int:
        stop = min(stop, first + 64)
        peer.setblocking(True)
        peer.sendall(b"".join(packets[first:stop]))
        peer.setblocking(False)
        return stop

    def receive() -> int:
        nonlocal confirmed
        confirmed += len(peer.recv(1 << 16))
        return confirmed // 4  # nothing but PUBACKs, of four bytes each

    _follow(count, peer, send, receive)


def _follow(count: int, peer: socket.socket, send: Callable[[int, int], int], receive: Callable[[], int]) -> None:
    """Send as far as standard input allows, until all are acknowledged."""
    print("ready", flush=True)
    peer.setblocking(False)
    sent = done = allowed = 0
    stuck = False  # the receiver gives no more credit
    commands = b""
    heard = [peer.fileno(), sys.stdin.fileno()]
    while done < count:
        wanted = [peer.fileno()] if sent < min(allowed, count) and not stuck else []
        readable, writable, _ = select.select(heard, wanted, [])
        if sys.stdin.fileno() in readable:
            data = os.read(sys.stdin.fileno(), 4096)
            if not data:
                return
            *lines, commands = (commands + data).split(b"\n")
            if lines:
                allowed = int(lines[-1])
        if peer.fileno() in readable:
            done = receive()
            stuck = False
        if writable:
            before, sent = sent, send(sent, min(allowed, count))
            stuck = sent == before
    print("done", flush=True)


class Load:
    """One sender process."""

    def __init__(self, *arguments: str | int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.load", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._expect(b"ready\n")

    def _expect(self, word: bytes) -> None:
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if said != word:
            raise RuntimeError(f"the sender said {said!r}, not {word!r}")

    def allow(self, count: int) -> None:
        """It may have sent `count` messages in all."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"%d\n" % count)
        self._process.stdin.flush()

    def wait(self) -> None:
        """Until every message is acknowledged."""
        self._expect(b"done\n")
        self._process.wait(10)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def loaded(*arguments: str | int) -> Iterator[Load]:
    load = Load(*arguments)
    try:
        yield load
    finally:
        load.close()


if __name__ == "__main__":
    if sys.argv[1] == "mqtt":
        _mqtt(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    else:
        from tests.benchmarks.load_amqp import send

        send(int(sys.argv[2]), int(sys.argv[3]), _follow)
