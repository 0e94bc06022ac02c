"""The packaged configuration and the simulated line, brought together: each source finds its machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from adapters.registry import protocols
from gateway import resources
from gateway.cli.demo_pace import looked_at
from gateway.config.address import Address
from gateway.config.load import load
from gateway.config.plan import Resolved, StationPlan, resolve

if TYPE_CHECKING:
    from simulators.line_up import Place

Where = tuple[str, int]


def packaged(folder: Path) -> Resolved:
    """The configuration that comes with Lineside, its relative paths starting at that folder."""
    return resolve(load(resources.config_dir() / resources.FILE, protocols(), folder=folder))


def places(resolved: Resolved, folder: Path) -> Iterator[Place]:
    """Where the stations' machines are to stand. folder: for files and pseudo terminals."""
    from simulators.line_up import Place
    from simulators.voices.layout import Layout

    profiles = (resources.config_dir() / resources.PROFILES,)
    for station in resolved.stations:
        route = station.routes[0]
        settings = resolved.connections[route.connection]
        protocol = str(getattr(settings, "protocol", ""))
        bound = station.bound
        texts = bound is not None and bound.records is not None
        yield Place(
            station=station.id,
            protocol=protocol,
            handle=route.handles[0] if route.handles else None,
            bound=bound,
            layout=Layout.load(bound.name, profiles) if bound is not None and texts else None,
            unit=1 if route.unit is None else route.unit,
            zone=station.zone,
            settings={"path": folder / station.id} if protocol == "files" else {},
        )


def moved(
    resolved: Resolved,
    addresses: Mapping[str, Mapping[str, Any]],
    *,
    folder: Path,
    listen: Address,
    mqtt: Where,
    amqp: Where,
    speed: float,
) -> Resolved:
    """With the addresses that the machines really have, and with looks at them as often as they are played fast."""
    updates: dict[str, dict[str, Any]] = {
        station.routes[0].connection: dict(addresses.get(station.id, {})) for station in resolved.stations
    }
    for name, settings in resolved.connections.items():
        match getattr(settings, "protocol", ""):
            case "cfx-mqtt":
                updates[name] = {"host": mqtt[0], "port": mqtt[1]}
            case "cfx-amqp":
                updates[name] = {"listen": f"{amqp[0]}:{amqp[1]}"}
    connections = {
        name: settings.model_copy(update=updates.get(name, {})) for name, settings in resolved.connections.items()
    }
    config = resolved.config
    config = config.model_copy(
        update={
            "http": config.http.model_copy(update={"listen": listen}),
            "journal": config.journal.model_copy(update={"path": folder / "lineside.db", "ballast": 0}),
        }
    )
    stations = tuple(_quicker(station, speed) for station in resolved.stations)
    return msgspec.structs.replace(resolved, config=config, connections=connections, stations=stations)


def _quicker(station: StationPlan, speed: float) -> StationPlan:
    if station.bound is None:
        return station
    return msgspec.structs.replace(station, bound=looked_at(station.bound, speed))
