"""One AMQP 1.0 connection without its socket: proton's engine, its events, links, and the budget of unread bytes.

Setting up goes through proton's classes; the path of every delivery calls the C functions below them, because a wrapper
object per event costs more than the message.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import msgspec
import proton
from cproton import (
    PN_CONNECTION_REMOTE_CLOSE,
    PN_CONNECTION_REMOTE_OPEN,
    PN_DELIVERY,
    PN_LINK_FLOW,
    PN_LINK_REMOTE_CLOSE,
    PN_LINK_REMOTE_DETACH,
    PN_LINK_REMOTE_OPEN,
    PN_SESSION_REMOTE_CLOSE,
    PN_SESSION_REMOTE_OPEN,
    PN_TRANSPORT_CLOSED,
    PN_TRANSPORT_ERROR,
    ffi,
    lib,
)

from gateway.transport.amqp_links import SCRATCH, Received, Receiver, link_of, session_of
from gateway.transport.amqp_sender import Sender, describe

MAX_SESSIONS = 8
"""Sessions per connection that a peer may open: the SDK and every client we know use one."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How one connection behaves. Times in seconds, sizes in bytes.

    container_id: our name in Open. hostname: the virtual host asked for (RabbitMQ: `vhost:NAME`).
    idle_timeout_s: a peer silent for this long is gone; None waits for ever. handshake_timeout_s: from the socket to
    the peer's Open. close_timeout_s: how long a peer may take to answer our Close.
    credit: deliveries per link that a peer may send before we acknowledge. max_message: longest delivery that is kept
    whole. buffer_bytes: unacknowledged bytes at which reading stops. window_bytes: what the peer may send beyond that.
    max_links: links per connection that a peer may open.
    """

    container_id: str
    hostname: str | None = None
    idle_timeout_s: float | None = 30.0
    handshake_timeout_s: float = 10.0
    close_timeout_s: float = 2.0
    credit: int = 300
    max_frame_size: int = 65_536
    max_message: int = 32 * 1024 * 1024
    buffer_bytes: int = 64 * 1024 * 1024
    window_bytes: int = 8 * 1024 * 1024
    max_links: int = 64


class Owner(Protocol):
    """The socket's side of an engine."""

    def touch(self) -> None:
        """There are local changes: call `turn` before the event loop sleeps."""

    def opened(self, peer: str) -> None:
        """The peer's Open has come, with its container-id."""

    def received(self, message: Received) -> None:
        """A delivery is complete."""

    def ended(self, reason: str) -> None:
        """The connection is over; what is still to be sent may be sent. May come more than once."""


