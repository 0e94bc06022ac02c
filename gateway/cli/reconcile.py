"""`lineside reconcile`: what really happened on a simulated line against what a journal says; or what one gateway saw
against what a second one saw of its replay."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from gateway.cli import remote, stored_samples
from gateway.cli.common import ConfigOption, JsonOption, configuration, log_to_stderr
from gateway.cli.events import owner_url, stored
from gateway.core.errors import ConfigError

if TYPE_CHECKING:
    from simulators.reconcile.compare import Tolerance
    from simulators.reconcile.samples import Stored

_SHOWN = 20


class Way(StrEnum):
    """What the first is."""

    LEDGER = "ledger"
    REPLAY = "replay"


def command(
    first: Annotated[
        str,
        typer.Argument(
            metavar="LEDGER",
            help="The simulated line's ledger. With --as replay: a capture, or the journal or address of the gateway that made it.",
        ),
    ],
    config: ConfigOption = None,
    journal: Annotated[
        Path | None, typer.Option(help="Journal file, in place of the one that the configuration names.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Address of a gateway to ask: http://127.0.0.1:8080.")] = None,
    late: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds that an event may take; more is then a failure. Default: 10, and none."),
    ] = None,
    look: Annotated[
        list[str],
        typer.Option(help="Seconds between looks at what is polled: for all, or STATION=SECONDS. Default: 1."),
    ] = [],  # noqa: B006
    way: Annotated[Way, typer.Option("--as", help="What the first is.")] = Way.LEDGER,
    speed: Annotated[float, typer.Option(min=0.001, help="With --as replay: of the replay.")] = 1.0,
    poll: Annotated[
        float,
        typer.Option(
            min=0,
            help="With --as replay: seconds between two looks at what was polled; durations may differ by that, divided by the speed.",
        ),
    ] = 1.0,
    station: Annotated[list[str], typer.Option(help="With --as replay: only this station. Repeatable.")] = [],  # noqa: B006
    json: JsonOption = False,
) -> None:
    """Compare a simulated line's truth with a journal: lost, duplicated, invented, wrong, late. Or a capture with what a
    second gateway made of its replay.

    Exit status 1 when anything is lost, duplicated, invented or wrong that no gap record explains, events or samples; as a
    replay, when anything differs.

    Example: lineside reconcile shift.ledger --journal data/lineside.db

    Example: lineside reconcile shift.mcap --as replay --journal second/data/lineside.db --speed 10
    """
    if way is Way.REPLAY:
        second: str = url or str(journal or configuration(config).config.journal.path)
        _replay(first, second, speed=speed, poll=poll, stations=frozenset(station), json=json)
        return
    ledger = Path(first)
    if not ledger.is_file():
        raise typer.BadParameter(f"there is no file {first}", param_hint="LEDGER")
    from simulators import ledger as ledgers
    from simulators.reconcile.compare import Kind, compare, expected, totals
    from simulators.reconcile.found import journal as journal_of
    from simulators.reconcile.report import as_json, as_text
    from simulators.reconcile.samples import compare_samples

    tolerance = _tolerance(late, look)
    wanted = expected(ledgers.read(ledger))
    played = ledgers.played(ledger)
    source: str | Path = url or journal or configuration(config).config.journal.path
    events = remote.export(source, []) if isinstance(source, str) else stored(source, {})
    held = journal_of(events, wanted.paths())
    made = compare(wanted, held, played, tolerance)
    found = {station: _samples(source, station) for station in wanted.shows or ()}
    samples = compare_samples(wanted, found, held.gaps, played, tolerance)
    made.samples_clean = samples is None or not any(each.findings for each in samples.values())
    if json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(as_json(made, samples)), indent=2) + b"\n")
    else:
        typer.echo(as_text(made, _SHOWN, samples))
    if not made.clean or (late is not None and totals(made)[Kind.LATE]):
        raise typer.Exit(1)


def _replay(first: str, second: str, *, speed: float, poll: float, stations: frozenset[str], json: bool) -> None:
    from gateway.cli import replayed  # builds adapters, which takes long to load

    log_to_stderr(verbose=False, quiet=True)
    report = replayed.reconcile(
        replayed.side(first), replayed.side(second), speed=speed, poll_s=poll, stations=stations
    )
    if json:
        typer.echo(msgspec.json.encode(replayed.as_json(report)))
    else:
        for line in replayed.as_text(report):
            typer.echo(line)
    if not report.equal:
        raise typer.Exit(1)


def _samples(source: str | Path, station: str) -> Iterator[Stored]:
    """source: a gateway's address, or a journal, which is read through the gateway that owns it."""
    from simulators.reconcile.samples import Stored

    url = source if isinstance(source, str) else owner_url(source)
    if url is not None:
        found = stored_samples.of_gateway(url, station)
    else:
        found = stored_samples.of_file(Path(source), station)
    return (Stored(*each) for each in found)


def _tolerance(late: float | None, look: Sequence[str]) -> Tolerance:
    from simulators.reconcile.compare import Tolerance

    made = Tolerance()
    looks: dict[str, float] = {}
    for text in look:
        station, _, seconds = text.rpartition("=")
        try:
            value = float(seconds)
        except ValueError:
            raise ConfigError([f"--look: {text!r} is neither seconds nor STATION=SECONDS"]) from None
        if station:
            looks[station] = value
        else:
            made = msgspec.structs.replace(made, look=value)
    made = msgspec.structs.replace(made, looks=looks)
    return made if late is None else msgspec.structs.replace(made, late=late)
