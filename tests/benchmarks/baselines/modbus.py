"""Reading holding registers with pymodbus's own client as fast as it goes, and nothing done with what comes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from pymodbus.client import AsyncModbusTcpClient

from tests.benchmarks.baselines.counter import Counter
from tests.benchmarks.load import HOST

_TOLD = 20
"""Reads of a connection from one entry in the counter to the next: telling of each would cost what reading costs."""


async def modbus(ports: Sequence[int], registers: int, path: Path) -> None:
    """A connection to each port, each with one request on its way at a time; for ever."""
    counter = Counter(path)
    clients = [AsyncModbusTcpClient(HOST, port=port) for port in ports]
    for client in clients:
        if not await client.connect():
            raise ConnectionError(f"no connection to port {client.comm_params.port}")
    print("ready", flush=True)
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(_read(client, registers, counter), name=f"port {client.comm_params.port}")


async def _read(client: AsyncModbusTcpClient, registers: int, counter: Counter) -> None:
    while True:
        for _ in range(_TOLD):
            answer = await client.read_holding_registers(0, count=registers, device_id=1)
            if answer.isError() or len(answer.registers) != registers:
                raise ValueError(f"{answer}")
        counter.add(_TOLD)
