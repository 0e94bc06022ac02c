"""MQTT 3.1.1 receivers: with paho into the journal, and a bare socket."""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import cast

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.benchmarks.baselines.counter import Counter
from tests.benchmarks.baselines.journal import Journal
from tests.benchmarks.baselines.terms import BATCH
from tests.benchmarks.load import HOST, mqtt_connect, mqtt_subscribe


def _connected(port: int, client_id: str, topic: str, received: Callable[[paho.MQTTMessage], None]) -> paho.Client:
    """Says `ready` once it is subscribed; acknowledging is left to whoever receives."""
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, protocol=paho.MQTTv311, manual_ack=True
    )

    def subscribe(*_: object) -> None:
        client.subscribe(topic, 1)

    client.on_connect = subscribe
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.on_message = lambda _client, _data, message: received(message)
    client.connect(HOST, port, keepalive=600)
    return client


def _store(journal: Journal, client: paho.Client, batch: list[paho.MQTTMessage]) -> None:
    """A commit, then its PUBACKs in one write."""
    now = time.time_ns() // 1000
    journal.commit([(bytes(message.payload), now) for message in batch])
    peer = cast(socket.socket, client.socket())
    peer.sendall(b"".join([struct.pack(">BBH", 0x40, 2, message.mid) for message in batch]))


def mqtt(port: int, client_id: str, topic: str, path: Path) -> None:
    """paho with its own loop: a commit whenever nothing more is there or a batch is full, on the thread that reads."""
    journal = Journal(path)
    batch: list[paho.MQTTMessage] = []
    client = _connected(port, client_id, topic, batch.append)
    while True:
        before = len(batch)
        client.loop(0.0 if batch else 0.05)
        if batch and (len(batch) == before or len(batch) >= BATCH):
            _store(journal, client, batch)
            batch.clear()


def mqtt_thread(port: int, client_id: str, topic: str, path: Path) -> None:
    """The same with a thread of its own for the commits: each takes what has come during the one before.

    With the interpreter's usual 5 ms between threads, every statement of a commit would wait that long.
    """
    sys.setswitchinterval(0.0005)
    journal = Journal(path)
    arrived: SimpleQueue[paho.MQTTMessage] = SimpleQueue()
    client = _connected(port, client_id, topic, arrived.put)

    def commit() -> None:
        while True:
            batch = [arrived.get()]
            try:
                while len(batch) < BATCH:
                    batch.append(arrived.get_nowait())
            except Empty:
                pass
            _store(journal, client, batch)

    threading.Thread(target=commit, daemon=True).start()
    while True:
        client.loop(0.05)


def mqtt_raw(port: int, client_id: str, topic: str, path: Path) -> None:
    """A socket that reads as much of each PUBLISH as it must to acknowledge it: what the broker itself can do."""
    counter = Counter(path)
    peer = mqtt_connect(port, client_id, clean=False)
    mqtt_subscribe(peer, topic)
    print("ready", flush=True)
    rest = b""
    while True:
        data = rest + peer.recv(1 << 18)
        at, end = 0, len(data)
        acks: list[bytes] = []
        while end - at > 4:
            body, length, shift = at + 1, 0, 0
            while True:
                byte = data[body]
                body += 1
                length |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            if body + length > end:
                break
            if data[at] & 0xF0 == 0x30:
                behind = body + 2 + (data[body] << 8 | data[body + 1])
                acks.append(b"\x40\x02" + data[behind : behind + 2])
            at = body + length
        rest = data[at:]
        peer.sendall(b"".join(acks))
        counter.add(len(acks))
