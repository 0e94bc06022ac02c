"""A private MQTT broker on a free loopback port: Mosquitto where it is installed, else one inside this process.

The embedded one (amqtt) is for a demo on a computer without a broker. It speaks MQTT 3.1.1 only, forgets what it
holds for a client that is away, and is slow: nothing about delivery may be concluded from it.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import pwd
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from gateway.core.errors import LinesideError

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
_PR_SET_PDEATHSIG = 1  # prctl(2)


class Kind(StrEnum):
    MOSQUITTO = "mosquitto"  # MQTT 3.1.1 and 5
    EMBEDDED = "embedded"  # MQTT 3.1.1


class Broker(NamedTuple):
    """Where the broker listens, without password or TLS."""

    host: str
    port: int
    kind: Kind


class BrokerError(LinesideError):
    """The private broker could not be started; the message says why."""


def find_mosquitto() -> str | None:
    """Path of the program; Debian installs it where a user's PATH does not look."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


@asynccontextmanager
async def private_broker(
    folder: Path, *, program: str | None = None, embedded: bool = False, start_timeout_s: float = 10.0
) -> AsyncIterator[Broker]:
    """Runs a broker until the block is left. Raises BrokerError.

    folder: for everything the broker writes; it must exist. program: of Mosquitto, looked up when None. embedded:
    take the embedded one even so.
    """
    found = None if embedded else program or find_mosquitto()
    if found is None:
        async with _embedded() as broker:
            yield broker
    else:
        async with _mosquitto(found, folder, start_timeout_s) as broker:
            yield broker


@asynccontextmanager
async def _mosquitto(program: str, folder: Path, start_timeout_s: float) -> AsyncIterator[Broker]:
    process, port = await _start_mosquitto(program, folder, start_timeout_s)
    try:
        yield Broker(LOOPBACK, port, Kind.MOSQUITTO)
    finally:
        await _stop(process)


async def _start_mosquitto(program: str, folder: Path, timeout_s: float) -> tuple[asyncio.subprocess.Process, int]:
    """Tries again on another port when somebody was quicker to take the one that was free."""
    for attempt in range(3):
        port = _free_port()
        config = folder / "mosquitto.conf"
        config.write_text(_config(folder, port))
        with (folder / "mosquitto.log").open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                program,
                "-c",
                str(config),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_DieWithParent(),
                start_new_session=True,  # Ctrl-C in a terminal goes to us alone; the broker is stopped last
            )
        try:
            async with asyncio.timeout(timeout_s):
                if await _accepts(process, port):
                    return process, port
        except TimeoutError:
            await _stop(process)
            raise BrokerError(f"{program} did not listen within {timeout_s:g} s; see {folder}/mosquitto.log") from None
        except asyncio.CancelledError:
            await _stop(process)
            raise
        log.debug("mosquitto ended at once with status %s, attempt %d", process.returncode, attempt + 1)
    raise BrokerError(f"{program} ends at once; see {folder}/mosquitto.log")


def _config(folder: Path, port: int) -> str:
    """Without these limits Mosquitto itself drops QoS 1 messages of a client that is away or slow."""
    lines = [
        f"listener {port} {LOOPBACK}",
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {folder.resolve()}/",
        "max_queued_messages 0",
        "max_inflight_messages 500",
    ]
    if os.geteuid() == 0:
        # as root it would change to its own user, who may not write into our folder
        lines.append(f"user {pwd.getpwuid(0).pw_name}")
    return "\n".join(lines) + "\n"


async def _accepts(process: asyncio.subprocess.Process, port: int) -> bool:
    """Waits until it takes connections; False when it has ended."""
    while process.returncode is None:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        await writer.wait_closed()
        # the connection may have gone to another program's listener while ours failed to bind
        await asyncio.sleep(0.02)
        if process.returncode is None:
            return True
    return False


async def _stop(process: asyncio.subprocess.Process, grace_s: float = 5.0) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(grace_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


class _DieWithParent:
    """Runs in the child between fork and exec: the kernel ends it when our process is gone, kill -9 included."""

    def __init__(self) -> None:
        self._parent = os.getpid()
        self._prctl = ctypes.CDLL(None).prctl  # looked up before the fork

    def __call__(self) -> None:
        self._prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != self._parent:
            os._exit(1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def _embedded() -> AsyncIterator[Broker]:
    # only where it is needed: importing it takes a noticeable part of a second
    from amqtt.broker import Broker as Amqtt
    from amqtt.errors import BrokerError as AmqttError

    port = _free_port()
    settings = {
        "listeners": {"default": {"type": "tcp", "bind": f"{LOOPBACK}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    with _quiet("amqtt", "transitions"):
        broker = Amqtt(settings)
        try:
            await broker.start()
        except AmqttError as error:
            raise BrokerError(f"the embedded broker does not start: {error}") from error
        try:
            yield Broker(LOOPBACK, port, Kind.EMBEDDED)
        finally:
            await broker.shutdown()


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Only errors from these loggers; they tell every packet otherwise."""
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    for logger, _ in before:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in before:
            logger.setLevel(level)
