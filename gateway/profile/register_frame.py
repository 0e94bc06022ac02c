"""What one reading of a poll brought, as a frame's payload.

A sequence of blocks, one for each request that was answered, in the order of asking. Each begins with, big-endian,
`>BHHB`: the Modbus function (1 coils, 2 discrete inputs, 3 holding registers, 4 input registers), the 0-based address
of the first item, how many items, and the exception code with which the unit refused them, 0 if it did not. Then, only
when it did not, the data as in its answer: two bytes a register, high byte first; or bits, lowest address in the
lowest bit of the first byte.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from gateway.core.errors import DecodeError
from gateway.profile.bound import Block, Table
from gateway.transport.modbus_frames import COILS, DISCRETE_INPUTS, HOLDING_REGISTERS, INPUT_REGISTERS, data_size

FUNCTIONS: dict[Table, int] = {
    Table.COIL: COILS,
    Table.DISCRETE: DISCRETE_INPUTS,
    Table.HOLDING: HOLDING_REGISTERS,
    Table.INPUT: INPUT_REGISTERS,
}
_TABLES = {function: table for table, function in FUNCTIONS.items()}
_HEAD = struct.Struct(">BHHB")


def encode(blocks: Iterable[Block]) -> bytes:
    return b"".join(
        _HEAD.pack(FUNCTIONS[block.table], block.start, block.count, block.exception) + block.data for block in blocks
    )


def decode(payload: bytes) -> tuple[Block, ...]:
    """Raises DecodeError `bad-blocks` for anything that `encode` does not make."""
    blocks = []
    at, end = 0, len(payload)
    while at < end:
        if end - at < _HEAD.size:
            raise DecodeError("bad-blocks", f"{end - at} bytes behind the last block")
        function, start, count, exception = _HEAD.unpack_from(payload, at)
        table = _TABLES.get(function)
        if table is None or count == 0 or start + count > 65_536:
            raise DecodeError("bad-blocks", f"byte {at}: {count} items at {start} by function {function}")
        at += _HEAD.size
        size = 0 if exception else data_size(function, count)
        if end - at < size:
            raise DecodeError("bad-blocks", f"byte {at}: {end - at} bytes of data in place of {size}")
        blocks.append(Block(table, start, count, payload[at : at + size], exception))
        at += size
    return tuple(blocks)
