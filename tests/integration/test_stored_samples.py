"""All samples of a station, as `lineside reconcile` reads them; and what it says of them."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import stored_samples
from gateway.cli.app import application
from gateway.core.sample import Value
from simulators.ledger import Anchor, Ledger
from simulators.voices.voice import Looked, Showing
from tests.build import PNP1
from tests.integration.api_server import api
from tests.integration.test_api_samples import NOON, SECOND, ZONE, sample, store
from tests.unit.journal.compacting import LARGE, compact
from tests.unit.journal.feed import journal
from tests.unit.journal.test_samples import sample as stored_sample
from tests.unit.journal.test_samples import store as store_directly

VALUES: list[Value] = [1.5, 2, True, None, "", "1"]
OVEN, TEMPERATURE = "L1.reflow", "zone.temperature[1]"


async def test_a_running_gateway_gives_the_same(tmp_path: Path) -> None:
    async with api(tmp_path) as running:
        await store(running, *(sample(value, n) for n, value in enumerate(VALUES)))
        await store(running, *(sample(n, n) for n in range(12_000)), sample(5, 3, unit="K"))
        compact(running.bench.writer, LARGE)
        await store(running, sample(7.5, 12_001))
        path, url = running.bench.writer.path, f"http://127.0.0.1:{running.port}"
        told = await asyncio.to_thread(lambda: list(stored_samples.of_gateway(url, PNP1.id)))
        read = await asyncio.to_thread(lambda: list(stored_samples.of_file(path, PNP1.id)))
        assert await asyncio.to_thread(lambda: list(stored_samples.of_gateway(url, "nobody"))) == []
    assert told == read
    assert len(read) == len(VALUES) + 12_002
    assert read[:4] == [(ZONE, NOON + n * SECOND, value) for n, value in enumerate(VALUES[:4])]
    assert read[2][2] is True
    assert read[-1] == (ZONE, NOON + 12_001 * SECOND, 7.5)


def written(folder: Path, *, samples: bool = True) -> Path:
    """A ledger of a machine that shows 20, and 30 from virtual second 10 on, for as long."""
    path = folder / "line.ledger"
    shows = {OVEN: {TEMPERATURE: Looked(every=1.0)}} if samples else None
    with Ledger(path, 1, "", {OVEN: frozenset({"CFX.Production.UnitsArrived"})}, shows) as ledger:
        ledger.anchor(Anchor(at=0.0, wall=0, speed=1.0))
        for at, value in ((0.0, 20.0), (10.0, 30.0), (20.0, None)) if samples else ():
            ledger.shown(Showing(station=OVEN, at=at, values={TEMPERATURE: value}))
    return path


def held(folder: Path, *values: tuple[float, float]) -> Path:
    """A journal with these samples, in chunks but for the last."""
    with journal(folder) as writer:
        store_directly(writer, [stored_sample(value, round(at * SECOND)) for at, value in values[:-1]])
        compact(writer, LARGE)
        store_directly(writer, [stored_sample(value, round(at * SECOND)) for at, value in values[-1:]])
        return writer.path


@pytest.mark.parametrize(
    ("values", "status", "counts"),
    [
        ([(0.5, 20.0), (10.5, 30.0)], 0, {}),
        ([(0.5, 20.0), (5.0, 21.0), (6.0, 20.0), (10.5, 30.0)], 1, {"wrong": 1}),
        ([(0.5, 20.0)], 1, {"lost": 1}),
    ],
)
def test_the_exit_status_counts_samples(
    tmp_path: Path, values: list[tuple[float, float]], status: int, counts: dict[str, int]
) -> None:
    where = ("reconcile", str(written(tmp_path)), "--journal", str(held(tmp_path, *values)))
    done = CliRunner().invoke(application(), [*where, "--json"])
    assert done.exit_code == status, done.output
    answer = json.loads(done.output)
    assert answer["clean"] is not bool(status)
    assert {kind: count for kind, count in answer["samples"][OVEN]["counts"].items() if count} == counts
    said = CliRunner().invoke(application(), where).output
    assert ("They differ." in said) is bool(status)


def test_a_ledger_that_says_nothing_of_samples(tmp_path: Path) -> None:
    where = ("reconcile", str(written(tmp_path, samples=False)), "--journal", str(held(tmp_path, (5.0, 21.0))))
    done = CliRunner().invoke(application(), where)
    assert done.exit_code == 0, done.output
    assert "Samples were not compared: this ledger says nothing of them." in done.output
    assert json.loads(CliRunner().invoke(application(), [*where, "--json"]).output)["samples"] is None


def test_not_known_how_it_was_played(tmp_path: Path) -> None:
    path = shutil.copy(written(tmp_path), tmp_path / "alone.ledger")
    done = CliRunner().invoke(application(), ["reconcile", str(path), "--journal", str(held(tmp_path, (5.0, 21.0)))])
    assert done.exit_code == 0, done.output
    assert "times, gaps and samples were not compared" in done.output
