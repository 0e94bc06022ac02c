"""`lineside browse` at a real server."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from asyncua import ua
from typer.testing import CliRunner

from gateway.cli.app import application
from gateway.core.errors import ConfigError, NotConnected
from tests.integration.opcua.servers import Oven


def run(*arguments: str) -> str:
    result = CliRunner().invoke(application(), ["browse", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


async def _with_units(oven: Oven) -> None:
    node = await oven.server.nodes.objects.get_child([f"{oven.index}:Oven"])
    speed = await node.add_variable(ua.NodeId("Speed", oven.index), ua.QualifiedName("Speed", oven.index), 80.5)
    units = ua.EUInformation(UnitId=ord("2") << 8 | ord("X"), DisplayName=ua.LocalizedText("m/min"))
    await speed.add_property(0, "EngineeringUnits", units)


def test_a_profile_is_proposed(oven_server: Oven) -> None:
    asyncio.run(oven_server.there(_with_units(oven_server)))
    text = run(oven_server.url, "--class", "reflow_oven")
    assert 'class = "reflow_oven"' in text
    assert '# offers security_policy = "none"' in text
    assert (
        '[signal."x.oven.speed"]\nnode = "nsu=http://acme.example/oven;s=Speed"\nunit = "m/min"\nexample = 80.5\n'
        in text
    )
    found = json.loads(run(oven_server.url, "--json"))
    assert ["Oven", "Pressure"] in [each["path"] for each in found["variables"]]
    assert len(json.loads(run(oven_server.url, "--json", "--most", "3"))["variables"]) == 3


def test_nobody_is_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Exception, match="cannot connect to") as caught:
            run(f"opc.tcp://127.0.0.1:{taken.getsockname()[1]}")
    assert isinstance(caught.value, NotConnected) or isinstance(caught.value.__cause__, NotConnected)


def test_no_address() -> None:
    with pytest.raises(ConfigError, match="is no address"):
        run("opc.tcp:nowhere")
