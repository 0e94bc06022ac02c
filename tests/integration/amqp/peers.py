"""What the AMQP tests share: adapters on free ports, bodies, and machines that are not ours."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.cfx_amqp import CfxAmqpAdapter, CfxAmqpConnection
from gateway.core.frame import Delivery, Notice
from gateway.transport.amqp_client import Endpoint
from gateway.transport.amqp_engine import Options
from tests.servers import require

Item = Delivery | Notice
SCRIPT = Path(__file__).with_name("rhea_peer.js")


def envelope(number: int = 0, source: str = "A.B.C", name: str = "CFX.Heartbeat") -> bytes:
    """A CFX envelope with a UniqueID of its own."""
    return json.dumps(
        {
            "MessageName": name,
            "Version": "2.1",
            "TimeStamp": "2026-11-20T12:44:35.069316Z",
            "UniqueID": f"0e223e33-230e-4bf4-859d-{number:012d}",
            "Source": source,
            "Target": None,
            "RequestID": None,
            "MessageBody": {"$type": f"{name}, CFX", "CFXHandle": source},
        },
        separators=(",", ":"),
    ).encode()


def listening(**given: Any) -> CfxAmqpAdapter:
    """An adapter that listens on a free port with short timeouts."""
    base = {
        "protocol": "cfx-amqp",
        "name": "p2p",
        "listen": "127.0.0.1:0",
        "refusal_delay_s": 0.01,
        "close_timeout_s": 0.5,
    }
    return CfxAmqpAdapter(CfxAmqpConnection.model_validate(base | given), "test")


def endpoint(adapter: CfxAmqpAdapter, user: str | None = None, password: str | None = None) -> Endpoint:
    """Where that adapter listens."""
    assert adapter.port is not None
    return Endpoint(host="127.0.0.1", port=adapter.port, user=user, password=password)


def machine(container: str = "A.B.C", **given: Any) -> Options:
    return Options(container_id=container, close_timeout_s=0.5, **given)


async def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait for what happens on this event loop or in another process."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


async def take(items: Any, count: int, timeout_s: float = 20.0) -> list[Delivery]:
    """The next deliveries; notices between them are left out."""
    found: list[Delivery] = []
    async with asyncio.timeout(timeout_s):
        while len(found) < count:
            item = await anext(items)
            if isinstance(item, Delivery):
                found.append(item)
    return found


async def notice(items: Any, timeout_s: float = 20.0) -> Notice:
    """The next item, which must be a notice."""
    async with asyncio.timeout(timeout_s):
        item = await anext(items)
    assert isinstance(item, Notice), item
    return item


class Rhea:
    """Machines made with rhea."""

    def __init__(self, module: Path) -> None:
        self._module = module

    @staticmethod
    def message(body: bytes, *, pack: bool = False, **fields: Any) -> dict[str, Any]:
        """A message for `start`, by rhea's names."""
        encoding = {"content_encoding": "gzip"} if pack else {}
        body = gzip.compress(body) if pack else body
        return {"body": base64.b64encode(body).decode(), "content_type": "application/json"} | encoding | fields

    async def start(self, port: int, messages: list[dict[str, Any]], **task: Any) -> asyncio.subprocess.Process:
        """A machine that connects, sends these, waits for their outcomes and closes."""
        full = {"port": port, "container": "A.B.C", "address": "cfx", "messages": messages} | task
        return await asyncio.create_subprocess_exec(
            "node", str(SCRIPT), str(self._module), json.dumps(full), stdout=subprocess.PIPE
        )

    @staticmethod
    async def told(process: asyncio.subprocess.Process, timeout_s: float = 20.0) -> list[dict[str, Any]]:
        """All that the machine saw until its end."""
        try:
            async with asyncio.timeout(timeout_s):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        return [json.loads(line) for line in output.splitlines()]


def install_rhea(cache: Path) -> Rhea:
    """rhea 3 in a folder that later sessions find again. Skips where there is no node, no npm or no network."""
    require("node", "nodejs")
    npm = require("npm", "npm")
    module = cache / "node_modules" / "rhea"
    if not module.is_dir():
        command = [npm, "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(cache), "rhea@3"]
        try:
            subprocess.run(command, capture_output=True, timeout=60, check=True)
        except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
            missing = f"npm cannot install rhea: {error}"
            if os.environ.get("CI") == "true":
                pytest.fail(missing, pytrace=False)
            pytest.skip(missing)
    return Rhea(module)


def engines(adapter: CfxAmqpAdapter) -> list[Any]:
    assert adapter._listener is not None
    return [connection.engine for connection in adapter._listener.connections if connection.engine is not None]


async def raw(adapter: CfxAmqpAdapter) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    assert adapter.port is not None
    return await asyncio.open_connection("127.0.0.1", adapter.port)


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other end closes."""
    async with asyncio.timeout(20):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


def unread(engine: Any) -> int:
    """Bytes that proton holds for us, unread."""
    return int(next(iter(engine.receivers.values())).link.session.incoming_bytes)


def send_regardless(sender: Any, count: int) -> None:
    """Deliveries with the bodies A, B, … as raw frames, whatever credit there is."""
    frames = b""
    for number in range(count):
        # transfer: handle 0, delivery-id, one byte of delivery-tag, message-format 0, unsettled; then a Data section
        body = (
            bytes.fromhex("005314 c0 09 05 43 52") + bytes([number]) + b"\xa0\x01" + bytes([number + 65]) + b"\x43\x42"
        )
        payload = bytes.fromhex("005375a001") + bytes([number + 65])
        size = 8 + len(body) + len(payload)
        frames += size.to_bytes(4) + b"\x02\x00\x00\x00" + body + payload
    sender.engine._owner._socket.write(frames)
