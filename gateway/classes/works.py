"""Units in and out: joined by unit, lane and order, since UnitsArrived and UnitsDeparted carry no transaction.

What a record says about a unit (its inspection, test, repair) is told inside `within_work`, in line and off line alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from gateway.classes import announced, common
from gateway.classes.state import Work
from gateway.classes.turn import Turn, lane_key
from gateway.core.times import Micros


class Told(NamedTuple):
    """By IPC-HERMES-9852. hermes: BoardId. units: CFX UnitPositions of a panel whose boards it names."""

    hermes: str | None
    units: list[dict[str, object]] | None = None


def arrive(
    turn: Turn, lane: int | None, unit: str | None, count: int, *, time: Micros | None = None, told: Told | None = None
) -> None:
    """A unit has come in. Where the profile does not tell when work begins, it begins now. told: where Hermes says so."""
    hermes = None if told is None else told.hermes
    if told is None:
        if (board := announced.claim(turn, "in", lane, unit)) is None:
            announced.count(turn, "in", lane, unit, None)
        else:
            unit, hermes = unit or board.unit, board.hermes
    new = msgspec.structs.replace(_waiting(turn, unit, count), hermes=hermes, arrived=turn.now)
    turn.emit(
        common.UNITS_ARRIVED,
        {
            "PrimaryIdentifier": unit,
            "HermesIdentifier": hermes,
            "Units": (told and told.units) or turn.units(unit, count),
            "Lane": lane,
        },
        time=time,
    )
    if turn.setup.machine_class.works and not turn.setup.tells("work.started"):
        _begin(turn, lane, (*turn.inside(lane), new), -1, time)
    else:
        turn.put(lane, (*turn.inside(lane), new))


def begin(turn: Turn, lane: int | None, unit: str | None, count: int, *, time: Micros | None = None) -> Work:
    """WorkStarted, with a transaction that everything up to WorkCompleted has. It is of the unit that has arrived: the
    one with this identifier, else the first without any."""
    works = list(turn.inside(lane))
    waiting = [index for index, other in enumerate(works) if not other.started]
    at = next((index for index in waiting if unit is None or works[index].unit == unit), None)
    if at is None:
        at = next((index for index in waiting if works[index].unit is None), None)
    if at is None:
        at = len(works)
        works.append(_waiting(turn, unit, count))
    elif unit is not None:
        works[at] = msgspec.structs.replace(works[at], unit=unit)
    return _begin(turn, lane, works, at, time)


def _begin(turn: Turn, lane: int | None, works: Sequence[Work], at: int, time: Micros | None) -> Work:
    works = list(works)
    transaction = works[at].transaction or turn.new_id("transaction")
    work = works[at] = msgspec.structs.replace(works[at], transaction=transaction, started=True, since=turn.now)
    turn.put(lane, works)
    _announce(turn, lane, work, time)
    return work


def _waiting(turn: Turn, unit: str | None, count: int) -> Work:
    return Work(transaction=None, unit=unit, count=count, started=False, since=turn.now)


def _announce(turn: Turn, lane: int | None, work: Work, time: Micros | None) -> None:
    name, revision = turn.recipe(lane)
    turn.emit(
        common.WORK_STARTED,
        {
            "PrimaryIdentifier": work.unit,
            "HermesIdentifier": work.hermes,
            "TransactionID": work.transaction,
            "Lane": lane,
            "Units": turn.units(work.unit, work.count),
            "RecipeName": name,
            "Revision": revision,
            "RelevantSurface": "Unspecified",
            "WorkOrderIdentifier": turn.order(),
        },
        time=time,
    )


def take(
    turn: Turn, lane: int | None, unit: str | None, *, over: bool = True, hermes: str | None = None
) -> tuple[Work, int]:
    """The work of the unit that goes out, and its place: by its identifiers, else the oldest; else one that nobody saw
    coming in. over: also of one whose work is over already. hermes: its BoardId, where that is told.

    A work that is open without an identifier gets the one that was read on the way out. When the identifier belongs to
    none and the oldest has another, this unit was not seen coming in.
    """
    works = list(turn.inside(lane))
    eligible = [index for index, work in enumerate(works) if over or not work.over]
    chosen = None
    if hermes is not None:
        chosen = next((index for index in eligible if works[index].hermes == hermes), None)
    if chosen is None and unit is not None:
        chosen = next((index for index in eligible if works[index].unit == unit), None)
    if chosen is None and eligible and _may_be(works[eligible[0]], unit, hermes):
        chosen = eligible[0]
    if chosen is None:
        return msgspec.structs.replace(_waiting(turn, unit, turn.boards(lane)), hermes=hermes), 0
    work = works.pop(chosen)
    if work.unit is not None or work.hermes is not None:
        # Who came before it and was never seen is gone by now, perhaps by hand: it would shift all that follow.
        ahead = [
            other
            for other in works[:chosen]
            if other.started or other.transaction is not None or other.unit is not None
        ]
        works, chosen = [*ahead, *works[chosen:]], len(ahead)
    turn.put(lane, works)
    return msgspec.structs.replace(work, unit=work.unit or unit, hermes=work.hermes or hermes), chosen


def _may_be(work: Work, unit: str | None, hermes: str | None) -> bool:
    """Nothing that is known of it says that it is another one."""
    return (work.unit is None or unit is None) and (work.hermes is None or hermes is None)


def forget(turn: Turn, hermes: str | None) -> None:
    """The unit with this BoardId comes in: if one is remembered as inside, it went out unseen."""
    if hermes is None:
        return
    for key, works in list(turn.lanes.items()):
        if any(work.hermes == hermes for work in works):
            turn.lanes[key] = tuple(work for work in works if work.hermes != hermes)


def change_lane(turn: Turn, lane: int | None, hermes: str | None) -> None:
    """The unit with this BoardId goes out on `lane`, whichever it came in on."""
    for key, works in list(turn.lanes.items()):
        found = next((work for work in works if hermes is not None and work.hermes == hermes), None)
        if found is not None and key != lane_key(lane):
            turn.lanes[key] = tuple(work for work in works if work is not found)
            turn.put(lane, (found, *turn.inside(lane)))
            return


def finish(turn: Turn, lane: int | None, work: Work, result: str | None, *, time: Micros | None = None) -> Work:
    """The class's data messages, then WorkCompleted. A result that the machine does not tell is `Completed`."""
    if work.transaction is None:
        work = msgspec.structs.replace(work, transaction=turn.new_id("transaction"))
    completed = turn.setup.machine_class.completed
    if completed is not None:
        turn.lane, turn.result = lane, result
        completed(turn, work)
    _complete(turn, work, result, time)
    return work


