"""Which names are files to be read, and what belongs to them; and when a file is whole."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.files_folder import Look, Seen
from adapters.files_names import Names
from adapters.files_settings import FilesConnection
from adapters.files_whole import Settling


@pytest.mark.parametrize(
    ("pattern", "fits", "not_"),
    [
        ("*.xml", ["a.xml", ".xml"], ["a.xml.part", "sub/a.xml", "a.XML", "axml"]),
        ("*/log_?.txt", ["2026/log_1.txt"], ["log_1.txt", "a/b/log_1.txt", "a/log_12.txt"]),
        ("**/*.csv", ["a.csv", "a/b/c.csv"], ["a/b/c.csv.ok"]),
        ("a[1].(b)+", ["a1.(b)+"], ["a[1].(b)+", "a1.b"]),
        ("*", ["new\nline", "übung"], ["a/b"]),
    ],
)
def test_patterns(pattern: str, fits: list[str], not_: list[str]) -> None:
    names = Names([pattern])
    assert [name for name in fits + not_ if names.wanted(name)] == fits


def test_what_belongs_to_a_file() -> None:
    names = Names(["**/P_*.sum"], parts=["D_{}.det"], beside=["{}_*.jpg"], trigger="P_{}.ok")
    assert names.parts("x/P_01.sum") == ["x/D_01.det"]
    assert names.trigger("x/P_01.sum") == "x/P_01.ok"
    (beside,) = names.beside("x/P_0[1]*.sum")
    assert beside.fullmatch("x/0[1]*_7.jpg")
    assert not beside.fullmatch("x/01x_7.jpg"), "what is in a name is no pattern"
    assert [name for name in ("D_1.det", "9_1.jpg", "P_1.ok", "P_1.sum", "z") if names.belongs(name)] == [
        "D_1.det",
        "9_1.jpg",
        "P_1.ok",
    ]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"pattern": "/etc/*"}, "leaves the folder"),
        ({"pattern": "a/../../*"}, "leaves the folder"),
        ({"pattern": "*.a", "beside": ["../{}.jpg"]}, "leaves the folder"),
        ({"pattern": "*.a", "parts": ["det.txt"]}, "must have one {}"),
        ({"pattern": "*_*.a", "parts": ["{}.det"]}, "must have one `*` in its last part"),
        ({"pattern": "*.a", "trigger": "{}*.ok"}, "must be one name"),
        ({"pattern": "*.a", "after": "move"}, "belong together"),
        ({"pattern": "*.a", "move_to": "/done"}, "belong together"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("{", r"\{").replace("*", r"\*")):
        FilesConnection(**{"protocol": "files", "name": "x", "path": "/results", **settings})


def look(files: dict[str, int], others: dict[str, int] | None = None) -> Look:
    """Names with their sizes."""
    return Look(
        {name: Seen(size, 1) for name, size in files.items()},
        {name: Seen(size, 1) for name, size in (others or {}).items()},
        (),
    )


def unknown(name: str) -> Seen | None:
    return None


def test_a_file_settles() -> None:
    settling = Settling(Names(["*.a"]), 2.0)
    assert settling.ready(look({"x.a": 10}), 0.0, unknown) == []
    assert settling.ready(look({"x.a": 20}), 1.9, unknown) == [], "it grows"
    assert settling.ready(look({"x.a": 20}), 3.8, unknown) == []
    assert settling.ready(look({"x.a": 20}), 3.9, unknown) == ["x.a"]
    assert settling.ready(look({"x.a": 20}), 9.0, lambda name: Seen(20, 1)) == []
    assert settling.ready(look({}), 9.0, unknown) == []
    assert settling.vanished(look({})) == [], "it was read"


def test_a_file_that_is_gone_before_it_settles() -> None:
    settling = Settling(Names(["*.a"]), 2.0)
    settling.ready(look({"x.a": 10}), 0.0, unknown)
    assert settling.vanished(look({})) == ["x.a"]
    assert settling.vanished(look({})) == []


def test_a_trigger_says_that_it_is_whole() -> None:
    settling = Settling(Names(["*.a"], trigger="{}.ok"), 2.0)
    assert settling.ready(look({"x.a": 10}), 0.0, unknown) == []
    assert settling.ready(look({"x.a": 10}), 99.0, unknown) == []
    assert settling.ready(look({"x.a": 10}, {"x.ok": 0}), 99.1, unknown) == ["x.a"]


def test_a_file_waits_for_its_parts() -> None:
    settling = Settling(Names(["*.a"], parts=["{}.b"]), 2.0)
    assert settling.ready(look({"x.a": 10}), 0.0, unknown) == []
    assert settling.ready(look({"x.a": 10}), 5.0, unknown) == []
    assert settling.ready(look({"x.a": 10}, {"x.b": 5}), 6.0, unknown) == []
    assert settling.ready(look({"x.a": 10}, {"x.b": 5}), 8.0, unknown) == ["x.a"]
