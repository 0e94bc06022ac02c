"""Every form in which CFX arrives, as small samples of our own, through a real Mosquitto into a gateway process.

`tests/samples/cfx/expected.toml` says what each file shows and what must become of it.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from tests.daemon import Daemon, config
from tests.integration.corpus import body_of, elements, unpacked, wrapped
from tests.servers.mosquitto import Mosquitto

pytestmark = [pytest.mark.mosquitto, pytest.mark.xdist_group("samples")]

FOLDER = Path(__file__).resolve().parent.parent / "samples" / "cfx"
EXPECTED: list[dict[str, Any]] = tomllib.loads((FOLDER / "expected.toml").read_text("utf-8"))["sample"]
MARKER = "Test.Marker.1"
NOT_OF_THE_EVENT = {"absent", "derived_id", "time_is_received", "unordered_refs", "state", "online", "recipe", "faults"}


class Stored(NamedTuple):
    """One event: as JSON, as the bytes of that JSON, as it was received; and its station right after it."""

    event: dict[str, Any]
    text: bytes
    raw: bytes
    station: dict[str, Any]


class Outcome(NamedTuple):
    """What became of one file. quarantined: entry and bytes."""

    events: list[Stored]
    quarantined: list[tuple[dict[str, Any], bytes]]


def marker(file: str) -> tuple[str, bytes]:
    return wrapped(f"marker {file}", "CFX.Heartbeat", b'{"HeartbeatFrequency":"00:01:00"}', MARKER)


class Way:
    """Sends files one after the other and sees what comes of each."""

    def __init__(self, daemon: Daemon, broker: Mosquitto, topic: str) -> None:
        self.daemon = daemon
        self._broker = broker
        self._topic = topic
        self._after = daemon.get("/events?limit=1")["head"]
        self._quarantined = 0

    def send(self, file: str) -> Outcome:
        self._broker.publish(self._topic, (FOLDER / file).read_bytes())
        unique_id, end = marker(file)
        self._broker.publish(self._topic, end)
        self.daemon.wait(lambda: self.daemon.status(f"/api/v1/events/{unique_id}") == 200)
        events = [self._stored(event) for event in self.new()]
        entries = self.daemon.get("/quarantine?limit=1000")["quarantine"]
        new, self._quarantined = entries[self._quarantined :], len(entries)
        return Outcome(events, [(entry, self.daemon.raw(f"/quarantine/{entry['id']}/raw")) for entry in new])

    def new(self) -> list[dict[str, Any]]:
        """What machines said since this was last asked, without the markers."""
        page = self.daemon.get(f"/events?after={self._after}&limit=1000&origin=native")
        assert not page["more"]
        self._after = page["next"]
        return [event for event in page["events"] if event["handle"] != MARKER]

    def _stored(self, event: dict[str, Any]) -> Stored:
        path = f"/events/{event['id']}"
        station = self.daemon.get(f"/stations/{quote(event['station'], safe='')}")["station"]
        return Stored(event, self.daemon.raw(path), self.daemon.raw(f"{path}/raw"), station)


@pytest.fixture(scope="module")
def daemon(mosquitto: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, str]]:
    topic = mosquitto.name("samples")
    path = config(
        tmp_path_factory.mktemp("samples"),
        connections=f"""
[[connection]]
name = "broker"
protocol = "cfx-mqtt"
host = "{mosquitto.host}"
port = {mosquitto.port}
topics = ["{topic}/#"]
""",
        stations="""
