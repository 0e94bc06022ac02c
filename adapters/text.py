"""Text over a serial port or TCP: a machine that speaks by itself, or answers when it is asked.

One machine on each connection. Channel of a frame: its station. Payload: bytes as they came; of kind `lines` one or
several whole lines, otherwise one frame with its marks and checksum. Metadata: `problem`, why they are no frame (one of
gateway.transport.framing.REASONS); of a line that was cut in its middle, a position. See docs/text.md.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

from adapters.text_settings import TcpTextConnection, TextConnection
from gateway.core.adapter import Basis
from gateway.core.errors import ConfigError, DecodeError, NotConnected
from gateway.core.frame import POSITION, POSITION_OF, Delivery, Frame, Notice, NoticeKind
from gateway.core.observation import Lines, Observation, Unreadable
from gateway.profile.bound import Machine, Records
from gateway.profile.grammar import Ask
from gateway.transport.framing import CUT, REASONS, REST
from gateway.transport.text_listener import Gone, Guest, TextListener
from gateway.transport.text_wire import Missed, Received, TextWire, open_wire

_UNANSWERED = 3
"""Questions in a row without an answer after which a machine that has answered is gone: one may fall into a long test."""


class TextAdapter:
    """One `[[connection]]` of `serial-text` or `tcp-text`; implements gateway.core.adapter.Adapter.

    positions: what the journal has of it: that the last thing read was the beginning of a line, until its rest is.
    Raises ConfigError when settings and profile do not go together.
    """

    basis = Basis.HEARTBEAT_ONLY

    def __init__(
        self, settings: TextConnection, machines: Sequence[Machine], positions: Mapping[str, bytes] | None = None
    ) -> None:
        if len(machines) != 1 or machines[0].bound.records is None:
            raise ConfigError([f"{settings.name}: needs one station with a profile for {settings.protocol}"])
        self.settings = settings
        self._station = machines[0].station
        self._records: Records = machines[0].bound.records
        framing = self._records.framing
        if framing.length > settings.most_frame_bytes:
            raise ConfigError(
                [f"{settings.name}: most_frame_bytes is below the {framing.length} bytes that each frame has"]
            )
        number, _, mark = (positions or {}).get(self._station, b"").partition(b" ")
        self._cuts = int(number) if number.isdigit() else 0
        self._cut = mark == CUT.encode()
        self._left: list[Received] = []
        self._listener: TextListener | None = None
        if isinstance(settings, TcpTextConnection) and settings.listen is not None:
            self._listener = TextListener(
                *settings.listen_address,
                framing,
                allow=settings.allow,
                most_bytes=settings.most_frame_bytes,
                buffer_bytes=settings.buffer_bytes,
                cut=self._cut,
            )

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def protocol(self) -> str:
        return self.settings.protocol

    @property
    def refused(self) -> Mapping[str, int]:
        """Connections to the listener that came from addresses that may not, or pushed in behind another."""
        return {} if self._listener is None else self._listener.refused

    @property
    def port(self) -> int:
        """Of the listener, while it listens: the one that the system chose."""
        return 0 if self._listener is None else self._listener.port

    def connect(self) -> AbstractAsyncContextManager[AsyncIterator[Delivery | Notice]]:
        """Entering succeeds when the port is open or the machine has taken the connection; with `listen`, when it can
        come. A machine that is asked must have answered: that a port could be opened says nothing of it."""
        return self._connected() if self._listener is None else self._listening(self._listener)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncIterator[Delivery | Notice]]:
        settings = self.settings
        wire = await open_wire(
            settings.options,
            self._records.framing,
            most_bytes=settings.most_frame_bytes,
            buffer_bytes=settings.buffer_bytes,
            cut=self._cut,
        )
        try:
            ask = self._records.ask
            async with aclosing(self._hear(wire) if ask is None else self._question(wire, ask)) as items:
                heard = [] if ask is None else [await anext(items)]
                async with aclosing(_chain(heard, items)) as whole:
                    yield whole
        finally:
            self._left = await wire.close()
            self._cut = wire.cut

    async def _hear(self, wire: TextWire) -> AsyncGenerator[Delivery | Notice]:
        """Whatever comes, for ever. Raises NotConnected when the machine is gone."""
        while True:
            item = await wire.next()
            if item is not None:
                yield self._told(item)

    async def _question(self, wire: TextWire, ask: Ask) -> AsyncGenerator[Delivery | Notice]:
        """Ask on a fixed grid, and give whatever comes. Raises NotConnected when nobody answers any more."""
        timeout_s = self.settings.answer_timeout_s
        unanswered, most = 0, 1
        due = time.monotonic()
        while True:
            now = time.monotonic()
            due = max(due, now - (now - due) % ask.every_s)  # what was missed is not made up for
            wire.write(ask.text)
            answered = False
            late, due = now + timeout_s, due + ask.every_s
            while (item := await wire.next(due if answered else max(late, due))) is not None:
                answered = True
                yield self._told(item)
                if time.monotonic() >= due:  # it never stops speaking
                    break
            unanswered, most = (0, _UNANSWERED) if answered else (unanswered + 1, most)
            if unanswered >= most:
                raise NotConnected(f"{self.settings.options.place}: no answer to {ask.text!r} within {timeout_s:g} s")

    @asynccontextmanager
    async def _listening(self, listener: TextListener) -> AsyncIterator[AsyncIterator[Delivery | Notice]]:
        try:
            async with listener.open(), aclosing(self._visits(listener)) as items:
                yield items
        finally:
            self._left = listener.begun

    def left(self) -> Sequence[Delivery]:
        """What had begun and not ended when we left the last connection, for quarantine; once. Whoever closes the connection
        asks, and commits it: with it goes that the next line is the rest of this one."""
        found, self._left = self._left, []
        return [self._delivery(each) for each in found]

    async def _visits(self, listener: TextListener) -> AsyncGenerator[Delivery | Notice]:
        """Of one machine after the other; a new connection takes the place of the one before."""
        while True:
            guest = await listener.next()
            if isinstance(guest, Guest):
                yield Notice(kind=NoticeKind.PEER_UP, at=guest.at, peer=self._station, detail=guest.address)
            elif isinstance(guest, Gone):
                yield Notice(kind=NoticeKind.PEER_DOWN, at=guest.at, peer=self._station, detail=guest.reason)
            else:
                yield self._told(guest)

    def _told(self, item: Received | Missed) -> Delivery | Notice:
        if isinstance(item, Missed):
            return Notice(kind=NoticeKind.OVERFLOW, at=item.at, peer=self._station, count=item.count)
        return self._delivery(item)

    def _delivery(self, item: Received) -> Delivery:
        piece = item.piece
        meta: dict[str, str | int] = {"problem": piece.problem} if piece.problem else {}
        if piece.mark:
            self._cuts += piece.mark == CUT
            meta |= {POSITION_OF: self._station, POSITION: "" if piece.mark == REST else f"{self._cuts} {CUT}"}
        frame = Frame(
            connection=self.settings.name,
            received=item.at,
            channel=self._station,
            payload=piece.data,
            meta=meta,
        )
        return Delivery(frame, acknowledged=False, peer=self._station)

    def decode(self, frame: Frame) -> Sequence[Observation]:
        """The lines of a frame, for the profile to read; and those that are not in its encoding."""
        if frame.channel != self._station:
            raise DecodeError("unknown-channel", f"{frame.channel!r} is no station on {self.name}")
        if not frame.payload:
            return ()  # of a line that was too long when it was cut: its beginning is told
        problem = str(frame.meta.get("problem", ""))
        if problem:
            raise DecodeError(problem, REASONS.get(problem, "is no frame"))
        found = self._records.each(frame.payload)
        lines = tuple(each for each in found if isinstance(each, str))
        return (Lines(self._station, lines), *(each for each in found if isinstance(each, Unreadable)))


async def _chain(
    heard: Sequence[Delivery | Notice], items: AsyncIterator[Delivery | Notice]
) -> AsyncGenerator[Delivery | Notice]:
    for item in heard:
        yield item
    async for item in items:
        yield item
