"""hermes-vertical: a machine that tells of boards as they come in; the relay is between it and us."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from adapters.hermes import HermesAdapter
from adapters.hermes_settings import HermesConnection
from gateway.classes.registry import CLASSES
from gateway.classes.step import set_up
from gateway.core.event import Event
from gateway.core.observation import Observation, Record
from gateway.core.times import Micros, from_datetime
from gateway.ingest.stations import Route, Station, Stations
from gateway.profile.bound import Machine
from gateway.profile.hermes import bound
from simulators.faces import hermes
from simulators.faces.hermes_talk import Board, Fault, Trouble
from tests.build import until
from tests.contract.relay import HOST, Relay, RelayFaults, relay
from tests.contract.rig import Entry, Heard

_STATION = "L1.printer"
_PLACE = "PRN-"
_WORK = Board(board_id="3f0c2a5e-9b1d-4c77-8a10-5d2e6f7a8b90", top="PNL-1")
_BUFFER = 256 << 10
_MOST_FILLER = 50_000  # a message has 64 KiB at most
_MORE = "ProductTypeId"


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


class Talk:
    """Every happening is a board that comes in, with the number in its barcode."""

    def __init__(self) -> None:
        self.stamps: dict[int, str] = {}

    def heard(self, observations: Sequence[Observation]) -> list[Heard]:
        found = []
        for each in observations:
            assert isinstance(each, Record)
            found.append(Heard(0, int(str(each.fields["unit"]).removeprefix(_PLACE)), each.time))
        return found

    def stored(self, event: Event) -> Heard | None:
        unit = json.loads(event.body).get("PrimaryIdentifier") or ""
        if event.message != "CFX.Production.UnitsArrived" or not unit.startswith(_PLACE):
            return None
        return Heard(0, int(unit.removeprefix(_PLACE)), event.time)

    def said_at(self, number: int, unit: int = 0) -> Micros:
        return from_datetime(datetime.fromisoformat(self.stamps[number]).replace(tzinfo=UTC))

    def check_work(self, events: Sequence[Event]) -> None:
        bodies = [(event.message.rpartition(".")[2], json.loads(event.body)) for event in events]
        found = [(name, body) for name, body in bodies if body.get("PrimaryIdentifier") == "PNL-1"]
        assert [name for name, _ in found] == ["UnitsArrived", "WorkStarted", "WorkCompleted", "UnitsDeparted"]
        assert {body["HermesIdentifier"] for _, body in found} == {_WORK.board_id}
        assert found[1][1]["TransactionID"] == found[2][1]["TransactionID"] is not None


class HermesRig:
    """One machine."""

    units = 1
    acknowledged = False
    brokered = False
    conflates = False
    ends = True
    gives_up_s = 0.8
    prompt_s = 1.0
    most_bytes = _BUFFER + (3 << 20)

    def __init__(self, face: hermes.HermesFace, between: Relay) -> None:
        self._face = face
        self._port = between.port
        self.talk = Talk()
        self.faults = RelayFaults(between, self.adapter)

    def adapter(self) -> HermesAdapter:
        settings = HermesConnection(
            protocol="hermes-vertical",
            name="printer",
            host=HOST,
            port=self._port,
            connect_timeout_s=0.8,
            handshake_timeout_s=0.8,
            alive_s=0.4,
            answer_timeout_s=0.4,
            buffer_bytes=_BUFFER,
        )
        return HermesAdapter(settings, "contract", [Machine(station=_STATION, bound=bound("generic"))])

    def stations(self) -> Stations:
        setup = set_up(_STATION, CLASSES["generic"], bound("generic"))
        station = Station(id=_STATION, line="L1", name="printer", setup=setup)
        return Stations([station], [Route(connection="printer", station=station)], zone=ZoneInfo("UTC"))

    async def _introduced(self) -> None:
        await until(lambda: self._face.supervisors)

    async def say(self, *numbers: int, unit: int = 0, filler: int = 0) -> None:
        await self._introduced()
        more = {_MORE: "x" * min(filler, _MOST_FILLER)} if filler else {}
        for number in numbers:
            board = Board(board_id=f"00000000-0000-4000-8000-{number:012d}", top=f"{_PLACE}{number}", more=more)
            self.talk.stamps[number] = self._face.arrived(board)

    async def garbage(self, unit: int = 0) -> None:
        await self._introduced()
        async with self._face.fault(Fault(trouble=Trouble.GARBAGE)):
            self._face.arrived(_WORK)

    async def work_begins(self) -> None:
        await self._introduced()
        self._face.arrived(_WORK)

    async def work_ends(self) -> None:
        """Without its barcode."""
        await self._introduced()
        self._face.departed(Board(board_id=_WORK.board_id))


@asynccontextmanager
async def _open(server: None, folder: Path) -> AsyncIterator[HermesRig]:
    async with (
        hermes.serve(hermes.Machine(machine_id="Printer-1", clock=_now)) as face,
        relay(lambda: face.address[1]) as between,
    ):
        yield HermesRig(face, between)


RIGS = (Entry("hermes-vertical", _open),)
