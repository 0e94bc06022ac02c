"""Servers that the tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.opcua.node_peer import NodePeer, node_peer
from tests.integration.opcua.servers import Oven


@pytest.fixture
async def oven(oven_server: Oven) -> Oven:
    await oven_server.as_before()
    return oven_server


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodePeer]:
    with node_peer(tmp_path_factory.mktemp("node-opcua")) as made:
        yield made
