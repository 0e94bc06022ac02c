"""One MQTT connection on the event loop: 3.1.1 or 5, persistent session, acknowledgement when the caller says so.

The bytes are asyncio's: it resolves, connects, does TLS, buffers partial writes. `mqtt_packets` cuts what comes in into
packets; a PUBLISH becomes a Delivery at once, everything else goes to the conversation (`mqtt_talk`). What is written
during one turn of the event loop, such as the acknowledgements of one commit, leaves in one piece.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import cast

from paho.mqtt.reasoncodes import ReasonCode

from gateway.core import times
from gateway.core.errors import LinesideError, NotConnected
from gateway.core.frame import Delivery, Frame, Notice, NoticeKind
from gateway.transport import mqtt_reasons as reasons
from gateway.transport.mqtt_inbox import Inbox
from gateway.transport.mqtt_options import Options
from gateway.transport.mqtt_packets import Malformed, Splitter, publish_properties
from gateway.transport.mqtt_talk import Talk, Welcome

__all__ = ["Options", "PublishRefused", "Session", "session"]

_NO_META: dict[str, str | int] = {}
_ABORT_S = 0.5
_BESIDE_PAYLOAD = 128 << 10
"""Room that topic and properties of a message may take beside the largest payload."""

# Answer to a PUBLISH, by its QoS. For QoS 2, which comes only out of a session that somebody else subscribed, PUBREC
# is what says that we own the message (MQTT 3.1.1 and 5, clause 4.3.3).
_PUBACK, _PUBREC, _PUBCOMP = b"\x40\x02", b"\x50\x02", b"\x70\x02"
_PINGREQ = b"\xc0\x00"
_PUBREL_TYPE, _PINGRESP_TYPE = 6, 13
_NO_SUBSCRIBERS = 0x10


class PublishRefused(LinesideError):
    """The broker took a message and said no to it; sending it again would not help."""


@asynccontextmanager
async def session(options: Options, *, name: str = "mqtt") -> AsyncIterator[Session]:
    """Connected while the block runs; leaving says DISCONNECT and closes. `name` becomes `Frame.connection`.

    Raises NotConnected when the broker is absent, refuses us or does not answer in time, and ConfigError when the
    password cannot be found.
    """
    made = Session(options, name)
    try:
        await _open(made, options)
        yield made
    finally:
        await made.close()


async def _open(made: Session, options: Options) -> None:
    place = options.place
    try:
        async with asyncio.timeout(options.connect_timeout_s):
            await asyncio.get_running_loop().create_connection(
                lambda: made,
                options.host,
                options.port,
                ssl=options.tls,
                server_hostname=options.host if options.tls is not None else None,
            )
            await made.greet()
    except TimeoutError as error:
        raise NotConnected(f"{place}: no answer within {options.connect_timeout_s:g} s") from error
    except ssl.SSLError as error:
        raise NotConnected(f"{place}: {reasons.tls(error)}") from error
    except OSError as error:
        raise NotConnected(f"{place}: {reasons.unreachable(error)}") from error


class Session(asyncio.Protocol):
    """A connection instance, never used again after it is closed.

    inbox: iterate it, in one task, for what the broker sends. The first item of a session that is not `clean` is a
    Notice that it was kept, or lost (or never was). Iterating raises NotConnected when the connection is lost, after
    everything that had been read was handed over. Deliveries are acknowledged with their `ack`, in the order in which
    they came; after the end of this connection that does nothing, as the broker may use their packet ids again.
    """

    def __init__(self, options: Options, name: str) -> None:
        self.options = options
        self.inbox = Inbox(options.buffer_bytes, pause=self._stop_reading, resume=self._go_on_reading)
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._talk = Talk(options, self, self._write)
        self._splitter = Splitter(
            five=options.version == "5",
            largest=options.largest_payload + _BESIDE_PAYLOAD,
            publish=self._published,
            control=self._answered,
        )
        self._transport: asyncio.Transport | None = None
        self._open = False  # from CONNACK to the end: only then an acknowledgement means anything
        self._error: str | None = None
        self._welcome: asyncio.Future[Welcome] = self._loop.create_future()
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._out: list[bytes] = []
        self._room = asyncio.Event()  # the socket takes more
        self._room.set()
        self._subscribing: dict[int, tuple[Sequence[str], int, asyncio.Future[None]]] = {}
        self._unconfirmed: dict[int, asyncio.Future[ReasonCode]] = {}
        self._window = asyncio.Semaphore(options.window)
        self._order = asyncio.Lock()
        self._largest_packet: int | None = None
        self._interval = options.keepalive_s
        self._ticker: asyncio.TimerHandle | None = None
        self._sent = self._heard = self._loop.time()
        self._now = 0  # when the bytes came that are being read

    # Connecting and leaving

    async def greet(self) -> None:
        """CONNECT and CONNACK, once the socket is there. Raises NotConnected."""
        options = self.options
        self._talk.connect()
        welcome = await self._welcome
        self._largest_packet = welcome.largest_packet
        if welcome.keepalive_s:
            self._interval = min(self._interval, float(welcome.keepalive_s))
        self._window = asyncio.Semaphore(min(options.window, welcome.receive_maximum or options.window))
        self._ticker = self._loop.call_later(self._interval / 2, self._tick)

    async def close(self) -> None:
        """Say goodbye and close the socket, whatever state it is in. Nothing that was not handed over will be."""
        transport = self._transport
        if transport is None:
            return
        try:
            if self._open:
                self._talk.disconnect()
                self._flush()
                paused = self.inbox.paused
                self._end("closed by us")
                self.inbox.end("closed by us", discard=True)
                # The broker closes when it has read that. If we closed first, with something of its on the way, its
                # TCP would throw away what it has not read yet: our last acknowledgements.
                if transport.can_write_eof():
                    transport.write_eof()
                if paused:
                    transport.resume_reading()
                async with asyncio.timeout(self.options.close_timeout_s):
                    await asyncio.shield(self._gone)
        except TimeoutError:
            pass
        finally:
            self._end("closed by us")
            transport.abort()
        # A turn or two of the loop. uvloop never says so of a socket that was cancelled while it was being made.
        with suppress(TimeoutError):
            async with asyncio.timeout(_ABORT_S):
                await asyncio.shield(self._gone)

    def _fail(self, what: str) -> None:
        """The connection is of no use any more, for this reason."""
        self._end(what)
        if self._transport is not None:
            self._transport.abort()

    def _end(self, what: str) -> None:
        self._open = False
        if self._error is not None:
            return
        self._error = f"{self.options.place}: {what}"
        if self._ticker is not None:
            self._ticker.cancel()
        self._room.set()
        if not self._welcome.done():
            self._welcome.set_exception(self._lost())
            self._welcome.exception()  # nobody may be waiting
        for _, _, granted in self._subscribing.values():
            if not granted.done():
                granted.set_exception(self._lost())
                granted.exception()
        for confirmed in self._unconfirmed.values():
            self._window.release()
            if not confirmed.done():
                confirmed.set_exception(self._lost())
                confirmed.exception()
        self._unconfirmed.clear()
        self.inbox.end(self._error)

    def _lost(self) -> NotConnected:
        assert self._error is not None
        return NotConnected(self._error)

    # Subscribing and publishing

    async def subscribe(self, filters: Sequence[str], qos: int = 1) -> None:
        """Returns when the broker has granted all of them at this QoS; raises NotConnected when it does not.

        Returns earlier when a session that was kept brings more than the buffer holds, as the answer comes behind
        that; a refusal then ends the connection when it is read. With QoS 0 the socket is always read, and what finds
        no room is dropped and told of.
        """
        if self._error is not None:
            raise self._lost()
        self.inbox.lossless = qos > 0
        granted: asyncio.Future[None] = self._loop.create_future()
        packet_id = self._talk.subscribe(filters, qos)
        self._subscribing[packet_id] = (filters, qos, granted)
        if self.inbox.paused:
            return
        try:
            async with asyncio.timeout(self.options.connect_timeout_s):
                await granted
        except TimeoutError as error:
            place, seconds = self.options.place, self.options.connect_timeout_s
            raise NotConnected(f"{place}: no answer to SUBSCRIBE within {seconds:g} s") from error

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Returns when the broker has acknowledged it (QoS 1) or it is on its way (QoS 0). False: nobody subscribes to it,
        says the broker (MQTT 5, 3.4.2.1), and so it is gone.

        Many at once are sent in the order of the calls, at most `options.window` under way. Needs no reader. Raises
        NotConnected (it may have arrived or not), PublishRefused, and ValueError for a topic that is none.
        """
        if self._largest_packet is not None and len(payload) + len(topic.encode()) + 16 > self._largest_packet:
            raise PublishRefused(
                f"{self.options.place}: takes no packet above {self._largest_packet} bytes, this has {len(payload)}"
            )
        async with self._order:  # who waits for the window or the socket is not overtaken
            await self._window.acquire()
            under_way = False
            try:
                await self._room.wait()
                if self._error is not None:
                    raise self._lost()
                packet_id = self._talk.publish(topic, payload, qos=qos, retain=retain)
                if qos == 0:
                    return True
                confirmed: asyncio.Future[ReasonCode] = self._loop.create_future()
                self._unconfirmed[packet_id] = confirmed
                under_way = True  # from here on its place in the window is given back when it is confirmed
            finally:
                if not under_way:
                    self._window.release()
        code = await confirmed
        if code.is_failure:
            raise PublishRefused(f"{self.options.place}: refuses a message on {topic!r}: {code.getName()}")
        return code.value != _NO_SUBSCRIBERS

    # What the broker answers (mqtt_talk.Listener)

    def welcomed(self, welcome: Welcome) -> None:
        self._open = True
        if not self.options.clean:
            kind = NoticeKind.SESSION_KEPT if welcome.session_present else NoticeKind.SESSION_LOST
            self.inbox.note(Notice(kind=kind, at=self._now))
        if not self._welcome.done():
            self._welcome.set_result(welcome)

    def refused(self, code: str, told: str) -> None:
        self._fail(reasons.refusal(code, told, self.options))

    def dismissed(self, code: str, told: str) -> None:
        self._fail(reasons.dismissal(code, told, self.options))

    def granted(self, packet_id: int, codes: Sequence[ReasonCode]) -> None:
        filters, qos, granted = self._subscribing.pop(packet_id, ((), 0, None))
        for text, code in zip(filters, codes, strict=False):
            problem = reasons.not_granted(text, qos, code)
            if problem is not None:
                self._fail(problem)
        if granted is not None and not granted.done():
            granted.set_result(None)

    def confirmed(self, packet_id: int, code: ReasonCode) -> None:
        waiting = self._unconfirmed.pop(packet_id, None)
        if waiting is None:
            return
        self._window.release()
        if not waiting.done():
            waiting.set_result(code)

    # The socket (asyncio.Protocol)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._error is not None:
            return
        self._heard = self._loop.time()
        self._now = times.now()
        try:
            self._splitter.feed(data)
        except Malformed as error:
            self._fail(f"sent something that is no MQTT {self.options.version}: {error}")
        self.inbox.settle()

    def eof_received(self) -> None:
        return None  # asyncio closes, and connection_lost follows

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(reasons.loss(exc, welcomed=self._welcome.done(), options=self.options))
        if not self._gone.done():
            self._gone.set_result(None)

    # Writing

    def _write(self, data: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        if self._out and self._transport is not None:
            data = b"".join(self._out)
            self._out.clear()
            self._sent = self._loop.time()
            self._transport.write(data)

    def _acknowledge(self, answer: bytes) -> None:
        if self._open:
            self._write(answer)

    def _tick(self) -> None:
        """Keep alive, in both directions. While we do not read, silence says nothing."""
        now = self._loop.time()
        half = self._interval / 2
        if not self.inbox.paused and now - self._heard > self._interval * 1.5:
            self._fail(f"silent for {now - self._heard:.1f} s, although asked")
            return
        if now - self._sent >= half or now - self._heard >= half:
            self._write(_PINGREQ)
        self._ticker = self._loop.call_later(half, self._tick)

    # Reading

    def _answered(self, packet: bytes) -> None:
        kind = packet[0] >> 4
        if kind == _PUBREL_TYPE:
            self._write(_PUBCOMP + packet[2:4])
        elif kind != _PINGRESP_TYPE:
            self._talk.feed(packet)

    def _published(
        self, first: int, topic: str, packet_id: bytes, properties: bytes, payload: bytes, size: int
    ) -> None:
        meta = _NO_META
        if properties or first & 0x01 or size > len(payload):
            meta = frame_meta(first, properties, payload, size)
        frame = Frame(
            connection=self._name,
            received=self._now,
            channel=topic,
            payload=payload,
            redelivered=first & 0x08 != 0,
            meta=meta,
        )
        if packet_id:
            answer = _PUBACK if first & 0x02 else _PUBREC
            delivery = Delivery(frame, partial(self._acknowledge, answer + packet_id))
        else:
            delivery = Delivery(frame, acknowledged=False)
        self.inbox.put(delivery)

    def _stop_reading(self) -> None:
        assert self._transport is not None
        self._transport.pause_reading()
        for _, _, granted in self._subscribing.values():
            if not granted.done():
                granted.set_result(None)

    def _go_on_reading(self) -> None:
        assert self._transport is not None
        self._heard = self._loop.time()
        self._transport.resume_reading()


def frame_meta(first: int, properties: bytes, payload: bytes, size: int) -> dict[str, str | int]:
    """Of the frame that a PUBLISH becomes. Raises Malformed.

    retain: 1 for a message that the broker had kept, which is an old one. size: of the payload on the wire, when
    only its beginning was kept. content_type, content_encoding: what the publisher said (MQTT 5)."""
    meta: dict[str, str | int] = {}
    if first & 0x01:
        meta["retain"] = 1
    if size > len(payload):
        meta["size"] = size
    elif properties:
        meta.update(publish_properties(properties))
    return meta
