"""`lineside profile`: what machines' profiles there are, a new one, and whether one is right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import typer

from gateway import resources
from gateway.classes.registry import CLASSES
from gateway.cli.common import ConfigOption, JsonOption, log_to_stderr
from gateway.core.errors import ConfigError, LinesideError
from gateway.core.observation import Readings
from gateway.core.problems import unknown
from gateway.core.sample import Value
from gateway.profile.bind import bind
from gateway.profile.bound import Bound, Poll, Registers, Table
from gateway.profile.bound_nodes import Change, Nodes
from gateway.profile.load import Loaded, load, names
from gateway.profile.models import PROTOCOLS, TextProfile
from gateway.profile.registers import answer
from gateway.profile.skeleton import skeleton

if TYPE_CHECKING:
    from gateway.cli.profile_captures import Tried

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

app = typer.Typer(no_args_is_help=True, help="Profiles: how models of machines say what their class understands.")


def _folders(config: Path | None) -> tuple[Path, ...]:
    return resources.profile_folders(resources.find_config(config))


def bound(name: str, folders: Sequence[Path]) -> tuple[Loaded, Bound]:
    """Read, and joined with its class. Raises ConfigError with every problem."""
    loaded = load(name, folders)
    found = CLASSES.get(loaded.profile.class_)
    if found is None:
        place = loaded.written.place(("class",))
        hint = unknown(loaded.profile.class_, "machine class", CLASSES)
        raise ConfigError([f"{place.file}:{place.line}: {place.key}: {hint}"])
    return loaded, bind(loaded.profile, found.vocabulary, loaded.name, written=loaded.written)


class Listed(NamedTuple):
    """A row of `profile list`. problem: why it cannot be used."""

    name: str
    machine_class: str
    protocol: str
    evidence: str
    path: str
    problem: str | None = None


@app.command("list")
def list_profiles(config: ConfigOption = None, json: JsonOption = False) -> None:
    """List the profiles that stations can name, with the evidence for each and where it was found.

    Example: lineside profile list
    """
    rows = [_listed(name, path, _folders(config)) for name, path in names(_folders(config))]
    if json:
        typer.echo(msgspec.json.encode([row._asdict() for row in rows]))
        return
    table = [("name", "class", "protocol", "evidence", "found in")]
    table += [(row.name, row.machine_class, row.protocol, row.evidence, row.path) for row in rows]
    for line in _aligned(table):
        typer.echo(line)
    for row in rows:
        if row.problem is not None:
            typer.echo(f"{row.name} cannot be used: {row.problem}", err=True)


def _listed(name: str, path: Path, folders: Sequence[Path]) -> Listed:
    try:
        profile = load(str(path), folders).profile
    except ConfigError as error:
        return Listed(name, "-", "-", "-", str(path), error.problems[0])
    return Listed(name, profile.class_, profile.protocol, profile.evidence.level, str(path))


@app.command("new")
def new_profile(
    name: Annotated[str, typer.Argument(help="Name of the model, as in `acme-ro8`; the class goes before it.")],
    machine_class: Annotated[str, typer.Option("--class", help="The machine class whose words it uses.")],
    protocol: Annotated[str, typer.Option(help="modbus, opcua, serial-text, tcp-text or files.")] = "modbus",
    config: ConfigOption = None,
) -> None:
    """Write the beginning of a new profile, to be filled in, beside the configuration file.

    Example: lineside profile new acme-ro8 --class reflow_oven --protocol modbus
    """
    found = CLASSES.get(machine_class)
    model = name.removeprefix(f"{machine_class}/")
    problems = []
    if found is None:
        problems.append(f"--class: {unknown(machine_class, 'machine class', CLASSES)}")
    if protocol not in PROTOCOLS:
        problems.append(f"--protocol: {unknown(protocol, 'protocol of profiles', PROTOCOLS)}")
    if _MODEL.fullmatch(model) is None:
        problems.append(f"{name!r} is no name; allowed: letters, digits, - . and _")
    if problems or found is None:
        raise ConfigError(problems)
    path = _folders(config)[0] / machine_class / f"{model}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(skeleton(found.vocabulary, protocol))
    except FileExistsError:
        raise ConfigError([f"{path} is there already, and stays as it is"]) from None
    typer.echo(f"{path}: fill it in, then try it with: lineside profile test {path}")


class Tested(NamedTuple):
    """A row of `profile test`. registers: in hexadecimal, by address; of nodes what they say; empty of text profiles."""

    key: str
    example: Value
    registers: str
    decoded: Value


@app.command("test")
def try_profile(
    name: Annotated[str, typer.Argument(help="A profile's name, `CLASS/MODEL`, or the path of its file.")],
    captures: Annotated[
        Path | None,
        typer.Option(
            help="Folder with captures of such machines: each must lead to its events, or to those of NAME.expected.ndjson beside it.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Check a profile, and take every example of it to the machine's form and back. With --captures follow machines'
    traffic with it.

    Example: lineside profile test reflow_oven/example-10-zone

    Example: lineside profile test profiles/reflow_oven/acme-ro8.toml --captures captures/acme-ro8
    """
    try:
        loaded, found = bound(name, _folders(config))
    except ConfigError as error:
        if json:
            typer.echo(msgspec.json.encode({"problems": error.problems, "examples": []}))
        for problem in () if json else error.problems:
            typer.echo(problem, err=True)
        raise typer.Exit(1) from None
    rows = list(_rows(loaded, found))
    followed = _followed(captures, loaded.path)
    if json:
        told: dict[str, Any] = {"problems": [], "examples": [row._asdict() for row in rows]}
        if captures is not None:
            told["captures"] = [each._asdict() | {"path": str(each.path)} for each in followed]
        typer.echo(msgspec.json.encode(told))
        _judge(captures, followed)
        return
    table = [("key", "example", "decoded", "as the machine has it")]
    table += [(row.key, _shown(row.example), _shown(row.decoded), row.registers) for row in rows]
    for line in _aligned(table):
        typer.echo(line)
    typer.echo(f"{loaded.path}: ok: {len(rows)} examples, evidence: {found.evidence}")
    for each in followed:
        for problem in each.problems:
            typer.echo(f"{each.path}: {problem}")
        outcome = "not as expected" if each.problems else "ok"
        typer.echo(f"{each.path}: {outcome}: {each.frames} frames, {each.events} events")
    _judge(captures, followed)


