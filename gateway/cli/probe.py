"""`lineside probe`: what does a machine answer, and what might it mean?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec
import typer

from gateway.cli.common import ConfigOption, JsonOption, configuration
from gateway.config.plan import Resolved, StationPlan
from gateway.core.errors import ConfigError, LinesideError
from gateway.core.problems import unknown
from gateway.core.sample import Value
from gateway.profile.bound import Block
from gateway.profile.hermes import PROTOCOL as HERMES
from gateway.profile.interpret import ORDERS, modicon, readings
from gateway.wiring import Sight, probe


class Signal(msgspec.Struct):
    """signal: its key. unit: the class's, in which the value is."""

    signal: str
    unit: str | None
    value: Value


class Register(msgspec.Struct):
    """address: as the protocol has it, from 0. modicon: as old manuals write it. readings: by type and byte order."""

    table: str
    address: int
    modicon: str
    readings: dict[str, str]


class Report(msgspec.Struct):
    """What one poll brought. problem: why it brought nothing, or less than was asked for."""

    poll: str
    problems: list[str]
    signals: list[Signal]
    registers: list[Register]


def command(
    station: Annotated[str, typer.Argument(help="Id of the station, such as `L1.reflow`.")],
    raw: Annotated[bool, typer.Option("--raw", help="Also every way of reading each register.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Connect to a machine once, read what its profile reads, and print what it means.

    Reads only. A serial line cannot be shared with a gateway that is running.

    Example: lineside probe L1.reflow --raw
    """
    resolved = configuration(config)
    plan = _station(resolved, station)
    reports = asyncio.run(_look(resolved, plan))
    if json:
        typer.echo(msgspec.json.encode(reports))
    else:
        for report in reports:
            typer.echo("\n".join(_lines(report, raw=raw)))
    if not any(report.signals for report in reports):
        raise typer.Exit(1)


def _station(resolved: Resolved, wanted: str) -> StationPlan:
    known = {plan.id: plan for plan in resolved.stations}
    if wanted not in known:
        raise ConfigError([unknown(wanted, "station", known)])
    bound = known[wanted].bound
    if bound is None or bound.protocol == HERMES:
        spoken = "CFX" if bound is None else "Hermes"
        raise LinesideError(
            f"{wanted} speaks {spoken} and says by itself what it means: lineside events --station {wanted}"
        )
    if bound.nodes is not None:
        raise LinesideError(f"{wanted} has an OPC UA server: lineside browse {wanted}")
    if bound.records is not None:
        raise LinesideError(f"{wanted} writes text, which cannot be asked for: lineside events --station {wanted}")
    return known[wanted]


async def _look(resolved: Resolved, plan: StationPlan) -> list[Report]:
    return [_report(plan, sight) async for sight in probe(resolved, plan)]


def _report(plan: StationPlan, sight: Sight) -> Report:
    assert plan.bound is not None
    bound = plan.bound
    keys, values = sight.values
    problems = [] if sight.problem is None else [sight.problem]
    problems += [
        f"{block.table} {block.start} to {block.start + block.count - 1}: refused, exception {block.exception}"
        for block in sight.blocks
        if block.exception
    ]
    return Report(
        poll=sight.poll.name,
        problems=problems,
        signals=[
            Signal(key, None if (signal := bound.signals.get(key)) is None else signal.unit, value)
            for key, value in zip(keys, values, strict=True)
        ],
        registers=list(_registers(sight.blocks)),
    )


def _registers(blocks: Sequence[Block]) -> Iterator[Register]:
    for block in blocks:
        if block.exception:
            continue
        if block.table.bits:
            for index in range(block.count):
                address = block.start + index
                bit = block.data[index // 8] >> (index % 8) & 1
                yield Register(block.table, address, modicon(block.table, address), {"bit": str(bit)})
            continue
        for address, found in readings(block.start, block.data):
            yield Register(block.table, address, modicon(block.table, address), dict(found))


def _lines(report: Report, *, raw: bool) -> Iterator[str]:
    yield f"poll {report.poll}"
    for problem in report.problems:
        yield f"  ! {problem}"
    width = max((len(signal.signal) for signal in report.signals), default=0)
    for signal in report.signals:
        value = "not known" if signal.value is None else f"{signal.value!r} {signal.unit or ''}"
        yield f"  {signal.signal:<{width}}  {value}".rstrip()
    if raw:
        yield from _table(report.registers)


def _table(registers: Sequence[Register]) -> Iterator[str]:
    columns = [
        "hex",
        "u16",
        "i16",
        "text",
        *(f"{type_} {order}" for type_ in ("u32", "i32", "f32") for order in ORDERS),
    ]
    words = [each for each in registers if "bit" not in each.readings]
    if words:
        yield "  " + f"{'address':<14}" + "".join(f"{column:>14}" for column in columns)
        for each in words:
            place = f"{each.address} ({each.modicon})"
            yield "  " + f"{place:<14}" + "".join(f"{each.readings.get(column, ''):>14}" for column in columns)
    for each in registers:
        if "bit" in each.readings:
            yield f"  {each.table} {each.address} ({each.modicon}): {each.readings['bit']}"
