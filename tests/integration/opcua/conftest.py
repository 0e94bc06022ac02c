"""Servers that the tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.contract.relay import Relay, relay
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


@pytest.fixture
async def node_between(node: NodePeer) -> AsyncIterator[Relay]:
    async with relay(lambda: node.port) as made:
        yield made
