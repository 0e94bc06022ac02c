"""What one commit may do to the journal. Used only on the writer's thread, inside its transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.core.event import Event, Place
from gateway.core.sample import Quality, Sample
from gateway.core.times import Micros
from gateway.journal.rows import event_row, uuid_bytes
from gateway.journal.samples import SampleLog
from gateway.journal.statements import Statements, padded

_KEPT_UNITS = 50_000
_QUARANTINE_ROW = 1000
"""About what a quarantined message takes in the file beside its bytes; its texts are cut to fit."""


class Seen(msgspec.Struct, gc=False):
    """What the journal knows of an event id: who used it, for which content, how often it was kept.

    repeats: further events kept under ids derived from this one. reused: the same id came with other content.
    """

    owner: str
    digest: bytes | None
    repeats: int = 0
    reused: bool = False


class Recalled:
    """What the journal had when a transaction asked for it, for whoever wants to ask the same again elsewhere.

    ids: those events' ids that were known. positions: how far a source was read, of what of it.
    """

    __slots__ = ("ids", "positions")

    def __init__(self) -> None:
        self.ids: dict[str, Seen] = {}
        self.positions: dict[tuple[str, str], bytes] = {}


class Names:
    """Small numbers for long texts, remembered across commits and dropped with a rollback."""

    def __init__(self) -> None:
        self.places: dict[tuple[str | None, str | None, str | None], int] = {}
        self.messages: dict[str, int] = {}
        self.units: dict[str, int] = {}
        self.last_unit: int | None = None
        self.samples = SampleLog()

    def clear(self) -> None:
        self.places.clear()
        self.messages.clear()
        self.units.clear()
        self.last_unit = None
        self.samples.clear()


class Transaction:
    """One batch of changes. `events` collects what was appended, numbered, for the readers to get after the commit."""

    def __init__(self, connection: Connection, place: Place, head: int, names: Names, *, quarantine_bytes: int) -> None:
        self._connection = connection
        self._statements = Statements(connection)
        self._quarantine_bytes = quarantine_bytes
        self._place = place
        self._names = names
        self._rows: list[tuple[Any, ...]] = []
        self._links: list[tuple[int, str]] = []
        self._samples: list[Sample] = []
        self._marks: dict[str, Micros] = {}
        self._states: dict[str, tuple[int, Micros, bytes]] = {}
        self._dedup: dict[bytes, tuple[str, bytes | None, Micros, int, int]] = {}
        self._touched = False
        self._read: set[tuple[str, str]] = set()
        """Positions that were asked for or changed: what is found there from now on may be this transaction's own."""
        self.head = head
        self.quarantine_dropped = 0
        self.events: list[Event] = []
        self.recalled: Recalled | None = None
        """Set by whoever wants to know what was asked, before it is."""

    # -- identity

    def seen(self, ids: Iterable[str]) -> dict[str, Seen]:
        """Which of these event ids were used before, by whom and for what."""
        wanted = {uuid_bytes(id_): id_ for id_ in ids}
        found: dict[str, Seen] = {}
        for count, part in padded(list(wanted)):
            for remembered, id_, digest, owner, repeats, reused in self._statements.rows(_seen(count), part):
                known = wanted[id_]
                if remembered or known not in found:  # what dedup has of an event goes beyond its row
                    found[known] = Seen(owner, digest, repeats, bool(reused))
        if self.recalled is not None:
            for id_, seen in found.items():  # what is found goes on being counted by the asker
                self.recalled.ids.setdefault(id_, Seen(seen.owner, seen.digest, seen.repeats, seen.reused))
        return found

    def remember(self, id_: str, seen: Seen, at: Micros) -> None:
        """Keep what is known of an id beyond its event row."""
        self._dedup[uuid_bytes(id_)] = (seen.owner, seen.digest, at, seen.repeats, int(seen.reused))

    # -- events

    def append(self, event: Event, *, digest: bytes | None = None, text: bytes | None = None) -> int:
        """Number the event and store it with this transaction. Returns its seq."""
        self.head += 1
        event.seq = self.head
        self._rows.append(event_row(event, self._place_id(event), self._message_id(event.message), digest, text))
        head = self.head
        refs, also = event.unit_refs, event.also_units
        if len(refs) == 1 and not also:  # as of most boards
            if refs[0].id is not None:
                self._links.append((head, refs[0].id))
        elif refs or also:
            names = dict.fromkeys([ref.id for ref in refs] + [*also])
            self._links += [(head, name) for name in names if name is not None]
        self.events.append(event)
        return self.head

    def _place_id(self, event: Event) -> int:
        known = (event.line, event.station, event.handle)
        number = self._names.places.get(known)
        if number is None:
            key = (self._place.site, self._place.gateway, *known)
            number = self._connection.exec_driver_sql(
                "SELECT id FROM place WHERE site IS ? AND gateway IS ? AND line IS ? AND station IS ? AND handle IS ?",
                key,
            ).scalar()
            if number is None:
                number = self._insert(
                    "INSERT INTO place (site, gateway, line, station, handle) VALUES (?, ?, ?, ?, ?)", key
                )
            self._names.places[known] = number
        return number

    def _message_id(self, name: str) -> int:
        number = self._names.messages.get(name)
        if number is None:
            number = self._connection.exec_driver_sql("SELECT id FROM message WHERE name = ?", (name,)).scalar()
            if number is None:
                number = self._insert("INSERT INTO message (name) VALUES (?)", (name,))
            self._names.messages[name] = number
        return number

    def _unit_numbers(self) -> dict[str, int]:
        """Of every unit that the new events name. One question and one insert for all of them."""
        names = self._names
        wanted = dict.fromkeys([name for _, name in self._links])
        if len(names.units) > _KEPT_UNITS:
            names.units.clear()
        unknown = [name for name in wanted if name not in names.units]
        for count, part in padded(unknown):
            marks = ",".join("?" * count)
            names.units.update(self._statements.rows(f"SELECT name, id FROM unit WHERE name IN ({marks})", part))
        new = [name for name in unknown if name not in names.units]
        if new:
            if names.last_unit is None:
                names.last_unit = self._connection.exec_driver_sql("SELECT coalesce(max(id), 0) FROM unit").scalar_one()
            rows = list(enumerate(new, names.last_unit + 1))
            self._statements.insert("unit", rows)
            names.units.update((name, number) for number, name in rows)
            names.last_unit += len(rows)
        return names.units

    def _insert(self, sql: str, values: Sequence[Any]) -> int:
        number: int = self._connection.exec_driver_sql(sql + " RETURNING id", tuple(values)).scalar_one()
        return number

    # -- samples

    def samples(self, samples: Iterable[Sample]) -> None:
        """Store them with this transaction, numbered in this order. What is not finite makes `flush` raise ValueError."""
        self._samples += samples

    def lose_signals(self, station: str, *, since: Micros, at: Micros) -> None:
        """Not one of the station's signals is known from `since` on, as came out at `at`."""
        rows = self._statements.rows("SELECT signal, unit FROM series WHERE station = ? ORDER BY id", (station,))
        self._samples += [
            Sample(
                station=station, signal=signal, unit=unit, value=None, quality=Quality.UNAVAILABLE, time=since, received=at
            )
            for signal, unit in rows
        ]  # fmt: skip

    @property
    def sample_count(self) -> int:
        return len(self._samples)

    # -- what it amounts to

    @property
    def empty(self) -> bool:
        """Whether nothing was asked for but marks of sources: they alone are not worth a commit."""
        asked = self.events or self._samples or self._states or self._dedup or self._touched
        return not asked

    def touch(self) -> None:
        """Whatever comes of this transaction, it is to be committed: its marks were asked for by themselves."""
        self._touched = True

    # -- state beside the events

    def save_state(self, station: str, version: int, at: Micros, state: bytes) -> None:
        """A station's class state; `at`: receipt of the newest frame in the commit that made it."""
        self._states[station] = (version, at, state)

    def mark(self, source: str, at: Micros) -> None:
        """The source was alive at this time: bounds the start of a gap after a kill. Dropped when nothing else is stored
        with it, unless the transaction was touched."""
        self._marks[source] = at

    def save_position(self, source: str, key: str, value: bytes) -> None:
        """How far a source was read (file offsets), committed with the events that came of it."""
        self._touched = True
        self._read.add((source, key))
        self._connection.exec_driver_sql(
            "INSERT OR REPLACE INTO source_position VALUES (?, ?, ?)", (source, key, value)
        )

    def position(self, source: str, key: str) -> bytes | None:
        """How far it was read, with what this transaction has changed; None when that is not known."""
        rows = self._statements.rows("SELECT value FROM source_position WHERE source = ? AND key = ?", (source, key))
        known: bytes | None = rows[0][0] if rows else None
        if self.recalled is not None and known is not None and (source, key) not in self._read:
            self.recalled.positions[source, key] = known
        self._read.add((source, key))
        return known

    def forget_position(self, source: str, key: str) -> None:
        """It will not be read again."""
        self._touched = True
        self._read.add((source, key))
        self._statements.run("DELETE FROM source_position WHERE source = ? AND key = ?", (source, key))

    def open_gap(self, id_: str, *, source: str, station: str | None, cause: str, basis: str, start: Micros) -> None:
        self._touched = True
        self._connection.exec_driver_sql(
            "INSERT INTO gap (id, source, station, cause, basis, start, opened_seq) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (uuid_bytes(id_), source, station, cause, basis, start, self.head + 1),
        )

    def close_gap(self, id_: str, *, end: Micros, recovered: str, ahead: int = 1) -> None:
        """Its event is the next but `ahead - 1` to be appended."""
        self._touched = True
        self._connection.exec_driver_sql(
            'UPDATE gap SET "end" = ?, recovered = ?, closed_seq = ? WHERE id = ?',
            (end, recovered, self.head + ahead, uuid_bytes(id_)),
        )

    # -- quarantine

    def quarantine(
        self, *, source: str, station: str | None, channel: str, reason: str, detail: str,
        digest: bytes, size: int, at: Micros, raw: bytes,
    ) -> None:  # fmt: skip
        """Keep what nobody understands. The same bytes from the same source again only count up."""
        self._touched = True
        known = self._connection.exec_driver_sql(
            "SELECT id FROM quarantine WHERE digest = ? AND source = ? AND reason = ?",
            (digest, source, reason),
        ).scalar()
        if known is not None:
            self._connection.exec_driver_sql(
                "UPDATE quarantine SET count = count + 1, last = ? WHERE id = ?", (at, known)
            )
            return
        self._connection.exec_driver_sql(
            "INSERT INTO quarantine (source, station, channel, reason, detail, digest, size, first, last, count, raw) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)",
            (source, station, channel, reason, detail, digest, size, at, at, raw),
        )
        total = int(self._meta("quarantine_bytes") or 0) + len(raw) + _QUARANTINE_ROW
        while total > self._quarantine_bytes:  # the oldest go first
            oldest = self._connection.exec_driver_sql(
                "SELECT id, length(raw) FROM quarantine ORDER BY id LIMIT 1"
            ).first()
            if oldest is None:
                break
            self._connection.exec_driver_sql("DELETE FROM quarantine WHERE id = ?", (oldest[0],))
            total -= oldest[1] + _QUARANTINE_ROW
            self.quarantine_dropped += 1
        self._connection.exec_driver_sql("INSERT OR REPLACE INTO meta VALUES ('quarantine_bytes', ?)", (str(total),))

    def release(self, number: int) -> None:
        """Take a message out of quarantine."""
        self._touched = True
        size = self._connection.exec_driver_sql(
            "DELETE FROM quarantine WHERE id = ? RETURNING length(raw)", (number,)
        ).scalar()
        total = max(int(self._meta("quarantine_bytes") or 0) - (0 if size is None else size + _QUARANTINE_ROW), 0)
        self._connection.exec_driver_sql("INSERT OR REPLACE INTO meta VALUES ('quarantine_bytes', ?)", (str(total),))

    def _meta(self, key: str) -> str | None:
        value: str | None = self._connection.exec_driver_sql("SELECT value FROM meta WHERE key = ?", (key,)).scalar()
        return value

    # -- end

    def flush(self) -> None:
        """Write what was collected. Called by the writer before it commits."""
        run, insert = self._statements.run, self._statements.insert
        insert("event", self._rows)
        if self._links:
            numbers = self._unit_numbers()
            insert("event_unit", [(seq, numbers[name]) for seq, name in self._links])
        if self._samples:
            samples, blocks = self._names.samples.rows(self._connection, self._samples)
            insert("sample", samples)
            insert("sample_block", blocks)
        insert("dedup", [(id_, *values) for id_, values in self._dedup.items()], replace=True)
        insert("station_state", [(station, *state) for station, state in self._states.items()], replace=True)
        insert("source_mark", list(self._marks.items()), replace=True)
        if self._rows:
            run("UPDATE meta SET value = ? WHERE key = 'head'", (str(self.head),))


@lru_cache(maxsize=16)
def _seen(count: int) -> str:
    marks = ",".join(f"?{number}" for number in range(1, count + 1))  # numbered: each id is given once, and used twice
    return (
        "SELECT 0, e.id, e.digest, coalesce(p.handle, p.station, ''), 0, 0 "
        f"FROM event e JOIN place p ON p.id = e.place WHERE e.id IN ({marks}) "
        f"UNION ALL SELECT 1, id, digest, owner, repeats, reused FROM dedup WHERE id IN ({marks})"
    )
