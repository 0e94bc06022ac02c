"""What a simulated machine's OPC UA server can do wrong, as data: a script sets and clears faults while it goes on."""

from __future__ import annotations

from enum import StrEnum

import msgspec
from asyncua import ua

_USUAL = {"reject": "BadNodeIdUnknown", "bad": "BadSensorFailure", "uncertain": "UncertainLastUsableValue"}


class Trouble(StrEnum):
    """What goes wrong."""

    REFUSE = "refuse"  # connections are refused; those that there are stay
    DROP = "drop"  # connections are cut, once, when it begins; sessions stay for their time
    STALL = "stall"  # connections are taken, but nothing is answered or published until it is over
    RESTART = "restart"  # the server is off until it is over; sessions, subscriptions and queues are lost
    FORGET = "forget"  # subscriptions are deleted, once, when it begins, without a word to anybody
    SILENT = "silent"  # subscriptions go on, and have nothing to publish any more; once, when it begins
    REJECT = "reject"  # the node `node` is not there any more, or with another `status` cannot be read
    BAD = "bad"  # values have the bad status `status`, and are none
    UNCERTAIN = "uncertain"  # values have the uncertain status `status`
    LATE = "late"  # what happens can be seen `seconds` later; its times are right


_STATUS = frozenset((Trouble.REJECT, Trouble.BAD, Trouble.UNCERTAIN))


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """node: signal or alarm that it concerns, by its key, or node as the profile writes it; empty: all. status: name of
    a StatusCode; empty: a usual one. seconds: real ones. Raises ValueError for a status that there is not."""

    trouble: Trouble
    node: str = ""
    status: str = ""
    seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.status and not isinstance(getattr(ua.StatusCodes, self.status, None), int):
            raise ValueError(f"{self.status!r} is no StatusCode; allowed: such as BadNotReadable")

    @property
    def code(self) -> int | None:
        """Of the values that it concerns; None where it leaves them as they are."""
        if self.trouble not in _STATUS:
            return None
        return int(getattr(ua.StatusCodes, self.status or _USUAL[self.trouble]))
