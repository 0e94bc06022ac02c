"""The rules of tests/conftest.py catch what they are there for, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).parent.parent / "conftest.py"

TESTS = """
import asyncio
import logging

import pytest


@pytest.fixture
async def companion():
    task = asyncio.create_task(asyncio.Event().wait())
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_task_ended_by_its_fixture(companion):
    await asyncio.sleep(0)


async def test_task_left():
    global kept
    kept = asyncio.create_task(asyncio.Event().wait(), name="stray")


def test_good_log():
    logging.getLogger("lineside.x").debug("%s of %d", "one", 2)


def test_bad_log_below_the_usual_level():
    logging.getLogger("adapters.x").debug("%d", "one")


def test_bad_log_of_somebody_else():
    logging.getLogger("elsewhere").debug("%d", "one")


def test_shared(shared):
    raise AssertionError("not reached without the folder")
"""


def test_rules(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINESIDE_SHARED", str(pytester.path / "absent"))
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    pytester.makepyfile(TESTS)
    # In a process of its own: its malformed log calls must not count against this test.
    result = pytester.runpytest_subprocess("-rA")
    result.stdout.fnmatch_lines_random(
        [
            "PASSED *test_task_ended_by_its_fixture",
            "ERROR *test_task_left - *",
            "*stray: <coroutine object Event.wait *",
            "PASSED *test_good_log",
            "ERROR *test_bad_log_below_the_usual_level - *",
            "*malformed log calls:*",
            "PASSED *test_bad_log_of_somebody_else",
            "SKIPPED *no folder 'absent' beside the repository*",
        ]
    )
    result.assert_outcomes(passed=4, skipped=1, errors=2, failed=1)


def test_shared_is_the_folder_named(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINESIDE_SHARED", str(tmp_path))
        assert request.getfixturevalue("shared") == tmp_path.resolve()


@pytest.mark.xdist_group("alone")
def test_who_shares_out_the_tests_is_told_of_groups(request: pytest.FixtureRequest) -> None:
    """All that it sees of a test is its name."""
    assert request.node.nodeid.endswith("@alone") is request.config.getoption("loadgroup", default=False)
