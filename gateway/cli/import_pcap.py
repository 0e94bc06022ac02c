"""`lineside import-pcap`: what Wireshark recorded on a machine's network becomes a capture."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from adapters.registry import protocols
from gateway import resources
from gateway.capture.file import CaptureFile
from gateway.capture.form import SUFFIX, About, Captured, Wire
from gateway.capture.reading import Capture
from gateway.cli import import_report, stepping
from gateway.cli.common import ConfigOption, JsonOption, log_to_stderr
from gateway.config.address import Address
from gateway.config.captured import describe
from gateway.config.load import load
from gateway.config.plan import Resolved, resolve
from gateway.core.errors import ConfigError, LinesideError
from gateway.pcap.importing import Import
from gateway.pcap.places import Places
from gateway.pcap.tshark import PcapError
from gateway.sinks.registry import sinks
from gateway.wiring import VERSION, machines_on

_NO_JOURNAL = "00000000-0000-0000-0000-000000000000"
"""In a capture that no gateway made."""


def command(
    recording: Annotated[
        Path,
        typer.Argument(metavar="PCAPNG", help="What Wireshark, tcpdump or dumpcap wrote.", exists=True, dir_okay=False),
    ],
    out: Annotated[Path, typer.Option(help="The capture to write. It must not be there yet.")],
    config: ConfigOption = None,
    at: Annotated[
        list[str],
        typer.Option(
            "--map",
            metavar="NAME=HOST:PORT",
            help="Where a connection's server is in the recording, when not where the configuration says. Repeatable.",
        ),
    ] = [],  # noqa: B006
    json: JsonOption = False,
) -> None:
    """Make a capture of a network recording: of what machines said over TCP, in the protocols of the configuration.

    What could not be read is told, and counted. Exit status 1 when nothing could be imported.

    Example: lineside import-pcap line.pcapng -c line1.toml --out line.mcap
    """
    log_to_stderr(verbose=False, quiet=True)
    if out.suffix != SUFFIX or out.exists():
        raise ConfigError([f"--out: {out}: must be a new file whose name ends in {SUFFIX}"])
    resolved = _resolved(config)
    places = Places(resolved.connections, dict(_mapped(text) for text in at))
    found = Import(resolved.connections, partial(machines_on, resolved), places, gateway=resolved.config.gateway.name)
    try:
        found.read(recording)
        events = _write(found, resolved, out) if found.frames else 0
    except OSError as error:
        raise LinesideError(f"{error.filename or out}: {error.strerror}") from error
    finally:
        found.close()
    if json:
        typer.echo(msgspec.json.encode(import_report.as_json(found, places, events)))
    else:
        for line in import_report.text(found, places, events, out):
            typer.echo(line)
    if not found.frames:
        raise typer.Exit(1)


def _resolved(config: Path | None) -> Resolved:
    """Its secrets are not needed, and are not at an engineer's desk. Raises ConfigError."""
    path = resources.find_config(config)
    return resolve(load(path, protocols(), sinks=sinks(), folder=resources.base_folder(path)))


def _mapped(text: str) -> tuple[str, Address]:
    name, sign, place = text.rpartition("=")
    try:
        if sign:
            return name, Address.parse(place)
    except ValueError as error:
        raise ConfigError([f"--map: {text!r}: {error}"]) from None
    raise ConfigError([f"--map: {text!r}: allowed: NAME=HOST:PORT, such as oven=10.0.0.21:502"])


def _write(found: Import, resolved: Resolved, out: Path) -> int:
    """With the events that its frames lead to, so that `verify` has something to compare with. Returns how many."""
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        bare, whole = Path(folder) / f"frames{SUFFIX}", Path(folder) / f"whole{SUFFIX}"
        file = _file(bare, found, resolved, out.stem)
        found.write(file)
        file.close()
        capture = Capture([bare])
        file = _file(whole, found, resolved, out.stem)
        events = 0
        frames = (entry for entry in capture.entries() if isinstance(entry, Captured))
        for stepped in stepping.offline(capture, fresh=True).stepped():
            at = _copy(islice(frames, stepped.frames), file)
            if stepped.events:
                file.events(stepped.events, at=at)
                events += len(stepped.events)
        file.close()
        try:
            out.hardlink_to(whole)
        except FileExistsError:
            raise PcapError(f"{out}: is there already") from None
    return events


def _copy(frames: Iterator[Captured], file: CaptureFile) -> int:
    """Returns when the last of them was."""
    at = 0
    for each in frames:
        frame = each.frame
        wire = Wire(
            frame.channel,
            frame.payload,
            frame.redelivered,
            frame.meta,
            each.peer,
            each.principal,
            each.handles,
            each.acknowledged,
        )
        file.frame(frame.connection, each.protocol, wire, received=frame.received, at=each.at)
        at = each.at
    return at


def _file(path: Path, found: Import, resolved: Resolved, name: str) -> CaptureFile:
    gateway = resolved.config.gateway
    site, profiles = describe(resolved)
    about = About(
        capture=str(uuid.uuid4()),
        part=1,
        began=found.first or 0,
        journal=_NO_JOURNAL,
        site=gateway.site,
        gateway=gateway.name,
        made_by=VERSION,
        name=name,
    )
    return CaptureFile(path, about, site, profiles, {})
