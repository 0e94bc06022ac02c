"""What one commit may do to the journal. Used only on the writer's thread, inside its transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import Connection

from gateway.core.event import Event, Place
from gateway.core.times import Micros
from gateway.journal import schema
from gateway.journal.rows import event_row, uuid_bytes

# Rows per statement. One statement for many rows is one release of the interpreter lock instead of one per row: with a
# busy event loop beside it, executemany fell to 173 rows/s where this kept 12,000 (2 cores, Python 3.11).
# Powers of two, so that the connection finds most of these statements prepared.
_ROWS = 256
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


class Names:
    """Small numbers for long texts, remembered across commits and dropped with a rollback."""

    def __init__(self) -> None:
        self.places: dict[tuple[str, str, str | None, str | None, str | None], int] = {}
        self.messages: dict[str, int] = {}
        self.units: dict[str, int] = {}
        self.last_unit: int | None = None

    def clear(self) -> None:
        self.places.clear()
        self.messages.clear()
        self.units.clear()
        self.last_unit = None


class Transaction:
    """One batch of changes. `events` collects what was appended, numbered, for the readers to get after the commit."""

    def __init__(self, connection: Connection, place: Place, head: int, names: Names, *, quarantine_bytes: int) -> None:
        self._connection = connection
        self._quarantine_bytes = quarantine_bytes
        self._place = place
        self._names = names
        self._rows: list[tuple[Any, ...]] = []
        self._links: list[tuple[int, str]] = []
        self._marks: dict[str, Micros] = {}
        self._states: dict[str, tuple[int, Micros, bytes]] = {}
        self._dedup: dict[bytes, tuple[str, bytes | None, Micros, int, int]] = {}
        self.head = head
        self.quarantine_dropped = 0
        self.events: list[Event] = []

    # -- identity

    def seen(self, ids: Iterable[str]) -> dict[str, Seen]:
        """Which of these event ids were used before, by whom and for what."""
        wanted = {uuid_bytes(id_): id_ for id_ in ids}
        found: dict[str, Seen] = {}
        for marks, part in _padded(list(wanted)):
            for id_, digest, handle, station in self._connection.exec_driver_sql(
                "SELECT e.id, e.digest, p.handle, p.station FROM event e JOIN place p ON p.id = e.place "
                f"WHERE e.id IN ({marks})",
                part,
            ):
                found[wanted[id_]] = Seen(handle or station or "", digest)
            for id_, owner, digest, repeats, reused in self._connection.exec_driver_sql(
                f"SELECT id, owner, digest, repeats, reused FROM dedup WHERE id IN ({marks})", part
            ):
                found[wanted[id_]] = Seen(owner, digest, repeats, bool(reused))
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
        self._links += [(head, name) for name in dict.fromkeys((*event.units, *event.also_units))]
        self.events.append(event)
        return self.head

    def _place_id(self, event: Event) -> int:
        key = (self._place.site, self._place.gateway, event.line, event.station, event.handle)
        number = self._names.places.get(key)
        if number is None:
            number = self._connection.exec_driver_sql(
                "SELECT id FROM place WHERE site IS ? AND gateway IS ? AND line IS ? AND station IS ? AND handle IS ?",
                key,
            ).scalar()
            if number is None:
                number = self._insert(
                    "INSERT INTO place (site, gateway, line, station, handle) VALUES (?, ?, ?, ?, ?)", key
                )
            self._names.places[key] = number
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
        for marks, part in _padded(unknown):
            found = self._connection.exec_driver_sql(f"SELECT name, id FROM unit WHERE name IN ({marks})", part)
            names.units.update((name, number) for name, number in found)  # a result passes for a mapping
        new = [name for name in unknown if name not in names.units]
        if new:
            if names.last_unit is None:
                names.last_unit = self._connection.exec_driver_sql("SELECT coalesce(max(id), 0) FROM unit").scalar_one()
            rows = list(enumerate(new, names.last_unit + 1))
            _insert_many(self._connection, "unit", 2, rows)
            names.units.update((name, number) for number, name in rows)
            names.last_unit += len(rows)
        return names.units

    def _insert(self, sql: str, values: Sequence[Any]) -> int:
        number: int = self._connection.exec_driver_sql(sql + " RETURNING id", tuple(values)).scalar_one()
        return number

    # -- state beside the events

    def save_state(self, station: str, version: int, at: Micros, state: bytes) -> None:
        """A station's class state; `at`: receipt of the newest frame in the commit that made it."""
        self._states[station] = (version, at, state)

    def mark(self, source: str, at: Micros) -> None:
        """The source was alive at this time: bounds the start of a gap after a kill."""
        self._marks[source] = at

    def save_position(self, source: str, key: str, value: bytes) -> None:
        """How far a source was read (file offsets), committed with the events that came of it."""
        self._connection.exec_driver_sql(
            "INSERT OR REPLACE INTO source_position VALUES (?, ?, ?)", (source, key, value)
        )

    def open_gap(self, id_: str, *, source: str, station: str | None, cause: str, basis: str, start: Micros) -> None:
        self._connection.exec_driver_sql(
            "INSERT INTO gap (id, source, station, cause, basis, start, opened_seq) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (uuid_bytes(id_), source, station, cause, basis, start, self.head + 1),
        )

    def close_gap(self, id_: str, *, end: Micros, recovered: str, ahead: int = 1) -> None:
        """Its event is the next but `ahead - 1` to be appended."""
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
        _insert_many(self._connection, "event", len(schema.event.columns), self._rows)
        if self._links:
            numbers = self._unit_numbers()
            _insert_many(self._connection, "event_unit", 2, [(seq, numbers[name]) for seq, name in self._links])
        for id_, values in self._dedup.items():
            self._connection.exec_driver_sql("INSERT OR REPLACE INTO dedup VALUES (?, ?, ?, ?, ?, ?)", (id_, *values))
        states = [(station, *state) for station, state in self._states.items()]
        _insert_many(self._connection, "station_state", 4, states, replace=True)
        for source, at in self._marks.items():
            self._connection.exec_driver_sql("INSERT OR REPLACE INTO source_mark VALUES (?, ?)", (source, at))
        if self._rows:
            self._connection.exec_driver_sql("UPDATE meta SET value = ? WHERE key = 'head'", (str(self.head),))


def _insert_many(
    connection: Connection, table: str, width: int, rows: Sequence[tuple[Any, ...]], *, replace: bool = False
) -> None:
    verb = "INSERT OR REPLACE" if replace else "INSERT"
    one = "(" + ",".join("?" * width) + ")"
    start, left = 0, len(rows)
    while left:
        count = min(_ROWS, 1 << (left.bit_length() - 1))
        values = tuple(chain.from_iterable(rows[start : start + count]))
        connection.exec_driver_sql(f"{verb} INTO {table} VALUES " + ",".join([one] * count), values)
        start, left = start + count, left - count


def _padded(keys: Sequence[str | bytes]) -> Iterator[tuple[str, tuple[str | bytes, ...]]]:
    """Marks and values for `IN (…)`: the last one repeated up to a power of two, so that there are few statements."""
    for start in range(0, len(keys), 4096):
        part = keys[start : start + 4096]
        count = 1 << (len(part) - 1).bit_length()
        padding = [part[-1]] * (count - len(part))
        yield ",".join("?" * count), (*part, *padding)