def _complete(turn: Turn, work: Work, result: str | None, time: Micros | None) -> None:
    turn.emit(
        common.WORK_COMPLETED,
        {
            "TransactionID": work.transaction,
            "Result": result or "Completed",
            "PrimaryIdentifier": work.unit,
            "HermesIdentifier": work.hermes,
            "Units": turn.units(work.unit, work.count),
        },
        time=time,
    )


def depart(
    turn: Turn,
    lane: int | None,
    unit: str | None,
    result: str | None = None,
    *,
    time: Micros | None = None,
    told: Told | None = None,
) -> None:
    """A unit has gone out; work on it is over, unless the profile tells that itself. told: where Hermes says so."""
    hermes = None if told is None else told.hermes
    board = None if told is not None else announced.claim(turn, "out", lane, unit)
    if board is not None:
        unit, hermes = unit or board.unit, board.hermes
    work, _ = take(turn, lane, unit, hermes=hermes)
    if told is None and board is None:
        announced.count(turn, "out", lane, work.unit, work.hermes)
    if turn.setup.machine_class.works and not turn.setup.tells("work.completed"):
        work = finish(turn, lane, work, result, time=time)
        turn.leave(work.unit, work.transaction)
    turn.emit(
        common.UNITS_DEPARTED,
        {
            "PrimaryIdentifier": work.unit,
            "HermesIdentifier": work.hermes,
            "Units": (told and told.units) or turn.units(work.unit, work.count),
            "Lane": lane,
        },
        time=time,
    )


def end(
    turn: Turn, lane: int | None, unit: str | None, result: str | None = None, *, time: Micros | None = None
) -> None:
    """Work on a unit is over; it stays in the machine until it departs, where the profile tells that."""
    work, at = take(turn, lane, unit, over=False)
    work = finish(turn, lane, work, result, time=time)
    turn.leave(work.unit, work.transaction)
    if turn.has("units.out") or turn.setup.tells("unit.departed"):
        works = list(turn.inside(lane))
        works.insert(at, msgspec.structs.replace(work, transaction=None, started=True))
        turn.put(lane, works)


@contextmanager
def within_work(
    turn: Turn,
    lane: int | None,
    unit: str | None,
    *,
    count: float | None = None,
    began: Micros | None = None,
    result: str | None = None,
) -> Iterator[Work]:
    """The work that a record about `unit` belongs to. Whatever is emitted inside has its transaction:

        with within_work(turn, record.lane, unit, began=said_time(record, "began")) as work:
            turn.emit(UNITS_TESTED, {"TransactionId": work.transaction, ...})

    In line that is the open work of this unit, else of the first unit inside without an identifier, which gets this one
    (a record that names no unit: of the oldest); or of the unit if it has just left. Any lane will do when the record
    names none. Off line, where nothing arrives, the record is the work: WorkStarted, only if it says when it `began`,
    what is emitted inside, and WorkCompleted with `result`. A record in a file that was rewritten belongs to the work that
    it belonged to before.

    count: boards, where the record tells it; only used off line.
    """
    boards = turn.boards(lane, count)
    found = _known(turn, lane, unit, boards)
    work = found or Work(
        transaction=turn.new_id("transaction"), unit=unit, count=boards, started=began is not None, since=turn.now
    )
    if turn.place is not None:
        turn.place.transaction = work.transaction
    if found is not None:
        yield found
        return
    if began is not None:
        _announce(turn, lane, work, began)
    yield work
    _complete(turn, work, result, None)


def _known(turn: Turn, lane: int | None, unit: str | None, boards: int) -> Work | None:
    """What the record belongs to by where it stood before, by what is inside, or by what has just left."""
    transaction = None if turn.place is None or turn.place.before is None else turn.place.transaction
    if transaction is None:
        found = _open(turn, lane, unit)
        if found is not None:
            return found
        transaction = None if unit is None else turn.left.pop(unit, None)
    if transaction is None:
        return None
    return Work(transaction=transaction, unit=unit, count=boards, started=True, since=turn.now)


def _open(turn: Turn, lane: int | None, unit: str | None) -> Work | None:
    """With a transaction, also if it came unseen."""
    lanes = [lane] if lane is not None else [int(key) if key else None for key in turn.lanes]
    inside = [(at, index, work) for at in lanes for index, work in enumerate(turn.inside(at)) if not work.over]
    found = next((each for each in inside if unit is None or each[2].unit == unit), None)
    if found is None:
        found = next((each for each in inside if each[2].unit is None), None)
    if found is None:
        return None
    where, index, work = found
    work = msgspec.structs.replace(
        work, transaction=work.transaction or turn.new_id("transaction"), unit=work.unit or unit
    )
    works = list(turn.inside(where))
    works[index] = work
    turn.put(where, works)
    return work
