"""A shift of one inspection machine, written by hand, and what its server would publish of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from asyncua import ua

from adapters import opcua_frame
from gateway.core.observation import Readings, Record
from gateway.core.times import to_datetime
from gateway.profile import node_frame
from gateway.profile.bound import Bound
from gateway.profile.bound_nodes import Change, Event, Happening, Nodes
from gateway.profile.happenings import CONDITION_FIELDS
from gateway.profile.node_frame import Payload
from simulators.faces.opcua_space import kinds, said, variant
from simulators.model.facts import (
    AnyFact,
    BoardResult,
    Defect,
    FaultCleared,
    FaultRaised,
    Inspected,
    Measured,
    StateChanged,
    TakenOut,
)
from simulators.voices.opcua_nodes import Output, Raised, Shown
from tests.unit.simulators.followed import WHEN, instant, profile
from tests.unit.simulators.line_facts import comes, goes, in_order, lot, made, plan, set_up

STATION = "L1.station"


def aoi() -> Bound:
    return profile("aoi/example-opcua")


def written(folder: Path, text: str) -> Bound:
    path = folder / "aoi.toml"
    path.write_text(text)
    return profile(str(path))


HEAD = """
class = "aoi"
protocol = "opcua"
models = ["T"]
evidence = { level = "example" }
[subscribe.all]
publish = "100ms"
sample = "0s"
"""


def inspected(panel: str, at: float, *, boards: int, bad: Sequence[int] = (), skipped: Sequence[int] = ()) -> Inspected:
    results = tuple(
        BoardResult(
            position=position,
            board=f"{panel}-{position}",
            passed=position not in bad,
            skipped=position in skipped,
            defects=(Defect(id=f"d{position}", component=f"R{position}.2", code="TOMBSTONE"), Defect(id="e", component="C7", code="OPEN"))
            if position in bad
            else (),
        )
        for position in range(1, boards + 1)
    )  # fmt: skip
    return Inspected(at=at, station=STATION, panel=panel, job=f"{panel}@{STATION}", boards=results, count=200 * boards)


def shift(*, lane: int = 1, boards: int = 4) -> list[AnyFact]:
    """Two lots, the second of single boards. A panel whose code is not read, one read twice in a row, one taken out
    inside, faults that stop the machine, two panels inside at a time."""
    first, second = lot(1, "CTRL"), lot(2, "PSU")
    facts: list[AnyFact] = [*plan(first, boards=boards), *plan(second), *set_up(STATION, first, 10.0)]
    for number, read in enumerate(["PNL-1", "PNL-2", None, "PNL-4", "PNL-4", "PNL-6", "PNL-7", None], 1):
        panel, at = f"PNL-{number}", 100.0 + 25.0 * number
        facts += [made(panel, 1, boards=boards), *comes(STATION, panel, at, read=read, lane=lane)]
        bad, skipped = ([2] if number in (2, 3) else []), ([3] if number == 4 else [])
        if number != 6:
            facts.append(inspected(panel, at + 30.0, boards=boards, bad=bad, skipped=skipped))
            facts += goes(STATION, panel, at + 30.5, read=read, lane=lane)
    facts += [
        TakenOut(at=260.0, station=STATION, panel="PNL-6", lane=lane),
        FaultRaised(at=301.0, station=STATION, occurrence="f-1", code="A21", text="jam", severity="Error"),
        StateChanged(at=301.0, station=STATION, state="USD_Repair", fault="f-1"),
        FaultRaised(at=310.0, station=STATION, occurrence="f-2", code="J-17", text="lamp", severity="Alarm"),
        FaultRaised(at=311.0, station=STATION, occurrence="f-3", code="A21", text="jam", severity="Error"),
        FaultCleared(at=330.0, station=STATION, occurrence="f-1", operator="4711"),
        FaultCleared(at=340.0, station=STATION, occurrence="f-2", operator="4711"),
        FaultCleared(at=341.0, station=STATION, occurrence="f-3", operator="4711"),
        StateChanged(at=342.0, station=STATION, state="PRD_RegularWork"),
        Measured(at=343.0, station=STATION, values={"x.camera.temperature": 38.25}),
        StateChanged(at=450.0, station=STATION, state="SBY_NoProductStarved"),
        *set_up(STATION, second, 500.0),
        made("PNL-21", 2),
        *comes(STATION, "PNL-21", 600.0, read="PNL-21", lane=lane),
        inspected("PNL-21", 620.0, boards=1, bad=[1]),
        *goes(STATION, "PNL-21", 621.0, read="PNL-21", lane=lane),
    ]
    return in_order(facts)


class Published:
    """What an adapter would make frames of, and what these are decoded to."""

    def __init__(self, bound: Bound, station: str = STATION) -> None:
        assert bound.nodes is not None
        self._station = station
        self._nodes: Nodes = bound.nodes
        self._kinds = kinds(bound, bound.nodes)
        self._events: dict[str, Event] = {
            event.key: event for each in bound.nodes.subscriptions for event in each.events
        }

    def together(self, outputs: Sequence[Output]) -> Iterator[Readings | Record]:
        """All that was published at once."""
        payload = Payload(
            v=tuple(each for output in outputs if isinstance(output, Shown) for each in self._changes(output)),
            e=tuple(self._happening(output) for output in outputs if not isinstance(output, Shown)),
        )
        again = node_frame.decode(node_frame.encode(payload))
        for observed in self._nodes.decode(self._station, again.v, again.e):
            assert isinstance(observed, Readings | Record)
            yield observed

    def _changes(self, output: Shown) -> Iterator[Change]:
        at = to_datetime(instant(output.at))
        for node, value in output.values.items():
            yield opcua_frame.change(node, ua.DataValue(variant(value, self._kinds[node]), SourceTimestamp=at))

    def _happening(self, output: Output) -> Happening:
        assert not isinstance(output, Shown)
        at, event = to_datetime(instant(output.at)), self._events[output.event]
        fields = [ua.Variant(at)] + [ua.Variant()] * (len(event.fields) - 1)
        if isinstance(output, Raised):
            for place, value in output.fields.items():
                fields[place] = said(event.fields[place], value, WHEN)
        else:
            assert event.fields == CONDITION_FIELDS
            texts = (output.condition.source or "T", output.condition.name, output.active)
            fields[1:] = [ua.Variant(ua.NodeId(2915)), *map(ua.Variant, texts)]
        return opcua_frame.happening(output.event, fields)
