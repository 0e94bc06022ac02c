"""Do a machine's messages about boards lead a gateway to what their voice says? By the adapter's own reading of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapters.hermes_messages import record
from gateway.core.times import to_datetime
from gateway.profile.bound import Machine
from gateway.profile.hermes import bound
from gateway.transport.hermes import Message, encode, parse
from simulators.faces.hermes_talk import Passed, moved
from simulators.model.facts import AnyFact, Arrived, Departed, Labelled, MagazineChanged, PanelMade, Scrapped
from simulators.voices.hermes import HermesVoice
from simulators.voices.voice import Told
from tests.unit.simulators.followed import Followed, agree, hear_all, instant

STATION = "L1.station"
BERLIN = ZoneInfo("Europe/Berlin")


def stamped(passed: Passed) -> bytes:
    """As it is on the wire: with the machine's local time, to the millisecond."""
    at = to_datetime(instant(passed.at)).astimezone(BERLIN).isoformat(timespec="milliseconds")[:23]
    content = moved(passed.name, "Loader-1", passed.board, passed.lane, passed.transfer)
    return encode(Message(at, content))


def run(facts: Sequence[AnyFact], machine_class: str) -> tuple[list[Told], Followed, HermesVoice]:
    voice = HermesVoice(STATION, machine_class=machine_class)
    gateway = Followed(STATION, bound(machine_class), zone="Europe/Berlin")
    machine = Machine(station=STATION, bound=gateway.bound, zone=BERLIN)
    outputs, told = hear_all(voice, facts)
    for passed in outputs:
        found = record(parse(stamped(passed)), machine, instant(passed.at), 1)
        assert found is not None
        gateway.follow(found, passed.at)
    return told, gateway, voice


def came(panel: str, at: float, read: str | None = None, lane: int = 1) -> Arrived:
    return Arrived(at=at, station=STATION, panel=panel, lane=lane, read=read)


def went(panel: str, at: float, read: str | None = None, lane: int = 1) -> Departed:
    return Departed(at=at, station=STATION, panel=panel, lane=lane, read=read)


def life() -> list[AnyFact]:
    """Two magazines; a code that is read only on the way out, one not at all, one that changes lanes, one labelled here,
    one that overtakes, and one that comes a second time."""
    magazine = [MagazineChanged(at=1.0, station=STATION, magazine="MAG-7", came=True)]
    panels = [PanelMade(at=0.0, panel=f"p{n}", lot=1, label=f"PNL-{n}", boards=()) for n in range(1, 9)]
    return [
        *panels,
        *magazine,
        came("p1", 10.0, "PNL-1"),
        came("p2", 10.5),
        went("p1", 20.25, "PNL-1"),
        came("p3", 21.0),
        went("p2", 30.0, "PNL-2"),
        went("p3", 31.0),
        came("p4", 40.0, "PNL-4", 1),
        came("p5", 40.0, "PNL-5", 2),
        went("p5", 50.0, "PNL-5", 1),
        went("p4", 51.0, None, 2),
        MagazineChanged(at=60.0, station=STATION, magazine="MAG-7", came=False),
        MagazineChanged(at=90.0, station=STATION, magazine="MAG-8", came=True),
        came("p6", 100.0),
        Labelled(at=101.0, station=STATION, panel="p6", label="PNL-6"),
        went("p6", 102.0),
        came("p1", 200.0, "PNL-1"),
        went("p1", 220.0, "PNL-1"),
        came("p7", 300.0),
        Scrapped(at=310.0, station=STATION, panel="p7", position=None, reason="broken"),
        MagazineChanged(at=320.0, station=STATION, magazine="MAG-8", came=False),
        came("p8", 330.0),
        went("p8", 340.0),
    ]


@pytest.mark.parametrize("machine_class", ["magazine_loader", "magazine_unloader", "conveyor", "generic"])
def test_what_is_told_is_what_is_made_of_the_messages(machine_class: str) -> None:
    told, gateway, voice = run(life(), machine_class)
    agree(told, gateway.events, voice.tells)
    assert {each.message for each in told} == voice.tells


def test_out_of_which_magazine_and_slot() -> None:
    told, _, _ = run(life(), "magazine_loader")
    loaded = [each for each in told if each.message.endswith("UnitsLoaded")]
    assert [(each.units, each.values["Units.0.PositionNumber"]) for each in loaded[:4]] == [
        (("MAG-7", "PNL-1"), 1),
        (("MAG-7",), 2),
        (("MAG-7",), 3),
        (("MAG-7", "PNL-4"), 4),
    ]
    assert (loaded[5].units, loaded[5].values["Units.0.PositionNumber"]) == (("MAG-8",), 1)
    assert len(loaded) == sum(isinstance(each, Arrived) for each in life()) - 1, "the last came out of no magazine"


def test_a_board_keeps_its_board_id() -> None:
    told, _, _ = run(life(), "conveyor")
    ids: dict[tuple[str, ...], set[Any]] = {}
    for each in told:
        ids.setdefault(each.units, set()).add(each.values["HermesIdentifier"])
    assert len(ids["PNL-1",]) == 1
    assert len({each for some in ids.values() for each in some}) == 8
    again, _, _ = run(life(), "conveyor")
    assert again == told
