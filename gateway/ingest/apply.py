"""One batch inside its transaction: copy check, step, insert. Runs on the writer's thread."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b

from gateway.classes import native
from gateway.classes.own import gateway_event
from gateway.core.errors import DecodeError
from gateway.core.event import CfxHeader, Event, Origin
from gateway.core.observation import CfxMessage, Unreadable
from gateway.core.times import Micros
from gateway.ingest.identity import Identities
from gateway.ingest.queues import Item, Refusal
from gateway.ingest.stations import Station, Stations
from gateway.journal.transaction import Transaction

log = logging.getLogger("lineside.ingest")

_OFFSET_STEP_MS = 250
"""A clock offset that moved this far since it was last reported is an event."""


class Tally:
    """What a batch counted; added to the metrics after the commit, so that a rolled back batch counts nothing."""

    def __init__(self) -> None:
        self.stored: Counter[tuple[str, str, str]] = Counter()
        self.duplicates: Counter[tuple[str, str, str]] = Counter()
        self.reused: Counter[tuple[str, str, str]] = Counter()
        self.copies: Counter[tuple[str, str, str]] = Counter()
        self.quarantined: Counter[tuple[str, str, str]] = Counter()
        self.heard: dict[tuple[str, str, str | None], Micros] = {}
        self.dropped = 0


class Stepper:
    """Holds the stations' committed states, and while a batch runs, its changes to them."""

    def __init__(self, stations: Stations, states: Mapping[str, tuple[int, bytes]], *, payload_cap: int) -> None:
        self._stations = stations
        self._payload_cap = payload_cap
        self.states: dict[str, native.State] = {}
        self.unreadable_states: list[str] = []
        self._changed: dict[str, native.State] = {}
        self.tally = Tally()
        for id_, (version, data) in states.items():
            stations.restore(id_)
            try:
                self.states[id_] = native.load(version, data)
            except ValueError as error:
                log.warning("state of station %s is unknown: %s", id_, error)
                self.unreadable_states.append(id_)

    def state(self, station: str) -> native.State:
        return self._changed.get(station) or self.states.get(station, native.EMPTY)

    def known(self, station: str) -> native.State:
        """What is committed of it; for other threads than the writer's."""
        return self.states.get(station, native.EMPTY)

    def apply(self, transaction: Transaction, items: Sequence[Item]) -> None:
        self.tally = Tally()
        messages = [o for item in items for o in item.observations if isinstance(o, CfxMessage)]
        identities = Identities(transaction, messages)
        for item in items:
            self._item(transaction, identities, item)
        newest = max((item.received for item in items), default=0)
        for station, state in self._changed.items():
            transaction.save_state(station, native.VERSION, newest, native.save(state))
        self.tally.dropped = transaction.quarantine_dropped

    def roll_back(self) -> None:
        self._changed = {}

    def keep(self) -> None:
        """The batch is committed."""
        self.states.update(self._changed)
        self._changed = {}

    def _item(self, transaction: Transaction, identities: Identities, item: Item) -> None:
        if item.effect is not None:
            item.effect(transaction)
        for event in item.events:
            self._append(transaction, item, event)
        if item.delivery is None:
            return
        transaction.mark(item.connection, item.received)
        if item.refusal is not None:
            self._quarantine(
                transaction, item, None, item.refusal.reason, item.refusal.detail, item.delivery.frame.payload
            )
            return
        for observation in item.observations:
            if isinstance(observation, Unreadable):
                self._quarantine(transaction, item, None, observation.reason, observation.detail, observation.raw)
            else:
                self._message(transaction, identities, item, observation)

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
        self.tally.stored[labels] += 1
        if state.clock.offset_ms != before.clock.offset_ms:
            self._clock(transaction, item, station, state, frame.received)

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
            key=f"{station.id} {transaction.head}",
            line=station.line,
            station=station.id,
        )
        self._append(transaction, item, event)

    def _append(self, transaction: Transaction, item: Item, event: Event) -> None:
        transaction.append(event, text=None if event.raw == event.body else event.raw)
        self.tally.stored[event.station or "", item.connection, item.protocol] += 1

    def _quarantine(
        self, transaction: Transaction, item: Item, station: str | None, reason: str, detail: str, raw: bytes
    ) -> None:
        assert item.delivery is not None
        frame = item.delivery.frame
        item.quarantined = True
        transaction.quarantine(
            source=item.connection,
            station=station,
            channel=printable(frame.channel)[:500],
            reason=reason,
            detail=printable(detail)[:500],
            digest=blake2b(raw, digest_size=16).digest(),
            size=int(frame.meta.get("size", len(raw))),
            at=frame.received,
            raw=raw[: self._payload_cap],
        )
        self.tally.quarantined[item.connection, item.protocol, reason] += 1


def refusal_of(error: Exception) -> Refusal:
    """What quarantine says about a delivery that the database or a step refused."""
    return Refusal("refused", f"{type(error).__name__}: {error}")


def printable(text: str) -> str:
    """Safe for any column and log: what cannot be encoded is escaped."""
    return text.encode("utf-8", "backslashreplace").decode()
