"""Draining a broker's backlog of QoS 1 messages with acknowledgement and nothing else: paho, and a bare socket."""

from __future__ import annotations

import socket
from time import perf_counter, process_time
from typing import Any, NamedTuple

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

TOPIC = "SMTPlus/Model_21232/SN23123/CFX/Production/WorkCompleted"


class Took(NamedTuple):
    wall_s: float
    cpu_s: float


def by_paho(port: int, client_id: str, version: str, count: int) -> Took:
    five = version == "5"
    properties = None
    if five:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 3600
        properties.ReceiveMaximum = 500
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=None if five else False,
        protocol=paho.MQTTv5 if five else paho.MQTTv311,
        manual_ack=True,
    )
    left = count

    def on_message(_client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        nonlocal left
        client.ack(message.mid, message.qos)
        left -= 1

    client.on_message = on_message
    wall, cpu = perf_counter(), process_time()
    client.connect(
        "127.0.0.1", port, clean_start=False if five else paho.MQTT_CLEAN_START_FIRST_ONLY, properties=properties
    )
    client.subscribe(TOPIC, 1)
    while left > 0:
        client.loop(1.0)
    took = Took(perf_counter() - wall, process_time() - cpu)
    client.disconnect()
    while client.loop(0.1) == paho.MQTT_ERR_SUCCESS:
        pass
    return took


def raw(port: int, client_id: str, version: str, count: int) -> Took:
    five = version == "5"
    name = client_id.encode()
    more = b"\x08\x11\x00\x00\x0e\x10\x21\x01\xf4" if five else b""
    hello = b"\x00\x04MQTT" + (b"\x05" if five else b"\x04") + b"\x00\x00\x3c" + more
    hello += len(name).to_bytes(2, "big") + name
    wall, cpu = perf_counter(), process_time()
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sendall(bytes([0x10, len(hello)]) + hello)
        left, rest = count, b""
        while left > 0:
            data = rest + peer.recv(1 << 18)
            if len(data) == len(rest):
                raise ConnectionError("the broker closed the connection")
            at, end, acks = 0, len(data), []
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
            left -= len(acks)
            peer.sendall(b"".join(acks))
        took = Took(perf_counter() - wall, process_time() - cpu)
        peer.sendall(b"\xe0\x00")
        while peer.recv(1 << 18):  # until the broker has read all of ours
            pass
        return took
