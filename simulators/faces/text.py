"""The face of a machine that speaks text by itself: barcode readers, testers that print reports.

It asks nobody whether he listens. Over a serial line what nobody has the port open for is lost, over TCP what comes while
nobody is connected.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import ClassVar

import msgspec

from gateway.transport.serial_port import SerialPort
from simulators.faces.switches import Failing
from simulators.faces.text_faults import Fault, Faults, Piece, Trouble, pieces
from simulators.faces.text_line import Line, Listen, SerialLine, TcpLine
from simulators.voices.text import Speech
from simulators.voices.voice import When


@asynccontextmanager
async def serve(place: Listen | SerialPort, *, seed: int = 0) -> AsyncIterator[TextFace]:
    """Until the block is left. Raises FaceError. seed: of what faults draw."""
    line: Line = SerialLine(place) if isinstance(place, SerialPort) else TcpLine(place)
    await line.open()
    face = TextFace(line, seed)
    speaking = asyncio.create_task(face.speak(), name=f"text on {line.place}")
    try:
        yield face
    finally:
        speaking.cancel()
        with suppress(asyncio.CancelledError):
            await speaking
        line.close()


class TextFace(Failing[Fault]):
    """What is said, and the switches for faults. line: where it goes."""

    fault_type: ClassVar[type[msgspec.Struct]] = Fault

    def __init__(self, line: Line, seed: int) -> None:
        self.line = line
        self.faults = Faults(seed)
        self._pieces: asyncio.Queue[Piece] = asyncio.Queue()
        self._held: list[Piece] = []
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._plugged = True

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port; None of a serial line."""
        return self.line.address if isinstance(self.line, TcpLine) else None

    async def put(self, speech: Speech, when: When) -> None:
        """Says it, after whatever is still being said; does not wait for that."""
        self.say(speech.data(when))

    def say(self, data: bytes) -> None:
        """The same of bytes."""
        met = self.faults.meeting()
        made = pieces(data, met, self.faults)
        if any(fault.trouble is Trouble.REORDER for fault in met):
            self._held += made
            return
        for piece in (*made, *self._held):
            self._pieces.put_nowait(piece)
        self._held.clear()

    async def quiet(self) -> None:
        """Returns when everything is said."""
        await self._pieces.join()

    async def speak(self) -> None:
        """Until cancelled; `serve` sees to it."""
        while True:
            piece = await self._pieces.get()
            await asyncio.sleep(piece.after_s)
            await self._flowing.wait()
            if piece.data:
                await self.line.write(piece.data)
            if piece.cut:
                self.line.cut()
            self._pieces.task_done()

    async def begin(self, fault: Fault) -> None:
        """From now on. Raises ValueError for what cannot happen on this kind of line."""
        if self.address is None and fault.trouble in (Trouble.REFUSE, Trouble.DROP):
            raise ValueError(f"{fault.trouble} cannot happen on {self.line.place}; allowed: unplug")
        self.faults.add(fault)
        await self._apply()

    async def end(self, fault: Fault | None = None) -> None:
        """That one is over; without one, all are. What was held back is said."""
        if fault is None:
            self.faults.clear()
        else:
            self.faults.remove(fault)
        if not self.faults.lasts(Trouble.REORDER):
            for piece in self._held:
                self._pieces.put_nowait(piece)
            self._held.clear()
        await self._apply()

    async def _apply(self) -> None:
        faults = self.faults
        plugged = not faults.lasts(Trouble.UNPLUG)
        if not plugged and self._plugged:
            self.line.close()
            await asyncio.sleep(0)  # uvloop closes sockets in its next turn
        elif plugged and not self._plugged:
            await self.line.open()
        self._plugged = plugged
        if plugged:
            await self.line.refuse(faults.lasts(Trouble.REFUSE))
        if faults.lasts(Trouble.STALL):
            self._flowing.clear()
        else:
            self._flowing.set()
