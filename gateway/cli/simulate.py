"""`lineside simulate`: one machine, for anything that speaks its protocol."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gateway import resources
from gateway.cli import simulate_one as one
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
    profile: Annotated[
        str,
        typer.Argument(
            help="CLASS/MODEL, or the path of a profile's .toml file; with --hermes, --mqtt or --amqp the class alone."
        ),
    ],
    listen: Annotated[
        str | None,
        typer.Option(help="Address of a machine that serves; port 0 takes a free one. Default: 127.0.0.1:0."),
    ] = None,
    rtu: Annotated[
        bool, typer.Option("--rtu", help="With --listen: RTU over TCP, as behind a serial converter.")
    ] = False,
    serial: Annotated[
        Path | None,
        typer.Option(
            help="Serial port, for Modbus RTU or text. Where there is none, a pseudo terminal is made and linked there; masters other than Lineside are to open it with parity none."
        ),
    ] = None,
    baudrate: Annotated[int, typer.Option(min=50, help="Of the serial port.")] = 19_200,
    parity: Annotated[Literal["none", "even", "odd"], typer.Option(help="Of the serial port.")] = "even",
    folder: Annotated[Path | None, typer.Option(help="Where a machine that writes files writes them.")] = None,
    hermes: Annotated[bool, typer.Option("--hermes", help="Serves IPC-HERMES-9852, as its vertical channel.")] = False,
    mqtt: Annotated[
        str | None, typer.Option(help="HOST:PORT of the broker that a machine with CFX publishes to.")
    ] = None,
    amqp: Annotated[
        str | None, typer.Option(help="HOST:PORT of the listener that a machine with CFX connects to.")
    ] = None,
    handle: Annotated[str, typer.Option(help="CFX handle, with --mqtt or --amqp.")] = "Example.Machine.SN1",
    unit: Annotated[int, typer.Option(min=0, max=255, help="Number of the machine on its bus.")] = 1,
    speed: Annotated[float, typer.Option(min=0.1, max=1000, help="How much faster than life the machine works.")] = 1.0,
    seed: Annotated[int | None, typer.Option(help="Same seed, same panels. Default: a new one each time.")] = None,
    config: ConfigOption = None,
) -> None:
    """Run a simulated machine: out of a profile alone, or of a class with Hermes or CFX; Ctrl-C ends it.

    Panels come in, stay a while and leave; what the machine tells changes with them. Nothing can be written to it.

    Example: lineside simulate reflow_oven/example-10-zone --listen 127.0.0.1:1502 --speed 10

    Example: lineside simulate pick_and_place --mqtt 127.0.0.1:1883 --handle Example.Placer.SN1
    """
    if hermes or mqtt is not None or amqp is not None:
        if sum((hermes, mqtt is not None, amqp is not None)) > 1:
            raise ConfigError(["--hermes, --mqtt and --amqp: allowed: one of them"])
        others = {"--serial": serial, "--folder": folder, "--rtu": rtu or None, "--listen": None if hermes else listen}
        if stray := [option for option, value in others.items() if value is not None]:
            raise ConfigError([f"{', '.join(stray)}: not with --{'hermes' if hermes else 'mqtt' if mqtt else 'amqp'}"])
        log_to_stderr(verbose=False, quiet=True)
        _by_class(profile, listen=listen, mqtt=mqtt, amqp=amqp, handle=handle, speed=speed, seed=seed)
        return
    if serial is not None and (listen is not None or rtu):
        raise ConfigError(["--serial: stands beside --listen or --rtu; allowed: one way to reach the machine"])
    if (serial is not None or rtu) and not 1 <= unit <= 247:
        raise ConfigError([f"--unit: {unit} is no address on a serial line; allowed: 1 to 247"])
    log_to_stderr(verbose=False, quiet=True)
    profiles_in = profiles.folders(resources.base_folder(resources.find_config(config)))
    bound = profiles.read(profile, profiles_in, Path.cwd())
    if bound.registers is None:
        _by_profile(bound, profiles_in, listen=listen, serial=serial, folder=folder, speed=speed, seed=seed)
        return
    if folder is not None:
        raise ConfigError([f"--folder: {bound.name} is of registers; allowed: --listen or --serial"])
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


def _by_profile(
    bound: Bound,
    profiles_in: tuple[Path, ...],
    *,
    listen: str | None,
    serial: Path | None,
    folder: Path | None,
    speed: float,
    seed: int | None,
) -> None:
    where = None if listen is None else _address("--listen", listen)
    place = one.place_of(bound, profiles_in, listen=where, serial=serial, folder=folder)
    scenario = one.scenario_of(bound.machine_class, bound.protocol)

    async def main(stop: asyncio.Event) -> None:
        await one.run(scenario, place, told=_told(bound), to=None, speed=speed, seed=seed, stop=stop)
        typer.echo("stopped")

    run_until_signal(main)


def _by_class(
    machine_class: str,
    *,
    listen: str | None,
    mqtt: str | None,
    amqp: str | None,
    handle: str,
    speed: float,
    seed: int | None,
) -> None:
    to: one.Where | None = None
    if mqtt is not None:
        to, place, told = _address("--mqtt", mqtt), one.cfx_place(handle, mqtt=True), f"{machine_class}: {handle}"
    elif amqp is not None:
        to, place, told = _address("--amqp", amqp), one.cfx_place(handle, mqtt=False), f"{machine_class}: {handle}"
    else:
        place = one.hermes_place(None if listen is None else _address("--listen", listen))
        told = f"{machine_class}: its vertical channel"
    scenario = one.scenario_of(machine_class, place.protocol)

    async def main(stop: asyncio.Event) -> None:
        await one.run(scenario, place, told=told, to=to, speed=speed, seed=seed, stop=stop)
        typer.echo("stopped")

    run_until_signal(main)


def _address(option: str, text: str) -> one.Where:
    try:
        address = Address.parse(text)
    except ValueError as error:
        raise ConfigError([f"{option}: {error}"]) from None
    return address.host, address.port


def _listen(text: str, *, rtu: bool) -> Listen:
    from simulators.faces.modbus import Listen

    host, port = _address("--listen", text)
    return Listen(host=host, port=port, framing="rtu" if rtu else "tcp")


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
    return f"""\
{_told(bound)}
{protocol} on {bus.face.place}, unit {unit}; speed {speed:g}, seed {bus.seed}
Ctrl-C stops it."""


def _told(bound: Bound) -> str:
    evidence = "" if bound.evidence_source is None else f" ({bound.evidence_source})"
    return f"{bound.name}: {bound.models[0]}; profile's evidence: {bound.evidence}{evidence}"
