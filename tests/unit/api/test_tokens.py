"""The token file: what is written, what is read, what is refused."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.api import tokens
from gateway.api.scopes import Scope
from gateway.core.errors import ConfigError

DIGEST = "sha256:" + "ab" * 32


def test_a_token_that_was_added_is_found_and_its_text_is_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    one = tokens.add(file, "mes", ["read", "consume", "read"])
    two = tokens.add(file, "page", ["read"])
    assert one != two
    assert len(one) > 40
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert one not in file.read_text()
    found = tokens.Tokens(file).find(one)
    assert found is not None
    assert (found.name, found.scopes) == ("mes", frozenset({Scope.READ, Scope.CONSUME}))
    assert tokens.Tokens(file).find(one + "x") is None
    assert list(tmp_path.iterdir()) == [file]


def test_adding_keeps_what_is_there_and_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text("# ours\n")
    file.chmod(0o640)
    tokens.add(file, "mes", ["read"])
    assert file.read_text().startswith("# ours\n\n[[token]]\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("name", "scopes"), [("", ["read"]), ("a b", ["read"]), ('x"\n[[token]]', ["read"]), ("mes", ["root"]), ("mes", [])]
)
def test_what_could_not_be_read_back_is_not_written(tmp_path: Path, name: str, scopes: list[str]) -> None:
    file = tmp_path / "tokens.toml"
    with pytest.raises(ConfigError):
        tokens.add(file, name, scopes)
    assert not file.exists()


def test_a_name_is_given_once(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    tokens.add(file, "mes", ["read"])
    before = file.read_text()
    with pytest.raises(ConfigError, match="twice"):
        tokens.add(file, "mes", ["admin"])
    assert file.read_text() == before


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("nonsense", "no TOML"),
        ("colour = 1", "'colour'"),
        ("token = 5", "\\[\\[token\\]\\]"),
        ("[[token]]\nname = 'a'\nhash = 'x'\nscopes = ['read']", "hash"),
        (f"[[token]]\nname = 'a'\nhash = '{DIGEST}'\nscopes = ['write']", "scopes"),
        (f"[[token]]\nname = 'a'\nhash = '{DIGEST}'\nscopes = [5]", "scopes"),
        (f"[[token]]\nname = 5\nhash = '{DIGEST}'\nscopes = ['read']", "name"),
        (f"[[token]]\nname = 'a'\nhash = '{DIGEST}'\nscopes = ['read']\nexpires = 1", "expires"),
    ],
)
def test_defects_are_named_and_hashes_are_not(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as raised:
        tokens.parse_tokens(text, where="tokens.toml")
    assert "tokens.toml" in str(raised.value)
    assert "abab" not in str(raised.value)


def test_a_file_that_is_not_there_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        tokens.Tokens(tmp_path / "tokens.toml")
