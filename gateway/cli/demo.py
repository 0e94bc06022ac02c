"""`lineside demo`: simulated machines, a broker and the gateway in one command."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from gateway import resources
from gateway.cli.common import VerboseOption, log_to_stderr, run_until_signal
from gateway.config.address import Address
from gateway.config.load import load
from gateway.config.plan import Resolved, resolve
from gateway.wiring import Gateway, protocols


def command(
    listen: Annotated[str, typer.Option(help="Address of the API.")] = "127.0.0.1:8080",
    speed: Annotated[
        float, typer.Option(min=0.1, max=1000, help="How much faster than life the machines work.")
    ] = 10.0,
    seed: Annotated[int | None, typer.Option(help="Same seed, same boards. Default: a new one each time.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Keep the journal in this folder. Default: a new one that is removed.")
    ] = None,
    verbose: VerboseOption = False,
) -> None:
    """Run two simulated pick-and-place machines (one MQTT, one AMQP), a broker and the gateway; Ctrl-C ends it.

    Example: lineside demo --speed 60
    """
    log_to_stderr(verbose=verbose, quiet=not verbose)

    async def main(stop: asyncio.Event) -> None:
        with contextlib.ExitStack() as stack:
            folder = (
                data if data is not None else Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lineside-")))
            )
            folder.mkdir(parents=True, exist_ok=True)
            await _demo(folder, listen, speed, seed, stop)

    run_until_signal(main)


async def _demo(folder: Path, listen: str, speed: float, seed: int | None, stop: asyncio.Event) -> None:
    from simulators.broker import private_broker
    from simulators.demo import machines

    (folder / "broker").mkdir(exist_ok=True)
    async with private_broker(folder / "broker") as broker:
        port = _free_port()
        resolved = _resolved(folder, listen, (broker.host, broker.port), port)
        gateway = Gateway(resolved)
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        end = asyncio.Event()  # the machines say goodbye first, and are heard
        running = asyncio.create_task(gateway.run(end, ready=ready.set_result), name="gateway")
        waited: set[asyncio.Future[Any]] = {running, ready}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            ready.cancel()
            await running
            return
        typer.echo(_screen(ready.result(), broker.kind))
        factory = asyncio.create_task(
            machines(mqtt=(broker.host, broker.port), amqp=("127.0.0.1", port), speed=speed, seed=seed), name="machines"
        )
        try:
            await asyncio.wait(
                {running, factory, asyncio.create_task(stop.wait(), name="stop")}, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            factory.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await factory
            end.set()
            await running
        typer.echo("stopped")


def _resolved(folder: Path, listen: str, mqtt: tuple[str, int], port: int) -> Resolved:
    """The packaged demo configuration, moved to this folder and these ports."""
    resolved = resolve(load(resources.config_dir() / "lineside.toml", protocols(), folder=folder))
    config = resolved.config
    connections = dict(resolved.connections)
    connections["plant-broker"] = connections["plant-broker"].model_copy(update={"host": mqtt[0], "port": mqtt[1]})
    connections["p2p"] = connections["p2p"].model_copy(update={"listen": f"127.0.0.1:{port}"})
    config = config.model_copy(
        update={
            "http": config.http.model_copy(update={"listen": Address.parse(listen)}),
            "journal": config.journal.model_copy(update={"path": folder / "lineside.db", "ballast": 0}),
        }
    )
    return msgspec.structs.replace(resolved, config=config, connections=connections)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _screen(url: str, broker: str) -> str:
    api = f"{url}/api/v1"
    return f"""
Lineside demo: two pick-and-place machines, one over MQTT (broker: {broker}), one over AMQP 1.0.

  live events    curl -N {api}/events/stream
  history        curl '{api}/events?limit=5'
  stations       curl {api}/stations
  all of the API {api}/docs

Ctrl-C stops it.
"""
