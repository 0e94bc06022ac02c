"""How much longer reading an event takes than the bare libraries doing the same parts of it.

A: `envelope.read`, from payload to observation with facts. B: `baselines.decode` of the same bytes. Over the official
example envelopes, or over the samples of the unit tests where those are not at hand. `python -m tests.benchmarks.decode`
prints it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from time import thread_time_ns
from typing import Any

import msgspec

from gateway.cfx.envelope import read
from tests.benchmarks.baselines.decode import decode as by_hand

_ROOT = Path(__file__).parents[2]


def _payloads() -> list[bytes]:
    shared = Path(os.environ.get("LINESIDE_SHARED", _ROOT.parent / "shared")) / "cfx" / "wire"
    folder = shared if shared.is_dir() else _ROOT / "tests" / "unit" / "cfx" / "samples"
    return [path.read_bytes() for path in sorted(folder.glob("*.json"))]


def _nanoseconds(work: Callable[[bytes], object], payload: bytes, times: int) -> float:
    start = thread_time_ns()  # neither waits for anything: time on the processor, not what others do to the clock
    for _ in range(times):
        work(payload)
    return (thread_time_ns() - start) / times


def run(pairs: int = 7, times: int = 50) -> dict[str, Any]:
    """`ratio`: A to B, mean over the payloads, one per pair, with median and range; and microseconds per payload."""
    payloads = _payloads()
    ratios: list[float] = []
    ours: list[float] = []
    bare: list[float] = []
    for one in payloads:  # the catalogue loads at its first use
        read(one)
    for _ in range(pairs):
        timed = [(_nanoseconds(read, one, times), _nanoseconds(by_hand, one, times)) for one in payloads]
        ratios.append(mean(a / b for a, b in timed))
        ours.append(mean(a for a, _ in timed) / 1000)
        bare.append(mean(b for _, b in timed) / 1000)
    return {
        "payloads": len(payloads),
        "bytes_mean": round(mean(map(len, payloads))),
        "ratio": {"pairs": ratios, "median": median(ratios), "min": min(ratios), "max": max(ratios)},
        "microseconds": {"read": median(ours), "bare": median(bare)},
        "target": 3.0,
    }


if __name__ == "__main__":
    print(msgspec.json.format(msgspec.json.encode(run())).decode())
