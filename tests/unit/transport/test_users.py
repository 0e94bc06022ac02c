from __future__ import annotations

import pytest

from gateway.core.errors import ConfigError
from gateway.transport.users import hash_password, parse_users

HASH = hash_password("pässword", salt=b"0123456789abcdef")


def test_a_known_hash() -> None:
    """scrypt of RFC 7914, section 12, second and third vector have other parameters; the format is ours: made once."""
    assert HASH.startswith("scrypt$16384$8$1$MDEyMzQ1Njc4OWFiY2RlZg==$")
    assert hash_password("x") != hash_password("x")


def test_check() -> None:
    users = parse_users(f"# machines\n\nm1:{HASH}\nm2:{HASH}:A.B.C, D:E\npnp.example:certificate:P\n", where="u")
    m1 = users.check("m1", "pässword")
    assert m1 is not None
    assert m1.handles == frozenset()
    m2 = users.check("m2", "pässword")
    assert m2 is not None
    assert m2.handles == {"A.B.C", "D:E"}
    assert users.check("m1", "password") is None
    assert users.check("nobody", "pässword") is None
    assert users.check("pnp.example", "") is None
    certified = users.get("pnp.example")
    assert certified is not None
    assert certified.handles == {"P"}
    assert users.any_password
    assert not parse_users("a:certificate", where="u").any_password


def test_nobody_is_checked_for_as_long_and_never_found() -> None:
    """The stand-in hash must not be a password: its key is all zeros, which no password has."""
    assert parse_users("", where="u").check("", "") is None


def test_every_defect_at_once_and_no_hash_in_it() -> None:
    text = "\n".join(
        [
            f"m1:{HASH}",
            f"m1:{HASH}",
            ":" + HASH,
            "m3:secret",
            "m4",
            "m5:scrypt$3$8$1$AAAA$AAAA",
            "m6:scrypt$16384$8$1$AAAA$AAAA",
            "m7:scrypt$1073741824$8$1$AAAA$" + HASH.rpartition("$")[2],
            "m8:scrypt$16384$8$1$!!$" + HASH.rpartition("$")[2],
        ]
    )
    with pytest.raises(ConfigError) as raised:
        parse_users(text, where="cfx-users")
    problems = raised.value.problems
    assert [problem.split(":")[1] for problem in problems] == ["2", "3", "4", "5", "6", "7", "8", "9"]
    assert "name given twice" in problems[0]
    assert "secret" not in str(raised.value)
    assert "AAAA" not in str(raised.value)
