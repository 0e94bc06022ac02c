from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.amqp.peers import Rhea, install_rhea
from tests.servers.certificates import Certificates, make_certificates


@pytest.fixture(scope="session")
def rhea(request: pytest.FixtureRequest) -> Rhea:
    return install_rhea(Path(request.config.cache.mkdir("rhea")))


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("pki"))
