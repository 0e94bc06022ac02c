"""The voice of a barcode reader: a text for every code that it reads, and for every one that it cannot."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from simulators.model.facts import AnyFact, Scanned
from simulators.voices.items import Item, Moment
from simulators.voices.layout import Layout
from simulators.voices.text import Speech, framing_of
from simulators.voices.voice import Said, Told
from simulators.voices.written import Written, write

READ = "CFX.Sensor.Identification.IdentifiersRead"
NOT_READ = "CFX.Sensor.Identification.IdentifiersNotRead"


class TextReader:
    """layout: of a profile with the record `read`. zone: of its clock, if it says times. unread: what it says in place of a code where the profile does not say
    what that is; the gateway has it among its `ignore_ids`. Raises ValueError when the profile cannot be written."""

    tells = frozenset((READ, NOT_READ))

    def __init__(self, station: str, layout: Layout, *, zone: ZoneInfo, unread: str = "NOREAD") -> None:
        self.station = station
        self._layout = layout
        self._framing = framing_of(layout)
        self._zone = zone
        self._unread = unread
        self._timed = (table := layout.record("read")) is not None and table.time is not None
        self._nothing(0.0)

    def hear(self, fact: AnyFact) -> Said[Speech]:
        if not isinstance(fact, Scanned) or fact.station != self.station:
            return Said()
        try:
            made = self._nothing(fact.at) if fact.read is None else self._write(fact.read, fact.at)
            unit = fact.read
        except ValueError:  # with characters that this reader is not set up to send
            made, unit = self._nothing(fact.at), None
        return Said((Speech(made.template, self._framing, self._zone),), (self._told(unit, fact.at),))

    def _nothing(self, at: float) -> Written:
        try:
            return self._write(None, at)
        except ValueError:
            return self._write(self._unread, at)

    def _write(self, unit: str | None, at: float) -> Written:
        return write(self._layout, Item("read", {"unit": unit, "ended": Moment(at)}))

    def _told(self, unit: str | None, at: float) -> Told:
        """Units by their code; of what was not read nobody says how many there are."""
        return Told(
            station=self.station,
            message=NOT_READ if unit is None else READ,
            at=at if self._timed else None,
            seen=at,
            units=() if unit is None else (unit,),
            count=None if unit is None else 1,
        )
