"""`python -m tests.benchmarks` (`make bench`): every row of docs/benchmarks.md, as a table and as JSON.

A and B take turns in the same run, as this machine's speed changes more from minute to minute than they differ.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from tests.benchmarks import (
    capture,
    decode,
    events,
    fanout,
    intake,
    modbus,
    month,
    mqtt,
    opcua,
    postgres,
    samples,
    samples_at_rest,
    whole,
)
from tests.benchmarks.baselines.terms import REPORTED
from tests.benchmarks.row import Row, say, table


def _decode(quick: bool) -> list[Row]:
    found = decode.run(pairs=5 if quick else 7, times=20 if quick else 50)
    each = found["microseconds"]
    return [
        Row(
            what=f"reading an event, mean of {found['payloads']} envelopes",
            a=f"gateway {each['read']:.1f} µs",
            b=f"msgspec, format, digest {each['bare']:.1f} µs",
            values=tuple(found["ratio"]["pairs"]),
            target=("at most", 3.0),
        )
    ]


def _fanout(quick: bool) -> list[Row]:
    found = fanout.run(pairs=5, count=1000 if quick else 4000)
    each = found["events_per_second"]
    return [
        Row(
            what=f"fan-out to {found['subscribers']} SSE subscribers",
            a=f"gateway {each['api']:,}/s in all",
            b=f"bare coalesced writes {each['bare']:,}/s",
            values=tuple(found["ratio"]["pairs"]),
            target=("at least", 0.3),
            reported=(REPORTED["fanout"], each["bare"] / REPORTED["fanout"]),
        )
    ]


def _transport(quick: bool) -> list[Row]:
    found = mqtt.run(pairs=5, count=5_000 if quick else 20_000)
    rows: list[Row] = []
    for version in ("3.1.1", "5"):
        one = found[f"mqtt {version}"]
        for other, name in (("paho", "paho's own loop"), ("raw", "only acknowledging")):
            ratio = one[f"ratio_to_{other}"]
            rows.append(
                Row(
                    what=f"MQTT {version} QoS 1 backlog, transport alone",
                    a=f"gateway {one['ours']['messages_per_s']:,}/s",
                    b=f"{name} {one[other]['messages_per_s']:,}/s",
                    values=tuple(ratio["pairs"]),
                )
            )
    return rows


BENCHMARKS: dict[str, Callable[[bool], list[Row]]] = {
    "mqtt": lambda quick: intake.mqtt(5, 6_000 if quick else 30_000),
    "amqp": lambda quick: intake.amqp(5, 6_000 if quick else 30_000),
    "amqp-300": lambda quick: intake.amqp(5, 6_000 if quick else 30_000, credit=300),
    "capture": lambda quick: capture.run(5, 6_000 if quick else 30_000, 1.0 if quick else 6.0),
    "modbus": lambda quick: modbus.run(5, 1.0 if quick else 6.0),
    "decode": _decode,
    "latency": lambda quick: whole.late(1 if quick else 5, 5 if quick else 10, 10 if quick else 22),
    "fanout": _fanout,
    "idle": lambda quick: whole.idle(5 if quick else 30),
    "opcua": lambda quick: opcua.run(5, 20_000 if quick else 200_000),
    "postgres": lambda quick: postgres.run(5, 2_000 if quick else 30_000),
    "samples": lambda quick: samples.run(5, 20_000 if quick else 400_000),
    "samples-at-rest": lambda quick: samples_at_rest.run((100_000,) if quick else (100_000, 2_000_000, 10_000_000)),
    "events": lambda quick: events.run(
        (20_000,) if quick else (100_000, 1_000_000, 10_000_000),
        0.5 if quick else 6.0,
        *((1, 2_000) if quick else (5, 30_000)),
    ),
    "month": lambda quick: month.run(1 if quick else 30, 0.5 if quick else 6.0),
    "transport": _transport,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=BENCHMARKS, help="may be given several times")
    parser.add_argument("--quick", action="store_true", help="fewer messages: whether it runs, not how fast")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    say(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} processors, load {load:.1f}, Python {platform.python_version()}"
    )
    rows: list[Row] = []
    for name in chosen.only or BENCHMARKS:
        say(f"{name} …")
        try:
            rows += BENCHMARKS[name](chosen.quick)
        except pytest.skip.Exception as missing:
            say(f"{name} is skipped: {missing}")
    print(table(rows))
    for row in rows:
        if row.note:
            print(f"{row.what}, {row.b}: {row.note}")
        if row.reported is not None:
            bound, part = row.reported
            print(
                f"{row.what}: B reaches {part:.2f} of the {bound:,.0f}/s reported elsewhere"
                + (" (doubtful)" if row.doubtful else "")
            )
    if chosen.json is not None:
        found = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "load_before": load,
            "rows": [row.as_json() for row in rows],
        }
        chosen.json.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
