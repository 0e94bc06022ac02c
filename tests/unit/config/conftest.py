"""Settings models that stand for adapters', and a way to load a text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal, Self

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.config.load import Protocols, load
from gateway.config.models import Config
from gateway.core.errors import ConfigError
from gateway.core.files import LocalPath
from gateway.core.secrets import Secret
from gateway.core.sizes import Bytes


class Tls(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    ca: LocalPath | None = None
    verify: bool = True


class Mqtt(BaseModel):
    """A client of a broker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    protocol: Literal["cfx-mqtt"]
    host: str
    port: int | None = Field(default=None, ge=1, le=65_535)
    qos: Literal[0, 1] = 1
    topics: tuple[str, ...] = Field(min_length=1)
    client_id: str | None = None
    user: str | None = None
    password: Secret | None = None
    tls: Tls | None = None
    max_payload: Bytes = 32 << 20

    @property
    def effective_port(self) -> int:
        return self.port or 1883

    def warnings(self) -> list[str]:
        return ["QoS 0 loses events"] if self.qos == 0 else []


class Amqp(BaseModel):
    """A listener or a client."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    protocol: Literal["cfx-amqp"]
    host: str | None = None
    listen: str | None = None
    addresses: list[str] = []

    @model_validator(mode="after")
    def _form(self) -> Self:
        if (self.host is None) == (self.listen is None):
            raise ValueError("exactly one of host and listen")
        return self


@pytest.fixture
def protocols() -> Protocols:
    return {"cfx-mqtt": Mqtt, "cfx-amqp": Amqp}


HEAD = '[gateway]\nname = "g1"\nsite = "s1"\n'
"""What every configuration needs: three lines."""

Loads = Callable[[str], Config]
Finds = Callable[[str], list[str]]


@pytest.fixture
def loads(tmp_path: Path, protocols: Protocols) -> Loads:
    """Loads a text as `lineside.toml` in `tmp_path`."""

    def run(text: str) -> Config:
        path = tmp_path / "lineside.toml"
        path.write_text(text, encoding="utf-8", newline="")
        return load(path, protocols)

    return run


@pytest.fixture
def finds(loads: Loads, tmp_path: Path) -> Finds:
    """What is wrong with a text, each as `LINE: KEY: ...`.

    The lines must be exactly those marked with `#<` in the text, once for each problem in them.
    """

    def run(text: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            loads(text)
        prefix = f"{tmp_path / 'lineside.toml'}:"
        assert all(problem.startswith(prefix) for problem in caught.value.problems)
        found = [problem.removeprefix(prefix) for problem in caught.value.problems]
        marked = [number for number, line in enumerate(text.split("\n"), 1) for _ in range(line.count("#<"))]
        assert [int(problem.partition(":")[0]) for problem in found] == marked, found
        return [problem.partition(": ")[2] for problem in found]

    return run
