"""One batch inside its transaction: copy check, step, insert. Runs on the writer's thread."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

from gateway.classes import native
from gateway.classes.own import gateway_event
from gateway.classes.state import Look
from gateway.core.errors import DecodeError
from gateway.core.event import CfxHeader, Event, Origin
from gateway.core.frame import LOST, POSITION, POSITION_OF, TICK, Refused
from gateway.core.observation import CfxMessage, Lines, Lost, Observation, Readings, Record, Tick, Unreadable
from gateway.core.sample import Sample
from gateway.core.times import Micros
from gateway.ingest.derive import EMPTY, Readers, after_restart, derive
from gateway.ingest.identity import Identities, Rereading, readable_again
from gateway.ingest.queues import Item, Refusal
from gateway.ingest.stations import Station, Stations
from gateway.journal.transaction import Transaction

log = logging.getLogger("lineside.ingest")

_OFFSET_STEP_MS = 250
"""A clock offset that moved this far since it was last reported is an event."""


class Wake(NamedTuple):
    """When time alone may change something at a station (None: never), and who told of it."""

    due: Micros | None
    connection: str
    protocol: str


class Tally:
    """What a batch counted; added to the metrics after the commit, so that a rolled back batch counts nothing."""

    def __init__(self) -> None:
        self.stored: Counter[tuple[str, str, str]] = Counter()
        self.duplicates: Counter[tuple[str, str, str]] = Counter()
        self.reused: Counter[tuple[str, str, str]] = Counter()
        self.copies: Counter[tuple[str, str, str]] = Counter()
        self.quarantined: Counter[tuple[str, str, str]] = Counter()
        self.samples: Counter[tuple[str, str, str]] = Counter()
        self.heard: dict[tuple[str, str, str | None], Micros] = {}
        self.wakes: dict[str, Wake] = {}
        self.alone: list[Event] = []
        """Of deliveries that were stored without following their station's state."""
        self.dropped = 0


