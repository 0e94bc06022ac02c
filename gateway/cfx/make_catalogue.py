"""Writes `catalogue.json`, the package's knowledge of all CFX types, from the facts collected about the SDK.

    python -m gateway.cfx.make_catalogue SCHEMA.json CATALOGUE.tsv > gateway/cfx/catalogue.json

SCHEMA.json lists every type of SDK 2.1.1 with its fields; CATALOGUE.tsv says which of them are messages and of
which kind. What comes out is described in `catalogue.py`, which reads it.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

_STRUCTURES = "CFX.Structures."
_PRIMITIVES = {
    "String": "str",
    "Boolean": "bool",
    "Int32": "int32",
    "Int64": "int64",
    "UInt16": "uint16",
    "UInt32": "uint32",
    "Double": "double",
    "Single": "single",
    "Decimal": "decimal",
    "DateTime": "datetime",
    "TimeSpan": "timespan",
    "Guid": "guid",
    "Byte[]": "bytes",
    "Dictionary<String,String>": "map",
}
_SPARSE = {
    f"{_STRUCTURES}PCBInspection.{name}" for name in ("Board", "Component", "Feature", "Fiducial", "Panel", "Pin")
}
"""Types that the SDK writes without their nulls; every other type has all its fields always."""
_REJECTION = f"{_STRUCTURES}RejectionDetails"
"""An interface, so absent from the schema; implemented by the structures whose names end in it."""
_NOT_EXCHANGED = {"CFX.CFXMessage", "CFX.CFXEnvelope"}
"""The abstract root of messages, and the envelope, which `envelope.py` knows."""


def _short(name: str) -> str:
    return "~" + name.removeprefix(_STRUCTURES) if name.startswith(_STRUCTURES) else name


def _type(text: str) -> str:
    if text in _PRIMITIVES:
        return _PRIMITIVES[text]
    if text.endswith("?"):
        return _type(text[:-1]) + "?"
    if many := re.fullmatch(r"List<(.+)>|(.+)\[\]", text):
        return f"[{_type(many[1] or many[2])}]"
    if text.startswith("CFX."):
        return _short(text)
    raise ValueError(f"type {text!r} has no form in the catalogue")


def _is_tagged(facts: dict[str, Any], in_message: bool) -> bool:
    """Whether the SDK writes and minds `$type` in this field.

    Json.NET takes the setting from the field itself, from its class, or from the field that holds the object, which for a
    message is the envelope's MessageBody; for the entries of a list only the field itself counts.
    """
    if facts["type"].startswith("List<"):
        return bool(facts.get("typed") == "items")
    return in_message or "typed" in facts


def _field(name: str, facts: dict[str, Any], in_message: bool, bases: set[str]) -> str:
    text = _type(facts["type"])
    if text.strip("[]?") in bases and _is_tagged(facts, in_message):
        text += "*"
    if facts.get("readonly"):
        text += "=" + name.removesuffix("Count") + "s"
    if facts.get("omitDefault"):
        text += "-"
    if facts.get("since"):
        text += "@" + facts["since"]
    return text


def _bases(name: str, facts: dict[str, Any]) -> list[str]:
    base = facts.get("base", "")
    bases = [_short(base)] if base.startswith("CFX.") and base != "CFX.CFXMessage" else []
    if name.endswith("RejectionDetails"):
        bases.append(_short(_REJECTION))
    return bases


def _compound(name: str, facts: dict[str, Any], bases_of_others: set[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    if facts.get("since"):
        entry["since"] = facts["since"]
    if bases := _bases(name, facts):
        entry["bases"] = bases
    if facts.get("abstract"):
        entry["abstract"] = True
    if facts.get("base") == "System.ValueType":
        entry["value"] = True
    if name in _SPARSE:
        entry["sparse"] = True
    if facts.get("contract") == "JsonArrayContract":
        item = re.search(r"\[\[([\w.+]+),", facts["base"])
        if item is None:
            raise ValueError(f"{name}: no item type in {facts['base']!r}")
        entry["items"] = _short(item[1])
    in_message = facts["kind"] == "message"
    entry["fields"] = {
        field["name"]: _field(field["name"], field, in_message, bases_of_others) for field in facts.get("fields", ())
    }
    return entry


def _enum(facts: dict[str, Any]) -> dict[str, Any]:
    values: list[dict[str, Any]] = facts["values"]
    entry: dict[str, Any] = {}
    if facts.get("since"):
        entry["since"] = facts["since"]
    entry["wire"] = (
        "code" if any("json" in value for value in values) else {"string": "name"}.get(facts["json"], facts["json"])
    )
    entry["values"] = {value["name"]: value["value"] for value in values}
    if added := {value["name"]: value["since"] for value in values if value.get("since")}:
        entry["added"] = added
    return entry


def catalogue(schema: dict[str, dict[str, Any]], rows: Iterable[dict[str, str]]) -> bytes:
    """The file's bytes. Raises KeyError or ValueError when the facts have a shape that was not foreseen."""
    bases = {base for name, facts in schema.items() for base in _bases(name, facts)}
    messages: dict[str, Any] = {}
    for row in rows:
        name = row["message"]
        if schema[name].get("base") != "CFX.CFXMessage":
            continue  # ConsumptionDetail: a helper that the SDK derives from a message
        messages[name] = {"kind": row["kind"], **_compound(name, schema[name], bases), "since": row["since"]}
    structures = {_short(_REJECTION): {"abstract": True, "fields": {}}}
    enums: dict[str, Any] = {}
    for name, facts in sorted(schema.items()):
        if facts["kind"] == "enum":
            enums[_short(name)] = _enum(facts)
        elif name not in messages and name not in _NOT_EXCHANGED and not name.endswith(".NamespaceDoc"):
            structures[_short(name)] = _compound(name, facts, bases)
    document = {"messages": dict(sorted(messages.items())), "structures": structures, "enums": enums}
    lines = [f'"{group}":{{\n{_lines(document[group])}\n}}' for group in document]
    return ("{" + ",\n".join(lines) + "}\n").encode()


def _lines(entries: dict[str, Any]) -> str:
    return ",\n".join(
        f"{msgspec.json.encode(name).decode()}:{msgspec.json.encode(entry).decode()}" for name, entry in entries.items()
    )


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        sys.stderr.write(__doc__ or "")
        return 2
    schema = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=dict[str, dict[str, Any]])
    with Path(arguments[1]).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    sys.stdout.buffer.write(catalogue(schema, rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
