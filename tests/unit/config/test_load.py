"""What is a mistake in a configuration, where it is reported and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel

from gateway.config.address import Address
from gateway.config.journal import Retention
from gateway.config.load import check_secrets, load
from gateway.config.models import InPlace, Named
from gateway.core.errors import ConfigError
from tests.unit.config.conftest import HEAD, Amqp, Finds, Loads, Mqtt

BROKER = '[[connection]]\nname = "b"\nprotocol = "cfx-mqtt"\nhost = "h"\ntopics = ["t"]\n'


def test_defaults(loads: Loads, tmp_path: Path) -> None:
    config = loads(HEAD)
    assert config.gateway.handle == "Lineside.Gateway.g1"
    assert config.gateway.timezone == ZoneInfo("UTC")
    assert config.journal.path == tmp_path / "data/lineside.db"
    assert config.journal.retention == Retention(days=90.0, bytes=40_000_000_000)
    assert (config.journal.synchronous, config.journal.dedup_days) == ("full", 30.0)
    assert config.http.listen == Address("127.0.0.1", 8080)
    assert (config.auth, config.connection, config.line, config.station) == (None, (), (), ())
    assert (config.limits.queue_frames, config.limits.queue_bytes) == (1_000, 16 << 20)
    assert (config.timing.stale_factor, config.timing.retry_most_s) == (2.5, 60.0)


def test_everything_said(loads: Loads, tmp_path: Path) -> None:
    config = loads(
        """
        [gateway]
        name = "line1-pc"
        site = "fab1"
        handle = "Fab.G"
        timezone = "Europe/Berlin"
        ignore_ids = ["NOREAD"]
        golden_ids = ["GOLDEN-*"]
        [journal]
        path = "../j/line1.db"
        synchronous = "normal"
        retention = { days = 90, bytes = "40GB" }
        dedup_days = 7
        ballast = 0
        quarantine = "2GiB"
        [http]
        listen = "[::]:80"
        hosts = ["line1-pc.fab1.example"]
        [auth]
        tokens = "file:tokens"
        [limits]
        queue_bytes = "1MB"
        [timing]
        mark_s = 5
        [[connection]]
        name = "b"
        protocol = "cfx-mqtt"
        host = "h"
        topics = ["t"]
        tls = { ca = "ca.pem" }
        [[line]]
        name = "L1"
        [[line.station]]
        name = "p1"
        class = "pick_and_place"
        timezone = "America/New_York"
        heartbeat_s = 30
        [[line.station.source]]
        connection = "b"
        handle = ["x", "y"]
        [[line.station.source]]
        protocol = "cfx-amqp"
        host = "a"
        handle = "z"
        [[station]]
        name = "xray"
        class = "axi"
        source = { connection = "b", handle = "x.ray" }
        """
    )
    assert config.journal.path == tmp_path.parent / "j/line1.db"
    assert config.journal.retention == Retention(days=90.0, bytes=40_000_000_000)
    assert (config.journal.ballast, config.journal.quarantine, config.limits.queue_bytes) == (0, 2 << 30, 1_000_000)
    assert config.auth is not None
    assert config.auth.tokens == tmp_path / "tokens"
    (broker,) = config.connection
    assert isinstance(broker, Mqtt)
    assert broker.tls is not None
    assert broker.tls.ca == tmp_path / "ca.pem"
    (station,) = config.line[0].station
    assert (station.class_, station.timezone, station.heartbeat_s) == (
        "pick_and_place",
        ZoneInfo("America/New_York"),
        30.0,
    )
    first, second = station.source
    assert first == Named(connection="b", handle=("x", "y"))
    assert isinstance(second, InPlace)
    assert isinstance(second.settings, Amqp)
    assert (second.handle, second.settings.host) == (("z",), "a")
    assert config.station[0].source == (Named(connection="b", handle=("x.ray",)),)


def test_another_folder_for_relative_paths(protocols: Mapping[str, type[BaseModel]], tmp_path: Path) -> None:
    path = tmp_path / "lineside.toml"
    path.write_text(HEAD, encoding="utf-8")
    config = load(path, protocols, folder=Path("/srv/x/config"))
    assert config.journal.path == Path("/srv/x/config/data/lineside.db")


def test_everything_wrong_is_found_at_once(finds: Finds) -> None:
    found = finds(
        """
