"""Publishing: several requests are always with the server, and what it answers becomes frames.

An answer is acknowledged with the next request after its frame is committed. While nobody takes what was read, nothing
more is asked for, and the server keeps it. Sequence numbers that are missing are asked for again (Republish); what the
server does not have any more is told as lost.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from asyncua import ua

from adapters.opcua_buffer import Buffer
from adapters.opcua_frame import change, happening, micros
from adapters.opcua_items import BEAT, Watch
from adapters.opcua_progress import Progress
from adapters.opcua_session import Session, status
from gateway.core import times
from gateway.core.errors import NotConnected
from gateway.core.frame import Delivery, Frame, Notice, NoticeKind
from gateway.core.times import Micros
from gateway.profile import node_frame
from gateway.profile.bound_nodes import Change, Happening
from gateway.profile.happenings import REFRESH_END, REFRESH_START
from gateway.profile.node_frame import Payload

_OVERFLOW = 0x480
"""Of a StatusCode: it is of a value, and the server's queue has dropped others (OPC 10000-4, 7.39.1)."""
_QUEUE_OVERFLOW = "i=3035"
"""EventQueueOverflowEventType."""
_FORGOTTEN = (
    ua.StatusCodes.BadNoSubscription,
    ua.StatusCodes.BadSubscriptionIdInvalid,
    ua.StatusCodes.BadSessionIdInvalid,
    ua.StatusCodes.BadSessionClosed,
    ua.StatusCodes.BadSessionNotActivated,
)
_MOST_MISSING = 1_000
_MOST_REFRESHED = 10_000


class Forgotten(NotConnected):
    """The server is there, and does not know the session or the subscription any more."""


