"""What a server has recorded while we were away, as frames in the order in which it was (OPC 10000-11)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

from asyncua import ua

from adapters.opcua_frame import change
from adapters.opcua_session import Session
from gateway.core.times import Micros, to_datetime
from gateway.profile.bound_nodes import Change

_WINDOW: Micros = 60_000_000
"""So much is asked for at once of all nodes, so that they can be put in order."""
_PAGE = 1_000
"""Values of one node in one answer."""
_MOST_IN_FRAME = 1_000


class History:
    """nodes: NodeId by the text of the profile. Nodes without history are found out by the first question."""

    def __init__(self, session: Session, nodes: Mapping[str, ua.NodeId]) -> None:
        self._session = session
        self._nodes = dict(nodes)

    async def between(
        self, since: Mapping[str, Micros], start: Micros, end: Micros
    ) -> AsyncIterator[tuple[Change, ...]]:
        """Values after `since` of each node, up to `end`, by source time, some at a time. Raises the library's errors."""
        at = start
        while at < end and self._nodes:
            until = min(at + _WINDOW, end)
            found: list[Change] = []
            names = list(self._nodes)
            for place in range(0, len(names), self._session.limits["history"]):
                found += await self._window(names[place : place + self._session.limits["history"]], since, at, until)
            found.sort(key=lambda each: each.t or 0)
            for place in range(0, len(found), _MOST_IN_FRAME):
                yield tuple(found[place : place + _MOST_IN_FRAME])
            at = until

    async def _window(
        self, names: Sequence[str], since: Mapping[str, Micros], start: Micros, end: Micros
    ) -> list[Change]:
        details = ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=_instant(start),
            EndTime=_instant(end),
            NumValuesPerNode=_PAGE,
            ReturnBounds=False,
        )
        found: list[Change] = []
        left: list[tuple[str, bytes | None]] = [(name, None) for name in names]
        while left:
            parameters = ua.HistoryReadParameters(
                HistoryReadDetails=details,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ReleaseContinuationPoints=False,
                NodesToRead=[
                    ua.HistoryReadValueId(NodeId=self._nodes[name], ContinuationPoint=point) for name, point in left
                ],
            )
            answers = await self._session.services.history_read(parameters)
            more: list[tuple[str, bytes | None]] = []
            for (name, _), answer in zip(left, answers, strict=True):
                if answer.StatusCode.is_bad():
                    if answer.StatusCode.value != ua.StatusCodes.BadNoData:
                        self._nodes.pop(name, None)
                    continue
                found += self._values(name, answer, since.get(name, start), end)
                if answer.ContinuationPoint:
                    more.append((name, answer.ContinuationPoint))
            left = more
        return found

    @staticmethod
    def _values(name: str, answer: ua.HistoryReadResult, since: Micros, end: Micros) -> list[Change]:
        values = getattr(answer.HistoryData, "DataValues", None) or ()
        found = [change(name, value) for value in values]
        # Both ends belong to what is asked for: each window leaves its first to the one before.
        return [each for each in found if each.t is not None and since < each.t <= end]


def _instant(at: Micros) -> datetime:
    return to_datetime(at)