[gateway] #<
nam = "x" #<
site = 7 #<
timezone = "Europe/Berlni" #<
[journal]
retention = { days = -1, byts = "4GB" } #<#<
synchronous = "ful" #<
dedup_days = nan #<
ballast = "5 parsecs" #<
[htp] #<
[http]
listen = "0.0.0.0:80" #<
[limits]
queue_frames = 1.5 #<
queue_bytes = true #<
[timing]
tick_s = 0 #<
[[sink]] #<
[[connection]]
name = "broker"
protocol = "cfx-mqt" #<
[[connection]] #<#<
name = "broker" #<
protocol = "cfx-mqtt"
hst = "x" #<
password = "hunter2" #<
[[connection]] #<
name = "b 2" #<
host = "x"
[[line]]
name = "L1"
x = 1 #<
[[line.station]]
name = "p1"
class = "pickandplace" #<
profile = "x" #<
source = { connection = "brokr", handle = "a" } #<
[[line.station]] #<
name = "p1" #<
after = ["p0"] #<
[[line.station]]
name = "p 3" #<
source = { protocol = "cfx-amqp", host = "h", port = 1 } #<
[[line.station]]
name = "p4"
source = { protocol = "cfx-amqp" } #<
[[station]]
name = "unassigned" #<
after = [] #<
source = [{ connection = "broker", handle = "" }, 5] #<#<
""".lstrip("\n")
    )
    assert [text.partition(";")[0] for text in found] == [
        "gateway.name: is missing",
        "gateway.nam: unknown key, did you mean 'name'?",
        "gateway.site: must be text in quotes",
        "gateway.timezone: 'Europe/Berlni' is no time zone, did you mean 'Europe/Berlin'?",
        "journal.retention.days: is out of range",
        "journal.retention.byts: unknown key, did you mean 'bytes'?",
        "journal.synchronous: is not one of the choices, did you mean 'full'?",
        "journal.dedup_days: must be a finite number",
        "journal.ballast: unit 'parsecs' is not known",
        "htp: unknown key, did you mean 'http'?",
        "http.listen: other machines reach this address",
        "limits.queue_frames: must be a whole number",
        "limits.queue_bytes: is no amount of bytes",
        "timing.tick_s: is out of range",
        "sink[0].kind: is missing",
        "connection[broker].protocol: 'cfx-mqt' is no protocol of this version, did you mean 'cfx-mqtt'?",
        "connection[broker].host: is missing",
        "connection[broker].topics: is missing",
        "connection[broker].name: 'broker' is the name in line 20 already",
        "connection[broker].hst: unknown key, did you mean 'host'?",
        "connection[broker].password: a secret itself does not belong here, only where it is kept",
        "connection[2].protocol: is missing",
        "connection[2].name: is no name",
        "line[L1].x: unknown key",
        "line[L1].station[p1].class: is not one of the choices, did you mean 'pick_and_place'?",
        "line[L1].station[p1].profile: 'x' is no name of a profile",
        "line[L1].station[p1].source.connection: 'brokr' is no connection, did you mean 'broker'?",
        "line[L1].station[p1].source: is missing: where does it hear this machine?",
        "line[L1].station[p1].name: 'L1.p1' is the name in line 34 already",
        "line[L1].station[p1].after[0]: 'p0' is no station of line L1",
        "line[L1].station[2].name: has characters that do not belong here, or too many",
        "line[L1].station[2].source.port: unknown key",
        "line[L1].station[p4].source: exactly one of host and listen",
        "station[unassigned].name: 'unassigned' is reserved for handles that no station claims",
        "station[unassigned].after: unknown key",
        "station[unassigned].source[0].handle: has characters that do not belong here, or too many",
        'station[unassigned].source[1]: must be a table, such as { connection = "NAME", handle = "HANDLE" }',
    ]
    assert "hunter2" not in "".join(found)
    assert found[0:2][1].endswith("; allowed: golden_ids, handle, ignore_ids, name, site, timezone")
    assert found[4].endswith("; allowed: above 0")
    assert found[6].endswith("; allowed: full, normal")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gateway = 5 #<", "gateway: must be a table"),
        (HEAD + "[connection] #<", "connection: must be a list of tables: write [[connection]] in double brackets"),
        ("line = [1] #<\n" + HEAD, "line[0]: must be a table"),
        (
            HEAD + '[[line]]\nname = "L"\n[line.station] #<',
            "line[L].station: must be a list of tables: write [[line.station]]",
        ),
        (HEAD + "[[line]] #<", "line[0].name: is missing"),
        (HEAD + 'ignore_ids = "NOREAD" #<', "gateway.ignore_ids: must be a list"),
        (HEAD + "[journal]\nretention = {} #<", "journal.retention: must limit something"),
        (HEAD + '[journal]\npath = "" #<', "journal.path: must be a path"),
        (HEAD + '[http]\nlisten = "8080" #<', "http.listen: is no address; allowed: "),
        (HEAD + '[http]\nlisten = "localhost:65536" #<', "http.listen: is no address; allowed: "),
        (HEAD + "[http]\nallow_anonymous = 1 #<", "http.allow_anonymous: must be true or false"),
        (HEAD + '[auth]\ntokens = "tokens" #<', 'auth.tokens: must name a file; allowed: "file:PATH"'),
        (HEAD + "[auth] #<", "auth.tokens: is missing"),
        (HEAD + "[timing] #<\nretry_first_s = 9\nretry_most_s = 8", "timing: retry_most_s must not be below"),
        (HEAD + "[timing]\ntick_s = 1e9 #<", "timing.tick_s: is out of range; allowed: up to 86400"),
        (HEAD + '[[connection]]\nname = "b"\nprotocol = 1 #<', "connection[b].protocol: must be text in quotes"),
        (HEAD + BROKER + "tls = { cafile = 1 } #<", "connection[b].tls.cafile: unknown key; allowed: ca, verify"),
        (HEAD + BROKER + "port = 70000 #<", "connection[b].port: is out of range; allowed: up to 65535"),
        (HEAD + BROKER.replace('["t"]', "[5] #<"), "connection[b].topics[0]: must be text in quotes"),
        (HEAD + BROKER.replace('["t"]', "[] #<"), "connection[b].topics: has too few entries; allowed: 1 or more"),
        (HEAD + BROKER + "qos = 2 #<", "connection[b].qos: is not one of the choices; allowed: 0, 1"),
        (HEAD + BROKER + 'password = "env:" #<', "connection[b].password: env: must be followed by"),
        (HEAD + "timezone = 'Europe' #<", "gateway.timezone: 'Europe' is no time zone"),
        (HEAD + "timezone = '../../etc/passwd' #<", "gateway.timezone: '../../etc/passwd' is no time zone"),
        (HEAD + 'handle = "a\\u0000b" #<', "gateway.handle: has characters that do not belong here"),
    ],
)
def test_one_mistake(finds: Finds, text: str, says: str) -> None:
    (found,) = finds(text)
    assert found.startswith(says)


def _station(source: str, name: str = "p1", more: str = "") -> str:
    return f'[[line]]\nname = "L"\n[[line.station]]\nname = "{name}"\n{more}source = {source}\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            _station('{ connection = "b", protocol = "cfx-mqtt" } #<'),
            "line[L].station[p1].source: has both connection and protocol",
        ),
        (
            _station('{ conection = "b" } #<'),
            "line[L].station[p1].source: names neither a connection nor a protocol, did you mean 'connection'?",
        ),
        (_station("{} #<"), "line[L].station[p1].source: names neither a connection nor a protocol; allowed: "),
        (
            _station("[] #<").replace("[[line.station]]", "[[line.station]] #<").replace("[] #<", "[]"),
            "line[L].station[p1].source: is missing",
        ),
        (
            _station('{ connection = "b", handel = "x" } #<'),
            "line[L].station[p1].source.handel: unknown key, did you mean 'handle'?; allowed: connection, handle",
        ),
        (
            _station('{ connection = "b", handle = [] } #<'),
            "line[L].station[p1].source.handle: has too few entries; allowed: 1 or more",
        ),
        (_station('{ connection = "b", handle = 7 } #<'), "line[L].station[p1].source.handle: must be a list"),
        (
            _station('{ protocol = "modbus-tcp", host = "h" } #<'),
            "line[L].station[p1].source.protocol: 'modbus-tcp' is no protocol of this version; allowed: cfx-amqp, cfx-mqtt",
        ),
        (
            _station('{ protocol = "cfx-amqp", host = "h", name = "x" } #<'),
            "line[L].station[p1].source.name: does not belong here",
        ),
        (
            _station('{ protocol = "cfx-amqp", host = "h", handel = "x" } #<'),
            "line[L].station[p1].source.handel: unknown key, did you mean 'handle'?; allowed: addresses, handle, host, listen, protocol",
        ),
        (
            _station('{ connection = "b" }', more='after = ["p1"] #<\n'),
            "line[L].station[p1].after: the route goes in a circle: p1 from p1",
        ),
        (
            _station('{ connection = "b" }', more="heartbeat_s = -1 #<\n"),
            "line[L].station[p1].heartbeat_s: is out of range",
        ),
    ],
)
def test_one_mistake_in_a_station(finds: Finds, text: str, says: str) -> None:
    (found,) = finds(HEAD + BROKER + text)
    assert found.startswith(says)


def test_mistakes_hide_none_of_the_same_station(finds: Finds) -> None:
    text = """
