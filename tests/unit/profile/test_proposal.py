"""What `lineside browse` proposes is a profile."""

from __future__ import annotations

from pathlib import Path

from gateway.profile.proposal import Variable, proposal, ucum
from tests.unit.profile.words import bound

_VARIABLES = (
    Variable(node="nsu=http://a/b;s=Zone 1", path=("Öven 1", "Zone-1"), value=150.5, type="Double", unit="CEL"),
    Variable(node="ns=2;i=2", path=("Oven 1", "zone 1"), value=True, type="Boolean"),
    Variable(node="ns=2;i=3", path=("Oven", "1st"), value=[1, 2], type="2 Int16", unit="pieces"),
    Variable(node="ns=2;i=4", path=("Oven", 'Say "hi"'), value='P "1"', type="String"),
    Variable(node="ns=2;i=5", path=("Oven", "Gone"), value=None, type="BadNotReadable"),
    Variable(node="ns=2;i=6", path=("Oven", "Mixed"), value=[1, "a"], type="2 Variant"),
)


def test_it_can_be_used_as_it_is(tmp_path: Path) -> None:
    text = "\n".join(proposal("tester", _VARIABLES)).replace("models = []", 'models = ["T"]')
    found = bound(tmp_path, text.replace('source = ""', 'source = "here"'))
    assert {key: signal.unit for key, signal in found.signals.items()} == {
        "x.ven_1.zone_1": "Cel",
        "x.oven_1.zone_1": None,
        "x.oven.n1st[1]": "1",
        "x.oven.n1st[2]": "1",
        "x.oven.say_hi": None,
    }
    assert found.examples["x.oven.say_hi"] == 'P "1"'
    assert "# Oven/1st: 2 Int16 in pieces" in text
    assert '# [signal."x.oven.gone"]' in text
    assert '# [signal."x.oven.mixed"]' in text


def test_names_are_not_given_twice() -> None:
    twice = (
        Variable(node="i=1", path=("A b",), value=1, type="Int16"),
        Variable(node="i=2", path=("a_b",), value=1, type="Int16"),
    )
    text = "\n".join(proposal("tester", twice))
    assert '[signal."x.a_b"]' in text
    assert '[signal."x.a_b_2"]' in text


def test_units() -> None:
    assert [ucum(each) for each in ("CEL", "mm/s", "59", "furlong", None)] == ["Cel", "mm/s", "[ppm]", None, None]
