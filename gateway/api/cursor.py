"""Positions as clients see them: opaque text, `<journal>:<n>`."""

from __future__ import annotations

import re

import msgspec

from gateway.core.errors import CursorGone

OLDEST = "0"
"""The only position that needs no journal: before whatever is the oldest."""

_FORM = re.compile(r"([0-9A-Za-z_-]{1,64}):(0|[1-9][0-9]{0,18})")
_MOST = 2**63 - 1


class Cursor(msgspec.Struct, frozen=True):
    """A position in one journal. `journal` None: before the oldest of whatever journal is read."""

    journal: str | None
    position: int

    def __str__(self) -> str:
        return OLDEST if self.journal is None else write(self.journal, self.position)

    def within(self, journal: str) -> int:
        """The position, if it is one of this journal. Raises CursorGone `foreign`."""
        if self.journal is not None and self.journal != journal:
            raise CursorGone("foreign", f"{str(self)!r} belongs to another journal, this one is {journal!r}")
        return self.position


FROM_OLDEST = Cursor(None, 0)


def write(journal: str, position: int) -> str:
    return f"{journal}:{position}"


def parse(text: str) -> Cursor:
    """Raises ValueError when it is no cursor at all."""
    if text == OLDEST:
        return FROM_OLDEST
    match = _FORM.fullmatch(text)
    if match is None or int(match[2]) > _MOST:
        raise ValueError("this is no cursor")
    return Cursor(match[1], int(match[2]))
