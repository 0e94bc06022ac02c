"""`lineside demo`: a simulated line, a broker and the gateway in one command."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway import resources
from gateway.cli.common import VerboseOption, log_to_stderr, run_until_signal
from gateway.cli.demo_line import moved, packaged, places
from gateway.config.address import Address
from gateway.core.errors import ConfigError
from gateway.wiring import Gateway

if TYPE_CHECKING:
    from simulators.line_up import LineUp, World
    from simulators.model.scenario import Scenario
    from simulators.script import Script

_JOURNAL = "lineside.db"
_HEARTBEAT_S = 10.0
"""Real seconds between heartbeats of the demo's machines, at any speed. CFX wants one every five minutes at least."""
_CLOCKS_AT_H = 2.0
"""Clocks are put back in the middle of a shift, or of so many hours of a line without end."""
_CONNECTING_S = 15.0
_QUIET_S = 5.0
"""When nothing new has come for so long after the end of a shift, all of it is there: longer than files must rest."""
_SETTLING_S = 120.0


def command(
    listen: Annotated[str, typer.Option(help="Address of the API.")] = "127.0.0.1:8080",
    speed: Annotated[
        float, typer.Option(min=0.1, max=1000, help="How much faster than life the machines work.")
    ] = 10.0,
    hours: Annotated[
        float | None,
        typer.Option(
            min=0.01, help="Hours of the line's own time; then it runs empty and this ends. Default: for ever."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same boards. Default: a new one each time.")] = None,
    scenario: Annotated[
        str | None,
        typer.Option(help="What is different from the demo line: a TOML file, or `everything` for all that disturbs."),
    ] = None,
    troubles: Annotated[
        str | None,
        typer.Option(help="What goes wrong with the machines' interfaces, and when: a TOML file, or `storm`."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Keep the journal and the ledger in this folder. Default: a new one that is removed."),
    ] = None,
    verbose: VerboseOption = False,
) -> None:
    """Run a simulated line of thirteen machines, each in its own protocol, and the gateway; Ctrl-C ends it.

    Example: lineside demo --speed 60 --hours 8 --data shift
    """
    log_to_stderr(verbose=verbose, quiet=not verbose)
    at, simulated, script = _address(listen), _scenario(scenario, hours), _packaged("--troubles", troubles)

    async def main(stop: asyncio.Event) -> None:
        with contextlib.ExitStack() as stack:
            folder = (
                data if data is not None else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lineside-")))
            )
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError([f"--data: {folder}: {error.strerror}"]) from None
            if (folder / _JOURNAL).exists():
                raise ConfigError([f"--data: {folder} holds a journal already; allowed: a new folder"])
            demo = _Demo(folder.absolute(), at, speed, seed, simulated, script)
            await demo.run(stop)
            if data is not None and demo.ledger.exists():
                typer.echo(f"compare it with what really happened: {demo.compare}")

    run_until_signal(main)


class _Demo:
    """folder: for everything. ledger: what really happened."""

    def __init__(
        self,
        folder: Path,
        listen: Address,
        speed: float,
        seed: int | None,
        scenario: Scenario,
        troubles: Path | None,
    ) -> None:
        self.folder = folder
        self.ledger = folder / "line.ledger"
        self._listen = listen
        self._speed = speed
        self._seed = secrets.randbelow(2**32) if seed is None else seed
        self._scenario = scenario
        self._troubles = troubles

    @property
    def compare(self) -> str:
        return f"lineside reconcile {self.ledger} --journal {self.folder / _JOURNAL}"

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set, or the shift is over."""
        from simulators.broker import private_broker
        from simulators.line_up import World, line_up

        broker_folder = self.folder / "broker"
        broker_folder.mkdir(exist_ok=True)
        async with contextlib.AsyncExitStack() as stack:
            broker = await stack.enter_async_context(private_broker(broker_folder))
            mqtt, amqp = (broker.host, broker.port), ("127.0.0.1", _free_port())
            world = World(
                scenario=self._scenario,
                seed=self._seed,
                folder=self.folder,
                mqtt=mqtt,
                amqp=amqp,
                heartbeat_s=_HEARTBEAT_S * self._speed,
                failing=self._troubles is not None,
            )
            resolved = packaged(self.folder)
            line = await stack.enter_async_context(line_up(world, places(resolved, self.folder)))
            script = self._script(line)
            gateway = Gateway(
                moved(
                    resolved,
                    line.addresses,
                    folder=self.folder,
                    listen=self._listen,
                    mqtt=mqtt,
                    amqp=amqp,
                    speed=self._speed,
                )
            )
            await self._run(gateway, world, line, script, broker.kind, stop)

    async def _run(
        self, gateway: Gateway, world: World, line: LineUp, script: Script, broker: str, stop: asyncio.Event
    ) -> None:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        end = asyncio.Event()  # the machines say goodbye first, and are heard
        running = asyncio.create_task(gateway.run(end, ready=ready.set_result), name="gateway")
        waited: set[asyncio.Future[Any]] = {running, ready}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            ready.cancel()
            await running
            return
        typer.echo(_screen(ready.result(), broker, self._seed, self._speed))
        living = asyncio.create_task(self._live(gateway, world, line, script), name="line")
        try:
            done, _ = await asyncio.wait(
                {running, living, asyncio.create_task(stop.wait(), name="stop")}, return_when=asyncio.FIRST_COMPLETED
            )
            if living in done:
                living.result()
        finally:
            living.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await living
            end.set()
            await running
        typer.echo("stopped" if living.cancelled() else "the shift is over")

    async def _live(self, gateway: Gateway, world: World, line: LineUp, script: Script) -> None:
        """Until the shift is over and all of it is stored; or until cancelled."""
        from simulators.ledger import Ledger, digest
        from simulators.model.world import happen
        from simulators.pace import Pace, SystemClock
        from simulators.player import Player
        from simulators.voices.voice import shows

        async with line.connected():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CONNECTING_S):  # what text nobody hears is lost, as in life
                    while not gateway.connected:  # noqa: ASYNC110, links do not tell anybody
                        await asyncio.sleep(0.05)
            pace = Pace(SystemClock(), self._speed)
            tells = {machine.voice.station: machine.voice.tells for machine in line.machines}
            shown = shows(machine.voice for machine in line.machines)
            with Ledger(self.ledger, self._seed, digest(world.scenario), tells, shown) as ledger:
                player = Player(line.machines, pace, script=script, ledger=ledger)
                try:
                    await player.play(happen(world.scenario, self._seed))
                finally:
                    await player.end()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(2.0):
                            for client in line.clients:
                                await client.empty()
                await _settled(gateway)

    def _script(self, line: LineUp) -> Script:
        from simulators.script import Script, put_back, read

        script = Script(()) if self._troubles is None else read(self._troubles, line.boards)
        switches = self._scenario.switches
        for station in switches.local_time_without_zone if switches.clock_change else ():
            script.add(put_back(station, (self._scenario.hours or _CLOCKS_AT_H) * 3600 / 2))
        return script


async def _settled(gateway: Gateway) -> None:
    """Returns when nothing new has come for a while."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _SETTLING_S
    seen, since = gateway.writer.head, loop.time()
    while loop.time() < end and loop.time() - since < _QUIET_S:
        await asyncio.sleep(0.2)
        if gateway.writer.head != seen:
            seen, since = gateway.writer.head, loop.time()


def _address(listen: str) -> Address:
    try:
        return Address.parse(listen)
    except ValueError as error:
        raise ConfigError([f"--listen: {error}"]) from None


def _packaged(option: str, name: str | None) -> Path | None:
    """A file, or one that comes with Lineside by its bare name."""
    if name is None or Path(name).suffix or Path(name).exists():
        return None if name is None else Path(name)
    path = resources.config_dir() / "scenarios" / f"{name}.toml"
    if not path.exists():
        named = ", ".join(sorted(each.stem for each in path.parent.glob("*.toml")))
        raise ConfigError([f"{option}: there is no {name!r}; allowed: the path of a TOML file, or one of {named}"])
    return path


def _scenario(name: str | None, hours: float | None) -> Scenario:
    import msgspec

    from simulators.model.demo import demo_scenario
    from simulators.model.scenario import ScenarioError, load

    path = _packaged("--scenario", name)
    try:
        scenario = demo_scenario() if path is None else load(path, demo_scenario())
    except (ScenarioError, OSError) as error:
        raise ConfigError([str(error)]) from None
    return scenario if hours is None else msgspec.structs.replace(scenario, hours=hours)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _screen(url: str, broker: str, seed: int, speed: float) -> str:
    api = f"{url}/api/v1"
    return f"""
Lineside demo: a simulated line of thirteen machines, each in its own protocol, and the gateway that hears them all.
CFX over AMQP 1.0 and MQTT (broker: {broker}), OPC UA, Modbus TCP and RTU, serial text, files, Hermes.
Speed {speed:g}, seed {seed}.

  live events    curl -N {api}/events/stream
  history        curl '{api}/events?limit=5'
  stations       curl {api}/stations
  all of the API {api}/docs

Ctrl-C stops it.
"""
