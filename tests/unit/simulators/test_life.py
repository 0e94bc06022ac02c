"""Is the life that the simulated line tells a possible one? Each rule is checked over several seeds."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace

import pytest

from simulators.life import ending, life
from simulators.model import DEMO_PRODUCTS, LineModel, MachineModel, Naming, Product, demo_line
from simulators.step import Step

SEEDS = (1, 2, 3, 2026)
FIRST, SECOND = (machine.handle for machine in demo_line().machines)
PRODUCTION = "CFX.Production."
PERFORMANCE = "CFX.ResourcePerformance."


def lively() -> LineModel:
    """The demo line with small lots and many stops, so that a short run holds several of everything."""
    line = demo_line()
    machines = tuple(
        replace(each, stop_probability=0.1, reel=(40, 200), changeover=(40.0, 60.0)) for each in line.machines
    )
    return replace(line, machines=machines, lot=(3, 6), bad_mark=0.1, upstream_stop=0.1, downstream_stop=0.1)


@pytest.fixture(scope="module", params=SEEDS)
def steps(request: pytest.FixtureRequest) -> list[Step]:
    return list(itertools.islice(life(lively(), request.param), 6000))


def of(steps: list[Step], handle: str, *names: str) -> Iterator[Step]:
    return (step for step in steps if step.handle == handle and (not names or step.name.rpartition(".")[2] in names))


def test_the_same_seed_gives_the_same_life() -> None:
    first, again = (list(itertools.islice(life(demo_line(), 5), 2000)) for _ in range(2))
    assert first == again


def test_another_seed_gives_another_life() -> None:
    first, other = (list(itertools.islice(life(demo_line(), seed), 2000)) for seed in (5, 6))
    assert not {step.unique_id for step in first} & {step.unique_id for step in other}
    assert [step.at for step in first] != [step.at for step in other]


def test_time_never_goes_back_and_begins_at_once(steps: list[Step]) -> None:
    assert all(before.at <= after.at for before, after in itertools.pairwise(steps))
    assert steps[0].at == 0.0
    assert steps[0].name == "CFX.EndpointConnected"


def test_it_holds_several_of_everything(steps: list[Step]) -> None:
    for handle in (FIRST, SECOND):
        said = Counter(step.name.rpartition(".")[2] for step in of(steps, handle))
        for name in ("UnitsArrived", "WorkStarted", "MaterialsInstalled", "WorkCompleted", "UnitsDeparted"):
            assert said[name] > 50, name
        for name in ("RecipeActivated", "FaultOccurred", "MaterialsLoaded", "WorkStagePaused", "Heartbeat"):
            assert said[name] > 5, name
        states = {step.body["NewState"] for step in of(steps, handle, "StationStateChanged")}
        assert states == {"1100", "2201", "2202", "4500", "5100", "5300", "5500"}


def test_the_chain_of_states_has_no_break(steps: list[Step]) -> None:
    for handle in (FIRST, SECOND):
        old, since = "6500", -demo_line().machines[0].boot
        for step in of(steps, handle, "StationStateChanged"):
            assert step.body["OldState"] == old
            assert step.body["NewState"] != old
            assert step.body["OldStateDuration"].seconds == pytest.approx(step.at - since)
            old, since = step.body["NewState"], step.at
            assert str(step.standing.state) == old
            assert step.standing.since == since


def test_each_board_passes_each_machine_in_order(steps: list[Step]) -> None:
    order = ["UnitsArrived", "WorkStarted", "MaterialsInstalled", "WorkCompleted", "UnitsDeparted"]
    for handle in (FIRST, SECOND):
        panel_of: dict[str, str] = {}
        passed: dict[str, list[str]] = defaultdict(list)
        for step in of(steps, handle, *order):
            name = step.name.rpartition(".")[2]
            transaction: str | None = step.body.get("TransactionID") or step.body.get("TransactionId")
            if name == "WorkStarted" and transaction:
                panel_of[transaction] = step.body["PrimaryIdentifier"]
            panel = panel_of[transaction] if transaction else step.body["PrimaryIdentifier"]
            passed[panel].append(name)
        assert len(passed) > 50
        for panel, names in passed.items():
            assert names == order[: len(names)], panel
        unfinished = [panel for panel, names in passed.items() if len(names) < len(order)]
        assert len(unfinished) <= 2  # one before the machine, one in work


def test_what_leaves_the_first_machine_arrives_at_the_second(steps: list[Step]) -> None:
    left = [(step.at, step.body) for step in of(steps, FIRST, "UnitsDeparted")]
    came = [(step.at, step.body) for step in of(steps, SECOND, "UnitsArrived")]
    assert 0 <= len(left) - len(came) <= 1
    for (departed, out), (arrived, into) in zip(left, came, strict=False):
        assert out == into
        assert arrived - departed == pytest.approx(demo_line().transit)


def test_transactions_are_unique_and_complete(steps: list[Step]) -> None:
    for handle in (FIRST, SECOND):
        started: dict[str, Step] = {}
        completed: set[str] = set()
        for step in of(steps, handle, "WorkStarted", "WorkCompleted"):
            transaction = step.body["TransactionID"]
            if step.name.endswith("WorkStarted"):
                assert transaction not in started
                assert len(started) == len(completed), "one panel in work at a time"
                started[transaction] = step
            else:
                begun = started[transaction]
                assert transaction not in completed
                assert begun.body["Units"] == step.body["Units"]
                assert step.at - begun.at > demo_line().machines[0].align
                completed.add(transaction)
    every = [step.body["TransactionID"] for step in steps if step.name == PRODUCTION + "WorkStarted"]
    assert len(every) == len(set(every))


def test_stages_start_pause_and_end_within_their_work(steps: list[Step]) -> None:
    legal = {
        (None, "WorkStageStarted"): "on",
        ("on", "WorkStagePaused"): "paused",
        ("paused", "WorkStageResumed"): "on",
        ("on", "WorkStageCompleted"): None,
    }
    names = {name for _, name in legal}
    for handle in (FIRST, SECOND):
        stage: str | None = None
        work: str | None = None
        for step in of(steps, handle):
            name = step.name.rpartition(".")[2]
            if name == "WorkStarted":
                work = step.body["TransactionID"]
            elif name == "WorkCompleted":
                assert stage is None
                work = None
            elif name in names:
                assert step.body["TransactionID"] == work
                stage = legal[stage, name]


def test_faults_are_raised_acknowledged_and_cleared_once(steps: list[Step]) -> None:
    for handle in (FIRST, SECOND):
        course: dict[str, list[str]] = defaultdict(list)
        for step in of(steps, handle, "FaultOccurred", "FaultAcknowledged", "FaultCleared"):
            occurrence = (step.body.get("Fault") or step.body)["FaultOccurrenceId"]
            course[occurrence].append(step.name.removeprefix(PERFORMANCE))
        whole = ["FaultOccurred", "FaultAcknowledged", "FaultCleared"]
        assert len(course) > 5
        assert all(names == whole[: len(names)] for names in course.values())
        assert sum(names != whole for names in course.values()) <= 1


def test_a_down_state_has_a_fault_and_only_a_down_state(steps: list[Step]) -> None:
    for handle in (FIRST, SECOND):
        open_faults: dict[str, object] = {}
        for step in of(steps, handle):
            if step.name == PERFORMANCE + "FaultOccurred":
                open_faults[step.body["Fault"]["FaultOccurrenceId"]] = step.body["Fault"]
            elif step.name == PERFORMANCE + "FaultCleared":
                del open_faults[step.body["FaultOccurrenceId"]]
            elif step.name == PERFORMANCE + "StationStateChanged":
                fault = step.body["RelatedFault"]
                assert step.body["NewState"].startswith("5") == (fault is not None)
                assert (fault is not None) == bool(open_faults)
                if fault is not None:
                    assert open_faults[fault["FaultOccurrenceId"]] == fault
            elif step.name == "CFX.Heartbeat":
                assert step.body["ActiveFaults"] == list(open_faults.values())


def test_heartbeats_come_at_the_announced_interval(steps: list[Step]) -> None:
    for handle in (FIRST, SECOND):
        beats = list(of(steps, handle, "Heartbeat"))
        for before, after in itertools.pairwise(beats):
            assert after.at - before.at == pytest.approx(before.body["HeartbeatFrequency"].seconds)


def test_work_runs_on_the_recipe_that_is_active(steps: list[Step]) -> None:
    for handle in (FIRST, SECOND):
        active: tuple[str, object] | None = None
        seen = set()
        for step in of(steps, handle):
            body = step.body
            if step.name == PRODUCTION + "RecipeActivated":
                assert active is None
                active = body["RecipeName"], body["WorkOrderIdentifier"]
                seen.add(body["WorkOrderIdentifier"]["WorkOrderId"])
            elif step.name == PRODUCTION + "RecipeDeactivated":
                assert active == (body["RecipeName"], body["WorkOrderIdentifier"])
                active = None
            elif step.name == PRODUCTION + "WorkStarted":
                assert active == (body["RecipeName"], body["WorkOrderIdentifier"])
            elif step.name == "CFX.Heartbeat":
                said = [each["RecipeIdentifier"]["RecipeName"] for each in body["ActiveRecipes"]]
                assert said == ([active[0]] if active else [])
        assert len(seen) > 5


def test_every_component_is_placed_once_from_a_mounted_reel(steps: list[Step]) -> None:
    bills = {f"{product.name}-TOP": product for product in DEMO_PRODUCTS}
    for number, handle in enumerate((FIRST, SECOND)):
        mounted: set[str] = set()
        gone: set[str] = set()
        work: Step | None = None
        for step in of(steps, handle, "MaterialsLoaded", "MaterialsUnloaded", "WorkStarted", "MaterialsInstalled"):
            if step.name.endswith("MaterialsLoaded"):
                mounted |= {each["MaterialPackage"]["UniqueIdentifier"] for each in step.body["Materials"]}
            elif step.name.endswith("MaterialsUnloaded"):
                gone = set(step.body["MaterialPackageIdentifiers"])
                assert gone <= mounted
            elif step.name.endswith("WorkStarted"):
                work = step
                mounted -= gone
                gone = set()
            else:
                assert work is not None
                installed = step.body["InstalledMaterials"]
                assert step.body["TransactionId"] == work.body["TransactionID"]
                assert {each["Material"]["UniqueIdentifier"] for each in installed} <= mounted
                places = [
                    (each["UnitPositionNumber"], component["ReferenceDesignator"])
                    for each in installed
                    for component in each["InstalledComponents"]
                ]
                assert len(places) == len(set(places))
                boards = [unit for unit in work.body["Units"] if unit["Status"] != "Skip"]
                per_board = sum(count for _, count in bills[work.body["RecipeName"]].bills[number])
                assert len(places) == per_board * len(boards)
                assert {position for position, _ in places} == {unit["PositionNumber"] for unit in boards}
                for each in installed:
                    assert each["QuantityInstalled"] == len(each["InstalledComponents"])
                    assert each["Material"]["Quantity"] >= each["QuantityInstalled"]
                    for component in each["InstalledComponents"]:
                        assert work.at < component["InstallationTime"].at <= step.at + 1e-6


def test_boards_are_named_by_the_panel_or_by_themselves(steps: list[Step]) -> None:
    naming = {f"{product.name}-TOP": product for product in DEMO_PRODUCTS}
    for step in of(steps, FIRST, "WorkStarted"):
        product = naming[step.body["RecipeName"]]
        units = step.body["Units"]
        assert [unit["PositionNumber"] for unit in units] == list(range(1, product.boards + 1))
        assert step.body["UnitCount"] == product.boards
        names = {unit["UnitIdentifier"] for unit in units}
        if product.naming is Naming.PANEL or product.boards == 1:
            assert names == {step.body["PrimaryIdentifier"]}
        else:
            assert len(names) == product.boards
            assert step.body["PrimaryIdentifier"] not in names


def test_unique_ids_are_guids_used_once(steps: list[Step]) -> None:
    ids = [step.unique_id for step in steps]
    assert len(set(ids)) == len(ids)
    assert all(str(uuid.UUID(each)) == each for each in ids)


@pytest.mark.parametrize("count", [1, 2, 7, 300, 301, 302, 303, 304, 305])
def test_an_ending_closes_what_was_open(count: int) -> None:
    """Wherever a life is cut, what follows is: work aborted, state changed, offline, shutting down."""
    for seed in SEEDS:
        said = list(itertools.islice(life(lively(), seed), count))
        last = said[-1]
        end = ending(last, last.at + 5.0)
        assert end == ending(last, last.at + 5.0)
        mine = [step for step in said if step.handle == last.handle]
        assert not {step.unique_id for step in end} & {step.unique_id for step in said}
        names = [step.name.rpartition(".")[2] for step in end]
        assert names[-3:] == ["StationStateChanged", "StationOffline", "EndpointShuttingDown"]
        assert all(step.at == last.at + 5.0 and step.handle == last.handle for step in end)
        started = {step.body["TransactionID"] for step in mine if step.name == PRODUCTION + "WorkStarted"}
        done = {step.body["TransactionID"] for step in mine if step.name == PRODUCTION + "WorkCompleted"}
        aborted = {step.body["TransactionID"] for step in end if step.name == PRODUCTION + "WorkCompleted"}
        assert aborted == started - done
        stages = Counter(step.name for step in mine + end)
        assert stages[PRODUCTION + "WorkStageStarted"] == stages[PRODUCTION + "WorkStageCompleted"]
        changes = [step for step in mine if step.name == PERFORMANCE + "StationStateChanged"]
        if changes:
            assert end[-3].body["OldState"] == changes[-1].body["NewState"]
            assert end[-3].body["OldStateDuration"].seconds == pytest.approx(last.at + 5.0 - changes[-1].at)


def test_a_single_machine_lives_too() -> None:
    product = replace(DEMO_PRODUCTS[0], bills=DEMO_PRODUCTS[0].bills[:1])
    line = LineModel(machines=(MachineModel("A.B.C"),), products=(product,))
    said = list(itertools.islice(life(line, 1), 500))
    assert {step.handle for step in said} == {"A.B.C"}
    assert any(step.name == PRODUCTION + "UnitsDeparted" for step in said)


@pytest.mark.parametrize("boards", [0, 9])
def test_a_panel_has_one_to_eight_boards(boards: int) -> None:
    product = Product("X", "A", boards, Naming.PANEL, ((), ()))
    with pytest.raises(ValueError, match="1 to 8"):
        LineModel(machines=demo_line().machines, products=(product,))


def test_a_product_needs_a_bill_for_every_machine() -> None:
    product = replace(DEMO_PRODUCTS[0], bills=DEMO_PRODUCTS[0].bills[:1])
    with pytest.raises(ValueError, match="1 bills, 2 machines"):
        LineModel(machines=demo_line().machines, products=(product,))
