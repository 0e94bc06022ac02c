"""serial-text on a pseudo terminal, reached by a link as `/dev/serial/by-id` has them."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from adapters.text import TextAdapter
from adapters.text_settings import SerialTextConnection
from gateway.core.adapter import Adapter
from gateway.ingest.stations import Stations
from tests.build import until
from tests.contract.rig import Entry, Mute
from tests.contract.rigs.text import BEGIN, END, GARBAGE, Talk, profile

_BUFFER = 2 << 20


class _Line:
    """One pseudo terminal after the other, each as long as the machine is plugged in. Ours is the master's end."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.sent = 0
        self.left = asyncio.Event()
        self._master: int | None = None
        self._slave = ""

    def plug(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self._slave = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        self.link.symlink_to(self._slave)

    def unplug(self) -> None:
        if self._master is not None:
            os.close(self._master)
            self._master = None
            self.link.unlink()

    @property
    def opened(self) -> bool:
        return any(_target(path) == self._slave for path in Path("/proc/self/fd").iterdir())

    async def say(self, text: bytes) -> None:
        await until(lambda: self.opened)
        while text:
            assert self._master is not None
            try:
                sent = os.write(self._master, text)
            except BlockingIOError:
                sent = 0
            self.sent += sent
            text = text[sent:]
            await asyncio.sleep(0.001 if not sent else 0)

    async def quiet(self) -> None:
        before = -1
        while self.sent != before:
            before = self.sent
            await asyncio.sleep(0.1)


def _target(path: Path) -> str:
    with suppress(OSError):
        return str(path.readlink())
    return ""


class _Mute:
    def __init__(self, line: _Line) -> None:
        self.left = asyncio.Event()
        self._line = line
        self._met = asyncio.Event()

    async def met(self, adapter: Adapter) -> None:
        await until(lambda: self._line.opened)
        self._met.set()

    async def watch(self) -> None:
        await self._met.wait()  # not for the port to be open: it may be closed again before this looks
        await until(lambda: not self._line.opened)
        self.left.set()


class _Faults:
    def __init__(self, line: _Line, rig: SerialTextRig) -> None:
        self._line = line
        self._rig = rig

    @asynccontextmanager
    async def absent(self) -> AsyncIterator[Adapter]:
        self._line.unplug()
        yield self._rig.adapter()
        self._line.plug()

    @asynccontextmanager
    async def mute(self) -> AsyncIterator[Mute]:
        mute = _Mute(self._line)
        watching = asyncio.create_task(mute.watch(), name="mute")
        yield mute
        await watching

    async def peer_down(self) -> None:
        self._line.unplug()

    async def peer_up(self) -> None:
        self._line.plug()

    async def stall(self) -> None:
        """It says nothing any more, as ever when no test tells it to."""

    async def silence(self, unit: int) -> None:
        raise NotImplementedError("one machine on each port")

    def received(self) -> int:
        return self._line.sent

    async def quiet(self) -> None:
        await self._line.quiet()


class SerialTextRig:
    units = 1
    acknowledged = brokered = conflates = False
    ends = True
    gives_up_s = 0.5
    prompt_s = 1.0
    most_bytes = _BUFFER + (1 << 20)

    def __init__(self, folder: Path, line: _Line) -> None:
        self.talk = Talk(profile(folder, "serial-text"))
        self.faults = _Faults(line, self)
        self._line = line
        self._settings: dict[str, Any] = {
            "protocol": "serial-text",
            "name": "tester",
            "port": str(line.link),
            "parity": "even",
            "buffer_bytes": _BUFFER,
        }

    def adapter(self) -> TextAdapter:
        return TextAdapter(SerialTextConnection(**self._settings), [self.talk.machine])

    def stations(self) -> Stations:
        return self.talk.stations("tester")

    async def say(self, *numbers: int, unit: int = 0, filler: int = 0) -> None:
        for number in numbers:
            await self._line.say(self.talk.line(number, filler))

    async def garbage(self, unit: int = 0) -> None:
        await self.faults.quiet()  # on its own, or it would be one line among others
        await self._line.say(GARBAGE)
        await self.faults.quiet()

    async def work_begins(self) -> None:
        await self._line.say(BEGIN)

    async def work_ends(self) -> None:
        await self._line.say(END)


@asynccontextmanager
async def _open(_: object, folder: Path) -> AsyncIterator[SerialTextRig]:
    line = _Line(folder / "usb-FTDI_FT1234-if00-port0")
    line.plug()
    try:
        yield SerialTextRig(folder, line)
    finally:
        line.unplug()


RIGS = (Entry("serial-text", _open),)
