"""Pages by filter are the same whatever is filed, removed or out of its time, and end early only when they have to."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.core.event import Event, Origin, UnitRef
from gateway.journal import postings, search
from gateway.journal.filter import Choice, Filter
from gateway.journal.integrity import Finding, examine
from gateway.journal.postings import FILED
from gateway.journal.reader import Page, Reader
from gateway.journal.sample_state import state
from gateway.journal.statements import Statements
from tests.unit.journal.damaged import events_of
from tests.unit.journal.feed import commit, event, journal
from tests.unit.journal.keeping import NOW, keep_up

_ONLY_FILE = msgspec.structs.replace(NOW, after_s=None)
_NAMES = ("CFX.Heartbeat", "CFX.Production.WorkStarted", "CFX.Production.WorkCompleted", "Vendor.X")
_SECOND = 1_000_000


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 16 events, 4 of which have a row together."""
    for module, name, value in (
        (postings, "BLOCK", 16), (postings, "SUPER", 4), (postings, "_WIDE", 2), (postings, "_TOGETHER", 3), (postings, "_AT_ONCE", 3),
        (search, "BLOCK", 16), (search, "_FIRST", 1), (search, "_PORTION", 7), (search, "_MANY", 40),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)


def _event(draw: random.Random, number: int) -> Event:
    station = draw.choice(["L1.a", "L1.b", "L1.b", "L2.c", None])
    wrong = draw.random() < 0.03
    return msgspec.structs.replace(
        event(number, name=draw.choices(_NAMES, (8, 3, 3, 0.05))[0]),
        time=number * _SECOND + draw.randrange(-5, 5) * _SECOND + (draw.choice([-1, 1]) * 10**15 if wrong else 0),
        station=station,
        line=None if station is None else station.partition(".")[0],
        origin=draw.choice([Origin.NATIVE, Origin.DERIVED, Origin.DERIVED]),
        unit_refs=tuple(UnitRef(f"U{number // 9 + draw.randrange(2)}") for _ in range(draw.randrange(3))),
    )


def _filter(draw: random.Random, most: int) -> Filter:
    def choice(*values: str) -> Choice:
        kind = draw.random()
        if kind < 0.5:
            return Choice()
        picked = tuple(draw.sample(values, draw.randint(1, 2)))
        return Choice(picked) if kind < 0.85 else Choice((), picked)

    bounds = sorted(draw.randrange(-50, most + 50) * _SECOND for _ in range(2))
    return Filter(
        line=choice("L1", "L2", "L9"),
        station=choice("L1.a", "L1.b", "L2.c"),
        message=choice(*_NAMES, "CFX.Production.*", "Nothing.*"),
        unit=choice(*(f"U{draw.randrange(most // 9)}" for _ in range(3)), "none"),
        origin=choice("native", "derived", "gateway"),
        start=bounds[0] if draw.random() < 0.4 else None,
        end=bounds[1] if draw.random() < 0.4 else None,
    )


def _walk(reader: Reader, wanted: Filter, limit: int) -> list[Event]:
    found: list[Event] = []
    after, more = 0, True
    while more:
        page: Page = reader.call(partial(reader.page, after=after, limit=limit, wanted=wanted))
        assert page.next > after, "it gets on"
        assert len(page.events) <= limit
        found += [placed.event for placed in page.events]
        after, more = page.next, page.more
    return found


def test_every_filter_finds_what_it_wants(tmp_path: Path, small: None) -> None:
    draw = random.Random(7)
    count = 800
    with journal(tmp_path) as writer:
        for start in range(0, count, 200):
            commit(writer, [_event(draw, n) for n in range(start, start + 200)])
            if start == 400:  # as in a journal that another version wrote: everything is filed later
                assert "Filed" in keep_up(writer, _ONLY_FILE)
        gone = draw.sample(range(200, count), 150)
        run = writer._open.exec_driver_sql
        for table in ("event", "event_unit"):
            run(f"DELETE FROM {table} WHERE seq <= 70 OR seq IN ({','.join(map(str, gone))})")
        every = events_of(writer.path)
        reader = Reader(writer.path, threads=1, scan=90)
        counts = set()
        for filed in (False, True):
            if filed:
                keep_up(writer, _ONLY_FILE)
                assert state(writer._open, FILED) == count // 16 * 16
            for _ in range(60):
                wanted = _filter(draw, count)
                expected = [e.seq for e in every if wanted.accepts(e)]
                assert [e.seq for e in _walk(reader, wanted, draw.choice([15, 15, 1000]))] == expected, wanted
                counts.add(len(expected))
        assert len(counts) > 30, "the filters are worth something"
        stations = ["L1.a", "L1.b", "L2.c"]
        places = dict(tuple(row) for row in run("SELECT id, station FROM place WHERE station IS NOT NULL"))
        found = postings.newest(run("SELECT 1").connection, places)
        assert {places[number]: seq for number, seq in found.items()} == {
            station: max(e.seq for e in every if e.station == station) for station in stations
        }
        reader.close()


