"""The schema and the reference agree with the models, and the demo line and the examples with both."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.registry import ADAPTERS
from gateway.config.advice import warnings
from gateway.config.load import Kinds, Protocols, load
from gateway.config.models import Config
from gateway.config.plan import resolve
from gateway.config.reference import PAGE, SCHEMA, generated, reference, schema
from gateway.sinks.registry import SINKS
from tests.conftest import ROOT
from tests.unit.config.conftest import HEAD

REAL: Protocols = {name: entry.settings for name, entry in ADAPTERS.items()}
KINDS: Kinds = {name: entry.settings for name, entry in SINKS.items()}

OTHER_WAYS = {"modbus-rtu-tcp", "tcp-text"}
"""Of protocols that the demo line has over another wire."""


@pytest.mark.parametrize("path", [SCHEMA, PAGE])
def test_generated_files_are_current(path: Path) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == generated(ROOT, REAL, KINDS)[path], (
        "run `lineside schema --write .`"
    )


def invalid(value: Any, rule: dict[str, Any], whole: dict[str, Any], path: str = "") -> list[str]:
    """Where `value` breaks the schema: as much of JSON Schema as ours uses, and an error for anything else."""
    known = {"$ref", "$schema", "$defs", "description", "default", "format", "items", "required", "properties", "type"}
    known |= {"anyOf", "enum", "const", "pattern", "additionalProperties", "minItems", "minLength", "minProperties"}
    known |= {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "maxLength", "patternProperties"}
    assert rule.keys() <= known, rule.keys() - known
    if "$ref" in rule:
        return invalid(value, whole["$defs"][rule["$ref"].removeprefix("#/$defs/")], whole, path)
    if "anyOf" in rule:
        branches = [invalid(value, each, whole, path) for each in rule["anyOf"]]
        return [] if [] in branches else min(branches, key=len)
    types: dict[str, type | tuple[type, ...]] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
    }
    if "type" in rule and not isinstance(value, types[rule["type"]]):
        return [path]
    if value not in rule.get("enum", [value]) or value != rule.get("const", value):
        return [path]
    if isinstance(value, str):
        fits = rule.get("minLength", 0) <= len(value) <= rule.get("maxLength", len(value))
        return [] if re.search(rule.get("pattern", ""), value) and fits else [path]
    if isinstance(value, list):
        found = [] if len(value) >= rule.get("minItems", 0) else [path]
        return found + [each for item in value for each in invalid(item, rule.get("items", {}), whole, path)]
    if isinstance(value, dict):
        return [*_table(value, rule, whole, path)]
    bounds = rule.get("minimum", value) <= value <= rule.get("maximum", value)
    strict = rule.get("exclusiveMinimum", value - 1) < value < rule.get("exclusiveMaximum", value + 1)
    return [] if bounds and strict else [path]


def _table(value: dict[str, Any], rule: dict[str, Any], whole: dict[str, Any], path: str) -> Iterator[str]:
    fields = rule.get("properties", {})
    yield from (f"{path}.{key}" for key in rule.get("required", []) if key not in value)
    if len(value) < rule.get("minProperties", 0):
        yield path
    for key, each in value.items():
        if key in fields:
            yield from invalid(each, fields[key], whole, f"{path}.{key}")
            continue
        patterns = [each for pattern, each in rule.get("patternProperties", {}).items() if re.search(pattern, key)]
        others = rule.get("additionalProperties", True)
        for each_rule in patterns or ([others] if isinstance(others, dict) else []):
            yield from invalid(each, each_rule, whole, f"{path}.{key}")
        if not patterns and others is False:
            yield f"{path}.{key}"


def demo() -> dict[str, Any]:
    return tomllib.loads((ROOT / "config/lineside.toml").read_text(encoding="utf-8"))


def test_the_demo_line_fits_the_schema() -> None:
    assert invalid(demo(), schema(REAL, KINDS), schema(REAL, KINDS)) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", ".gateway"),
        (HEAD + "x = 1", ".gateway.x"),
        (HEAD + "[limits]\nqueue_frames = 0", ".limits.queue_frames"),
        (HEAD + "[http]\nlisten = 8080", ".http.listen"),
        (HEAD + '[[station]]\nname = "x"\nclass = "y"\nsource = { connection = "b" }', ".station.class"),
        (HEAD + '[[station]]\nname = "x"\nsource = { connection = "b", handel = "b" }', ".station.source.handel"),
        (
            HEAD + '[[line]]\nname = "L"\n[[line.station]]\nname = "x"\nsource = { protocol = "cfx-amqp", host = 1 }',
            ".line.station.source.host",
        ),
        (HEAD + '[[connection]]\nname = "b"\nprotocol = "cfx-amqp"\nport = 0\nhost = "h"', ".connection.port"),
        (HEAD + '[[sink]]\nname = "a"\nkind = "postgres"', ".sink.url"),
    ],
)
def test_the_schema_refuses_what_loading_refuses(text: str, where: str) -> None:
    assert invalid(tomllib.loads(text), schema(REAL, KINDS), schema(REAL, KINDS)) == [where]


def test_every_setting_is_described() -> None:
    document = schema(REAL, KINDS)
    tables = {"": document, **document["$defs"]}
    bare = [
        f"{table}.{key}"
        for table, rule in tables.items()
        for key, field in rule.get("properties", {}).items()
        if key != "protocol"
        and not field.get("description")
        and not document["$defs"].get(field.get("$ref", "").removeprefix("#/$defs/"), {}).get("description")
    ]
    assert bare == []


def test_every_table_and_setting_is_in_the_reference() -> None:
    text = reference(REAL, KINDS)
    for name, field in Config.model_fields.items():
        assert f"[{name}]" in text, name
        for key in getattr(field.annotation, "model_fields", {}):
            assert f"| `{key}` |" in text, key
    for protocol in REAL:
        assert f'protocol = "{protocol}"' in text


def test_the_demo_line() -> None:
    resolved = resolve(load(ROOT / "config/lineside.toml", REAL))
    assert resolved.config.gateway.name == "demo"
    assert resolved.config.journal.path == ROOT / "data/demo.db"
    handles = {
        station.id: (station.routes[0].connection, *station.routes[0].handles)
        for station in resolved.stations
        if station.bound is None
    }
    assert handles == {
        "L1.printer": ("p2p", "Example.Printer.SN1001"),
        "L1.spi": ("plant-broker", "Example.Spi.SN2001"),
        "L1.pnp1": ("p2p", "Example.Placer.SN3001"),
        "L1.pnp2": ("plant-broker", "Example.Placer.SN3002"),
        "L1.review": ("p2p", "Example.Review.SN4001"),
    }
    protocols = {
        station.id: getattr(resolved.connections[station.routes[0].connection], "protocol", None)
        for station in resolved.stations
        if station.bound is not None
    }
    assert protocols == {
        "L1.loader": "hermes-vertical",
        "L1.scan": "serial-text",
        "L1.reflow": "modbus-tcp",
        "L1.aoi": "opcua",
        "L1.selective": "modbus-rtu",
        "xray": "files",
        "probe1": "files",
        "probe2": "serial-text",
    }
    assert set(protocols.values()) | {"cfx-mqtt", "cfx-amqp"} >= REAL.keys() - OTHER_WAYS, "each kind of protocol once"
    assert warnings(resolved) == []


def test_examples_in_the_page_load(tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(.*?)```", (ROOT / PAGE).read_text(encoding="utf-8"), re.DOTALL)
    assert examples
    for example in examples:
        path = tmp_path / "lineside.toml"
        path.write_text(example, encoding="utf-8")
        assert resolve(load(path, REAL, sinks=KINDS)).stations


def test_defaults_in_the_schema_are_those_of_the_models(tmp_path: Path) -> None:
    """Written into a file, they change nothing."""
    document = schema(REAL, KINDS)
    tables = {}
    for key in ("gateway", "journal", "http", "limits", "timing"):
        fields = document["$defs"][document["properties"][key]["$ref"].removeprefix("#/$defs/")]["properties"]
        tables[key] = {name: field["default"] for name, field in fields.items() if "default" in field}
    tables["gateway"] |= {"name": "g1", "site": "s1"}
    text = "".join(
        f"[{key}]\n" + "".join(f"{name} = {_toml(value)}\n" for name, value in table.items())
        for key, table in tables.items()
    )
    path = tmp_path / "lineside.toml"
    path.write_text(HEAD, encoding="utf-8")
    before = load(path, REAL, sinks=KINDS)
    path.write_text(text, encoding="utf-8")
    assert load(path, REAL, sinks=KINDS) == before
    assert text.count("\n") > 20


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)
