"""`lineside capture`: record what machines send, by the gateway that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from pydantic import TypeAdapter, ValidationError

from gateway.cli import remote
from gateway.cli.common import ConfigOption, JsonOption, configuration
from gateway.cli.events import owner_url
from gateway.core.errors import LinesideError
from gateway.core.sizes import read_size, write_size
from gateway.profile.tables import Duration

_CAPTURES = "/api/v1/captures"

app = typer.Typer(
    no_args_is_help=True,
    help="Record what machines send as files, to look at it elsewhere: `lineside verify`, `lineside replay`.",
)
Name = Annotated[str, typer.Argument(help="The capture's name.")]
UrlOption = Annotated[
    str | None,
    typer.Option(
        help="Address of the gateway, in place of the configuration's: http://127.0.0.1:8080.", show_default=False
    ),
]


@app.command()
def start(
    name: Name,
    config: ConfigOption = None,
    url: UrlOption = None,
    station: Annotated[list[str], typer.Option(help="Only of this station; repeat for more.")] = [],  # noqa: B006
    source: Annotated[list[str], typer.Option(help="Only of this connection; repeat for more.")] = [],  # noqa: B006
    keep: Annotated[str | None, typer.Option(help='A ring: keep the last of it, such as "1h".')] = None,
    keep_bytes: Annotated[str | None, typer.Option(help='A ring: keep so much, such as "2GB".')] = None,
    redact: Annotated[bool, typer.Option(help="Replace serial numbers, by `capture.redaction_key`.")] = False,
    json: JsonOption = False,
) -> None:
    """Begin a capture, of everything or of some stations and sources; go on with one that has stopped.

    Example: lineside capture start night-shift --station L1.reflow --keep 8h
    """
    url = _gateway(config, url)
    asked = station or source or keep or keep_bytes or redact
    if not asked and any(each["name"] == name for each in _list(url)):
        _tell(remote.tell(url, f"{_CAPTURES}/{remote.quoted(name)}/start", {}), json)
        return
    order: dict[str, Any] = {"name": name, "stations": station, "sources": source, "redact": redact}
    if keep or keep_bytes:
        order["keep"] = {"seconds": _seconds(keep), "bytes": _size(keep_bytes)}
    _tell(remote.tell(url, _CAPTURES, order), json)


@app.command()
def stop(name: Name, config: ConfigOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """Stop a capture. Its files are complete then.

    Example: lineside capture stop night-shift
    """
    _tell(remote.tell(_gateway(config, url), f"{_CAPTURES}/{remote.quoted(name)}/stop", {}), json)


@app.command(name="list")
def list_(config: ConfigOption = None, url: UrlOption = None, json: JsonOption = False) -> None:
    """What there is, and what runs.

    Example: lineside capture list
    """
    found = _list(_gateway(config, url))
    if json:
        typer.echo(msgspec.json.encode(found))
        return
    for each in found:
        typer.echo(_line(each))


@app.command()
def delete(name: Name, config: ConfigOption = None, url: UrlOption = None) -> None:
    """Delete a capture that has stopped, with its files.

    Example: lineside capture delete night-shift
    """
    remote.tell(_gateway(config, url), f"{_CAPTURES}/{remote.quoted(name)}", None, method="DELETE")


def _gateway(config: Path | None, url: str | None) -> str:
    if url is not None:
        return url.rstrip("/")
    # Only where its journal is, is asked for: secrets are the gateway's own.
    found = owner_url(configuration(config, secrets=False).config.journal.path)
    if found is None:
        raise LinesideError("no gateway runs on this configuration; start it with `lineside run`, or name its --url")
    return found


def _list(url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = remote.answer(url, _CAPTURES, ())["captures"]
    return found


def _tell(capture: dict[str, Any], json: bool) -> None:
    typer.echo(msgspec.json.encode(capture) if json else _line(capture))


def _line(capture: dict[str, Any]) -> str:
    files = capture["files"]
    parts = [
        f"{capture['name']}: {'running' if capture['running'] else 'stopped'}",
        f"{len(files)} file{'s' * (len(files) != 1)}, {write_size(capture['bytes'] // 1000 * 1000)}",
    ]
    if capture["running"]:
        parts.append(f"{capture['frames']} frames and {capture['events']} events in this run")
    if capture["missed_frames"]:
        parts.append(f"{capture['missed_frames']} frames missed")
    if capture["left_out_frames"]:
        parts.append(f"{capture['left_out_frames']} frames left out")
    if capture["reason"]:
        parts.append(capture["reason"])
    return "; ".join(parts)


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        found: float = TypeAdapter(Duration).validate_python(text)
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"], param_hint="--keep") from error
    return found


def _size(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return read_size(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--keep-bytes") from error
