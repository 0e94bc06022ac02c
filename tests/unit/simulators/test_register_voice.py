"""Do registers lead a gateway to what their voice says that it is told? By real decoding and the class's own step."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from gateway.core.observation import Lost
from gateway.core.sample import Value
from gateway.profile.bound import Bound
from simulators.model.facts import (
    AnyFact,
    FaultCleared,
    FaultRaised,
    Measured,
    Soldered,
    StateChanged,
    Switched,
)
from simulators.reconcile.compare import Kind, Tolerance
from simulators.voices.registers import RegisterVoice
from simulators.voices.voice import Told
from tests.unit.simulators.followed import Followed, agree, hear_all, profile, verdict
from tests.unit.simulators.line_facts import ZONES, comes, goes, life, lot, plan, set_up
from tests.unit.simulators.register_profiles import oven, two_lanes

STATION = "L1.station"


def selective() -> Bound:
    return profile("selective_soldering/example-3-module")


def run(
    bound: Bound, facts: Sequence[AnyFact], *, count_only: bool = False
) -> tuple[list[Told], Followed, RegisterVoice]:
    """The machine through all facts, looked at every second and whenever something happens."""
    voice = RegisterVoice(STATION, bound, count_only=count_only)
    gateway = Followed(STATION, bound)
    told: list[Told] = []
    gateway.look(voice.shown.contents, -1.0)
    now = 0.0
    for fact in facts:
        while now < fact.at:
            gateway.look(voice.shown.contents, now)
            now += 1.0
        said = voice.hear(fact)
        told += said.told
        for shown in said.outputs:
            gateway.look(shown.contents, fact.at)
    for _ in range(15):
        gateway.look(voice.shown.contents, now)
        now += 1.0
    told += voice.ending(now).told
    return told, gateway, voice


@pytest.mark.parametrize("which", [oven, selective, two_lanes])
def test_what_can_be_read_is_what_a_gateway_reads(which: Callable[[], Bound]) -> None:
    voice, gateway, readable = RegisterVoice(STATION, which()), Followed(STATION, which()), dict[str, Value]()
    begin = voice.shown.contents
    said_before = 0
    for number, fact in enumerate(life(STATION)):
        said = voice.hear(fact)
        if not number:
            gateway.look(begin, fact.at)
            readable |= said.shown[0].values
            assert readable == {key: gateway.values[key] for key in voice.looked_at}
        for shown in said.shown:
            assert all(number == 0 or readable[key] != value for key, value in shown.values.items())
            readable |= shown.values
            said_before += 1
        for output in said.outputs:
            gateway.look(output.contents, fact.at)
        assert readable == {key: gateway.values[key] for key in voice.looked_at}
    assert said_before > 10


def test_a_register_holds_what_it_can_and_only_changes_are_said() -> None:
    voice = RegisterVoice(STATION, oven())
    key = "zone.temperature[3]"
    assert voice.looked_at[key].deadband == oven().signals[key].deadband
    first, *_ = voice.hear(Measured(at=1.0, station=STATION, values={key: 171.26})).shown
    assert first.values.keys() == voice.looked_at.keys()
    again = voice.hear(Measured(at=2.0, station=STATION, values={key: 171.34}))
    assert (again.shown, len(again.outputs)) == ((), 1)
    (shown,) = voice.hear(Measured(at=3.0, station=STATION, values={key: 171.37})).shown
    assert (shown.at, shown.values) == (3.0, {key: 171.4})


def test_of_what_is_switched_off_nothing_can_be_read() -> None:
    voice = RegisterVoice(STATION, oven())
    voice.hear(StateChanged(at=0.0, station=STATION, state="PRD_RegularWork"))
    (gone,) = voice.hear(Switched(at=1.0, station=STATION, on=False)).shown
    assert gone.values == dict.fromkeys(voice.looked_at.keys() - {"recipe.name"})  # none is loaded
    assert voice.hear(Measured(at=2.0, station=STATION, values={"zone.temperature[3]": 20.0})).shown == ()
    (back,) = voice.hear(Switched(at=3.0, station=STATION, on=True)).shown
    assert (back.values["zone.temperature[3]"], None in back.values.values()) == (20.0, False)


@pytest.mark.parametrize(("which", "lane"), [(oven, 1), (selective, 1), (two_lanes, 1), (two_lanes, 2)])
@pytest.mark.parametrize("count_only", [False, True])
def test_what_is_told_is_what_is_made_of_the_registers(which: Callable[[], Bound], lane: int, count_only: bool) -> None:
    told, gateway, voice = run(which(), life(STATION, lane=lane), count_only=count_only)
    agree(told, gateway.events, voice.tells)
    assert {each.message for each in told} == voice.tells - (
        {"CFX.Production.UnitsArrived", "CFX.Production.WorkStarted"} if lane == 2 else set()
    )


def seldom(
    bound: Bound, facts: Sequence[AnyFact], every: float, first: float
) -> tuple[list[Told], Followed, RegisterVoice]:
    """The same, looked at every so many seconds and not in between."""
    voice, gateway = RegisterVoice(STATION, bound), Followed(STATION, bound)
    told: list[Told] = []
    now = first
    for fact in facts:
        while now < fact.at:
            gateway.look(voice.shown.contents, now)
            now += every
        told += voice.hear(fact).told
    for _ in range(3):
        gateway.look(voice.shown.contents, now)
        now += every
    return [*told, *voice.ending(now).told], gateway, voice


@pytest.mark.parametrize("which", [oven, selective, two_lanes])
@pytest.mark.parametrize("every", [1.0, 7.0, 20.0, 60.0])
@pytest.mark.parametrize("first", [0.1, 0.5, 0.9])
def test_whoever_looks_seldom_misses_only_what_was_fleeting(
    which: Callable[[], Bound], every: float, first: float
) -> None:
    """Up to several panels between two looks, and changes that last a few seconds."""
    told, gateway, voice = seldom(which(), life(STATION, strange=False), every, first * every)
    found = verdict(STATION, told, gateway.events, voice.tells, Tolerance(look=every, late=3 * every + 5))
    assert not found.findings or all(each.kind is Kind.UNSEEN for each in found.findings)
    assert found.stations[STATION].told.total() > 40


def decoded(voice: RegisterVoice) -> dict[str, Value]:
    """What a reader makes of the registers."""
    gateway = Followed(STATION, voice.bound)
    gateway.look(voice.shown.contents, 0.0)
    return dict(gateway.values)


def test_before_anything_happens_it_stands_and_is_empty() -> None:
    values = decoded(RegisterVoice(STATION, selective()))
    assert values["units.in"] == values["units.out"] == 70124
    assert (values["unit.in.id"], values["recipe.name"]) == (None, None)
    assert values["state"] == "SBY_NoProduct"


def test_set_points_measurements_and_what_was_done_to_the_last_board() -> None:
    made_of = lot(1, "CTRL")
    oven_voice, selective_voice = RegisterVoice(STATION, oven()), RegisterVoice(STATION, selective())
    life = [*plan(made_of), *set_up(STATION, made_of, 10.0)]
    measured = Measured(at=80.0, station=STATION, values={"zone.temperature[3]": 172.4, "conveyor.speed": 90.2})
    elsewhere = Measured(at=81.0, station="L2.reflow", values={"zone.temperature[3]": 20.0})
    hear_all(oven_voice, [*life, measured, elsewhere])
    values = decoded(oven_voice)
    assert [values[f"zone.setpoint[{number}]"] for number in range(1, 11)] == list(ZONES)
    assert values["conveyor.setpoint"] == 90.0
    assert values["recipe.name"] == "CTRL-TOP"
    assert (values["zone.temperature[3]"], values["conveyor.speed"]) == (172.4, 90.2)
    soldered = Soldered(at=100.0, station=STATION, panel="p", job="j", values={"cycle.time": 61.3, "zone.time[3]": 12.5, "zone.bath.temperature[3]": 9e9})  # fmt: skip
    hear_all(selective_voice, [*life, soldered])
    values = decoded(selective_voice)
    assert (values["cycle.time"], values["zone.time[3]"]) == (61.3, 12.5)
    assert values["zone.bath.temperature[3]"] == 305.2, "no register can hold it"


def test_who_is_who_when_a_panel_is_taken_out_inside() -> None:
    """Nobody who counts can know it, so what is told is shifted by one from there on, as in the gateway."""
    told, _, _ = run(selective(), life(STATION))
    went = [each.units for each in told if each.message.endswith("UnitsDeparted")]
    names = ["PNL-1", "PNL-2", None, "PNL-4", None, "PNL-6", "PNL-7", "PNL-8"]
    assert went == [() if name is None else (name,) for name in names]


def test_for_how_long_something_could_be_seen() -> None:
    panels: list[AnyFact] = [*comes(STATION, "A", 100.0, read="A"), *comes(STATION, "B", 102.5, read="B")]
    panels += comes(STATION, "C", 170.0, read="C")
    states: list[AnyFact] = [
        StateChanged(at=200.0, station=STATION, state="PRD_RegularWork"),
        StateChanged(at=260.0, station=STATION, state="SBY_NoProduct"),
        StateChanged(at=263.0, station=STATION, state="PRD_RegularWork"),
        StateChanged(at=2000.0, station=STATION, state="SBY_NoProduct"),
    ]
    faults: list[AnyFact] = [
        FaultRaised(at=2100.0, station=STATION, occurrence="1", code="1011", text="no spray"),
        FaultCleared(at=2104.0, station=STATION, occurrence="1", operator="4711"),
        FaultRaised(at=2106.0, station=STATION, occurrence="2", code="1011", text="no spray"),
        FaultCleared(at=2150.0, station=STATION, occurrence="2", operator="4711"),
    ]
    voice = RegisterVoice(STATION, selective())
    _, told = hear_all(voice, [*panels, *states, *faults])
    told += voice.ending(2165.0).told
    fleeting = [(each.message.rpartition(".")[2], each.fleeting) for each in told]
    assert [seconds for name, seconds in fleeting if name == "UnitsArrived"] == [2.5, 67.5, 600.0]
    assert [seconds for name, seconds in fleeting if name == "WorkStarted"] == [2.5, 67.5, 600.0]
    # The second time that it works can be seen only by who has seen the three seconds in between.
    assert [seconds for name, seconds in fleeting if name == "StationStateChanged"] == [100.0, 60.0, 3.0, 3.0, 165.0]
    assert [seconds for name, seconds in fleeting if name == "FaultOccurred"] == [4.0, 2.0]
    assert [seconds for name, seconds in fleeting if name == "FaultCleared"] == [2.0, 2.0]


def test_told_no_later_than_ten_minutes_after_the_fact() -> None:
    voice = RegisterVoice(STATION, oven())
    hear_all(voice, [*comes(STATION, "A", 100.0), StateChanged(at=100.0, station=STATION, state="PRD_RegularWork")])
    assert voice.hear(Measured(at=699.0, station=STATION, values={})).told == ()
    late = voice.hear(Measured(at=701.0, station=STATION, values={})).told
    assert [(each.message.rpartition(".")[2], each.seen, each.fact) for each in late] == [
        ("UnitsArrived", 100.0, 1),
        ("WorkStarted", 100.0, 1),
        ("StationStateChanged", 100.0, 3),
    ]
    assert voice.ending(702.0).told == ()


def test_a_fault_is_always_shown_as_the_same_alarm() -> None:
    def shown(code: str, severity: str) -> str:
        voice = RegisterVoice(STATION, oven())
        hear_all(voice, [FaultRaised(at=1.0, station=STATION, occurrence="1", code=code, text="", severity=severity)])
        (found,) = [each for each in voice.ending(2.0).told if each.message.endswith("FaultOccurred")]
        return str(found.values["Fault.FaultCode"])

    assert shown("E103", "Warning") == "E103", "the machine's own"
    alarms = {shown(f"X-{number}", "Alarm") for number in range(40)}
    assert alarms == {"E100", "E101", "E103"}
    assert shown("X-7", "Alarm") == shown("X-7", "Alarm")
    assert shown("X-7", "Error") in {"E100", "E101", "E103", "I207"}, "none of that severity, and none that has to last"


def power(bound: Bound, *, noticed: bool) -> tuple[list[Told], Followed, RegisterVoice]:
    """With one board inside while it is off for a moment."""
    voice, gateway = RegisterVoice(STATION, bound), Followed(STATION, bound)
    told: list[Told] = []
    life = [
        *comes(STATION, "A", 10.0, read="A"),
        Switched(at=20.0, station=STATION, on=False),
        Switched(at=30.0, station=STATION, on=True),
        *goes(STATION, "A", 40.0, read="A"),
        *comes(STATION, "B", 50.0, read="B"),
        *goes(STATION, "B", 60.0, read="B"),
    ]
    gateway.look(voice.shown.contents, 0.0)
    for fact in life:
        said = voice.hear(fact)
        told += said.told
        for shown in said.outputs:
            if shown.on:
                gateway.look(shown.contents, fact.at)
            elif noticed:
                gateway.follow(Lost(STATION), fact.at)
    return [*told, *voice.ending(61.0).told], gateway, voice


@pytest.mark.parametrize("which", [oven, selective])
@pytest.mark.parametrize("noticed", [False, True])
def test_power_is_gone_for_a_moment(which: Callable[[], Bound], noticed: bool) -> None:
    """Nothing is lost, whether or not somebody has noticed; but who has, may not know any more who was inside."""
    told, gateway, voice = power(which(), noticed=noticed)
    found = verdict(STATION, told, gateway.events, voice.tells, Tolerance(look=0.1))
    assert [each for each in found.findings if each.kind is not Kind.UNSEEN] == []
    went = [each for each in told if each.message.endswith("UnitsDeparted")]
    assert len(went) == 2


def test_a_board_that_failed() -> None:
    """Its result is in a register that says it twice, in two vocabularies; what is said last is in it."""
    _, gateway, _ = run(selective(), life(STATION))
    results = {
        event.units[0]: json.loads(event.body)["Result"]
        for event in gateway.events
        if event.message.endswith("WorkCompleted") and event.units
    }
    assert results["PNL-2"] == "Failed"
    assert {result for unit, result in results.items() if unit != "PNL-2"} == {"Completed"}
    (processed,) = [
        json.loads(event.body)
        for event in gateway.events
        if event.message.endswith("UnitsProcessed") and event.units == ["PNL-2"]
    ]
    assert processed["OverallResult"] == "Failed"
