"""The TCP connections of a network capture: put together, read, and told of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec

from gateway.core.times import Micros
from gateway.pcap.places import Point
from gateway.pcap.reader import Reader, Role, Unreadable
from gateway.pcap.tcp import Direction, Piece
from gateway.pcap.tshark import Segment

_TLS_RECORDS = (b"\x16\x03", b"\x15\x03")
_PATIENCE: Micros = 1_000_000
_MOST_EARLY = 64
_MOST_SERVERS = 10_000
_REST: Point = ("others", 0)
_TLS_AMQP = b"AMQP\x02"


class Account(msgspec.Struct, kw_only=True):
    """What is known of one TCP connection. joined: it began before the file does. sides: of which there is any byte.

    missing, again: bytes that are not in the file, and that are in it more than once. problem: why the rest was not read.
    used: its frames are in the capture. role, client: as its reader says.
    """

    connection: str
    client: str
    server: str
    began: Micros
    ended: Micros
    joined: bool
    packets: int = 0
    bytes: int = 0
    frames: int = 0
    missing: int = 0
    again: int = 0
    one_sided: bool = False
    problem: str = ""
    used: bool = True
    role: Role = Role.OTHER
    name: str = ""
    told: dict[str, int] = {}


class Flow:
    """number: by which its frames are known."""

    def __init__(self, number: int, account: Account, reader: Reader, client: Point, server: Point) -> None:
        self.number = number
        self.account = account
        self.client = client
        self.server = server
        self._reader: Reader | None = reader
        self._told = reader.told
        self._sides = {True: Direction(), False: Direction()}
        self._heard = {True: False, False: False}
        self._closed: set[bool] = set()
        self._early: list[Segment] = []
        self.over = False
        self._first: int | None = None

    def is_new(self, segment: Segment) -> bool:
        """Whether this begins another connection between the same two ports."""
        mine = segment.source == self.client
        return mine and segment.syn and segment.acknowledged is None and segment.sequence != self._first

    def take(self, segment: Segment) -> None:
        of_client = segment.source == self.client
        account = self.account
        account.packets += 1
        account.bytes += segment.size
        account.ended = max(account.ended, segment.at)
        self._heard[of_client] = True
        self._early.append(segment)
        self._catch_up(segment.at)
        if segment.fin:
            self._closed.add(of_client)
        # What is sent again behind both ends begins no new connection: that is for a SYN.
        self.over = segment.reset or (len(self._closed) == 2 and not segment.fin and not segment.size)

    def _catch_up(self, now: Micros) -> None:
        """What was recorded before its cause is read behind it: an answer acknowledges what it answers."""
        kept: list[Segment] = []
        for segment in self._early:
            other = self._sides[segment.source != self.client]
            late = now - segment.at > _PATIENCE or len(self._early) > _MOST_EARLY
            if segment.size and not late and segment.acknowledged is not None and other.lacks(segment.acknowledged):
                kept.append(segment)
            else:
                self._put(segment)
        if kept and len(kept) < len(self._early):
            self._early = kept
            self._catch_up(now)
        else:
            self._early = kept

    def _put(self, segment: Segment) -> None:
        of_client = segment.source == self.client
        if segment.syn:
            if of_client:
                self._first = segment.sequence
            self._sides[of_client].begin(segment.sequence)
            return
        if segment.size or segment.fin:
            self._read(self._sides[of_client].take(segment), of_client)
        if segment.acknowledged is not None:
            self._read(self._sides[not of_client].acknowledged(segment.acknowledged, segment.at), not of_client)

    def finish(self) -> Account:
        """What is still held back, and the account."""
        account = self.account
        for segment in self._early:
            self._put(segment)
        self._early = []
        for of_client, side in self._sides.items():
            self._read(side.end(account.ended), of_client)
            account.again += side.again
        account.one_sided = account.bytes > 0 and not all(self._heard.values())
        if self._reader is not None:
            account.role, account.name = self._reader.role, self._reader.client
        account.told = {text: count for text, count in self._told.items() if count}
        self._told = Counter()
        return account

    def _read(self, pieces: Iterator[Piece], of_client: bool) -> None:
        for piece in pieces:
            self.account.missing += piece.missing
            if self._reader is None:
                continue
            try:
                if piece.missing:
                    self._reader.missing(piece.missing, of_client=of_client)
                else:
                    encrypted(piece.data)
                    self._reader.feed(piece.data, piece.at, of_client=of_client)
            except Unreadable as error:
                self.account.problem = str(error)
                self.account.role, self.account.name = self._reader.role, self._reader.client
                self._reader = None


def encrypted(data: bytes) -> None:
    """Raises Unreadable at the beginning of a TLS handshake (RFC 8446, 5.1; AMQP 1.0, 5.2.1)."""
    if data.startswith(_TLS_RECORDS) and len(data) > 5 and data[2] <= 4:
        raise Unreadable("encrypted (TLS)")
    if data.startswith(_TLS_AMQP):
        raise Unreadable("encrypted (TLS within AMQP)")


class Unknown:
    """What is of no connection, by server: packets and bytes, and how it began."""

    def __init__(self) -> None:
        self.packets: Counter[Point] = Counter()
        self.bytes: Counter[Point] = Counter()
        self.looks: dict[Point, str] = {}

    def take(self, segment: Segment) -> None:
        server = segment.source if self._of_server(segment) else segment.target
        if server not in self.packets and len(self.packets) >= _MOST_SERVERS:
            server = _REST
        self.packets[server] += 1
        self.bytes[server] += segment.size
        if segment.data and server not in self.looks and (look := looks_like(segment.data)):
            self.looks[server] = look

    def _of_server(self, segment: Segment) -> bool:
        """Without the beginning: a server has been spoken to before, or has the lower port."""
        if segment.syn:
            return segment.acknowledged is not None
        if segment.source in self.packets or segment.target in self.packets:
            return segment.source in self.packets
        return segment.source[1] < segment.target[1]


_LOOKS: Mapping[bytes, str] = {
    b"AMQP": "AMQP",
    b"HELF": "OPC UA",
    b"OPNF": "OPC UA",
    b"MSGF": "OPC UA",
    b"\x16\x03": "TLS",
    b"<Hermes": "Hermes",
    b"GET ": "HTTP",
    b"POST": "HTTP",
    b"HTTP": "HTTP",
}


def looks_like(data: bytes) -> str:
    """The protocol that bytes begin like; empty for none that is known."""
    for start, name in _LOOKS.items():
        if data.startswith(start):
            return name
    if data[:1] == b"\x10" and b"MQTT" in data[:12]:
        return "MQTT"
    if len(data) >= 8 and data[2:4] == b"\0\0" and int.from_bytes(data[4:6]) == len(data) - 6:
        return "Modbus TCP"
    return ""
