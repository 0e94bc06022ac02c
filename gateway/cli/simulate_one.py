"""One simulated machine that is no bus of registers: text, files, nodes, Hermes, CFX."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gateway.core.errors import ConfigError, LinesideError
from gateway.profile.bound import Bound

if TYPE_CHECKING:
    from simulators.line_up import Place
    from simulators.model.scenario import Scenario

STATION = "machine"
Where = tuple[str, int]
_TOLD = {"files": ("inspection", "test"), "serial-text": ("read", "test"), "tcp-text": ("read", "test")}
"""Records that simulated machines can write, by protocol."""


def place_of(
    bound: Bound, profiles: tuple[Path, ...], *, listen: Where | None, serial: Path | None, folder: Path | None
) -> Place:
    """Where a machine of that profile stands. Raises ConfigError for a way to reach it that its protocol has not."""
    from simulators.line_up import Place
    from simulators.voices.layout import Layout

    given = {"--listen": listen, "--serial": serial, "--folder": folder}
    protocol = bound.protocol
    fits = {"opcua": "--listen", "tcp-text": "--listen", "serial-text": "--serial", "files": "--folder"}[protocol]
    for option, value in given.items():
        if value is not None and option != fits:
            raise ConfigError([f"{option}: {bound.name} is of {protocol}; allowed: {fits}"])
    layout = Layout.load(bound.name, profiles) if bound.records is not None else None
    if layout is not None and not any(layout.has(each) for each in _TOLD[protocol]):
        raise ConfigError(
            [f"{bound.name}: machines of {protocol} are simulated that tell of {' or '.join(_TOLD[protocol])}"]
        )
    settings: dict[str, Any] = {}
    if listen is not None:
        settings = {"host": listen[0], "port": listen[1]}
    elif serial is not None:
        settings = {"port": str(serial)}
    elif folder is not None:
        settings = {"path": folder}
    return Place(station=STATION, protocol=protocol, bound=bound, layout=layout, settings=settings)


def hermes_place(listen: Where | None) -> Place:
    from simulators.line_up import Place

    settings: Mapping[str, Any] = {} if listen is None else {"host": listen[0], "port": listen[1]}
    return Place(station=STATION, protocol="hermes-vertical", settings=settings)


def cfx_place(handle: str, *, mqtt: bool) -> Place:
    from simulators.line_up import Place

    return Place(station=STATION, protocol="cfx-mqtt" if mqtt else "cfx-amqp", handle=handle)


def scenario_of(machine_class: str, protocol: str) -> Scenario:
    """One machine of that class, with panels that come from nowhere. Raises ConfigError for one that is not modelled, or
    not as one that speaks the protocol.
    """
    import msgspec

    from simulators.model.demo import demo_scenario
    from simulators.model.scenario import Kind

    demo = demo_scenario()
    model = next((each for each in demo.stations if each.kind.value == machine_class), None)
    if protocol.startswith("cfx"):
        kinds = {Kind.PRINTER, Kind.SPI, Kind.PLACER, Kind.REVIEW}
    elif protocol.startswith("hermes"):
        kinds = {each.kind for each in demo.stations if each.in_line}
    else:
        kinds = set(Kind)
    if model is None or model.kind not in kinds:
        allowed = ", ".join(sorted(kind.value for kind in kinds))
        raise ConfigError([f"{machine_class}: no such machine is simulated over {protocol}; allowed: {allowed}"])
    alone = demo.only(model.id)
    named = tuple(msgspec.structs.replace(each, id=STATION) if each.id == model.id else each for each in alone.stations)
    products = tuple(
        msgspec.structs.replace(
            product,
            bill=tuple(
                msgspec.structs.replace(line, station=STATION) if line.station == model.id else line
                for line in product.bill
            ),
        )
        for product in alone.products
    )
    return msgspec.structs.replace(alone, stations=named, products=products)


async def run(
    scenario: Scenario,
    place: Place,
    *,
    told: str,
    to: Where | None,
    speed: float,
    seed: int | None,
    stop: asyncio.Event,
) -> None:
    """Until `stop` is set. to: broker or listener of a machine that speaks CFX. told: about the machine, for people."""
    from simulators.line_up import World, line_up
    from simulators.model.world import happen
    from simulators.pace import Pace, SystemClock
    from simulators.player import Player

    seed = secrets.randbelow(2**32) if seed is None else seed
    at = ("127.0.0.1", 0) if to is None else to
    with tempfile.TemporaryDirectory(prefix="lineside-") as folder:
        world = World(
            scenario=scenario, seed=seed, folder=Path(folder), mqtt=at, amqp=at, heartbeat_s=max(10.0 * speed, 1.0)
        )
        async with line_up(world, [place]) as line, line.connected():
            address = ", ".join(f"{key} {value}" for key, value in line.addresses[STATION].items())
            typer.echo(f"{told}\n{place.protocol}: {address or f'{at[0]}:{at[1]}'}; speed {speed:g}, seed {seed}")
            typer.echo("Ctrl-C stops it.")
            player = Player(line.machines, Pace(SystemClock(), speed))
            playing = asyncio.create_task(player.play(happen(scenario, seed)), name="machine")
            waiting = asyncio.create_task(stop.wait(), name="stop")
            try:
                done, _ = await asyncio.wait({playing, waiting}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    _check(task)
            finally:
                for task in (playing, waiting):
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
                await player.end()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(2.0):
                        for client in line.clients:
                            await client.empty()


def _check(task: asyncio.Task[Any]) -> None:
    """Raises what it has failed with; that a profile has no words for what has happened is no mistake of ours."""
    try:
        task.result()
    except ValueError as error:
        raise LinesideError(f"it cannot be told in the words of this profile: {error}") from error
