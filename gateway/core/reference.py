"""What models say about themselves, for people and for editors: Markdown tables, and JSON Schema without noise."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.core.sizes import write_size

Json = dict[str, Any]


def used(value: Any, definitions: Json, found: set[str]) -> set[str]:
    """Names of the definitions that `value` refers to, also through others."""
    if isinstance(value, list):
        for each in value:
            used(each, definitions, found)
    elif isinstance(value, dict):
        name = str(value.get("$ref", "")).removeprefix("#/$defs/")
        if name and name not in found:
            found.add(name)
            used(definitions[name], definitions, found)
        used(list(value.values()), definitions, found)
    return found


def plain(value: Any) -> Any:
    """Without what TOML cannot say (null: the key is left out instead), and without titles that repeat the key."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {
        key: plain(each)
        for key, each in value.items()
        if not (key == "default" and each is None) and not (key == "title" and isinstance(each, str))
    }
    branches = kept.get("anyOf")
    if isinstance(branches, list) and {"type": "null"} in branches:
        rest = [each for each in branches if each != {"type": "null"}]
        kept = {key: each for key, each in kept.items() if key != "anyOf"} | (
            rest[0] if len(rest) == 1 else {"anyOf": rest}
        )
    return kept


def resolved(field: Json, definitions: Json) -> Json:
    """The table that a field holds: itself, or what it refers to."""
    found: Json = definitions[field["$ref"].rpartition("/")[2]] if "$ref" in field else field
    return found


def section(title: str, owner: str, table: Json, definitions: Json) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"{_line(table.get('description', ''))}\n"
    yield from rows(table, definitions)
    for key, field in table["properties"].items():
        inner = resolved(field, definitions)
        if "$ref" in field and inner.get("type") == "object":
            yield f"### `{key}` of `{owner}`\n"
            yield f"{_line(inner.get('description', ''))}\n"
            yield from rows(inner, definitions)


def rows(table: Json, definitions: Json) -> Iterator[str]:
    yield "| Key | Value | Default | Meaning |"
    yield "|---|---|---|---|"
    for key, field in table["properties"].items():
        required = key in table.get("required", ())
        cells = (
            f"`{key}`",
            _type(field, definitions),
            _default(field, required=required),
            field.get("description", ""),
        )
        yield "| " + " | ".join(_line(cell).replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _line(text: str) -> str:
    return " ".join(text.split())


_FORMATS: Mapping[str, str] = {
    "size": "size",
    "secret": "secret",
    "path": "path",
    "file reference": "`file:PATH`",
    "host:port": "`HOST:PORT`",
    "IANA time zone": "time zone",
    "duration": "duration",
    "UCUM unit": "unit",
    "FaultSeverity": "severity",
    "value": "value",
    "value or list of values": "value or list of values",
}
_TYPES: Mapping[str, str] = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true`, `false`",
    "object": "table",
}


def _type(field: Json, definitions: Json) -> str:
    if field.get("format") in _FORMATS:
        return _FORMATS[field["format"]]
    if "enum" in field or "const" in field:
        return ", ".join(f"`{json.dumps(each)}`" for each in field.get("enum", [field.get("const")]))
    if "$ref" in field:
        return "table"
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_type(each, definitions) for each in field["anyOf"]))
    if field.get("type") == "array":
        items = field.get("items", {})
        return (
            "tables"
            if _type(items, definitions) == "table" or resolved(items, definitions).get("type") == "object"
            else f"list of {_type(items, definitions)}"
        )
    return _TYPES.get(field.get("type", ""), "") + _range(field)


def _range(field: Json) -> str:
    words = (("exclusiveMinimum", "above"), ("minimum", "from"), ("exclusiveMaximum", "below"), ("maximum", "to"))
    bounds = [f"{word} {field[key]}" for key, word in words if key in field]
    return f", {' '.join(bounds)}" if bounds else ""


def _default(field: Json, *, required: bool) -> str:
    if required:
        return "required"
    value = field.get("default")
    if value is None or isinstance(value, dict):  # the description says what a table defaults to
        return ""
    if field.get("format") == "size":
        return f'`"{write_size(value)}"`' if value else "`0`"
    return f"`{json.dumps(value)}`"
