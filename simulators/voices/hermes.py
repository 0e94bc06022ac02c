"""The voice of a machine's vertical channel (IPC-HERMES-9852): which boards come in and go out.

Of a magazine loader by default: a board arrives out of a magazine and departs into the line. A board keeps its BoardId for
good, whatever else can be read of it.
"""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgspec

from simulators.faces.hermes_talk import LOADED, TRANSFERRED, Board, Passed
from simulators.model.facts import AnyFact, Arrived, Departed, Labelled, MagazineChanged, PanelMade, Scrapped
from simulators.voices import registers_words as words
from simulators.voices.voice import Said, Told

UNITS_LOADED = "CFX.Production.LoadingAndUnloading.UnitsLoaded"
UNITS_UNLOADED = "CFX.Production.LoadingAndUnloading.UnitsUnloaded"
_LOADER, _UNLOADER = "magazine_loader", "magazine_unloader"
_SLOTS = 50
"""Of a magazine, used from the first on; common ones of SMT lines have 50 (assumption)."""


class _Inside(msgspec.Struct):
    """A board in the machine, as it was told when it came. labelled: what the machine has printed on it itself."""

    read: str | None
    lane: int
    labelled: str | None = None


class HermesVoice:
    """machine_class: of the station. created_by: MachineId of whoever gave the boards their BoardIds."""

    def __init__(self, station: str, *, machine_class: str = _LOADER, created_by: str = "Loader-1") -> None:
        self.station = station
        self._class = machine_class
        self._created_by = created_by
        self._panels: dict[str, PanelMade] = {}
        self._inside: dict[str, _Inside] = {}
        self._magazine: str | None = None
        self._slot = 0

    @property
    def tells(self) -> frozenset[str]:
        moved = {_LOADER: {UNITS_LOADED}, _UNLOADER: {UNITS_UNLOADED}}.get(self._class, set())
        works = {words.WORK_STARTED, words.WORK_COMPLETED} if words.works(self._class) else set()
        return frozenset({words.UNITS_ARRIVED, words.UNITS_DEPARTED, *moved, *works})

    def hear(self, fact: AnyFact) -> Said[Passed]:
        match fact:
            case PanelMade():
                self._panels[fact.panel] = fact
            case Scrapped() if fact.position is None:
                self._panels.pop(fact.panel, None)
            case _ if fact.station == self.station:
                return self._here(fact)
        return Said()

    def _here(self, fact: AnyFact) -> Said[Passed]:
        match fact:
            case MagazineChanged():
                self._magazine = fact.magazine if fact.came else None
                self._slot = 0
            case Labelled():
                if (inside := self._inside.get(fact.panel)) is not None:
                    inside.labelled = fact.label
            case Arrived():
                return self._arrive(fact)
            case Departed():
                return self._depart(fact)
        return Said()

    def _arrive(self, fact: Arrived) -> Said[Passed]:
        self._inside[fact.panel] = _Inside(fact.read, fact.lane)
        board, magazine = self._board(fact.panel, fact.read), None
        if self._class == _LOADER:
            board, magazine = self._in_slot(board, fact.panel)
        told = [self._told(words.UNITS_ARRIVED, fact.at, fact.read, fact.lane, board)]
        if magazine is not None:
            told.insert(0, self._moved(UNITS_LOADED, fact.at, fact.read, board))
        if words.works(self._class):
            told.append(self._told(words.WORK_STARTED, fact.at, fact.read, fact.lane, board))
        transfer = TRANSFERRED if magazine is None else LOADED
        return Said((Passed(fact.at, "BoardArrived", board, fact.lane, transfer),), tuple(told))

    def _depart(self, fact: Departed) -> Said[Passed]:
        inside = self._inside.pop(fact.panel, None)
        came = inside or _Inside(None, fact.lane)
        now = fact.read or came.labelled
        known = came.read or now
        board, magazine = self._board(fact.panel, now), None
        if self._class == _UNLOADER:
            board, magazine = self._in_slot(board, fact.panel)
        told = [self._told(words.UNITS_DEPARTED, fact.at, known, fact.lane, board)]
        if words.works(self._class):
            # The lane of a work is that on which it began.
            lane = None if inside is None else inside.lane
            told.insert(0, self._told(words.WORK_COMPLETED, fact.at, known, lane, board))
        if magazine is not None:
            told.append(self._moved(UNITS_UNLOADED, fact.at, now, board))
        transfer = TRANSFERRED if magazine is None else LOADED
        return Said((Passed(fact.at, "BoardDeparted", board, fact.lane, transfer),), tuple(told))

    def _board(self, panel: str, code: str | None) -> Board:
        guid = uuid5(NAMESPACE_OID, f"lineside/panel/{panel}")
        return Board(board_id=str(guid), created_by=self._created_by, top=code)

    def _in_slot(self, board: Board, panel: str) -> tuple[Board, str | None]:
        """And the magazine: the one in place, or else the one that the panel came in."""
        made = self._panels.get(panel)
        magazine = self._magazine or (None if made is None else made.magazine)
        if magazine is None:
            return board, None
        self._slot = self._slot % _SLOTS + 1
        return msgspec.structs.replace(board, magazine=magazine, slot=self._slot), magazine

    def _told(self, message: str, at: float, unit: str | None, lane: int | None, board: Board) -> Told:
        return Told(
            station=self.station,
            message=message,
            at=at,
            seen=at,
            units=() if unit is None else (unit,),
            count=1,
            lane=lane,
            values={"HermesIdentifier": board.board_id},
        )

    def _moved(self, message: str, at: float, unit: str | None, board: Board) -> Told:
        values: dict[str, Any] = {"UniqueIdentifier": board.magazine, "Units.0.PositionNumber": board.slot}
        units = tuple(each for each in (board.magazine, unit) if each is not None)
        return Told(station=self.station, message=message, at=at, seen=at, units=units, count=1, values=values)
