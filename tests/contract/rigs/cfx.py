"""How the machines of all CFX rigs talk: numbered envelopes, one handle for each unit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.core.event import Event
from gateway.core.observation import CfxMessage, Observation
from gateway.core.times import Micros, parse_rfc3339
from gateway.ingest.stations import Route, Station, Stations
from tests.build import message
from tests.contract.rig import Heard
from tests.load import numbered

GARBAGE = b'{"MessageName": "CFX.Production.WorkStarted", no envelope'
_UNIT = 1_000_000
_BEGUN, _ENDED = 900_001, 900_002
_WORK = "5f6a4c80-0f0e-4a6c-9c9d-0d9f6d3b7a11"


class Talk:
    """What the machines of one rig have said. The same number of the same unit is always the same message."""

    def __init__(self, units: int) -> None:
        self.handles = [f"Lineside.Contract.M{unit}" for unit in range(units)]
        self._stamps: dict[int, str] = {}

    def envelope(self, number: int, unit: int = 0, filler: int = 0) -> bytes:
        text = numbered(unit * _UNIT + number, handle=self.handles[unit], filler=filler)
        self._stamps[unit * _UNIT + number] = json.loads(text)["TimeStamp"]
        return text.encode()

    def said_at(self, number: int, unit: int = 0) -> Micros:
        return parse_rfc3339(self._stamps[unit * _UNIT + number])

    def work_begins(self) -> bytes:
        """Lane and unit are said here, and not again at the end."""
        return self._work("CFX.Production.WorkStarted", _BEGUN, {"Lane": 2, "PrimaryIdentifier": "PNL-1"})

    def work_ends(self) -> bytes:
        return self._work("CFX.Production.WorkCompleted", _ENDED, {"Result": "Completed"})

    def _work(self, name: str, number: int, body: dict[str, Any]) -> bytes:
        unique_id = f"00000000-0000-4000-8000-{number:012d}"
        stamp = datetime.now(UTC).isoformat()
        body = {"TransactionID": _WORK, **body}
        return message(unique_id, name=name, source=self.handles[0], timestamp=stamp, body=body).raw

    def heard(self, observations: Sequence[Observation]) -> list[Heard]:
        messages = [each for each in observations if isinstance(each, CfxMessage)]
        codes = [(_code(each.body), each.time) for each in messages]
        return [Heard(*divmod(code, _UNIT), time) for code, time in codes if code is not None]

    def stored(self, event: Event) -> Heard | None:
        code = _code(event.body)
        return None if code is None else Heard(*divmod(code, _UNIT), event.time)

    def check_work(self, events: Sequence[Event]) -> None:
        began, ended = (event for event in events if event.transaction == _WORK)
        assert (began.lane, began.message) == (2, "CFX.Production.WorkStarted")
        assert (ended.lane, ended.message) == (2, "CFX.Production.WorkCompleted")

    def stations(self, connection: str) -> Stations:
        made = [Station(id=f"L1.m{unit}", line="L1", name=f"m{unit}") for unit in range(len(self.handles))]
        routes = [
            Route(connection=connection, station=station, handles=(handle,))
            for station, handle in zip(made, self.handles, strict=True)
        ]
        return Stations(made, routes, zone=ZoneInfo("UTC"))


def _code(body: bytes) -> int | None:
    text = json.loads(body).get("PrimaryIdentifier") or ""
    return int(text.removeprefix("load-")) if text.startswith("load-") else None
