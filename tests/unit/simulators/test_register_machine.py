"""Machines out of their profiles on a bus: paced, served, restarted, and their truth."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.profile.bound import Table
from gateway.profile.registers import answer
from gateway.transport.modbus import bus as client
from gateway.transport.modbus_wire import Serial, Tcp
from simulators.display import Display
from simulators.faces.modbus import Listen
from simulators.pace import Pace
from simulators.panel_flow import FlowModel, PanelFlow, What
from simulators.register_machine import RegisterMachine, run_machines
from tests.build import until
from tests.unit.simulators.modbus_peers import at_port, connected, rtu, tcp
from tests.unit.simulators.register_profiles import oven, two_lanes
from tests.unit.simulators.test_pace import NOON, FakeClock

QUIET = FlowModel(noise=0.0, fault=0.0, misread=0.0)
COUNTERS, BOTH = "01 04 0084 0004", "01 04 08"  # units.in and units.out of the oven, two registers each


async def test_what_is_served_is_what_encoding_gives() -> None:
    bound = oven()
    assert bound.registers is not None
    async with run_machines(Listen(), {1: bound}, model=QUIET, speed=0.1) as machines:
        assert machines.face.address is not None
        host, port = machines.face.address
        display = Display(bound)
        display.values |= {"state": "SBY_NoProductStarved", "units.in": 1042}
        async with client(Tcp(host=host, port=port)) as wire:
            for poll in bound.registers.polls:
                function = {Table.HOLDING: 3, Table.INPUT: 4}[poll.table]
                served = await wire.read(1, function, poll.start, poll.count)
                assert served == answer(poll, display.contents()).data
        async with connected(machines.face.address) as peer:  # 150.0 and 90.0 degrees, 1042 panels
            await peer.ask(tcp(1, "01 04 0064 0001"), tcp(1, "01 04 02 05DC"))
            await peer.ask(tcp(2, "01 04 006D 0001"), tcp(2, "01 04 02 0384"))
            await peer.ask(tcp(3, COUNTERS), tcp(3, f"{BOTH} 0000 0412 0000 0412"))


async def test_registers_beside_the_values_only_if_wanted() -> None:
    for gaps, heard in ((True, "01 04 02 0000"), (False, "01 84 02")):
        async with (
            run_machines(Listen(), {1: oven()}, model=QUIET, gaps=gaps) as machines,
            connected(machines.face.address) as peer,
        ):
            await peer.ask(tcp(1, "01 04 0079 0001"), tcp(1, heard))  # 121, in the poll


async def test_a_life_is_played_to_its_end_and_told_as_it_was() -> None:
    model = replace(QUIET, panels=10)
    clock = FakeClock()
    async with run_machines(Listen(), {1: oven()}, model=model, speed=10.0, seed=3, clock=clock) as machines:
        await machines.ended()
        machine = machines.machines[1]
        alone = PanelFlow(Display(oven()), model, 3 * 256 + 1)
        alone.run(1e6)
        assert [seen.happening for seen in machine.truth] == alone.truth
        assert machine.flow.over
        for seen in machine.truth:
            assert (seen.time - NOON) / 1e6 == pytest.approx(seen.happening.at / 10, abs=0.001)
        async with connected(machines.face.address) as peer:
            await peer.ask(tcp(1, COUNTERS), tcp(1, f"{BOTH} 0000 041C 0000 041C"))


async def test_units_of_one_bus_have_lives_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "bus"
    model = replace(QUIET, panels=3)
    async with run_machines(
        Serial(port=str(path)), {1: oven(), 2: oven(), 3: two_lanes()}, model=model, clock=FakeClock()
    ) as machines:
        await machines.ended()
        lives = [[seen.happening for seen in machine.truth] for machine in machines.machines.values()]
        assert lives[0] != lives[1]
        async with at_port(path) as peer:
            await peer.ask(rtu(COUNTERS), rtu(f"{BOTH} 0000 0415 0000 0415"))
            await peer.ask(rtu("02" + COUNTERS[2:]), rtu(f"02{BOTH[2:]} 0000 0415 0000 0415"))
            await peer.ask(rtu("03 03 000A 0003"), rtu("03 03 06 0001 0001 0008"))  # 9998 and 3 in BCD; 5 and 3


async def test_a_machine_with_its_own_address_is_not_there_while_it_restarts() -> None:
    async with (
        run_machines(Listen(), {1: oven()}, model=QUIET, speed=0.1) as machines,
        connected(machines.face.address) as peer,
    ):
        assert machines.face.address is not None
        await peer.ask(tcp(1, COUNTERS), tcp(1, f"{BOTH} 0000 0412 0000 0412"))
        restart = asyncio.create_task(machines.restart(1, 0.2), name="restart")
        assert await peer.cut()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*machines.face.address)
        await restart
        async with connected(machines.face.address) as again:
            await again.ask(tcp(1, COUNTERS), tcp(1, f"{BOTH} 0000 0000 0000 0000"))
        assert machines.machines[1].truth[-1].happening.what is What.RESTARTED


async def test_a_machine_on_a_shared_bus_is_silent_while_it_restarts() -> None:
    async with (
        run_machines(Listen(), {1: oven(), 2: oven()}, model=QUIET, speed=0.1) as machines,
        connected(machines.face.address) as peer,
    ):
        restart = asyncio.create_task(machines.restart(1, 0.2), name="restart")
        await asyncio.sleep(0)
        peer.say(tcp(1, COUNTERS))
        await peer.ask(tcp(2, "02" + COUNTERS[2:]), tcp(2, f"02{BOTH[2:]} 0000 0412 0000 0412"))
        await restart
        await peer.ask(tcp(3, COUNTERS), tcp(3, f"{BOTH} 0000 0000 0000 0000"))
        await peer.ask(tcp(4, "02" + COUNTERS[2:]), tcp(4, f"02{BOTH[2:]} 0000 0412 0000 0412"))


async def test_what_was_due_while_a_machine_was_off_comes_that_much_later() -> None:
    clock = FakeClock()
    model = replace(QUIET, takt=(10.0, 10.0), transit=100.0, panels=1)
    machine = RegisterMachine(oven(), model, 1, clock, Pace(clock, 1.0), gaps=True)
    since: list[float] = []

    async def sleep(seconds: float) -> None:
        clock.seconds += seconds
        if seconds > 5 and not since:  # on the way to the panel's arrival, at 10
            since.append(machine.off() - 4.0)
        await asyncio.sleep(0)

    clock.sleep = sleep  # type: ignore[method-assign]
    running = asyncio.create_task(machine.run(), name="machine")
    await until(lambda: since)
    clock.seconds += 500.0
    assert not any(seen.happening.what is What.ARRIVED for seen in machine.truth)
    machine.on(since[0])  # off from 6 to 510
    await running
    moved = {seen.happening.what: (seen.time - NOON) / 1e6 for seen in machine.truth if seen.happening.unit is not None}
    assert moved == {What.ARRIVED: pytest.approx(514.0), What.DEPARTED: pytest.approx(614.0)}


async def test_a_machine_that_fails_says_so() -> None:
    async with run_machines(Listen(), {1: oven()}, model=QUIET, speed=1000.0) as machines:
        machines.machines[1].flow.display.values["oxygen"] = "none"
        with pytest.raises(ValueError, match="oxygen"):
            await machines.ended()


async def test_what_goes_wrong_beside_the_machines_comes_out_as_it_is() -> None:
    with pytest.raises(KeyError):
        async with run_machines(Listen(), {1: oven()}):
            raise KeyError
