"""`lineside run`: the daemon."""

from __future__ import annotations

import asyncio
import logging

from gateway.cli.common import ConfigOption, VerboseOption, configuration, log_to_stderr, run_until_signal
from gateway.journal.first_look import JournalDamaged
from gateway.wiring import Gateway

log = logging.getLogger("lineside")


def command(config: ConfigOption = None, verbose: VerboseOption = False) -> None:
    """Run the gateway until SIGINT or SIGTERM.

    Example: lineside run -c /etc/lineside/lineside.toml
    """
    log_to_stderr(verbose=verbose)
    resolved = configuration(config)

    async def main(stop: asyncio.Event) -> None:
        while True:
            try:
                await Gateway(resolved).run(stop, ready=lambda url: log.info("ready: %s/api/v1/events", url))
            except JournalDamaged as error:
                log.error("%s; the gateway starts again on a new one", error)  # noqa: TRY400  no defect of ours
            else:
                return

    run_until_signal(main)
