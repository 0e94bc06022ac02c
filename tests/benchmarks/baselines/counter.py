"""How far a receiver that stores nothing has come, told to another process."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

COUNTER = struct.Struct("<QQdd")


class Counter:
    """Messages so far, in a file that another process reads; and how many there were first, and the time of both."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY)
        self._count = self._first = 0
        self._begun = 0.0

    def add(self, count: int) -> None:
        now = time.perf_counter()
        self._count += count
        if not self._first:
            self._first, self._begun = count, now
        os.pwrite(self._file, COUNTER.pack(self._count, self._first, self._begun, now), 0)
