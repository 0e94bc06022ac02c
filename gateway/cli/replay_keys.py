"""What a person at the terminal says while a capture is played: by keys, or by signals from elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator

KEYS = "space: hold and go on · n: next frame · q: end"
SIGNALS = "SIGUSR1 holds and goes on, SIGUSR2 plays the next frame"


@contextlib.contextmanager
def listening(pause: Callable[[], None], step: Callable[[], None], end: Callable[[], None]) -> Iterator[bool]:
    """While the block runs, on the running event loop; whether there are keys. SIGUSR1 is `pause`, SIGUSR2 is `step`."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, pause)
    loop.add_signal_handler(signal.SIGUSR2, step)
    try:
        with _keys(loop, {b" ": pause, b"n": step, b"\n": step, b"q": end}) as there:
            yield there
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
        loop.remove_signal_handler(signal.SIGUSR2)


@contextlib.contextmanager
def _keys(loop: asyncio.AbstractEventLoop, actions: dict[bytes, Callable[[], None]]) -> Iterator[bool]:
    """Each key at once, without Enter; Ctrl-C stays a signal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        yield False
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)

    def read() -> None:
        for key in os.read(terminal, 64):
            actions.get(bytes((key,)), lambda: None)()

    tty.setcbreak(terminal)
    loop.add_reader(terminal, read)
    try:
        yield True
    finally:
        loop.remove_reader(terminal)
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
