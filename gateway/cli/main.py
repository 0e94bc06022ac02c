"""The command line. Exit status: 0 success, 1 the thing asked is not so, 2 usage or configuration error."""

from __future__ import annotations

import gc
import sys

from gateway.core.errors import ConfigError, LinesideError


def main() -> None:
    """Entry point of `lineside`."""
    gc.disable()  # what is loaded stays: looking for garbage in it, again and again, takes a fifth of a start
    from gateway.cli.app import application

    app = application(sys.argv[1:])
    gc.enable()
    try:
        app(standalone_mode=True)
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except LinesideError as error:
        print(f"lineside: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)
