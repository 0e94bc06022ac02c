"""The demo line: the first machine speaks CFX over MQTT to a broker, the second AMQP 1.0 straight to a listener."""

from __future__ import annotations

from simulators.faces.cfx_amqp import CfxAmqpFace
from simulators.faces.cfx_mqtt import CfxMqttFace
from simulators.line import run
from simulators.model import demo_line
from simulators.outbox import Taken, ignore

HEARTBEAT_S = 10.0
"""Real seconds between heartbeats of the demo's machines, at any speed. CFX wants one every five minutes at least."""


async def machines(
    mqtt: tuple[str, int],
    amqp: tuple[str, int],
    *,
    speed: float = 10.0,
    seed: int | None = None,
    retry_s: float = 1.0,
    stop_s: float = 2.0,
    taken: Taken = ignore,
) -> None:
    """Runs the demo line until cancelled (see `simulators.line.run`).

    mqtt, amqp: host and port of the broker and of the listener; neither has to be there yet, and each may go and
    come back. retry_s: how often a machine tries to connect.
    """
    line = demo_line(heartbeat=HEARTBEAT_S * speed)
    first, second = (machine.handle for machine in line.machines)
    faces = (
        CfxMqttFace(handle=first, host=mqtt[0], port=mqtt[1], retry_s=retry_s),
        CfxAmqpFace(handle=second, host=amqp[0], port=amqp[1], retry_s=retry_s),
    )
    await run(line, faces, speed=speed, seed=seed, stop_s=stop_s, taken=taken)