class Engine:
    """`serving`: the peer opens the links. Nothing here blocks or looks at a clock."""

    def __init__(self, options: Options, owner: Owner, *, serving: bool) -> None:
        self.options = options
        self.credit = options.credit
        self.max_message = options.max_message
        self.receivers: dict[object, Receiver] = {}
        """By C object. One object has many wrappers, of proton's and of cffi's; cffi's compare by address."""
        self.senders: dict[object, Sender] = {}
        self.scratch = ffi.new("char[]", SCRATCH)
        self.used = 0
        """Bytes read and not yet acknowledged."""
        self.outstanding = 0
        """Complete deliveries not yet acknowledged."""
        self.closing = False
        self._owner = owner
        self.serving = serving
        self._over = False
        self._pumping = False
        self._accepted: list[Received] = []
        self._stalled: dict[Receiver, None] = {}
        # Client mode on both ends: in server mode proton would look for a SASL layer of its own.
        self._transport = proton.Transport()
        self._transport.max_frame_size = options.max_frame_size
        self._transport.channel_max = MAX_SESSIONS - 1
        if options.idle_timeout_s is not None:
            # proton gives up a peer in the second period without a byte; and peers are told half of what we mean
            # (AMQP 1.0, 2.4.5), so that one that is a little late is not lost.
            self._transport.idle_timeout = options.idle_timeout_s / 2
        self._connection = proton.Connection()
        self._collector = proton.Collector()
        self._connection.collect(self._collector)
        self._connection.container = options.container_id
        if options.hostname is not None:
            self._connection.hostname = options.hostname
        self._transport.bind(self._connection)
        self._session: proton.Session | None = None
        if not serving:
            self._connection.open()
            self._session = self._connection.session()
            self._session.incoming_capacity = options.window_bytes
            self._session.open()

    # Bytes

    def push(self, data: bytes) -> None:
        """Bytes from the peer. proton takes what it has room for, so the events of each part come before the next."""
        rest = memoryview(data)
        while rest:
            taken = lib.pn_transport_push(self._transport._impl, ffi.from_buffer(rest), len(rest))
            if taken <= 0:
                break
            rest = rest[taken:]
            self.pump()

    def pending(self) -> Iterator[bytearray]:
        """Bytes for the peer. What is taken counts as sent."""
        impl = self._transport._impl
        while (size := lib.pn_transport_pending(impl)) > 0:
            chunk = bytearray(size)
            lib.pn_transport_peek(impl, ffi.from_buffer(chunk), size)
            lib.pn_transport_pop(impl, size)
            for sender in self.senders.values():
                sender.go_on()
            yield chunk

    def tick(self, now: float) -> float | None:
        """Heartbeats out and the idle timeout in. `now` is monotonic; gives when to call again, None for never."""
        due = self._transport.tick(now)
        self.pump()
        return due or None

    @property
    def finished(self) -> bool:
        """Whether both ends have said Close, or an error means that no more will be said."""
        both = proton.Endpoint.LOCAL_CLOSED | proton.Endpoint.REMOTE_CLOSED
        return bool(self._connection.state & both == both) or self._transport.condition is not None

    # Events

    def pump(self) -> None:
        """Handle all events."""
        if self._pumping:
            return
        self._pumping = True
        try:
            self._events(self._collector._impl)
        finally:
            self._pumping = False

    def _events(self, collector: object) -> None:
        arrived: dict[Receiver, None] = {}
        while event := lib.pn_collector_peek(collector):
            kind = lib.pn_event_type(event)
            try:
                if kind == PN_DELIVERY:
                    self._touched(event, arrived)
                else:
                    self._drain(arrived)  # what came before a Detach is read before it
                    self._event(kind, event)
            except UnicodeDecodeError as error:
                # proton hands over names as they came; one that is no UTF-8 is the peer's defect.
                self.violated("amqp:decode-error", f"a name that is not UTF-8: {error.reason}")
            finally:
                lib.pn_collector_pop(collector)
        self._drain(arrived)
        if sum(1 for receiver in self.receivers.values() if receiver.partial) > 1:
            self._watch_partials()

    def _touched(self, event: object, arrived: dict[Receiver, None]) -> None:
        if arrived and len(self.receivers) == 1 and not self.senders:
            return  # whose else; every call of proton lets go of the interpreter, and the journal's writer waits for it
        link = lib.pn_event_link(event)
        if (receiver := self.receivers.get(link)) is not None:
            arrived[receiver] = None
        elif (sender := self.senders.get(link)) is not None:
            sender.updated(lib.pn_event_delivery(event))

    def _drain(self, receivers: dict[Receiver, None]) -> None:
        while receivers:
            receiver = next(iter(receivers))
            del receivers[receiver]
            receiver.drain()

    def _watch_partials(self) -> None:
        held = sum(len(receiver.partial or b"") for receiver in self.receivers.values())
        if held > self.options.buffer_bytes + self.options.max_message:
            # They cannot be left unread, for then none would ever be complete; nobody who means well does this.
            self.violated("amqp:resource-limit-exceeded", "too many bytes in unfinished deliveries")

    def _event(self, kind: int, event: object) -> None:
        if kind == PN_LINK_FLOW:
            sender = self.senders.get(lib.pn_event_link(event))
            if sender is not None:
                sender.flow()
        elif kind == PN_LINK_REMOTE_OPEN:
            self._link_opened(link_of(event))
        elif kind in (PN_LINK_REMOTE_CLOSE, PN_LINK_REMOTE_DETACH):
            self._link_closed(link_of(event))
        elif kind == PN_SESSION_REMOTE_OPEN and self.serving:
            session = session_of(event)
            session.incoming_capacity = self.options.window_bytes
            session.open()
        elif kind == PN_SESSION_REMOTE_CLOSE:
            self._session_closed(session_of(event))
        elif kind == PN_CONNECTION_REMOTE_OPEN:
            if self.serving:
                self._connection.open()
            self._owner.opened(self._connection.remote_container or "")
        elif kind == PN_CONNECTION_REMOTE_CLOSE:
            self._end(describe(self._connection.remote_condition) or "the peer closed the connection")
        elif kind == PN_TRANSPORT_ERROR:
            self._end(describe(self._transport.condition) or "protocol error")
        elif kind == PN_TRANSPORT_CLOSED:
            self._end("the connection is closed")

    def _end(self, reason: str) -> None:
        if not self.closing:
            self._connection.close()
        self.closing = True
        self._over = True
        self._owner.ended(reason)
        self.touch()

    def violated(self, name: str, text: str) -> None:
        """End the connection because of what the peer did, and tell it so."""
        if not self.closing:
            self._connection.condition = proton.Condition(name, text)
        self._end(f"{name}: {text}")

    # Links

    def _link_opened(self, link: proton.Receiver | proton.Sender) -> None:
        key = link._impl
        known = self.receivers.get(key) or self.senders.get(key)
        if known is not None:
            known.attached()
            return
        if not self.serving or len(self.receivers) + len(self.senders) >= self.options.max_links:
            link.source.type = link.target.type = proton.Terminus.UNSPECIFIED  # an Attach without them is a refusal
            link.condition = proton.Condition("amqp:resource-limit-exceeded", "no more links")
            link.open()
            link.close()
            return
        # Confirm what the peer asked for (part 2, 2.6.3).
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        if isinstance(link, proton.Receiver):
            receiver = self.receivers[key] = Receiver(self, link, link.remote_target.address or "")
            link.open()
            receiver.grant(self.credit)
            return
        link.snd_settle_mode = link.remote_snd_settle_mode
        if link.remote_source.dynamic:
            link.source.dynamic = False
            link.source.address = f"{self.options.container_id}/reply/{link.name}"
        sender = self.senders[key] = Sender(self, link, link.source.address or "")
        sender.names = frozenset(filter(None, (link.source.address, link.remote_target.address)))
        link.open()

    def _link_closed(self, link: proton.Receiver | proton.Sender) -> None:
        key = link._impl
        known = self.receivers.get(key) or self.senders.get(key)
        if known is None:
            link.close()
            return
        reason = describe(link.remote_condition) or "closed by the peer"
        self._forget(known, reason)
        if not self.serving and not self.closing:  # a connecting end needs every link that it has
            self._end(f"link to {known.address!r}: {reason}")

    def _session_closed(self, session: proton.Session) -> None:
        reason = describe(session.remote_condition) or "the peer closed the session"
        for link in self._links():
            if link.link.session == session:
                self._forget(link, reason)
        session.close()
        if not self.serving:
            self._end(reason)

    def _links(self) -> list[Receiver | Sender]:
        return [*self.receivers.values(), *self.senders.values()]

    def _forget(self, link: Receiver | Sender, reason: str) -> None:
        link.die(reason)
        key = link.link._impl
        if isinstance(link, Receiver):
            self._stalled.pop(link, None)
        self.receivers.pop(key, None)
        self.senders.pop(key, None)
        link.link.close()
        link.link.free()

    def receiver(self, address: str, *, durable: bool) -> Receiver:
        """Attach to a source of the peer; `durable` as the CFX SDK asks. Its `ready` is done when it may deliver."""
        assert self._session is not None
        link = self._session.receiver(address)
        link.source.address = address
        link.target.address = address
        link.snd_settle_mode = proton.Link.SND_UNSETTLED
        if durable:
            link.source.durability = proton.Terminus.CONFIGURATION
        receiver = self.receivers[link._impl] = Receiver(self, link, address)
        link.open()
        self.touch()
        return receiver

    def sender(self, address: str, *, name: str | None, durable: bool) -> Sender:
        """Attach to a target of the peer. `name` of the link, which must be unique: its address, when none is given."""
        assert self._session is not None
        link = self._session.sender(name or address)
        link.source.address = name or address
        link.target.address = address
        link.snd_settle_mode = proton.Link.SND_UNSETTLED
        if durable:
            link.target.durability = proton.Terminus.CONFIGURATION
        sender = self.senders[link._impl] = Sender(self, link, address)
        link.open()
        self.touch()
        return sender

    # What links need of their connection

    def touch(self) -> None:
        self._owner.touch()

    def over_budget(self) -> bool:
        """Whether reading stops. With nothing left to acknowledge it must go on, or it would never start again."""
        return self.used >= self.options.buffer_bytes and self.outstanding > 0

    def stall(self, receiver: Receiver) -> None:
        """It has bytes that are left unread until some are acknowledged: the session window then stops the peer."""
        self._stalled[receiver] = None

    def hand_over(self, message: Received) -> None:
        self.outstanding += 1
        self._owner.received(message)

    def accept(self, message: Received) -> None:
        """Settled together with all others of this turn of the loop."""
        if not self._over:
            if not self._accepted:
                self.touch()
            self._accepted.append(message)

    def turn(self) -> None:
        """Carry out the local changes since the last time."""
        accepted, self._accepted = self._accepted, []
        touched: dict[Receiver, None] = {}
        for message in accepted:
            self.used -= message.held
            self.outstanding -= 1
            if message.settle():
                touched[message.receiver] = None
        for receiver in touched:
            receiver.replenish()
        if self._stalled and not self.over_budget():
            stalled, self._stalled = self._stalled, {}
            self._drain(stalled)
        self.pump()

    def close(self) -> None:
        """Say Close, after the acknowledgements that were asked for before it."""
        if not self.closing:
            self.turn()
            self.closing = True
            self._over = True
            self._connection.close()
            self.pump()

    def release(self, reason: str) -> None:
        """The socket is gone. The C objects go with this engine; nothing may touch a delivery of theirs any more."""
        self._over = True
        self.closing = True
        for link in self._links():
            link.die(reason)
        self.receivers.clear()
        self.senders.clear()
        self._accepted.clear()
        self._stalled.clear()
        self._session = None
        self._transport.unbind()
        self._collector.release()
