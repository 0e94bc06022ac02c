"""`lineside simulate`: one machine out of its profile, for anything that reads Modbus."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gateway import resources
from gateway.cli.common import ConfigOption, log_to_stderr, run_until_signal
from gateway.config import profiles
from gateway.config.address import Address
from gateway.core.errors import ConfigError
from gateway.profile.bound import Bound
from gateway.transport.modbus_wire import Serial

if TYPE_CHECKING:
    from simulators.faces.modbus import Listen
    from simulators.register_machine import MachineBus


def command(
    profile: Annotated[str, typer.Argument(help="CLASS/MODEL, or the path of a profile's .toml file.")],
    listen: Annotated[
        str | None, typer.Option(help="Address for Modbus TCP; port 0 takes a free one. Default: 127.0.0.1:0.")
    ] = None,
    rtu: Annotated[
        bool, typer.Option("--rtu", help="With --listen: RTU over TCP, as behind a serial converter.")
    ] = False,
    serial: Annotated[
        Path | None,
        typer.Option(
            help="Serial port for Modbus RTU. Where there is none, a pseudo terminal is made and linked there; masters other than Lineside are to open it with parity none."
        ),
    ] = None,
    baudrate: Annotated[int, typer.Option(min=50, help="Of the serial port.")] = 19_200,
    parity: Annotated[Literal["none", "even", "odd"], typer.Option(help="Of the serial port.")] = "even",
    unit: Annotated[int, typer.Option(min=0, max=255, help="Number of the machine on its bus.")] = 1,
    speed: Annotated[float, typer.Option(min=0.1, max=1000, help="How much faster than life the machine works.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="Same seed, same panels. Default: a new one each time.")] = None,
    config: ConfigOption = None,
) -> None:
    """Run a simulated machine that is made from a profile alone; Ctrl-C ends it.

    Panels come in, stay a while and leave; what the profile reads changes with them. Nothing can be written to it.

    Example: lineside simulate reflow_oven/example-10-zone --listen 127.0.0.1:1502 --speed 10
    """
    if serial is not None and (listen is not None or rtu):
        raise ConfigError(["--serial: stands beside --listen or --rtu; allowed: one way to reach the machine"])
    if (serial is not None or rtu) and not 1 <= unit <= 247:
        raise ConfigError([f"--unit: {unit} is no address on a serial line; allowed: 1 to 247"])
    log_to_stderr(verbose=False, quiet=True)
    bound = _bound(profile, config)
    place = (
        _listen(listen or "127.0.0.1:0", rtu=rtu)
        if serial is None
        else Serial(port=str(serial), baudrate=baudrate, parity=parity)
    )

    async def main(stop: asyncio.Event) -> None:
        from simulators.register_machine import run_machines

        async with run_machines(place, {unit: bound}, speed=speed, seed=seed) as bus:
            spoken = "Modbus RTU" if serial else "Modbus RTU over TCP" if rtu else "Modbus TCP"
            typer.echo(_screen(bound, spoken, bus, unit, speed))
            await _until(stop, bus)
        typer.echo("stopped")

    run_until_signal(main)


def _bound(profile: str, config: Path | None) -> Bound:
    base = resources.base_folder(resources.find_config(config))
    bound = profiles.read(profile, profiles.folders(base), Path.cwd())
    if bound.registers is None:
        raise ConfigError(
            [f"{bound.name}: protocol: {bound.protocol!r} cannot be simulated in this version; allowed: modbus"]
        )
    return bound


def _listen(text: str, *, rtu: bool) -> Listen:
    from simulators.faces.modbus import Listen

    try:
        address = Address.parse(text)
    except ValueError as error:
        raise ConfigError([f"--listen: {error}"]) from None
    return Listen(host=address.host, port=address.port, framing="rtu" if rtu else "tcp")


async def _until(stop: asyncio.Event, bus: MachineBus) -> None:
    """Until that is set; or raises what a machine has failed with."""
    waiting = {asyncio.create_task(stop.wait(), name="stop"), asyncio.create_task(bus.ended(), name="machines")}
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in waiting:
            task.cancel()


def _screen(bound: Bound, protocol: str, bus: MachineBus, unit: int, speed: float) -> str:
    evidence = "" if bound.evidence_source is None else f" ({bound.evidence_source})"
    return f"""\
{bound.name}: {bound.models[0]}; profile's evidence: {bound.evidence}{evidence}
{protocol} on {bus.face.place}, unit {unit}; speed {speed:g}, seed {bus.seed}
Ctrl-C stops it."""
