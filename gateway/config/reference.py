"""What the settings models say about themselves: a JSON Schema for editors, and tables for people."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.config.load import Kinds, Protocols, claim_keys
from gateway.config.models import Claim, Config, Line, LooseStation, Named, Station
from gateway.core.reference import Json, plain, resolved, section, used

SCHEMA = Path("config/schema/lineside.schema.json")
PAGE = Path("docs/configuration.md")
MARK = "<!-- From here on made from the settings models by `lineside schema --write .`; do not edit. -->"


def schema(protocols: Protocols, sinks: Kinds = MappingProxyType({})) -> Json:
    """JSON Schema (draft 2020-12) of a configuration file."""
    models: list[type[BaseModel]] = [
        Config,
        Named,
        Claim,
        Line,
        LooseStation,
        Station,
        *protocols.values(),
        *sinks.values(),
    ]
    refs, document = models_json_schema([(model, "validation") for model in models], ref_template="#/$defs/{model}")
    definitions: Json = document["$defs"]

    def ref(model: type[BaseModel]) -> Json:
        return refs[model, "validation"]

    def definition(model: type[BaseModel]) -> Json:
        found: Json = definitions[ref(model)["$ref"].rpartition("/")[2]]
        return found

    claims = definition(Claim)["properties"]
    in_place = []
    for protocol, model in protocols.items():
        table = deepcopy(definition(model))
        del table["properties"]["name"]
        table["required"] = [key for key in table["required"] if key != "name"]
        table["properties"] |= {key: claims[key] for key in sorted(claim_keys(model))}
        definitions[f"{protocol}.in-place"] = table
        in_place.append({"$ref": f"#/$defs/{protocol}.in-place"})
    source = {"anyOf": [ref(Named), *in_place]}
    for station in (Station, LooseStation):
        field = definition(station)["properties"]["source"]
        one_or_more = {"anyOf": [source, {"type": "array", "items": source, "minItems": 1}]}
        definition(station)["properties"]["source"] = {"description": field["description"], **one_or_more}
    root = definition(Config)
    root["properties"]["connection"]["items"] = {"anyOf": [ref(model) for model in protocols.values()]}
    root["properties"]["sink"]["items"] = {"anyOf": [ref(model) for model in sinks.values()]}
    names = sorted(used(root, definitions, set()))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **plain(root),
        "description": "Configuration of a Lineside gateway.",
        "$defs": {name: plain(definitions[name]) for name in names},
    }


def reference(protocols: Protocols, sinks: Kinds = MappingProxyType({})) -> str:
    """Markdown: a table of settings for each table of the file."""
    whole = schema(protocols, sinks)
    definitions = whole["$defs"]
    parts: list[str] = []
    for key in ("gateway", "journal", "http", "auth", "limits", "timing", "capture"):
        parts += section(f"`[{key}]`", key, resolved(whole["properties"][key], definitions), definitions)
    for protocol in sorted(protocols):
        table = deepcopy(definitions[f"{protocol}.in-place"])
        for key in claim_keys(protocols[protocol]):
            del table["properties"][key]
        name = {"type": "string", "description": "Name of the connection; stations use it."}
        table["properties"] = {"name": name, **table["properties"]}
        table["required"] = ["name", *table["required"]]
        parts += section(f'`[[connection]]` with `protocol = "{protocol}"`', protocol, table, definitions)
    for title, model in (("`[[line]]`", Line), ("`[[line.station]]`", Station), ("`[[station]]`", LooseStation)):
        parts += section(title, title, definitions[model.__name__], definitions)
    parts += section("`source`", "source", definitions[Named.__name__], definitions)
    for kind, sink in sorted(sinks.items()):
        parts += section(f'`[[sink]]` with `kind = "{kind}"`', kind, definitions[sink.__name__], definitions)
    return "\n".join(parts).rstrip() + "\n"


def generated(root: Path, protocols: Protocols, sinks: Kinds = MappingProxyType({})) -> dict[Path, str]:
    """Content of the generated files of the repository at `root`, by their paths in it.

    The page keeps what a person wrote above the mark. Raises OSError or ValueError when the page is not there or has
    no mark.
    """
    head, mark, _ = (root / PAGE).read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise ValueError(f"{PAGE} lacks the line {MARK}")
    return {
        SCHEMA: json.dumps(schema(protocols, sinks), indent=2, sort_keys=True, ensure_ascii=False) + "\n",
        PAGE: f"{head}{MARK}\n\n{reference(protocols, sinks)}",
    }
