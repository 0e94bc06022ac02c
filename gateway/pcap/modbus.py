"""Modbus out of a network capture: what some client read of a machine's registers, as the polls of the machine's profile.

A poll has come together when every value of it was read since it last had. Where a client reads only some of them, or some
more rarely, a poll is what it reads again and again, with the newest contents of the rest.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from adapters.modbus_plan import Holes, Request, plan
from gateway.capture.form import Wire
from gateway.core.times import Micros
from gateway.pcap.reader import Context, Role, Unreadable
from gateway.profile.bound import Block, Poll, Table
from gateway.profile.register_frame import FUNCTIONS, encode
from gateway.transport.modbus_frames import COILS, INPUT_REGISTERS, checksum, data_size

_TABLES = {function: table for table, function in FUNCTIONS.items()}
_NO_SUCH = (2, 3)
_NOT_THE_UNIT = (10, 11)
_MOST_OPEN = 256
_INCOMPLETE = 3
"""Rounds without some of the values, one after the other, after which those are not waited for any more."""


class Asked(NamedTuple):
    transaction: int
    unit: int
    function: int
    start: int
    length: int


class Watched:
    """One poll of one station, as it comes together."""

    def __init__(self, station: str, poll: Poll) -> None:
        self.station = station
        self.poll = poll
        self._wanted = set(poll.atoms)
        self._round: set[tuple[int, int]] = set()
        self._blocks: dict[tuple[int, int], Block] = {}
        self._fresh: dict[tuple[int, int], None] = {}
        self._incomplete = 0

    def atoms(self, block: Block) -> set[tuple[int, int]]:
        """Those of its values that are in a block whole."""
        end = block.start + block.count
        return {each for each in self.poll.atoms if block.start <= each[0] and sum(each) <= end}

    def read(self, block: Block) -> bytes | None:
        """The payload of a frame when the poll is complete with this."""
        key, atoms = (block.start, block.count), self.atoms(block)
        if not atoms:
            return None
        if block.exception in _NO_SUCH and len(atoms) > 1:
            return None  # of more than one value it says nothing; who asked will ask for less
        if key in self._fresh:
            self._begin_again()
        self._fresh[key] = None
        self._blocks = {each: known for each, known in self._blocks.items() if not _meet(key, each)}
        self._blocks[key] = block
        self._round |= atoms
        complete = self._wanted <= self._round
        if block.exception in _NO_SUCH:
            self._wanted -= atoms
        if not complete:
            return None
        fresh = [self._blocks[each] for each in self._fresh if each in self._blocks]
        kept = [each for place, each in self._blocks.items() if place not in self._fresh and not each.exception]
        self._clear()
        self._incomplete = 0
        return encode([*fresh, *kept])

    def _begin_again(self) -> None:
        """What was read already comes again, before the rest."""
        self._incomplete += 1
        if self._incomplete >= _INCOMPLETE:
            self._wanted, self._incomplete = set(self._round), 0
        self._clear()

    def _clear(self) -> None:
        self._round, self._fresh = set(), {}


def planned(settings: Any, poll: Poll) -> tuple[Request, ...]:
    """What the gateway asks for, of a machine that refuses nothing."""
    gap = settings.widest_gap * 8 if poll.table.bits else settings.widest_gap // 2
    return plan(
        poll,
        most_registers=settings.most_registers,
        most_bits=settings.most_bits,
        holes=Holes(),
        widest_gap=gap,
    )


def _meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < sum(other) and other[0] < sum(one)


class ModbusReader:
    """Of one connection. framing: `tcp` or `rtu`, as configured."""

    role = Role.OTHER
    client = ""

    def __init__(self, context: Context) -> None:
        settings: Any = context.settings
        self.told: Counter[str] = Counter()
        self._emit = context.emit
        self._cut = _tcp if settings.options.framing == "tcp" else _rtu
        self._watched: dict[tuple[int, Table], list[Watched]] = {}
        self._planned: dict[tuple[int, Table, int, int], list[Watched]] = {}
        for machine in context.machines:
            registers = machine.bound.registers
            for poll in () if registers is None else registers.polls:
                if poll.atoms:
                    watched = Watched(machine.station, poll)
                    self._watched.setdefault((machine.unit, poll.table), []).append(watched)
                    for request in planned(settings, poll):
                        self._planned.setdefault((machine.unit, poll.table, *request), []).append(watched)
        self._units = {unit for unit, _ in self._watched}
        self._open: deque[Asked] = deque(maxlen=_MOST_OPEN)
        self._rest = {True: b"", False: b""}

    def feed(self, data: bytes, at: Micros, *, of_client: bool) -> None:
        data = self._rest[of_client] + data
        end = 0
        for message, transaction, until in self._cut(data, of_client):
            end = until
            if of_client:
                self._request(message, transaction)
            else:
                self._answer(message, transaction, at)
        self._rest[of_client] = data[end:]
        if len(self._rest[of_client]) > 1_024:
            raise Unreadable("no Modbus")

    def missing(self, count: int, *, of_client: bool) -> None:
        self._rest[of_client] = b""
        self._open.clear()

    def _request(self, message: bytes, transaction: int) -> None:
        if len(message) < 2 or not COILS <= message[1] <= INPUT_REGISTERS or len(message) != 6:
            self.told["requests that do not read (other functions)"] += 1
            self._open.append(Asked(transaction, message[0] if message else 0, 0, 0, 0))
            return
        start, count = int.from_bytes(message[2:4]), int.from_bytes(message[4:6])
        self._open.append(Asked(transaction, message[0], message[1], start, count))

    def _answer(self, message: bytes, transaction: int, at: Micros) -> None:
        asked = self._asked(message, transaction)
        if asked is None:
            self.told["answers whose request is not in the file"] += 1
            return
        if asked.function == 0:
            return
        if asked.unit not in self._units:
            self.told[f"answers of unit {asked.unit}, which no station is"] += 1
            return
        table = _TABLES[asked.function]
        if message[1] & 0x80:
            code = message[2] if len(message) > 2 else 0
            if code in _NOT_THE_UNIT:
                self.told["answers that the unit is not there"] += 1
                return
            block = Block(table, asked.start, asked.length, exception=code)
        else:
            data = message[3:]
            if len(message) < 3 or len(data) != message[2] or len(data) != data_size(asked.function, asked.length):
                self.told["answers of another length than asked for"] += 1
                return
            block = Block(table, asked.start, asked.length, data)
        # What the gateway would ask for itself is of the poll that it would ask it for, and of no other.
        meant = self._planned.get((asked.unit, table, block.start, block.count)) or [
            each for each in self._watched.get((asked.unit, table), ()) if each.atoms(block)
        ]
        if not meant:
            self.told["answers with nothing that a profile reads"] += 1
        for watched in meant:
            payload = watched.read(block)
            if payload is not None:
                channel = f"{watched.station}/{watched.poll.name}"
                self._emit(at, Wire(channel, payload, peer=watched.station, acknowledged=False))

    def _asked(self, message: bytes, transaction: int) -> Asked | None:
        """What it answers: the last that fits, for a client that gave up may use a number again."""
        if len(message) < 2:
            return None
        for place in range(len(self._open) - 1, -1, -1):
            asked = self._open[place]
            same = asked.function in (0, message[1] & 0x7F)
            if asked.transaction == transaction and asked.unit == message[0] and same:
                if transaction < 0:  # on a serial line there is one question at a time
                    self._open.clear()
                else:
                    del self._open[place]
                return asked
        return None


def _tcp(data: bytes, of_client: bool) -> Iterator[tuple[bytes, int, int]]:
    """Messages from the unit on, their transaction, and where they end. What is no header is passed over."""
    at = 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 6])
        if data[at + 2 : at + 4] != b"\0\0" or not 3 <= length <= 254:
            at += 1
            continue
        end = at + 6 + length
        if end > len(data):
            break
        yield data[at + 6 : end], int.from_bytes(data[at : at + 2]), end
        at = end


def _rtu(data: bytes, of_client: bool) -> Iterator[tuple[bytes, int, int]]:
    """As `_tcp`, of messages with a checksum; their transaction is -1."""
    at = 0
    while at + 5 <= len(data):
        for size in _rtu_sizes(data, at, of_client):
            end = at + size
            if end <= len(data) and checksum(data[at : end - 2]) == data[end - 2 : end]:
                yield data[at : end - 2], -1, end
                at = end
                break
        else:
            at += 1


def _rtu_sizes(data: bytes, at: int, of_client: bool) -> tuple[int, ...]:
    """How long a message may be that begins here."""
    function = data[at + 1]
    if of_client:
        return (8,) if COILS <= function <= 6 else ()
    if function & 0x80:
        return (5,)
    return (data[at + 2] + 5,) if COILS <= function <= INPUT_REGISTERS else (8,) if function in (5, 6, 15, 16) else ()
