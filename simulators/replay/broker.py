"""What actors have in common that speak to a real broker: it stands between them and whoever listens."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Self

from gateway.core.errors import NotConnected
from gateway.core.frame import Frame
from simulators.replay.actor import Role, Stage, Unplayable
from simulators.replay.address import spelt
from simulators.replay.sending import Say, Sending

_LOOK_S = 0.05


class BehindBroker(ABC):
    """All machines of one broker: who said what cannot be told any more, and makes no difference."""

    def __init__(self, role: Role, stage: Stage) -> None:
        """Raises Unplayable."""
        if role.address is None:
            raise Unplayable(f"{role.connection}: no broker is named")
        self._host, self._port = role.address
        self._role = role
        self._name = f"replay {role.connection}"
        self._sending = Sending(self._name, self._connect, stage.patience_s)

    @property
    def addresses(self) -> Mapping[str, Any]:
        return {"host": self._host, "port": self._port}

    @property
    def place(self) -> str:
        return f"broker {spelt(self._host, self._port)}"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._sending.close()

    async def met(self) -> None:
        """The broker is there. Whether anybody listens behind it, only brokers of some protocols tell, and later."""
        while True:
            try:
                async with self._connect():
                    return
            except NotConnected:
                await asyncio.sleep(_LOOK_S)

    async def play(self, frame: Frame, peer: str | None) -> None:
        self._look(frame, peer)
        await self._sending.put(frame)

    async def lose(self, station: str) -> None:
        """The broker stands between: what happens to its other connections is no matter of the machines'."""
        return

    async def done(self) -> None:
        await self._sending.empty()

    @abstractmethod
    def _look(self, frame: Frame, peer: str | None) -> None:
        """Raises Unplayable for what cannot be said: it is left out here, not in between."""

    @abstractmethod
    def _connect(self) -> AbstractAsyncContextManager[Say]:
        """Raises NotConnected."""
