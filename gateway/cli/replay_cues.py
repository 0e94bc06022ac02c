"""From a capture to what is to be played: a role for each connection, and its frames."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mcap.reader import make_reader

from gateway.capture.form import Captured, ChannelKind
from gateway.capture.reading import Capture
from gateway.config.plan import Resolved
from gateway.core.errors import ConfigError
from gateway.core.problems import unknown
from gateway.core.times import Micros, rfc3339

if TYPE_CHECKING:
    from simulators.replay.actor import Role
    from simulators.replay.performance import Cue


class Between(NamedTuple):
    """Of when a frame was received: from start on, before end."""

    start: Micros | None = None
    end: Micros | None = None

    def holds(self, at: Micros) -> bool:
        return (self.start is None or at >= self.start) and (self.end is None or at < self.end)


def check(between: Between, span: tuple[Micros, Micros] | None) -> None:
    """Raises ConfigError where nothing of the capture, which lasts from when to when, lies between."""
    start, end = between
    if start is not None and end is not None and start >= end:
        raise ConfigError([f"--from: {rfc3339(start)} is not before --to {rfc3339(end)}"])
    if span is None:
        return
    lasts = f"the capture lasts from {rfc3339(span[0])} to {rfc3339(span[1])}"
    if start is not None and start > span[1]:
        raise ConfigError([f"--from: nothing came in at or after {rfc3339(start)}; {lasts}"])
    if end is not None and end <= span[0]:
        raise ConfigError([f"--to: nothing came in before {rfc3339(end)}; {lasts}"])


def chosen(resolved: Resolved, stations: Sequence[str]) -> Resolved:
    """With these stations only, and the connections that they are on; all where none is named. Raises ConfigError."""
    import msgspec

    if not stations:
        return resolved
    known = {plan.id for plan in resolved.stations}
    problems = [
        f"--station: {unknown(each, 'station of this capture', known)}" for each in stations if each not in known
    ]
    if problems:
        raise ConfigError(problems)
    plans = tuple(plan for plan in resolved.stations if plan.id in stations)
    on = {route.connection for plan in plans for route in plan.routes}
    connections = {name: settings for name, settings in resolved.connections.items() if name in on}
    return msgspec.structs.replace(resolved, connections=connections, stations=plans)


def roles(resolved: Resolved, at: Mapping[str, str]) -> list[Role]:
    """at: where, by connection. Raises ConfigError for a connection that there is not."""
    from simulators.replay.actor import Role, Seat

    problems = [
        f"--at: {unknown(each, 'connection of this capture', resolved.connections)}"
        for each in at
        if each not in resolved.connections
    ]
    if problems:
        raise ConfigError(problems)
    return [
        Role(
            connection=name,
            protocol=str(getattr(settings, "protocol", "")),
            settings=settings.model_dump(mode="json", by_alias=True, exclude_unset=True),
            seats=tuple(
                Seat(
                    station=plan.id,
                    machine_class=plan.machine_class,
                    bound=plan.bound,
                    handles=route.handles,
                    unit=1 if route.unit is None else route.unit,
                    zone=plan.zone,
                )
                for plan in resolved.stations
                for route in plan.routes
                if route.connection == name
            ),
            at=at.get(name),
        )
        for name, settings in resolved.connections.items()
    ]


def cues(capture: Capture, connections: Collection[str], between: Between) -> Iterator[Cue]:
    """What came in on these connections, in order."""
    from simulators.replay.performance import Cue

    for entry in capture.entries():
        if (
            isinstance(entry, Captured)
            and entry.kind is ChannelKind.IN
            and entry.frame.connection in connections
            and between.holds(entry.frame.received)
        ):
            yield Cue(entry.frame, entry.peer)


def span(capture: Capture) -> tuple[Micros, Micros] | None:
    """From when to when, by the indexes of the files; None where one has none."""
    first: list[int] = []
    last: list[int] = []
    for part in capture.parts:
        try:
            with part.path.open("rb") as file:
                summary = make_reader(file).get_summary()
        except Exception:  # noqa: BLE001  the library raises what its parts raise
            return None
        if summary is None or summary.statistics is None:
            return None
        if summary.statistics.message_count:
            first.append(summary.statistics.message_start_time)
            last.append(summary.statistics.message_end_time)
    return (min(first) // 1000, max(last) // 1000) if first else None
