"""Machines on their vertical channel (IPC-HERMES-9852), as they were captured: the same messages to whoever declares to track
boards. The handshake and the signs of life are the face's own, for no capture has them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from gateway.core.frame import Frame
from simulators.faces import hermes
from simulators.replay.actor import Role, Stage, Unplayable
from simulators.replay.address import spelt
from simulators.replay.audience import Audience


class HermesActor:
    """One machine."""

    def __init__(self, role: Role, stage: Stage) -> None:
        self._host, self._port = role.address or (stage.host, 0)
        self._machine = hermes.Machine(machine_id=role.seats[0].station if role.seats else role.connection)
        self._patience_s = stage.patience_s
        self._stack = AsyncExitStack()
        self._played = False

    @property
    def addresses(self) -> Mapping[str, Any]:
        host, port = self._face.address
        return {"host": host, "port": port}

    @property
    def place(self) -> str:
        return spelt(*self._face.address)

    async def __aenter__(self) -> Self:
        serving = hermes.serve(self._machine, host=self._host, port=self._port)
        self._face = await self._stack.enter_async_context(serving)
        self._audience = Audience(lambda: self._face.supervisors > 0, self._patience_s, place=self.place)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def met(self) -> None:
        await self._audience.met()

    async def play(self, frame: Frame, peer: str | None) -> None:
        if "size" in frame.meta:
            raise Unplayable("of a message that was too large only the beginning was captured")
        await self._audience.needed()
        self._played = True
        for each in tuple(self._face.connections):
            if each.tracked:
                each.say(frame.payload)

    async def lose(self, station: str) -> None:
        if self._played:
            self._played = False
            for each in self._face.connections:
                each.tracked = False
            self._face.drop()

    async def done(self) -> None:
        """What is said is said."""
