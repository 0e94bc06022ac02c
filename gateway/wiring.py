"""From a checked configuration to a running gateway. It and the reading of network captures alone make adapters."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import msgspec
from pydantic import BaseModel

from adapters.modbus_settings import ModbusConnection
from adapters.opcua_settings import OpcUaConnection
from adapters.registry import build
from gateway.api.app import create_app
from gateway.api.context import Context, HttpSettings
from gateway.api.server import serve
from gateway.capture.captures import Captures
from gateway.classes.registry import CLASSES
from gateway.classes.state import Setup
from gateway.classes.step import set_up
from gateway.config.capture_settings import begin_captures, captures_of
from gateway.config.journal_settings import writer_settings
from gateway.config.models import Config
from gateway.config.plan import Resolved, StationPlan
from gateway.core import times
from gateway.core.adapter import Adapter
from gateway.core.errors import ConfigError, LinesideError
from gateway.core.event import Event
from gateway.core.telemetry import Telemetry
from gateway.ingest.ingest import Ingest
from gateway.ingest.retry import Retry
from gateway.ingest.settings import IngestSettings
from gateway.ingest.stations import UNASSIGNED, Route, Station, Stations
from gateway.journal.first_look import JournalDamaged
from gateway.journal.metrics import JournalMetrics
from gateway.journal.reader import Reader
from gateway.journal.salvage import Salvage
from gateway.journal.writer import OpenGap, Writer
from gateway.profile.bound import Block, Machine, Poll, Values
from gateway.profile.proposal import Variable
from gateway.replay.offline import Cast
from gateway.requests import Endpoint, Requests
from gateway.sinks.follow import Effect, Follower, FollowSettings
from gateway.sinks.metrics import SinkMetrics
from gateway.sinks.registry import build as build_sink
from gateway.sinks.source import Source
from gateway.supervisor.links import LinkState, close_forgotten
from gateway.supervisor.settings import SupervisorSettings
from gateway.supervisor.supervisor import Supervisor

log = logging.getLogger("lineside")

_DRAIN_S = 5.0
"""Longest wait at the end for what was read to be stored and acknowledged."""

VERSION = version("lineside")


class Gateway:
    """One gateway: everything it consists of, and its life."""

    def __init__(self, resolved: Resolved) -> None:
        config = resolved.config
        self.config = config
        self.telemetry = Telemetry()
        self.writer = Writer(
            config.journal.path, site=config.gateway.site, gateway=config.gateway.name, settings=writer_settings(config)
        )
        self.telemetry.registry.register(JournalMetrics(self.writer))
        self.stations = stations(resolved)
        self._resolved = resolved
        self.adapters: list[Adapter] = []
        self.port = 0
        self._supervisor: Supervisor | None = None

    @property
    def connected(self) -> bool:
        """Every connection stands."""
        supervisor = self._supervisor
        return supervisor is not None and all(link.state is not LinkState.DOWN for link in supervisor.links.values())

    async def run(self, stop: asyncio.Event, *, ready: Callable[[str], None] = lambda url: None) -> None:
        """Until `stop` is set. `ready` gets the URL of the API once it answers.

        Raises JournalError when the data folder cannot be had, LinesideError when the journal's writer fails;
        JournalDamaged when that is because a new journal has to be begun, which another Gateway does.
        """
        config = self.config
        self.writer.open()
        reader: Reader | None = None
        salvage = Salvage(config.journal.path)
        try:
            ingest = Ingest(
                self.writer,
                self.stations,
                self.telemetry,
                ingest_settings(config),
                states=self.writer.states(),
                payload_cap=_payload_cap(self._resolved),
            )
            self.adapters = [
                build(
                    settings,
                    gateway=config.gateway.name,
                    machines=machines_on(self._resolved, name),
                    positions=self.writer.positions(name),
                )
                for name, settings in self._resolved.connections.items()
            ]
            supervisor = Supervisor(
                self.adapters, ingest, self.telemetry, supervisor_settings(config), marks=self.writer.marks()
            )
            self._supervisor = supervisor
            forgotten = self._adopt_gaps(supervisor)
            requests = Requests(ingest, self._endpoint())
            ingest.on_committed = requests.committed
            captures = captures_of(self._resolved, ingest, self.writer.place, VERSION, self.telemetry, self.adapters)
            requests.on_sent = captures.sent
            ingest.on_heard = supervisor.heard
            reader = Reader(config.journal.path)
            context = Context(
                version=VERSION,
                started=times.now(),
                http=http_settings(config),
                writer=self.writer,
                reader=reader,
                ingest=ingest,
                supervisor=supervisor,
                telemetry=self.telemetry,
                retry=Retry(ingest, reader, {adapter.name: adapter for adapter in self.adapters}),
                captures=captures,
            )
            if salvage.anything:
                context.extra_components["salvage"] = salvage.component
                salvage.start()
            with self._followers(ingest) as followers:
                context.sinks.extend(followers)
                await self._live(context, captures, followers, forgotten, stop, ready)
        finally:
            salvage.stop()
            if reader is not None:
                reader.close()
            self.writer.close()

    def _adopt_gaps(self, supervisor: Supervisor) -> list[OpenGap]:
        """Gaps that were open when the gateway last stopped go on; those of sources that are gone are returned, and of
        stations that moved to another."""
        forgotten = []
        for gap in self.writer.open_gaps():
            link, station = supervisor.links.get(gap.source), self.stations.by_id.get(gap.station or "")
            there = station is not None and (station.line == UNASSIGNED or station in self.stations.on(gap.source))
            if link is not None and station is not None and there:
                link.adopt_gap(station, gap.id, gap.cause)
            else:
                forgotten.append(gap)
        return forgotten

    @contextlib.contextmanager
    def _followers(self, ingest: Ingest) -> Iterator[list[Follower]]:
        """One for each sink, reading the journal on its own."""
        config, timing = self.config, self.config.timing
        settings = FollowSettings(
            retry_first_s=timing.retry_first_s, retry_most_s=timing.retry_most_s, settled_s=timing.settled_s
        )
        metrics = SinkMetrics(self.telemetry.registry)
        with contextlib.ExitStack() as stack:
            found = []
            for each in config.sink:
                sink = build_sink(each)
                source = Source(config.journal.path, ingest.tail, sink.batch)
                stack.callback(source.close)
                record = functools.partial(_record, ingest, sink.name)
                holder = self.writer.holders.register(
                    "sink", sink.name, budget=sink.budget_bytes, samples=sink.batch.samples > 0
                )
                found.append(Follower(sink, source, metrics, settings, holder=holder, record=record))
            yield found

    async def _live(
        self,
        context: Context,
        captures: Captures,
        followers: Sequence[Follower],
        forgotten: list[OpenGap],
        stop: asyncio.Event,
        ready: Callable[[str], None],
    ) -> None:
        ingest = context.ingest
        ingest.start()
        await begin_captures(captures, self.config)
        for gap in forgotten:
            close_forgotten(ingest, gap.id, source=gap.source, station=gap.station, cause=gap.cause, at=context.started)
        assert ingest.failed is not None
        http = context.http

        def listening(port: int) -> None:
            self.port = port
            host = f"[{http.listen_host}]" if ":" in http.listen_host else http.listen_host
            url = f"http://{host}:{port}"
            self.writer.lock.describe(url=url)
            ready(url)

        stopping = asyncio.create_task(stop.wait(), name="stop")
        failed: str | None = None
        work: dict[str, asyncio.Task[Any]] = {
            "http": asyncio.create_task(
                serve(create_app(context), http.listen_host, http.listen_port, ready=listening), name="http"
            ),
            "supervisor": asyncio.create_task(context.supervisor.run(), name="supervisor"),
            **{f"sink {one.name}": asyncio.create_task(one.run(), name=f"sink {one.name}") for one in followers},
        }
        try:
            waited: set[asyncio.Future[Any]] = {stopping, ingest.failed, *work.values()}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for name, task in work.items():
                if task.done() and task.exception() is not None:
                    failed = name
                    raise LinesideError(f"{name} failed: {task.exception()}") from task.exception()
            if ingest.failed.done():
                failure = ingest.failed.result()
                if isinstance(failure, JournalDamaged):
                    raise failure
                raise LinesideError(f"the journal's writer failed: {failure}")
        finally:
            stopping.cancel()
            if not ingest.failed.done():
                await ingest.drain(_DRAIN_S)
            ingest.tail.close()
            for name, task in reversed(work.items()):
                task.cancel()
                await asyncio.wait({task})
                error = None if task.cancelled() else task.exception()
                if error is not None and name != failed:
                    log.error("%s failed while stopping: %s", name, error, exc_info=error)
            await ingest.stop()
            await captures.close()

    def _endpoint(self) -> Endpoint:
        connections = self._resolved.connections
        return Endpoint(
            handle=self.config.gateway.handle,
            version=VERSION,
            uris={name: uri for name, c in connections.items() if (uri := getattr(c, "request_uri", None)) is not None},
            unanswered={name: c.unanswered for name, c in connections.items() if hasattr(c, "unanswered")},
        )


def _record(ingest: Ingest, source: str, event: Event, effect: Effect | None) -> None:
    ingest.store(source, "gateway", [event], effect=effect)


def _payload_cap(resolved: Resolved) -> int:
    return max((getattr(c, "max_payload_bytes", 0) for c in resolved.connections.values()), default=0) or 32 << 20


def cast(resolved: Resolved) -> Cast:
    """To step a capture's frames with; opens nothing. Raises ConfigError."""
    gateway = resolved.config.gateway.name
    adapters = {
        name: build(settings, gateway=gateway, machines=machines_on(resolved, name))
        for name, settings in resolved.connections.items()
    }
    return Cast(stations(resolved), adapters, _payload_cap(resolved))