class Stepper:
    """Holds the stations' committed states, and while a batch runs, its changes to them."""

    def __init__(self, stations: Stations, states: Mapping[str, tuple[int, bytes]], *, payload_cap: int) -> None:
        self._stations = stations
        self._payload_cap = payload_cap
        self.states: dict[str, native.State] = {}
        self.unreadable_states: list[str] = []
        self._changed: dict[str, native.State] = {}
        self._looks: dict[str, Look] = {}
        self._changed_looks: dict[str, Look] = {}
        self._readers: Readers = {}
        self._failing: set[str] = set()
        """Stations whose last frame nobody could follow: a defect that comes with every frame is told once."""
        self.tally = Tally()
        for id_, (version, data) in states.items():
            stations.restore(id_)
            try:
                self.states[id_] = after_restart(native.load(version, data))
            except ValueError as error:
                log.warning("state of station %s is unknown: %s", id_, error)
                self.unreadable_states.append(id_)

    def take_up(self, station: str, version: int, state: bytes, look: Look) -> None:
        """Go on from here, in place of what is known of the station, as if nothing had come between. Raises ValueError when
        the state cannot be read."""
        self._stations.restore(station)
        self.states[station] = native.load(version, state)
        self._looks[station] = look

    def state(self, station: str) -> native.State:
        return self._changed.get(station) or self.states.get(station, native.EMPTY)

    def known(self, station: str) -> native.State:
        """What is committed of it; for other threads than the writer's."""
        return self.states.get(station, native.EMPTY)

    def remembered(self) -> tuple[dict[str, native.State], dict[str, Look]]:
        """Of every station, as committed; on the writer's thread, where nothing moves meanwhile."""
        return dict(self.states), dict(self._looks)

    def signals(self, station: str) -> Sequence[Sample]:
        """The newest committed sample of each of its series, in the order in which they were first seen."""
        look = self._looks.get(station)
        return () if look is None else tuple(look.shown.values())

    def apply(self, transaction: Transaction, items: Sequence[Item]) -> None:
        self.tally = Tally()
        messages = [o for item in items for o in item.observations if isinstance(o, CfxMessage)]
        identities, rereading = Identities(transaction, messages), Rereading(transaction)
        for item in items:
            self._item(transaction, identities, rereading, item)
        newest = max((item.received for item in items), default=0)
        for station, state in self._changed.items():
            if state is self.states.get(station):
                continue
            transaction.save_state(station, native.VERSION, newest, native.save(state))
        self.tally.dropped = transaction.quarantine_dropped

    def roll_back(self) -> None:
        self._changed = {}
        self._changed_looks = {}

    def keep(self) -> None:
        """The batch is committed."""
        self.states.update(self._changed)
        self._looks.update(self._changed_looks)
        self._changed, self._changed_looks = {}, {}

    def _item(self, transaction: Transaction, identities: Identities, rereading: Rereading, item: Item) -> None:
        if item.effect is not None:
            transaction.touch()
            item.effect(transaction)
        for event in item.events:
            self._append(transaction, item, event)
        if item.delivery is None:
            return
        if item.delivery.frame.channel not in (LOST, TICK):  # ours: no sign of life of the machine's
            transaction.mark(item.connection, item.received)
        if not self._advances(transaction, item):
            told = [each.station for each in item.observations if isinstance(each, Readings | Record | Lines)]
            self.tally.duplicates[told[0] if told else "", item.connection, item.protocol] += 1
            return
        if item.delivery.refused is not None:
            item.delivery.refused.clear()  # a batch that was rolled back is applied again
        if item.refusal is not None:
            self._quarantine(
                transaction, item, None, item.refusal.reason, item.refusal.detail, item.delivery.frame.payload
            )
            return
        observations = item.observations
        if len(observations) == 1 and type(message := observations[0]) is CfxMessage:  # of CFX nearly always
            self._message(transaction, identities, item, message)
            return
        known = rereading.is_known(observations, item.received)
        if known is not None:
            self.tally.duplicates[known, item.connection, item.protocol] += 1
        for observation in _together(observations):
            if known is not None and isinstance(observation, Record):
                continue
            if isinstance(observation, Unreadable):
                self._quarantine(transaction, item, None, observation.reason, observation.detail, observation.raw)
            elif isinstance(observation, CfxMessage):
                self._message(transaction, identities, item, observation)
            else:
                self._observed(transaction, rereading, item, observation)

    @staticmethod
    def _advances(transaction: Transaction, item: Item) -> bool:
        """Whether the frame is no copy, and how far its source is read with it, committed with what comes of it."""
        assert item.delivery is not None
        meta = item.delivery.frame.meta
        if POSITION not in meta:
            return True
        source, key, position = item.connection, str(meta[POSITION_OF]), str(meta[POSITION]).encode()
        if not position:
            transaction.forget_position(source, key)
            return True
        known = transaction.position(source, key)
        if known is not None and _number(known) >= _number(position):
            return False
        transaction.save_position(source, key, position)
        return True

    def _message(self, transaction: Transaction, identities: Identities, item: Item, message: CfxMessage) -> None:
        delivery = item.delivery
        assert delivery is not None
        frame = delivery.frame
        if delivery.handles and message.source not in delivery.handles:
            detail = f"{delivery.principal!r} may not speak for {message.source!r}, only for {sorted(delivery.handles)}"
            self._quarantine(transaction, item, None, "source-mismatch", detail, message.raw)
            return
        try:
            station = self._stations.find(item.connection, message.source, frame.channel)
        except DecodeError as error:
            self._quarantine(transaction, item, None, error.reason, str(error), message.raw)
            return
        labels = (station.id, item.connection, item.protocol)
        self.tally.heard[item.connection, station.id, delivery.peer] = frame.received
        identity = identities.settle(
            message, message.source or station.id, redelivered=frame.redelivered, at=frame.received
        )
        if identity.reused:
            self.tally.reused[labels] += 1
        if identity.id is None:
            self.tally.duplicates[labels] += 1
            return
        if identity.possible_copy_of is not None:
            self.tally.copies[labels] += 1
        before = self.state(station.id)
        state, remark = native.step(before, message, frame.received, station.zone)
        if item.stateless:
            state, remark = before, native.alone(message, frame.received, station.zone)
        self._changed[station.id] = state
        facts = message.facts
        event = Event(
            id=identity.id,
            time=remark.stamp.time,
            received=frame.received,
            time_quality=remark.stamp.quality,
            clock_offset_ms=remark.offset_ms,
            line=station.line,
            station=station.id,
            lane=remark.lane,
            stage=facts.stage,
            handle=message.source,
            message=message.name,
            origin=Origin.NATIVE,
            transaction=facts.transaction,
            possible_copy_of=identity.possible_copy_of,
            unit_refs=facts.units,
            cfx=CfxHeader(message.version, message.timestamp, message.target, message.request_id),
            body=message.body,
            raw=message.raw,
            also_units=remark.also_units,
        )
        transaction.append(event, digest=message.digest, text=message.text)
        if item.stateless:
            self.tally.alone.append(event)
        self.tally.stored[labels] += 1
        if state.clock.offset_ms != before.clock.offset_ms:
            self._clock(transaction, item, station, state, frame.received)

    def _observed(
        self, transaction: Transaction, rereading: Rereading, item: Item,
        observed: Record | Lines | Lost | Tick | Sequence[Readings],
    ) -> None:  # fmt: skip
        """What a machine without CFX let us see, or that nothing is seen of it any more."""
        name = observed[0].station if isinstance(observed, Sequence) else observed.station
        station = self._stations.by_id.get(name)
        if station is None or station.setup is None:
            log.error("%s: what is seen of %r has no profiled station", item.connection, name)
            return
        labels = (station.id, item.connection, item.protocol)
        before = self.state(station.id)
        look = self._changed_looks.get(station.id) or self._looks.get(station.id, EMPTY)
        if not isinstance(observed, Lost | Tick):
            assert item.delivery is not None
            self.tally.heard[item.connection, station.id, item.delivery.peer] = item.received
        try:
            derived = derive(station, station.setup, before, look, observed, item.received, self._readers)
        except Exception as error:  # noqa: BLE001  a class's defect: this was not seen, and the next frame may be fine
            self._unfollowed(transaction, item, station, error)
            derived = derive(station, station.setup, before, look, Lost(station.id), item.received, self._readers)
        else:
            self._failing.discard(station.id)
        again = readable_again(observed)
        events = rereading.new(derived.events) if again and derived.events else derived.events
        self.tally.duplicates[labels] += len(derived.events) - len(events)
        if isinstance(observed, Record) and not events and derived.events:
            return  # read again: it was followed then
        if derived.state is not before:
            self._changed[station.id] = derived.state
        if derived.look is not look:
            self._changed_looks[station.id] = derived.look
        for event in events:
            self._append(transaction, item, event, digest=_digest(event.raw) if again else None)
        for unfit in derived.unfit:
            self._quarantine(transaction, item, station.id, unfit.reason, unfit.detail, unfit.raw)
        if derived.state.clock.offset_ms != before.clock.offset_ms:
            self._clock(transaction, item, station, derived.state, item.received)
        transaction.samples(derived.samples)
        self.tally.samples[labels] += len(derived.samples)
        self.tally.wakes[station.id] = Wake(derived.wake, item.connection, item.protocol)

    def _unfollowed(self, transaction: Transaction, item: Item, station: Station, error: Exception) -> None:
        assert item.delivery is not None
        if station.id not in self._failing:
            self._failing.add(station.id)
            log.error("%s: class %s cannot follow a frame", station.id, station.machine_class, exc_info=error)
        detail = f"{type(error).__name__}: {error}"
        self._quarantine(transaction, item, station.id, "step-failed", detail, item.delivery.frame.payload)

    def _clock(
        self, transaction: Transaction, item: Item, station: Station, state: native.State, received: Micros
    ) -> None:
        offset = state.clock.offset_ms
        if offset is None or abs(offset - (state.reported_offset_ms or 0)) < _OFFSET_STEP_MS:
            return
        self._changed[station.id] = native.with_reported_offset(state, offset)
        body = {"OldOffsetMs": state.reported_offset_ms, "NewOffsetMs": offset}
        event = gateway_event(
            "ClockOffsetChanged",
            body,
            at=received,
            key=f"{station.id} {state.reported_offset_ms} {offset}",  # nothing of this journal: it comes again in a replay
            line=station.line,
            station=station.id,
        )
        self._append(transaction, item, event)

    def _append(self, transaction: Transaction, item: Item, event: Event, *, digest: bytes | None = None) -> None:
        """digest: where retention is to keep the event's id."""
        transaction.append(event, digest=digest, text=None if event.raw == event.body else event.raw)
        self.tally.stored[event.station or "", item.connection, item.protocol] += 1

    def _quarantine(
        self, transaction: Transaction, item: Item, station: str | None, reason: str, detail: str, raw: bytes
    ) -> None:
        assert item.delivery is not None
        frame = item.delivery.frame
        item.quarantined = True
        detail, digest = printable(detail)[:500], _digest(raw)
        if item.delivery.refused is not None:
            item.delivery.refused.append(Refused(raw, reason, detail, digest.hex()))
        transaction.quarantine(
            source=item.connection,
            station=station,
            channel=printable(frame.channel)[:500],
            reason=reason,
            detail=detail,
            digest=digest,
            size=int(frame.meta.get("size", len(raw))),
            at=frame.received,
            raw=raw[: self._payload_cap],
        )
        self.tally.quarantined[item.connection, item.protocol, reason] += 1


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def _number(position: bytes) -> int:
    """Of a position: which frame it was of what it is about."""
    number = position.partition(b" ")[0]
    return int(number) if number.isdigit() else 0


def _together(
    observations: Sequence[Observation],
) -> Iterator[CfxMessage | Record | Lines | Lost | Tick | Unreadable | list[Readings]]:
    """Readings of one station that follow each other are stepped in one go."""
    run: list[Readings] = []
    for observation in observations:
        if isinstance(observation, Readings):
            if run and run[0].station != observation.station:
                yield run
                run = []
            run.append(observation)
            continue
        if run:
            yield run
            run = []
        yield observation
    if run:
        yield run


def refusal_of(error: Exception) -> Refusal:
    """What quarantine says about a delivery that the database or a step refused."""
    return Refusal("refused", f"{type(error).__name__}: {error}")


def printable(text: str) -> str:
    """Safe for any column and log: what cannot be encoded is escaped."""
    return text.encode("utf-8", "backslashreplace").decode()
