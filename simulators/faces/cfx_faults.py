"""What a simulated CFX machine can do wrong with its messages, as data; what its network can, is in `network`."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from simulators.faces.switches import Switches
from simulators.outbox import Outgoing

_JUNK = b'{"MessageName":"CFX.Production.WorkStarted","Version":"2.1","TimeStamp":"2026-11-20T12:44:33.5Z","UniqueI'


class Trouble(StrEnum):
    """What goes wrong."""

    OFFLINE = "offline"  # not connected; what is said meanwhile is kept, and sent in one burst after
    LOSE = "lose"  # the message is not sent
    GARBAGE = "garbage"  # `data` in place of the message
    NOISE = "noise"  # `data` before the message
    TRUNCATE = "truncate"  # the first half of the message
    DUPLICATE = "duplicate"  # the message twice
    REORDER = "reorder"  # the message is held back until after the next


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """share: of the messages, drawn by the face's seed. times: after so many it is over. data: of GARBAGE and NOISE."""

    trouble: Trouble
    share: float = 1.0
    times: int | None = None
    data: bytes = _JUNK


class Faults(Switches[Fault]):
    """Those that are set at the moment, and a message that one of them holds back."""

    def __init__(self, seed: int) -> None:
        super().__init__(f"{seed}/cfx faults", (Trouble.OFFLINE,))
        self._held: list[Outgoing] = []

    def released(self) -> list[Outgoing]:
        """What was held back, unless messages still are."""
        if self.lasts(Trouble.REORDER):
            return []
        held, self._held = self._held, []
        return held

    def sent(self, message: Outgoing) -> list[Outgoing]:
        """What is sent in place of the message, in order."""
        made = [message]
        held, self._held = self._held, []
        for fault in self.meeting():
            match fault.trouble:
                case Trouble.LOSE:
                    made = []
                case Trouble.GARBAGE:
                    made = [msgspec.structs.replace(message, payload=fault.data)]
                case Trouble.NOISE:
                    made = [msgspec.structs.replace(message, payload=fault.data), *made]
                case Trouble.TRUNCATE:
                    cut = message.payload[: len(message.payload) // 2]
                    made = [msgspec.structs.replace(message, payload=cut)]
                case Trouble.DUPLICATE:
                    made = made * 2
                case Trouble.REORDER if not held:
                    self._held, made = made, []
        return [*made, *held]
