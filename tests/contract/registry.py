"""Every rig that the suite runs with, in one place. A new adapter's rig is one more line."""

from __future__ import annotations

from tests.contract.rig import Entry
from tests.contract.rigs import (
    cfx_amqp_broker,
    cfx_amqp_listener,
    cfx_mqtt,
    files,
    hermes,
    modbus,
    opcua,
    serial_text,
    tcp_text,
)

RIGS: tuple[Entry, ...] = (
    *cfx_mqtt.RIGS,
    *cfx_amqp_listener.RIGS,
    *cfx_amqp_broker.RIGS,
    *hermes.RIGS,
    *modbus.RIGS,
    *opcua.RIGS,
    *tcp_text.RIGS,
    *serial_text.RIGS,
    *files.RIGS,
)
