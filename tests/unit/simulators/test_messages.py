"""Does every message of a life fit the CFX catalogue, and is nothing changed or filled in on the way out?"""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from gateway.cfx import envelope
from gateway.cfx.envelope import Limits
from gateway.core.observation import CfxMessage
from simulators.life import ending, life
from simulators.step import Step, render
from tests.unit.simulators.test_life import lively

NOON = 1_795_176_000_000_000


def instant(at: float) -> int:
    return NOON + round(at * 100_000)


def written(step: Step) -> bytes:
    body = render(step.body, instant, 10.0)
    return envelope.write(step.name, body, source=step.handle, at=instant(step.at), unique_id=step.unique_id)


def untagged(value: Any) -> Any:
    """Without `$type`, which is written only where the SDK would (it says nothing of it for RelatedFault)."""
    if isinstance(value, dict):
        return {key: untagged(item) for key, item in value.items() if key != "$type"}
    return [untagged(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("seed", [1, 2])
def test_every_message_is_valid_and_complete(seed: int) -> None:
    steps = list(itertools.islice(life(lively(), seed), 2500))
    steps += ending(steps[-1], steps[-1].at + 1)
    for step in steps:
        said = json.loads(written(step))
        assert said["MessageBody"]["$type"] == f"{step.name}, CFX"
        assert untagged(said["MessageBody"]) == untagged(render(step.body, instant, 10.0)), step.name


def test_the_gateway_reads_what_the_machines_say() -> None:
    steps = list(itertools.islice(life(lively(), 3), 2000))
    for step in steps:
        (message,) = envelope.read(written(step), limits=Limits())
        assert isinstance(message, CfxMessage)
        assert message.source == step.handle
        assert message.unique_id == step.unique_id
        assert message.time == instant(step.at)
        if step.name == "CFX.Production.WorkStarted":
            boards = [unit["UnitIdentifier"] for unit in step.body["Units"]]
            assert message.facts.transaction == step.body["TransactionID"]
            assert {step.body["PrimaryIdentifier"], *boards} == {ref.id for ref in message.facts.units}
        if step.name == "CFX.ResourcePerformance.StationStateChanged":
            assert message.facts.state == int(step.body["NewState"])


def test_a_reader_finds_the_subclasses_of_dynamic_structures() -> None:
    steps = itertools.islice(life(lively(), 1), 3000)
    tags = set()
    for step in steps:
        for part in written(step).split(b'"$type":"')[1:]:
            tags.add(part.partition(b'"')[0].decode())
    assert {
        "CFX.Structures.SMTPlacement.SMTInstalledComponent, CFX",
        "CFX.Structures.SMTPlacement.SMTNonInstalledComponent, CFX",
        "CFX.Structures.SMTPlacement.SMDTapeFeeder, CFX",
        "CFX.Structures.SMTPlacement.SMTPlacementFault, CFX",
    } <= tags
