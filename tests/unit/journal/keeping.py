"""Filing and packing of events by hand: piece after piece, on the connection that writes."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.journal.compactor import applied
from gateway.journal.database import reader_engine
from gateway.journal.packing import PackingSettings
from gateway.journal.piece import Piece
from gateway.journal.upkeep import EventUpkeep
from gateway.journal.writer import Writer

NOW = PackingSettings(after_s=-1e9, patience_s=-1e9, least=100, learn=400, rows=50, reach=1000)
"""Everything at once, in small pieces."""


def pieces(writer: Writer, settings: PackingSettings = NOW) -> Iterator[Piece]:
    """What is due, each to be applied before the next is asked for."""
    engine = reader_engine(writer.path, connections=1)
    try:
        with engine.connect() as opened:
            upkeep = EventUpkeep(settings, lambda begun: None)
            yield from upkeep.everything(opened.execution_options(isolation_level="AUTOCOMMIT"))
    finally:
        engine.dispose()


def keep_up(writer: Writer, settings: PackingSettings = NOW) -> list[str]:
    """All that is due; what kinds of pieces that took."""
    return [type(piece).__name__ for piece in pieces(writer, settings) if applied(piece, writer._open)]
