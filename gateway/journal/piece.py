"""What the background hands to the writer's thread: one short transaction, between two commits."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import Connection


class Piece(Protocol):
    """One transaction. `apply` returns about how many bytes it writes; 0: it was overtaken, and is dropped."""

    def apply(self, connection: Connection) -> int: ...
