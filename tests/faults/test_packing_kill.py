"""kill -9 while events are stored, filed and packed: none is lost, none is there twice, and each says what it said."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from gateway.journal.filter import Choice, Filter
from gateway.journal.integrity import Finding, examine
from gateway.journal.packing import PACKED
from gateway.journal.postings import BLOCK, FILED
from gateway.journal.reader import Reader
from gateway.journal.sample_state import state
from tests.faults.packing_writer import numbered
from tests.faults.test_compaction_kill import working
from tests.faults.test_kill import seed
from tests.unit.journal.damaged import events_of
from tests.unit.journal.feed import journal, read
from tests.unit.journal.keeping import keep_up

ROUNDS = 6


def _states(path: Path) -> tuple[int, int, int]:
    reader = Reader(path, threads=1)
    try:
        return reader.call(
            lambda c: (c.exec_driver_sql("SELECT max(seq) FROM event").scalar_one(), state(c, PACKED), state(c, FILED))
        )
    finally:
        reader.close()


@pytest.mark.slow
def test_kill_while_events_are_packed(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    draw = random.Random(seed())
    states = []
    for _ in range(ROUNDS):
        with working(path, "packing_writer") as (process, said):
            assert said.get(timeout=60) == "open"
            last = 0
            for _ in range(draw.randint(20, 120)):
                line = said.get(timeout=60)
                assert line is not None, "it ended by itself"
                last = int(line)
            process.kill()
            while (line := said.get(timeout=60)) is not None:
                last = int(line)
        states.append(_states(path))
        assert states[-1][0] >= last, "what was committed is there"
    print(states)
    head, packed, filed = states[-1]
    assert packed > 0
    assert filed > 0
    found = events_of(path)
    assert [event.seq for event in found] == list(range(1, head + 1))
    assert all((event.id, event.body) == (each.id, each.body) for event in found for each in [numbered(event.seq)])
    with journal(tmp_path) as writer:
        keep_up(writer)
        assert state(writer._open, PACKED) == head, "what was left of it is done"
        assert state(writer._open, FILED) == head // BLOCK * BLOCK
        wanted = Filter(station=Choice(("L1.s1",)))
        wanted_ones = [e.seq for e in found if e.station == "L1.s1"]
        assert [e.seq for e in read(writer, wanted=wanted)] == wanted_ones[:1000]
    assert examine(path, thorough=True) == Finding(True)
