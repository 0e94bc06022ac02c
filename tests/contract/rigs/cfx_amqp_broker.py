"""cfx-amqp as client of a real RabbitMQ: machines' messages wait in a queue of its own for every rig."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from adapters.cfx_amqp import CfxAmqpAdapter
from gateway.core.secrets import Secret
from gateway.ingest.stations import Stations
from tests.contract.relay import Relay, RelayFaults, relay
from tests.contract.rig import Entry
from tests.contract.rigs.cfx import GARBAGE, Talk
from tests.integration.amqp import test_cfx_amqp_rabbitmq as rabbit
from tests.servers.rabbitmq import RabbitMq

_VHOST = "/"
_BUFFER = 256 << 10
_WINDOW = 8 << 20  # gateway.transport.amqp_engine: what a peer may send beyond the buffer
_SLACK = 3 << 20
_IDLE_S = 4.0  # we announce a quarter; RabbitMQ 3.10 counts in seconds, and sends no heartbeat for less than one


class CfxAmqpBrokerRig:
    """Two machines that send to one queue. The relay is between the broker and us."""

    units = 2
    acknowledged = True
    brokered = True
    conflates = False
    ends = True
    gives_up_s = _IDLE_S
    prompt_s = 1.0
    most_bytes = _BUFFER + _WINDOW + _SLACK

    def __init__(self, broker: RabbitMq, between: Relay, password: Secret) -> None:
        self._broker = broker
        self.faults = RelayFaults(between, self.adapter)
        self._port = between.port
        self._password = password
        self.talk = Talk(self.units)
        self._queue = f"/queue/contract-{uuid4().hex}"

    def adapter(self) -> CfxAmqpAdapter:
        return rabbit.adapter(
            self._broker,
            _VHOST,
            self._password,
            port=self._port,
            addresses=[self._queue],
            connect_timeout_s=1.0,
            handshake_timeout_s=1.0,
            idle_timeout_s=_IDLE_S,
            close_timeout_s=0.4,
            buffer_bytes=_BUFFER,
        )

    def stations(self) -> Stations:
        return self.talk.stations(self.adapter().name)

    async def _send(self, *payloads: bytes) -> None:
        await rabbit.publish(self._broker, _VHOST, list(payloads), self._queue)

    async def say(self, *numbers: int, unit: int = 0, filler: int = 0) -> None:
        await self._send(*(self.talk.envelope(number, unit, filler) for number in numbers))

    async def garbage(self, unit: int = 0) -> None:
        await self._send(GARBAGE)

    async def work_begins(self) -> None:
        await self._send(self.talk.work_begins())

    async def work_ends(self) -> None:
        await self._send(self.talk.work_ends())


@asynccontextmanager
async def _open(broker: RabbitMq, folder: Path) -> AsyncIterator[CfxAmqpBrokerRig]:
    (folder / "password").write_text(broker.password)
    async with relay(lambda: broker.port) as between:
        yield CfxAmqpBrokerRig(broker, between, Secret(f"file:{folder / 'password'}"))


RIGS = (Entry("cfx-amqp-broker", _open, "rabbitmq", (pytest.mark.rabbitmq,)),)
