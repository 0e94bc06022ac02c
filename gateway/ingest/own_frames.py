"""Frames of the gateway's own: what a class is stepped with although nothing came from its machine."""

from __future__ import annotations

from gateway.core.frame import LOST, TICK, Frame
from gateway.core.observation import Lost, Tick
from gateway.core.times import Micros

_KEPT = "kept"


def frame_of(connection: str, observation: Lost | Tick, at: Micros) -> Frame:
    """From which `observation_of` makes the same again."""
    meta = {_KEPT: 1} if isinstance(observation, Lost) and observation.kept else {}
    channel, payload = LOST if isinstance(observation, Lost) else TICK, observation.station.encode()
    return Frame(connection=connection, received=at, channel=channel, payload=payload, meta=meta)


def observation_of(frame: Frame) -> Lost | Tick | None:
    """None for a frame that came from a machine."""
    if frame.channel == TICK:
        return Tick(frame.payload.decode())
    if frame.channel == LOST:
        return Lost(frame.payload.decode(), bool(frame.meta.get(_KEPT)))
    return None
