"""Texts as samples that somebody sends to see what happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.sample import Quality, Sample
from gateway.journal.reader import Reader
from gateway.journal.sample_follow import following
from gateway.journal.sample_reader import SampleReader
from gateway.journal.samples import BLOCK
from tests.unit.journal.compacting import compact
from tests.unit.journal.feed import ListFeed, event, journal

TEXTS = ("", "\0", "a\0b", "\0" * 1000, "é" * 300_000, "x" * 2_000_000, "\U0001f600\u202e'\";--", "a\n\r\t\x7f")


@pytest.mark.parametrize("compacted", [False, True])
async def test_any_text_comes_back_as_it_was(tmp_path: Path, *, compacted: bool) -> None:
    made = [
        Sample(station="L1.s", signal="x\0.t", unit="\0", value=TEXTS[n % 8] if n < 16 else str(n), quality=Quality.GOOD,
               time=n, received=n)
        for n in range(BLOCK)
    ]  # fmt: skip
    with journal(tmp_path) as writer:
        feed = ListFeed([event(1)])
        feed.during = lambda transaction, item: transaction.samples(made)
        writer._store(feed, feed.take(0))
        assert feed.refusals == []
        if compacted:
            assert compact(writer)
        assert [one.value for one in following(writer._open, 0, BLOCK).samples] == [one.value for one in made]
        reader = Reader(writer.path, threads=1)
        try:
            page = await SampleReader(reader).page("L1.s", "x\0.t", unit="\0", limit=BLOCK)
            assert page is not None
            assert page.values == [one.value for one in made]
            for station, signal, unit in (("L1.s", "none", None), ("L1.\0", "x\0.t", None), ("L1.s", "x\0.t", "Cel")):
                assert await SampleReader(reader).page(station, signal, unit=unit) is None
        finally:
            reader.close()


def test_a_text_that_cannot_be_stored_costs_its_own_delivery_alone(tmp_path: Path) -> None:
    """A lone half of a surrogate pair is no Unicode text."""
    with journal(tmp_path) as writer:
        feed = ListFeed([event(n) for n in range(8)])

        def sampled(transaction: object, item: object) -> None:
            text = "\ud800" if item.body.startswith(b'{"n":5,') else "fine"  # type: ignore[attr-defined]
            one = Sample(station="s", signal="t", unit=None, value=text, quality=Quality.GOOD, time=1, received=1)
            transaction.samples([one])  # type: ignore[attr-defined]

        feed.during = sampled
        writer._store(feed, feed.take(0))
        assert feed.refusals == ["UnicodeEncodeError"]
        assert [one.value for one in following(writer._open, 0, 100).samples] == ["fine"] * 8
        assert writer.head == 8, "with what stands for the one"
