"""What a machine says as text over a serial line or TCP, and how it marks where that begins and ends."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import msgspec

from gateway.profile import bind_frame
from gateway.transport.framing import ETX, STX, Framing
from simulators.voices.layout import Layout
from simulators.voices.template import Template
from simulators.voices.voice import When


class Speech(msgspec.Struct, frozen=True):
    """One text, of one line or several, each with its end. zone: of the machine's clock."""

    template: Template
    framing: Framing
    zone: ZoneInfo

    def data(self, when: When) -> bytes:
        """As it is on the wire."""
        return framed(self.framing, self.template.render(when, self.zone))


def framing_of(layout: Layout) -> Framing:
    """Raises ValueError for a profile of files."""
    profile = layout.profile
    if profile.protocol == "files":
        raise ValueError("a profile of files; allowed: of serial-text or tcp-text")
    return bind_frame.framing(profile.frame)


def framed(framing: Framing, text: bytes) -> bytes:
    """The inverse of `Framing.content`, of a text whose lines have their ends.

    Raises ValueError for a text that does not have the length that all must have.
    """
    if framing.kind == "lines":
        return text
    content = text.removesuffix(framing.delimiter)
    if framing.kind == "pause":
        return content
    if framing.kind == "length":
        if len(content) > framing.length:
            raise ValueError(f"{content!r} has {len(content)} bytes; allowed: {framing.length}")
        return content.ljust(framing.length)
    checksum = framing.checksum
    if checksum is None:
        return STX + content + ETX
    summed = {"none": content, "etx": content + ETX, "both": STX + content + ETX}[checksum.marks]
    return STX + content + ETX + checksum.of(summed)
