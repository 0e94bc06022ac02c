"""One turn of a machine class: the state as it changes, and the messages that come of it.

Classes work on a Turn; it is made from an immutable State and frozen into the next one, so `step` as a whole is pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.cfx import states
from gateway.cfx.complete import LeftOut
from gateway.classes import common, passages
from gateway.classes.state import Adjusted, Inspected, Look, Message, Setup, State, Work
from gateway.core import ids
from gateway.core.event import TimeQuality
from gateway.core.observation import Record
from gateway.core.sample import SignalKey, Value, signal_key
from gateway.core.times import Micros, to_datetime

MOST_BOARDS = 10_000
"""On a panel. A machine that says more says something else."""
_MOST_INSIDE = 500
"""Units remembered on a lane. No machine holds more; where the way out is never told, the oldest are forgotten."""
_VERDICTS = 500
FIRST_STATE, LAST_STATE = 1000, 6999
"""What a CFX ResourceState may be: the six states of SEMI E10 with their substates, a vendor's own among them."""
_LEFT = 20
"""Units that have left and whose record may still come: machines write their files seconds later."""


def known(value: Any) -> Any:
    """For fields that may not be null: what is not known is left out of the message."""
    return LeftOut.UNKNOWN if value is None else value


def lane_key(lane: int | None) -> str:
    return "" if lane is None else str(lane)


