"""A recording of what RabbitMQ delivers: frames as the adapter that was subscribed made them."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from adapters.cfx_amqp import CfxAmqpAdapter, CfxAmqpConnection
from gateway.capture.form import Captured
from gateway.capture.reading import Capture
from gateway.cli.app import application
from gateway.core.frame import Frame
from gateway.core.secrets import Secret
from tests.integration.amqp.peers import envelope, take
from tests.integration.amqp.test_cfx_amqp_rabbitmq import publish
from tests.integration.pcap import line
from tests.servers import require
from tests.servers.rabbitmq import RabbitMq

pytestmark = pytest.mark.rabbitmq

ADDRESSES = ["/queue/a", "/queue/b"]


async def test_deliveries_of_many_frames_and_copies(rabbitmq: RabbitMq, tmp_path: Path) -> None:
    require("tshark", "tshark")
    require("tcpdump", "tcpdump")
    if os.geteuid() != 0:
        pytest.skip("recording packets takes root")
    vhost = rabbitmq.vhost()
    (tmp_path / "password").write_text(RabbitMq.password)
    settings = {
        "protocol": "cfx-amqp",
        "host": rabbitmq.host,
        "port": rabbitmq.port,
        "vhost": vhost,
        "addresses": ADDRESSES,
        "user": rabbitmq.user,
    }
    made = CfxAmqpConnection.model_validate(
        settings | {"name": "L1.m1", "password": Secret(f"file:{tmp_path / 'password'}"), "close_timeout_s": 1.0}
    )
    adapter = CfxAmqpAdapter(made, "bench")
    recording, out = tmp_path / "line.pcap", tmp_path / "line.mcap"
    heard: list[Frame] = []
    with line.tcpdump(recording, [rabbitmq.port]):
        await publish(rabbitmq, vhost, [envelope(1), b"x" * 300_000, b"3"], ADDRESSES[0])
        for left in (5, 2):
            async with adapter.connect() as items:
                if left == 5:
                    await publish(rabbitmq, vhost, [envelope(4), b"5"], ADDRESSES[1])
                deliveries = await take(items, left)
                heard += [each.frame for each in deliveries]
                for each in deliveries[:3]:
                    each.ack()
    config = tmp_path / "lineside.toml"
    source = ", ".join(f"{key} = {msgspec.json.encode(value).decode()}" for key, value in settings.items())
    config.write_text(
        f'[gateway]\nname = "bench"\nsite = "example"\n[[line]]\nname = "L1"\n[[line.station]]\nname = "m1"\nclass = "pick_and_place"\n'
        f'source = {{ {source}, password = "file:nowhere" }}\n'
    )
    done = CliRunner().invoke(application(), ["import-pcap", str(recording), "-c", str(config), "--out", str(out)])
    assert done.exit_code == 0, done.output
    imported = [each.frame for each in Capture([out]).entries() if isinstance(each, Captured)]
    assert [_said(each) for each in imported] == [_said(each) for each in heard]
    assert {each.redelivered for each in imported} == {False, True}
    assert "somebody else's copies" in done.output  # those that published


def _said(frame: Frame) -> Frame:
    return msgspec.structs.replace(frame, received=0)
