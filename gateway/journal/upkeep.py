"""What is done for events in the background, in pieces as samples are compacted: filing, packing, and tidying up behind them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from sqlalchemy import Connection

from gateway.journal import postings
from gateway.journal.packing import Packing, PackingSettings
from gateway.journal.piece import Piece

log = logging.getLogger("lineside.journal")

TIDY_S = 60.0
"""Pause between two looks for what retention has left behind."""


class EventUpkeep:
    """Belongs to the thread that prepares pieces. rest: called after work, with when that began."""

    def __init__(self, settings: PackingSettings, rest: Callable[[float], None]) -> None:
        self._packing = Packing(settings, rest)
        self._tidy_after = 0.0
        self._failures = 0  # since all went well

    def urgent(self, connection: Connection) -> Iterator[Piece]:
        """What is not filed yet is looked through by every query: it goes before everything else."""
        yield from self._guarded(postings.due(connection))

    def pieces(self, connection: Connection) -> Iterator[Piece]:
        """All that is due, one piece after the other, each to be applied before the next is asked for."""
        failures = self._failures
        yield from self._guarded(self.everything(connection))
        if failures == self._failures:
            self._failures = 0

    def _guarded(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """Whatever is wrong with events must not keep samples from being compacted."""
        try:
            yield from pieces
        except Exception as error:
            if not self._failures:
                log.warning("events are not filed and packed any further: %s", error, exc_info=True)
            self._failures += 1

    def everything(self, connection: Connection) -> Iterator[Piece]:
        """The same, but it raises what goes wrong."""
        yield from postings.due(connection)
        for piece in self._packing.pieces(connection):
            yield piece
            yield from postings.due(connection)
        if time.monotonic() >= self._tidy_after:
            yield from self._tidy(connection)
            self._tidy_after = time.monotonic() + TIDY_S

    def _tidy(self, connection: Connection) -> Iterator[Piece]:
        while (piece := postings.stale(connection)) is not None:
            yield piece
            yield from postings.due(connection)
        yield from self._packing.tidy(connection)
