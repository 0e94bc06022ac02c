"""What is wrong with an OPC UA profile is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.profile.node_text import NodeName, Step, parse_address, parse_node, parse_path
from tests.unit.profile.test_nodes import HEAD, RECORD
from tests.unit.profile.words import TOP, problems


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[signal.pressure]\nnode = "Zone1" #<\nunit = "bar"\nexample = 1.0', "is no NodeId"),
        ('[signal.pressure]\npath = "Objects//2:Oven" #<\nunit = "bar"\nexample = 1.0', "is no browse path"),
        ('[signal.pressure] #<\nunit = "bar"\nexample = 1.0', "signal.pressure.node: is missing"),
        ('[signal.pressure]\nnode = "i=1"\npath = "a" #<\nunit = "bar"\nexample = 1.0', "stands beside node"),
        ('[signal.pressure] #<\nnode = "i=1"\nexample = 1.0', "unit: is missing"),
        ('[signal.pressure]\nnode = "i=1"\nunit = "Cel" #<\nexample = 1.0', "cannot be converted"),
        ('[signal.pressure]\nnode = "i=1"\nunit = "bar"\nscale = 0.0 #<\nexample = 1.0', "must not be 0"),
        ('[signal.pressure]\nnode = "i=1"\nunit = "bar"\nexample = "two" #<', "is no number"),
        ('[signal.pressure]\nnodes = ["i=1", "i=2"] #<\nunit = "bar"\nexample = [1.0, 2.0]', "the class has one pressure"),
        ('[signal."zone.temperature"] #<\nnode = "i=1"\nunit = "Cel"\nexample = 1.0', "is missing: a node for each place"),
        ('[signal."zone.temperature"]\nnodes = ["i=1"]\narray = 1 #<\nunit = "Cel"\nexample = [1.0]', "does not go with nodes"),
        ('[signal."zone.temperature"]\nnode = "i=1"\narray = 2\nunit = "Cel"\nexample = [1.0] #<', "must be a list of 2"),
        ('[signal.presure] #<\nnode = "i=1"\nexample = 1.0', "did you mean 'pressure'"),
        ('[signal.pressure]\nnode = "i=1"\nsubscribe = "slow" #<\nunit = "bar"\nexample = 1.0', "is no subscription"),
        ('[signal.state]\nnode = "i=1"\nmap = { 0 = "Idle" } #<\nexample = "SBY"', "is no CFX ResourceState"),
        ('[signal.state]\nnode = "i=1"\nmap = { 0 = "SBY" }\nexample = "PRD" #<', "is not in the map"),
        ('[signal.door]\nnode = "i=1"\nmap = { Open = "yes" } #<\nexample = true', "must be true or false"),
        ('[signal.door]\nnode = "i=1"\nkind = "flag" #<\nexample = true', "belongs to a vendor's own"),
        ('[signal."units.out"]\nnode = "i=1"\nscale = 0.5 #<\nmodulus = 10\nexample = 1', "must be a whole number"),
        ('[signal.pressure]\nnode = "i=1"\nunit = "bar"\nmodulus = 9 #<\nexample = 1.0', "does not belong to a number"),
        ('[[alarm]] #<\ncode = "A"\ntext = "t"\nseverity = "Error"', "node: is missing"),
        ('[[alarm]]\ncondition = "A"\nbit = 1 #<\ncode = "A"\ntext = "t"\nseverity = "Error"', "does not go with condition"),
        ('[[alarm]]\nnode = "i=1"\nsource = "A" #<\ncode = "A"\ntext = "t"\nseverity = "Error"', "goes with condition"),
        (RECORD.replace('name = "batch"', 'name = "bach" #<'), "did you mean 'batch'"),
        (RECORD.replace('unit = "K", scale = 0.1 }', "scale = 0.1 } #<"), "unit: is missing"),
    ],
)  # fmt: skip
def test_problems(tmp_path: Path, text: str, message: str) -> None:
    (found,) = problems(tmp_path, HEAD + text)
    assert message in found


def test_events_that_lack_what_they_need(tmp_path: Path) -> None:
    text = RECORD.replace("fields.count = ", "fields.cont = ")
    unnamed, unknown = problems(tmp_path, HEAD + text.replace('field = "2:Count" }', 'field = "2:Count" } #<#<'))
    assert "lacks 'count'" in unnamed
    assert "did you mean 'count'" in unknown


def test_examples_that_are_not_so(tmp_path: Path) -> None:
    text = RECORD.removesuffix("\n") + " #<\n"
    (found,) = problems(tmp_path, HEAD + text.replace("count = 3, heat", "count = 4, heat"))
    assert "count is 3, and the example says 4" in found
    (found,) = problems(tmp_path, HEAD + text.replace('"2:Count" = 3', '"2:Coun" = 3'))
    assert "did you mean '2:Count'" in found


def test_a_subscription_in_vain(tmp_path: Path) -> None:
    text = TOP + 'protocol = "opcua"\n[subscribe.fast]\npublish = "1s"\n[subscribe.slow] #<\npublish = "9s"\n'
    (found,) = problems(tmp_path, text + '[signal.door]\nnode = "i=1"\nexample = true\n')
    assert "subscribe.slow: is in vain" in found


def test_a_node_in_two_subscriptions(tmp_path: Path) -> None:
    text = TOP + 'protocol = "opcua"\n[subscribe.fast]\npublish = "1s"\n[subscribe.slow]\npublish = "9s"\n'
    text += '[signal.door]\nnode = "i=1"\nsubscribe = "slow"\nexample = true\n'
    text += '[[alarm]]\nnode = "i=1"\nsubscribe = "fast" #<\ncode = "A"\ntext = "t"\nseverity = "Error"\n'
    (found,) = problems(tmp_path, text)
    assert "is in 'slow' already" in found


def test_addresses() -> None:
    assert parse_node("ns=2;s=a;b=c") == NodeName(2, None, "s", "a;b=c")
    assert parse_node("nsu=http://x/y;i=7") == NodeName(0, "http://x/y", "i", "7")
    assert parse_node("ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a").kind == "g"
    assert parse_node("ns=1;b=M/RbKBsRVkePCePcx24oRA==").kind == "b"
    assert parse_path("Objects/2:Oven&/1/nsu=http://x/y;State") == (
        Step(0, None, "Objects"),
        Step(2, None, "Oven/1"),
        Step(0, "http://x/y", "State"),
    )
    assert isinstance(parse_address("i=85"), NodeName)
    assert isinstance(parse_address("Objects"), tuple)
    for wrong in ("ns=70000;i=1", "i=4294967296", "ns=2", "g=1", ""):
        with pytest.raises(ValueError, match="NodeId"):
            parse_node(wrong)
    for wrong in ("", "a/", "/a", "a//b", "70000:a"):
        with pytest.raises(ValueError, match="browse path"):
            parse_path(wrong)
