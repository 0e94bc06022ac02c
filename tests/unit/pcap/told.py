"""A reader with what it found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.capture.form import Wire
from gateway.config.plan import Resolved
from gateway.core.times import Micros
from gateway.pcap.places import READERS
from gateway.pcap.reader import Context, Reader
from gateway.wiring import machines_on
from tests.captured import configured


class Heard:
    """Of the one connection of a configuration."""

    def __init__(self, folder: Path, station: str, *, joined: bool = False) -> None:
        text = f'[[line]]\nname = "L1"\n[[line.station]]\nname = "m1"\n{station}\n'
        self.resolved: Resolved = configured(folder, text)
        self.found: list[tuple[Micros, Wire]] = []
        self._shared: dict[str, Any] = {}
        self.reader = self.again(joined=joined)

    def again(self, *, joined: bool = False) -> Reader:
        """Over another TCP connection."""
        ((name, settings),) = self.resolved.connections.items()
        protocol: str = settings.protocol  # type: ignore[attr-defined]
        machines = machines_on(self.resolved, name)
        context = Context(
            settings, "line1-pc", machines, joined, lambda at, wire: self.found.append((at, wire)), self._shared
        )
        self.reader = READERS[protocol](context)
        return self.reader

    def client(self, *data: bytes, at: Micros = 0) -> None:
        for each in data:
            self.reader.feed(each, at, of_client=True)

    def server(self, *data: bytes, at: Micros = 0) -> None:
        for each in data:
            self.reader.feed(each, at, of_client=False)

    @property
    def wires(self) -> Sequence[Wire]:
        return [wire for _, wire in self.found]
