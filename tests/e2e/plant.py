"""A gateway process with a station of every protocol, asked by its HTTP API alone."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any
from urllib.parse import quote

from tests.daemon import Daemon, config
from tests.e2e.plant_files import LINE, PROFILES, STATIONS
from tests.e2e.plant_peers import Peers, shell


class Plant:
    """The gateway, which is not started yet. said: how many CFX messages of each kind and station must have come of what
    the peers have said; the tests count that."""

    def __init__(self, peers: Peers) -> None:
        self.peers = peers
        self.said: Counter[tuple[str, str]] = Counter()
        self._trusted = False
        for name, text in PROFILES.items():
            path = peers.folder / "profiles" / f"{name}.toml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        stations = LINE.format(
            **peers.ports,
            mqtt=peers.broker.port,
            topic=peers.topic,
            modbus=peers.modbus_port,
            serial=peers.serial,
            opcua=peers.node.url,
        )
        self.daemon = Daemon(config(peers.folder, connections="", stations=stations))

    def start(self) -> None:
        """The gateway, until every link is up."""
        self.daemon.start()
        if not self._trusted:
            self._trust()
        self.up(*STATIONS)

    def _trust(self) -> None:
        """As a person does it: our certificate among those that the server knows, and the move that the gateway asks for. In
        this order: a server that turns our certificate down while it is told to trust it may go on doing so."""
        self.daemon.wait(lambda: "is not trusted" in str(self.link("tester")["reason"]))
        found = re.search(r"move (.*) to (.*)$", self.link("tester")["reason"])
        assert found is not None
        self.peers.node.ask("trust", str(self.peers.folder / "opcua/own/certificate.der"))
        shell('mv "$1" "$2"', *found.groups())
        self._trusted = True

    def stations(self) -> dict[str, Any]:
        return {each["id"].removeprefix("L1."): each for each in self.daemon.get("/stations")["stations"]}

    def link(self, station: str) -> dict[str, Any]:
        """Its only one."""
        (found,) = self.stations()[station]["links"]
        return dict(found)

    def up(self, *stations: str) -> None:
        self.daemon.wait(lambda: all(self.link(station)["state"] != "down" for station in stations))

    def told(self) -> Counter[tuple[str, str]]:
        """CFX messages of each station."""
        return Counter(
            (event["station"].removeprefix("L1."), event["message"].rpartition(".")[2])
            for event in self.daemon.events("message=CFX.*")
        )

    def agrees(self, *stations: str) -> None:
        """Wait until the gateway has told as many messages of these as the peers have said, or of all. Fails at once when
        there are too many, and says what is missing when they do not come."""
        deadline = time.monotonic() + 20
        while True:
            told = self.told()
            more = {key: told[key] - self.said[key] for key in told | self.said if not stations or key[0] in stations}
            assert max(more.values(), default=0) <= 0, f"told but not said: {more}\n{self.daemon.log()}"
            if not any(more.values()):
                return
            assert time.monotonic() < deadline, f"said but not told: {more}\n{self.daemon.log()}"
            time.sleep(0.05)

    def samples(self, station: str, signal: str) -> list[Any]:
        """Values as they were stored; None where there was none. Empty before the first."""
        status, page = self.daemon.ask(f"/api/v1/samples?station=L1.{station}&signal={quote(signal)}&limit=10000")
        return list(page["v"]) if status == 200 else []

    def signals(self, station: str) -> list[str]:
        return [each["signal"] for each in self.daemon.get(f"/stations/L1.{station}/signals")["signals"]]

    def quality(self, station: str, signal: str) -> str:
        """Of the newest sample."""
        found = self.daemon.get(f"/stations/L1.{station}/signals")["signals"]
        return next(str(each["quality"]) for each in found if each["signal"] == signal)

    def quarantined(self) -> Counter[tuple[str, str]]:
        """Station and reason."""
        counted: Counter[tuple[str, str]] = Counter()
        for each in self.daemon.get("/quarantine?limit=1000")["quarantine"]:
            counted[(each["station"] or each["source"]).removeprefix("L1."), each["reason"]] += each["count"]
        return counted

    def units(self, station: str) -> set[str]:
        """Whatever its CFX messages name."""
        return {unit for event in self.daemon.events(f"message=CFX.*&station=L1.{station}") for unit in event["units"]}

    def gaps(self, station: str) -> list[str]:
        """Causes of its gaps, in the order in which they opened."""
        return [each["cause"] for each in self.daemon.get(f"/gaps?station=L1.{station}&limit=1000")["gaps"]]

    def table(self) -> str:
        """For people: what came of each protocol."""
        rows = [("protocol", "peer", "station", "CFX events", "samples", "quarantine")]
        told, quarantined = self.told(), self.quarantined()
        for station, (protocol, peer) in STATIONS.items():
            events = sum(count for (each, _), count in told.items() if each == station)
            samples = sum(len(self.samples(station, signal)) for signal in self.signals(station))
            bad = sum(count for (each, _), count in quarantined.items() if each == station)
            rows.append((protocol, peer, station, str(events), str(samples), str(bad)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
