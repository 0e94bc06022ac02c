"""`lineside token`: make a token for the API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.api import tokens


def command(
    name: Annotated[str, typer.Argument(help="Whose it is.")],
    file: Annotated[Path, typer.Option("--file", help="Token file to add it to; `auth.tokens` names it.")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="read, consume, operate or admin. Repeat for several.")
    ] = ["read"],  # noqa: B006
) -> None:
    """Make a token, add its hash to the token file, and print it once.

    Example: lineside token mes --file tokens.toml --scope read --scope consume
    """
    unknown = sorted(set(scope) - set(tokens.SCOPES))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}; allowed: {', '.join(tokens.SCOPES)}", param_hint="--scope")
    typer.echo(tokens.add(file, name, scope))
