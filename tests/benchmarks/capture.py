"""What capturing costs: the same gateway with and without, taking turns.

Everything is captured, by a ring of the configuration, while messages come in over MQTT and AMQP as fast as the gateway
takes them, and registers as fast as it reads them. What counts is the processor time per message, which is as good as the
rate where the machine has nothing else to do, and is not moved by others who use it. Afterwards the capture has every frame.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from gateway.capture.form import Captured, ChannelKind
from gateway.capture.reading import Capture
from gateway.core.frame import LOST, TICK
from tests.benchmarks import intake, modbus
from tests.benchmarks.intake import Took
from tests.benchmarks.row import Row, say
from tests.integration.modbus.libmodbus import compile_server
from tests.servers.mosquitto import Mosquitto

_READING = modbus.Reading(125, 20)


@contextmanager
def _captured(count: int | None) -> Iterator[str]:
    """The configuration. Afterwards everything must be in the capture, if it is known how much that is."""
    with tempfile.TemporaryDirectory() as folder:
        yield f'[capture]\nfolder = "{folder}"\nring = {{ keep = "1h" }}\n'
        frames = [
            entry
            for entry in Capture([Path(folder) / "ring"]).entries()
            if isinstance(entry, Captured) and entry.kind is ChannelKind.IN
        ]
        found = sum(entry.frame.channel not in (LOST, TICK) for entry in frames)
        if count is not None and found < count:
            raise RuntimeError(f"{found} of {count} frames are in the capture")


def _row(what: str, run: Callable[[str], Took], count: int | None, pairs: int) -> Row:
    took: dict[str, list[Took]] = {"without": [], "captured": []}
    names = list(took)
    for pair in range(pairs):
        for name in names:
            if name == "without":
                took[name].append(run(""))
            else:
                with _captured(count) as extra:
                    took[name].append(run(extra))
        names.reverse()  # nobody always goes first
        say(
            f"{what} {pair + 1}/{pairs}: "
            + ", ".join(f"{name} {found[-1].rate:,.0f}/s {found[-1].cpu_us:.1f} µs" for name, found in took.items())
        )
    cpu = {name: median(each.cpu_us for each in found) for name, found in took.items()}
    rate = {name: median(each.rate for each in found) for name, found in took.items()}
    return Row(
        what=what,
        a=f"captured {cpu['captured']:.1f} µs",
        b=f"not captured {cpu['without']:.1f} µs",
        values=tuple(
            100 * (one.cpu_us / other.cpu_us - 1) for one, other in zip(took["captured"], took["without"], strict=True)
        ),
        unit="%",
        target=("below", 10.0),
        note=f"{rate['captured']:,.0f}/s with, {rate['without']:,.0f}/s without",
    )


def run(pairs: int, count: int, seconds: float) -> list[Row]:
    """Processor time on top, in percent."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = Mosquitto(folder)
        broker.start()
        try:
            rows.append(
                _row(
                    "capture of CFX/MQTT QoS 1, live",
                    lambda extra: intake.mqtt_run("gateway", broker, count, live=True, extra=extra),
                    count,
                    pairs,
                )
            )
        finally:
            broker.stop()
        rows.append(
            _row(
                "capture of CFX/AMQP point to point",
                lambda extra: intake.amqp_run("gateway", count, extra=extra),
                count,
                pairs,
            )
        )
        program = compile_server(folder)

        def read(extra: str) -> Took:
            with modbus.machine_of(program, 1) as machine:
                return modbus.gateway_run(machine, _READING, seconds, extra)

        rows.append(_row(f"capture of Modbus TCP, reads of {_READING}", read, None, pairs))
    return rows