def check_adapters(resolved: Resolved) -> None:
    """Make every adapter, which opens nothing. Raises ConfigError with what does not go together."""
    problems: list[str] = []
    for name, settings in resolved.connections.items():
        try:
            build(settings, gateway=resolved.config.gateway.name, machines=machines_on(resolved, name))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)


def machines_on(resolved: Resolved, connection: str) -> list[Machine]:
    """The profiled machines on a connection."""
    return [
        Machine(station=plan.id, unit=route.unit or 0, bound=plan.bound, zone=plan.zone)
        for plan in resolved.stations
        if plan.bound is not None
        for route in plan.routes
        if route.connection == connection
    ]


class Sight(NamedTuple):
    """What reading one poll once brought. problem: why there is nothing."""

    poll: Poll
    blocks: Sequence[Block]
    values: Values
    problem: str | None


async def probe(resolved: Resolved, plan: StationPlan) -> AsyncIterator[Sight]:
    """Connect to a profiled machine and read everything once. Raises NotConnected when it is not there."""
    assert plan.bound is not None
    registers = plan.bound.registers
    assert registers is not None
    from adapters.modbus import look  # as in adapters.registry

    found = [(route, resolved.connections[route.connection]) for route in plan.routes]
    route, settings = next((route, each) for route, each in found if isinstance(each, ModbusConnection))
    machine = Machine(station=plan.id, unit=route.unit or 0, bound=plan.bound)
    async for seen in look(settings, machine):
        values = registers.decode(seen.poll.name, seen.blocks) if seen.problem is None else ((), ())
        yield Sight(seen.poll, seen.blocks, values, seen.problem)