class Turn:
    """values: signals as they are now. now: when the frame was received; time: the machine's own, else that.

    lane, result: of the work that is being completed. made: messages and adjustments so far.
    """

    def __init__(self, setup: Setup, state: State, look: Look, now: Micros) -> None:
        self.setup = setup
        self.now = now
        self.time = now
        self.quality = TimeQuality.GATEWAY
        self.lane: int | None = None
        self.result: str | None = None
        self.values: Mapping[str, Value] = look.values
        self.made: list[Message | Adjusted] = []
        self.unseen = set(state.unseen)
        self.count = state.made
        self.states = dict(state.states)
        self.lanes = dict(state.lanes)
        self.ids = dict(state.ids)
        self.faults = dict(state.faults)
        self.pending = dict(state.pending)
        self.settled = dict(state.settled)
        self.counters = dict(state.counters)
        self.recipes = dict(state.recipes)
        self.operator = state.operator
        self.verdicts = dict(state.verdicts)
        self.left = dict(state.left)
        self.announced = dict(state.announced)
        self.kept = dict(state.kept)
        self.read = state.read  # copied when there is a record of a file
        self.place: passages.Place | None = None
        self._space = ids.namespace(setup.station)

    def read_at(self, record: Record) -> None:
        """All that comes of this turn comes of this record, which may stand in a file."""
        if record.passage is not None:
            self.read = dict(self.read)
            named = [unit for each in passages.units(record) if (unit := self.identifier(each)) is not None]
            self.place = passages.Place(record.passage, tuple(named), self.read)

    def frozen(self) -> State:
        if self.place is not None:
            self.place.remember(self.read)
        return State(
            unseen=frozenset(self.unseen),
            made=self.count,
            states=self.states,
            lanes=self.lanes,
            ids=self.ids,
            faults=self.faults,
            pending=self.pending,
            settled=self.settled,
            counters=self.counters,
            recipes=self.recipes,
            operator=self.operator,
            verdicts=self.verdicts,
            left=self.left,
            announced=self.announced,
            read=self.read,
            kept=self.kept,
        )

    # -- what is known

    def value(self, name: str, *, lane: int | None = None, stage: str | None = None, index: int | None = None) -> Value:
        """A signal's value now, None when it is not known. One that the profile has only once holds for every lane."""
        found = self._told(str(SignalKey(name, index, lane, stage)))
        return self._told(str(SignalKey(name, index, None, stage))) if found is None and lane is not None else found

    def _told(self, key: str) -> Value:
        found = self.values.get(key)
        return self.setup.bound.constants.get(key) if found is None else found

    def number(self, name: str, *, lane: int | None = None, stage: str | None = None) -> float | None:
        found = self.value(name, lane=lane, stage=stage)
        return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None

    def text(self, name: str, *, lane: int | None = None, stage: str | None = None) -> str | None:
        """A text that says something: an empty one is none."""
        found = self.value(name, lane=lane, stage=stage)
        return found if isinstance(found, str) and found else None

    def array(self, name: str, *, lane: int | None = None, stage: str | None = None) -> list[Value]:
        """All places of an array, the first first; empty when the profile has none."""
        found: list[Value] = []
        bound = self.setup.bound
        while (key := str(SignalKey(name, len(found) + 1, lane, stage))) in bound.signals or key in bound.constants:
            found.append(self._told(key))
        return self.array(name, stage=stage) if not found and lane is not None else found

    def has(self, name: str) -> bool:
        """Whether the profile has this signal, on any lane or stage."""
        return any(signal_key(key).name == name for key in (*self.setup.bound.signals, *self.setup.bound.constants))

    def fresh(self, name: str, lane: int | None) -> str | None:
        """What the reader `name` says of the newest unit; None when it still says what it said of the one before."""
        key = name if lane is None else f"{name}@{lane}"
        if key not in self.setup.bound.signals:
            key = name
        unit = self.identifier(self.values.get(key))
        if unit is None or self.ids.get(key) == unit:
            return None
        self.ids[key] = unit
        return unit

    def identifier(self, value: Value) -> str | None:
        """What a reader said, unless it is what it says when it could not read."""
        text = None if value is None or isinstance(value, bool) else str(value).strip()
        return text if text and text not in self.setup.ignore_ids else None

    def recipe(self, lane: int | None = None) -> tuple[str | None, str | None]:
        """Name and revision of the active program."""
        return self.recipes.get(lane_key(lane)) or self.recipes.get("") or (None, None)

    def order(self) -> dict[str, str | None] | None:
        """CFX WorkOrderIdentifier of what is made now."""
        order, lot = self.text("order.id"), self.text("order.lot")
        return None if order is None and lot is None else {"WorkOrderId": order, "Batch": lot}

    # -- what comes of it

    def new_id(self, rule: str) -> str:
        """Derived from where the record stood in a file; else from the received time and an ordinal: the same in every
        replay."""
        if self.place is not None:
            return self.place.id(self._space, rule)
        self.count += 1
        return ids.derived(self._space, str(self.now), str(self.count), rule)

    def same_id(self, *parts: str) -> str:
        """The same for the same parts, whenever it is asked for: of things that are told more than once."""
        return ids.derived(self._space, *parts)

    def emit(
        self,
        name: str,
        body: Mapping[str, object],
        *,
        time: Micros | None = None,
        said: bool = True,
        revises: str | None = None,
    ) -> str:
        """Make a message. Returns the event's id.

        time: when it happened, where that is not the time of this turn; `said`: by the machine itself, not found by us.
        revises: left out, it is what this record of a file led to when the file said something else.
        Fields that are not given become null or empty; where CFX allows neither, use `known`.
        """
        id_ = self.new_id(name)
        earlier = None if self.place is None else self.place.tell(name, id_)
        said = (said and time is not None) or self.quality is not TimeQuality.GATEWAY
        self.made.append(
            Message(
                id=id_,
                name=name,
                body=body,
                time=self.time if time is None else time,
                quality=TimeQuality.GOOD if said else TimeQuality.GATEWAY,
                revises=revises or earlier,
            )
        )
        return id_

    def adjust(
        self, signal: str, lane: int | None, old: int, new: int, *, units: int | None, cause: str,
        abandoned: Iterable[str] = (),
    ) -> None:  # fmt: skip
        self.made.append(
            Adjusted(
                id=self.new_id("CountAdjusted"),
                signal=signal,
                lane=lane,
                old=old,
                new=new,
                units=units,
                cause=cause,
                abandoned=tuple(abandoned),
                time=self.now,
            )
        )

    def set_state(self, code: int, *, stage: str | None = None, since: Micros | None = None) -> None:
        """The station, or one of its stages, is in this ResourceState now.

        Of the first sight nobody knows what was before: the old state is given as the new one, its duration as null.
        """
        if not FIRST_STATE <= code <= LAST_STATE:
            return  # no state of E10: a register that nobody has mapped, or a machine that does not keep to it
        key = "state" if stage is None else f"state:{stage}"
        at = self.time if since is None else since
        before = self.states.get(key)
        if before is not None and before[0] == code:
            self.unseen.discard(key)
            return
        self.states[key] = (code, at)
        duration = None
        if before is not None and key not in self.unseen and at >= before[1]:
            duration = to_datetime(at) - to_datetime(before[1])
        self.unseen.discard(key)
        body: dict[str, object] = {
            "OldState": code if before is None else before[0],
            "OldStateDuration": duration,
            "NewState": code,
        }
        if stage is None:
            related = self._related(code)
            self.emit(common.STATE, {**body, "RelatedFault": related}, time=since, said=False)
        else:
            self.emit(common.STAGE_STATE, {"Stage": self.stage(stage), **body}, time=since, said=False)

    def _related(self, code: int) -> dict[str, object] | None:
        """The fault that this turn brought, when it brought one and the station went down."""
        if states.e10(code) is not states.E10.UNSCHEDULED_DOWN:
            return None
        raised = [m.body["Fault"] for m in self.made if isinstance(m, Message) and m.name == common.FAULT_OCCURRED]
        return raised[0] if len(raised) == 1 else None  # type: ignore[return-value]

    def stage(self, name: str) -> dict[str, object]:
        """CFX Stage; its place in the sequence where the name is a number."""
        return {
            "StageSequence": int(name) if name.isdigit() else LeftOut.UNKNOWN,
            "StageName": name,
            "StageType": "Work",
        }

    def set_recipe(self, name: str | None, revision: str | None, *, lane: int | None = None) -> None:
        """Another program is active."""
        key = lane_key(lane)
        if self.recipes.get(key) == (name, revision):
            return
        self.recipes[key] = (name, revision)
        if name is None:
            return
        self.emit(
            common.RECIPE_ACTIVATED,
            {
                "RecipeName": name,
                "Revision": revision,
                "Lane": lane,
                "ExpectedCycleTime": LeftOut.UNKNOWN,
                "ExpectedUnitsPerWorkTransaction": known(self.number("panel.units", lane=lane)),
                "NumberOfComponentsPerUnit": LeftOut.UNKNOWN,
                "WorkOrderIdentifier": self.order(),
                "RelevantSurface": LeftOut.UNKNOWN,
            },
        )

    # -- units and their work

    def units(self, unit: str | None, count: int) -> list[dict[str, object]]:
        """CFX UnitPositions: one with its identifier, or the unnamed boards of a panel."""
        if count <= 1:
            return [_position(unit, 1)]
        return [_position(None, position) for position in range(1, count + 1)]

    def boards(self, lane: int | None, said: float | None = None) -> int:
        """Boards on what comes in now."""
        count = self.number("panel.units", lane=lane) if said is None else said
        return int(count) if count is not None and 1 <= count <= MOST_BOARDS else 1

    def inside(self, lane: int | None) -> tuple[Work, ...]:
        """Units on a lane, the oldest first."""
        return self.lanes.get(lane_key(lane), ())

    def put(self, lane: int | None, works: Sequence[Work]) -> None:
        self.lanes[lane_key(lane)] = tuple(works)[-_MOST_INSIDE:]

    def remember(self, unit: str | None, event: str, transaction: str) -> None:
        """Which event told this unit's verdict: a later one revises it."""
        if unit is None:
            return
        self.verdicts.pop(unit, None)
        self.verdicts[unit] = Inspected(event, transaction)
        while len(self.verdicts) > _VERDICTS:
            del self.verdicts[next(iter(self.verdicts))]

    def leave(self, unit: str | None, transaction: str | None) -> None:
        """A unit has left; what is said about it soon still belongs to its work."""
        told, records = self.setup.bound.told, self.setup.machine_class.records
        if unit is None or transaction is None or told.isdisjoint(records):
            return
        self.left.pop(unit, None)
        self.left[unit] = transaction
        while len(self.left) > _LEFT:
            del self.left[next(iter(self.left))]


def _position(unit: str | None, position: int) -> dict[str, object]:
    unknown = LeftOut.UNKNOWN
    return {
        "UnitIdentifier": unit,
        "PositionNumber": position,
        "X": unknown,
        "Y": unknown,
        "Rotation": unknown,
        "FlipX": unknown,
        "FlipY": unknown,
        "Status": unknown,
    }
