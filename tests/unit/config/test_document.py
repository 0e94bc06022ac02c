"""The locator: in these documents every number is the line it stands in."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.document import Document, KeyPath
from gateway.core.errors import ConfigError


def leaves(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from leaves(each, (*path, index))
    else:
        yield path, value


def check(text: str) -> int:
    document = Document("f.toml", text)
    found = [(path, value) for path, value in leaves(document.data) if type(value) is int]
    for path, value in found:
        assert document.find(path) == path
        assert document.line(path) == value, path
    return len(found)


AWKWARD = """# [not.a.table]
a = @
"b # c" = @ # d = 9
'e.f'.g = @
 h . "i\\u006A" = @
k = [ @, # 1, ]
      @, [@,
@], { l = @, m = [@] },  "]", '}', \"\"\"
,]\"\"\", @, ]
n = { o = @, "p]" = { q = "}", r = @ }, s.t = @ }
u = \"\"\"
v = 0
\\\"\"\" \"\"\"
w = @
x = '''
y = 0 " \"\"\" ''
'''
z = @
when = 1979-05-27 07:32:00 # a blank inside
after_when = @
quotes = \"\"\"a\"\"\"\"\"
after_quotes = @
[aa]
bb = @
[aa . "c.c"]
dd = @
  [[line]]
ee = @
[[line.station]]
ff = @
[[line.station]]
ff = @
source = { port = @ }
[line.station.gg]
hh = @
[[line]]
[[line.station]]
ff = @
[[line.station.source]]
port = @
[[line.station.source]]
port = @
"""
"""`@` stands for the number of its line."""


def numbered(text: str) -> str:
    return "\n".join(line.replace("@", str(number)) for number, line in enumerate(text.split("\n"), 1))


def test_every_form_of_key_and_value() -> None:
    assert check(numbered(AWKWARD)) == AWKWARD.count("@")


def test_line_ends_of_windows() -> None:
    assert check(numbered(AWKWARD).replace("\n", "\r\n")) == AWKWARD.count("@")


class Generator:
    """Makes valid documents at random; every integer in them is its line."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._lines = 1
        self._keys = 0
        self._text = ""

    def _put(self, text: str) -> None:
        self._text += text
        self._lines += text.count("\n")

    def _key(self) -> str:
        self._keys += 1
        return self._random.choice(("k{}", '"k {}"', "'k.{}'", "a{0}.b{0}", 'c{0} . "d]"')).format(self._keys)

    def _space(self) -> None:
        self._put(self._random.choice(("", " ", "\n", ' # ] } "\n', "\n\n\t")))

    def _value(self, depth: int, *, inline: bool) -> None:
        kind = self._random.randrange(8 if depth else 5)
        if kind == 0:
            self._put(self._random.choice(('"# ] }"', "'[ # '", '"\\" ="', "true", "1.5", "2020-01-01")))
        elif kind == 1 and not inline:
            self._put(self._random.choice(('"""\n[x]\n\\"""\n"""', "'''\nk = 1\n'''", '"""a\n"" """')))
        elif kind <= 4:
            self._put(str(self._lines))
        elif kind == 5:
            self._put("{ ")
            for index in range(self._random.randrange(3)):
                self._put((", " if index else "") + self._key() + " = ")
                self._value(depth - 1, inline=True)
            self._put(" }")
        else:
            self._list(depth, inline=inline)

    def _list(self, depth: int, *, inline: bool) -> None:
        self._put("[")
        for _ in range(self._random.randrange(4)):
            if not inline:
                self._space()
            self._value(depth - 1, inline=inline)
            self._put(",")
        self._put("]")

    def document(self) -> str:
        for _ in range(self._random.randrange(1, 12)):
            self._put(
                self._random.choice(
                    ("", "", "\n# x = 1 [\n", f"[t{self._lines}.u]\n", "[[v]]\n", "[[v.w]]\n", "[[v]]\n")
                )
            )
            self._put(f"{self._key()} = ")
            self._value(3, inline=False)
            self._put(self._random.choice(("\n", " # [\n")))
        return self._text


def test_random_documents() -> None:
    numbers = 0
    for seed in range(300):
        text = Generator(seed).document()
        if "[[v.w]]" in text.partition("[[v]]")[0]:  # a table [v.w] before [[v]] is no TOML
            continue
        numbers += check(text)
    assert numbers > 1000


def test_what_is_not_in_the_file_is_where_it_would_stand() -> None:
    document = Document("f.toml", '\n[a]\nb = { c = 1 }\nd = "x"\n')
    assert document.line(("a", "b", "z")) == 3
    assert document.line(("a", "z")) == 2
    assert document.line(("z",)) == 1
    assert document.find(("a", "d", 0)) == ("a", "d")
    assert document.find(("a", "b", 0, "c")) == ("a", "b", "c")


def test_names_of_places() -> None:
    document = Document(
        "f.toml", '[[line]]\nname = "L1"\n[[line.station]]\nx = 1\n[[line]]\nname = "no good"\n["a.b"]\nc = 1\n'
    )
    assert document.name(("line", 0, "station", 0, "x")) == "line[L1].station[0].x"
    assert document.name(("line", 1, "name")) == "line[1].name"
    assert document.name(("a.b", "c")) == "'a.b'.c"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a = 1\nb = \n", 2, "Invalid value"),
        ("a = 1\n\na = 2\n", 3, "Cannot overwrite a value"),
        ("a = 1\nb = [1,\n", 3, "Invalid value"),
        ("a = 1\nb = '''x\n\n", 4, "Expected"),
        ("a = " + "[" * 50_000, 1, "nested too deeply"),
    ],
)
def test_no_toml(text: str, line: int, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Document("f.toml", text)
    (problem,) = caught.value.problems
    assert problem.startswith(f"f.toml:{line}: no valid TOML: {says}")
    assert "(at" not in problem


def test_unreadable_files(tmp_path: Path) -> None:
    def problem(path: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            Document.read(path)
        (found,) = caught.value.problems
        return found.removeprefix(str(path))

    assert problem(tmp_path / "none.toml") == ": there is no such file"
    assert problem(tmp_path).startswith(": is a folder")
    latin = tmp_path / "latin.toml"
    latin.write_bytes('a = 1\nb = "Müller"\n'.encode("latin-1"))
    assert problem(latin) == ":2: is not UTF-8 text (byte 0xfc)"
    wide = tmp_path / "wide.toml"
    wide.write_bytes("a = 1\n".encode("utf-16"))
    assert problem(wide) == ":1: is not UTF-8 text (byte 0xff)"
    (tmp_path / "file").touch()
    assert problem(tmp_path / "file" / "x.toml") == ": cannot be read: Not a directory"


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "bom.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\n")
    assert Document.read(path).data == {"a": 1}
