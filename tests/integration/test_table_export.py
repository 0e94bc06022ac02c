"""`lineside samples` and `lineside events --format`: tables of what is stored."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import samples, table_file
from gateway.cli.app import application
from gateway.cli.table_file import Column, Form
from gateway.core.errors import ConfigError, LinesideError
from gateway.core.sample import Value
from tests.build import PNP1
from tests.integration.api_server import api, numbered
from tests.integration.test_api_samples import NOON, SECOND, ZONE, sample, store
from tests.unit.journal.compacting import LARGE, compact
from tests.unit.journal.feed import commit, event, journal
from tests.unit.journal.test_samples import sample as stored_sample
from tests.unit.journal.test_samples import store as store_directly

VALUES: list[Value] = [1.5, 2, True, None, "", 'a "b", c\nd', "1"]


def configured(folder: Path) -> Path:
    path = folder / "lineside.toml"
    path.write_text('[gateway]\nname = "pc"\nsite = "fab1"\n[journal]\npath = "j.db"\n', encoding="utf-8")
    return path


def lineside(folder: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(application(), [*arguments, "-c", str(configured(folder))])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def filled(folder: Path) -> None:
    with journal(folder) as writer:
        store_directly(writer, [stored_sample(value, n * SECOND) for n, value in enumerate(VALUES)])
        store_directly(writer, [stored_sample(float(n), n, signal="oxygen", unit="[ppm]") for n in range(2000)])
        compact(writer, LARGE)
        store_directly(writer, [stored_sample(9.0, 9 * SECOND, unit="K")])
        commit(writer, [event(1), event(2, name="CFX.Production.WorkStarted")])


def test_csv_has_numbers_and_texts_apart(tmp_path: Path) -> None:
    filled(tmp_path)
    status, output = lineside(tmp_path, "samples", "L1.reflow", "zone.temperature[1]")
    assert status == 0
    rows = list(csv.reader(io.StringIO(output, newline="")))
    assert rows[0] == ["station", "signal", "unit", "time", "value", "text", "quality"]
    assert rows[1] == ["L1.reflow", "zone.temperature[1]", "Cel", "1970-01-01T00:00:00.000000Z", "1.5", "", "good"]
    assert [row[4:6] for row in rows[1:]] == [
        ["1.5", ""], ["2.0", ""], ["1.0", ""], ["", ""], ["", ""], ["", 'a "b", c\nd'], ["", "1"], ["9.0", ""],
    ]  # fmt: skip
    assert rows[-1][2] == "K"


def test_without_a_signal_it_is_all_of_the_station(tmp_path: Path) -> None:
    filled(tmp_path)
    status, output = lineside(
        tmp_path, "samples", "L1.reflow", "--format", "ndjson", "--to", "1970-01-01T00:00:00.0015Z"
    )
    assert status == 0
    found = [json.loads(line) for line in output.splitlines()]
    assert [one["signal"] for one in found] == ["zone.temperature[1]"] + ["oxygen"] * 1500


def test_a_resolution_gives_every_unit(tmp_path: Path) -> None:
    filled(tmp_path)
    status, output = lineside(tmp_path, "samples", "L1.reflow", "zone.temperature[1]", "--resolution", "1m")
    assert status == 0
    rows = list(csv.reader(io.StringIO(output, newline="")))
    assert [(row[2], row[4], row[7], row[8], row[9], row[10]) for row in rows[1:]] == [
        ("Cel", "1.0", "", "1", "3", "7"), ("K", "9.0", "9.0", "", "1", "1"),
    ]  # fmt: skip


def test_parquet_is_read_back(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    filled(tmp_path)
    for what in (["samples", "L1.reflow"], ["events"]):
        file = tmp_path / "out.parquet"
        assert lineside(tmp_path, *what, "--format", "parquet", "-o", str(file))[0] == 0
        found = parquet.read_table(file).to_pydict()
        if what == ["events"]:
            assert found["message"] == ["CFX.Heartbeat", "CFX.Production.WorkStarted"]
            assert found["seq"] == [1, 2]
            assert json.loads(found["body"][0])["n"] == 1
            assert found["units"] == ["[]", "[]"]
        else:
            assert len(found["time"]) == len(VALUES) + 2001
            assert found["value"][:4] == [1.5, 2.0, 1.0, None]
            assert found["text"][4:7] == ["", 'a "b", c\nd', "1"]
            assert found["time"][1].isoformat() == "1970-01-01T00:00:01+00:00"


def test_events_as_csv(tmp_path: Path) -> None:
    filled(tmp_path)
    status, output = lineside(tmp_path, "events", "--format", "csv", "--message", "CFX.Production.*")
    assert status == 0
    [row] = list(csv.DictReader(io.StringIO(output, newline="")))
    assert (row["seq"], row["message"], row["units"]) == ("2", "CFX.Production.WorkStarted", "[]")


@pytest.mark.parametrize(
    "arguments",
    [
        ["samples", "L1.reflow", "--resolution", "often"],
        ["samples", "L1.reflow", "--resolution", "auto"],
        ["samples", "L1.reflow", "--from", "noon"],
        ["events", "-f", "--format", "csv"],
    ],
)
def test_what_cannot_be_had_is_a_usage_error(tmp_path: Path, arguments: list[str]) -> None:
    filled(tmp_path)
    assert lineside(tmp_path, *arguments)[0] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["samples", "L1.none"], "no samples of station 'L1.none'"),
        (["samples", "L1.reflow", "none"], "no signal 'none'"),
        (
            ["samples", "L1.reflow", "oxygen", "--resolution", "1ms", "--to", "1980-01-01T00:00:00Z"],
            "longer --resolution",
        ),
    ],
)
def test_what_is_not_there_is_said(tmp_path: Path, arguments: list[str], said: str) -> None:
    filled(tmp_path)
    with pytest.raises(LinesideError, match=said):
        lineside(tmp_path, *arguments)


def test_without_pyarrow_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigError, match=r"lineside\[parquet\]"):
        table_file.check(Form.PARQUET, tmp_path / "x.parquet")
    table_file.write([Column("a")], [["x"]], Form.CSV, tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_bytes() == b"a\r\nx\r\n"


@pytest.mark.parametrize("resolution", ["raw", "1m"])
async def test_a_running_gateway_gives_the_same_rows(tmp_path: Path, resolution: str) -> None:
    async with api(tmp_path) as running:
        await running.publish(numbered(1))
        await store(running, *(sample(value, n) for n, value in enumerate(VALUES)))
        await store(running, *(sample(n, n) for n in range(12_000)), sample(5, 3, unit="K"))
        compact(running.bench.writer, LARGE)
        path = running.bench.writer.path
        bounds = (NOON, NOON + 9000 * SECOND)
        step = "raw" if resolution == "raw" else 60 * SECOND

        def both() -> tuple[list[object], list[object]]:
            url = f"http://127.0.0.1:{running.port}"
            told = samples._from_gateway(
                url, PNP1.id, [ZONE], "2026-11-20T12:00:00Z", "2026-11-20T14:30:00Z", resolution
            )
            return list(told), list(samples._from_file(path, PNP1.id, (), bounds, step))

        told, read = await asyncio.to_thread(both)
        assert told == read
        assert len(told) == (9000 + len(VALUES) + 1 if resolution == "raw" else 151)
