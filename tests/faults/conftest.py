"""A gateway process for each test, ended with it; configurations that the tests here share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.daemon import HANDLE, Daemon
from tests.servers.mosquitto import Mosquitto

STATION = """
[[line.station]]
name = "pnp1"
class = "pick_and_place"
source = { connection = "source" }
"""


def over_mqtt(broker: Mosquitto, topic: str) -> str:
    """A connection to this broker; its name is `source`."""
    return f"""
[[connection]]
name = "source"
protocol = "cfx-mqtt"
host = "{broker.host}"
port = {broker.port}
client_id = "gateway-{topic}"
topics = ["{topic}"]
"""


def listening(port: int) -> str:
    """A listener for machines; its name is `source`."""
    return f"""
[[connection]]
name = "source"
protocol = "cfx-amqp"
listen = "127.0.0.1:{port}"
"""


def journal(path: Path, /, **settings: str | int) -> None:
    """Change keys of `[journal]` in a configuration that `tests.daemon.config` wrote; values are TOML."""
    text = path.read_text("utf-8")
    head, table, tail = text.partition("[journal]\n")
    body, _, rest = tail.partition("\n\n")
    lines = {line.partition(" = ")[0]: line.partition(" = ")[2] for line in body.splitlines()}
    lines |= {key: str(value) for key, value in settings.items()}
    path.write_text(
        head + table + "\n".join(f"{key} = {value}" for key, value in lines.items()) + "\n\n" + rest, "utf-8"
    )


Make = Callable[..., Daemon]


@pytest.fixture
def make_daemon() -> Iterator[Make]:
    """Makes gateways on a configuration; whatever still runs after the test is killed."""
    made: list[Daemon] = []

    def make(path: Path, *, wrapper: Sequence[str] = ()) -> Daemon:
        daemon = Daemon(path, wrapper=wrapper)
        made.append(daemon)
        return daemon

    yield make
    for daemon in made:
        daemon.close()


__all__ = ["HANDLE", "STATION", "Make", "journal", "listening", "over_mqtt"]
