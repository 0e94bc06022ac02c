"""History of servers that do not make it easy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from asyncua import ua

from adapters.opcua_history import History
from adapters.opcua_session import Session
from adapters.opcua_settings import OpcUaConnection
from gateway.core.times import Micros, from_datetime, to_datetime

SECOND: Micros = 1_000_000
START = from_datetime(datetime(2026, 11, 20, 12, tzinfo=UTC))
NODES = {"a": ua.NodeId("a", 2), "b": ua.NodeId("b", 2)}

Answer = Callable[[ua.HistoryReadValueId, list[ua.DataValue]], ua.HistoryReadResult]


def result(values: Sequence[ua.DataValue] = (), code: int = 0, point: bytes | None = None) -> ua.HistoryReadResult:
    return ua.HistoryReadResult(
        StatusCode=ua.StatusCode(code), ContinuationPoint=point, HistoryData=ua.HistoryData(DataValues=list(values))
    )


class Recorder:
    """In place of a session's services. recorded: seconds after START at which each node had a value.

    most: nodes in one request. pages: values in one answer; one node at a time has more than that. asked: windows in
    seconds, with how many nodes.
    """

    def __init__(self, recorded: Mapping[str, Sequence[float]], *, most: int = 9, pages: int = 999) -> None:
        self._recorded = recorded
        self._most, self._pages = most, pages
        self._open: str | None = None
        self.asked: list[tuple[float, float, int]] = []

    async def history_read(self, parameters: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        if len(parameters.NodesToRead) > self._most:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadTooManyOperations)
        details = parameters.HistoryReadDetails
        first, last = ((from_datetime(each) - START) / SECOND for each in (details.StartTime, details.EndTime))
        self.asked.append((first, last, len(parameters.NodesToRead)))
        return [self._one(each, first, last) for each in parameters.NodesToRead]

    def _one(self, wanted: ua.HistoryReadValueId, first: float, last: float) -> ua.HistoryReadResult:
        name = str(wanted.NodeId.Identifier)
        if name not in self._recorded:
            return result(code=ua.StatusCodes.BadHistoryOperationUnsupported)
        found = [at for at in self._recorded[name] if first <= at <= last]  # both ends, as some do
        if not found:
            return result(code=ua.StatusCodes.BadNoData)
        begin = int(wanted.ContinuationPoint or b"0")
        page = [_value(at) for at in found[begin : begin + self._pages]]
        if begin + self._pages >= len(found):
            self._open = None
            return result(page)
        if self._open not in (None, name):
            return result(code=ua.StatusCodes.BadNoContinuationPoints)
        self._open = name
        return result(page, point=str(begin + self._pages).encode())


def _value(at: float) -> ua.DataValue:
    stamp = to_datetime(START + round(at * SECOND))
    return ua.DataValue(ua.Variant(at, ua.VariantType.Double), SourceTimestamp=stamp, ServerTimestamp=stamp)


def _session(services: Any) -> Session:
    settings = {"protocol": "opcua", "name": "oven", "url": "opc.tcp://127.0.0.1:1"}
    session = Session(OpcUaConnection.model_validate(settings))
    session.services = services
    return session


async def read(services: Any, since: Mapping[str, float], end: float) -> tuple[list[tuple[str, float]], History]:
    history = History(_session(services), NODES, {name: START + round(at * SECOND) for name, at in since.items()})
    start = START + round(min(since.values()) * SECOND)
    found = [each async for some in history.between(start, START + round(end * SECOND)) for each in some]
    return [(each.k, each.v) for each in found], history


async def test_everything_newer_in_its_order() -> None:
    recorder = Recorder({"a": [0, 1, 60, 61, 119], "b": [0.5, 60, 60.5]})
    found, _ = await read(recorder, {"a": 0, "b": 0.5}, 120)
    assert found == [("a", 1), ("a", 60), ("b", 60), ("b", 60.5), ("a", 61), ("a", 119)]


async def test_a_clock_that_is_ahead_of_the_servers() -> None:
    found, _ = await read(Recorder({"a": [10, 3600], "b": []}), {"a": 0, "b": 0}, 30)
    assert found == [("a", 10), ("a", 3600)]


async def test_what_has_not_changed_for_long_costs_little() -> None:
    """The windows grow, and what changes all the time is asked for only from where it was read."""
    recorder = Recorder({"a": [86_390, 86_399], "b": []})
    found, _ = await read(recorder, {"a": 86_390, "b": 0}, 86_400)
    assert found == [("a", 86_399)]
    assert len(recorder.asked) < 40
    assert all(count == 1 for _, last, count in recorder.asked if last < 86_390)


async def test_fewer_at_once_and_page_by_page() -> None:
    values = [each / 10 for each in range(1, 100)]
    for recorder in (
        Recorder({"a": values, "b": values}, most=1, pages=7),
        Recorder({"a": values, "b": values}, pages=7),
    ):
        found, history = await read(recorder, {"a": 0, "b": 0}, 30)
        assert [value for name, value in found if name == "a"] == values
        assert [value for name, value in found if name == "b"] == values
        assert not history.without


async def test_a_node_without_history_is_left_alone() -> None:
    recorder = Recorder({"b": [1, 100]})
    found, history = await read(recorder, {"a": 0, "b": 0}, 200)
    assert found == [("b", 1), ("b", 100)]
    assert history.without == {"a"}
    assert [count for *_, count in recorder.asked] == [2] + [1] * (len(recorder.asked) - 1)


@pytest.mark.parametrize("code", [ua.StatusCodes.BadServiceUnsupported, ua.StatusCodes.BadHistoryOperationUnsupported])
async def test_a_server_that_knows_no_history(code: int) -> None:
    class Plain:
        async def history_read(self, parameters: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
            raise ua.UaStatusCodeError(code)

    found, history = await read(Plain(), {"a": 0, "b": 0}, 200)
    assert (found, history.without) == ([], {"a", "b"})


async def test_other_errors_are_raised() -> None:
    class Gone:
        async def history_read(self, parameters: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadSessionIdInvalid)

    with pytest.raises(ua.UaStatusCodeError, match=r"BadSessionIdInvalid|session"):
        await read(Gone(), {"a": 0}, 200)
