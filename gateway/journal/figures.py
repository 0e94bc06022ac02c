"""What the journal weighs, and what was removed from it: written on the writer's thread, read by whoever watches."""

from __future__ import annotations

from collections import Counter

from sqlalchemy import Connection


class Figures:
    """bytes, when it was last looked: all that is used in the file; of it samples, and quarantine; the rest is events.

    limit: of all but quarantine; None: there is none. hot: samples that are not compacted. removed: rows that retention
    removed, by kind (`events`, `samples`, `ids`). seconds: that it took. over: why there is more than the limits allow.
    """

    def __init__(self) -> None:
        self.file_bytes = 0
        self.used = 0
        self.quarantine = 0
        self.samples = 0
        self.limit: int | None = None
        self.hot = 0
        self.chunks = 0
        self.removed: Counter[str] = Counter()
        self.seconds = 0.0
        self.over: str | None = None

    @property
    def history(self) -> int:
        """What the limit is about: quarantine has a budget of its own, and what fills it must not cost history."""
        return self.used - self.quarantine

    @property
    def events(self) -> int:
        return max(self.history - self.samples, 0)

    def measure(self, connection: Connection) -> None:
        pages, free, size, quarantined = connection.exec_driver_sql(
            "SELECT (SELECT page_count FROM pragma_page_count), (SELECT freelist_count FROM pragma_freelist_count), "
            "(SELECT page_size FROM pragma_page_size), (SELECT value FROM meta WHERE key = 'quarantine_bytes')"
        ).one()
        self.file_bytes = pages * size
        self.used = (pages - free) * size
        self.quarantine = int(quarantined or 0)
