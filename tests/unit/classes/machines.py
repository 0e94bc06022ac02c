"""A machine that tests drive by hand: what it shows and says goes through `step`, and all that comes out is checked.

    oven = Machine("reflow_oven", "state", counter("units.out", modulus=65536), alarms=[alarm("E103")])
    oven.see({"state": "PRD_RegularWork", "units.out": 41})
    made = oven.see({"units.out": 42})

Each look is a second after the one before, unless `wait` says otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gateway.cfx.check import check
from gateway.cfx.complete import complete
from gateway.classes.registry import CLASSES
from gateway.classes.state import Adjusted, Look, Message, Outcome, State
from gateway.classes.step import Observed, out_of_sight, set_up, step
from gateway.core.event import TimeQuality
from gateway.core.observation import Lost, Readings, Record, Tick
from gateway.core.sample import Quality, Sample, Value, signal_key
from gateway.core.times import Micros, parse_rfc3339
from gateway.profile.bound import Alarm, Bound, Reset, Rule, Signal
from gateway.profile.vocabulary import Kind, Vocabulary

STATION = "L1.station"
START = parse_rfc3339("2026-11-20T12:00:00Z")
SECOND = 1_000_000


class Made(msgspec.Struct, frozen=True):
    """A message as it goes out. name: without `CFX.` and all but its last word. body: completed and checked."""

    name: str
    body: dict[str, Any]
    id: str
    time: Micros
    quality: TimeQuality
    revises: str | None

    @property
    def transaction(self) -> str | None:
        found = self.body.get("TransactionID", self.body.get("TransactionId"))
        assert found is None or isinstance(found, str)
        return found


class Special(msgspec.Struct, frozen=True):
    """A signal with more to it than its key."""

    key: str
    options: Mapping[str, Any]


def special(key: str, **options: Any) -> Special:
    """options: as of profile.bound.Signal: debounce in microseconds, deadband, modulus, reset."""
    return Special(key, options)


def counter(key: str, *, modulus: int | None = None, reset: Iterable[str] = ()) -> Special:
    return Special(key, {"modulus": modulus, "reset": frozenset(Reset(each) for each in reset)})


def alarm(code: str, **options: Any) -> Alarm:
    lane, stage = options.get("lane"), options.get("stage")
    where = f"{'' if lane is None else f'@{lane}'}{'' if stage is None else f':{stage}'}"
    return Alarm(key=f"alarm.{code}{where}", code=code, **{"text": f"text of {code}", "severity": "Error", **options})


def record(name: str, fields: Mapping[str, Value] | None = None, *children: Record, **options: Any) -> Record:
    """options: time, lane, stage."""
    return Record(station=STATION, name=name, fields=fields or {}, children=children, **options)


def bound(
    machine_class: str,
    signals: Iterable[str | Special],
    *,
    alarms: Iterable[Alarm] = (),
    rules: Iterable[Rule] = (),
    told: Iterable[str] = (),
    constants: Mapping[str, Value] | None = None,
) -> Bound:
    """A small profile. A signal's kind and unit are those of the class."""
    vocabulary = CLASSES[machine_class].vocabulary
    made = [_signal(vocabulary, each) for each in signals]
    rules = tuple(rules)
    return Bound(
        name=f"{machine_class}/test",
        machine_class=machine_class,
        protocol="modbus",
        models=("Test",),
        evidence="example",
        evidence_source=None,
        signals={signal.key: signal for signal in made},
        alarms={each.key: each for each in alarms},
        rules=rules,
        told=frozenset(told) | {rule.record for rule in rules},
        constants=constants or {},
    )


def _signal(vocabulary: Vocabulary, each: str | Special) -> Signal:
    key, options = (each.key, each.options) if isinstance(each, Special) else (each, {})
    name = signal_key(key).name
    spec = vocabulary.signals.get(name)
    assert spec is not None or name.startswith("x."), f"{vocabulary.machine_class} has no {name}"
    kind = options.get("kind", Kind.FLAG) if spec is None else spec.kind
    return Signal(**{"key": key, "kind": kind, "unit": None if spec is None else spec.unit, **options})


