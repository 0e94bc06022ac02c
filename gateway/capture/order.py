"""What somebody asked to be captured, and how far a capture may go."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

FILE = "order.json"
NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""Of a capture, and its folder."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """name: of its folder too. stations, sources: ids of stations and names of connections; both empty: everything.

    keep_s, keep_bytes: a ring, of which whole old files go as soon as the rest is as long or as large as this; both None:
    nothing goes. redact: identifiers of boards are replaced.
    """

    name: str
    stations: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    keep_s: float | None = None
    keep_bytes: int | None = None
    redact: bool = False

    @property
    def ring(self) -> bool:
        return self.keep_s is not None or self.keep_bytes is not None


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """In the capture's folder, as JSON. running: not stopped by anybody, so that the next start goes on with it.

    reason: why it stopped by itself. configured: the configuration had it running, and says whether it still does.
    """

    order: Order
    running: bool
    reason: str = ""
    configured: bool = False

    def save(self, folder: Path) -> None:
        """Raises OSError."""
        fresh = folder / f"{FILE}.new"
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(self)))
        fresh.replace(folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Standing | None:
        """None where there is none that can be read."""
        try:
            return msgspec.json.decode((folder / FILE).read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError):
            return None


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Of every capture of a gateway.

    file_bytes, file_s: a new file is begun when one has become so large or old. flush_s: how much is lost with the
    process. queue_bytes: of frames that wait to be written; beyond it they are missed. total_bytes: of all captures' files
    together. reserve_bytes: of the disk, that captures leave free.
    """

    file_bytes: int = 256_000_000
    file_s: float = 3600.0
    flush_s: float = 5.0
    queue_bytes: int = 32_000_000
    total_bytes: int = 20_000_000_000
    reserve_bytes: int = 1_000_000_000
