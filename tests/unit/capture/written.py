"""A small capture file, and what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gateway.capture.file import CaptureFile
from gateway.capture.form import About, Known, KnownId, Remembered, Site
from gateway.core.event import Event, Origin, UnitRef
from gateway.core.frame import Delivery, Frame

ABOUT = About(
    capture="c0ffee",
    part=1,
    began=1_790_000_000_000_000,
    journal="8c1f02aa",
    site="fab1",
    gateway="line1-pc",
    made_by="0.1.0",
    name="night",
)
SITE = Site(gateway={"name": "line1-pc"}, connections={"broker": {"protocol": "cfx-mqtt"}}, stations=())
STATES = {"L1.pnp1": Remembered(version=1, state=b"{}", look=b"")}


def frame(number: int, payload: bytes | None = None) -> Frame:
    return Frame(
        connection="broker",
        received=ABOUT.began + number,
        channel="line/pnp1",
        payload=payload if payload is not None else b"frame %d" % number,
        meta={"content_encoding": "none"},
    )


def event(number: int, unit: str = "PNL-1") -> Event:
    return Event(
        id=f"00000000-0000-4000-8000-{number:012d}",
        seq=number,
        time=ABOUT.began,
        received=ABOUT.began + number,
        message="CFX.Production.UnitsDeparted",
        origin=Origin.NATIVE,
        station="L1.pnp1",
        unit_refs=(UnitRef(unit, 1),),
        body=b'{"n": %d}' % number,
        raw=b"not in the capture",
    )


def write(path: Path, commits: Sequence[int], *, about: About = ABOUT, number: int = 1, close: bool = True) -> None:
    """A commit has so many frames, and an event for each of them; each commit is a chunk."""
    file = CaptureFile(path, about, SITE, {"generic/bench": b"class = 'generic'"}, STATES, number=number)
    at = 0
    for count in commits:
        file.known(Known(ids=(KnownId("id", "owner", None),)), at=ABOUT.began + at)
        for each in range(at, at + count):
            file.delivery("cfx-mqtt", Delivery(frame(each), peer="peer-1", handles=frozenset(("H",))), ABOUT.began)
        file.events([event(each) for each in range(at, at + count)], at=ABOUT.began)
        file.flush()
        at += count
    if close:
        file.close()
    else:
        file.abandon()
