"""Compaction by hand: piece after piece, on the connection that writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection

from gateway.journal.chunk_store import ChunkMark, chunks_on
from gateway.journal.compactor import CompactionSettings, Compactor, applied
from gateway.journal.database import reader_engine
from gateway.journal.piece import Piece
from gateway.journal.writer import Writer

NOW = CompactionSettings(most=1000, rest_s=-1e9, settled_s=-1e9, merge_check_s=0.0, share=1.0, rows=700)
"""A block is compacted as soon as it is whole, alone, and its samples deleted in two pieces; small chunks are merged."""
LARGE = CompactionSettings(most=1_000_000, older_s=-1e9, rest_s=-1e9, settled_s=-1e9, merge_check_s=0.0, share=1.0)
"""Whatever is there at once."""


def pieces(path: Path, settings: CompactionSettings = NOW) -> Iterator[Piece]:
    """What is due, each to be applied before the next is asked for."""
    compactor = Compactor(path, settings)
    engine = reader_engine(path, connections=1)
    try:
        with engine.connect() as opened:
            connection = opened.execution_options(isolation_level="AUTOCOMMIT")
            found = True
            while found:
                found = False
                for piece in compactor.pieces(connection):
                    if piece is not None:
                        found = True
                        yield piece
    finally:
        engine.dispose()


def all_chunks(connection: Connection) -> list[ChunkMark]:
    """By series, day and number."""
    pairs = connection.exec_driver_sql("SELECT DISTINCT series, day FROM sample_chunk ORDER BY series, day").all()
    return [mark for series, day in pairs for mark in chunks_on(connection, series, day)]


def compact(writer: Writer, settings: CompactionSettings = NOW) -> int:
    """All that is due. How many pieces it took."""
    return sum(applied(piece, writer._open) > 0 for piece in pieces(writer.path, settings))