class Machine:
    """made: all messages so far. outcome: of the last step."""

    def __init__(
        self,
        machine_class: str,
        *signals: str | Special,
        ignore_ids: Sequence[str] = ("NOREAD",),
        profile: Bound | None = None,
        **more: Any,
    ) -> None:
        """more: as of `bound`. profile: in place of that and the signals."""
        self.machine_class = CLASSES[machine_class]
        described = bound(machine_class, signals, **more) if profile is None else profile
        self.setup = set_up(STATION, self.machine_class, described, ignore_ids=ignore_ids)
        self.state = State()
        self.look = Look()
        self.now = START
        self.made: list[Made] = []
        self.adjusted: list[Adjusted] = []
        self.samples: list[Sample] = []
        self.outcome = Outcome(self.state, self.look)
        self._ids: set[str] = set()

    def see(
        self,
        values: Mapping[str, Value],
        *,
        wait: float = 1.0,
        time: Micros | None = None,
        qualities: Sequence[Quality] | None = None,
    ) -> list[Made]:
        """It shows these values, `wait` seconds after the last step. Signals that are not named were not looked at."""
        return self.follow(
            Readings(
                station=STATION,
                keys=tuple(values),
                values=tuple(values.values()),
                time=time,
                qualities=None if qualities is None else tuple(qualities),
            ),
            wait=wait,
        )

    def say(self, said: Record, *, wait: float = 1.0) -> list[Made]:
        return self.follow(said, wait=wait)

    def lose(self, *, wait: float = 1.0) -> list[Made]:
        return self.follow(Lost(STATION), wait=wait)

    def tick(self, *, wait: float = 1.0) -> list[Made]:
        return self.follow(Tick(STATION), wait=wait)

    def restart(self) -> None:
        """Lineside was away: the state is read from where it was stored, nothing is in sight."""
        stored = msgspec.json.encode(out_of_sight(self.state))
        self.state, self.look = msgspec.json.decode(stored, type=State), Look()

    def follow(self, *observed: Observed, wait: float = 1.0) -> list[Made]:
        """Twice, since a step that was rolled back is made again and must be the same."""
        self.now += round(wait * SECOND)
        state, look = msgspec.json.encode(self.state), msgspec.json.encode(self.look)
        outcome = step(self.setup, self.state, self.look, observed, self.now)
        again = step(self.setup, self.state, self.look, observed, self.now)
        assert outcome == again, "a step is not pure"
        assert (msgspec.json.encode(self.state), msgspec.json.encode(self.look)) == (state, look), (
            "it changed its input"
        )
        self.outcome, self.state, self.look = outcome, outcome.state, outcome.look
        self.samples = list(outcome.samples)
        self.adjusted = [each for each in outcome.made if isinstance(each, Adjusted)]
        made = [self._checked(each) for each in outcome.made if isinstance(each, Message)]
        for each in outcome.made:
            assert each.id not in self._ids, "an id was used twice"
            self._ids.add(each.id)
        self.made += made
        return made

    def _checked(self, message: Message) -> Made:
        assert message.name in self.machine_class.messages, f"{message.name} is not declared"
        body = json.loads(json.dumps(complete(message.name, message.body)))
        check(message.name, body)
        return Made(
            name=message.name.rsplit(".", 1)[1],
            body=body,
            id=message.id,
            time=message.time,
            quality=message.quality,
            revises=message.revises,
        )


def names(made: Iterable[Made]) -> list[str]:
    return [each.name for each in made]


def one(made: Iterable[Made], name: str) -> Made:
    """The only message of this name."""
    found = [each for each in made if each.name == name]
    assert len(found) == 1, f"{len(found)} {name} in {names(made)}"
    return found[0]


def transactions(made: Iterable[Made]) -> set[str]:
    """Those that the messages name."""
    return {each.transaction for each in made if each.transaction is not None}
