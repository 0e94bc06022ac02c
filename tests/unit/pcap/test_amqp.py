"""AMQP through a broker: links, deliveries of many frames, and streams with gaps."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.pcap.reader import Role, Unreadable
from gateway.transport import amqp_types as types
from gateway.transport.amqp_message import AmqpMessage, encode
from tests.unit.pcap.told import Heard

STATION = """class = "pick_and_place"
source = { protocol = "cfx-amqp", host = "10.0.0.2", addresses = ["/queue/line1"] }"""
TWO = STATION.replace('"/queue/line1"', '"/queue/line1", "/queue/line2"')
OPEN, BEGIN, ATTACH, TRANSFER, DETACH = 0x10, 0x11, 0x12, 0x14, 0x16
HEADER = b"AMQP\0\1\0\0"


def frame(code: int, *fields: bytes, payload: bytes = b"", channel: int = 0) -> bytes:
    body = types.described(code, types.listing(fields)) + payload
    return (len(body) + 8).to_bytes(4) + bytes((2, 0)) + channel.to_bytes(2) + body


def attach(handle: int, *, receives: bool, source: str = "", target: str = "", name: str = "link") -> bytes:
    ends = [
        types.described(code, types.listing([types.string(text)])) for code, text in ((0x28, source), (0x29, target))
    ]
    modes = [types.null(), types.null()]
    return frame(ATTACH, types.string(name), types.uint(handle), types.boolean(receives), *modes, *ends)


def transfer(handle: int, payload: bytes, *, more: bool = False, aborted: bool = False) -> bytes:
    fields = [types.uint(handle), *[types.null()] * 4, types.boolean(more), *[types.null()] * 3, types.boolean(aborted)]
    return frame(TRANSFER, *fields, payload=payload)


def message(body: bytes, **fields: object) -> bytes:
    return encode(AmqpMessage(body=body, content_encoding="gzip", subject="s", **fields))  # type: ignore[arg-type]


def opened(heard: Heard, container: str) -> None:
    heard.client(HEADER, frame(OPEN, types.string(container)), frame(BEGIN))
    heard.server(HEADER + frame(OPEN, types.string("broker")) + frame(BEGIN))


def test_what_a_broker_sends_to_the_gateway(tmp_path: Path) -> None:
    heard = Heard(tmp_path, STATION)
    opened(heard, "lineside-line1-pc-L1.m1")
    heard.client(attach(0, receives=True, source="/queue/line1"), attach(1, receives=False, target="/ours", name="out"))
    heard.server(attach(5, receives=False, source="/queue/line1"))
    heard.client(transfer(1, message(b"ours")))
    long = message(b"long" * 100)
    heard.server(
        transfer(5, message(b"one")), transfer(5, long[:100], more=True)[:50], transfer(5, long[:100], more=True)[50:]
    )
    heard.server(transfer(5, long[100:200], more=True), transfer(5, long[200:]), transfer(5, b"\0\x53", more=True))
    heard.server(
        transfer(5, b"", aborted=True), transfer(5, message(b"again", first_acquirer=False)), transfer(5, b"?")
    )
    assert heard.reader.role is Role.OURS
    meta = {"content_encoding": "gzip", "subject": "s"}
    assert [(each.channel, each.payload, each.redelivered, each.meta, each.peer) for each in heard.wires] == [
        ("/queue/line1", b"one", False, meta, None),
        ("/queue/line1", b"long" * 100, False, meta, None),
        ("/queue/line1", b"again", True, meta, None),
        ("/queue/line1", b"?", False, {"undecodable": "no section at byte 0"}, None),
    ]


def test_machines_that_send_to_the_broker(tmp_path: Path) -> None:
    heard = Heard(tmp_path, STATION)
    opened(heard, "Placer")
    heard.client(
        attach(0, receives=False, target="/exchange/cfx"), attach(1, receives=True, source="/queue/line1", name="in")
    )
    heard.server(attach(0, receives=False, source="/queue/line1", name="in"))
    heard.client(transfer(0, message(b"event")))
    heard.server(transfer(0, message(b"a request to the machine")))
    assert (heard.reader.role, heard.reader.client) == (Role.MACHINE, "Placer")
    assert [(each.channel, each.payload) for each in heard.wires] == [("/exchange/cfx", b"event")]


def test_point_to_point_the_machine_is_named(tmp_path: Path) -> None:
    heard = Heard(tmp_path, 'class = "pick_and_place"\nsource = { protocol = "cfx-amqp", listen = "127.0.0.1:5672" }')
    opened(heard, "Placer")
    heard.client(attach(0, receives=False, target="Placer"), transfer(0, message(b"event")))
    assert [(each.channel, each.payload, each.peer) for each in heard.wires] == [("Placer", b"event", "Placer")]


def test_a_stream_that_begins_in_the_middle(tmp_path: Path) -> None:
    heard = Heard(tmp_path, STATION, joined=True)
    heard.server(transfer(5, message(b"cut"))[7:] + transfer(5, message(b"whole")))
    assert [(each.channel, each.payload) for each in heard.wires] == [("/queue/line1", b"whole")]
    assert heard.reader.told["links whose beginning is not in the recording"] == 1
    heard = Heard(tmp_path, TWO, joined=True)
    heard.server(transfer(5, message(b"of which?")))
    assert not heard.wires
    assert heard.reader.told["messages of addresses that are not configured"] == 1


def test_a_gap_takes_the_delivery_that_it_cut(tmp_path: Path) -> None:
    heard = Heard(tmp_path, STATION)
    opened(heard, "lineside-line1-pc-L1.m1")
    heard.client(attach(0, receives=True, source="/queue/line1"))
    heard.server(attach(5, receives=False, source="/queue/line1"), transfer(5, message(b"cut"), more=True))
    heard.reader.missing(100, of_client=False)
    heard.server(b"rest of something", transfer(5, message(b"whole")))
    assert [each.payload for each in heard.wires] == [b"whole"]
    assert heard.reader.told["messages of which a part is missing"] == 1


def test_what_is_no_amqp(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no AMQP"):
        Heard(tmp_path, STATION).client(b"GET / HTTP/1.1\r\n")
