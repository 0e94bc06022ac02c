"""The configuration has changed since the gateway last stopped."""

from __future__ import annotations

from pathlib import Path

from adapters.registry import build, protocols
from gateway.config.load import load
from gateway.config.plan import resolve
from gateway.core.telemetry import Telemetry
from gateway.ingest.ingest import Ingest
from gateway.ingest.settings import IngestSettings
from gateway.journal.transaction import Transaction
from gateway.supervisor.settings import SupervisorSettings
from gateway.supervisor.supervisor import Supervisor
from gateway.wiring import Gateway, machines_on
from tests.unit.journal.feed import ListFeed, event

CONFIG = """
[gateway]
name = "g1"
site = "s1"
[[station]]
name = "a"
profile = "generic/example-registers"
source = { protocol = "modbus-tcp", host = "10.0.0.1", unit = 1 }
[[station]]
name = "b"
profile = "generic/example-registers"
source = { protocol = "modbus-tcp", host = "10.0.0.2", unit = 1 }
[[station]]
name = "third"
profile = "generic/example-registers"
source = { connection = "bus", unit = 1 }
[[connection]]
name = "bus"
protocol = "modbus-tcp"
host = "10.0.0.3"
"""


def gateway(folder: Path) -> Gateway:
    path = folder / "lineside.toml"
    path.write_text(CONFIG)
    return Gateway(resolve(load(path, protocols())))


def adopted(made: Gateway, source: str, station: str) -> tuple[list[str], list[str]]:
    """Stations whose gap goes on, and those whose gap is to be closed, when this one was open at the last stop."""
    made.writer.open()
    try:
        feed = ListFeed([event(1)])

        def opened(transaction: Transaction, _: object) -> None:
            transaction.open_gap(
                "6f1c8c1e-7d0b-5c39-9c52-3d1a5b0f4e77", source=source, station=station, cause="disconnected",
                basis="polled", start=1,
            )  # fmt: skip

        feed.during = opened
        made.writer._store(feed, feed.take(0))
        telemetry = Telemetry()
        ingest = Ingest(made.writer, made.stations, telemetry, IngestSettings(), states={}, payload_cap=1)
        adapters = [
            build(settings, gateway="g1", machines=machines_on(made._resolved, name))
            for name, settings in made._resolved.connections.items()
        ]
        supervisor = Supervisor(adapters, ingest, telemetry, SupervisorSettings(), marks={})
        forgotten = made._adopt_gaps(supervisor)
        going_on = [
            sight.station.id
            for link in supervisor.links.values()
            for sight in link.sights.values()
            if sight.gap is not None
        ]
        return going_on, [gap.station or "" for gap in forgotten]
    finally:
        made.writer.close()


def test_a_gap_goes_on_where_the_station_still_is(tmp_path: Path) -> None:
    assert adopted(gateway(tmp_path), "bus", "third") == (["third"], [])


def test_a_gap_ends_where_the_station_is_no_more(tmp_path: Path) -> None:
    """It is on a connection of its own now, and will never be heard on this one again."""
    assert adopted(gateway(tmp_path), "bus", "a") == ([], ["a"])
