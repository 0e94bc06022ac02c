"""A simulated inspection machine's OPC UA server, and what a gateway makes of it, also when it misbehaves."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.opcua import OpcUaAdapter
from gateway.core.errors import LinesideError, NotConnected
from gateway.core.event import Event
from gateway.core.observation import Readings, Record
from gateway.core.sample import Quality
from gateway.profile.bound import Machine
from simulators.faces.opcua import Listen, OpcUaFace, serve
from simulators.faces.opcua_faults import Fault, Trouble
from simulators.model.facts import AnyFact
from simulators.script import Switchboard, parse
from simulators.voices.opcua import OpcUaVoice
from simulators.voices.opcua_nodes import Shown
from simulators.voices.voice import Face, Told, When
from tests.build import until
from tests.integration.opcua import servers
from tests.integration.opcua.servers import Ear, adapter
from tests.integration.simulators.opcua_line import line
from tests.unit.simulators.followed import WHEN, agree
from tests.unit.simulators.line_facts import comes, goes, in_order, lot, made, plan, set_up
from tests.unit.simulators.opcua_facts import STATION, aoi, inspected, shift

INSPECTED = "CFX.Production.TestAndInspection.UnitsInspected"
NAME = STATION.rpartition(".")[2]


class Played:
    """A machine with its voice and face. told: of what it has put so far."""

    def __init__(self, voice: OpcUaVoice, face: OpcUaFace) -> None:
        self.voice = voice
        self.face = face
        self.told: list[Told] = []

    async def play(self, facts: Iterable[AnyFact], when: When = WHEN) -> None:
        for fact in facts:
            said = self.voice.hear(fact)
            self.told += said.told
            for output in said.outputs:
                await self.face.put(output, when)


@asynccontextmanager
async def machine(place: Listen | None = None) -> AsyncIterator[Played]:
    voice = OpcUaVoice(STATION, aoi())
    async with serve(place or Listen(), aoi(), voice.beginning) as face:
        yield Played(voice, face)


def panels(numbers: Iterable[int], start: float) -> list[AnyFact]:
    """One after the other through the machine."""
    facts: list[AnyFact] = []
    for number in numbers:
        panel, at = f"P{number}", start + 20.0 * number
        facts += [made(panel, 1, boards=2), *comes(STATION, panel, at, read=panel)]
        facts += [inspected(panel, at + 10.0, boards=2), *goes(STATION, panel, at + 11.0, read=panel)]
    return in_order(facts)


def first_lot() -> list[AnyFact]:
    order = lot(1, "CTRL")
    return [*plan(order, boards=2), *set_up(STATION, order, 10.0)]


def enough(told: list[Told]) -> Any:
    return lambda events: len(events) >= len(told)


def counted(found: Iterable[Told | Event]) -> Counter[tuple[Any, ...]]:
    return Counter((each.message, tuple(each.units)) for each in found)


async def test_what_a_shift_tells_is_in_the_journal(tmp_path: Path) -> None:
    async with machine() as played, line(tmp_path, played.face.url) as gateway:
        await until(lambda: gateway.state("units.in") == 0)
        await played.play(shift())
        found = await gateway.grows_to(enough(played.told))
        agree(played.told, found, played.voice.tells)
        assert counted(found) == counted(played.told), "and nothing else"
        assert await gateway.gaps() == []
    assert played.face.subscriptions == 0


@pytest.mark.parametrize("trouble", [Trouble.RESTART, Trouble.FORGET, Trouble.SILENT])
async def test_what_is_lost_is_in_a_gap(tmp_path: Path, trouble: Trouble) -> None:
    async with machine() as played, line(tmp_path, played.face.url) as gateway:
        face = played.face
        await until(lambda: gateway.state("units.in") == 0)
        await played.play([*first_lot(), *panels(range(1, 4), 100.0)])
        await gateway.grows_to(enough(played.told))
        before = list(played.told)
        async with face.fault(Fault(trouble=trouble)):
            await played.play(panels(range(4, 6), 100.0))  # nobody hears of them
            assert (face.subscriptions == 2) == (trouble is Trouble.SILENT)
            if trouble is not Trouble.RESTART:
                await until(lambda: gateway.supervisor.links[NAME].state == "down")
        missed = played.told[len(before) :]
        await until(lambda: gateway.supervisor.links[NAME].state == "proven")
        await until(lambda: gateway.state("units.out") == 5)
        await played.play(panels(range(6, 9), 100.0))
        wanted = counted(played.told) - counted(missed)
        found = await gateway.grows_to(lambda events: counted(events) >= wanted)
        assert counted(found) == wanted, "nothing twice, nothing invented, nothing lost but what nobody could hear"
        assert [each["State"] for each in await gateway.gaps()] == ["opened", "closed"]
        assert await gateway.adjusted() == {"units.in": 2, "units.out": 2}


async def test_a_session_outlives_its_connection(tmp_path: Path) -> None:
    async with machine() as played, line(tmp_path, played.face.url) as gateway:
        await until(lambda: gateway.state("units.in") == 0)
        await played.play([*first_lot(), *panels([1], 100.0)])
        await gateway.grows_to(enough(played.told))
        face, link = played.face, gateway.supervisor.links[NAME]
        async with face.fault(Fault(trouble=Trouble.REFUSE)), face.fault(Fault(trouble=Trouble.DROP)):
            await until(lambda: link.state == "down")
            await played.play(panels(range(2, 5), 100.0))
        await until(lambda: gateway.state("units.out") == 4)
        async with face.fault(Fault(trouble=Trouble.STALL)):
            await played.play(panels(range(5, 7), 100.0))
            await until(lambda: link.state == "down")
        await until(lambda: gateway.state("units.out") == 6)
        await played.play(panels([7], 100.0))
        found = await gateway.grows_to(lambda events: any("P7" in each.units for each in events[-1:]))
        missing = counted(played.told) - counted(found)
        assert not counted(found) - counted(played.told), "nothing twice, nothing invented"
        assert INSPECTED not in {message for message, _ in missing}
        assert {units for _, units in missing} <= {("P2",), ("P5",)}, "what a gap may swallow: the first count after it"
        lost = len({units for _, units in missing})
        assert await gateway.adjusted() == ({"units.in": lost, "units.out": lost} if lost else {})


def values(ear: Ear, key: str) -> list[tuple[object, Quality]]:
    return [
        (value, quality)
        for each in ear.observations
        if isinstance(each, Readings)
        for name, value, quality in zip(each.keys, each.values, each.qualities or (), strict=False)
        if name == key
    ]


def counting(at: float, count: int) -> Shown:
    return Shown(at=at, values={aoi().nodes.node("units.in"): count})  # type: ignore[union-attr, dict-item]


def own(face: OpcUaFace, **more: Any) -> OpcUaAdapter:
    return adapter(face.url, Machine(station=STATION, bound=aoi()), **{"retry_bad_s": 0.1, **more})


async def test_values_that_are_none_nodes_that_go_and_news_that_come_late() -> None:
    async with machine() as played:
        face, ear = played.face, Ear(own(played.face))
        async with ear.adapter.connect() as items:
            await ear.hear(items, lambda: bool(values(ear, "units.in")))
            for trouble, seen in ((Trouble.BAD, (None, Quality.BAD)), (Trouble.UNCERTAIN, (1, Quality.UNCERTAIN))):
                async with face.fault(Fault(trouble=trouble, node="units.in")):
                    await face.put(counting(1.0, 1), WHEN)
                    await ear.hear(items, lambda seen=seen: values(ear, "units.in")[-1] == seen)  # type: ignore[misc]
                await ear.hear(items, lambda: values(ear, "units.in")[-1] == (1, Quality.GOOD))
            async with face.fault(Fault(trouble=Trouble.REJECT, node="units.in", status="BadNotReadable")):
                await ear.hear(items, lambda: values(ear, "units.in")[-1] == (None, Quality.BAD))
            await ear.hear(items, lambda: values(ear, "units.in")[-1] == (1, Quality.GOOD))
            assert all(quality is Quality.GOOD for _, quality in values(ear, "units.out")), "the others are not touched"
            begun = asyncio.get_running_loop().time()
            async with face.fault(Fault(trouble=Trouble.LATE, seconds=0.3)):
                await face.put(counting(2.0, 2), WHEN)
            await face.put(counting(3.0, 3), WHEN)
            await ear.hear(items, lambda: values(ear, "units.in")[-1] == (3, Quality.GOOD))
            assert values(ear, "units.in")[-2] == (2, Quality.GOOD)
            assert asyncio.get_running_loop().time() - begun >= 0.3
        async with face.fault(Fault(trouble=Trouble.REJECT, node="units.in")):
            ear = Ear(own(face))
            async with ear.adapter.connect() as items:
                await ear.hear(items, lambda: bool(values(ear, "units.in")))
                assert values(ear, "units.in") == [(None, Quality.BAD)]
                await face.end()
                await ear.hear(items, lambda: (3, Quality.GOOD) in values(ear, "units.in"))
        async with face.fault(Fault(trouble=Trouble.REFUSE)):
            with pytest.raises(NotConnected):
                async with own(face).connect():
                    pass


async def test_a_script_a_player_and_a_clock_that_is_wrong() -> None:
    year_2000 = When(lambda at: 946_684_800_000_000 + round(at * 1_000_000), 1.0)
    async with machine() as played:
        as_face: Face[Any] = played.face
        assert isinstance(as_face, Switchboard)
        table = {"station": STATION, "trouble": "reject", "node": "state", "at": "1s", "for": "2s"}
        script = parse({"trouble": [table]}, {STATION: [as_face]})
        for due in script.until(10.0):
            await script.apply(due)
        assert script.over
        ear = Ear(own(played.face))
        async with ear.adapter.connect() as items:
            await played.play([*first_lot(), *panels([1], 100.0)], year_2000)
            await ear.hear(items, lambda: any(isinstance(each, Record) for each in ear.observations))
        (record,) = [each for each in ear.observations if isinstance(each, Record)]
        assert record.time == year_2000.instant(130.0)
        assert played.face._server.now().year == 2000


async def test_a_secured_endpoint(tmp_path: Path) -> None:
    async with machine(Listen(pki=tmp_path / "machine")) as played:
        secured = {"security_policy": "basic256sha256", "mode": "sign-and-encrypt", "pki": str(tmp_path / "ours")}
        with pytest.raises(NotConnected, match="is not trusted"):
            async with own(played.face, **secured).connect():
                pass
        trusted = tmp_path / "ours" / "trusted" / "certs"
        trusted.mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "machine" / "certificate.der", trusted)
        ear = Ear(own(played.face, **secured))
        async with ear.adapter.connect() as items:
            await ear.hear(items, lambda: values(ear, "units.in") == [(0, Quality.GOOD)])


async def test_any_profile_can_be_served(tmp_path: Path) -> None:
    bound = servers.profile(tmp_path)
    async with serve(Listen(), bound) as face:
        ear = Ear(adapter(face.url, Machine(station=STATION, bound=bound)))
        async with ear.adapter.connect() as items:
            await ear.hear(items, lambda: bool(values(ear, "alarm.E3")))
        shown = {key: values(ear, key)[-1] for key in bound.examples}
        assert shown == {key: (value, Quality.GOOD) for key, value in bound.examples.items()}
        with pytest.raises(LinesideError, match="address already in use"):
            async with serve(Listen(port=face.address[1]), bound):
                pass


def test_a_status_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="is no StatusCode"):
        Fault(trouble=Trouble.BAD, status="BadLuck")
