from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from tests.integration.amqp.peers import Rhea, install_rhea
from tests.servers.certificates import Certificates, make_certificates


@pytest.fixture(scope="session")
def rhea(request: pytest.FixtureRequest) -> Rhea:
    return install_rhea(Path(request.config.cache.mkdir("rhea")))


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("pki"))


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The daemon runs on uvloop, whose transports are not asyncio's own; the listener must work on either."""
    both = item.path.name == "test_cfx_amqp_listener.py"
    return {"uvloop": uvloop.new_event_loop} | ({"asyncio": asyncio.new_event_loop} if both else {})
