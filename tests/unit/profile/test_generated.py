"""The schema, the reference and the page agree with the models; a new profile with its class."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.core.errors import ConfigError
from gateway.profile.models import Common, NodeProfile, RegisterProfile, TextProfile
from gateway.profile.reference import MARK, PAGE, SCHEMA, generated, reference
from gateway.profile.skeleton import skeleton
from gateway.profile.tables_opcua import EventExample, EventField, EventRecord, NodeAlarm, NodeSignal, Subscribe
from gateway.profile.tables_records import Frame, RecordExample, RecordField, TextRecord
from gateway.profile.tables_registers import RegisterAlarm, RegisterPoll, RegisterSignal, SignalRule
from tests.conftest import ROOT
from tests.unit.profile.words import bound, vocabulary

MODELS = (
    Common,
    RegisterProfile,
    TextProfile,
    RegisterPoll,
    RegisterSignal,
    RegisterAlarm,
    SignalRule,
    Frame,
    TextRecord,
    RecordField,
    RecordExample,
    NodeProfile,
    Subscribe,
    NodeSignal,
    NodeAlarm,
    EventRecord,
    EventField,
    EventExample,
)


@pytest.mark.parametrize("path", [SCHEMA, PAGE])
def test_generated_files_are_current(path: Path) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == generated(ROOT)[path], "run `lineside schema --write .`"


@pytest.mark.parametrize("model", MODELS)
def test_every_key_is_described(model: type[BaseModel]) -> None:
    text = reference()
    for name, field in model.model_fields.items():
        assert field.description, name
        assert f"| `{field.alias or name}` |" in text, name


def test_a_page_without_the_mark(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / PAGE).write_text("# Profiles\n", encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(MARK)):
        generated(tmp_path)


def test_a_new_profile_says_what_is_missing(tmp_path: Path) -> None:
    text = skeleton(vocabulary("state", "zone.temperature"), "modbus")
    assert list(tomllib.loads(text)["signal"]) == ["zone.temperature", "state"]
    with pytest.raises(ConfigError) as caught:
        bound(tmp_path, text, "state", "zone.temperature")
    said = [problem.partition(": ")[2] for problem in caught.value.problems]
    assert {"poll.fast.start: is missing", "signal.state.at: is missing"} <= set(said)


def test_a_new_profile_filled_in(tmp_path: Path) -> None:
    """Every line of it is a key that there is: without the marks, with values, it is a profile."""
    text = skeleton(vocabulary("state"), "modbus")
    filled = re.sub(r"^# (?=\[|[a-z]+ ?=)", "", text, flags=re.MULTILINE)
    filled = re.sub(r"^(start|bit) =.*$", r"\1 = 0", filled, flags=re.MULTILINE)
    filled = filled.replace("count =", "count = 99").replace("models = []", 'models = ["T"]').replace('""', '"t"')
    blocks = re.split(r"(?=^\[signal|^\[\[alarm)", filled, flags=re.MULTILINE)
    for index, block in enumerate(blocks[1:], 1):
        name = block.partition("]")[0]
        type_, example = ("i16", "1")
        if "recipe" in name:
            type_, example = "string", '"A"'
        block = block.replace('type = "t"', f'type = "{type_}"').replace("example =", f"example = {example}")
        block = block.replace("length =", "length = 1").replace("scale =", "scale = 1").replace("array =", "array = 1")
        block = re.sub(r"^at =", f"at = {index}", block, flags=re.MULTILINE)
        if "state" in name:
            block = block.replace("example = 1", 'example = "PRD"')
        elif "result" in name:
            block = block.replace("example = 1", 'example = "Passed"')
        elif "door" in name:
            block = block.replace("example = 1", "example = true")
        elif "zone" in name:
            block = block.replace("example = 1", "example = [1]")
        elif "units.out" in name:
            block = block.replace("i16", "u16")
        blocks[index] = "" if "clock" in name else block
    filled = "".join(blocks)
    filled = filled.replace("at =\n", "at = 50\n")
    found = bound(tmp_path, filled, "state")
    assert len(found.signals) == len(vocabulary().signals) - 1
    assert list(found.alarms) == ["alarm.t"]


def test_a_new_text_profile(tmp_path: Path) -> None:
    text = skeleton(vocabulary(), "serial-text")
    assert "record: is missing" in {each.partition(": ")[2] for each in _problems(tmp_path, text)}
    for record in vocabulary().records.values():
        assert f'name = "{record.name}"' in text
    assert text.count("required") == sum(
        field.required for record in vocabulary().records.values() for field in record.fields
    )


def _problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        bound(folder, text)
    return caught.value.problems


def test_examples_in_the_page() -> None:
    examples = re.findall(r"```toml\n(.*?)```", (ROOT / PAGE).read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 4
    for example in examples:
        tomllib.loads(example)
