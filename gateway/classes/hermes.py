"""Boards as IPC-HERMES-9852 tells of them: for machines that tell nothing else of boards, and beside a profile.

Without a profile BoardArrived is UnitsArrived, and BoardDeparted is UnitsDeparted; loaders and unloaders also say UnitsLoaded
and UnitsUnloaded of what comes out of a magazine or goes into one. Where the profile tells that boards come, that is
what makes the messages, and Hermes says only which board it is; so too where it tells that they go.
"""

from __future__ import annotations

from gateway.classes import announced, magazines, works
from gateway.classes.announced import Way
from gateway.classes.records import said_number, said_position, said_text, said_unit
from gateway.classes.structures import whole
from gateway.classes.turn import Turn
from gateway.core.event import TimeQuality
from gateway.core.observation import Record
from gateway.core.sample import SignalKey
from gateway.profile.hermes import PROTOCOL

_WAYS: dict[str, Way] = {"unit.arrived": "in", "unit.departed": "out"}
_MAGAZINES = ("loaded", "unloaded")
_TELLING: dict[Way, tuple[tuple[str, ...], frozenset[str]]] = {
    "in": (("units.in", *(f"units.{each}" for each in _MAGAZINES)),
           frozenset(("unit.arrived", *(f"unit.{each}" for each in _MAGAZINES)))),
    "out": (("units.out", *(f"units.{each}" for each in _MAGAZINES)),
            frozenset(("unit.departed", *(f"unit.{each}" for each in _MAGAZINES)))),
}  # fmt: skip
"""Counters and records by which a profile tells that boards come, or go: of a machine with magazines, either."""


def is_told(record: Record) -> bool:
    """Whether this comes from Hermes."""
    return "hermes" in record.fields


def follow(turn: Turn, record: Record) -> None:
    """A board has come or gone."""
    before = turn.time, turn.quality
    if record.time is not None:
        turn.time, turn.quality = record.time, TimeQuality.GOOD
    way = _WAYS[record.name]
    lanes = _counted(turn, way, record.lane)
    if lanes:
        _identify(turn, way, lanes[0], record)
    elif way == "in":
        _arrive(turn, record)
    else:
        _depart(turn, record)
    turn.time, turn.quality = before


def _counted(turn: Turn, way: Way, lane: int | None) -> tuple[int | None, ...]:
    """The lane of the profile on which it is told that boards of this lane come, or go; nothing where it is not told."""
    bound = turn.setup.bound
    if bound.protocol == PROTOCOL:
        return ()
    counters, records = _TELLING[way]
    for name in counters:
        for each in dict.fromkeys((lane, None)):
            if str(SignalKey(name, None, each, None)) in bound.signals:
                return (each,)
    if records.isdisjoint(bound.told):
        return ()
    by_rules = [rule.lane for rule in bound.rules if rule.record in records]
    return (lane,) if lane in by_rules or not by_rules else (None,)


def _identify(turn: Turn, way: Way, lane: int | None, record: Record) -> None:
    unit, hermes = _unit(turn, record), said_text(record, "hermes")
    counted = announced.announce(turn, way, lane, unit, hermes)
    if way == "in" and counted is not None:
        announced.name(turn, lane, counted, unit, hermes)


def _arrive(turn: Turn, record: Record) -> None:
    unit, hermes, lane = _unit(turn, record), said_text(record, "hermes"), record.lane
    works.forget(turn, hermes)  # it went out while nobody looked
    if said_text(record, "way") == "magazine":
        _moved(turn, record, magazines.UNITS_LOADED)
    units = _positions(turn, record)
    count = len(record.children) or turn.boards(lane)
    works.arrive(turn, lane, unit, count, told=works.Told(hermes, units))


def _depart(turn: Turn, record: Record) -> None:
    unit, hermes, lane = _unit(turn, record), said_text(record, "hermes"), record.lane
    works.change_lane(turn, lane, hermes)
    works.depart(turn, lane, unit, told=works.Told(hermes, _positions(turn, record)))
    if said_text(record, "way") == "magazine":
        _moved(turn, record, magazines.UNITS_UNLOADED)


def _unit(turn: Turn, record: Record) -> str | None:
    return said_unit(turn, record) or said_unit(turn, record, "bottom")


def _moved(turn: Turn, record: Record, name: str) -> None:
    """Out of a magazine or into one, if this is a machine that says so."""
    if name not in turn.setup.machine_class.messages:
        return
    unit = _unit(turn, record)
    units = _positions(turn, record) or turn.units(unit, len(record.children) or turn.boards(record.lane))
    slot = whole(said_number(record, "slot"))
    if slot is not None and len(units) == 1:
        units = [{**units[0], "PositionNumber": slot, "PositionName": f"Slot {slot}"}]
    turn.emit(name, {"UniqueIdentifier": turn.identifier(record.fields.get("magazine")), "Units": units})


def _positions(turn: Turn, record: Record) -> list[dict[str, object]] | None:
    """The boards of a panel by their own barcodes, where Hermes tells any."""
    boards = []
    for index, child in enumerate(record.children, 1):
        (board,) = turn.units(said_unit(turn, child), 1)
        position = said_position(child)
        board["PositionNumber"] = index if position is None else position
        if (status := said_text(child, "status")) is not None:
            board["Status"] = status
        boards.append(board)
    return boards or None
