"""Old events take less, and say exactly what they said."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection

from gateway.core.errors import JournalError
from gateway.core.event import CfxHeader, Event, Origin, UnitRef
from gateway.journal import integrity
from gateway.journal.bodies import COMPACT, RAW
from gateway.journal.compactor import applied
from gateway.journal.filter import Choice, Filter
from gateway.journal.integrity import Finding, examine
from gateway.journal.packing import PACKED
from gateway.journal.reader import Reader
from gateway.journal.sample_state import state
from gateway.journal.transaction import Transaction
from gateway.journal.writer import Writer
from tests.unit.journal.damaged import aside, events_of, ids, salvaged
from tests.unit.journal.feed import ListFeed, event, journal
from tests.unit.journal.keeping import NOW, keep_up, pieces

_DRAW = random.Random(3)


def _native(number: int, *, kind: str = "CFX.Production.WorkCompleted", padding: bytes = b"") -> Event:
    unit = f"PNL{number // 7:07}"
    body = b'{"$type":"%s, CFX","PrimaryIdentifier":"%s","Result":"Completed","n":%d%s}' % (
        kind.encode(), unit.encode(), number, padding,
    )  # fmt: skip
    transaction = str(uuid.UUID(int=number * 7919, version=4))
    head = b'{"MessageName":"%s","Source":"A.B","UniqueID":"%s",' % (kind.encode(), transaction.encode())
    return msgspec.structs.replace(
        event(number, name=kind),
        origin=Origin.NATIVE,
        handle="A.B",
        body=body,
        raw=head + b'"MessageBody":' + body + b"}",
        unit_refs=(UnitRef(unit, 1), UnitRef(None, 2), UnitRef("a\nb\x00", None)),
        transaction=transaction,
        stage="S\n1" if number % 2 else None,
        cfx=CfxHeader("2.1", "2026-11-20T12:44:33.9+01:00", None, None),
    )


def _odd(number: int) -> Event:
    """What is told by nobody in his right mind."""
    found = _native(number)
    match number % 5:
        case 0:  # not a byte of it gets smaller
            raw = _DRAW.randbytes(700)
            return msgspec.structs.replace(event(number), raw=raw, body=raw)
        case 1:
            return msgspec.structs.replace(event(number), raw=b"", body=b"")
        case 2:
            spaced = b"\xef\xbb\xbf" + msgspec.json.format(found.raw, indent=3)
            return msgspec.structs.replace(found, raw=spaced)
        case 3:  # large
            return _native(number, padding=b',"x":"' + b"0123456789" * 200_000 + b'"')
    return msgspec.structs.replace(event(number), raw=b"7", body=b"7")


class _Texts(ListFeed):
    """Stores them as ingest does, which knows the message without its white space."""

    def apply(self, transaction: Transaction, items: Sequence[Event]) -> None:
        for item in items:
            raw = item.raw.removeprefix(b"\xef\xbb\xbf")
            transaction.append(item, text=msgspec.json.format(raw, indent=-1) if item.cfx else None)


def _store(writer: Writer, events: list[Event]) -> None:
    feed = _Texts(events)
    writer._store(feed, feed.take(0))


def _packed(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT count(*) FROM event WHERE compact > 1").scalar_one())


def _used(writer: Writer) -> int:
    pages, free = (
        writer._open.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "freelist_count")
    )
    return int(pages - free)


def test_every_event_is_read_as_it_was(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        _store(writer, [_odd(n) if n % 41 == 0 else _native(n) for n in range(1500)])
        _store(writer, [_odd(n) for n in range(1500, 1510)])
        before, pages = events_of(writer.path), _used(writer)
        raw = writer._open.exec_driver_sql("SELECT sum(length(raw)) FROM event").scalar_one()
        done = keep_up(writer)
        assert done.count("_Pack") >= 1510 / NOW.rows
        assert state(writer._open, PACKED) == 1510
        after = events_of(writer.path)
        assert after == before
        assert [(e.raw, e.body) for e in after] == [(e.raw, e.body) for e in before], "bytes count for equality"
        packed = set(writer._open.exec_driver_sql("SELECT seq FROM event WHERE compact > 1").scalars())
        assert packed >= {e.seq for e in before if e.cfx is not None}
        assert len(packed) < len(before), "what would get no smaller stays"
        assert _used(writer) < pages / 2, "space is given back"
        assert writer._open.exec_driver_sql("SELECT sum(length(raw)) FROM event").scalar_one() < raw / 4
        reader = Reader(writer.path, threads=1)
        found = reader.call(lambda c: reader.page(c, 0, 10_000, Filter(unit=Choice(("PNL0000100",)))))
        assert [p.event.seq for p in found.events] == [e.seq for e in before if "PNL0000100" in e.units]
        reader.close()
    assert examine(writer.path, thorough=True) == Finding(True)


def test_young_events_and_few_stay_as_they_are(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        _store(writer, [_native(n) for n in range(300)])
        assert keep_up(writer, msgspec.structs.replace(NOW, after_s=3600.0)) == []
        assert keep_up(writer, msgspec.structs.replace(NOW, after_s=None)) == []
        assert keep_up(writer, msgspec.structs.replace(NOW, least=301)) == []
        assert keep_up(writer, msgspec.structs.replace(NOW, after_s=3600.0, reach=100)) == ["Adopt"] + ["_Pack"] * 4, (
            "what lies far back is packed whatever its stamp says"
        )
        assert _packed(writer._open) == 200


def test_what_retention_has_thinned_out_is_packed_too(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        _store(writer, [_native(n) for n in range(1200)])
        writer._open.exec_driver_sql("DELETE FROM event WHERE seq % 11 > 0 OR seq < 400 AND seq % 55 > 0")
        assert "Adopt" in keep_up(writer, msgspec.structs.replace(NOW, learn=200, least=70, reach=400))
        assert _packed(writer._open) == 7 + 73


def test_a_piece_that_retention_has_overtaken_is_dropped_and_made_anew(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        _store(writer, [_native(n) for n in range(300)])
        before = {e.seq: e for e in events_of(writer.path)}
        for piece in pieces(writer):
            if type(piece).__name__ == "_Pack":
                writer._open.exec_driver_sql("DELETE FROM event WHERE seq IN (2, 3)")
                assert applied(piece, writer._open) == 0
                break
            applied(piece, writer._open)
        assert _packed(writer._open) == 0
        keep_up(writer)
        assert _packed(writer._open) == 298
        assert {e.seq: e for e in events_of(writer.path)} == {n: e for n, e in before.items() if n not in (2, 3)}


def test_other_messages_get_a_dictionary_of_their_own_and_the_old_one_goes_with_its_events(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(NOW, learn=200)
    with journal(tmp_path) as writer:
        _store(writer, [_native(n) for n in range(500)])
        assert keep_up(writer, settings).count("Adopt") == 1
        words = [_DRAW.randbytes(6).hex() for _ in range(300)]
        other = [b',"y":"' + " ".join(_DRAW.sample(words, 60)).encode() + b'"' for _ in range(2500)]
        _store(writer, [_native(500 + n, kind="Vendor.Other", padding=text) for n, text in enumerate(other)])
        before = events_of(writer.path)
        assert "Adopt" in keep_up(writer, settings)
        numbers = writer._open.exec_driver_sql("SELECT DISTINCT compact >> 1 FROM event ORDER BY 1").scalars().all()
        assert numbers[:2] == [1, 2]
        assert events_of(writer.path) == before
        writer._open.exec_driver_sql("DELETE FROM event WHERE compact >> 1 = 1")
        left = writer._open.exec_driver_sql("SELECT min(seq) FROM event").scalar_one()
        assert "Drop" in keep_up(writer, settings)
        kept = writer._open.exec_driver_sql("SELECT id FROM dictionary_copy ORDER BY id").scalars().all()
        assert kept[:2] == [4, 5]
        assert events_of(writer.path) == [e for e in before if e.seq >= left]


def _damaged(writer: Writer, seq: int) -> None:
    row = writer._open.exec_driver_sql("SELECT * FROM event WHERE seq = ?", (seq,)).one()
    assert row[COMPACT] > 1
    frame = bytearray(row[RAW])
    frame[len(frame) // 2] ^= 0x40
    writer._open.exec_driver_sql("UPDATE event SET raw = ? WHERE seq = ?", (bytes(frame), seq))


def test_a_damaged_body_is_told_of_and_salvage_leaves_it_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with journal(tmp_path) as writer:
        _store(writer, [_native(n) for n in range(300)])
        keep_up(writer)
        before = ids(writer.path)
        _damaged(writer, 77)
        with pytest.raises(JournalError, match="what event 77 says is damaged"):
            events_of(writer.path)
    monkeypatch.setattr(integrity, "_UNPACKED", 4)
    assert examine(writer.path, thorough=False) == Finding(True), "a quick look may miss one"
    assert examine(writer.path, thorough=True).problems[0].startswith("what event 77 says is damaged")
    writer.path.rename(tmp_path / "j.db.corrupt-20261120T000000Z")
    assert aside(writer.path)
    assert ids(salvaged(writer.path)) == {seq: id_ for seq, id_ in before.items() if seq != 77}


def test_a_dictionary_may_be_damaged_once_but_not_twice(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        _store(writer, [_native(n) for n in range(300)])
        before = events_of(writer.path)
        keep_up(writer)
        writer._open.exec_driver_sql("UPDATE dictionary_copy SET data = zeroblob(length(data)) WHERE id = 2")
        assert events_of(writer.path) == before
        assert examine(writer.path, thorough=True) == Finding(True)
        writer._open.exec_driver_sql("DELETE FROM dictionary_copy WHERE id = 3")
        with pytest.raises(JournalError, match="dictionary 1 is lost"):
            events_of(writer.path)
        assert examine(writer.path, thorough=False).problems[0].startswith("dictionary 1")
        assert "Adopt" in keep_up(writer) or state(writer._open, PACKED) == 300
        _store(writer, [_native(n) for n in range(300, 600)])
        assert "Adopt" in keep_up(writer), "what comes is packed with another"