[[line.station]]
name = "pnp1"
timezone = "Europe/Berlin"
source = { connection = "broker", handle = "Nordwerk.PlaceOne.7001" }
""",
    )
    daemon = Daemon(path)
    try:
        daemon.start()
        yield daemon, f"{topic}/Nordwerk/CFX"
    finally:
        daemon.close()


@pytest.fixture(scope="module")
def outcomes(daemon: tuple[Daemon, str], mosquitto: Mosquitto) -> dict[str, Outcome]:
    """Of every file, sent in the order of `expected.toml`."""
    way = Way(daemon[0], mosquitto, daemon[1])
    return {sample["file"]: way.send(sample["file"]) for sample in EXPECTED}


def without_null(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def texts_in(file: str) -> list[bytes]:
    """The envelopes in a file, as their sender wrote them."""
    text = unpacked((FOLDER / file).read_bytes(), file)
    return elements(text) if text.lstrip().startswith(b"[") else [text]


def test_every_file_is_described() -> None:
    files = {path.name for path in FOLDER.iterdir()} - {"expected.toml"}
    assert sorted(sample["file"] for sample in EXPECTED) == sorted(files)
    assert len(files) >= 60


@pytest.mark.parametrize("sample", EXPECTED, ids=lambda sample: sample["file"])
def test_sample(sample: dict[str, Any], outcomes: dict[str, Outcome]) -> None:
    outcome = outcomes[sample["file"]]
    expected = sample.get("event", [])
    assert [stored.event["message"] for stored in outcome.events] == [each["message"] for each in expected]
    texts = texts_in(sample["file"]) if expected else []
    rejected = [entry.get("raw") for entry in sample.get("quarantine", [])]
    texts = [text for text in texts if text.decode() not in rejected]
    for stored, wanted, text in zip(outcome.events, expected, texts, strict=True):
        check_event(stored, wanted, text)
    check_quarantined(sample, outcome.quarantined)


def check_event(stored: Stored, wanted: dict[str, Any], text: bytes) -> None:
    event = stored.event
    assert stored.raw == text
    assert stored.text.endswith(b',"body":' + body_of(text) + b"}"), "tokens and their order are untouched"
    assert json.loads(stored.text) == event
    assert event["possible_copy_of"] is None
    for key, value in wanted.items():
        if key in ("cfx", "recipe"):
            assert without_null(event["cfx"] if key == "cfx" else stored.station["recipe"]) == value
        elif key == "unit_refs":
            assert [without_null(ref) for ref in event["unit_refs"]] == value
        elif key not in NOT_OF_THE_EVENT:
            assert event[key] == value, key
    refs = wanted.get("unordered_refs", [])
    found = [without_null(ref) for ref in event["unit_refs"]]
    assert all(ref in found for ref in refs)
    assert not refs or len(found) == len(refs)
    assert [key for key in wanted.get("absent", []) if event[key] is not None] == []
    if "derived_id" in wanted:
        assert event["id"][14] == "5", "a name-based UUID"
    if "time_is_received" in wanted:
        assert event["time"] == event["received"]
    check_station(stored.station, wanted)


def check_station(station: dict[str, Any], wanted: dict[str, Any]) -> None:
    if "state" in wanted:
        assert station["state"]["code"] == wanted["state"]
    if "online" in wanted:
        assert station["online"] is wanted["online"]
    if "faults" in wanted:
        assert [fault["occurrence"] for fault in station["faults"]] == wanted["faults"]


def check_quarantined(sample: dict[str, Any], found: list[tuple[dict[str, Any], bytes]]) -> None:
    expected = sample.get("quarantine", [])
    assert [entry["reason"] for entry, _ in found] == [each["reason"] for each in expected]
    for (entry, raw), wanted in zip(found, expected, strict=True):
        whole = (FOLDER / sample["file"]).read_bytes()
        assert raw == (wanted["raw"].encode() if "raw" in wanted else whole)
        assert entry["detail"]
        assert entry["count"] == 1


def test_a_question_through_a_broker_is_not_answered(outcomes: dict[str, Outcome], daemon: tuple[Daemon, str]) -> None:
    assert outcomes["question.json"].events
    assert list(daemon[0].events("origin=derived")) == []


def test_ids_that_are_none_are_all_different(outcomes: dict[str, Outcome]) -> None:
    files = ("id_null.json", "id_zero.json", "id_number.json", "id_text.json")
    assert len({outcomes[file].events[0].event["id"] for file in files}) == 4


def test_all_of_it_again_adds_only_what_cannot_be_told_from_new(
    outcomes: dict[str, Outcome], daemon: tuple[Daemon, str], mosquitto: Mosquitto
) -> None:
    """Sent anew, not redelivered: a GUID says that it is a copy, a message without one may be another."""
    gateway, topic = daemon
    events = [stored for outcome in outcomes.values() for stored in outcome.events]
    anonymous = {sample["file"] for sample in EXPECTED if any("derived_id" in e for e in sample.get("event", []))}
    copies = gateway.metric("lineside_duplicates_total")
    way = Way(gateway, mosquitto, topic)
    for sample in EXPECTED:
        mosquitto.publish(topic, (FOLDER / sample["file"]).read_bytes())
    unique_id, end = marker("the end")
    mosquitto.publish(topic, end)
    gateway.wait(lambda: gateway.status(f"/api/v1/events/{unique_id}") == 200)
    new = way.new()
    before = [outcomes[file].events[0].event["id"] for file in sorted(anonymous)]
    assert sorted(event["possible_copy_of"] for event in new) == sorted(before)
    assert gateway.metric("lineside_duplicates_total") - copies == len(events) - len(anonymous)
    entries = gateway.get("/quarantine?limit=1000")["quarantine"]
    assert all(entry["count"] == 2 for entry in entries)
    assert len(entries) == sum(len(sample.get("quarantine", [])) for sample in EXPECTED)
