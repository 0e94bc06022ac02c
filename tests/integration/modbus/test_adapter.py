"""The Modbus adapter over real sockets: what it reads, when, and what it remembers of refusals."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

from adapters.modbus import ModbusAdapter
from adapters.modbus_settings import ModbusRtuConnection, ModbusRtuTcpConnection, ModbusTcpConnection
from gateway.core.adapter import Adapter, Basis
from gateway.core.errors import NotConnected
from gateway.core.times import now
from gateway.profile.bound import Table
from gateway.profile.register_frame import decode
from tests.build import until
from tests.integration.modbus.peers import Echo, contents, listening, serial_line
from tests.integration.modbus.profiles import deliveries, device, over_tcp, poll, reading, right

POLLS = (
    poll("fast", (100, 10), (120, 2)),
    poll("inputs", (0, 1), (65, 60), table=Table.INPUT),
    poll("coils", (7, 1), (1_000, 9), table=Table.COIL),
    poll("flags", (10, 3), table=Table.DISCRETE),
)


@pytest.mark.parametrize("way", ["modbus-tcp", "modbus-rtu-tcp", "modbus-rtu"])
async def test_every_poll_of_every_table(way: str) -> None:
    """Over each transport, and in byte pieces."""
    echo = Echo("tcp" if way == "modbus-tcp" else "rtu", units=(3,))
    async with listening(echo) as listener, serial_line(echo) as line:
        settings: Any
        if way == "modbus-rtu":
            settings = ModbusRtuConnection(
                protocol="modbus-rtu", name="oven", port=line.device, baudrate=115_200, parity="none"
            )
        elif way == "modbus-tcp":
            settings = ModbusTcpConnection(protocol="modbus-tcp", name="oven", host="127.0.0.1", port=listener.port)
        else:
            settings = ModbusRtuTcpConnection(
                protocol="modbus-rtu-tcp", name="oven", host="127.0.0.1", port=listener.port
            )
        adapter: Adapter = ModbusAdapter(settings, [device("L1.oven", 3, *POLLS)])
        assert (adapter.name, adapter.protocol, adapter.basis) == ("oven", way, Basis.POLLED)
        began = now()
        async with adapter.connect() as items:
            found = await deliveries(items, 12)
        channels = Counter(delivery.frame.channel for delivery in found)
        assert channels == {f"L1.oven/{each.name}": 3 for each in POLLS}
        for delivery in found:
            read = reading(adapter, delivery)
            assert read.station == "L1.oven"
            assert read.time is None
            assert right(read)
            assert (delivery.frame.connection, delivery.peer, delivery.acknowledged) == ("oven", "L1.oven", False)
            assert began <= delivery.frame.received <= now()


async def test_the_frame_holds_what_the_wire_said() -> None:
    async with listening(Echo()) as listener:
        adapter = over_tcp(listener, device("L1.oven", 1, poll("p", (100, 2), (110, 1))))
        async with adapter.connect() as items:
            (delivery,) = await deliveries(items, 1)
        assert delivery.frame.payload == bytes.fromhex("03 0064 000B 00") + contents(3, 100, 11)
        assert delivery.frame.meta == {}


async def test_the_rate_is_kept_and_the_first_is_read_at_once() -> None:
    async with listening(echo := Echo()) as listener:
        adapter = over_tcp(listener, device("L1.oven", 1, poll("p", (0, 1), every_s=0.05)))
        async with adapter.connect() as items:
            began = time.monotonic()
            await deliveries(items, 11)
            lasted = time.monotonic() - began
        assert lasted >= 0.49
        assert len(echo.seen) == 11


async def test_a_slow_consumer_misses_ticks_and_is_told_how_many() -> None:
    async with listening(echo := Echo()) as listener:
        adapter = over_tcp(listener, device("L1.oven", 1, poll("p", (0, 1), every_s=0.02)))
        async with adapter.connect() as items:
            await deliveries(items, 3)
            await asyncio.sleep(0.3)
            asked = len(echo.seen)
            (first,) = await deliveries(items, 1)
            assert len(echo.seen) == asked + 1, "nothing is read ahead"
        assert 10 <= int(first.frame.meta["missed"]) <= 30


async def test_what_is_refused_is_found_once_and_the_rest_is_read() -> None:
    async with listening(echo := Echo(illegal={11, 40})) as listener:
        adapter = over_tcp(listener, device("L1.oven", 1, poll("p", (0, 2), (10, 2), (20, 2), (60, 2))))
        async with adapter.connect() as items:
            found = await deliveries(items, 5)
            asked = len(echo.seen)
            await deliveries(items, 2)
            assert len(echo.seen) - asked == 2 * 3
        first, last = reading(adapter, found[0]), reading(adapter, found[-1])
        assert dict(zip(first.keys, first.values, strict=True)) == {
            f"holding.{at}": None if at in (10, 11) else at for at in (0, 1, 10, 11, 20, 21, 60, 61)
        }
        assert (last.keys, last.values) == (first.keys, first.values)
        echo.illegal = {40}
        async with adapter.connect() as items:
            (again,) = await deliveries(items, 1)
        assert right(reading(adapter, again)), "after connecting again everything is tried again"


async def test_a_poll_of_which_all_is_refused_gives_its_frame() -> None:
    async with listening(Echo(illegal=range(100))) as listener:
        adapter = over_tcp(listener, device("L1.oven", 1, poll("p", (0, 1), (10, 1))))
        async with adapter.connect() as items:
            for delivery in await deliveries(items, 3):
                assert reading(adapter, delivery).values == (None, None)
                assert {block.exception for block in decode(delivery.frame.payload)} == {2}


async def test_absent_and_gone() -> None:
    async with listening(Echo()) as listener:
        adapter = over_tcp(listener, device("L1.a", 1, poll("p", (0, 1))))
        async with adapter.connect() as items:
            await deliveries(items, 2)
            await listener.stop()
            with pytest.raises(NotConnected):
                await deliveries(items, 100)
        with pytest.raises(NotConnected, match="refused"):
            async with adapter.connect():
                pytest.fail("it is gone")
        await listener.start()
        async with adapter.connect() as items:
            await deliveries(items, 2)


async def test_leaving_while_an_answer_is_due() -> None:
    async with listening(echo := Echo()) as listener:
        adapter = over_tcp(listener, device("L1.a", 1, poll("p", (0, 1))), answer_timeout_s=30)

        async def run() -> None:
            async with adapter.connect() as items:
                async for _ in items:
                    echo.alter = lambda request, answer: ()

        task = asyncio.create_task(run())
        await until(lambda: len(echo.seen) == 2)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < 1.0
        await until(lambda: not echo.open)
