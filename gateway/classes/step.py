"""The step of every machine class: (state, look, observations, now) to the next state, messages and samples.

Pure: no clock, no I/O; the same input gives the same result, so that a batch that was rolled back is stepped again and a
capture gives the same events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gateway.cfx import states
from gateway.classes import counters, faults, hermes, rules, works
from gateway.classes.machine_class import MachineClass
from gateway.classes.records import follow_record
from gateway.classes.state import Adjusted, Look, Message, Outcome, Setup, State
from gateway.classes.turn import Turn, lane_key
from gateway.core.errors import ConfigError
from gateway.core.event import TimeQuality
from gateway.core.observation import Lost, Readings, Record, Tick
from gateway.core.sample import Quality, Sample, Value, signal_key
from gateway.core.times import Micros
from gateway.profile.bound import Bound

_WATCHED = frozenset(
    ("state", "recipe.name", "recipe.revision", "units.in", "units.out", "unit.in.id", "unit.out.id", "fault.code",
     "operator.id")
)  # fmt: skip
_READERS = ("unit.in.id", "unit.out.id")
_MISSING = object()
_GOOD, _UNAVAILABLE = Quality.GOOD, Quality.UNAVAILABLE  # a member is found in its class slower than a sample is made

Observed = Readings | Record | Lost | Tick


def set_up(station: str, machine_class: MachineClass, bound: Bound, *, ignore_ids: Sequence[str] = ()) -> Setup:
    """A station of this class whose machine this profile describes. Raises ConfigError when its alarms name fields that
    such faults do not have."""
    problems = [
        f"{bound.name}: alarm {alarm.code}: {reason}"
        for alarm in bound.alarms.values()
        if (reason := faults.unfit(machine_class, alarm)) is not None
    ]
    if problems:
        raise ConfigError(problems)
    names = _WATCHED | machine_class.watched
    watched = {key for key in bound.signals if signal_key(key).name in names}
    return Setup(
        station=station,
        machine_class=machine_class,
        bound=bound,
        ignore_ids=frozenset(ignore_ids),
        watched=frozenset(watched | bound.alarms.keys() | {rule.key for rule in bound.rules}),
    )


def out_of_sight(state: State) -> State:
    """After the machine, or we, were away: what counters and states say next was not seen to happen."""
    keys = state.counters.keys() | state.states.keys()
    return msgspec.structs.replace(state, unseen=frozenset(keys), pending={}, settled={})


def step(setup: Setup, state: State, look: Look, observations: Sequence[Observed], now: Micros) -> Outcome:
    """Follow what one frame brought, in order. `now` is when it was received."""
    if len(observations) == 1:  # as in nearly every frame
        outcome = _one(setup, state, look, observations[0], now)
    else:
        outcome = _all(setup, state, look, observations, now)
    pending = outcome.state.pending
    if not pending:
        return outcome
    return msgspec.structs.replace(outcome, wake=min(each.due for each in pending.values()))


def _all(setup: Setup, state: State, look: Look, observations: Sequence[Observed], now: Micros) -> Outcome:
    made: list[Message | Adjusted] = []
    samples: list[Sample] = []
    # A copy of our own to work on: one for each value of a large machine would take longer than everything else.
    look = Look(values=dict(look.values), shown=dict(look.shown))
    for observation in observations:
        if isinstance(observation, Readings):
            outcome = _readings(setup, state, look, observation, now, ours=True)
        else:
            outcome = _one(setup, state, look, observation, now)
        state, look = outcome.state, outcome.look
        made += outcome.made
        samples += outcome.samples
    return Outcome(state, look, tuple(made), tuple(samples))


def _one(setup: Setup, state: State, look: Look, observation: Observed, now: Micros) -> Outcome:
    if isinstance(observation, Readings):
        return _readings(setup, state, look, observation, now)
    if isinstance(observation, Lost):
        return _lost(state, look, now)
    turn = Turn(setup, state, look, now)
    if isinstance(observation, Record):
        turn.read_at(observation)
        (hermes.follow if hermes.is_told(observation) else follow_record)(turn, observation)
    else:
        _look(turn, frozenset(), look.values)
    return Outcome(turn.frozen(), look, tuple(turn.made))


def _lost(state: State, look: Look, now: Micros) -> Outcome:
    """Nothing is known any more. Faults, works and counters stay for comparison with what is seen next."""
    samples = [
        msgspec.structs.replace(shown, value=None, quality=Quality.UNAVAILABLE, time=now, received=now)
        for shown in look.shown.values()
        if shown.quality is not Quality.UNAVAILABLE
    ]
    return Outcome(
        out_of_sight(state), Look(values={}, shown={sample.signal: sample for sample in samples}), (), tuple(samples)
    )


def _readings(
    setup: Setup, state: State, look: Look, readings: Readings, now: Micros, *, ours: bool = False
) -> Outcome:
    """ours: `look` may be changed; else it stays as it is."""
    values = look.values
    before = values.get
    changed: dict[str, Value] = {
        key: value for key, value in zip(readings.keys, readings.values, strict=True) if before(key, _MISSING) != value
    }
    due = bool(state.pending) and any(pending.due <= now for pending in state.pending.values())
    if not changed and not due and readings.qualities is None:
        return Outcome(state, look)
    time = now if readings.time is None else readings.time
    samples = _samples(setup, look, readings, changed, time, now)
    keys = setup.watched & changed.keys()
    of_interest = {key: values[key] for key in (keys | state.pending.keys() if due else keys) if key in values}
    if ours:
        after = look
        after.values.update(changed)
        after.shown.update((sample.signal, sample) for sample in samples)
    else:
        after = Look(
            values={**values, **changed},
            shown={**look.shown, **{sample.signal: sample for sample in samples}} if samples else look.shown,
        )
    if not keys and not due:
        return Outcome(state, after, (), tuple(samples))
    turn = Turn(setup, state, after, now)
    if readings.time is not None:
        turn.time, turn.quality = readings.time, TimeQuality.GOOD
    _look(turn, keys, of_interest)
    return Outcome(turn.frozen(), after, tuple(turn.made), tuple(samples))


def _samples(
    setup: Setup, look: Look, readings: Readings, changed: dict[str, Value], time: Micros, now: Micros
) -> list[Sample]:
    """Report by exception: what differs from what was last told by more than its deadband, or in quality."""
    found: list[Sample] = []
    station, qualities = setup.station, readings.qualities
    signal_of, last_of = setup.bound.signals.get, look.shown.get
    told = changed.items() if qualities is None else zip(readings.keys, readings.values, strict=True)
    for place, (key, value) in enumerate(told):
        signal = signal_of(key)
        if signal is None:  # an alarm: its events tell
            continue
        quality = (_UNAVAILABLE if value is None else _GOOD) if qualities is None else qualities[place]
        last = last_of(key)
        if last is not None and last.quality is quality:
            if last.value == value:
                continue
            if signal.deadband and _within(signal.deadband, value, last.value):
                continue
        found.append(
            Sample(station=station, signal=key, unit=signal.unit, value=value, quality=quality, time=time, received=now)
        )
    return found


def _within(deadband: float, value: Value, other: Value) -> bool:
    return isinstance(value, int | float) and isinstance(other, int | float) and abs(value - other) <= deadband


def _look(turn: Turn, keys: frozenset[str], before: Mapping[str, Value]) -> None:
    """keys: what has changed. before: the values then; a key that is not there was not in sight."""
    over = {key for key, pending in turn.pending.items() if pending.due <= turn.now}
    waited = frozenset(key.removeprefix(rules.WAITING) for key in over if key.startswith(rules.WAITING))
    due = {key for key in over if not key.startswith(rules.WAITING)}
    named: dict[str, list[str]] = {}
    for key in sorted((keys | due) - turn.setup.bound.alarms.keys()):
        named.setdefault(signal_key(key).name, []).append(key)
    for name in _READERS:
        for key in named.get(name, ()):
            if key not in before:
                _at_first_sight(turn, key)
    faults.clear_untold(turn)
    for key in sorted((keys | due) & turn.setup.bound.alarms.keys()):
        faults.follow_alarm(turn, turn.setup.bound.alarms[key], turn.values.get(key))
    _follow(turn, named)
    rules.apply(turn, before, keys, waited)
    own = turn.setup.machine_class
    mine = {key: before.get(key) for name in sorted(own.watched & named.keys()) for key in named[name]}
    if own.looked is not None and mine:
        own.looked(turn, mine)


def _at_first_sight(turn: Turn, key: str) -> None:
    """An identifier that is there when we come may be of any unit, and most likely of one that we did not see."""
    unit = turn.identifier(turn.values.get(key))
    if unit is not None:
        turn.ids[key] = unit


def _follow(turn: Turn, named: Mapping[str, Sequence[str]]) -> None:
    """What every machine has, by the names of signals: program, faults, states, units in and out, operator; in this
    order, so that a board that comes in with a new program has it, and a stop knows its fault."""
    _recipes(turn, (*named.get("recipe.name", ()), *named.get("recipe.revision", ())))
    for key in named.get("fault.code", ()):
        faults.follow_code(turn, key, turn.values.get(key))
    for key in named.get("state", ()):
        _state(turn, key)
    for name in _READERS:
        for key in named.get(name, ()):
            if turn.identifier(turn.values.get(key)) is None:
                turn.ids.pop(key, None)  # the next one is new, even if it is the same again
    for key in named.get("units.in", ()):
        _arrivals(turn, key)
    for key in named.get("units.out", ()):
        _departures(turn, key)
    if "operator.id" in named:
        rules.operator(turn)


def _state(turn: Turn, key: str) -> None:
    value = turn.values.get(key)
    code = states.parse(value)
    if code is None:
        turn.pending.pop(key, None)
        return
    before = turn.states.get(key)
    signal = turn.setup.bound.signals[key]
    since = faults.settle(turn, key, code, None if before is None else before[0], signal.debounce)
    if since is not None:
        turn.set_state(code, stage=signal_key(key).stage, since=since)
    elif before is not None and before[0] == code:
        turn.unseen.discard(key)


def _recipes(turn: Turn, keys: Sequence[str]) -> None:
    lanes = {signal_key(key).lane for key in keys}
    for lane in sorted(lanes, key=lane_key):
        name = turn.text("recipe.name", lane=lane)
        if name is None and turn.value("recipe.name", lane=lane) is None:
            continue  # not known now: the one before may still be active
        if name == turn.recipes.get(lane_key(lane), (None,))[0] and turn.value("recipe.revision", lane=lane) is None:
            continue  # likewise, as while another poll has not brought it yet
        turn.set_recipe(name, turn.text("recipe.revision", lane=lane), lane=lane)


def _arrivals(turn: Turn, key: str) -> None:
    value = turn.values.get(key)
    if not isinstance(value, int):
        return
    lane = signal_key(key).lane
    count = counters.moved(turn, key, value)
    for index in range(count):
        unit = turn.fresh("unit.in.id", lane) if index == count - 1 else None
        works.arrive(turn, lane, unit, turn.boards(lane))


def _departures(turn: Turn, key: str) -> None:
    value = turn.values.get(key)
    if not isinstance(value, int):
        return
    lane = signal_key(key).lane
    count = counters.moved(turn, key, value)
    for index in range(count):
        last = index == count - 1
        unit = turn.fresh("unit.out.id", lane) if last else None
        works.depart(turn, lane, unit, turn.text("work.result", lane=lane) if last else None)
