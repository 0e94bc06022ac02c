"""Every packaged profile, from its own examples to messages: what a machine of that model says can be sent."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.classes.registry import CLASSES
from gateway.core.observation import Record
from gateway.core.sample import Value
from gateway.profile.bind import bind
from gateway.profile.bound import Bound
from gateway.profile.load import load
from gateway.profile.models import TextProfile
from gateway.profile.vocabulary import Kind
from tests.unit.classes.machines import STATION, Machine, names, transactions

FOLDER = Path(__file__).parents[3] / "config" / "profiles"
PROFILES = sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.toml"))


def packaged(name: str) -> tuple[Bound, list[str]]:
    """The profile, and the examples of its records that stand alone."""
    loaded = load(name, [FOLDER])
    profile = loaded.profile
    made = bind(profile, CLASSES[profile.class_].vocabulary, loaded.name, written=loaded.written)
    records = profile.record if isinstance(profile, TextProfile) else ()
    return made, [table.example.text for table in records if table.parent is None]


@pytest.mark.parametrize("name", PROFILES)
def test_what_its_examples_lead_to_can_be_sent(name: str) -> None:
    """Machine checks every message against the class's own list and the catalogue."""
    profile, texts = packaged(name)
    machine = Machine(profile.machine_class, profile=profile)
    if profile.registers is not None or profile.nodes is not None:
        _look(machine, profile)
    for text in texts:
        assert profile.records is not None
        zone = ZoneInfo("UTC")
        if profile.records.document:
            found = list(profile.records.whole(text.encode(), STATION, zone))
        else:
            reader = profile.records.reader(STATION, zone)
            lines = text.strip("\n").split("\n")
            found = [*(each for line in lines for each in reader.feed(line)), *reader.close()]
        for each in found:
            assert isinstance(each, Record)
            assert machine.say(each), f"nothing came of {each.name}"


def _look(machine: Machine, profile: Bound) -> None:
    """First sight, then every counter goes on by one, every alarm comes and goes."""
    values: dict[str, Value] = {key: value for key, value in profile.examples.items() if value is not None}
    counters = {key for key, signal in profile.signals.items() if signal.kind is Kind.COUNTER}
    machine.see({**values, **dict.fromkeys(counters, 100), **dict.fromkeys(profile.alarms, False)})
    for value in (True, False):
        machine.see(dict.fromkeys(profile.alarms, value))
        machine.tick(wait=60.0)
    assert names(machine.made).count("FaultCleared") >= len(profile.alarms)
    for key in sorted(counters):
        machine.see({key: 101})
    machine.see(dict.fromkeys(counters, 102), wait=20.0)
    machine.restart()
    before = len(machine.made)
    machine.see({**values, **dict.fromkeys(counters, 102), **dict.fromkeys(profile.alarms, False)})
    machine.tick(wait=60.0)
    assert machine.made[before:] == [], "the same as before: no news"
    if machine.machine_class.works and "units.out" in {key.split("@")[0] for key in counters}:
        assert len(transactions(machine.made)) >= 2


def test_a_panel_inspected_by_the_example_report_and_then_verified() -> None:
    profile, texts = packaged("aoi/example-report")
    machine = Machine("aoi", profile=profile)
    assert profile.records is not None
    reader = profile.records.reader(STATION, ZoneInfo("UTC"))
    for text in texts:
        for line in text.strip("\n").split("\n"):
            for each in reader.feed(line):
                assert isinstance(each, Record)
                machine.say(each)
    assert names(machine.made) == ["WorkStarted", "UnitsInspected", "WorkCompleted", "UnitsInspected"]
    first, verdict = (made for made in machine.made if made.name == "UnitsInspected")
    assert (verdict.revises, verdict.transaction) == (first.id, first.transaction)
    assert [unit["UnitIdentifier"] for unit in first.body["InspectedUnits"]] == ["SN00045601", "SN00045602"]
    assert first.body["InspectedPanel"]["UnitIdentifier"] == "PNL000345"
