"""A journal to damage."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.journal.damaged import (
    EVENTS,
)
from tests.unit.journal.feed import commit, event, journal


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A journal with EVENTS events, closed."""
    with journal(tmp_path) as writer:
        for start in range(0, EVENTS, 100):
            commit(writer, [event(n, size=600) for n in range(start, start + 100)])
        writer._open.exec_driver_sql("INSERT INTO source_mark VALUES ('plant', 1234)")
    return writer.path
