"""What machines may send and should not: ids that identify nothing, and payloads that nobody can read or hold."""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon, config
from tests.faults.conftest import STATION, Make, listening, over_mqtt
from tests.load import AmqpLoad, check_once, number_of, numbered, stored, wait_stored
from tests.servers import free_port
from tests.servers.mosquitto import Mosquitto

MEGABYTE = 1 << 20
MOST = 320 * MEGABYTE
"""That the gateway's memory may grow by, at its highest. Measured: 260 MB, and no more however often this is repeated.
The largest payload that is taken (32 MB) exists several times for a moment: as it is received, whole, decompressed, bound
to a statement; and the database keeps up to 64 MB of pages."""


def peak(daemon: Daemon) -> int:
    """Most memory that the process ever had at one time, in bytes (VmHWM of proc(5))."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{daemon.pid}/status").read_text("ascii"))
    assert found is not None
    return int(found[1]) << 10


def quarantine(daemon: Daemon) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = daemon.get("/quarantine?limit=1000")["quarantine"]
    return entries


# Identity


@pytest.mark.mosquitto
def test_ids_that_identify_nothing_lose_nothing(tmp_path: Path, mosquitto: Mosquitto, make_daemon: Make) -> None:
    """Machines with one UniqueID for everything, with zero, with none, and one that begins again after each start."""
    topic = mosquitto.name("ids")
    daemon = make_daemon(config(tmp_path, connections=over_mqtt(mosquitto, topic), stations=STATION))
    daemon.start()
    daemon.wait(lambda: daemon.metric("lineside_link_up") == 1)
    each = 100
    constant = "1d598538-95b3-4e92-a376-1f1907ae5ffd"
    machines: list[str | None] = [constant, "00000000-0000-0000-0000-000000000000", "0", None]
    lines = [
        numbered(at * each + number, handle=f"Vendor.Model.{at}", unique_id=unique_id)
        for number in range(each)
        for at, unique_id in enumerate(machines)
    ]
    again = len(machines) * each  # its counter starts over every 20 messages
    lines += [
        numbered(
            again + number, handle="Vendor.Model.again", unique_id=f"00000000-0000-4000-8000-{number % 20 + 1:012d}"
        )
        for number in range(each)
    ]
    mosquitto.publish(topic, lines)
    wait_stored(daemon, len(lines))
    events = list(daemon.events())
    check_once(stored(daemon), range(len(lines)))
    assert len({event["id"] for event in events}) == len(lines)
    assert all(event["possible_copy_of"] is None for event in events)
    by_handle = Counter(event["handle"] for event in events)
    assert by_handle == dict.fromkeys(
        [*(f"Vendor.Model.{n}" for n in range(len(machines))), "Vendor.Model.again"], each
    )
    # The first use of an id is at its word: all later ones of the constant and of the repeated ids are reuses.
    assert daemon.metric("lineside_ids_reused_total") == (each - 1) + (each - 20)
    assert daemon.metric("lineside_duplicates_total") == 0
    assert quarantine(daemon) == []


@pytest.mark.mosquitto
def test_the_same_text_again_is_kept_where_no_id_proves_a_copy(
    tmp_path: Path, mosquitto: Mosquitto, make_daemon: Make
) -> None:
    topic = mosquitto.name("same")
    daemon = make_daemon(config(tmp_path, connections=over_mqtt(mosquitto, topic), stations=STATION))
    daemon.start()
    daemon.wait(lambda: daemon.metric("lineside_link_up") == 1)
    text = numbered(1, unique_id=None)
    mosquitto.publish(topic, [text] * 5)
    daemon.wait(lambda: stored(daemon)[1] == 5)
    first, *copies = daemon.events()
    assert first["possible_copy_of"] is None
    assert [event["possible_copy_of"] for event in copies] == [first["id"]] * 4


# Hostile payloads


def bomb(inflated: int) -> bytes:
    """A valid gzip beginning that inflates to so many zero bytes; made of one piece that is repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = packer.compress(bytes(MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    return header + piece * (inflated // MEGABYTE)


def hostile() -> dict[str, tuple[bytes, str]]:
    """By name: what is sent, and why it is refused."""
    good = numbered(7).encode()
    twice = gzip.compress(bomb(10 << 30), 9)
    assert len(twice) < 40_000  # and it is 10 GB at its core
    deep = b'{"MessageName":"CFX.Heartbeat","MessageBody":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
    wrapped = good
    for _ in range(6):
        wrapped = base64.b64encode(gzip.compress(wrapped))
    return {
        "truncated": (good[:-20], "bad-json"),
        "truncated gzip": (gzip.compress(good)[:-20], "bad-gzip"),
        "not UTF-8": (good.replace(b"load-", b"l\xff\xfed-"), "bad-utf8"),
        "nested 100,000 deep": (deep, "too-deep"),
        "open brackets": (b"[" * 5_000_000, "too-deep"),
        "gzip bomb of 32 GB in 32 MB": (bomb(32 << 30)[: 31 * MEGABYTE], "too-large"),
        "gzip bomb in gzip": (twice, "too-large"),
        "gzip bomb in base64": (base64.b64encode(bomb(10 << 30)[:10_000_000]), "too-large"),
        "wrapped without end": (wrapped, "bad-json"),
        "40 MB": (b'{"MessageName":"' + b"x" * 40_000_000 + b'"}', "too-large"),
        "40 MB of zeros": (bytes(40_000_000), "too-large"),
        "a million envelopes": (b"[" + b"{}," * 1_000_000 + b"{}]", "too-many"),
        "no envelope": (b'{"a":1}', "not-an-envelope"),
        "empty": (b"", "empty"),
    }


@pytest.mark.mosquitto
def test_hostile_payloads_over_mqtt(tmp_path: Path, mosquitto: Mosquitto, make_daemon: Make) -> None:
    """Each in quarantine with its reason, acknowledged, memory bounded, and the next good message is stored."""
    topic = mosquitto.name("hostile")
    daemon = make_daemon(config(tmp_path, connections=over_mqtt(mosquitto, topic), stations=STATION))
    daemon.start()
    mosquitto.publish(topic, [numbered(0)])
    wait_stored(daemon, 1)
    before = peak(daemon)
    cases = hostile()
    for number, (name, (payload, reason)) in enumerate(cases.items(), 1):
        mosquitto.publish(topic, payload)
        mosquitto.publish(topic, [numbered(number)])
        wait_stored(daemon, number + 1)
        found = quarantine(daemon)
        assert len(found) == number, name
        entry = max(found, key=lambda entry: entry["id"])
        assert (entry["reason"], entry["size"]) == (reason, len(payload)), name
        print(f"{name}: {reason}, peak +{(peak(daemon) - before) >> 20} MB")
        assert peak(daemon) - before < MOST, name
    assert daemon.stop() == 0
    daemon.start()  # nothing of it was left with the broker
    mosquitto.publish(topic, [numbered(99)])
    daemon.wait(lambda: 99 in stored(daemon))
    check_once(stored(daemon), [*range(len(cases) + 1), 99])
    assert [entry["count"] for entry in quarantine(daemon)] == [1] * len(cases)
    assert daemon.metric("lineside_frames_received_total") == 1


async def test_hostile_payloads_over_amqp(tmp_path: Path, make_daemon: Make) -> None:
    """The same from a machine that is connected to us; each is accepted, or it would come for ever."""
    port = free_port()
    daemon = make_daemon(config(tmp_path, connections=listening(port), stations=STATION))
    daemon.start()
    before = peak(daemon)
    cases = hostile()
    load = AmqpLoad()
    async with load.connected(port, window=1):
        for number, (name, (payload, reason)) in enumerate(cases.items(), 1):
            await load.put_raw(payload)
            await load.put()
            await load.drained()
            found = quarantine(daemon)
            assert len(found) == number, name
            entry = max(found, key=lambda entry: entry["id"])
            assert entry["reason"] == reason, name
            print(f"{name}: {reason}, peak +{(peak(daemon) - before) >> 20} MB")
            assert peak(daemon) - before < MOST, name
    check_once(stored(daemon), range(len(cases)))
    assert daemon.metric("lineside_frames_received_total") == 2 * len(cases)


# What the database refuses


def surrogate(number: int, field: str) -> str:
    """An envelope with half of a surrogate pair in it, which is JSON of sorts and no text."""
    document = json.loads(numbered(number))
    if field == "Source":
        document["Source"] = "A.B.\ud800"
    else:
        document["MessageBody"]["PrimaryIdentifier"] = "load-\udc00"
    return json.dumps(document)


@pytest.mark.mosquitto
def test_what_the_database_cannot_hold_stops_nothing(tmp_path: Path, mosquitto: Mosquitto, make_daemon: Make) -> None:
    """Half surrogates in the handle and in a unit's id are no text and go to quarantine; numbers beyond 64 bits are
    JSON, and stay in the body."""
    topic = mosquitto.name("refused")
    daemon = make_daemon(config(tmp_path, connections=over_mqtt(mosquitto, topic), stations=STATION))
    daemon.start()
    daemon.wait(lambda: daemon.metric("lineside_link_up") == 1)
    bad = {10: surrogate(10, "Source"), 20: surrogate(20, "PrimaryIdentifier")}
    huge: dict[int, dict[str, int]] = {
        30: {"Lane": 2**63},
        40: {"Lane": -(2**64)},
        50: {"Lane": 2**63, "StageSequence": 2**70},
    }
    lines = [bad.get(number) or numbered(number, body=huge.get(number)) for number in range(100)]
    mosquitto.publish(topic, lines)
    daemon.wait(lambda: 99 in stored(daemon))
    check_once(stored(daemon), [number for number in range(100) if number not in bad])
    found = sorted(quarantine(daemon), key=lambda entry: int(entry["id"]))
    assert [daemon.raw(f"/quarantine/{entry['id']}/raw") for entry in found] == [line.encode() for line in bad.values()]
    assert {entry["reason"] for entry in found} == {"bad-json"}
    for event in daemon.events():  # no column holds these: they stay in the body, as the machine wrote them
        if fields := huge.get(number_of(event)):
            assert event["body"].items() >= fields.items()
            assert event["lane"] is None
    assert daemon.stop() == 0
    daemon.start()
    mosquitto.publish(topic, [numbered(100)])
    daemon.wait(lambda: 100 in stored(daemon))
    assert [entry["count"] for entry in quarantine(daemon)] == [1] * len(bad)
