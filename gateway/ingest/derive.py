"""Stations whose machines speak no CFX: what their class makes of a frame, as events of the journal."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.cfx.check import check
from gateway.cfx.complete import complete
from gateway.cfx.extract import facts
from gateway.classes import native
from gateway.classes.clock import judge
from gateway.classes.own import gateway_event
from gateway.classes.state import Adjusted, Look, Message, Setup, State
from gateway.classes.step import Observed, out_of_sight, step
from gateway.core.errors import InvalidMessage
from gateway.core.event import Event, Origin, TimeQuality
from gateway.core.observation import Lines, Lost, Readings, Record, Unreadable
from gateway.core.sample import Sample
from gateway.core.times import Micros
from gateway.ingest.stations import Station
from gateway.profile.bound import Reader

log = logging.getLogger("lineside.ingest")

_encode = msgspec.json.Encoder().encode
EMPTY = Look()
_TOLD = TimeQuality.GOOD
"""Of a message whose time the machine gave: how good that is, is judged here."""


class Derived(msgspec.Struct, frozen=True):
    """state: with the class's own in it. unfit: messages that the catalogue refuses, a defect of ours or of a profile's.
    wake: when time alone may change something."""

    state: native.State
    look: Look
    events: tuple[Event, ...]
    samples: tuple[Sample, ...]
    unfit: tuple[Unreadable, ...]
    wake: Micros | None


Readers = dict[str, tuple[bytes, Reader]]
"""By station: a reader, and the state that it has come to. To make it from that again for each line of a long report
takes a time that grows with the square of its length."""


def derive(
    station: Station,
    setup: Setup,
    before: native.State,
    look: Look,
    observed: Observed | Lines | Sequence[Readings],
    received: Micros,
    readers: Readers,
) -> Derived:
    """Step the station's class over what one frame brought. Pure, but for `readers`, of which nothing depends but the
    time that it takes."""
    if isinstance(observed, Sequence):
        return _step(station, setup, before, look, observed, received)
    if isinstance(observed, Lines):
        return _read(station, setup, before, look, observed, received, readers)
    if isinstance(observed, Lost) and not observed.kept and before.text:
        derived = _step(station, setup, msgspec.structs.replace(before, text=b""), look, (observed,), received)
        cut = Unreadable(raw=before.text, reason="cut-record", detail="out of sight before the end of this report")
        return msgspec.structs.replace(derived, unfit=(*derived.unfit, cut))
    return _step(station, setup, before, look, (observed,), received)


def _read(
    station: Station, setup: Setup, before: native.State, look: Look, text: Lines, received: Micros, readers: Readers
) -> Derived:
    """Records of the lines, and what is open then: kept with the station's state, so that a report that a restart cuts
    in half is read to its end."""
    assert setup.bound.records is not None
    start = b"" if text.whole else before.text
    stands, reader = readers.pop(station.id, (None, None))
    if reader is None or stands != start or not start:  # another commit's, which was rolled back
        reader = setup.bound.records.reader(station.id, station.zone, start)
    found = [each for number, line in enumerate(text.lines) for each in _placed(reader.feed(line), text, number)]
    if text.whole:
        found += reader.close()
    records = [each for each in found if isinstance(each, Record)]
    derived = _step(station, setup, before, look, records, received)
    state = derived.state
    if not text.whole:
        stands = reader.state
        readers[station.id] = (stands, reader)
        if stands != before.text:
            state = msgspec.structs.replace(state, text=stands)
    unfit = (*derived.unfit, *(each for each in found if isinstance(each, Unreadable)))
    return msgspec.structs.replace(derived, state=state, unfit=unfit)


def _placed(found: Sequence[Record | Unreadable], text: Lines, number: int) -> Sequence[Record | Unreadable]:
    """What a line, the one with this number, has brought to an end, with where that was."""
    if not text.passages or not found:
        return found
    passage = text.passages[number]
    return [
        msgspec.structs.replace(each, passage=msgspec.structs.replace(passage, at=f"{passage.at}.{place}"))
        if isinstance(each, Record)
        else each
        for place, each in enumerate(found)
    ]


def _step(
    station: Station, setup: Setup, before: native.State, look: Look, observed: Sequence[Observed], received: Micros
) -> Derived:
    outcome = step(setup, before.machine or State(), look, observed, received)
    state = before
    timed = [time for each in observed if (time := _told_at_once(each)) is not None]
    if timed:
        state = msgspec.structs.replace(state, clock=state.clock.heard(max(timed), received))
    if outcome.state is not before.machine:
        state = msgspec.structs.replace(state, machine=outcome.state)
    events: list[Event] = []
    unfit: list[Unreadable] = []
    for made in outcome.made:
        if isinstance(made, Adjusted):
            events.append(_adjusted(station, made, received))
            continue
        try:
            state, event = _event(station, state, made, received)
        except InvalidMessage as error:
            log.exception("%s: a message of class %s does not fit CFX", station.id, station.machine_class)
            unfit.append(Unreadable(raw=_plain(made), reason="unfit-message", detail=str(error)))
        else:
            events.append(event)
    return Derived(state, outcome.look, tuple(events), outcome.samples, tuple(unfit), outcome.wake)


def _told_at_once(observed: Observed) -> Micros | None:
    """The machine's time of something that it told when it happened. Records may be as old as the file they are in."""
    return observed.time if isinstance(observed, Readings | Record) and observed.live else None


def _event(station: Station, state: native.State, made: Message, received: Micros) -> tuple[native.State, Event]:
    """Raises InvalidMessage when a strict CFX peer would drop it."""
    body = complete(made.name, made.body)
    check(made.name, body)
    raw = _encode(body)
    said = facts(made.name, body)
    state, lane, also = native.follow(state, made.name, said, made.time)
    return state, Event(
        id=made.id,
        time=made.time,
        received=received,
        time_quality=judge(made.time, received, state.clock.offset_ms) if made.quality is _TOLD else made.quality,
        clock_offset_ms=state.clock.offset_ms,
        line=station.line,
        station=station.id,
        lane=lane,
        stage=said.stage,
        message=made.name,
        origin=Origin.DERIVED,
        transaction=said.transaction,
        revises=made.revises,
        unit_refs=said.units,
        body=raw,
        raw=raw,
        also_units=also,
    )


def _adjusted(station: Station, made: Adjusted, received: Micros) -> Event:
    body: Mapping[str, Any] = {
        "Signal": made.signal,
        "Lane": made.lane,
        "OldValue": made.old,
        "NewValue": made.new,
        "Units": made.units,
        "Cause": made.cause,
        "AbandonedTransactions": made.abandoned,
    }
    return gateway_event("CountAdjusted", body, at=received, key=made.id, line=station.line, station=station.id)


def _plain(made: Message) -> bytes:
    """What could not be made into a message, for whoever looks into quarantine."""
    return _encode({"Message": made.name, "Body": made.body})


def after_restart(state: native.State) -> native.State:
    """What the journal has of a station, as its class takes it up again."""
    return state if state.machine is None else msgspec.structs.replace(state, machine=out_of_sight(state.machine))
