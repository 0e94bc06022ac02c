"""What goes in and out of magazines (IPC-CFX UnitsLoaded, UnitsUnloaded, MagazineArrived, MagazineDeparted).

In CFX, units are *loaded* from a carrier and *unloaded* into one.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.classes import announced, common, passing, works
from gateway.classes.records import said_number, said_unit
from gateway.classes.structures import structure, whole
from gateway.classes.turn import Turn, lane_key
from gateway.classes.words import Word, fields, said
from gateway.core.observation import Record
from gateway.core.sample import signal_key
from gateway.profile.vocabulary import FieldSpec, Kind, RecordSpec, SignalSpec

UNITS_LOADED = "CFX.Production.LoadingAndUnloading.UnitsLoaded"
UNITS_UNLOADED = "CFX.Production.LoadingAndUnloading.UnitsUnloaded"
MAGAZINE_ARRIVED = "CFX.Production.Hermes.MagazineArrived"
MAGAZINE_DEPARTED = "CFX.Production.Hermes.MagazineDeparted"

MAGAZINE = FieldSpec(name="magazine", kind=Kind.TEXT, meaning="Identifier of the magazine.")
SLOT = FieldSpec(name="slot", kind=Kind.NUMBER, unit="1", meaning="Its slot in the magazine.")

MAGAZINE_ID = SignalSpec(
    name="magazine.id",
    kind=Kind.TEXT,
    lane=True,
    meaning="The magazine that is in place; an empty text when there is none.",
)
MAGAZINE_SLOT = SignalSpec(
    name="magazine.slot", kind=Kind.NUMBER, unit="1", lane=True, meaning="The slot that was used last."
)
_SLOT_WORDS = (
    Word("slot", "SlotId", "Number of the slot.", "1"),
    Word("board", "BoardId", "Hermes identifier of the board in it.", kind=Kind.TEXT),
    Word("product", "ProductTypeId", "Its product.", kind=Kind.TEXT),
    Word("barcode.top", "TopBarcode", "Barcode on its upper side.", kind=Kind.TEXT),
    Word("barcode.bottom", "BottomBarcode", "Barcode on its lower side.", kind=Kind.TEXT),
    Word("length", "Lenght", "Its length.", "mm"),
    Word("width", "Width", "Its width.", "mm"),
    Word("thickness", "Thickness", "Its thickness.", "mm"),
)
RECORDS = (
    RecordSpec(
        name="magazine.arrived",
        lane=True,
        fields=(MAGAZINE,),
        children=("magazine.slot",),
        meaning="A magazine has been put in place.",
    ),
    RecordSpec(
        name="magazine.departed",
        lane=True,
        fields=(MAGAZINE,),
        children=("magazine.slot",),
        meaning="It has been taken away.",
    ),
    RecordSpec(name="magazine.slot", fields=fields(_SLOT_WORDS), meaning="A slot of the magazine with a board in it."),
)


def _load(turn: Turn, lane: int | None, unit: str | None, count: int, magazine: str | None, slot: float | None) -> None:
    """Out of the magazine, and into the line."""
    board = announced.claim(turn, "out", lane, unit)
    if board is None:
        announced.count(turn, "out", lane, unit, None)
    unit, hermes = (unit, None) if board is None else (unit or board.unit, board.hermes)
    units = turn.units(unit, count)
    _put(turn, UNITS_LOADED, units, magazine, slot)
    turn.emit(
        common.UNITS_DEPARTED,
        {"PrimaryIdentifier": unit, "HermesIdentifier": hermes, "Units": units, "Lane": lane},
    )


def _unload(
    turn: Turn, lane: int | None, unit: str | None, count: int, magazine: str | None, slot: float | None
) -> None:
    """Into the magazine. Where nothing says when units come, this one has come now."""
    if not turn.has("units.in") and not turn.setup.tells("unit.arrived"):
        works.arrive(turn, lane, unit, count)
    work, _ = works.take(turn, lane, unit)
    _put(turn, UNITS_UNLOADED, turn.units(work.unit, work.count), magazine, slot)


def _put(turn: Turn, name: str, units: list[dict[str, object]], magazine: str | None, slot: float | None) -> None:
    """A slot is the unit's place in the magazine, as far as there is one unit."""
    placed, number = units, whole(slot)
    if number is not None and len(units) == 1:
        placed = [{**units[0], "PositionNumber": number, "PositionName": f"Slot {number}"}]
    turn.emit(name, {"UniqueIdentifier": magazine, "Units": placed})


def looked(turn: Turn, before: Mapping[str, object]) -> None:
    """The magazine first: what moves now belongs to the one that is in place now."""
    named = sorted((signal_key(key).name, key) for key in before)
    for name, key in named:
        if name == "magazine.id":
            _exchanged(turn, signal_key(key).lane, turn.values.get(key))
    for name, key in named:
        move, reader = _COUNTERS.get(name, (None, ""))
        if move is None:
            continue
        count, lane = passing.counted(turn, key), signal_key(key).lane
        for index in range(count):
            last = index == count - 1
            # Of several since the last look, only the last one's slot and identifier are known.
            unit = turn.fresh(reader, lane) if last else None
            slot = turn.number("magazine.slot", lane=lane) if last else None
            move(turn, lane, unit, turn.boards(lane), turn.text("magazine.id", lane=lane), slot)


_COUNTERS = {"units.loaded": (_load, "unit.out.id"), "units.unloaded": (_unload, "unit.in.id")}


def _exchanged(turn: Turn, lane: int | None, value: object) -> None:
    """Another magazine is in place, or none. The one that was there when we came has not arrived now."""
    if value is None:
        return
    key, magazine = f"magazine@{lane_key(lane)}", str(value)
    before = turn.kept.get(key)
    turn.kept[key] = magazine
    if before is None or before == magazine:
        return
    if before:
        turn.emit(MAGAZINE_DEPARTED, {"MagazineData": {"MagazineId": before, "HermesUnits": None}})
    if magazine:
        turn.emit(MAGAZINE_ARRIVED, {"MagazineData": {"MagazineId": magazine, "HermesUnits": None}})


def moved(turn: Turn, record: Record) -> None:
    """`unit.loaded` and `unit.unloaded`."""
    move = _load if record.name == "unit.loaded" else _unload
    magazine = turn.identifier(record.fields.get("magazine")) or turn.text("magazine.id", lane=record.lane)
    count = turn.boards(record.lane, said_number(record, "units"))
    move(turn, record.lane, said_unit(turn, record), count, magazine, said_number(record, "slot"))


def _magazine(turn: Turn, record: Record) -> None:
    """`magazine.arrived` and `magazine.departed`, with what is in its slots where that is told."""
    slots = [structure("HermesUnit", said(child, _SLOT_WORDS)) for child in record.children]
    magazine = {"MagazineId": turn.identifier(record.fields.get("magazine")), "HermesUnits": slots or None}
    name = MAGAZINE_ARRIVED if record.name == "magazine.arrived" else MAGAZINE_DEPARTED
    turn.emit(name, {"MagazineData": magazine})


FOLLOWED = {"magazine.arrived": _magazine, "magazine.departed": _magazine}
