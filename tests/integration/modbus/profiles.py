"""A bound profile for tests whose signals are named after the registers that they are, and adapters with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from adapters.modbus import ModbusAdapter
from adapters.modbus_settings import ModbusTcpConnection
from gateway.core.adapter import Adapter
from gateway.core.frame import Delivery, Notice
from gateway.core.observation import Readings
from gateway.core.sample import Value
from gateway.profile.bound import Block, Bound, Machine, Poll, Table, Values
from tests.integration.modbus.peers import Listener


class Addresses:
    """Each register or bit of a poll's values is a signal `TABLE.ADDRESS`; implements gateway.profile.bound.Registers."""

    def __init__(self, polls: Sequence[Poll]) -> None:
        self.polls = polls

    def decode(self, poll: str, blocks: Sequence[Block]) -> Values:
        (wanted,) = [each for each in self.polls if each.name == poll]
        addresses = [at for start, count in wanted.atoms for at in range(start, start + count)]
        return tuple(f"{wanted.table}.{at}" for at in addresses), tuple(self._value(blocks, at) for at in addresses)

    def _value(self, blocks: Sequence[Block], at: int) -> Value:
        for block in blocks:
            place = at - block.start
            if block.exception or not 0 <= place < block.count:
                continue
            if block.table.bits:
                return bool(block.data[place // 8] >> place % 8 & 1)
            return int.from_bytes(block.data[2 * place : 2 * place + 2], "big")
        return None

    def encode(self, values: Mapping[str, Value]) -> dict[Table, dict[int, int]]:
        raise NotImplementedError


def poll(name: str, *atoms: tuple[int, int], every_s: float = 0.02, table: Table = Table.HOLDING) -> Poll:
    start = min(at for at, _ in atoms)
    end = max(at + count for at, count in atoms)
    return Poll(name=name, every_s=every_s, table=table, start=start, count=end - start, atoms=atoms)


def device(station: str, unit: int, *polls: Poll) -> Machine:
    bound = Bound(
        name="test/addresses",
        machine_class="reflow_oven",
        protocol="modbus",
        models=(),
        evidence="example",
        evidence_source=None,
        signals={},
        registers=Addresses(polls) if polls else None,
    )
    return Machine(station=station, unit=unit, bound=bound)


def over_tcp(listener: Listener, *devices: Machine, **more: Any) -> ModbusAdapter:
    given = {"protocol": "modbus-tcp", "name": "oven", "host": "127.0.0.1", "port": listener.port, **more}
    return ModbusAdapter(ModbusTcpConnection.model_validate(given), devices)


async def deliveries(items: AsyncIterator[Delivery | Notice], count: int) -> list[Delivery]:
    found = []
    async with asyncio.timeout(20):
        async for item in items:
            assert isinstance(item, Delivery)
            found.append(item)
            if len(found) == count:
                return found
    raise AssertionError("it ended")


def reading(adapter: Adapter, delivery: Delivery) -> Readings:
    (only,) = adapter.decode(delivery.frame)
    assert isinstance(only, Readings)
    return only


def right(read: Readings) -> bool:
    """Every value follows from its address, as the peers of these tests have it."""
    for key, value in zip(read.keys, read.values, strict=True):
        table, _, address = key.partition(".")
        at = int(address)
        expected = {"holding": at, "input": 65_535 - at, "coil": at % 3 == 0, "discrete": at % 5 == 0}[table]
        if value != expected:
            return False
    return True