def test_what_is_rare_or_never_came_is_known_with_one_page(tmp_path: Path, small: None) -> None:
    with journal(tmp_path) as writer:
        rare = {3, 700}
        commit(writer, [event(n, name="Vendor.X" if n in rare else "CFX.Heartbeat") for n in range(999)])
        keep_up(writer, _ONLY_FILE)
        reader = Reader(writer.path, threads=1, scan=50)

        def page(**fields: Choice) -> tuple[list[int], int]:
            found = reader.call(lambda c: reader.page(c, 0, 100, Filter(**fields)))  # type: ignore[arg-type]
            return [placed.event.seq for placed in found.events], found.next

        assert page(message=Choice(("Vendor.X",))) == ([4, 701], 999)
        assert page(unit=Choice(("never",))) == ([], 999)
        assert page(station=Choice(("L9.x",))) == ([], 999)
        assert page(station=Choice(("L1.s0",)), unit=Choice((), ("never",)))[0][:3] == [1, 4, 7]
        reader.close()


def test_no_table_that_grows_is_gone_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: None) -> None:
    draw = random.Random(11)
    plans: dict[str, set[str]] = {}
    with journal(tmp_path) as writer:
        commit(writer, [_event(draw, n) for n in range(300)])
        keep_up(writer, _ONLY_FILE)
        rows = Statements.rows

        def explained(self: Statements, sql: str, values: Sequence[Any] = ()) -> Sequence[tuple[Any, ...]]:
            for row in rows(self, f"EXPLAIN QUERY PLAN {sql}", values):
                plans.setdefault(row[3], set()).add(sql)
            return rows(self, sql, values)

        monkeypatch.setattr(Statements, "rows", explained)
        reader = Reader(writer.path, threads=1)
        for _ in range(40):
            _walk(reader, _filter(draw, 300), 20)
        reader.close()
    assert {plan for plan in plans if plan.startswith("SCAN")} <= {"SCAN place", "SCAN message"}, plans
    sorted_ = [sql for plan, found in plans.items() if "TEMP B-TREE" in plan for sql in found]
    assert all("FROM event_unit WHERE unit IN" in sql and "," in sql.partition("IN (")[2] for sql in sorted_), (
        "only what several units have together is sorted"
    )


def test_rows_of_what_is_gone_go_too(tmp_path: Path, small: None) -> None:
    with journal(tmp_path) as writer:
        commit(writer, [event(n, name="CFX.Heartbeat" if n % 2 else "CFX.Other") for n in range(640)])
        keep_up(writer, _ONLY_FILE)
        run = writer._open.exec_driver_sql
        run("DELETE FROM event WHERE seq <= 330 AND seq % 2 = 0 OR seq <= 100")
        assert "Stale" in keep_up(writer, _ONLY_FILE)
        least = dict(
            tuple(row)
            for row in run("SELECT name, min(block) FROM event_posting JOIN message ON id = message GROUP BY name")
        )
        assert least == {"CFX.Heartbeat": 330 // 16, "CFX.Other": 100 // 16}
        assert run("SELECT level, min(number) FROM event_span GROUP BY level").all() == [(0, 6), (1, 1)]
        run("DELETE FROM event")
        keep_up(writer, _ONLY_FILE)
        assert run("SELECT (SELECT count(*) FROM event_posting), (SELECT count(*) FROM event_span)").one() == (0, 0)


def test_a_file_of_an_earlier_version_is_read_as_it_is(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        commit(writer, [event(n) for n in range(9)])
        for table in ("event_posting", "event_span", "dictionary", "dictionary_copy"):
            writer._open.exec_driver_sql(f"DROP TABLE {table}")
        writer._open.exec_driver_sql("DELETE FROM meta WHERE key LIKE 'events_%'")
        reader = Reader(writer.path, threads=1)
        assert [e.seq for e in _walk(reader, Filter(station=Choice(("L1.s1",))), 2)] == [2, 5, 8]
        assert reader.call(lambda c: postings.newest(c, [1, 2])) == {1: 7, 2: 8}
        reader.close()
    assert examine(writer.path, thorough=True) == Finding(True)


def test_of_a_stream_that_says_everything_a_part_is_read_at_once(tmp_path: Path, small: None) -> None:
    """A page that begins in the middle of ten million must not fetch the numbers of all that follow."""
    with journal(tmp_path) as writer:
        commit(writer, [event(n) for n in range(160)])
        keep_up(writer, _ONLY_FILE)
        streams = postings.streams(writer._open)
        found, until = postings.numbers(writer._open, streams, 2, 9)
        assert (found.tolist(), until) == (list(range(33, 81)), 4)