class Browsed(NamedTuple):
    """What a server offers (its endpoints, in words), and the variables that it has."""

    endpoints: Sequence[str]
    variables: Sequence[Variable]


async def browse_server(settings: BaseModel, *, depth: int, most: int) -> Browsed:
    """Raises NotConnected; LinesideError for settings of another protocol than `opcua`."""
    if not isinstance(settings, OpcUaConnection):
        raise LinesideError("is no connection of protocol 'opcua', and nothing else can be browsed")
    from adapters.opcua_browse import browse, endpoints  # likewise

    offered = await endpoints(settings)
    return Browsed(offered, [each async for each in browse(settings, depth=depth, most=most)])


def stations(resolved: Resolved) -> Stations:
    made = {
        plan.id: Station(
            id=plan.id,
            line=plan.line,
            name=plan.name,
            machine_class=plan.machine_class,
            zone=plan.zone,
            heartbeat_s=plan.heartbeat_s,
            after=plan.after,
            setup=None if plan.bound is None else _set_up(plan, resolved.config),
        )
        for plan in resolved.stations
    }
    routes = [
        Route(
            connection=route.connection,
            station=made[plan.id],
            handles=route.handles,
            topics=route.topics,
            unit=route.unit,
        )
        for plan in resolved.stations
        for route in plan.routes
    ]
    return Stations(made.values(), routes, zone=resolved.config.gateway.timezone)


def _set_up(plan: StationPlan, config: Config) -> Setup:
    assert plan.bound is not None
    setup = set_up(plan.id, CLASSES[plan.machine_class], plan.bound, ignore_ids=config.gateway.ignore_ids)
    return msgspec.structs.replace(setup, hermes=plan.hermes)


def ingest_settings(config: Config) -> IngestSettings:
    return IngestSettings(**config.limits.model_dump())


def supervisor_settings(config: Config) -> SupervisorSettings:
    timing = config.timing
    return SupervisorSettings(**{name: getattr(timing, name) for name in SupervisorSettings.__struct_fields__})


def http_settings(config: Config) -> HttpSettings:
    listen = config.http.listen
    return HttpSettings(
        listen_host=listen.host,
        listen_port=listen.port,
        hosts=config.http.hosts,
        tokens_file=None if config.auth is None else str(config.auth.tokens),
        anonymous=config.http.allow_anonymous,
        keepalive_s=config.http.keepalive_s,
        write_timeout_s=config.http.write_timeout_s,
        readers=config.http.readers,
        session_s=config.http.session_s,
    )
