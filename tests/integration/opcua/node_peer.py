"""The server in node_opcua_peer.js as a process, and a machine there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.core.errors import NotConnected
from gateway.profile.bound import Machine
from tests.integration.opcua.servers import Ear, adapter, profile

SCRIPT = Path(__file__).with_name("node_opcua_peer.js")
MODULES = SCRIPT.parent / "node_modules"
_MARK = b"peer "
PACE = 70
"""Milliseconds between two values, so that a server that looks every 50 ms sees each: seven in a publication."""

PROFILE = """
class = "tester"
models = ["T"]
evidence = { level = "example" }
protocol = "opcua"

[subscribe.fast]
publish = "500ms"
sample = "0s"
queue = 500

[signal.state]
node = "nsu=http://acme.example/oven;s=State"
map = { 0 = "SBY_NoProduct", 1 = "PRD_RegularWork" }
example = "PRD_RegularWork"

[signal.pressure]
node = "ns=2;s=Pressure"
unit = "bar"
example = 2.0

[signal."units.out"]
path = "Objects/2:Oven/2:Count"
modulus = 65536
example = 1042

[signal."zone.temperature"]
node = "ns=2;s=Zones"
array = 3
unit = "Cel"
example = [150.0, 160.0, 170.0]

[signal."x.hidden"]
node = "ns=2;s=Hidden"
example = 2.0

[[alarm]]
condition = "TooHot"
code = "E4"
text = "too hot"
severity = "Alarm"

[[record]]
name = "test"
event = "ns=2;s=BoardTested"
fields.unit = { field = "2:BoardId" }
fields.result = { field = "2:Good", map = { true = "Passed", false = "Failed" } }
example = { values = { "2:BoardId" = "0815", "2:Good" = true }, fields = { unit = "0815", result = "Passed" } }

[[record]]
name = "measurement"
parent = "test"
fields.name = { field = "2:Names" }
fields.value = { field = "2:Values", unit = "Ohm" }
example = { values = { "2:Names" = "R1", "2:Values" = 4.7 }, fields = { name = "R1", value = 4.7 } }
"""


class NodePeer:
    """port: of the server. namespace: index of the oven's."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        begun = self._answer()
        self.port = int(begun["port"])
        self.namespace = int(begun["namespace"])

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}"

    def ask(self, *command: Any) -> dict[str, Any]:
        """One of the commands in the script; its answer comes within milliseconds."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(command) + b"\n")
        self._process.stdin.flush()
        answer = self._answer()
        assert "error" not in answer, answer["error"]
        return answer

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(_MARK):
                found: dict[str, Any] = msgspec.json.decode(line.removeprefix(_MARK))
                return found
        raise AssertionError(f"node ended with {self._process.wait()}")


@contextmanager
def node_peer(folder: Path, *certificate: Path) -> Iterator[NodePeer]:
    """Runs while the block does. certificate: its own and the private key, PEM; left out, it makes them. Skips where there
    is no Node.js or its packages are not installed."""
    node = shutil.which("node")
    if node is None or not (MODULES / "node-opcua-server").is_dir():
        pytest.skip(
            "needs Node.js and the packages of tests/integration/opcua/package-lock.json; make test installs them"
        )
    command = [node, str(SCRIPT), str(folder), *map(str, certificate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield NodePeer(process)
        finally:
            process.terminate()
            process.wait(10)


def listener(url: str, folder: Path, positions: dict[str, bytes] | None = None, **more: Any) -> Ear:
    """Of the one station there, which keeps its certificates in `folder/pki`. positions: as the journal has them."""
    machine = Machine(station="L1.oven", bound=profile(folder, PROFILE))
    return Ear(adapter(url, machine, positions=positions, pki=str(folder / "pki"), **more))


async def connect(url: str, folder: Path, **more: Any) -> None:
    """Until a frame comes, and away again."""
    ear = listener(url, folder, **more)
    async with ear.adapter.connect() as items:
        await ear.hear(items, lambda: bool(ear.deliveries))


async def trusted(node: NodePeer, url: str, folder: Path, **secured: Any) -> None:
    """We trust the server, and it us."""
    with pytest.raises(NotConnected, match="is not trusted"):
        await connect(url, folder, **secured)
    pki = folder / "pki"
    (rejected,) = (pki / "rejected").iterdir()
    rejected.rename(pki / "trusted" / "certs" / rejected.name)
    node.ask("trust", str(pki / "own" / "certificate.der"))
