"""Finding profiles, reading them, and laying one over another."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.errors import ConfigError
from gateway.profile.load import find, load, names
from gateway.profile.models import RegisterProfile
from tests.unit.profile.words import HEAD, POLL, bound, problems

SIGNAL = '[signal.boards]\nat = 0\ntype = "u16"\nexample = 3\n'


def put(path: Path, text: str = HEAD + POLL + SIGNAL) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def complaint(name: str, *folders: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(name, folders)
    (found,) = caught.value.problems
    return found


def test_the_first_folder_that_has_it(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    only = put(two / "oven" / "a.toml")
    assert find("oven/a", [one, two]) == only
    first = put(one / "oven" / "a.toml")
    put(two / "oven" / "b.toml")
    put(one / "aoi" / "c.d.toml")
    put(one / "stray.toml")
    found = load("oven/a", [one, two])
    assert (found.path, found.name) == (first, "oven/a")
    assert [name for name, _ in names([one, two])] == ["aoi/c.d", "oven/a", "oven/b"]
    assert dict(names([one, two]))["oven/a"] == first


def test_by_the_path_of_its_file(tmp_path: Path) -> None:
    path = put(tmp_path / "oven" / "a.toml")
    found = load(str(path), [])
    assert (found.path, found.name) == (path, "oven/a")
    assert isinstance(found.profile, RegisterProfile)


def test_one_that_is_not_there(tmp_path: Path) -> None:
    put(tmp_path / "oven" / "example.toml")
    assert complaint("oven/exmaple", tmp_path) == (
        "there is no profile 'oven/exmaple', did you mean 'oven/example'?; allowed: oven/example"
    )
    assert complaint("example", tmp_path).startswith("'example' is no name of a profile; allowed: CLASS/MODEL")
    assert complaint("../etc/passwd", tmp_path).startswith("'../etc/passwd' is no name")
    assert complaint(str(tmp_path / "x.toml")) == f"{tmp_path / 'x.toml'}: there is no such file"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('class = "x" #<\n', "protocol: is missing; allowed: files, modbus, opcua, serial-text, tcp-text"),
        ('protocol = "modbsu" #<\n', "protocol: 'modbsu' is no protocol of profiles, did you mean 'modbus'?"),
        ('protocol = "mqtt" #<\n', "protocol: profiles for 'mqtt' are not available in this version; allowed: files"),
        ("protocol = 1 #<\n", "protocol: must be text in quotes"),
        (HEAD + POLL.replace('"1s"', '"1"').replace('every = "1"', 'every = "1" #<'), "poll.p.every: is no duration"),
        (HEAD + POLL + SIGNAL + "scal = 3 #<\n", "signal.boards.scal: unknown key, did you mean 'scale'?"),
        (HEAD + POLL + SIGNAL.replace('"u16"', '"u15" #<'), "signal.boards.type: is not one of the choices"),
        (HEAD + POLL + SIGNAL.replace("at = 0", 'at = "0" #<'), "signal.boards.at: must be a whole number"),
        (HEAD + POLL + SIGNAL.replace("at = 0", "at = 65536 #<"), "signal.boards.at: is out of range; allowed: up to"),
        (HEAD + POLL + SIGNAL.replace("at = 0\n", "").replace("]", "] #<"), "signal.boards.at: is missing"),
        (HEAD + POLL + SIGNAL.replace("boards]", "Boards] #<"), "signal.Boards: 'Boards' is no signal; allowed: name"),
        (HEAD + POLL + SIGNAL.replace("boards]", '"boards[1]"] #<'), "signal.'boards[1]': has an index; allowed"),
        (HEAD.replace('"example"', '"proven"').replace("}", "} #<") + POLL + SIGNAL, "evidence.level: is not one of"),
        (HEAD + "word_order = 1 #<\n" + POLL + SIGNAL, "word_order: is not one of the choices; allowed: big, little"),
        (HEAD + "[[caveats]] #<\n" + POLL + SIGNAL, "caveats[0].text: is missing"),
        (HEAD + POLL + SIGNAL.replace("= 3", "= [nan] #<"), "signal.boards.example: must be a finite number, a text"),
        (HEAD + POLL + SIGNAL + "bits = [1] #<\n", "signal.boards.bits: must be a list of two"),
        (HEAD + POLL + SIGNAL + "map = { 1 = [] } #<\n", "signal.boards.map.1: must be a finite number, a text"),
        (HEAD + POLL + SIGNAL + "scale = inf #<\n", "signal.boards.scale: must be a finite number"),
    ],
)
def test_what_is_wrong_has_its_line(text: str, says: str, tmp_path: Path) -> None:
    (found,) = problems(tmp_path, text)
    assert found.startswith(says)


def test_all_at_once(tmp_path: Path) -> None:
    text = (
        HEAD.replace('models = ["T"]', "models = [] #<") + POLL + SIGNAL.replace("at = 0", "at = -1 #<") + "x = 1 #<\n"
    )
    assert len(problems(tmp_path, text)) == 3


BASE = HEAD + POLL + SIGNAL + '[[alarm]]\nat = 4\nbit = 1\ncode = "E1"\ntext = "hot"\nseverity = "Alarm"\n'


def test_a_variant(tmp_path: Path) -> None:
    put(tmp_path / "tester" / "base.toml", BASE)
    text = 'extends = "tester/base"\nmodels = ["V"]\n[signal.boards]\nat = 7\n[signal.door]\nat = 8\nbit = 1\nexample = true\n'
    found = bound(tmp_path, text)
    assert found.models == ("V",)
    assert list(found.signals) == ["boards", "door"]
    assert list(found.alarms) == ["alarm.E1"]
    assert found.registers is not None
    assert list(found.registers.encode({"boards": 3}).values()) == [{7: 3}]
    # A list replaces the list.
    found = bound(tmp_path, text + '[[alarm]]\nat = 5\nbit = 2\ncode = "E2"\ntext = "cold"\nseverity = "Alarm"\n')
    assert list(found.alarms) == ["alarm.E2"]


def test_mistakes_of_a_variant_are_where_they_are_written(tmp_path: Path) -> None:
    base = put(tmp_path / "tester" / "base.toml", BASE + "[signal.door]\nat = 8\nbit = 1\nexample = 5\n")
    text = 'extends = "tester/base"\n[signal.boards]\nscale = 0\n[[alarm]]\nat = 4\ncode = "E1"\n'
    with pytest.raises(ConfigError) as caught:
        bound(tmp_path, text)
    own = tmp_path / "tester" / "t.toml"
    assert caught.value.problems == [f"{own}:4: alarm[0].text: is missing", f"{own}:4: alarm[0].severity: is missing"]
    with pytest.raises(ConfigError) as caught:
        bound(tmp_path, text.partition("[[alarm]]")[0])
    assert caught.value.problems == [
        f"{base}:23: signal.door.example: is no flag",
        f"{own}:3: signal.boards.scale: must not be 0",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('extends = "tester/nobody" #<\n', "extends: there is no profile 'tester/nobody'"),
        ('extends = "tester/variant" #<\n', "extends: 'tester/variant' extends another one itself"),
        ('extends = "tester/t" #<\n', "extends: 'tester/t' extends another one itself"),
        ('extends = "tester/broken" #<\n', "extends: "),
    ],
)
def test_what_cannot_be_extended(text: str, says: str, tmp_path: Path) -> None:
    put(tmp_path / "tester" / "variant.toml", 'extends = "tester/base"\n')
    put(tmp_path / "tester" / "broken.toml", "= 1\n")
    (found,) = problems(tmp_path, text)
    assert found.startswith(says)
