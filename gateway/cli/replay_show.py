"""A capture on its stage: the machines in their places, somebody to hear them, and how far it is."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import typer

from adapters.registry import protocols
from gateway.capture.reading import Capture
from gateway.cli import replay_config, replay_cues, replay_keys
from gateway.cli.replay_cues import Between
from gateway.config.address import Address
from gateway.config.captured import rebuild
from gateway.core.errors import ConfigError
from gateway.core.times import Micros, to_datetime

if TYPE_CHECKING:
    from simulators.replay.actor import Actor, Role
    from simulators.replay.performance import Cue, Performance, Progress

MQTT, AMQP = "cfx-mqtt", "cfx-amqp"
_SHOWN_S = 0.5


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants of it. speed: infinity is without any pause. stations: those to be played; all when empty. at:
    places by connection, or by protocol for all of one. listen: the host. held: from before the first frame on. stay: the
    machines do so at the end. Else as the options of `lineside replay`."""

    speed: float = 1.0
    max_gap_s: float | None = None
    stations: tuple[str, ...] = ()
    between: Between = Between()
    listen: str = "127.0.0.1"
    at: Mapping[str, str] = {}
    patience_s: float = 30.0
    wait_s: float | None = None
    config_out: Path | None = None
    loop: bool = False
    held: bool = False
    stay: bool = False


