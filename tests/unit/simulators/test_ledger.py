"""The truth ledger: what is written can be read again, and damage is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators import ledger
from simulators.ledger import Anchor, Header, Ledger, LedgerError, Troubled
from simulators.model.facts import Arrived, PanelMade, ReelHow, ReelMoved
from simulators.voices.voice import Looked, Showing, Told

FACTS = (
    PanelMade(at=0.0, panel="P1", lot=1, label="PNL-1", boards=("B1", "B2"), x_outs=(2,)),
    Arrived(at=1.5, station="L1.pnp1", panel="P1", lane=1, read="PNL-1"),
    ReelMoved(
        at=2.0, station="L1.pnp1", how=ReelHow.SPLICED, slot=3, feeder="F3", reel="R9", part="C", batch="X", left=5000
    ),
)
TOLD = Told(
    station="L1.pnp1",
    message="CFX.Production.UnitsArrived",
    at=1.5,
    seen=1.5,
    units=("PNL-1",),
    values={"UnitCount": 2},
    fact=2,
)
TROUBLE = Troubled(at=3.0, seconds=2.0, station="L1.pnp1", trouble="network-drop")


def written(path: Path, *, seed: int = 7) -> Path:
    with Ledger(path, seed, "scenario", {"L1.pnp1": frozenset({"b", "a"})}) as made:
        for fact in FACTS:
            number = made.fact(fact)
            if number == 2:
                made.told(TOLD)
        made.trouble(TROUBLE)
        made.anchor(Anchor(at=0.0, wall=1_000_000, speed=10.0))
    return path


def test_reads_what_was_written(tmp_path: Path) -> None:
    read = ledger.read(written(tmp_path / "one.ledger"))
    assert read.header == Header(version=2, seed=7, scenario="scenario", tells={"L1.pnp1": ("a", "b")})
    assert list(read.lines) == [FACTS[0], FACTS[1], TOLD, FACTS[2], TROUBLE]


def test_shown_values_and_whose_they_are(tmp_path: Path) -> None:
    path = tmp_path / "one.ledger"
    looked = {"zone.temperature[3]": Looked(every=1.0, deadband=0.2), "state": Looked(every=5.0)}
    shown = Showing(station="L1.reflow", at=3.0, values={"state": None, "zone.temperature[3]": 171.3, "units.in": 7})
    with Ledger(path, 1, "", {}, {"L1.reflow": looked}) as made:
        made.shown(shown)
    read = ledger.read(path)
    assert read.header.shows == {"L1.reflow": looked}
    assert list(read.lines) == [shown]


def test_a_ledger_of_the_version_before_says_nothing_of_samples(tmp_path: Path) -> None:
    path = tmp_path / "old.ledger"
    path.write_bytes(b'{"what":"ledger","version":1,"seed":7,"scenario":"s","tells":{"L1.oven":["a"]}}\n')
    assert ledger.read(path).header.shows is None


def test_the_same_is_the_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path / "one").read_bytes() == written(tmp_path / "two").read_bytes()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[:-10], "line 6: .*the file was cut off"),
        (lambda text: text.split(b"\n", 1)[1], "line 1: this is not the beginning"),
        (lambda text: b"", "line 1: this is not the beginning"),
        (lambda text: text.replace(b'"version":2', b'"version":3'), "version 3; this program reads up to 2"),
        (lambda text: text + text, "line 7: a second beginning"),
        (lambda text: text.replace(b'"arrived"', b'"vanished"'), "line 3: Invalid value 'vanished'"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: object, said: str) -> None:
    path = written(tmp_path / "one.ledger")
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(LedgerError, match=said):
        list(ledger.read(path).lines)


def test_how_it_was_played(tmp_path: Path) -> None:
    path = tmp_path / "one.ledger"
    with Ledger(path, 1, "", {}) as made:
        made.anchor(Anchor(at=0.0, wall=1_000_000, speed=10.0))
        made.anchor(Anchor(at=100.0, wall=31_000_000, speed=10.0))
    played = ledger.played(path)
    assert played.speed == 10.0
    assert (played.instant(50.0), played.instant(100.0), played.instant(110.0)) == (6_000_000, 31_000_000, 32_000_000)


def test_not_known_how_it_was_played(tmp_path: Path) -> None:
    assert not ledger.played(tmp_path / "none.ledger")
    path = written(tmp_path / "one.ledger")
    ledger.played_path(path).write_bytes(b"{")
    with pytest.raises(LedgerError, match=r"one\.ledger\.played"):
        ledger.played(path)
