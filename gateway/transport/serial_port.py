"""A serial port of this computer, on the event loop."""

from __future__ import annotations

import asyncio
import os
import socket
import termios
from typing import Literal

import msgspec
import serial
from serial_asyncio_fast import connection_for_serial

from gateway.core.errors import NotConnected

Parity = Literal["none", "even", "odd", "mark", "space"]
Flow = Literal["none", "xon-xoff", "rts-cts", "dsr-dtr"]


class SerialPort(msgspec.Struct, frozen=True, kw_only=True):
    """port: a device; `/dev/serial/by-id/…` names the same adapter wherever it is plugged in. flow: how the machine is
    held back, or holds us back."""

    port: str
    baudrate: int = 9600
    databits: Literal[7, 8] = 8
    parity: Parity = "none"
    stopbits: Literal[1, 2] = 1
    flow: Flow = "none"

    @property
    def place(self) -> str:
        """For messages."""
        return self.port


async def open_serial(options: SerialPort, protocol: asyncio.Protocol) -> None:
    """Give the protocol its connection, which is made when this returns. Raises NotConnected.

    Leaves nothing behind when it fails or is cancelled.
    """
    # Opened on the event loop, which does not wait for the device: a thread's port would be lost if we were cancelled.
    port = serial.Serial(
        baudrate=options.baudrate,
        bytesize=options.databits,
        parity=_parity(options)[0].upper(),
        stopbits=options.stopbits,
        xonxoff=options.flow == "xon-xoff",
        rtscts=options.flow == "rts-cts",
        dsrdtr=options.flow == "dsr-dtr",
        exclusive=True,
        timeout=0,
        write_timeout=0,
    )
    port.port = options.port
    try:
        port.open()
        transport, _ = await connection_for_serial(asyncio.get_running_loop(), lambda: protocol, port)
        try:
            await asyncio.sleep(0)  # for connection_made, which is called a turn of the loop later
        except asyncio.CancelledError:
            transport.abort()
            port.close()  # now: the transport would do it a turn later, and who opens it next is told that it is in use
            raise
    except (termios.error, ValueError) as error:
        port.close()
        line = f"{options.baudrate} baud, {options.databits} data bits, parity {options.parity}, {options.stopbits} stop bits"
        raise NotConnected(f"{options.place}: does not take {line}: {error.args[-1]}") from error
    except OSError as error:
        port.close()
        raise NotConnected(f"{options.place}: cannot open: {words(error)}") from error


def _parity(options: SerialPort) -> Parity:
    # A pseudo terminal has none: Linux drops what it is given without a word, and the next to open it, for whom nothing
    # would change by that, gets an EINVAL.
    return "none" if os.path.realpath(options.port).startswith("/dev/pts/") else options.parity


def words(error: Exception) -> str:
    """What went wrong with a connection, as the operating system says it."""
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno is not None:
        return os.strerror(error.errno).lower()  # event loops and pyserial put other words into the exception
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
