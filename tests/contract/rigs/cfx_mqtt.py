"""cfx-mqtt at a real Mosquitto.

The machines publish with our own client: `mosquitto_pub`, which the integration tests use, takes a fifth of a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.cfx_mqtt import CfxMqttAdapter
from gateway.ingest.stations import Stations
from gateway.transport import mqtt
from tests.contract.relay import Relay, RelayFaults, relay
from tests.contract.rig import Entry
from tests.contract.rigs.cfx import GARBAGE, Talk
from tests.integration import test_cfx_mqtt
from tests.servers.mosquitto import Mosquitto

_BUFFER = 256 << 10
_SLACK = 3 << 20  # buffers of the relay and of the kernel on both sides of it


class CfxMqttRig:
    """Two machines that publish below one topic. The relay is between the broker and us."""

    units = 2
    conflates = False
    ends = True
    gives_up_s = 1.6
    prompt_s = 1.0
    most_bytes = _BUFFER + _SLACK

    def __init__(self, broker: Mosquitto, between: Relay, *, qos: int, version: str) -> None:
        self.acknowledged = self.brokered = qos > 0
        self._broker = broker
        self.faults = RelayFaults(between, self.adapter)
        self.talk = Talk(self.units)
        self._topic = broker.name("contract")
        self._qos = qos
        self._settings: dict[str, Any] = {
            "port": between.port,
            "topics": [f"{self._topic}/#"],
            "qos": qos,
            "version": version,
            "client_id": broker.name("client"),
            "keepalive_s": 0.8,
            "connect_timeout_s": 1.0,
            "close_timeout_s": 0.4,
            "buffer_bytes": _BUFFER,
        }

    def adapter(self) -> CfxMqttAdapter:
        return test_cfx_mqtt.adapter(self._broker, **self._settings)

    def stations(self) -> Stations:
        return self.talk.stations(self.adapter().name)

    async def _publish(self, unit: int, payloads: Sequence[bytes]) -> None:
        topic = f"{self._topic}/{self.talk.handles[unit].replace('.', '/')}"
        options = mqtt.Options(host=self._broker.host, port=self._broker.port, clean=True)
        async with mqtt.session(options) as session:
            await asyncio.gather(*(session.publish(topic, payload) for payload in payloads))

    async def say(self, *numbers: int, unit: int = 0, filler: int = 0) -> None:
        await self._publish(unit, [self.talk.envelope(number, unit, filler) for number in numbers])

    async def garbage(self, unit: int = 0) -> None:
        await self._publish(unit, [GARBAGE])

    async def work_begins(self) -> None:
        await self._publish(0, [self.talk.work_begins()])

    async def work_ends(self) -> None:
        await self._publish(0, [self.talk.work_ends()])


@asynccontextmanager
async def _open(broker: Mosquitto, folder: Path, *, qos: int, version: str) -> AsyncIterator[CfxMqttRig]:
    async with relay(lambda: broker.port) as between:
        yield CfxMqttRig(broker, between, qos=qos, version=version)


def _entry(name: str, *, qos: int, version: str) -> Entry:
    return Entry(name, partial(_open, qos=qos, version=version), "mosquitto", (pytest.mark.mosquitto,))


RIGS = (
    _entry("cfx-mqtt", qos=1, version="3.1.1"),
    _entry("cfx-mqtt-qos0", qos=0, version="5"),
)
