"""How far an OPC UA server was read, over restarts."""

from __future__ import annotations

from collections.abc import Iterable

from adapters.opcua_progress import Progress
from gateway.core.frame import POSITION, POSITION_OF
from gateway.profile.bound_nodes import Change

NODES = {"L1.a": ("x", "y"), "L1.b": ("x",)}


class Journal:
    """Positions as they are committed."""

    def __init__(self) -> None:
        self.positions: dict[str, bytes] = {}

    def commit(self, meta: dict[str, str | int]) -> None:
        key, value = str(meta[POSITION_OF]), str(meta[POSITION]).encode()
        before = self.positions.get(key, b"0 ")
        assert int(value.partition(b" ")[0]) > int(before.partition(b" ")[0]), "would be taken for a copy"
        self.positions[key] = value

    def read(self, progress: Progress, station: str, *changes: Change) -> None:
        self.commit(progress.read(station, changes))

    def again(self, nodes: dict[str, Iterable[str]] | None = None) -> Progress:
        return Progress(self.positions, nodes or NODES)


def test_every_frame_counts_after_a_restart() -> None:
    journal = Journal()
    progress = journal.again()
    assert not progress.begun
    for number in range(1, 300):
        journal.read(progress, "L1.a", Change("x", number, t=number), *([Change("y", 1, t=5)] if number == 1 else []))
        progress = journal.again() if number % 7 == 0 else progress
        assert journal.again().since("L1.a") == {"x": number, "y": 5}
    assert progress.begun
    assert progress.since("L1.b") == {}
    assert len(journal.positions) == 64


def test_the_newest_is_what_came_last() -> None:
    """A clock may be set back."""
    journal = Journal()
    journal.read(journal.again(), "L1.a", Change("x", 1, t=1000), Change("x", 2, t=900))
    journal.read(journal.again(), "L1.a", Change("x", 3, t=500), Change("y", None, s=1 << 31))
    assert journal.again().since("L1.a") == {"x": 500}


def test_nodes_and_stations_that_are_gone_are_forgotten() -> None:
    journal = Journal()
    progress = journal.again()
    journal.read(progress, "L1.a", Change("x", 1, t=1), Change("y", 1, t=2))
    journal.read(progress, "L1.b", Change("x", 1, t=3))
    assert journal.again({"L1.a": ("y", "z")}).since("L1.a") == {"y": 2}
    assert not journal.again({"L1.c": ("x",)}).begun


def test_what_history_has_told_is_told_once() -> None:
    progress = Journal().again()
    old, new, later = Change("x", 1, t=1), Change("x", 2, t=2), Change("x", 3, t=3)
    other = Change("y", 1, t=1)
    assert progress.fresh("L1.a", [old, other]) == [old, other]
    progress.told("L1.a", [old, new], twice=False)
    progress.told("L1.a", [later], twice=True)
    assert progress.fresh("L1.a", [new, other]) == [other]
    assert progress.fresh("L1.b", [new]) == [new]
    assert progress.fresh("L1.a", [later]) == []
    back = Change("x", 4, t=0)
    assert progress.fresh("L1.a", [back, new]) == [back, new], "from a node's first other value on, everything"
    progress.told("L1.a", [new], twice=True)
    progress.begin()
    assert progress.fresh("L1.a", [new]) == [new]