[[station]]
name = "x"
class = "no" #<
source = { connection = "b", handle = "a" }
[[station]]
name = "y"
clas = "aoi" #<
source = { connection = "b", handle = "a" } #<
"""
    assert [each.partition(":")[0] for each in finds(HEAD + BROKER + text)] == [
        "station[x].class",
        "station[y].clas",
        "station[y].source.handle",
    ]


def test_secrets_are_looked_up_on_demand(loads: Loads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEAD + BROKER + 'password = "env:LINESIDE_TEST_A"\n[[station]]\nname = "x"\n'
    text += 'source = { protocol = "cfx-mqtt", host = "h2", topics = ["t"], password = "file:none" }\n'
    monkeypatch.delenv("LINESIDE_TEST_A", raising=False)
    config = loads(text)
    path = tmp_path / "lineside.toml"
    with pytest.raises(ConfigError) as caught:
        check_secrets(path, config)
    assert caught.value.problems == [
        f"{path}:9: connection[b].password: env:LINESIDE_TEST_A: environment variable LINESIDE_TEST_A is not set",
        f"{path}:12: station[x].source.password: file:{tmp_path}/none: cannot read {tmp_path}/none: No such file or directory",
    ]
    monkeypatch.setenv("LINESIDE_TEST_A", "s")
    (tmp_path / "none").write_text("s\n")
    check_secrets(path, config)
