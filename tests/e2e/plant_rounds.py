"""What each peer of `plant_peers.py` says in a round, which has a number, and what is due for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from gateway.profile.load import load
from tests.conftest import ROOT
from tests.e2e.plant import Plant
from tests.e2e.plant_peers import words
from tests.integration.hermes.peers import ARRIVED, DEPARTED
from tests.integration.opcua.node_peer import PACE

_SAMPLES = ROOT / "tests/samples/cfx"
_TESTED = ("PNL{}-0012345", "SN{}-00045601", "SN{}-00045602")
_INSPECTED = ("PNL{}-000345", "SN{}-00045601", "SN{}-00045602")
UNITS = {
    "loader": ("SN{}", "SN{}-1", "MAG7"),
    "pnp": ("BRD-{}-4711",),
    "scan": ("SN{}",),
    "oven": ("SN{}",),
    "aoi": _INSPECTED,
    "review": ("BRD-{}-4711",),
    "axi": _INSPECTED,
    "spi": ("PNL{}-000345", "SN{}-1", "SN{}-2"),
    "log": _TESTED,
    "probe": _TESTED,
    "tester": ("SN{}-1", "SN{}-2"),
}
"""Whom the messages of a round are about, by its number."""


def example(profile: str, number: int) -> str:
    """What the first record of a packaged profile shows, of another panel with other boards."""
    text: str = load(profile, [ROOT / "config/profiles"]).profile.record[0].example.text  # type: ignore[union-attr]
    return re.sub(r"\b(SN|PNL)(?=\d)", rf"\g<1>{number}-", text.strip()) + "\n"


def cfx(sample: str, handle: str, number: int) -> bytes:
    """An envelope of the samples, of another machine, board and transaction."""
    text = (_SAMPLES / f"{sample}.json").read_text("utf-8").replace("Nordwerk.PlaceOne.7001", handle)
    return (
        text.replace("-8000-", f"-8{number:03}-")
        .replace("BRD-", f"BRD-{number}-")
        .replace("5f0d6c1e", f"{number:08}")
        .encode()
    )


# What each peer says in a round, and the CFX messages that are due for it.


def _loader(plant: Plant, number: int) -> list[str]:
    board = f"{number:08}".encode()
    for message in (ARRIVED, DEPARTED):
        plant.peers.write("loader", message.replace(b"3f0c2a5e", board).replace(b"SN0001", b"SN%d" % number))
    return ["UnitsLoaded", "UnitsArrived", "UnitsDeparted"]


def _pnp(plant: Plant, number: int) -> list[str]:
    for sample in ("work_started", "units_processed"):
        plant.peers.publish(cfx(sample, "Nordwerk.PlaceOne.7001", number))
    return ["WorkStarted", "UnitsProcessed"]


def _scan(plant: Plant, number: int) -> list[str]:
    plant.peers.scan(f"\\002SN{number}\\003")
    return ["IdentifiersRead"]


def _oven(plant: Plant, number: int) -> list[str]:
    """A board goes through, and the state changes; then there is a fault, and is none."""

    def shows(signal: str, value: Any) -> None:
        plant.daemon.wait(lambda: plant.samples("oven", signal)[-1] == value)

    boards = 100 + number
    plant.peers.registers(0, number % 2, 0, 0, boards, 0, boards - 1, *words(f"SN{number}", 10))
    shows("units.in", boards)
    plant.peers.registers(4, 0, boards)
    shows("units.out", boards)
    plant.peers.registers(1, 17)
    shows("fault.code", "17")
    plant.peers.registers(1, 0)
    shows("fault.code", "")
    unit = ["UnitsArrived", "WorkStarted", "WorkCompleted", "UnitsDeparted"]
    return [*unit, "StationStateChanged", "FaultOccurred", "FaultCleared"]


def _aoi(plant: Plant, number: int) -> list[str]:
    plant.peers.write("aoi", example("aoi/example-report", number))
    return ["WorkStarted", "UnitsInspected", "WorkCompleted"]


def _review(plant: Plant, number: int) -> list[str]:
    bodies = [cfx(sample, "Nordwerk.Review.1", number) for sample in ("work_started", "units_processed")]
    assert plant.peers.send(*bodies) == ["open", "accepted", "accepted", "closed"]
    return ["WorkStarted", "UnitsProcessed"]


def _axi(plant: Plant, number: int) -> list[str]:
    plant.peers.drop(f"axi/p{number}.xml", example("axi/example-xml", number), moved=number % 2 == 0)
    return ["WorkStarted", "UnitsInspected", "WorkCompleted"]


def _spi(plant: Plant, number: int) -> list[str]:
    text = example("spi/example-columns", number)
    for part in (text[:200], text[200:]):
        plant.peers.append(f"spi/p{number}.csv", part)
    plant.peers.drop(f"spi/p{number}.ok", "")
    return ["WorkStarted", "UnitsInspected", "WorkCompleted"]


def _log(plant: Plant, number: int) -> list[str]:
    plant.peers.append("log/today.log", example("electrical_test/example-flying-probe", number))
    return ["WorkStarted", "UnitsTested", "WorkCompleted"]


def _probe(plant: Plant, number: int) -> list[str]:
    plant.peers.write("probe", example("electrical_test/example-flying-probe", number))
    return ["WorkStarted", "UnitsTested", "WorkCompleted"]


def _tester(plant: Plant, number: int) -> list[str]:
    """Two boards as events, an alarm that comes and goes, a change of state, ten values in a row."""
    node = plant.peers.node
    node.ask("test", f"SN{number}-1", True, ["R1", "R2"], [4.7, 10.0])
    node.ask("write", "Heat", [150.0, 20.0], PACE)
    node.ask("test", f"SN{number}-2", False)
    node.ask("write", "State", [number % 2])
    node.ask("write", "Count", list(range(100 * number, 100 * number + 10)), PACE)
    board = ["UnitsTested", "WorkCompleted"]  # it does not say when it began
    return [*board, *board, "FaultOccurred", "FaultCleared", "StationStateChanged"]


_ROUND: dict[str, Callable[[Plant, int], list[str]]] = {
    "loader": _loader,
    "pnp": _pnp,
    "scan": _scan,
    "oven": _oven,
    "aoi": _aoi,
    "review": _review,
    "axi": _axi,
    "spi": _spi,
    "log": _log,
    "probe": _probe,
    "tester": _tester,
}


REPORTS: dict[str, tuple[str, Callable[[Plant, str], None]]] = {
    "aoi": ("aoi/example-report", lambda plant, text: plant.peers.write("aoi", text)),
    "log": ("electrical_test/example-flying-probe", lambda plant, text: plant.peers.append("log/today.log", text)),
    "probe": ("electrical_test/example-flying-probe", lambda plant, text: plant.peers.write("probe", text)),
}
"""Of several lines, from machines that keep nothing, or keep all in one file."""


def half(station: str, number: int) -> tuple[str, str]:
    """A report of it, cut behind a line in the middle: of a line itself, what came before a kill would be lost."""
    text = example(REPORTS[station][0], number)
    at = text.index("\n", len(text) // 2) + 1
    return text[:at], text[at:]


def say_and_wait(plant: Plant, station: str, text: str) -> None:
    """Until the gateway has heard it; what is heard of another station afterwards is not stored before it."""
    before = plant.link(station)["heard"]
    REPORTS[station][1](plant, text)
    plant.daemon.wait(lambda: plant.link(station)["heard"] != before)


def says(plant: Plant, number: int, *stations: str) -> None:
    for station in stations or _ROUND:
        plant.said.update((station, message) for message in _ROUND[station](plant, number))


def identified(*numbers: int) -> dict[str, set[str]]:
    return {station: {name.format(number) for name in names for number in numbers} for station, names in UNITS.items()}