class Show:
    """One performance. written: set when the configuration for a second gateway is there. over: set when all is played.

    Raises ConfigError where nothing is between.
    """

    def __init__(self, capture: Capture, wishes: Wishes) -> None:
        self.written, self.over = asyncio.Event(), asyncio.Event()
        self._capture = capture
        self._wishes = wishes
        self._span = replay_cues.span(capture)
        replay_cues.check(wishes.between, self._span)

    async def run(self, stop: asyncio.Event, folder: Path) -> Progress:
        """Until all is played, or `stop` is set; with `stay` and `loop`, until that. folder: for what the machines need of the
        disk. Raises ConfigError, and LinesideError for what cannot be played."""
        from simulators.pace import SystemClock
        from simulators.replay.actor import Stage
        from simulators.replay.pace import Control, Pace
        from simulators.replay.performance import Performance, cast

        wishes = self._wishes
        first = self._capture.first
        resolved = replay_cues.chosen(rebuild(first.site, first.profiles, protocols()), wishes.stations)
        at = {key: place for key, place in wishes.at.items() if key not in (MQTT, AMQP)}
        at = {**_by_protocol(replay_cues.roles(resolved, {}), wishes.at), **at}
        stage = Stage(folder=folder, host=wishes.listen, speed=wishes.speed, patience_s=wishes.patience_s)
        async with contextlib.AsyncExitStack() as stack:
            brokers = await self._brokers(stack, replay_cues.roles(resolved, at), folder)
            roles = replay_cues.roles(resolved, {**brokers, **at})
            actors = await stack.enter_async_context(cast(roles, stage, self._cues(resolved.connections)))
            control = Control(paused=wishes.held)
            pace = Pace(SystemClock(), control, speed=wishes.speed, max_gap_s=wishes.max_gap_s)
            performance = Performance(actors, pace, control)
            self._tell(roles, actors)
            if any(part.site != first.site for part in self._capture.parts):
                typer.echo("the configuration changed in the capture; what its first file says is played")
            with replay_keys.listening(control.pause, control.step, stop.set) as keys:
                typer.echo(replay_keys.KEYS if keys else replay_keys.SIGNALS)
                playing = asyncio.create_task(self._play(performance, actors), name="replay")
                await _until(stop, playing, self._shown(performance.progress))
            self._ended(performance.progress)
            self.over.set()
            if wishes.stay and not stop.is_set():
                typer.echo("The machines stay as they are; Ctrl-C ends it.")
                await stop.wait()
            return performance.progress

    async def _brokers(self, stack: contextlib.AsyncExitStack, roles: list[Role], folder: Path) -> dict[str, str]:
        """Private ones: a broker is one plant's, and topics of two would be mixed."""
        from simulators.broker import private_broker

        found = {}
        for role in roles:
            if role.protocol == MQTT and role.at is None:
                own = folder / f"{role.connection}.broker"
                own.mkdir(exist_ok=True)
                broker = await stack.enter_async_context(private_broker(own))
                found[role.connection] = str(Address(broker.host, broker.port))
        return found

    def _cues(self, connections: Mapping[str, object]) -> Iterator[Cue]:
        return replay_cues.cues(self._capture, connections.keys(), self._wishes.between)

    async def _play(self, performance: Performance, actors: Mapping[str, Actor]) -> None:
        from simulators.replay.performance import met

        alone = await met(actors, self._wishes.wait_s)
        if alone:
            typer.echo(f"nobody is connected to: {', '.join(alone)}")
        typer.echo("playing")
        await performance.play(lambda: self._cues(actors), loop=self._wishes.loop, told=_told)

    def _tell(self, roles: list[Role], actors: Mapping[str, Actor]) -> None:
        """Where each machine is, and the configuration for a gateway that is to find them."""
        rows = [("connection", "protocol", "where", "stations")]
        for role in roles:
            seats = ", ".join(seat.station for seat in role.seats)
            rows.append((role.connection, role.protocol, actors[role.connection].place, seats))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if self._wishes.config_out is None:
            return
        from simulators.replay.address import free_port

        first = self._capture.first
        addresses = {name: each.addresses for name, each in actors.items()}
        out, speed = self._wishes.config_out, self._wishes.speed
        try:
            replay_config.write(out, first.site, first.profiles, addresses, port=free_port(), speed=speed)
        except OSError as error:
            raise ConfigError([f"--config-out: cannot write {error.filename or out}: {error.strerror}"]) from error
        typer.echo(f"a gateway that finds them: lineside run -c {self._wishes.config_out}")
        self.written.set()
        typer.echo(
            "waiting for it" if self._wishes.wait_s is None else f"waiting for it, at most {self._wishes.wait_s:g} s"
        )

    async def _shown(self, progress: Progress) -> None:
        """A line on a terminal that is written over, until cancelled."""
        if not sys.stderr.isatty():
            return
        while True:
            await asyncio.sleep(_SHOWN_S)
            if progress.at is not None:
                done = ""
                if self._span is not None and self._span[1] > self._span[0]:
                    share = (progress.at - self._span[0]) / (self._span[1] - self._span[0])
                    done = f"{min(max(share, 0.0), 1.0):4.0%} "
                waiting = f", waiting for {', '.join(sorted(progress.waiting))}" if progress.waiting else ""
                line = f"{done}{_clock(progress.at)}: {progress.played.total()} frames{waiting}"
                typer.echo(f"\r\x1b[K{line}", nl=False, err=True)

    def _ended(self, progress: Progress) -> None:
        if sys.stderr.isatty():
            typer.echo("\r\x1b[K", nl=False, err=True)
        rounds = f", {progress.rounds} times to its end" if progress.rounds > 1 else ""
        typer.echo(f"{progress.played.total()} frames played{rounds}")
        for name, count in sorted(progress.lost.items()):
            typer.echo(f"  {name}: sight was lost {count} times")
        for (name, reason), count in sorted(progress.left_out.items()):
            typer.echo(f"  {name}: {count} left out: {reason}")
        for each in self._capture.damage:
            if not each.bytes:  # what is in it can all be read
                typer.echo(f"  {each.path}: {each.reason}")
                continue
            rest = ", and all that follows" if each.rest else ""
            typer.echo(f"  {each.path}, byte {each.at}: cannot be read{rest}: {each.reason}")


async def _until(stop: asyncio.Event, playing: asyncio.Task[None], shown: Coroutine[None, None, None]) -> None:
    """Until it has been played, or `stop` is set."""
    showing = asyncio.create_task(shown, name="progress")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait({playing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            playing.result()
    finally:
        for task in (playing, stopping, showing):
            task.cancel()
        await asyncio.wait({playing, stopping, showing})


def _told(cue: Cue) -> None:
    """Of a frame that a person has let through."""
    frame = cue.frame
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    typer.echo(f"{clear}{_clock(frame.received)}  {frame.connection}  {frame.channel}  {frame.payload[:60]!r}")


def _clock(at: Micros) -> str:
    return to_datetime(at).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")


def _by_protocol(roles: list[Role], asked: Mapping[str, str]) -> dict[str, str]:
    return {role.connection: asked[role.protocol] for role in roles if role.protocol in asked}
