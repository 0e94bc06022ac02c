"""Text as a machine writes it, with marks where it writes a time: what is known before anyone knows when it is played."""

from __future__ import annotations

from collections.abc import Iterable
from zoneinfo import ZoneInfo

import msgspec

from gateway.core.times import to_datetime
from simulators.voices.voice import When

_ISO = "%Y-%m-%dT%H:%M:%S"
"""Machines that write ISO 8601 into files mostly leave the zone out and go by seconds (assumption)."""


class Stamp(msgspec.Struct, frozen=True):
    """An instant, in virtual seconds, in the machine's local time. format: as for strftime; None: ISO 8601, to the
    second, without zone."""

    at: float
    format: str | None = None

    def text(self, when: When, zone: ZoneInfo) -> str:
        return to_datetime(when.instant(self.at)).astimezone(zone).strftime(self.format or _ISO)


Part = str | Stamp


class Template(msgspec.Struct, frozen=True):
    """Texts and time stamps in their order."""

    parts: tuple[Part, ...]
    encoding: str = "utf-8"

    def text(self, when: When, zone: ZoneInfo) -> str:
        """zone: of the machine's clock."""
        return "".join(part if isinstance(part, str) else part.text(when, zone) for part in self.parts)

    def render(self, when: When, zone: ZoneInfo) -> bytes:
        """What the machine sends or writes. A character that its encoding does not have becomes a question mark."""
        return self.text(when, zone).encode(self.encoding, "replace")


def joined(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The same with neighbouring texts put together."""
    found: list[Part] = []
    for part in parts:
        if isinstance(part, str) and found and isinstance(found[-1], str):
            found[-1] += part
        else:
            found.append(part)
    return tuple(found)
