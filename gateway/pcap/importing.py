"""A network capture made a capture of Lineside's: frames as the gateway would have received them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from heapq import heappop, heappush
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from pydantic import BaseModel

from gateway.capture.file import CaptureFile
from gateway.capture.form import Wire
from gateway.core.times import Micros
from gateway.pcap.flows import Account, Flow, Unknown
from gateway.pcap.places import READERS, Places, Point
from gateway.pcap.reader import Context, Role
from gateway.pcap.tshark import Packets, Segment
from gateway.profile.bound import Machine

_MOST_OPEN = 50_000
"""Connections put together at a time; of more, those that were silent for longest are taken for over."""

_DISORDER: Micros = 3_000_000

_encode = msgspec.msgpack.Encoder().encode


class _Found(msgspec.Struct, frozen=True, array_like=True):
    """A frame. flow: number of the connection that it came over."""

    flow: int
    at: Micros
    wire: Wire


_decode = msgspec.msgpack.Decoder(_Found).decode


class Import:
    """machines: of each connection, those with a profile. Two steps: `read`, and then `write`, once it is known whose frames
    are copies of others'. accounts: of each TCP connection that is configured. unknown: of all others. damage: of the file."""

    def __init__(
        self,
        connections: Mapping[str, BaseModel],
        machines: Callable[[str], Sequence[Machine]],
        places: Places,
        *,
        gateway: str,
    ) -> None:
        self.accounts: list[Account] = []
        self.unknown = Unknown()
        self.damage = ""
        self.packets = 0
        self.first: Micros | None = None
        self.last: Micros = 0
        self.connections = connections
        self._machines = machines
        self._places = places
        self._gateway = gateway
        self._flows: dict[tuple[Point, Point], Flow] = {}
        self._shared: dict[str, dict[str, Any]] = {}
        self._spool: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `close`)

    def close(self) -> None:
        self._spool.close()

    def read(self, path: Path) -> None:
        """Raises PcapError."""
        packets = Packets(path)
        for segment in packets.segments():
            self.packets += 1
            self.first = segment.at if self.first is None else self.first
            self.last = max(self.last, segment.at)
            flow = self._flow(segment)
            if flow is None:
                if not (self._places.find(segment.source) or self._places.find(segment.target)):
                    self.unknown.take(segment)
                continue
            flow.take(segment)
            if flow.over:
                self._finish(flow)
        for flow in list(self._flows.values()):
            self._finish(flow)
        self.damage = packets.damage
        self._choose()

    def _flow(self, segment: Segment) -> Flow | None:
        known = self._flows.get((segment.source, segment.target)) or self._flows.get((segment.target, segment.source))
        if known is not None:
            if not known.is_new(segment):
                return known
            self._finish(known)
        connection = self._places.find(segment.target)
        client, server = segment.source, segment.target
        if connection is None or (segment.syn and segment.acknowledged is not None):
            connection, client, server = self._places.find(segment.source), segment.target, segment.source
        if connection is None or (segment.size == 0 and not segment.syn):
            return None  # a late word on a connection that is over, or one of which nothing was said yet
        return self._begin(connection, client, server, segment)

    def _begin(self, connection: str, client: Point, server: Point, segment: Segment) -> Flow:
        if len(self._flows) >= _MOST_OPEN:
            self._finish(min(self._flows.values(), key=lambda each: each.account.ended))
        number = len(self.accounts)
        account = Account(
            connection=connection,
            client=_text(client),
            server=_text(server),
            began=segment.at,
            ended=segment.at,
            joined=not segment.syn,
        )
        self.accounts.append(account)
        settings = self.connections[connection]
        context = Context(
            settings,
            self._gateway,
            self._machines(connection),
            account.joined,
            partial(self._emit, number),
            self._shared.setdefault(connection, {}),
        )
        protocol: str = settings.protocol  # type: ignore[attr-defined]
        flow = self._flows[client, server] = Flow(number, account, READERS[protocol](context), client, server)
        return flow

    def _emit(self, flow: int, at: Micros, wire: Wire) -> None:
        packed = _encode(_Found(flow, at, wire))
        self._spool.write(len(packed).to_bytes(4) + packed)
        self.accounts[flow].frames += 1

    def _finish(self, flow: Flow) -> None:
        flow.finish()
        del self._flows[flow.client, flow.server]

    def _choose(self) -> None:
        """Of conversations in which the same is said to several, one."""
        for connection in self.connections:
            mine = [each for each in self.accounts if each.connection == connection and each.frames]
            if not mine:
                continue
            role = min(each.role for each in mine)
            heard: dict[str, int] = {}
            for each in mine:
                if each.role is role:
                    heard[_who(each)] = heard.get(_who(each), 0) + each.frames
            chosen = max(heard, key=heard.__getitem__)
            for each in mine:
                each.used = each.role is role and (role is not Role.OTHER or _who(each) == chosen)

    @property
    def frames(self) -> int:
        """That are to be written."""
        return sum(each.frames for each in self.accounts if each.used)

    def write(self, file: CaptureFile) -> None:
        """Raises OSError."""
        for found in self._found():
            account = self.accounts[found.flow]
            if account.used:
                settings = self.connections[account.connection]
                protocol: str = settings.protocol  # type: ignore[attr-defined]
                file.frame(account.connection, protocol, found.wire, received=found.at, at=found.at)

    def _found(self) -> Iterator[_Found]:
        """In the order of their times, from which they are off by a few seconds at most."""
        self._spool.seek(0)
        held: list[tuple[Micros, int, _Found]] = []
        for number in count():
            head = self._spool.read(4)
            if not head:
                break
            found = _decode(self._spool.read(int.from_bytes(head)))
            heappush(held, (found.at, number, found))
            while found.at - held[0][0] > _DISORDER:
                yield heappop(held)[2]
        while held:
            yield heappop(held)[2]


def _who(account: Account) -> str:
    return account.name or account.client.rpartition(":")[0]


def _text(point: Point) -> str:
    host, port = point
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
