"""The server in node_opcua_peer.js as a process."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

SCRIPT = Path(__file__).with_name("node_opcua_peer.js")
MODULES = SCRIPT.parent / "node_modules"
_MARK = b"peer "


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
def node_peer(folder: Path) -> Iterator[NodePeer]:
    """Runs while the block does. Skips where there is no Node.js or its packages are not installed."""
    node = shutil.which("node")
    if node is None or not (MODULES / "node-opcua-server").is_dir():
        pytest.skip(
            "needs Node.js and the packages of tests/integration/opcua/package-lock.json; make test installs them"
        )
    command = [node, str(SCRIPT), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield NodePeer(process)
        finally:
            process.terminate()
            process.wait(10)
