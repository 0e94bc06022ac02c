"""MQTT as others speak it: machines that publish, versions, aliases, and streams with gaps."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.pcap.reader import Role, Unreadable
from tests.unit.pcap.told import Heard

STATION = 'class = "pick_and_place"\nsource = { protocol = "cfx-mqtt", host = "10.0.0.2", topics = ["smt/#"] }'


def packet(first: int, body: bytes) -> bytes:
    assert len(body) < 128
    return bytes((first, len(body))) + body


def text(value: str) -> bytes:
    return len(value).to_bytes(2) + value.encode()


def connect(client: str, *, level: int = 4) -> bytes:
    return packet(0x10, text("MQTT") + bytes((level, 2, 0, 60)) + (b"\0" if level == 5 else b"") + text(client))


def publish(topic: str, payload: bytes, *, first: int = 0x32, properties: bytes | None = None) -> bytes:
    identifier = b"\0\x01" if first & 0x06 else b""
    five = b"" if properties is None else bytes((len(properties),)) + properties
    return packet(first, text(topic) + identifier + five + payload)


def test_a_machine_that_publishes(tmp_path: Path) -> None:
    heard = Heard(tmp_path, STATION)
    heard.client(connect("placer"))
    heard.client(publish("smt/a", b"1", first=0x33), publish("smt/a", b"2", first=0x3A), publish("other", b"3"))
    heard.server(publish("smt/a", b"to the machine"))
    assert heard.reader.role is Role.MACHINE
    assert heard.reader.client == "placer"
    # A broker that hands it on says of neither that it had kept it; and of the second that it may be there already.
    assert [(each.payload, each.redelivered, each.meta, each.acknowledged) for each in heard.wires] == [
        (b"1", False, {}, True),
        (b"2", True, {}, True),
    ]
    assert heard.reader.told["messages of topics that are not subscribed to"] == 1


def test_the_gateway_itself_is_known_by_its_name(tmp_path: Path) -> None:
    heard = Heard(tmp_path, STATION)
    heard.client(connect("lineside-line1-pc-L1.m1"), publish("smt/answer", b"ours"))
    heard.server(publish("smt/a", b"1", first=0x31))
    assert heard.reader.role is Role.OURS
    assert [(each.payload, each.meta, each.acknowledged) for each in heard.wires] == [(b"1", {"retain": 1}, False)]


def test_version_5_with_topics_by_alias(tmp_path: Path) -> None:
    heard = Heard(tmp_path, STATION)  # configured is 3.1.1: what counts is what the client says
    alias = b"\x23\0\x07"
    heard.client(connect("placer", level=5)[:9], connect("placer", level=5)[9:])
    heard.client(publish("smt/a", b"1", properties=alias + b"\x03" + text("application/json")))
    heard.client(publish("", b"2", properties=alias), publish("", b"3", properties=b"\x23\0\x08"))
    assert [(each.channel, each.payload, each.meta) for each in heard.wires] == [
        ("smt/a", b"1", {"content_type": "application/json"}),
        ("smt/a", b"2", {}),
    ]
    assert heard.reader.told["messages whose topic was named before the file begins"] == 1


def test_a_stream_that_begins_anywhere(tmp_path: Path) -> None:
    heard = Heard(tmp_path, STATION)
    first = publish("smt/a", b'{"0": "0000000"}')
    whole = first + publish("smt/b", b"1") + packet(0xC0, b"")
    for cut in range(1, len(first)):
        heard.found.clear()
        heard.again(joined=True)
        heard.client(whole[cut:], publish("smt/c", b"2"))
        assert [each.payload for each in heard.wires] == [b"1", b"2"], cut
        assert heard.reader.told["bytes before the first packet that is whole"] == len(first) - cut


def test_a_gap_takes_what_it_cut(tmp_path: Path) -> None:
    heard = Heard(tmp_path, STATION)
    heard.client(connect("placer"), publish("smt/a", b"1"), publish("smt/a", b"lost")[:6])
    heard.reader.missing(9, of_client=True)
    heard.client(publish("smt/a", b"tail of another")[10:] + publish("smt/a", b"2"))
    assert [each.payload for each in heard.wires] == [b"1", b"2"]


def test_what_is_no_mqtt(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no MQTT"):
        Heard(tmp_path, STATION).client(b"\x10\x20 but something else, that goes on for a while")
