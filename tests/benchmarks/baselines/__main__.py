"""One receiver, as a process: its name, its port, and what else it takes."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from tests.benchmarks.baselines.amqp import amqp_container, amqp_engine
from tests.benchmarks.baselines.modbus import modbus
from tests.benchmarks.baselines.mqtt import mqtt, mqtt_raw, mqtt_thread

MQTT = {"mqtt": mqtt, "mqtt-thread": mqtt_thread, "mqtt-raw": mqtt_raw}
MODBUS = {"modbus": asyncio.run, "modbus-uvloop": uvloop.run}

name, port, *rest = sys.argv[1:]
if name in MQTT:
    client_id, topic, path = rest
    MQTT[name](int(port), client_id, topic, Path(path))
elif name in MODBUS:
    registers, path = rest
    MODBUS[name](modbus([int(each) for each in port.split(",")], int(registers), Path(path)))
else:
    credit, path = rest
    if name == "amqp-engine":
        uvloop.run(amqp_engine(int(port), int(credit), Path(path)))
    elif name == "amqp-container":
        amqp_container(int(port), int(credit), Path(path))
