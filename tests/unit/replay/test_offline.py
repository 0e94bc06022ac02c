"""A capture stepped again gives what the gateway made of it, to the byte, and the same however it is cut into commits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.capture.form import ChannelKind, Stored
from gateway.capture.reading import Capture
from gateway.cli import stepping
from gateway.core.event import encode
from gateway.core.frame import Delivery, Frame
from gateway.core.observation import Lost, Tick
from gateway.core.sample import Value
from gateway.replay.offline import Offline
from gateway.replay.trial import TrialJournal
from gateway.wiring import cast
from tests.build import HANDLE, message
from tests.captured import at, configured, line, polled

CONFIG = f"""
[[line]]
name = "L1"
[[line.station]]
name = "reflow"
profile = "reflow_oven/example-10-zone"
source = {{ protocol = "modbus-tcp", host = "10.0.0.1" }}
[[line.station]]
name = "pnp"
class = "pick_and_place"
source = {{ protocol = "cfx-mqtt", host = "10.0.0.2", topics = ["a/#"], handle = "{HANDLE}" }}
[[line.station]]
name = "scan"
profile = "barcode_reader/example-serial"
source = {{ protocol = "serial-text", port = "/dev/ttyS9" }}
"""
ONE, TWO = "5b0b6d9f-4b5a-4f0e-8d53-0d6f1c0a0001", "5b0b6d9f-4b5a-4f0e-8d53-0d6f1c0a0002"


def said(
    second: float, unique_id: str | None, *, redelivered: bool = False, payload: bytes = b"", **more: str
) -> Delivery:
    raw = payload or message(unique_id, body={"N": 1, **more}).raw
    frame = Frame(connection="L1.pnp", received=at(second), channel="a/b", payload=raw, redelivered=redelivered)
    return Delivery(frame)


def read(second: float, line: str) -> Delivery:
    frame = Frame(
        connection="L1.scan", received=at(second), channel="L1.scan", payload=b"\x02" + line.encode("latin-1") + b"\x03"
    )
    return Delivery(frame, acknowledged=False, peer="L1.scan")


async def captured(folder: Path) -> Path:
    """From the middle of what it hears: of everything that it knows already something comes again."""
    resolved = configured(folder, CONFIG)
    base: dict[str, Value] = {"units.in": 70_000, "units.out": 70_000, "state": "PRD_RegularWork"}
    oven = polled(resolved, "L1.reflow", [(0, base), *((n, {"units.in": 70_000 + n // 2, "units.out": 70_000 + n // 3}) for n in range(1, 30))])  # fmt: skip
    early, late = oven[:20], oven[20:]
    async with line(resolved, folder) as made:
        await made.hear([*early, said(1, ONE), said(2, ONE, more="other"), said(2.5, None), read(2.6, "SN1")])
        async with made.captured(folder / "made.mcap"):
            await made.hear([said(3, ONE), said(4, ONE, more="other"), said(5, None), said(5, None, redelivered=True)])
            await made.own("L1.scan", "serial-text", Lost("L1.scan", kept=True), 5)
            await made.own("L1.reflow", "modbus-tcp", Tick("L1.reflow"), 8.5)
            await made.own("L1.reflow", "modbus-tcp", Lost("L1.reflow"), 9)
            await made.hear(
                [said(6, TWO), said(7, TWO), said(7.5, None, payload=b"{"), read(8, "SN2"), read(8.5, "\xff")]
            )
            await made.hear(late)
    return folder / "made.mcap"


def run(path: Path, batch: int) -> tuple[list[bytes], Offline]:
    capture = Capture([path])
    offline = Offline(capture, cast(stepping.resolved(capture)), batch=batch)
    return [encode(event, offline.place) for stepped in offline.stepped() for event in stepped.events], offline


def recorded(path: Path) -> Sequence[bytes]:
    return [each.document for each in Capture([path]).entries() if isinstance(each, Stored) and each.kind is ChannelKind.EVENT]  # fmt: skip


def without_seq(documents: Sequence[bytes]) -> list[bytes]:
    """That counts in another journal."""
    return [b",".join(part for part in each.split(b",") if not part.startswith(b'"seq":')) for each in documents]


async def test_it_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await captured(tmp_path)
    monkeypatch.setattr("socket.socket", None)
    whole, offline = run(path, 1000)
    assert len(whole) > 20
    assert whole == run(path, 1000)[0] == run(path, 1)[0] == run(path, 7)[0]
    assert without_seq(whole) == without_seq(recorded(path))
    assert (offline.damage, offline.left_out, offline.notes) == ([], {}, [])


async def test_what_was_known_when_it_began_matters(tmp_path: Path) -> None:
    path = await captured(tmp_path)
    capture = Capture([path])
    fresh = Offline(capture, cast(stepping.resolved(capture)), fresh=True)
    events = [event for stepped in fresh.stepped() for event in stepped.events]
    assert events[0].id == ONE, "one that knows nothing takes it for new"
    assert without_seq([encode(event, fresh.place) for event in events]) != without_seq(recorded(path))


async def test_a_temporary_journal_keeps_little_and_knows_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await captured(tmp_path)
    whole, _ = run(path, 3)
    forgotten = 0
    forget = TrialJournal._forget

    def counted(journal: TrialJournal) -> None:
        nonlocal forgotten
        forgotten += 1
        forget(journal)

    monkeypatch.setattr("gateway.replay.offline.TrialJournal", lambda place: TrialJournal(place, budget=1))
    monkeypatch.setattr(TrialJournal, "_forget", counted)
    assert run(path, 3)[0] == whole
    assert forgotten > 5
