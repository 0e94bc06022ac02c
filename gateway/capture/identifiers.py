"""Where identifiers of boards, panels, carriers and magazines stand in what is captured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from gateway.capture.form import Remembered
from gateway.classes import native
from gateway.classes.state import Look
from gateway.core.observation import CfxMessage, Kind, Lines, Lost, Observation, Readings, Record, Tick
from gateway.core.sample import Value

SIGNALS = frozenset(("board.id", "board.out.id", "magazine.id", "mark.id", "read.id", "unit.in.id", "unit.out.id"))
FIELDS = frozenset(("unit", "id", "barcode.top", "barcode.bottom", "board", "magazine", "value"))
"""Of signals and of records, in the words of the machine classes."""

_NAME = re.compile(r"[\[@:]")
"""What ends a signal's name in its key."""


class Lined(Protocol):
    """A profile's text side."""

    def said(self, line: str, fields: frozenset[str]) -> list[str] | None:
        """What a line has in these fields, whatever record it belongs to; None when it fits nothing."""


def of_observations(observations: Sequence[Observation], texts: Mapping[str, Lined]) -> set[str] | None:
    """None where it cannot be said which there are. texts: by station."""
    found: set[str] = set()
    for each in observations:
        match each:
            case CfxMessage():
                if each.kind is Kind.UNKNOWN:
                    return None
                found.update(ref.id for ref in each.facts.units if ref.id)
            case Readings():
                found.update(_of_signals(zip(each.keys, each.values, strict=True)))
            case Record():
                found.update(_of_record(each))
            case Lines():
                lined = texts.get(each.station)
                for line in each.lines:
                    said = None if lined is None else lined.said(line, FIELDS)
                    if said is None:
                        return None
                    found.update(said)
            case Lost() | Tick():
                pass
            case _:
                return None
    return {each for each in found if each}


def _of_signals(pairs: Iterable[tuple[str, Value]]) -> Iterator[str]:
    for key, value in pairs:
        if value is not None and _NAME.split(key, 1)[0] in SIGNALS:
            yield str(value)


def _of_record(record: Record) -> Iterator[str]:
    for name, value in record.fields.items():
        if name in FIELDS and value is not None:
            yield str(value)
    for child in record.children:
        yield from _of_record(child)


_look = msgspec.msgpack.Decoder(Look)


def look_of(remembered: Remembered) -> Look:
    return _look.decode(remembered.look) if remembered.look else Look()


def of_state(state: native.State, look: Look) -> set[str]:
    """Also such that are no identifiers only by chance of the machine's being followed by them."""
    found: set[str | None] = set()
    for work in state.works.values():
        found.update(work.units)
    machine = state.machine
    if machine is not None:
        found.update(machine.ids.values(), machine.verdicts, machine.left)
        for inside in machine.lanes.values():
            found.update(name for work in inside for name in (work.unit, work.hermes))
        for told in machine.announced.values():
            found.update(name for each in told for name in (each.unit, each.hermes))
        for read in machine.read.values():
            found.update(read.units)
    found.update(_of_signals(look.values.items()))
    found.update(_of_signals((key, sample.value) for key, sample in look.shown.items()))
    return {each for each in found if each}
