"""The SASL layer in front of an AMQP 1.0 connection (OASIS AMQP 1.0 part 5, section 5.3), both ends. Sans I/O.

proton's own server side offers ANONYMOUS and EXTERNAL alone unless it was built with Cyrus, and says nothing when it
was not. So these few frames are ours, and proton begins with the bytes after them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import msgspec

from gateway.transport import amqp_types as types
from gateway.transport.amqp_types import Described, MalformedError

SASL_HEADER = b"AMQP\x03\x01\x00\x00"
AMQP_HEADER = b"AMQP\x00\x01\x00\x00"

MAX_FRAME = 4096
"""Longest frame we take. The standard sets the least (512); real ones are under a hundred bytes."""

_MECHANISMS, _INIT, _CHALLENGE, _RESPONSE, _OUTCOME = 0x40, 0x41, 0x42, 0x43, 0x44


class SaslError(Exception):
    """The peer does not speak this layer, or refused us. The message is fit for the operator."""


class Outcome(IntEnum):
    """5.3.3.6."""

    OK = 0
    AUTH = 1
    SYSTEM = 2
    SYSTEM_PERMANENT = 3
    SYSTEM_TEMPORARY = 4


class Claim(msgspec.Struct, frozen=True):
    """Who a peer says it is. `mechanism` is None when it came without a SASL layer at all."""

    mechanism: str | None
    name: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Claim(mechanism={self.mechanism!r}, name={self.name!r})"


def _frame(code: int, fields: Sequence[bytes]) -> bytes:
    body = types.described(code, types.listing(fields))
    return (8 + len(body)).to_bytes(4) + b"\x02\x01\x00\x00" + body


class _Frames:
    """Bytes in, SASL performatives out; what follows the layer stays in `rest`."""

    def __init__(self) -> None:
        self.rest = b""

    def header(self) -> bytes | None:
        """The first eight bytes, once they are there."""
        if len(self.rest) < 8:
            return None
        head, self.rest = self.rest[:8], self.rest[8:]
        return head

    def next(self) -> tuple[int, list[object]] | None:
        """The next performative (code, fields), or None until it is complete. Raises SaslError."""
        if len(self.rest) < 8:
            return None
        size, offset, kind = int.from_bytes(self.rest[:4]), 4 * self.rest[4], self.rest[5]
        if kind != 1 or offset < 8 or not offset <= size <= MAX_FRAME:
            raise SaslError(f"no SASL frame: {self.rest[:16]!r}")
        if len(self.rest) < size:
            return None
        frame, self.rest = self.rest[:size], self.rest[size:]
        try:
            value, _ = types.read(frame, offset)
        except MalformedError as error:
            raise SaslError(f"bad SASL frame: {error}") from error
        if (
            not isinstance(value, Described)
            or not isinstance(value.descriptor, int)
            or not isinstance(value.value, list)
        ):
            raise SaslError(f"no SASL performative: {frame[:32]!r}")
        return value.descriptor, [*value.value, None, None, None]


class SaslServer:
    """The listening end: offers `mechanisms`, yields a claim, and tells the peer what became of it.

    `bare`: a peer may skip the layer and begin with the AMQP header.
    """

    def __init__(self, mechanisms: Sequence[str], *, bare: bool) -> None:
        self.mechanisms = tuple(mechanisms)
        self.claim: Claim | None = None
        self._bare = bare
        self._frames = _Frames()
        self._seen_header = False
        self._challenged = False

    @property
    def rest(self) -> bytes:
        """Bytes that came after the layer: the AMQP connection's."""
        return self._frames.rest

    def feed(self, data: bytes) -> bytes:
        """Take bytes, give the bytes to send. Once `claim` is set nothing more is read. Raises SaslError."""
        self._frames.rest += data
        reply = b""
        if not self._seen_header:
            head = self._frames.header()
            if head is None:
                return b""
            self._seen_header = True
            if head == AMQP_HEADER and self._bare:
                self._frames.rest = head + self._frames.rest
                self.claim = Claim(None)
                return b""
            if head != SASL_HEADER:
                raise SaslError(f"expected the SASL header, got {head!r}")
            reply = SASL_HEADER + _frame(_MECHANISMS, [types.symbols(self.mechanisms)])
        while self.claim is None and (frame := self._frames.next()) is not None:
            reply += self._take(*frame)
        return reply

    def _take(self, code: int, fields: list[object]) -> bytes:
        if code == _INIT and not self._challenged:
            mechanism, response = fields[0], fields[1]
            if mechanism not in self.mechanisms:
                self.claim = Claim(str(mechanism))
                return b""
            if mechanism == "PLAIN" and response is None:
                self._challenged = True
                return _frame(_CHALLENGE, [types.binary(b"")])
        elif code == _RESPONSE and self._challenged:
            mechanism, response = "PLAIN", fields[0]
        else:
            raise SaslError(f"unexpected SASL performative 0x{code:x}")
        content = response if isinstance(response, bytes) else b""
        self.claim = _plain(content) if mechanism == "PLAIN" else Claim(str(mechanism))
        return b""

    def outcome(self, outcome: Outcome) -> bytes:
        """The bytes that tell the peer; none for a peer without the layer."""
        if self.claim is not None and self.claim.mechanism is None:
            return b""
        return _frame(_OUTCOME, [types.ubyte(outcome)])


