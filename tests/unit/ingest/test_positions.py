"""Sources that are read from where one stopped: a position is committed with what came of its frame, in order."""

from __future__ import annotations

from pathlib import Path

from gateway.core.errors import DecodeError
from gateway.core.frame import POSITION, POSITION_OF, Delivery, Frame, Refused
from gateway.core.times import now
from tests.build import Bench, bench, message, until
from tests.contract.host import of_machines

NAME = "shift.csv"


async def offer(behind: Bench, number: int, *, position: str | None = None, bad: bool = False) -> None:
    position = f"{number} at {number}" if position is None else position
    frame = Frame(
        connection="broker",
        received=now(),
        channel="topic",
        payload=f"{number} {position}".encode(),
        meta={POSITION_OF: NAME, POSITION: position},
    )
    behind.adapter.meaning[frame.payload] = (
        DecodeError("bad-text", "no") if bad else (message(None, timestamp=f"2026-11-20T12:00:{number:02d}Z"),)
    )
    acks = behind.acks.order
    await behind.ingest.offer(behind.adapter, behind.line, Delivery(frame, lambda: acks.append(number)))


async def test_what_is_not_beyond_the_position_is_a_copy(tmp_path: Path) -> None:
    """Acknowledged and counted, not stored."""
    async with bench(tmp_path) as behind:
        for number in (1, 2, 1, 2, 3):
            await offer(behind, number)
        await behind.settled()
        assert len(await of_machines(behind)) == 3
        assert behind.counter("duplicates") == 2
        assert behind.acks.order == [1, 2, 1, 2, 3]
        assert behind.writer.positions("broker") == {NAME: b"3 at 3"}


async def test_a_position_is_known_in_the_next_process(tmp_path: Path) -> None:
    async with bench(tmp_path) as behind:
        await offer(behind, 1)
        await behind.settled()
    async with bench(tmp_path) as behind:
        await offer(behind, 1)
        await offer(behind, 2)
        await behind.settled()
        assert len(await of_machines(behind)) == 2
        assert behind.counter("duplicates") == 1


async def test_an_unreadable_frame_does_not_overtake_readable_ones(tmp_path: Path) -> None:
    """Its position would make them copies. Sources are emptied in turn, so all of it must be one source."""
    async with bench(tmp_path) as behind:
        async with behind.stuck():
            for number in range(1, 10):
                await offer(behind, number, bad=number % 3 == 0)
        await behind.settled()
        assert len(await of_machines(behind)) == 6
        assert behind.counter("quarantined") == 3
        assert behind.counter("duplicates") == 0
        assert behind.acks.order == list(range(1, 10))


async def test_an_empty_position_is_forgotten(tmp_path: Path) -> None:
    async with bench(tmp_path) as behind:
        await offer(behind, 7)
        await offer(behind, 8, position="")
        await behind.settled()
        await until(lambda: behind.acks.order == [7, 8])
        assert behind.writer.positions("broker") == {}
        await offer(behind, 1)
        await behind.settled()
        assert behind.writer.positions("broker") == {NAME: b"1 at 1"}


async def test_who_asks_hears_what_went_to_quarantine(tmp_path: Path) -> None:
    """Before the acknowledgement; of a copy it is what was heard the first time."""
    async with bench(tmp_path) as behind:
        heard: list[Refused] = []
        frame = Frame(
            connection="broker",
            received=now(),
            channel="topic",
            payload=b"x",
            meta={POSITION_OF: NAME, POSITION: "1 a"},
        )
        behind.adapter.meaning[frame.payload] = DecodeError("bad-text", "no")
        at_ack: list[list[Refused]] = []
        for _ in range(2):
            delivery = Delivery(frame, lambda: at_ack.append(list(heard)), refused=heard)
            await behind.ingest.offer(behind.adapter, behind.line, delivery)
        await behind.settled()
        (entry,) = await behind.reader.quarantined()
        wanted = [Refused(b"x", "bad-text", "no", entry.digest)]
        assert at_ack == [wanted, wanted]
        assert behind.counter("duplicates") == 1
