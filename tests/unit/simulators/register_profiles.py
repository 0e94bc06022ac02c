"""Profiles of machines with registers, bound: the packaged oven, and one that has what the oven has not."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gateway.classes.registry import CLASSES
from gateway.profile.bind import bind
from gateway.profile.bound import Bound
from gateway.profile.load import load
from tests.conftest import ROOT

TWO_LANES = """
class = "generic"
protocol = "modbus"
models = ["Two lanes with readers"]
evidence = { level = "example", source = "made up for tests" }

[poll.all]
every = "1s"
table = "holding"
start = 0
count = 100

[poll.bits]
every = "1s"
table = "discrete"
start = 200
count = 8

[signal.state]
at = 0
type = "u16"
map = { 1 = "PRD", 2 = "SBY", 3 = "USD" }
example = "SBY"

[signal."fault.code"]
at = 1
type = "u16"
map = { 7 = "F7" }
empty = [0]
example = "F7"

[signal."recipe.name"]
at = 2
type = "u16"
map = { 1 = "ONE", 2 = "TWO" }
example = "ONE"

[signal."units.in@1"]
at = 10
type = "bcd16"
modulus = 10000
reset = ["power"]
example = 9998

[signal."units.out@1"]
at = 11
type = "bcd16"
modulus = 10000
reset = ["power"]
example = 9998

[signal."units.out@2"]
at = 12
type = "u16"
modulus = 65536
example = 5

[signal."unit.in.id@1"]
at = 20
type = "string"
length = 8
empty = [""]
example = "A1"

[signal."unit.out.id@1"]
at = 30
type = "string"
length = 3
example = "A1"

[signal."x.cycles"]
at = 40
type = "u32"
modulus = 80
example = 77

[signal."x.temperature"]
at = 42
type = "i16"
scale = 0.1
unit = "Cel"
example = 40.0

[signal."x.full"]
at = 43
type = "u16"
unit = "%"
example = 65535

[[alarm]]
at = 203
code = "F7"
text = "jam"
severity = "Error"

[[alarm]]
at = 204
code = "F8"
text = "door"
severity = "Information"
"""


def oven() -> Bound:
    return _bound(ROOT / "config" / "profiles" / "reflow_oven" / "example-10-zone.toml", "reflow_oven")


def two_lanes() -> Bound:
    """Readers on lane 1 alone: the one at its exit has no room for a panel's identifier."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "two-lanes.toml"
        path.write_text(TWO_LANES, "utf-8")
        return _bound(path, "generic")


def _bound(path: Path, machine_class: str) -> Bound:
    loaded = load(str(path), [])
    return bind(loaded.profile, CLASSES[machine_class].vocabulary, loaded.name, written=loaded.written)
