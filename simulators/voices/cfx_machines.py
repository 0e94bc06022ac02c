"""The machines of a scenario that speak CFX."""

from __future__ import annotations

from simulators.model.scenario import Kind, Scenario
from simulators.voices.cfx import CfxVoice, Trade
from simulators.voices.cfx_mouth import Manner
from simulators.voices.cfx_placement import Placing
from simulators.voices.cfx_printer import Printing
from simulators.voices.cfx_review import Reviewing
from simulators.voices.cfx_spi import Inspecting

_OUTAGE_EVERY_S = 1800.0
"""Assumption: often enough for a short demonstration to show one; a network that is merely bad has a few in a shift."""


def cfx_voice(
    scenario: Scenario, station: str, handle: str, *, seed: int, heartbeat_s: float = 60.0, zone: str = "UTC"
) -> CfxVoice:
    """The voice of that station, as peculiar as the scenario's switches make it.

    heartbeat_s: in virtual seconds. zone: IANA name of where the machine stands, for one that writes local time without
    saying so. Raises ScenarioError for a station that is not in the scenario, ValueError for one of another kind.
    """
    switches = scenario.switches
    manner = Manner(
        heartbeat_s=heartbeat_s,
        count_only=station in switches.count_only,
        copies=switches.duplicate_unique_ids,
        constant_id=station in switches.constant_unique_ids,
        outage_every_s=_OUTAGE_EVERY_S if station in switches.buffered_burst else None,
        zone=zone if station in switches.local_time_without_zone else None,
    )
    return CfxVoice(station, handle, _trade(scenario, station), seed=seed, manner=manner)


def _trade(scenario: Scenario, station: str) -> Trade:
    kind = scenario.station(station).kind
    match kind:
        case Kind.PRINTER:
            return Printing()
        case Kind.SPI:
            return Inspecting()
        case Kind.PLACER:
            return Placing(station)
        case Kind.REVIEW:
            return Reviewing(scenario.of(Kind.AOI)[0].id)
    raise ValueError(f"{station}: no {kind.value} that speaks CFX is simulated")
