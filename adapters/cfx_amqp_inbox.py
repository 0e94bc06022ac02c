"""What a `cfx-amqp` connection has read and not yet handed over, as deliveries and notices."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from gateway.core import times
from gateway.core.errors import NotConnected
from gateway.core.frame import Delivery, Frame, Notice, NoticeKind
from gateway.transport.amqp import Connection
from gateway.transport.amqp_links import Received
from gateway.transport.amqp_message import AmqpMessage

OVERHEAD = 1024
"""About what a delivery takes beside its bytes; so that many small ones are bounded too."""

_TURN = 64
"""Deliveries that are handed over together."""


class _Item(NamedTuple):
    what: Delivery | Notice
    connection: Connection
    message: Received | None

    @property
    def cost(self) -> int:
        return OVERHEAD + (0 if self.message is None else self.message.held)


class Inbox:
    """Of one `connect`. While a connection is open its credit and its buffer bound what is here of it.

    `machines`: a listener's. What a machine sent before it went is handed over still, for not every machine sends it
    again, as far as `leftover_bytes` go: a machine that comes and goes while nothing can be stored sends the same each
    time. A broker always sends it again, and there a lost connection is told at once.
    """

    def __init__(self, connection: str, *, machines: bool = False, leftover_bytes: int = 0) -> None:
        self._name = connection
        self._machines = machines
        self._leftover_limit = leftover_bytes
        self._leftover = 0
        self._items: deque[_Item] = deque()
        self._wanted: asyncio.Future[None] | None = None
        self._over: str | None = None
        self._peers: Counter[str] = Counter()

    def opened(self, connection: Connection) -> None:
        peer = connection.peer or ""
        self._peers[peer] += 1
        # A machine may have several connections: the SDK opens one more for every request.
        if self._machines and self._peers[peer] == 1:
            self._notice(NoticeKind.PEER_UP, connection, connection.address or "")

    def received(self, connection: Connection, message: Received) -> None:
        principal = connection.principal
        delivery = Delivery(
            self._frame(message),
            message.accept,
            message.reply if self._machines and message.can_reply else None,
            principal=principal.name,
            handles=principal.handles,
            peer=(connection.peer or "") if self._machines else None,
        )
        self._put(_Item(delivery, connection, message))

    def _frame(self, received: Received) -> Frame:
        message = received.message
        if message is None:
            meta: dict[str, str | int] = {"undecodable": received.problem or ""}
            payload, redelivered = received.raw, False
        else:
            meta = frame_meta(message)
            payload = message.body
            # RabbitMQ counts no deliveries: it says first-acquirer = false. From a machine that means nothing, some
            # encoders always write it.
            redelivered = message.delivery_count > 0 or (not self._machines and message.first_acquirer is False)
        if received.truncated:
            meta |= {"truncated": 1, "size": received.size}
        return Frame(
            connection=self._name,
            received=times.now(),
            channel=received.receiver.address,
            payload=payload,
            redelivered=redelivered,
            meta=meta,
        )

    def closed(self, connection: Connection) -> None:
        if not self._machines:
            self.end(connection.reason or "the connection is closed")
            return
        peer = connection.peer or ""
        self._keep_or_drop(connection)
        self._peers[peer] -= 1
        if self._peers[peer]:
            return
        del self._peers[peer]
        # A machine that came and went before anybody looked, with nothing of it left in between, is no news.
        mine = [item for item in self._items if item.connection is connection]
        if len(mine) == 1 and _is_up(mine[0].what):
            self._items.remove(mine[0])
            self._leftover -= mine[0].cost
        else:
            self._notice(NoticeKind.PEER_DOWN, connection, connection.reason or "")

    def _keep_or_drop(self, connection: Connection) -> None:
        mine = [item for item in self._items if item.connection is connection]
        cost = sum(item.cost for item in mine)
        if self._leftover + cost <= self._leftover_limit:
            self._leftover += cost
            return
        kept = [item for item in self._items if item.connection is not connection or item.message is None]
        self._items = deque(kept)
        self._leftover += sum(item.cost for item in mine if item.message is None)
        lost = sum(item.message is not None and item.message.settled for item in mine)
        if lost:
            self._notice(NoticeKind.OVERFLOW, connection, "sent settled, and no room for it", count=lost)

    def _notice(self, kind: NoticeKind, connection: Connection, detail: str, *, count: int = 0) -> None:
        notice = Notice(kind=kind, at=times.now(), peer=connection.peer or "", detail=detail, count=count)
        item = _Item(notice, connection, None)
        if connection.reason is not None:
            self._leftover += item.cost
        self._put(item)

    def end(self, reason: str) -> None:
        """Nothing more comes: iterating raises NotConnected."""
        self._over = self._over or reason
        self._wake()

    def _put(self, item: _Item) -> None:
        self._items.append(item)
        if self._wanted is not None:
            self._wake()

    def _wake(self) -> None:
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)

    def __aiter__(self) -> AsyncIterator[Delivery | Notice]:
        return self

    async def __anext__(self) -> Delivery | Notice:
        await self._some()
        return self._next()

    async def together(self) -> Notice | Sequence[Delivery]:
        """As gateway.core.adapter.Together says."""
        await self._some()
        first = self._next()
        if isinstance(first, Notice):
            return first
        deliveries = [first]
        while self._items and len(deliveries) < _TURN and isinstance(what := self._items[0].what, Delivery):
            self._next()
            deliveries.append(what)
        return deliveries

    async def _some(self) -> None:
        """Until there is something to hand over."""
        while self._over is None and not self._items:
            self._wanted = asyncio.get_running_loop().create_future()
            try:
                await self._wanted
            finally:
                self._wanted = None
        if self._over is not None:
            raise NotConnected(self._over)

    def _next(self) -> Delivery | Notice:
        item = self._items.popleft()
        if item.connection.reason is not None:
            self._leftover -= item.cost
        return item.what


def _is_up(what: Delivery | Notice) -> bool:
    return isinstance(what, Notice) and what.kind is NoticeKind.PEER_UP


def frame_meta(message: AmqpMessage) -> dict[str, str | int]:
    """Of the frame that a message becomes. Decoding needs the encoding; the rest tells whoever looks at a capture or a quarantined frame what it was."""
    meta: dict[str, str | int] = {}
    if message.content_encoding is not None:
        meta["content_encoding"] = message.content_encoding
    if message.subject is not None:
        meta["subject"] = message.subject
    if isinstance(message.message_id, str):
        meta["message_id"] = message.message_id
    return meta
