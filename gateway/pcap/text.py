"""Text over TCP, and IPC-HERMES-9852, out of a network capture: what a machine said, cut as the gateway cuts it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from gateway.capture.form import Wire
from gateway.core.times import Micros
from gateway.pcap.reader import Context, Role, Unreadable
from gateway.transport import hermes
from gateway.transport.framing import Cutter, Piece


class TextReader:
    """Of one machine, which serves, or with `listen` is the client."""

    client = ""

    def __init__(self, context: Context) -> None:
        settings: Any = context.settings
        self.told: Counter[str] = Counter()
        self.role = Role.MACHINE if settings.listen is not None else Role.OTHER
        self._machine_calls = settings.listen is not None
        self._emit = context.emit
        machine = context.machines[0]
        if machine.bound.records is None:
            raise Unreadable(f"profile {machine.bound.name!r} is not for text")
        self._station = machine.station
        self._framing = machine.bound.records.framing
        self._most = settings.most_frame_bytes
        self._cutter = Cutter(self._framing, self._most, cut=context.joined)
        self._heard_at: Micros = 0

    def feed(self, data: bytes, at: Micros, *, of_client: bool) -> None:
        if of_client is not self._machine_calls:
            return
        pause_s = self._framing.pause_s
        if pause_s is not None and self._cutter.open:
            over = self._heard_at + round(pause_s * 1_000_000)
            if at > over:
                self._take(self._cutter.pause(), over)
        self._heard_at = at
        self._take(self._cutter.feed(data), at)

    def missing(self, count: int, *, of_client: bool) -> None:
        if of_client is self._machine_calls:
            self.told["lines and frames of which a part is missing"] += self._cutter.open
            self._cutter = Cutter(self._framing, self._most, cut=True)

    def _take(self, pieces: list[Piece], at: Micros) -> None:
        for piece in pieces:
            if piece.mark:
                self.told["lines whose beginning is not in the recording"] += 1
                continue
            meta: dict[str, str | int] = {"problem": piece.problem} if piece.problem else {}
            self._emit(at, Wire(self._station, piece.data, meta=meta, peer=self._station, acknowledged=False))


class HermesReader:
    """Of one machine's port for supervisory systems."""

    role = Role.OTHER
    client = ""

    def __init__(self, context: Context) -> None:
        self.told: Counter[str] = Counter()
        self._emit = context.emit
        self._station = context.machines[0].station
        self._framing = hermes.Framing()
        self._cut = context.joined

    def feed(self, data: bytes, at: Micros, *, of_client: bool) -> None:
        if of_client:
            return
        for piece in self._framing.feed(data):
            cut, self._cut = self._cut, False
            if cut and not piece.data.startswith(b"<Hermes"):
                self.told["messages of which a part is missing"] += 1
            elif piece.size is not None or not _is_of_the_link(piece.data):
                meta: dict[str, str | int] = {} if piece.size is None else {"size": piece.size}
                self._emit(at, Wire(self._station, piece.data, meta=meta, acknowledged=False))

    def missing(self, count: int, *, of_client: bool) -> None:
        if not of_client:
            self._framing = hermes.Framing()
            self._cut = True


def _is_of_the_link(data: bytes) -> bool:
    """Messages that the gateway keeps to itself: signs of life, and what a machine says of itself."""
    try:
        return hermes.parse(data).content.name in ("CheckAlive", "SupervisoryServiceDescription")
    except hermes.Malformed:
        return False
