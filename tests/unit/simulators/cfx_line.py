"""What happens to a few panels at machines that speak CFX, written by hand; and hearing it, down to events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway.cfx import envelope
from gateway.core.event import Event
from gateway.core.observation import CfxMessage
from gateway.core.times import Micros, parse_rfc3339
from gateway.ingest.stations import Route, Station, Stations
from gateway.journal.filter import Filter
from simulators.faces.cfx import written
from simulators.model.facts import (
    AnyFact,
    Arrived,
    BoardResult,
    Component,
    Defect,
    Departed,
    FaultAcknowledged,
    FaultCleared,
    FaultRaised,
    Inspected,
    LotReleased,
    Measure,
    PanelMade,
    Placed,
    Printed,
    ProductKnown,
    ReelHow,
    ReelMoved,
    Reviewed,
    SetUp,
    StateChanged,
    StencilCleaned,
    Switched,
    Verdict,
    WorkBegan,
    WorkEnded,
)
from simulators.model.plan import Line, Lot, Part, Product
from simulators.voices.cfx import CfxVoice, Trade
from simulators.voices.cfx_message import Output, Spoken
from simulators.voices.cfx_mouth import Manner
from simulators.voices.cfx_placement import Placing
from simulators.voices.cfx_printer import Printing
from simulators.voices.cfx_review import Reviewing
from simulators.voices.cfx_spi import Inspecting
from simulators.voices.voice import Told, When
from tests.build import bench

PRINTER, SPI, PNP, AOI, REVIEW = "L1.printer", "L1.spi", "L1.pnp1", "L1.aoi", "L1.review"
STATIONS = (PRINTER, SPI, PNP, REVIEW)
ZONE = "Europe/Berlin"
NOON = parse_rfc3339("2026-11-20T12:00:00Z")
SPEED = 10.0
FAULT = "6c1f9a52-32a3-4f68-9a0e-1f4d3d2f7a01"

RESISTOR = Part(number="RES-10K", package="0402", prefix="R", nozzle="N0402")
_BILL = (Line(PNP, "RES-10K", ("R1", "R2")),)
_ZONES = (150.0,) * 10
CTRL = Product(name="CTRL", revision="C", boards=3, parts=(RESISTOR,), bill=_BILL, zones=_ZONES, belt=900.0)
SENS = Product(
    name="SENS", revision="A", boards=2, parts=(RESISTOR,), bill=_BILL, zones=_ZONES, belt=900.0, by_board=True
)
LOTS = (
    Lot(number=1, order="WO-1", batch="WO-1-B1", product="CTRL", surface="PrimarySurface", panels=2),
    Lot(number=2, order="WO-2", batch="WO-2-B1", product="SENS", surface="SecondarySurface", panels=2),
)


def instant(at: float) -> Micros:
    return NOON + round(at / SPEED * 1_000_000)


WHEN = When(instant, SPEED)


def handle(station: str) -> str:
    return f"SMTPlus.Model_1.{station.partition('.')[2]}"


def voice(station: str, manner: Manner | None = None, seed: int = 7) -> CfxVoice:
    trades: dict[str, Trade] = {PRINTER: Printing(), SPI: Inspecting(), PNP: Placing(PNP), REVIEW: Reviewing(AOI)}
    return CfxVoice(station, handle(station), trades[station], seed=seed, manner=manner)


def said(station: str, facts: Iterable[AnyFact], manner: Manner | None = None) -> tuple[list[Output], list[Told]]:
    """All that it says of them, and at the end of them."""
    machine = voice(station, manner)
    outputs: list[Output] = []
    told: list[Told] = []
    last = 0.0
    for fact in facts:
        one = machine.hear(fact)
        outputs += one.outputs
        told += one.told
        last = fact.at
    end = machine.ending(last + 1.0)
    assert {each.message for each in (*told, *end.told)} <= machine.tells
    return [*outputs, *end.outputs], [*told, *end.told]


def spoken(outputs: Iterable[Output], name: str) -> list[dict[str, Any]]:
    """Bodies of the messages of that name, as they are on the wire."""
    return [
        json.loads(written(each, WHEN).payload)["MessageBody"]
        for each in outputs
        if isinstance(each, Spoken) and each.name.endswith(f".{name}")
    ]


def names(outputs: Iterable[Output]) -> list[str]:
    """Last parts of the names, without heartbeats; `down` and `up` for the network."""
    found = [
        each.name.rpartition(".")[2] if isinstance(each, Spoken) else "up" if each.up else "down" for each in outputs
    ]
    return [each for each in found if each != "Heartbeat"]


async def events(folder: Path, outputs: Iterable[Output], zone: str = "UTC") -> list[Event]:
    """What a journal has of it."""
    stations = [
        Station(id=each, line="L1", name=each[3:], machine_class="generic", zone=ZoneInfo(zone)) for each in STATIONS
    ]
    routes = [Route(connection="broker", station=each, handles=(handle(each.id),)) for each in stations]
    found: list[Event] = []
    async with bench(folder, stations=Stations(stations, routes, zone=ZoneInfo(zone))) as behind:
        for number, each in enumerate(outputs):
            if isinstance(each, Spoken):
                (message,) = envelope.read(written(each, WHEN).payload)
                assert isinstance(message, CfxMessage)
                await behind.give(number, message)
        await behind.settled()
        after, more = 0, True
        while more:
            page = await behind.reader.events(after, 1000, Filter())
            found += [placed.event for placed in page.events if placed.event.handle is not None]
            after, more = page.next, page.more
    return [each for each in found if each.message != "CFX.Heartbeat"]


def differences(told: Sequence[Told], found: Sequence[Event]) -> list[str]:
    """Both in their order; empty when the events are what was told."""
    wrong = [] if len(told) == len(found) else [f"{len(told)} told, {len(found)} events"]
    for expected, event in zip(told, found, strict=False):
        body = json.loads(event.body)
        pairs = {
            "station": (expected.station, event.station),
            "message": (expected.message, event.message),
            "id": (expected.unique_id or event.id, event.id),
            "time": (None if expected.at is None else instant(expected.at), event.time),
            "units": (list(expected.units), event.units),
            "lane": (expected.lane, event.lane),
            **{path: (value, _at(body, path)) for path, value in expected.values.items()},
        }
        wrong += [f"{expected.message} {key}: {a!r}, {b!r}" for key, (a, b) in pairs.items() if a != b]
    return wrong


def _at(body: Any, path: str) -> Any:
    for key in path.split("."):
        body = body[int(key)] if isinstance(body, list) else body[key]
    return body


# What happens


def plan() -> list[AnyFact]:
    return [
        *(ProductKnown(at=0.0, product=each) for each in (CTRL, SENS)),
        *(LotReleased(at=0.0, lot=each) for each in LOTS),
        PanelMade(at=0.0, panel="p1", lot=1, label="PNL-1", boards=("PNL-1-1", "PNL-1-2", "PNL-1-3"), x_outs=(2,)),
        PanelMade(at=0.0, panel="p2", lot=1, label=None, boards=("a", "b", "c")),
        PanelMade(at=0.0, panel="p3", lot=2, label="PNL-3", boards=("SN-31", "SN-32")),
        PanelMade(at=0.0, panel="p4", lot=2, label="PNL-4", boards=("SN-41", "SN-42")),
    ]


def life(station: str) -> list[AnyFact]:
    """Switched on, two lots of two panels on two lanes with a changeover between, one label that is not read."""
    at = _Station(station)
    at.add(Switched(at=1.0, station=station, on=True), StateChanged(at=5.0, station=station, state="SDT_Setup"))
    for number, panels in ((1, ("p1", "p2")), (2, ("p3", "p4"))):
        at.set_up(number)
        for lane, panel in enumerate(panels, 1):
            at.panel(panel, lane)
    return [*plan(), *at.facts]


class _Station:
    def __init__(self, station: str) -> None:
        self.station = station
        self.facts: list[AnyFact] = []
        self.now = 5.0

    def add(self, *facts: AnyFact) -> None:
        self.facts += facts
        self.now = facts[-1].at

    def pass_s(self, seconds: float) -> float:
        self.now = round(self.now + seconds, 3)
        return self.now

    def set_up(self, number: int) -> None:
        recipe = LOTS[number - 1].recipe
        if self.station == PNP:
            self.reel(ReelHow.LOADED if number == 1 else ReelHow.SPLICED, f"REEL{number}")
        at = self.pass_s(90.0)
        self.add(
            SetUp(at=at, station=self.station, lot=number, recipe=recipe),
            StateChanged(at=at, station=self.station, state="SBY_NoProductStarved"),
        )

    def reel(self, how: ReelHow, name: str, left: int = 9) -> None:
        at = self.pass_s(1.0)
        self.add(
            ReelMoved(
                at=at,
                station=self.station,
                how=how,
                slot=4,
                feeder="FD4",
                reel=name,
                part="RES-10K",
                batch="B7",
                left=left,
            )
        )

    def panel(self, panel: str, lane: int) -> None:
        place: dict[str, Any] = {"station": self.station, "panel": panel}
        read = {"p1": "PNL-1", "p3": "PNL-3"}.get(panel)
        job = f"{self.station}-{panel}"
        if self.station == REVIEW:
            self.review(panel, read, job)
            return
        self.add(Arrived(at=self.pass_s(2.0), lane=lane, read=read, **place))
        self.add(StateChanged(at=self.pass_s(0.5), station=self.station, state="PRD_RegularWork"))
        self.add(WorkBegan(at=self.now, lane=lane, job=job, **place))
        self.work(panel, lane, job)
        self.add(WorkEnded(at=self.now, lane=lane, job=job, **place))
        self.add(Departed(at=self.pass_s(1.5), lane=lane, read=read, **place))

    def work(self, panel: str, lane: int, job: str) -> None:
        began = self.now
        if panel == "p1":
            self.fault(lane, job)
        at = self.pass_s(20.0)
        place: dict[str, Any] = {"at": at, "station": self.station, "panel": panel, "job": job}
        if self.station == PRINTER:
            offset = (0.01, -0.02, 0.0)
            self.add(
                Printed(
                    direction="forward", pressure=62.0, speed=60.0, separation=3.0, offset=offset, seconds=11.5, **place
                ),
                StencilCleaned(
                    at=at, station=self.station, stencil="ST-1", mode="W", prints=10, seconds=300.0, took=20.0
                ),
            )
        elif self.station == SPI:
            self.add(Inspected(boards=paste(panel), count=20, **place))
        elif self.station == PNP:
            reel = "REEL1" if panel in ("p1", "p2", "p3") else "REEL2"
            boards = {"p1": (1, 3), "p2": (1, 2, 3)}.get(panel, (1, 2))
            placed = [
                Component(position, name, 4, reel, round(at - began - 3.0 + number, 3))
                for number, (position, name) in enumerate((each, name) for each in boards for name in ("R1", "R2"))
            ]
            missed = (Component(1, "R1", 4, reel, 3.5),) if panel == "p1" else ()
            self.add(Placed(components=tuple(placed), missed=missed, **place))

    def fault(self, lane: int, job: str) -> None:
        place: dict[str, Any] = {"station": self.station}
        text = {PRINTER: "Solder paste low", PNP: "Component was not picked up"}.get(self.station, "Board stuck")
        where: dict[str, Any] = {"designator": "R1", "feeder": 4} if self.station == PNP else {}
        at = self.pass_s(4.0)
        self.add(FaultRaised(at=at, occurrence=FAULT, code="E3101", text=text, lane=lane, job=job, **where, **place))
        self.add(StateChanged(at=self.now, state="USD_UserMaintentanceDelay", fault=FAULT, **place))
        self.add(FaultAcknowledged(at=self.pass_s(12.0), occurrence=FAULT, operator="4711", **place))
        self.add(FaultCleared(at=self.pass_s(30.0), occurrence=FAULT, operator="4711", **place))
        self.add(StateChanged(at=self.now, state="PRD_RegularWork", **place))

    def review(self, panel: str, read: str | None, job: str) -> None:
        """Minutes after the AOI has seen it: one defect is none, one is."""
        at = self.pass_s(30.0)
        found = [
            Defect(id=f"{panel}-d{number}", component=component, code="Tombstone")
            for number, component in enumerate(("R1", "R2"), 1)
        ]
        boards = [
            BoardResult(position=position, board=f"b{position}", passed=False, defects=(defect,))
            for position, defect in enumerate(found, 1)
        ]
        self.add(
            Arrived(at=at, station=AOI, panel=panel, lane=1, read=read),
            Inspected(at=at, station=AOI, panel=panel, job=job, boards=tuple(boards), count=40),
            Departed(at=at + 2.0, station=AOI, panel=panel, lane=1),
        )
        verdicts = tuple(
            Verdict(position=board.position, defect=each.id, confirmed=board.position == 1)
            for board in boards
            for each in board.defects
        )
        at = self.pass_s(120.0)
        self.add(Reviewed(at=at, station=REVIEW, panel=panel, job=job, operator="4712", verdicts=verdicts))


def paste(panel: str) -> tuple[BoardResult, ...]:
    low = Defect(id=f"{panel}-s1", component="R1.1", code="InsufficientSolder")
    measures = (
        Measure(name="volume.percent", component="R1.1", value=48.0, unit="%", passed=False),
        Measure(name="height", component="R1.1", value=118.0, unit="um", expected=120.0),
        Measure(name="offset.x", component="R1.1", value=12.0, unit="um"),
        Measure(name="Warpage", component="", value=0.4, unit="mm", high=1.0),
    )
    first = BoardResult(position=1, board="b1", passed=False, defects=(low,), measures=measures)
    second = BoardResult(position=2, board="b2", skipped=panel == "p1")
    third = () if panel in ("p3", "p4") else (BoardResult(position=3, board="b3"),)
    return (first, second, *third)
