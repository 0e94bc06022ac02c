"""A serial line for simulated Modbus slaves: a port of this computer, or a pseudo terminal where there is none."""

from __future__ import annotations

import os
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import serial

from gateway.core.errors import LinesideError
from gateway.transport.modbus_wire import Serial


class FaceError(LinesideError):
    """A simulated machine cannot be reached where it was to be; the message says why."""


@contextmanager
def opened(line: Serial) -> Iterator[int]:
    """A file descriptor that reads and writes the line without waiting. Raises FaceError.

    Where `line.port` names nothing, a pseudo terminal is made and that path linked to it, so that a master opens the
    path as if it were a serial port; the link goes when the block is left. A pseudo terminal has no parity: Linux
    refuses it to whoever asks for one, so that masters other than ours have to be set to none.
    """
    path = Path(line.port)
    with ExitStack() as stack:
        try:
            number = stack.enter_context(_device(line) if path.exists() else _pseudo_terminal(path))
        except (OSError, ValueError) as error:  # ValueError: a baud rate that the port does not know
            raise FaceError(f"cannot open {line.port}: {error}") from error
        yield number


@contextmanager
def _device(line: Serial) -> Iterator[int]:
    with serial.Serial(
        port=line.port,
        baudrate=line.baudrate,
        parity=line.parity[0].upper(),
        stopbits=line.stopbits,
        exclusive=True,
        timeout=0,
    ) as port:
        yield port.fileno()


@contextmanager
def _pseudo_terminal(path: Path) -> Iterator[int]:
    ours, theirs = os.openpty()  # theirs stays open here: without any holder, ours would fail between two masters
    try:
        tty.setraw(theirs)
        os.set_blocking(ours, False)
        path.unlink(missing_ok=True)  # what a killed run left behind, leading nowhere
        path.symlink_to(os.ttyname(theirs))
        try:
            yield ours
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(ours)
        os.close(theirs)
