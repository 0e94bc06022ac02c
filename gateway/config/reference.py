"""What the settings models say about themselves: a JSON Schema for editors, and tables for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.config.load import Protocols
from gateway.config.models import Claim, Config, Line, LooseStation, Named, Station
from gateway.core.sizes import write_size

Json = dict[str, Any]

SCHEMA = Path("config/schema/lineside.schema.json")
PAGE = Path("docs/configuration.md")
MARK = "<!-- From here on made from the settings models by `lineside schema --write .`; do not edit. -->"


def schema(protocols: Protocols) -> Json:
    """JSON Schema (draft 2020-12) of a configuration file."""
    models: list[type[BaseModel]] = [Config, Named, Claim, Line, LooseStation, Station, *protocols.values()]
    refs, document = models_json_schema([(model, "validation") for model in models], ref_template="#/$defs/{model}")
    definitions: Json = document["$defs"]

    def ref(model: type[BaseModel]) -> Json:
        return refs[model, "validation"]

    def definition(model: type[BaseModel]) -> Json:
        found: Json = definitions[ref(model)["$ref"].rpartition("/")[2]]
        return found

    handle = definition(Claim)["properties"]["handle"]
    in_place = []
    for protocol, model in protocols.items():
        table = deepcopy(definition(model))
        del table["properties"]["name"]
        table["required"] = [key for key in table["required"] if key != "name"]
        table["properties"]["handle"] = handle
        definitions[f"{protocol}.in-place"] = table
        in_place.append({"$ref": f"#/$defs/{protocol}.in-place"})
    source = {"anyOf": [ref(Named), *in_place]}
    for station in (Station, LooseStation):
        field = definition(station)["properties"]["source"]
        one_or_more = {"anyOf": [source, {"type": "array", "items": source, "minItems": 1}]}
        definition(station)["properties"]["source"] = {"description": field["description"], **one_or_more}
    root = definition(Config)
    root["properties"]["connection"]["items"] = {"anyOf": [ref(model) for model in protocols.values()]}
    used = sorted(_used(root, definitions, set()))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_plain(root),
        "description": "Configuration of a Lineside gateway.",
        "$defs": {name: _plain(definitions[name]) for name in used},
    }


def _used(value: Any, definitions: Json, found: set[str]) -> set[str]:
    """Names of the definitions that `value` refers to, also through others."""
    if isinstance(value, list):
        for each in value:
            _used(each, definitions, found)
    elif isinstance(value, dict):
        name = str(value.get("$ref", "")).removeprefix("#/$defs/")
        if name and name not in found:
            found.add(name)
            _used(definitions[name], definitions, found)
        _used(list(value.values()), definitions, found)
    return found


def _plain(value: Any) -> Any:
    """Without what TOML cannot say (null: the key is left out instead), and without titles that repeat the key."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {
        key: _plain(each)
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


def reference(protocols: Protocols) -> str:
    """Markdown: a table of settings for each table of the file."""
    whole = schema(protocols)
    definitions = whole["$defs"]
    parts: list[str] = []
    for key in ("gateway", "journal", "http", "auth", "limits", "timing"):
        parts += _section(f"`[{key}]`", key, _resolved(whole["properties"][key], definitions), definitions)
    for protocol in sorted(protocols):
        table = deepcopy(definitions[f"{protocol}.in-place"])
        del table["properties"]["handle"]
        name = {"type": "string", "description": "Name of the connection; stations use it."}
        table["properties"] = {"name": name, **table["properties"]}
        table["required"] = ["name", *table["required"]]
        parts += _section(f'`[[connection]]` with `protocol = "{protocol}"`', protocol, table, definitions)
    for title, model in (("`[[line]]`", Line), ("`[[line.station]]`", Station), ("`[[station]]`", LooseStation)):
        parts += _section(title, title, definitions[model.__name__], definitions)
    parts += _section("`source`", "source", definitions[Named.__name__], definitions)
    return "\n".join(parts).rstrip() + "\n"


def _resolved(field: Json, definitions: Json) -> Json:
    """The table that a field holds: itself, or what it refers to."""
    found: Json = definitions[field["$ref"].rpartition("/")[2]] if "$ref" in field else field
    return found


def _section(title: str, owner: str, table: Json, definitions: Json) -> Iterator[str]:
    yield f"## {title}\n"
    yield f"{_line(table.get('description', ''))}\n"
    yield from _rows(table, definitions)
    for key, field in table["properties"].items():
        inner = _resolved(field, definitions)
        if "$ref" in field and inner.get("type") == "object":
            yield f"### `{key}` of `{owner}`\n"
            yield f"{_line(inner.get('description', ''))}\n"
            yield from _rows(inner, definitions)


def _rows(table: Json, definitions: Json) -> Iterator[str]:
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
            if _type(items, definitions) == "table" or _resolved(items, definitions).get("type") == "object"
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


def generated(root: Path, protocols: Protocols) -> dict[Path, str]:
    """Content of the generated files of the repository at `root`, by their paths in it.

    The page keeps what a person wrote above the mark. Raises OSError or ValueError when the page is not there or has
    no mark.
    """
    head, mark, _ = (root / PAGE).read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise ValueError(f"{PAGE} lacks the line {MARK}")
    return {
        SCHEMA: json.dumps(schema(protocols), indent=2, sort_keys=True, ensure_ascii=False) + "\n",
        PAGE: f"{head}{MARK}\n\n{reference(protocols)}",
    }
