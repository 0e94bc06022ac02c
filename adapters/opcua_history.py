"""What a server has recorded while we were away, as frames in the order in which it was (OPC 10000-11)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from asyncua import ua

from adapters.opcua_frame import change
from adapters.opcua_session import Session
from gateway.core.times import Micros, to_datetime
from gateway.profile.bound_nodes import Change

_WINDOW: Micros = 60_000_000
"""So much is asked for at once of all nodes, so that they can be put in order; twice as much while there is little."""
_LONGEST: Micros = 3_600_000_000
_DAY: Micros = 86_400_000_000
_PAGE = 1_000
"""Values of one node in one answer."""
_MOST_IN_FRAME = 1_000
_NOTHING = (ua.StatusCodes.BadNoData, ua.StatusCodes.BadBoundNotFound, ua.StatusCodes.BadBoundNotSupported)
_NOT_AT_ONCE: int = ua.StatusCodes.BadNoContinuationPoints
_UNSUPPORTED = (ua.StatusCodes.BadServiceUnsupported, ua.StatusCodes.BadHistoryOperationUnsupported)


class History:
    """nodes: NodeId by the text of the profile. since: the newest source time that each was seen with.

    without: nodes that the server has recorded nothing of, or does not let us read; known after the first question.
    """

    def __init__(self, session: Session, nodes: Mapping[str, ua.NodeId], since: Mapping[str, Micros]) -> None:
        self._session = session
        self._nodes = dict(nodes)
        self._newest = dict(since)
        self.without: set[str] = set()

    async def between(self, start: Micros, end: Micros) -> AsyncIterator[tuple[Change, ...]]:
        """Values newer than what is known of each node, by source time, some at a time. `end` is now: a machine's clock
        may be ahead of its server's. Raises the library's errors."""
        at, window = start, _WINDOW
        while at < end and self._nodes:
            until = min(self._until(at, window, start), end)
            names = [name for name in self._nodes if self._newest.get(name, start) < until]
            found = await self._of_all(names, at, until if until < end else end + _DAY, start)
            found.sort(key=lambda each: each.t or 0)
            for place in range(0, len(found), _MOST_IN_FRAME):
                yield tuple(found[place : place + _MOST_IN_FRAME])
            window = min(2 * window, _LONGEST) if len(found) < _PAGE else _WINDOW
            at = until

    def _until(self, at: Micros, window: Micros, start: Micros) -> Micros:
        """A long window ends where the next node is to be read, which may say more than those before it."""
        joining = min((known for name in self._nodes if (known := self._newest.get(name, start)) > at), default=None)
        until = at + window
        return until if joining is None else min(until, max(joining, at + _WINDOW))

    async def _of_all(self, names: Sequence[str], at: Micros, end: Micros, start: Micros) -> list[Change]:
        async def some(part: Sequence[str]) -> Sequence[list[Change]]:
            return await self._window(part, at, end)

        try:
            answers = await self._session.in_parts("history", names, some)
        except ua.UaStatusCodeError as error:
            if error.code not in _UNSUPPORTED:
                raise
            self._drop(*self._nodes)
            return []
        found: list[Change] = []
        for name, answer in zip(names, answers, strict=True):
            known = self._newest.get(name, start)
            # Whether the ends of a window belong to it, servers do not agree on.
            new = [each for each in answer if each.t is not None and known < each.t <= end]
            self._newest[name] = max((each.t for each in new if each.t is not None), default=known)
            found += new
        return found

    async def _window(self, names: Sequence[str], at: Micros, end: Micros) -> list[list[Change]]:
        found: dict[str, list[Change]] = {name: [] for name in names}
        alone: list[str] = []
        left: list[tuple[str, bytes | None]] = [(name, None) for name in names if name in self._nodes]
        while left:
            answers = await self._ask(left, at, end)
            more: list[tuple[str, bytes | None]] = []
            for (name, _), answer in zip(left, answers, strict=True):
                code = answer.StatusCode.value
                if code == _NOT_AT_ONCE and len(names) > 1:
                    alone.append(name)
                elif answer.StatusCode.is_bad() and code not in _NOTHING:
                    self._drop(name)
                else:
                    values = getattr(answer.HistoryData, "DataValues", None) or ()
                    found[name] += [change(name, value, old=True) for value in values]
                    if answer.ContinuationPoint:
                        more.append((name, answer.ContinuationPoint))
            left = more
        for name in alone:
            (found[name],) = await self._window([name], at, end)
        return list(found.values())

    async def _ask(
        self, left: Sequence[tuple[str, bytes | None]], at: Micros, end: Micros
    ) -> Sequence[ua.HistoryReadResult]:
        details = ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=to_datetime(at),
            EndTime=to_datetime(end),
            NumValuesPerNode=_PAGE,
            ReturnBounds=False,
        )
        parameters = ua.HistoryReadParameters(
            HistoryReadDetails=details,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ReleaseContinuationPoints=False,
            NodesToRead=[
                ua.HistoryReadValueId(NodeId=self._nodes[name], ContinuationPoint=point) for name, point in left
            ],
        )
        answers: Sequence[ua.HistoryReadResult] = await self._session.services.history_read(parameters)
        return answers

    def _drop(self, *names: str) -> None:
        for name in names:
            self._nodes.pop(name, None)
            self.without.add(name)
