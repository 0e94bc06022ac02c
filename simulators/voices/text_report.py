"""The voice of a tester that prints a report of every panel on its serial port, or sends it over TCP."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from simulators.model.facts import AnyFact, Tested
from simulators.voices import off_line
from simulators.voices.known import Known
from simulators.voices.layout import Layout
from simulators.voices.report import report_of
from simulators.voices.text import Speech, framing_of
from simulators.voices.voice import Said


class TextReport:
    """layout: of a profile with the record `test`. zone: of the tester's clock, by which it writes times.

    A retest is another report, even if it says exactly the same.
    """

    tells = frozenset((off_line.STARTED, off_line.TESTED, off_line.COMPLETED))

    def __init__(self, station: str, layout: Layout, *, zone: ZoneInfo) -> None:
        self.station = station
        self._layout = layout
        self._framing = framing_of(layout)
        self._known = Known(station)
        self._zone = zone

    def hear(self, fact: AnyFact) -> Said[Speech]:
        self._known.hear(fact)
        if not isinstance(fact, Tested) or fact.station != self.station:
            return Said()
        report = report_of(self._layout, fact, self._known)
        return Said((Speech(report.template, self._framing, self._zone),), report.told)
