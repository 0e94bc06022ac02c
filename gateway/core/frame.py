"""What an adapter hands over: frames with their acknowledgement and reply, and notices about the link."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

import msgspec

from gateway.core.times import Micros

LOST = "lineside:lost"
TICK = "lineside:tick"
"""Channels of frames of the gateway's own: sight of a station was lost, and time has passed. Payload: the station's id.
They are frames so that a capture holds everything that a class was stepped with."""

POSITION_OF, POSITION = "position_of", "position"
"""Metadata of a frame from a source that is read from where one stopped: of what (a file's name), and how far. Committed
with whatever comes of the frame, and given to the adapter at the next start.

A position is a number that grows with every frame of the same thing, a blank, and the adapter's own words. A frame whose
number is not beyond the committed one is a copy. An empty position is to be forgotten."""

_NO_META: Mapping[str, str | int] = {}


class Frame(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the wire said, as plain data: capturing and replaying it needs nothing else.

    connection: name of the configured connection it came in on.
    received: when we had read it completely.
    channel: where on the connection: MQTT topic, AMQP link address, register block, file name.
    payload: the bytes as received.
    redelivered: the transport itself says that it sent this before (MQTT DUP, AMQP delivery-count above 0).
    meta: further transport facts that decoding needs, such as `content_encoding`; keys are the adapter's.
    """

    connection: str
    received: Micros
    channel: str
    payload: bytes
    redelivered: bool = False
    meta: Mapping[str, str | int] = _NO_META


class Refused(msgspec.Struct, frozen=True):
    """A part of a frame, or all of it, that went to quarantine. reason, detail, digest (hexadecimal): as there."""

    raw: bytes
    reason: str
    detail: str
    digest: str


def _nothing() -> None:
    return None


class Delivery(msgspec.Struct, eq=False):
    """A frame with what may be done about it once it is committed.

    ack: tells the peer that we own the message now. Called exactly once, on the event loop, after the commit,
        in the order in which the connection delivered; does nothing once that connection instance is closed.
    reply: sends a response to the peer that asked, or None where the transport offers no way back.
    acknowledged: False for transports without acknowledgement (QoS 0, serial): they are always read, and what
        does not fit into the queue is dropped as a gap instead of pausing the peer.
    principal: who the peer proved to be (user or certificate name), None where it did not.
    handles: the CFX handles that principal may speak for; empty means any.
    peer: which machine's connection it came over, as in notices, where a link serves several.
    refused: a list of the adapter's into which goes, before `ack` is called, what of the frame went to quarantine; a copy
        leaves it as it is. None: nobody asks.

    ack and reply stand beside the frame, so that a replayed frame can neither acknowledge nor answer.
    """

    frame: Frame
    ack: Callable[[], None] = _nothing
    reply: Callable[[bytes], None] | None = None
    acknowledged: bool = True
    principal: str | None = None
    handles: frozenset[str] = frozenset()
    peer: str | None = None
    refused: list[Refused] | None = None


class NoticeKind(StrEnum):
    SESSION_KEPT = "session-kept"  # the broker kept our session: what was sent meanwhile will still come
    SESSION_LOST = "session-lost"  # it did not: what was sent meanwhile is lost
    PEER_UP = "peer-up"  # a machine opened its connection to our listener
    PEER_DOWN = "peer-down"  # and closed or lost it
    CATCHING_UP = "catching-up"  # what was said while we were away is coming: the gap is not over yet
    CAUGHT_UP = "caught-up"  # it has come, but for what `count` things may have said that nobody recorded
    OVERFLOW = "overflow"  # an unacknowledged transport gave more than we could take


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something about the link that is no frame. `peer` names the machine where a link serves several."""

    kind: NoticeKind
    at: Micros
    peer: str | None = None
    detail: str = ""
    count: int = 0
