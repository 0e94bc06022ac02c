"""What the models of profiles say about themselves: a JSON Schema for editors, and tables for people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.core.reference import Json, plain, rows, used
from gateway.profile.models import Caveat, Common, Evidence, NodeProfile, RegisterProfile, TextProfile
from gateway.profile.tables_opcua import EventExample, EventField, EventRecord, NodeAlarm, NodeSignal, Subscribe
from gateway.profile.tables_records import Frame, FrameChecksum, RecordExample, RecordField, TextRecord
from gateway.profile.tables_registers import RegisterAlarm, RegisterPoll, RegisterSignal, SignalRule

SCHEMA = Path("config/schema/profile.schema.json")
PAGE = Path("docs/profiles.md")
MARK = "<!-- From here on made from the models of profiles by `lineside schema --write .`; do not edit. -->"

_SECTIONS: tuple[tuple[str, type[BaseModel], type[BaseModel] | None], ...] = (
    ("Every profile", Common, None),
    ("`evidence`", Evidence, None),
    ("`[[caveats]]`", Caveat, None),
    ('Registers: `protocol = "modbus"`', RegisterProfile, Common),
    ("`[poll.NAME]`", RegisterPoll, None),
    ('`[signal."KEY"]`', RegisterSignal, None),
    ("`[[alarm]]`", RegisterAlarm, None),
    ("`[[rule]]`", SignalRule, None),
    ('OPC UA: `protocol = "opcua"`', NodeProfile, Common),
    ("`[subscribe.NAME]`", Subscribe, None),
    ('`[signal."KEY"]` of OPC UA', NodeSignal, None),
    ("`[[alarm]]` of OPC UA", NodeAlarm, None),
    ("`[[record]]` of OPC UA", EventRecord, None),
    ("`fields.NAME` of an event", EventField, None),
    ("`example` of an event", EventExample, None),
    ('Text: `protocol = "serial-text"`, `"tcp-text"`, `"files"`', TextProfile, Common),
    ("`[frame]`", Frame, None),
    ("`checksum` of a frame", FrameChecksum, None),
    ("`[[record]]`", TextRecord, None),
    ("`fields.NAME` and `time` of a record", RecordField, None),
    ("`example` of a record", RecordExample, None),
)
"""Title, model, and the model whose keys have been shown before."""


def schema() -> Json:
    """JSON Schema (draft 2020-12) of a profile."""
    models = [model for _, model, _ in _SECTIONS]
    refs, document = models_json_schema([(model, "validation") for model in models], ref_template="#/$defs/{model}")
    definitions: Json = document["$defs"]
    whole = (RegisterProfile, NodeProfile, TextProfile)
    branches = [*(refs[model, "validation"] for model in whole), _variant()]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "description": "How a model of a machine says what its class understands.",
        "anyOf": branches,
        "$defs": {name: plain(definitions[name]) for name in sorted(used(branches, definitions, set()))},
    }


def _variant() -> Json:
    """Of a profile that extends another one: any part may be there, and none must."""
    keys = {**RegisterProfile.model_fields, **NodeProfile.model_fields, **TextProfile.model_fields}
    properties: Json = {field.alias or name: {"description": field.description} for name, field in keys.items()}
    properties["extends"] = {**properties["extends"], "type": "string"}
    return {"type": "object", "required": ["extends"], "properties": properties, "additionalProperties": False}


def reference() -> str:
    """Markdown: a table of keys for each table of a profile."""
    return "\n".join(line for section in _SECTIONS for line in _section(*section)).rstrip() + "\n"


def _section(title: str, model: type[BaseModel], shown: type[BaseModel] | None) -> Iterator[str]:
    table = plain(model.model_json_schema(ref_template="#/$defs/{model}"))
    before = () if shown is None else shown.model_json_schema()["properties"]
    table["properties"] = {key: field for key, field in table["properties"].items() if key not in before}
    yield f"## {title}\n"
    yield " ".join(table.get("description", "").split()) + "\n"
    yield from rows(table, table.get("$defs", {}))


def generated(root: Path) -> dict[Path, str]:
    """Content of the generated files of the repository at `root`, by their paths in it.

    The page keeps what a person wrote above the mark. Raises OSError or ValueError when the page is not there or has
    no mark.
    """
    head, mark, _ = (root / PAGE).read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise ValueError(f"{PAGE} lacks the line {MARK}")
    return {
        SCHEMA: json.dumps(schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n",
        PAGE: f"{head}{MARK}\n\n{reference()}",
    }
