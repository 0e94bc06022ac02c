"""Draining a broker's backlog of QoS 1 messages with acknowledgement, transport only: no decoding, no journal.

A: our session on uvloop. B: paho-mqtt with its own loop and `manual_ack`. C: a socket that reads only as much of each
packet as it must to acknowledge it, in one write per read: what the broker itself can do. All three are clients of one
private Mosquitto that was away while the messages were published, so each has the same backlog; they take turns.
`python -m tests.benchmarks.mqtt` prints it.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import msgspec
import uvloop

from gateway.core.frame import Delivery
from gateway.transport.mqtt import Options, session
from tests.benchmarks.baselines.transport import TOPIC, Took, by_paho, raw
from tests.servers.mosquitto import Mosquitto

PAYLOAD = 1024


async def _ours(port: int, client_id: str, version: Any, count: int) -> Took:
    options = Options(host="127.0.0.1", port=port, client_id=client_id, version=version)
    wall, cpu = perf_counter(), process_time()
    async with session(options) as made:
        await made.subscribe([TOPIC], 1)
        left = count
        async for item in made.inbox:
            if isinstance(item, Delivery):
                item.ack()
                left -= 1
                if not left:
                    break
        return Took(perf_counter() - wall, process_time() - cpu)


def ours(port: int, client_id: str, version: str, count: int) -> Took:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_ours(port, client_id, version, count))


CONTENDERS: dict[str, Callable[[int, str, str, int], Took]] = {"ours": ours, "paho": by_paho, "raw": raw}


async def _fill(port: int, count: int) -> None:
    async with session(Options(host="127.0.0.1", port=port, clean=True, window=1000)) as made:
        for start in range(0, count, 1000):
            await asyncio.gather(
                *(made.publish(TOPIC, b"%08d" % n + bytes(PAYLOAD - 8)) for n in range(start, min(count, start + 1000)))
            )


async def _enrol(port: int, client_id: str, version: Any) -> None:
    async with session(Options(host="127.0.0.1", port=port, client_id=client_id, version=version)) as made:
        await made.subscribe([TOPIC], 1)


def _version(broker: Mosquitto, version: str, pairs: int, count: int) -> dict[str, Any]:
    took: dict[str, list[Took]] = {name: [] for name in CONTENDERS}
    for name in CONTENDERS:
        asyncio.run(_enrol(broker.port, f"{name}-{version}", version))
    order = list(CONTENDERS)
    for _ in range(pairs):
        asyncio.run(_fill(broker.port, count))
        for name in order:
            took[name].append(CONTENDERS[name](broker.port, f"{name}-{version}", version, count))
        order.append(order.pop(0))  # nobody always goes first
    result: dict[str, Any] = {
        name: {
            "messages_per_s": round(count / median(each.wall_s for each in times)),
            "cpu_us_per_message": round(median(each.cpu_s for each in times) / count * 1e6, 1),
        }
        for name, times in took.items()
    }
    for other in ("paho", "raw"):
        ratios = [theirs.wall_s / mine.wall_s for mine, theirs in zip(took["ours"], took[other], strict=True)]
        result[f"ratio_to_{other}"] = {
            "pairs": ratios,
            "median": median(ratios),
            "min": min(ratios),
            "max": max(ratios),
        }
    return result


def run(pairs: int = 5, count: int = 20_000) -> dict[str, Any]:
    """Per version of MQTT: messages per second of each contender (median), processor time, and our ratio of messages
    per second to the others', one per pair."""
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder))
        broker.start()
        try:
            return {
                "pairs": pairs,
                "messages": count,
                "payload_bytes": PAYLOAD,
                **{f"mqtt {version}": _version(broker, version, pairs, count) for version in ("3.1.1", "5")},
            }
        finally:
            broker.stop()


if __name__ == "__main__":
    print(msgspec.json.format(msgspec.json.encode(run())).decode())
