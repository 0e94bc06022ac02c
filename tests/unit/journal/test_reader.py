"""Pages and filters."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection

from gateway.core.errors import CursorGone, JournalError
from gateway.journal.filter import Choice, Filter
from gateway.journal.reader import Reader
from gateway.journal.retention import Retention, RetentionLimits
from tests.unit.journal.feed import commit, event, journal, read


def test_filters_select(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        names = ["CFX.Heartbeat", "CFX.Production.WorkStarted", "CFX.Production.WorkCompleted", "CFX.Production.X_Y"]
        commit(writer, [event(n, name=names[n % 4]) for n in range(12)])

        def seqs(**fields: Choice) -> list[int]:
            wanted = Filter(**fields)  # type: ignore[arg-type]
            found = [e.seq for e in read(writer, wanted=wanted)]
            assert found == [e.seq for e in read(writer) if wanted.accepts(e)]
            return found

        assert seqs(message=Choice(("CFX.Production.*",))) == [2, 3, 4, 6, 7, 8, 10, 11, 12]
        assert seqs(message=Choice(unwanted=("CFX.Heartbeat",))) == [2, 3, 4, 6, 7, 8, 10, 11, 12]
        assert seqs(message=Choice(("CFX.Production.X_*",))) == [4, 8, 12]
        assert seqs(station=Choice(("L1.s0", "L1.s1"), ("L1.s1",))) == [1, 4, 7, 10]
        assert seqs(line=Choice(("L2",))) == []
        assert seqs(origin=Choice(("native",))) == []
        assert seqs(origin=Choice(unwanted=("native",))) == list(range(1, 13))


def test_a_page_looks_at_a_bounded_number_of_positions(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        commit(writer, [event(n) for n in range(100)])
        reader = Reader(writer.path, threads=1, scan=10)
        page = reader.call(lambda c: reader.page(c, 0, 100, Filter(start=2**60)))
        reader.close()
        assert (page.events, page.next, page.more, page.head) == ([], 10, True, 100)


def test_a_page_is_one_snapshot(tmp_path: Path) -> None:
    with journal(tmp_path) as writer:
        commit(writer, [event(n) for n in range(100)])
        reader = Reader(writer.path, threads=1)

        def work(connection: Connection) -> list[int]:
            first = reader.page(connection, 10, 1, Filter())
            Retention(RetentionLimits(bytes=0, rows=50)).step(writer._open)
            again = reader.page(connection, 10, 1, Filter())
            return [placed.event.seq for page in (first, again) for placed in page.events]

        assert reader.call(work) == [11, 11]
        with pytest.raises(CursorGone):
            reader.call(lambda connection: reader.page(connection, 10, 1, Filter()))
        reader.close()


def test_a_query_that_takes_too_long_is_interrupted_and_the_next_is_not(tmp_path: Path) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with journal(tmp_path) as writer:
        commit(writer, [event(1)])
        reader = Reader(writer.path, threads=1, longest_s=0.05)
        with pytest.raises(JournalError, match="interrupted"):
            reader.call(lambda connection: connection.exec_driver_sql(endless).all())
        assert [p.event.seq for p in reader.call(lambda c: reader.page(c, 0, 10, Filter())).events] == [1]
        reader.close()
