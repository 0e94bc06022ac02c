"""Serial numbers replaced in captures: none of them is anywhere in the bytes, and what is left still says the same."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
from collections.abc import Callable, Sequence

import msgspec
import pytest

from gateway import resources
from gateway.capture.alias import Aliases, is_sure
from gateway.capture.batch import Batch, Sent, Taken, remembered
from gateway.capture.identifiers import look_of
from gateway.capture.redact import Redactor
from gateway.cfx import envelope
from gateway.classes import native, state
from gateway.cli.profile import bound
from gateway.core.errors import DecodeError
from gateway.core.event import Event, Origin, UnitRef
from gateway.core.frame import Delivery, Frame
from gateway.core.observation import CfxMessage, Lines, Observation, Readings
from gateway.core.sample import Quality, Sample
from gateway.journal.transaction import Recalled, Seen
from gateway.profile import register_frame
from gateway.profile.registers import answer

KEY = b"a key"
FOLDERS = (resources.config_dir() / "profiles",)
SERIALS = ("PNL-2026-000123", "SN4500012346", "CARRIER-0077", "20261120-0001")


def test_an_alias_has_the_same_shape_and_is_no_other_s() -> None:
    aliases = Aliases(KEY)
    for name in (*SERIALS, "aB3-xY9_z", "日本-1234"):
        other = aliases.of(name)
        assert other == Aliases(KEY).of(name)
        assert [c if not (c.isascii() and c.isalnum()) else (c.isdigit(), c.islower()) for c in other] == [
            c if not (c.isascii() and c.isalnum()) else (c.isdigit(), c.islower()) for c in name
        ]
        assert other != name
        assert other != Aliases(b"another key").of(name)
    every = {aliases.of(f"{number:04d}") for number in range(10_000)}
    assert len(every) == 10_000  # two serial numbers never become one
    assert len({aliases.of("".join(each)) for each in itertools.product("AB", "01", "xy", "7")}) == 8
    assert aliases.of("PNL-000123-1").startswith(aliases.of("PNL-000123"))
    assert [is_sure(name) for name in ("12", "A-12-7", "", "日本語日本語", "A123")] == [
        False,
        False,
        False,
        False,
        True,
    ]


def taken(payload: bytes, decode: Callable[[Frame], Sequence[Observation]], protocol: str = "cfx-mqtt") -> Taken:
    frame = Frame(
        connection="c", received=1, channel="line/PNL-2026-000123/x", payload=payload, meta={"k": "SN4500012346"}
    )
    try:
        observations = decode(frame)
    except DecodeError:
        observations = ()
    return Taken(protocol, Delivery(frame), observations)


def cfx(frame: Frame) -> Sequence[Observation]:
    return envelope.read(frame.payload)


def work(name: str = "CFX.Production.WorkStarted", unit: str = SERIALS[0], note: str = "") -> bytes:
    body = {
        "$type": f"{name}, CFX",
        "PrimaryIdentifier": unit,
        "TransactionID": "2c24590d-39c5-4039-96a5-91900cecedfa",
        "Units": [{"UnitIdentifier": f"{unit}-1", "PositionNumber": 1, "Status": note or "Pass"}],
        "UnitCount": 1,
    }
    made = {"MessageName": name, "Version": "2.1", "TimeStamp": "2026-11-20T12:44:33.943216+01:00", "UniqueID": "1d598538-95b3-4e92-a376-1f1907ae5ffd",
            "Source": "H", "Target": None, "RequestID": None, "MessageBody": body}  # fmt: skip
    return json.dumps(made, indent=1).encode()


def batch(*frames: Taken, events: Sequence[Event] = ()) -> Batch:
    recalled = Recalled()
    recalled.ids["x"] = Seen("H", b"a digest of what was sent")
    return Batch(at=1, frames=frames, events=events, own=(), recalled=recalled, size=1)


@pytest.mark.parametrize("form", ["plain", "gzip", "base64"])
def test_cfx_in_every_form_it_comes_in(form: str) -> None:
    pack: dict[str, Callable[[bytes], bytes]] = {
        "plain": bytes,
        "gzip": gzip.compress,
        "base64": lambda data: base64.b64encode(gzip.compress(data)),
    }
    payload = pack[form](work(note=f"after {SERIALS[0]}, see {SERIALS[0]}.png"))
    redacted, left_out = Redactor(KEY, cfx, {}).batch(batch(taken(payload, cfx)))
    assert left_out == 0
    assert not redacted.recalled.ids  # digests of what was sent would tell
    frame = redacted.frames[0].delivery.frame
    plain = base64.b64decode(frame.payload) if form == "base64" else frame.payload
    plain = plain if form == "plain" else gzip.decompress(plain)
    assert b"000123" not in plain
    assert "000123" not in frame.channel
    assert len(plain) == len(work(note=f"after {SERIALS[0]}, see {SERIALS[0]}.png"))
    (message,) = envelope.read(frame.payload)
    assert isinstance(message, CfxMessage)
    assert {ref.id for ref in message.facts.units} == {Aliases(KEY).of(SERIALS[0]), Aliases(KEY).of(f"{SERIALS[0]}-1")}
    assert b"2026-11-20T12:44:33.943216+01:00" in plain
    assert b"2c24590d-39c5-4039-96a5-91900cecedfa" in plain


def test_what_is_not_certain_is_left_out_with_what_came_of_it() -> None:
    redactor = Redactor(KEY, cfx, {}, spared=("NOREAD",))
    unsure = [
        taken(work("Vendor.Own.Message"), cfx),
        taken(work(unit="12"), cfx),  # would be taken for any other 12
        taken(work(unit="PNL\u00dc0001"), cfx),
        taken(work().replace(b"PNL-2026", b"PNL\\u002d2026"), cfx),  # not found in the bytes
        taken(b"no JSON: PNL-2026-000123", cfx),
        taken(work(), cfx, protocol="files"),
    ]
    raw = getattr(unsure[0].observations[0], "raw")  # noqa: B009
    event = Event(id="1", time=1, received=1, message="m", origin=Origin.NATIVE, body=b"{}", raw=raw)
    redacted, left_out = redactor.batch(batch(*unsure, events=[event]))
    assert (redacted.frames, redacted.events, left_out) == ([], [], len(unsure))
    spared, left_out = redactor.batch(batch(taken(work(unit="NOREAD").replace(b'"NOREAD-1"', b'"NOREAD"'), cfx)))
    assert left_out == 0
    assert b'"NOREAD"' in spared.frames[0].delivery.frame.payload


def test_text_by_the_profile_s_patterns() -> None:
    _, profile = bound("barcode_reader/example-stx-etx", FOLDERS)
    records = profile.records
    assert records is not None

    def decode(frame: Frame) -> Sequence[Observation]:
        return (Lines("s", tuple(each for each in records.each(frame.payload) if isinstance(each, str))),)

    texts = {"s": records}
    frames = [taken(line, decode, "tcp-text") for line in (b"\x02SN4500012346\x03", b"\x02ERROR\x03")]
    redacted, left_out = Redactor(KEY, decode, texts).batch(batch(*frames))  # type: ignore[arg-type]
    assert left_out == 0
    code, error = (each.delivery.frame.payload for each in redacted.frames)
    assert code == b"\x02" + Aliases(KEY).of("SN4500012346").encode() + b"\x03"
    assert error == b"\x02ERROR\x03"


def test_text_in_registers() -> None:
    _, profile = bound("aoi/example-inline", FOLDERS)
    registers = profile.registers
    assert registers is not None
    key = next(key for key in profile.signals if key.startswith("unit."))
    (poll,) = [each for each in registers.polls if key in registers.decode(each.name, [answer(each, registers.encode(profile.examples))])[0]]  # fmt: skip
    values = dict(profile.examples) | {key: "SN12346"}

    def decode(frame: Frame) -> Sequence[Observation]:
        keys, found = registers.decode(poll.name, register_frame.decode(frame.payload))
        return (Readings(station="s", keys=keys, values=found),)

    payload = register_frame.encode([answer(poll, registers.encode(values))])
    one = taken(payload, decode, "modbus-tcp")
    redacted, left_out = Redactor(KEY, decode, {}).batch(batch(one))
    assert left_out == 0
    (before,), (after,) = one.observations, decode(redacted.frames[0].delivery.frame)
    assert isinstance(before, Readings)
    assert isinstance(after, Readings)
    said, said_after = (dict(zip(each.keys, each.values, strict=True)) for each in (before, after))
    assert {key for key in said if said[key] != said_after[key]} == {key for key in said if key.endswith("id")}
    assert said_after[key] == Aliases(KEY).of("SN12346")


def test_events_states_and_answers() -> None:
    redactor, aliases = Redactor(KEY, cfx, {}), Aliases(KEY)
    event = Event(
        id="1",
        time=1,
        received=1,
        message="CFX.Production.WorkStarted",
        origin=Origin.DERIVED,
        body=b'{"UnitIdentifier":"SN4500012346","Other":"CARRIER-0077 SN4500012346","At":"2026-11-20"}',
        unit_refs=(UnitRef("SN4500012346", 1), UnitRef(None, 2)),
        also_units=("CARRIER-0077",),
    )
    redacted, _ = redactor.batch(batch(events=[event]))
    (made,) = redacted.events
    assert made.unit_refs == (UnitRef(aliases.of("SN4500012346"), 1), UnitRef(None, 2))
    assert msgspec.json.decode(made.body) == {
        "UnitIdentifier": aliases.of("SN4500012346"),
        "Other": f"{aliases.of('CARRIER-0077')} {aliases.of('SN4500012346')}",
        "At": "2026-11-20",
    }
    sent = redactor.sent(Sent(at=1, connection="c", protocol="p", channel="q", payload=b"ok SN4500012346"))
    assert sent is not None
    assert b"SN4500012346" not in sent.payload
    machine = state.State(
        ids={"in": "PNL-2026-000123"},
        lanes={"": (state.Work(transaction="t", unit="SN4500012346", count=1, started=True, since=1, hermes="HB-00001234"),)},
        verdicts={"SN777788889": state.Inspected("e", "t")},
        kept={"carrier": "CARRIER-0077", "mode": "AUTO"},
    )  # fmt: skip
    known = native.State(
        works={"t": native.Work(1, ("SN4500012346",), True)}, machine=machine, text=b'{"lines":["SN1"]}'
    )
    sample = Sample(
        station="s", signal="read.id", unit=None, value="SN999900001", quality=Quality.GOOD, time=1, received=1
    )
    look = state.Look(values={"read.id": "SN999900001", "state": "PRD"}, shown={"read.id": sample})
    states = redactor.states(remembered(({"s": known, "t": native.EMPTY}, {"s": look})))
    data = states["s"].state + states["s"].look
    for secret in ("SN4500012346", "000123", "0077", "777788889", "999900001", "SN1", "00001234"):
        assert secret.encode() not in data, secret
    back, seen = native.load(native.VERSION, states["s"].state), look_of(states["s"])
    assert back.machine is not None
    assert back.machine.ids == {"in": aliases.of("PNL-2026-000123")}
    assert back.machine.kept["mode"] == "AUTO"
    assert seen.values == {"read.id": aliases.of("SN999900001"), "state": "PRD"}
    assert states["t"].state == native.save(native.EMPTY)
