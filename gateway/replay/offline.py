"""A capture stepped again: no connection is opened, time is what the frames say it was, and nothing is kept.

The same capture and profiles give the same events, to the byte, however the frames are grouped into commits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from gateway.capture.form import Asked, Captured, ChannelKind, Hole, Known, Remembered, Stored
from gateway.capture.reading import Capture
from gateway.capture.records import Damage
from gateway.classes.state import Look
from gateway.core.adapter import Adapter
from gateway.core.errors import JournalError
from gateway.core.event import Event
from gateway.core.frame import Delivery
from gateway.core.sample import Sample
from gateway.core.times import Micros, rfc3339
from gateway.ingest.apply import Stepper, refusal_of
from gateway.ingest.decode import decoded
from gateway.ingest.own_frames import observation_of
from gateway.ingest.queues import Item
from gateway.ingest.stations import Stations
from gateway.journal.transaction import Seen, Transaction
from gateway.replay.trial import Refused, Trial, TrialJournal

_BATCH_BYTES = 4 << 20
_MOST_REFUSALS = 3
_look = msgspec.msgpack.Decoder(Look)


class Cast(NamedTuple):
    """What frames are stepped with, made anew for each run (`gateway.wiring.cast`). adapters: by connection; they never
    connect."""

    stations: Stations
    adapters: Mapping[str, Adapter]
    payload_cap: int


class Stepped(msgspec.Struct, frozen=True, kw_only=True):
    """What some frames led to. recorded: events that the capture has of about the same frames, a little later mostly."""

    frames: int
    events: Sequence[Event]
    samples: Sequence[Sample]
    refused: Sequence[Refused]
    recorded: Sequence[Stored]


class Offline:
    """One run. What it met beside events is complete when `stepped` is at its end.

    left_out: frames of connections that are not configured, by connection. notes: what else a reader should know.
    """

    def __init__(
        self, capture: Capture, cast: Cast, *, batch: int = 500, since: Micros | None = None, fresh: bool = False
    ) -> None:
        """batch: frames of one commit. since: it is enough to begin with the file that has this time in it. fresh: as a
        gateway that knows nothing of what was before; else from what was remembered when the capture began."""
        parts = capture.parts
        if since is not None:
            parts = parts[max(sum(part.about.began <= since for part in parts) - 1, 0) :]
        self._reading = Capture([part.path for part in parts])
        self._states = {} if fresh else parts[0].states
        self._cast = cast
        self._batch = batch
        self._fresh = fresh
        self._stepper = Stepper(cast.stations, {}, payload_cap=cast.payload_cap)
        self._now: Micros = 0
        self.left_out: dict[str, int] = {}
        self.notes: list[str] = []
        self.place = parts[0].place

    @property
    def damage(self) -> Sequence[Damage]:
        return self._reading.damage

    def stepped(self) -> Iterator[Stepped]:
        """Once, in the order of the capture. Raises JournalError when the disk has no room for a temporary file."""
        self._take_up(self._states)
        with TrialJournal(self.place) as journal:
            items: list[Item] = []
            recorded: list[Stored] = []
            size = 0
            for entry in self._reading.entries():
                if isinstance(entry, Stored):
                    if entry.kind is ChannelKind.EVENT:
                        recorded.append(entry)
                    continue
                if isinstance(entry, Captured):
                    item = self._item(entry)
                    if item is None:
                        continue
                    items.append(item)
                    size += item.size
                    if len(items) < self._batch and size < _BATCH_BYTES:
                        continue
                # What is said before the next frames says nothing about those before it.
                if items or recorded:
                    yield self._step(journal, items, recorded)
                    items, recorded, size = [], [], 0
                if isinstance(entry, Asked) and not self._fresh:
                    journal.commit(partial(_remember, entry.known, self._now))
                elif isinstance(entry, Hole):
                    self._hole(entry)
            if items or recorded:
                yield self._step(journal, items, recorded)

    def _hole(self, hole: Hole) -> None:
        gone = hole.gone
        if gone is not None:
            span = f"{rfc3339(gone.since)} to {rfc3339(gone.until)}"
            self.notes.append(
                f"{gone.frames} frames ({gone.bytes} bytes) received from {span} are missing: too many at once"
            )
        else:
            self.notes.append(f"frames are missing behind number {hole.number}: a file, or a part of one")
        if not self._fresh:
            self._take_up(hole.states)

    def _take_up(self, states: Mapping[str, Remembered]) -> None:
        for station, known in states.items():
            try:
                look = _look.decode(known.look) if known.look else Look()
                self._stepper.take_up(station, known.version, known.state, look)
            except ValueError as error:
                self.notes.append(f"state of station {station} is unknown: {error}")

    def _item(self, entry: Captured) -> Item | None:
        frame = entry.frame
        if entry.kind is not ChannelKind.IN:
            return None
        self._now = frame.received
        own = observation_of(frame)
        delivery = Delivery(
            frame,
            acknowledged=entry.acknowledged,
            principal=entry.principal,
            handles=frozenset(entry.handles),
            peer=entry.peer,
        )
        if own is not None:
            return Item(frame.connection, entry.protocol, delivery=delivery, observations=(own,))
        adapter = self._cast.adapters.get(frame.connection)
        if adapter is None:
            self.left_out[frame.connection] = self.left_out.get(frame.connection, 0) + 1
            return None
        return decoded(adapter, delivery, None)

    def _step(self, journal: TrialJournal, items: Sequence[Item], recorded: Sequence[Stored]) -> Stepped:
        trials = list(self._commit(journal, items)) if items else []
        return Stepped(
            frames=len(items),
            events=[event for trial in trials for event in trial.events],
            samples=[sample for trial in trials for sample in trial.sampled],
            refused=[refused for trial in trials for refused in trial.refused],
            recorded=recorded,
        )

    def _commit(self, journal: TrialJournal, items: Sequence[Item], refusals: int = 0) -> Iterator[Trial]:
        """As the journal's writer: what cannot be stored is halved down to the one frame, which is refused."""
        try:
            trial = journal.commit(lambda transaction: self._stepper.apply(transaction, items))
        except JournalError:
            raise
        except Exception as error:
            self._stepper.roll_back()
            if len(items) == 1:
                if refusals == _MOST_REFUSALS:
                    raise
                items[0].refusal, items[0].observations = refusal_of(error), ()
                yield from self._commit(journal, items, refusals + 1)
                return
        else:
            self._stepper.keep()
            yield trial
            return
        middle = len(items) // 2
        yield from self._commit(journal, items[:middle])
        yield from self._commit(journal, items[middle:])


def _remember(known: Known, at: Micros, transaction: Transaction) -> None:
    for each in known.ids:
        transaction.remember(each.id, Seen(each.owner, each.digest, each.repeats, each.reused), at)
    for position in known.positions:
        transaction.save_position(position.connection, position.of, position.position)
