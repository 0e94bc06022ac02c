"""The TCP segments of a network capture, as tshark reads them.

tshark reads the file formats, link layers, tunnels and IP fragments that there are, and hands over what TCP carried; the
protocols above it are read here, by what the gateway itself reads them with, so that frames come out as the gateway's own.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from gateway.core.errors import LinesideError
from gateway.core.times import Micros

PACKAGE = "tshark"
"""Of Debian and its relatives."""

_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10
_FORGET_EVERY = 100_000
"""Packets after which tshark lets go of what it remembers of connections, which is all that it would ever need memory for."""

_FIELDS = (
    *("frame.time_epoch", "ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport"),
    *("tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "tcp.len", "tcp.payload"),
)
_OPTIONS = (
    "tcp.desegment_tcp_streams:FALSE",
    "tcp.analyze_sequence_numbers:FALSE",
    "tcp.calculate_timestamps:FALSE",
    "tcp.try_heuristic_first:FALSE",
)
_WHAT = "tcp and not icmp and not icmpv6"
"""Messages of errors quote the packets that they are about."""
_ABOVE = ("mqtt", "amqp", "opcua", "mbtcp", "tls", "http")
"""Protocols that tshark need not look into."""


class PcapError(LinesideError):
    """The file cannot be read as a network capture, or tshark is not there."""


class Segment(NamedTuple):
    """at: when its packet was captured. size: of what it carried; more than the data where packets were cut short."""

    at: Micros
    source: tuple[str, int]
    target: tuple[str, int]
    sequence: int
    acknowledged: int | None
    syn: bool
    fin: bool
    reset: bool
    size: int
    data: bytes


class Packets:
    """Of one file. damage: what tshark said of the file when it was done: that it ends in the middle of a packet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage = ""

    def segments(self) -> Iterator[Segment]:
        """All, in the order of the file. Raises PcapError when there is not one packet to be read."""
        with tempfile.TemporaryFile() as said:
            try:
                child = subprocess.Popen(_command(self.path), stdout=subprocess.PIPE, stderr=said)
            except OSError as error:
                raise PcapError(f"cannot start tshark: {error.strerror}") from error
            found = 0
            try:
                assert child.stdout is not None
                for line in child.stdout:
                    segment = _segment(line)
                    if segment is not None:
                        found += 1
                        yield segment
                status = child.wait()
            finally:
                child.kill()
                child.communicate()
            said.seek(0)
            words = [line for line in said.read().decode(errors="replace").splitlines() if line.startswith("tshark:")]
        self.damage = " ".join(line.removeprefix("tshark:").strip() for line in words)
        if status and not found:
            raise PcapError(self.damage or f"{self.path}: tshark ends with status {status}")


def _command(path: Path) -> list[str]:
    program = shutil.which("tshark")
    if program is None:
        raise PcapError(f"tshark reads network captures, and is not installed: it is in the package {PACKAGE}")
    command = [program, "-n", "-r", str(path), "-Y", _WHAT, "-M", str(_FORGET_EVERY), "-T", "fields"]
    command += ["-E", "separator=/t", "-E", "occurrence=l"]  # the last: what is inside a tunnel
    for option in _OPTIONS:
        command += ["-o", option]
    for protocol in _ABOVE:
        command += ["--disable-protocol", protocol]
    for field in _FIELDS:
        command += ["-e", field]
    return command


def _segment(line: bytes) -> Segment | None:
    """None for what lacks something: a fragment, or a packet that was cut before its end."""
    at, src4, src6, sport, dst4, dst6, dport, sequence, acknowledged, flags, size, data = line.rstrip(b"\n").split(
        b"\t"
    )
    if not (at and sport and dport and sequence and size):
        return None
    seconds, _, rest = at.partition(b".")
    marks = int(flags, 16)
    return Segment(
        int(seconds) * 1_000_000 + int(rest[:6].ljust(6, b"0")),
        ((src4 or src6).decode(), int(sport)),
        ((dst4 or dst6).decode(), int(dport)),
        int(sequence),
        int(acknowledged) if marks & _ACK else None,
        marks & _SYN != 0,
        marks & _FIN != 0,
        marks & _RST != 0,
        int(size),
        bytes.fromhex(data.decode()),
    )
