"""Who plays the machines of which protocol."""

from __future__ import annotations

from collections.abc import Mapping

from simulators.replay.actor import Actor, MakeActor, Role, Stage, Unplayable
from simulators.replay.cfx import cfx_amqp
from simulators.replay.files import FilesActor
from simulators.replay.hermes import HermesActor
from simulators.replay.mqtt import MqttActor
from simulators.replay.registers import RegistersActor
from simulators.replay.text import text


def _nodes(role: Role, stage: Stage) -> Actor:
    # Loading its library takes longer than everything else here.
    from simulators.replay.nodes import NodesActor

    return NodesActor(role, stage)


ACTORS: Mapping[str, MakeActor] = {
    "cfx-amqp": cfx_amqp,
    "cfx-mqtt": MqttActor,
    "files": FilesActor,
    "hermes-vertical": HermesActor,
    "modbus-rtu": RegistersActor,
    "modbus-rtu-tcp": RegistersActor,
    "modbus-tcp": RegistersActor,
    "opcua": _nodes,
    "serial-text": text,
    "tcp-text": text,
}


def actor(role: Role, stage: Stage) -> Actor:
    """Raises Unplayable for a protocol that nobody plays, and a role that does not fit its protocol."""
    make = ACTORS.get(role.protocol)
    if make is None:
        raise Unplayable(f"{role.connection}: nobody plays {role.protocol}; allowed: {', '.join(sorted(ACTORS))}")
    return make(role, stage)
