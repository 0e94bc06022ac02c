"""Every profile that comes with Lineside: new ones are tested by being there."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path

import pytest

from gateway.classes.registry import CLASSES
from gateway.core.observation import Readings
from gateway.core.sample import Value
from gateway.profile.bind import bind
from gateway.profile.bound import Bound
from gateway.profile.bound_nodes import Change, Nodes
from gateway.profile.load import load
from gateway.profile.reference import schema
from gateway.profile.registers import answer
from tests.conftest import ROOT
from tests.unit.config.test_generated import invalid

FOLDER = ROOT / "config/profiles"
PATHS = [pytest.param(path, id=str(path.relative_to(FOLDER))) for path in sorted(FOLDER.rglob("*.toml"))]


def bound(path: Path) -> Bound:
    loaded = load(str(path), [FOLDER])
    return bind(loaded.profile, CLASSES[loaded.profile.class_].vocabulary, loaded.name, written=loaded.written)


def test_there_are_profiles() -> None:
    assert PATHS


@pytest.mark.parametrize("path", PATHS)
def test_the_schema_takes_it(path: Path) -> None:
    assert invalid(tomllib.loads(path.read_text(encoding="utf-8")), schema(), schema()) == []


@pytest.mark.parametrize("path", PATHS)
def test_it_lies_in_the_folder_of_its_class(path: Path) -> None:
    assert load(str(path), [FOLDER]).profile.class_ == path.parent.name
    assert bound(path).name == f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", PATHS)
def test_every_example_comes_back(path: Path) -> None:
    """Of text profiles binding has read them."""
    found = bound(path)
    if found.nodes is not None:
        _nodes_come_back(found, found.nodes)
        return
    if found.registers is None:
        assert found.records is not None
        return
    contents = found.registers.encode(found.examples)
    seen: dict[str, Value] = {}
    for poll in found.registers.polls:
        keys, values = found.registers.decode(poll.name, [answer(poll, contents)])
        seen |= dict(zip(keys, values, strict=True))
    assert seen.keys() == found.examples.keys() == found.signals.keys() | found.alarms.keys()
    for key, value in found.examples.items():
        back = seen[key]
        if isinstance(value, float) and isinstance(back, float):
            assert math.isclose(back, value, rel_tol=1e-6), key  # a float of 32 bits has seven digits
        else:
            assert back == value, key


def _nodes_come_back(found: Bound, nodes: Nodes) -> None:
    """Records have been read from their examples by binding; alarms of the server's own have no node."""
    wanted = {key: value for key, value in found.examples.items() if nodes.node(key) is not None}
    changes = [Change(node, value, _TYPES.get(type(value), 12), t=1) for node, value in nodes.encode(wanted).items()]
    (look,) = nodes.decode("x", changes, ())
    assert isinstance(look, Readings)
    assert dict(zip(look.keys, look.values, strict=True)) == wanted
    assert wanted.keys() | found.alarms.keys() == found.examples.keys() == found.signals.keys() | found.alarms.keys()


_TYPES: dict[type, int] = {bool: 1, int: 8, float: 11}


@pytest.mark.parametrize("path", PATHS)
def test_the_editor_knows_its_schema(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("#:schema ../../schema/profile.schema.json\n")


def test_the_schema_refuses_what_loading_refuses() -> None:
    whole = tomllib.loads((FOLDER / "reflow_oven/example-10-zone.toml").read_text(encoding="utf-8"))
    for key, value in (("word_order", "middle"), ("class", 1), ("sginal", {}), ("poll", {"fast": {"every": 1}})):
        assert invalid({**whole, key: value}, schema(), schema()), key
    whole["signal"]["oxygen"]["scael"] = 1
    assert invalid(whole, schema(), schema())
