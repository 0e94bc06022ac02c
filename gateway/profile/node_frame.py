"""What a publish response said of one station, as a frame's payload: JSON.

    {"h": server time, "v": [{"k": node, "v": value, "y": type, "s": status, "t": source time, "r": server time, "o": old}, …],
     "e": [{"k": event, "t": time, "v": [[type, value], …]}, …]}

`k` is the node as the profile writes it, or the key of a record or of alarms. `y` is the OPC UA built-in type, `s` the
StatusCode, `o` that it was so before we asked; times are microseconds since 1970, UTC. What is null, 0 or empty is left out. Values are written as OPC
10000-6, 5.4 has them but for whole numbers of 64 bits, which are numbers: NaN and the infinities as texts, DateTime in
RFC 3339, ByteString in base64, of LocalizedText and QualifiedName the text, an array as one. What a structure says is
left out. `h` is the server's clock, of a frame that tells that it is alive.
"""

from __future__ import annotations

import msgspec

from gateway.core.errors import DecodeError
from gateway.core.times import Micros
from gateway.profile.bound_nodes import Change, Happening


class Payload(msgspec.Struct, frozen=True, omit_defaults=True):
    """h: the server's clock. v: values. e: events."""

    h: Micros | None = None
    v: tuple[Change, ...] = ()
    e: tuple[Happening, ...] = ()


encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Payload)


def decode(payload: bytes) -> Payload:
    """Raises DecodeError `bad-opcua` for anything that `encode` does not make."""
    try:
        return _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError("bad-opcua", str(error)) from None
