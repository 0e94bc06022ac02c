"""A gateway made again from what a capture says of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from adapters.registry import ADAPTERS
from gateway.capture.form import Site
from gateway.config.captured import describe, rebuild
from gateway.config.load import load
from gateway.config.plan import Resolved, resolve
from gateway.core.errors import ConfigError
from gateway.profile.load import names
from tests.conftest import ROOT

PROTOCOLS = {name: entry.settings for name, entry in ADAPTERS.items()}
PROFILES = ROOT / "config" / "profiles"
SOURCES = {
    "modbus": 'protocol = "modbus-tcp", host = "10.0.0.{0}"',
    "opcua": 'protocol = "opcua", url = "opc.tcp://10.0.0.{0}"',
    "serial-text": 'protocol = "serial-text", port = "/dev/ttyS{0}"',
    "tcp-text": 'protocol = "tcp-text", host = "10.0.0.{0}", port = 4001',
    "files": 'protocol = "files", path = "results/{0}", pattern = "*"',
}


def taken(resolved: Resolved) -> tuple[Site, dict[str, str]]:
    """As it comes out of a file."""
    site, texts = describe(resolved)
    return msgspec.json.decode(msgspec.json.encode(site), type=Site), {
        name: text.decode() for name, text in texts.items()
    }


def read(path: Path, *folders: Path) -> Resolved:
    return resolve(load(path, PROTOCOLS, profile_folders=folders or (PROFILES,)))


def every_profile(folder: Path) -> Resolved:
    from gateway.config import profiles

    text = '[gateway]\nname = "g"\nsite = "s"\n'
    for number, (name, _) in enumerate(names([PROFILES])):
        source = SOURCES[profiles.read(name, [PROFILES], folder).protocol].format(number)
        text += f'[[station]]\nname = "s{number}"\nprofile = "{name}"\nsource = {{ {source} }}\n'
    path = folder / "lineside.toml"
    path.write_text(text)
    return read(path)


def test_the_packaged_line_and_every_profile_come_again(tmp_path: Path) -> None:
    for resolved in (read(ROOT / "config" / "lineside.toml"), every_profile(tmp_path)):
        site, texts = taken(resolved)
        again = rebuild(site, texts, PROTOCOLS)
        assert taken(again) == (site, texts)
        assert again.config.gateway == resolved.config.gateway
        for was, now in zip(resolved.stations, again.stations, strict=True):
            assert msgspec.structs.replace(was, bound=None) == msgspec.structs.replace(now, bound=None)
            assert (was.bound is None) is (now.bound is None)
            if was.bound is not None and now.bound is not None:
                for field in ("name", "protocol", "signals", "alarms", "rules", "told", "examples"):
                    assert getattr(was.bound, field) == getattr(now.bound, field)
    assert len(texts) >= 28


def test_two_files_of_the_same_name_are_kept_apart(tmp_path: Path) -> None:
    text = (PROFILES / "reflow_oven/example-10-zone.toml").read_text()
    config = '[gateway]\nname = "g"\nsite = "s"\n'
    for place in ("one", "two"):
        file = tmp_path / place / "reflow_oven" / "mine.toml"
        file.parent.mkdir(parents=True)
        file.write_text(text.replace("Example RO-10", place))
        config += f'[[station]]\nname = "{place}"\nprofile = "{place}/reflow_oven/mine.toml"\n'
        config += f'source = {{ protocol = "modbus-tcp", host = "{place}" }}\n'
    path = tmp_path / "lineside.toml"
    path.write_text(config)
    site, texts = taken(read(path))
    assert list(texts) == ["reflow_oven/mine", "reflow_oven/mine~2"]
    stations = rebuild(site, texts, PROTOCOLS).stations
    assert [each.bound and each.bound.models for each in stations] == [("one",), ("two",)]


def test_a_file_in_place_of_a_profile_or_of_its_base(tmp_path: Path) -> None:
    folder = tmp_path / "reflow_oven"
    folder.mkdir()
    (folder / "mine.toml").write_text('extends = "reflow_oven/example-10-zone"\nmodels = ["Mine"]\n')
    path = tmp_path / "lineside.toml"
    path.write_text(
        '[gateway]\nname = "g"\nsite = "s"\n[[station]]\nname = "a"\nprofile = "reflow_oven/mine"\n'
        'source = { protocol = "modbus-tcp", host = "10.0.0.1" }\n'
    )
    site, texts = taken(read(path, tmp_path, PROFILES))
    text = texts["reflow_oven/example-10-zone"]
    other = tmp_path / "other.toml"
    other.write_text(text.replace("modulus = 4294967296", "modulus = 65536"))
    for name, models in (("reflow_oven/example-10-zone", ("Mine",)), ("a", ("Example RO-10",))):
        (station,) = rebuild(site, texts, PROTOCOLS, replaced={name: other}).stations
        assert station.bound is not None
        assert (station.bound.models, station.bound.signals["units.in"].modulus) == (models, 65_536)
    with pytest.raises(ConfigError, match="'b' is no station or profile of this capture"):
        rebuild(site, texts, PROTOCOLS, replaced={"b": other})
    conveyor = PROFILES / "conveyor/example-dual-lane.toml"
    with pytest.raises(ConfigError, match="a: is a reflow_oven, and conveyor/example-dual-lane is for conveyor"):
        rebuild(site, texts, PROTOCOLS, replaced={"a": conveyor})


def test_what_this_version_does_not_know_is_named() -> None:
    site, texts = taken(read(ROOT / "config" / "lineside.toml"))
    connections = {name: dict(table) for name, table in site.connections.items()}
    connections["plant-broker"]["colour"] = "red"
    connections["p2p"]["protocol"] = "cfx-pigeon"
    connections["../elsewhere"] = dict(connections["p2p"])
    gateway = site.gateway | {"timezone": "Mars/Base"}
    stations = tuple(msgspec.structs.replace(each, profile=each.profile and "none/such") for each in site.stations)
    broken = msgspec.structs.replace(site, gateway=gateway, connections=connections, stations=stations)
    with pytest.raises(ConfigError) as raised:
        rebuild(broken, texts, PROTOCOLS)
    problems = "\n".join(raised.value.problems)
    assert "connection[plant-broker].colour: unknown key" in problems
    assert "connection[p2p].protocol: 'cfx-pigeon' is no protocol of this version" in problems
    assert "connection[../elsewhere]: is no name of a connection" in problems
    assert "gateway.timezone: 'Mars/Base' is no time zone" in problems
    assert "the capture lacks the profile 'none/such'" in problems