def _followed(captures: Path | None, profile: Path) -> Sequence[Tried]:
    if captures is None:
        return ()
    from gateway.cli.profile_captures import tried  # builds adapters, which takes long to load

    log_to_stderr(verbose=False, quiet=True)
    return list(tried(captures, [profile]))


def _judge(captures: Path | None, followed: Sequence[Tried]) -> None:
    if captures is not None and not followed:
        raise LinesideError(f"{captures}: no capture is there")
    if any(each.problems for each in followed):
        raise typer.Exit(1)


def _rows(loaded: Loaded, found: Bound) -> Iterator[Tested]:
    if found.registers is not None:
        yield from _of_registers(found, found.registers)
    elif found.nodes is not None:
        yield from _of_nodes(found, found.nodes)
    else:
        yield from _of_text(loaded)


def _of_nodes(found: Bound, nodes: Nodes) -> Iterator[Tested]:
    """Binding has compared each with what comes back. Alarms of the server's own, and events, have no node."""
    examples = {key: value for key, value in found.examples.items() if nodes.node(key) is not None}
    told = nodes.encode(examples)
    decoded: dict[str, Value] = {}
    for each in nodes.decode("", [Change(node, value) for node, value in told.items()], ()):
        if isinstance(each, Readings):
            decoded |= zip(each.keys, each.values, strict=True)
    for key, value in examples.items():
        node = nodes.node(key) or ""
        yield Tested(key, value, f"{node} = {told[node]!r}", decoded[key])


def _of_registers(found: Bound, registers: Registers) -> Iterator[Tested]:
    contents = registers.encode(found.examples)
    decoded = {key: pair for poll in registers.polls for key, pair in _decoded(registers, poll, contents)}
    for key, value in found.examples.items():
        own = registers.encode({key: value})
        held = " ".join(
            f"{address}:{contents[table][address]:{'d' if table.bits else '04x'}}"
            for table, cells in own.items()
            for address in cells
        )
        yield Tested(key, value, held, decoded[key])


def _decoded(
    registers: Registers, poll: Poll, contents: Mapping[Table, Mapping[int, int]]
) -> Iterator[tuple[str, Value]]:
    keys, values = registers.decode(poll.name, [answer(poll, contents)])
    yield from zip(keys, values, strict=True)


def _of_text(loaded: Loaded) -> Iterator[Tested]:
    """Binding has read every example; what it did not find as told is a problem."""
    assert isinstance(loaded.profile, TextProfile)
    for record in loaded.profile.record:
        for field, value in record.example.fields.items():
            yield Tested(f"{record.name}: {field}", value, "", value)


def _shown(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else "-" if value is None else str(value)


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
