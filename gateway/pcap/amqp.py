"""AMQP 1.0 out of a network capture (OASIS AMQP 1.0, part 2): frames, links, and the deliveries on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from adapters.cfx_amqp_inbox import frame_meta
from gateway.capture.form import Wire
from gateway.core.times import Micros
from gateway.pcap.reader import Context, Role, Unreadable
from gateway.transport import amqp_types as types
from gateway.transport.amqp_message import decode
from gateway.transport.amqp_types import Described, MalformedError

_AMQP_FRAME = 0
_MOST_FRAME = 1 << 20
_PERFORMATIVES = range(0x10, 0x19)


class Link:
    """One end of a link, as it was attached. address: where the messages come from, or go to."""

    def __init__(self, name: str, *, sends: bool, source: str, target: str) -> None:
        self.name = name
        self.sends = sends
        self.source = source
        self.target = target
        self.partial = bytearray()
        self.size = 0
        self.settled = False


class Side:
    """What one end says: bytes not read yet, and its links by channel and handle."""

    def __init__(self, *, joined: bool) -> None:
        self.buffer = bytearray()
        self.lost = joined
        self.links: dict[tuple[int, int], Link] = {}


class AmqpReader:
    """With `listen` what machines send to the gateway, point to point. Else what a broker sends to whoever is attached to its
    addresses, or machines to the broker."""

    def __init__(self, context: Context) -> None:
        settings: Any = context.settings
        self.told: Counter[str] = Counter()
        self.client = ""
        self._listens = settings.listen is not None
        self.role = Role.MACHINE if self._listens else Role.OTHER
        self._emit = context.emit
        self._ours = settings.container_id or f"lineside-{context.gateway}-{settings.name}"
        self._addresses: Sequence[str] = () if self._listens else settings.addresses
        self._largest: int = settings.max_message_bytes
        self._sides = {True: Side(joined=context.joined), False: Side(joined=context.joined)}

    def feed(self, data: bytes, at: Micros, *, of_client: bool) -> None:
        side = self._sides[of_client]
        side.buffer += data
        if side.lost and not self._found(side):
            return
        place, buffer = 0, bytes(side.buffer)
        while len(buffer) - place >= 8:
            if buffer.startswith(b"AMQP", place):
                place += 8
                continue
            size = int.from_bytes(buffer[place : place + 4])
            if size < 8 or size > max(_MOST_FRAME, self._largest) or buffer[place + 4] < 2 or buffer[place + 5] > 1:
                raise Unreadable("no AMQP 1.0")
            if len(buffer) - place < size:
                break
            kind, channel = buffer[place + 5], int.from_bytes(buffer[place + 6 : place + 8])
            if kind == _AMQP_FRAME:
                self._frame(
                    side, buffer[place + 4 * buffer[place + 4] : place + size], channel, at, of_client=of_client
                )
            place += size
        del side.buffer[:place]

    def missing(self, count: int, *, of_client: bool) -> None:
        side = self._sides[of_client]
        side.lost = True
        side.buffer.clear()
        for link in side.links.values():
            self.told["messages of which a part is missing"] += bool(link.partial)
            link.partial, link.size = bytearray(), 0

    def _found(self, side: Side) -> bool:
        """Whether frames go on somewhere in what there is of a stream with a gap; what is before that is passed over."""
        buffer = side.buffer
        for place in range(len(buffer) - 10):
            if _begins(buffer, place):
                self.told["bytes before the first frame that is whole"] += place
                del buffer[:place]
                side.lost = False
                return True
        passed = max(len(buffer) - 10, 0)
        self.told["bytes before the first frame that is whole"] += passed
        del buffer[:passed]
        return False

    def _frame(self, side: Side, body: bytes, channel: int, at: Micros, *, of_client: bool) -> None:
        if not body:
            return
        try:
            performative, end = types.read(body, 0)
        except MalformedError as error:
            self.told[f"frames that make no sense: {error}"] += 1
            return
        if not isinstance(performative, Described) or not isinstance(performative.value, list):
            self.told["frames that make no sense: no performative"] += 1
            return
        fields = [*performative.value, *[None] * 14]
        match performative.descriptor:
            case 0x10 if of_client:
                self.client = str(fields[0] or "")
                if self.client == self._ours and not self._listens:
                    self.role = Role.OURS
            case 0x12:
                self._attach(side, channel, fields)
            case 0x14:
                self._transfer(side, channel, fields, body[end:], at, of_client=of_client)
            case 0x16:
                side.links.pop((channel, _number(fields[0])), None)
            case 0x17:
                for key in [key for key in side.links if key[0] == channel]:
                    del side.links[key]

    def _attach(self, side: Side, channel: int, fields: list[Any]) -> None:
        """Name, handle, role (true: receives), modes, source, target (2.7.3)."""
        source, target = _address(fields[5]), _address(fields[6])
        side.links[channel, _number(fields[1])] = Link(
            str(fields[0]), sends=not fields[2], source=source, target=target
        )

    def _transfer(
        self, side: Side, channel: int, fields: list[Any], payload: bytes, at: Micros, *, of_client: bool
    ) -> None:
        """Handle, id, tag, format, settled, more, mode, state, resume, aborted (2.7.5)."""
        unheard = self.role is Role.OURS if of_client else self._listens or self.role is Role.MACHINE
        if unheard:  # what we ask, and what machines are told
            return
        key = channel, _number(fields[0])
        link = side.links.get(key)
        if link is None:
            link = side.links[key] = Link("", sends=True, source="", target="")
            self.told["links whose beginning is not in the recording"] += 1
        if fields[9]:
            link.partial, link.size = bytearray(), 0
            return
        link.size += len(payload)
        link.partial += payload[: max(self._largest - len(link.partial), 0)]
        if fields[5]:
            return
        raw, size = bytes(link.partial), link.size
        link.partial, link.size = bytearray(), 0
        address = self._where(side, link, of_client=of_client)
        if address is None:
            self.told["messages of addresses that are not configured"] += 1
        elif link.name == "" and not _is_message(raw):
            self.told["messages of which a part is missing"] += 1
        else:
            if of_client:
                self.role = Role.MACHINE
            self._emit(at, self._wire(address, raw, size, of_client=of_client))

    def _where(self, side: Side, link: Link, *, of_client: bool) -> str | None:
        """The channel of its frames: the address as the gateway would have it; None where it has nothing to do with that."""
        if of_client:
            return link.target
        receivers = (each for each in self._sides[True].links.values() if each.name == link.name and not each.sends)
        receiver = next(receivers, None)
        address = receiver.source if receiver is not None else link.source
        if not link.name and len(self._addresses) == 1:
            return self._addresses[0]
        return address if address in self._addresses else None

    def _wire(self, address: str, raw: bytes, size: int, *, of_client: bool) -> Wire:
        """As the adapter makes a frame."""
        meta: dict[str, str | int]
        try:
            message = decode(raw, truncated=size > len(raw))
        except MalformedError as error:
            payload, redelivered, meta = raw, False, {"undecodable": str(error)}
        else:
            payload, meta = message.body, frame_meta(message)
            redelivered = message.delivery_count > 0 or (not of_client and message.first_acquirer is False)
        if size > len(raw):
            meta |= {"truncated": 1, "size": size}
        return Wire(address, payload, redelivered, meta, self.client if self._listens else None)


def _begins(buffer: bytearray, place: int) -> bool:
    """Whether a frame of a performative may begin here: its header is eight bytes, and then comes a descriptor."""
    size = int.from_bytes(buffer[place : place + 4])
    plain = buffer[place + 4] == 2 and buffer[place + 5] == _AMQP_FRAME and 11 <= size <= _MOST_FRAME
    return plain and buffer[place + 8 : place + 10] == b"\x00\x53" and buffer[place + 10] in _PERFORMATIVES


def _is_message(raw: bytes) -> bool:
    """Of a delivery that may have begun earlier: whether it begins as messages do."""
    return raw[:2] in (b"\x00\x53", b"\x00\x80")


def _address(terminus: object) -> str:
    """Of a source or target (3.5.3, 3.5.4)."""
    if not isinstance(terminus, Described) or not isinstance(terminus.value, list) or not terminus.value:
        return ""
    return str(terminus.value[0] or "")


def _number(field: object) -> int:
    return field if isinstance(field, int) else 0
