"""The order on the disk and on the wire, as strace sees it: first the WAL is synchronised, then the peer is told.

kill -9 cannot show this: what a killed process had written stays in the kernel, synchronised or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import proton
import pytest

from tests.daemon import config
from tests.faults.conftest import STATION, Make, journal, listening, over_mqtt
from tests.faults.syscalls import READ, SYNC, WRITE, Call, read_trace, strace, stream
from tests.load import AmqpLoad, numbered, wait_stored
from tests.servers import free_port
from tests.servers.mosquitto import Mosquitto

COUNT = 30
_NUMBER = re.compile(rb"load-(\d{7})")
_PUBLISH, _PUBACK = 3, 4
_TRANSFER, _DISPOSITION = 0x14, 0x15  # AMQP 1.0 part 2, clauses 2.7.5 and 2.7.6
MODES = pytest.mark.parametrize("synchronous", ["full", "normal"])


class Acknowledged(NamedTuple):
    """A message's number and the call that told the peer."""

    number: int
    told: Call


def early(trace: Sequence[Call], acknowledged: Sequence[Acknowledged]) -> list[int]:
    """Numbers whose acknowledgement was on its way before their row in the WAL had been synchronised."""
    wal = [call for call in trace if call.file.endswith("-wal")]
    written: dict[int, Call] = {}
    for call in wal:
        if call.name in WRITE:
            for found in _NUMBER.findall(call.data):
                written.setdefault(int(found), call)
    synced = [call for call in wal if call.name in SYNC and call.result == 0]
    found = []
    for number, told in acknowledged:
        row = written[number]
        if not any(row.end < sync.begin and sync.end < told.begin for sync in synced):
            found.append(number)
    return found


def check(trace: Sequence[Call], acknowledged: Sequence[Acknowledged], synchronous: str) -> None:
    """Every message was told once. With `full` none too early; with `normal` this test must see that they were."""
    assert sorted(number for number, _ in acknowledged) == list(range(COUNT))
    found = early(trace, acknowledged)
    if synchronous == "full":
        assert found == []
    else:
        assert found, "without synchronisation nothing was early: this test sees nothing"


# MQTT


def packet_size(data: bytes) -> int | None:
    """MQTT 3.1.1, clause 2.2.3."""
    length = shift = 0
    for place, octet in enumerate(data[1:5]):
        length |= (octet & 0x7F) << shift
        shift += 7
        if not octet & 0x80:
            return 2 + place + length
    return None


def acknowledged_by_mqtt(trace: Sequence[Call], port: int) -> Iterator[Acknowledged]:
    """From packet ids to the numbers in the payloads that came under them."""
    ours = [call for call in trace if call.file.startswith("TCP:") and call.file.endswith(f":{port}]")]
    numbers: dict[bytes, int] = {}
    for _, packet in stream([call for call in ours if call.name in READ], packet_size):
        if packet[0] >> 4 == _PUBLISH and (found := _NUMBER.search(packet)):
            begin = 1 + next(place for place in range(1, 5) if not packet[place] & 0x80)
            topic = int.from_bytes(packet[begin : begin + 2])
            numbers[packet[begin + 2 + topic : begin + 4 + topic]] = int(found[1])
    for call, packet in stream([call for call in ours if call.name in WRITE], packet_size):
        if packet[0] >> 4 == _PUBACK:
            yield Acknowledged(numbers[packet[2:4]], call)


@pytest.mark.mosquitto
@MODES
def test_mqtt(tmp_path: Path, mosquitto: Mosquitto, make_daemon: Make, synchronous: str) -> None:
    topic, output = mosquitto.name("traced"), tmp_path / "trace"
    path = config(tmp_path, connections=over_mqtt(mosquitto, topic), stations=STATION)
    journal(path, synchronous=f'"{synchronous}"')
    daemon = make_daemon(path, wrapper=strace(output))
    daemon.start(timeout_s=60)
    for first in range(0, COUNT, 3):
        mosquitto.publish(topic, [numbered(number) for number in range(first, first + 3)])
        wait_stored(daemon, first + 3)
    assert daemon.stop() == 0
    trace = read_trace(output, daemon.pid)
    check(trace, list(acknowledged_by_mqtt(trace, mosquitto.port)), synchronous)


# AMQP


def frame_size(data: bytes) -> int | None:
    """AMQP 1.0 part 2, clause 2.3.1; and the protocol headers before the frames."""
    if data[:4] == b"AMQP"[: len(data)]:
        return 8
    return int.from_bytes(data[:4]) if len(data) >= 4 else None


def performative(frame: bytes) -> tuple[int, list[object], bytes] | None:
    """Its code, its fields and what comes after it; None for headers, SASL and empty frames."""
    body = frame[frame[4] * 4 :]
    if frame[:4] == b"AMQP" or frame[5] != 0 or not body:
        return None
    data = proton.Data()
    size = data.decode(body)
    data.next()
    described: Any = data.get_object()
    return int(described.descriptor), described.value, body[size:]


def acknowledged_by_amqp(trace: Sequence[Call], port: int) -> Iterator[Acknowledged]:
    """From delivery ids to the numbers in the transfers that came under them; the only link is the machine's."""
    ours = [call for call in trace if call.file.startswith(f"TCP:[127.0.0.1:{port}->")]
    numbers: dict[object, int] = {}
    for _, frame in stream([call for call in ours if call.name in READ], frame_size):
        found = performative(frame)
        if found and found[0] == _TRANSFER and (number := _NUMBER.search(found[2])):
            numbers[found[1][1]] = int(number[1])
    for call, frame in stream([call for call in ours if call.name in WRITE], frame_size):
        found = performative(frame)
        if found and found[0] == _DISPOSITION:
            first, last = found[1][1], found[1][2]
            assert isinstance(first, int)
            assert last is None or isinstance(last, int)
            for id_ in range(first, (first if last is None else last) + 1):
                yield Acknowledged(numbers[id_], call)


@MODES
async def test_amqp_listener(tmp_path: Path, make_daemon: Make, synchronous: str) -> None:
    port, output = free_port(), tmp_path / "trace"
    path = config(tmp_path, connections=listening(port), stations=STATION)
    journal(path, synchronous=f'"{synchronous}"')
    daemon = make_daemon(path, wrapper=strace(output))
    daemon.start(timeout_s=60)
    load = AmqpLoad()
    async with load.connected(port, window=3):
        for _ in range(COUNT // 3):
            await load.put(3)
            await load.drained()
    assert daemon.stop() == 0
    trace = read_trace(output, daemon.pid)
    check(trace, list(acknowledged_by_amqp(trace, port)), synchronous)
