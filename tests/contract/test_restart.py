"""What a station's class remembers goes on in the next process, and nothing that is stored is stored again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.host import hosting, of_machines
from tests.contract.rig import Rig


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_work_goes_on_over_a_restart(rig: Rig, tmp_path: Path, how: str) -> None:
    async with hosting(rig, tmp_path / "journal") as host:
        await host.tell(1)
        await rig.work_begins()
        await host.tell(2)
        if how == "killed":
            async with host.crashing():
                await rig.faults.peer_down()
            await host.leave()
            await rig.faults.peer_up()
    async with hosting(rig, tmp_path / "journal") as host:
        await rig.work_ends()
        await host.tell(3)
        assert await host.stored() == [1, 2, 3]
        rig.talk.check_work(await of_machines(host.bench))


async def test_nothing_is_stored_again_by_starting_often(rig: Rig, tmp_path: Path) -> None:
    for number in range(1, 5):
        async with hosting(rig, tmp_path / "journal") as host:
            await host.tell(number)
            found = await of_machines(host.bench)
    assert [each.number for event in found if (each := rig.talk.stored(event)) is not None] == [1, 2, 3, 4]
    assert len({event.id for event in found}) == len(found)
    assert [event.seq for event in found] == sorted(event.seq for event in found)