class Publisher:
    """watches: by subscription id. progress: where history is to be read. proven: set once each has delivered.
    behind: subscriptions that still owe us what they kept while we were away."""

    def __init__(
        self,
        connection: str,
        session: Session,
        watches: Mapping[int, Watch],
        buffer: Buffer,
        *,
        most: int,
        progress: Progress | None,
        proven: asyncio.Event,
    ) -> None:
        self._connection = connection
        self._session = session
        self._watches = watches
        self._buffer = buffer
        self._most = most
        self._progress = progress
        self._proven = proven
        self._acks: list[ua.SubscriptionAcknowledgement] = []
        self._refreshing: dict[str, list[Happening]] = {}
        self.behind: set[int] = set()
        self._lost = 0

    async def run(self) -> None:
        """Until the connection or the subscriptions are gone. Raises NotConnected."""
        owed: deque[asyncio.Task[Any]] = deque()
        try:
            while True:
                while len(owed) < self._most:
                    owed.append(asyncio.create_task(self._ask(), name=f"publish {self._connection}"))
                answer = await owed[0]
                owed.popleft()
                if answer is not None:
                    await self._take(answer)
        finally:
            for task in owed:
                task.cancel()
            await asyncio.gather(*owed, return_exceptions=True)

    async def _ask(self) -> ua.PublishResult | None:
        """None when there is nothing in the answer."""
        acks, self._acks = self._acks, []
        try:
            response = await self._session.services.publish(acks)
        except ua.UaStatusCodeError as error:
            if error.code == ua.StatusCodes.BadTooManyPublishRequests and self._most > 1:
                self._most -= 1
                return None
            if error.code == ua.StatusCodes.BadTimeout:
                return None
            kind = Forgotten if error.code in _FORGOTTEN else NotConnected
            raise kind(f"the server publishes nothing more: {status(error.code)}") from error
        except ua.UaError:  # nobody can read it; its sequence number will be missed
            return None
        except OSError as error:
            raise NotConnected(f"connection lost: {str(error) or type(error).__name__}") from error
        return response.Parameters

    async def _take(self, result: ua.PublishResult) -> None:
        watch = self._watches.get(result.SubscriptionId)
        if watch is None:
            return
        watch.heard = time.monotonic()
        message = result.NotificationMessage
        number = message.SequenceNumber
        if watch.expected is not None and number > watch.expected:
            await self._again(watch, watch.expected, number)
        if not message.NotificationData:  # a keepalive says which number comes next
            watch.expected = number
            watch.proven = watch.proven or watch.beat is None
        elif watch.expected is None or number >= watch.expected:
            watch.expected = number + 1
            watch.proven = True
            await self._deliver(watch, message, redelivered=False)
        else:
            self._acknowledge(watch, number)
        if watch.id in self.behind and not result.MoreNotifications:
            await self._caught_up(watch)
        if not self._proven.is_set() and all(each.proven for each in self._watches.values()):
            self._proven.set()

    async def _caught_up(self, watch: Watch) -> None:
        """It has told everything that it had. The station has, when all its subscriptions have."""
        self.behind.discard(watch.id)
        if not any(self._watches[each].station == watch.station for each in self.behind):
            notice = Notice(kind=NoticeKind.CAUGHT_UP, at=times.now(), peer=watch.station, count=self._lost)
            await self._buffer.put(notice)

    async def recover(self) -> None:
        """After the connection was lost: what the server sent and we did not get. Raises NotConnected."""
        for watch in self._watches.values():
            if watch.expected is not None:
                while await self._one_again(watch, watch.expected):
                    watch.expected += 1

    async def _again(self, watch: Watch, first: int, past: int) -> None:
        lost = max(past - first - _MOST_MISSING, 0)
        for number in range(first + lost, past):
            if not await self._one_again(watch, number):
                lost += 1
        if lost:
            self._lost += lost
            await self._buffer.put(
                Notice(
                    kind=NoticeKind.SESSION_LOST,
                    at=times.now(),
                    peer=watch.station,
                    detail=f"{watch.channel}: the server does not have {lost} notifications any more",
                    count=lost,
                )
            )

    async def _one_again(self, watch: Watch, number: int) -> bool:
        try:
            message = await self._session.services.republish(watch.id, number)
        except ua.UaStatusCodeError as error:
            if error.code == ua.StatusCodes.BadMessageNotAvailable:
                return False
            raise Forgotten(f"the server has forgotten a subscription: {status(error.code)}") from error
        except (OSError, TimeoutError) as error:
            raise NotConnected(f"connection lost: {str(error) or type(error).__name__}") from error
        except ua.UaError:
            return False
        if not message.NotificationData:  # some servers say it this way
            return False
        await self._deliver(watch, message, redelivered=True)
        return True

    async def _deliver(self, watch: Watch, message: ua.NotificationMessage, *, redelivered: bool) -> None:
        received = times.now()
        beat: Micros | None = None
        changes: list[Change] = []
        happenings: list[Happening] = []
        overflown = 0
        for data in message.NotificationData:
            if isinstance(data, ua.DataChangeNotification):
                nodes = watch.nodes
                for item in data.MonitoredItems:
                    handle, value = item.ClientHandle, item.Value
                    node = nodes.get(handle)
                    if node is not None:
                        found = change(node, value, old=handle not in watch.begun)
                        watch.begun.add(handle)
                        overflown += found.s & _OVERFLOW == _OVERFLOW
                        changes.append(found)
                    elif handle == BEAT:
                        watch.beat = time.monotonic()
                        beat = micros(value.Value.Value) if value.Value is not None else None
            elif isinstance(data, ua.EventNotificationList):
                for item in data.Events:
                    overflown += self._happened(watch, item, happenings)
            elif isinstance(data, ua.StatusChangeNotification):
                raise Forgotten(f"the server has ended the subscription: {status(data.Status.value)}")
        if overflown:
            detail = f"{watch.channel}: the server's queue was too short for {overflown} nodes"
            self._lost += overflown
            await self._buffer.put(
                Notice(kind=NoticeKind.OVERFLOW, at=received, peer=watch.station, detail=detail, count=overflown)
            )
        number = message.SequenceNumber
        if self._progress is not None:
            changes = self._progress.fresh(watch.station, changes)
        if not changes and not happenings and beat is None:
            self._acknowledge(watch, number)
            return
        payload = Payload(h=beat, v=tuple(changes), e=tuple(happenings))
        frame = self.frame(watch, payload, received, redelivered=redelivered)
        await self._buffer.put(Delivery(frame, lambda: self._acknowledge(watch, number), peer=watch.station))

    def frame(
        self,
        watch: Watch,
        payload: Payload,
        received: Micros,
        *,
        redelivered: bool = False,
        history: bool = False,
    ) -> Frame:
        """The next of its station."""
        meta: dict[str, str | int] = {"history": 1} if history else {}
        if self._progress is not None:
            meta |= self._progress.read(watch.station, payload.v)
        return Frame(
            connection=self._connection,
            received=received,
            channel=watch.channel,
            payload=node_frame.encode(payload),
            redelivered=redelivered,
            meta=meta,
        )

    def _acknowledge(self, watch: Watch, number: int) -> None:
        self._acks.append(ua.SubscriptionAcknowledgement(SubscriptionId=watch.id, SequenceNumber=number))

    def _happened(self, watch: Watch, item: ua.EventFieldList, found: list[Happening]) -> int:
        """How many overflows it tells of. Alarms that are told because we asked for all are kept back until the last."""
        event = watch.events.get(item.ClientHandle)
        if event is None:
            return 0
        told = happening(event.key, item.EventFields)
        if not event.conditions:
            found.append(told)
            return 0
        type_ = told.v[1][1] if len(told.v) > 1 else None
        if type_ == _QUEUE_OVERFLOW:
            return 1
        held = self._refreshing.get(event.key)
        if type_ == REFRESH_START:
            self._refreshing[event.key] = [told]
        elif held is None:
            found.append(told)
        else:
            held.append(told)
            if type_ == REFRESH_END or len(held) > _MOST_REFRESHED:
                found += self._refreshing.pop(event.key)
        return 0