def _plain(response: bytes) -> Claim:
    """RFC 4616: authorization identity, NUL, name, NUL, password. Acting for somebody else is not offered."""
    parts = response.split(b"\x00")
    try:
        acting, name, password = (part.decode() for part in parts)
    except ValueError:  # also UnicodeDecodeError
        return Claim("PLAIN")
    if acting not in ("", name):
        return Claim("PLAIN", name)
    return Claim("PLAIN", name, password)


class SaslClient:
    """The connecting end: ANONYMOUS without a user, EXTERNAL when asked for, else PLAIN."""

    def __init__(self, *, hostname: str | None, user: str | None, password: str | None, external: bool) -> None:
        self.done = False
        self._hostname = hostname
        self._mechanism = "EXTERNAL" if external else "ANONYMOUS" if user is None else "PLAIN"
        if self._mechanism == "PLAIN":
            self._response = f"\0{user}\0{password or ''}".encode()
        else:
            self._response = (user or "").encode() if external else b"anonymous"
        self._frames = _Frames()
        self._seen_header = False

    @property
    def rest(self) -> bytes:
        """Bytes that came after the layer."""
        return self._frames.rest

    def start(self) -> bytes:
        return SASL_HEADER

    def feed(self, data: bytes) -> bytes:
        """Take bytes, give the bytes to send; `done` when we are let in. Raises SaslError when we are not."""
        self._frames.rest += data
        if not self._seen_header:
            head = self._frames.header()
            if head is None:
                return b""
            if head != SASL_HEADER:
                raise SaslError(f"peer answers with {head!r}, not with AMQP 1.0 SASL")
            self._seen_header = True
        reply = b""
        while not self.done and (frame := self._frames.next()) is not None:
            reply += self._take(*frame)
        return reply

    def _take(self, code: int, fields: list[object]) -> bytes:
        if code == _MECHANISMS:
            offered = fields[0] if isinstance(fields[0], list) else [fields[0]]
            if self._mechanism not in offered:
                raise SaslError(f"peer offers {offered!r}, not {self._mechanism}")
            host = types.null() if self._hostname is None else types.string(self._hostname)
            return _frame(_INIT, [types.symbol(self._mechanism), types.binary(self._response), host])
        if code == _CHALLENGE:
            return _frame(_RESPONSE, [types.binary(self._response)])
        if code != _OUTCOME:
            raise SaslError(f"unexpected SASL performative 0x{code:x}")
        if fields[0] != Outcome.OK:
            what = "user or password" if self._mechanism == "PLAIN" else self._mechanism
            reason = what + " refused" if fields[0] == Outcome.AUTH else f"SASL outcome {fields[0]!r}"
            raise SaslError(reason)
        self.done = True
        return b""
