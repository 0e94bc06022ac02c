"""Recordings for tests: one that is changed packet by packet, and one that is made."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

SAMPLES = Path(__file__).parents[2] / "samples" / "pcap"
_PACKET = 6
"""Type of a block with a packet (draft-ietf-opsawg-pcapng, 4.3)."""
_ETHERNET, _IP = 14, 20


class Packet(NamedTuple):
    """A block of a pcapng file. ports: source and target of its TCP segment; size: of what that carries."""

    block: bytes
    ports: tuple[int, int]
    size: int


def sample() -> bytes:
    return gzip.decompress((SAMPLES / "line.pcapng.gz").read_bytes())


def changed(change: Callable[[list[Packet]], Iterable[Packet]]) -> bytes:
    """The sample with other packets, or in another order. Their times stay with them."""
    data, at = sample(), 0
    head, packets = [], []
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        block = data[at : at + size]
        if kind == _PACKET:
            tcp = 28 + _ETHERNET + _IP
            ports = struct.unpack_from(">HH", block, tcp)
            length = struct.unpack_from(">H", block, 28 + _ETHERNET + 2)[0] - _IP - 4 * (block[tcp + 12] >> 4)
            packets.append(Packet(block, ports, length))
        else:
            head.append(block)
        at += size
    return b"".join(head) + b"".join(each.block for each in change(packets))


def made(segments: Iterable[tuple[float, int, int, int, bytes]], *, kept: int = 65_535) -> bytes:
    """A pcap file of raw IP. segments: second, source port, target port, sequence number, and what it carries. kept: bytes of
    each packet that are in the file."""
    out = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, kept, 101)]
    for second, source, target, sequence, data in segments:
        tcp = struct.pack(">HHIIBBHHH", source, target, sequence, 1, 0x50, 0x18, 8192, 0, 0)
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(data), 0, 0, 64, 6, 0, b"\x0a\0\0\x01", b"\x0a\0\0\x02")
        packet = ip + tcp + data
        whole, rest = divmod(second, 1)
        out.append(struct.pack("<IIII", int(whole), round(rest * 1e6), len(packet[:kept]), len(packet)) + packet[:kept])
    return b"".join(out)
