"""What example profiles make of machines: registers and bits in, whole flows of messages out."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from gateway.classes.registry import CLASSES
from gateway.classes.step import set_up
from gateway.core.observation import Readings, Record
from gateway.core.sample import Value
from gateway.profile.bind import bind
from gateway.profile.load import load
from gateway.profile.registers import answer
from gateway.transport.framing import Cutter
from tests.conftest import ROOT
from tests.unit.classes.machines import STATION, Machine, Made, names, one, transactions


class Wired(Machine):
    """A machine behind its profile: what it shows goes through registers."""

    def __init__(self, name: str) -> None:
        loaded = load(name, [ROOT / "config/profiles"])
        class_ = loaded.profile.class_
        super().__init__(class_)
        bound = bind(loaded.profile, CLASSES[class_].vocabulary, loaded.name)
        assert bound.registers is not None
        self.registers = bound.registers
        self.setup = set_up(STATION, CLASSES[class_], bound, ignore_ids=("NOREAD",))
        self.shown: dict[str, Value] = {}

    def start(self, values: Mapping[str, Value]) -> None:
        """As it is when Lineside comes, until all that has to last for a while has lasted."""
        self.show(values)
        self.tick(wait=10.0)
        self.made.clear()

    def show(self, values: Mapping[str, Value], *, wait: float = 1.0) -> list[Made]:
        """These, beside what it has shown before; registers of anything else are 0."""
        self.shown.update(values)
        contents = self.registers.encode(self.shown)
        keys: tuple[str, ...] = ()
        found: tuple[Value, ...] = ()
        for poll in self.registers.polls:
            some, what = self.registers.decode(poll.name, [answer(poll, contents)])
            keys, found = (*keys, *some), (*found, *what)
        return self.follow(Readings(station=STATION, keys=keys, values=found), wait=wait)


WORK = ["UnitsArrived", "WorkStarted", "WorkCompleted", "UnitsDeparted"]


def test_an_old_machine_with_a_signal_tower_and_two_photocells() -> None:
    machine = Wired("generic/example-dry-contacts")
    clear = {"x.photocell.in": False, "x.photocell.out": False}
    machine.show({**clear, "x.lamp.green": False, "x.lamp.yellow": True, "x.lamp.red": False, "alarm.red lamp": False, "alarm.emergency stop": False})  # fmt: skip
    assert machine.made == [], "what is so at first sight has no edge"
    assert names(machine.show({"x.photocell.in": True}, wait=0.05)) == ["UnitsArrived", "WorkStarted"]
    assert names(machine.show({"x.photocell.in": False}, wait=0.05)) == []
    green = {"x.lamp.green": True, "x.lamp.yellow": False}
    assert names(machine.show(green, wait=0.05) + machine.show({}, wait=2.0) + machine.tick()) == [
        "StationStateChanged"
    ]
    red = {"alarm.red lamp": True, "x.lamp.red": True, "x.lamp.green": False}
    stopped = machine.show(red, wait=0.05) + machine.tick(wait=1.5)
    assert one(stopped, "FaultOccurred").body["Fault"]["FaultCode"] == "red lamp"
    state = one(stopped, "StationStateChanged").body
    assert (state["OldState"], state["NewState"]) == ("1100", "5000")
    assert machine.show({"x.photocell.out": True}, wait=0.05) == []
    assert names(machine.show({"x.photocell.out": False}, wait=0.05)) == ["WorkCompleted", "UnitsDeparted"]
    pressed = one(machine.show({"alarm.emergency stop": True}, wait=0.05), "FaultOccurred")
    assert pressed.body["Fault"]["Cause"] == "SafetyStop"
    flow = [each for each in machine.made if each.name in WORK]
    assert names(flow) == WORK
    assert len(transactions(flow)) == 1


def test_a_machine_with_the_least() -> None:
    machine = Wired("generic/example-registers")
    machine.show({"state": "PRD_RegularWork", "units.in": 70_000, "units.out": 70_000, "fault.code": ""})
    assert names(machine.tick(wait=1.5)) == ["StationStateChanged"]
    raised = machine.show({"fault.code": "17"})
    assert raised[0].body["Fault"]["FaultCode"] == "17"
    assert names(machine.show({"fault.code": ""})) == ["FaultCleared"]
    assert names(machine.show({"operator.id": "4711"})) == ["OperatorActivated"]
    flow = machine.show({"units.in": 70_001, "unit.in.id": "A"}) + machine.show({"units.out": 70_001})
    assert names(flow) == WORK
    assert {each.body["PrimaryIdentifier"] for each in flow} == {"A"}


def test_a_laser_marks_a_panel() -> None:
    machine = Wired("marker/example-laser")
    machine.start({"units.in": 999_999, "units.out": 999_999, "mark.id": "P0", "unit.out.id": "P0", "order.id": "WO1"})
    machine.show({"units.in": 0})
    boards = {f"board.id[{place}]": f"SN{place}" for place in range(1, 5)}
    machine.show({**boards, "mark.id": "P1", "unit.out.id": "P1", "mark.time": 6.42})
    machine.show({"units.out": 0})
    flow = machine.made
    assert names(flow) == ["UnitsArrived", "WorkStarted", "UnitsInitialized", "UnitsProcessed", "WorkCompleted", "UnitsDeparted"]  # fmt: skip
    assert len(transactions(flow)) == 1
    initialized = one(flow, "UnitsInitialized").body
    assert initialized["PrimaryIdentifier"] == one(flow, "WorkCompleted").body["PrimaryIdentifier"] == "P1"
    assert [unit["UnitIdentifier"] for unit in initialized["Units"]] == ["SN1", "SN2", "SN3", "SN4"]


def test_a_router_puts_boards_out_one_by_one() -> None:
    machine = Wired("depaneler/example-router")
    machine.start({"units.in": 1, "boards.out": 6, "panel.units": 6, "vacuum.pressure": -18.0})
    flow = machine.show({"units.in": 2, "unit.in.id": "P"})
    for count in range(7, 13):
        flow += machine.show({"boards.out": count, "board.out.id": f"SN{count}"})
    assert names(flow) == [
        *["UnitsArrived", "WorkStarted"],
        *["UnitsDeparted"] * 5,
        *["UnitsProcessed", "WorkCompleted", "UnitsDeparted"],
    ]
    assert one(flow, "UnitsProcessed").body["CommonProcessData"]["ActualVacuumLevel"] == -18.0
    assert [each.body["PrimaryIdentifier"] for each in flow if each.name == "UnitsDeparted"] == [f"SN{n}" for n in range(7, 13)]  # fmt: skip


def test_a_board_on_its_way_through_magazines_and_lanes() -> None:
    loader = Wired("magazine_loader/example-plc")
    loader.start({"units.loaded": 9_999, "magazine.id": "MAG0031", "magazine.slot": 16})
    made = loader.show({"units.loaded": 0, "magazine.slot": 17})
    assert names(made) == ["UnitsLoaded", "UnitsDeparted"], "the counter has four digits"
    assert made[0].body["UniqueIdentifier"] == "MAG0031"
    assert made[0].body["Units"][0]["PositionNumber"] == 17
    assert names(loader.show({"magazine.id": ""})) == ["MagazineDeparted"]

    conveyor = Wired("conveyor/example-dual-lane")
    conveyor.start({"units.in@1": 5, "units.out@1": 5, "units.in@2": 65_535, "units.out@2": 65_535})
    flow = conveyor.show({"units.in@2": 0}) + conveyor.show({"units.out@2": 0})
    assert [(each.name, each.body["Lane"]) for each in flow] == [("UnitsArrived", 2), ("UnitsDeparted", 2)]

    unloader = Wired("magazine_unloader/example-plc")
    unloader.start({"units.in": 1, "units.unloaded": 1, "magazine.id": "MAG0007", "magazine.slot": 1})
    flow = unloader.show({"units.in": 2, "unit.in.id": "A"}) + unloader.show({"units.unloaded": 2, "magazine.slot": 2})
    assert names(flow) == ["UnitsArrived", "UnitsUnloaded"]
    assert flow[1].body["Units"][0]["UnitIdentifier"] == "A"


def test_a_board_through_selective_soldering() -> None:
    machine = Wired("selective_soldering/example-3-module")
    machine.start({"units.in": 5, "units.out": 5, "recipe.name": "CTRL-B"})
    flow = machine.show({"units.in": 6, "unit.in.id": "A"})
    zones: dict[str, Value] = {"zone.bath.temperature[3]": 305.2, "zone.flux.mass[1]": 210}
    flow += machine.show({"units.out": 6, "nitrogen.pressure": 540, "cycle.time": 104.2, **zones})
    assert names(flow) == ["UnitsArrived", "WorkStarted", "UnitsProcessed", "WorkCompleted", "UnitsDeparted"]
    body = one(flow, "UnitsProcessed").body
    assert body["CommonProcessData"]["Nitrogen_Pressure"] == 540.0, "5400 mbar"
    assert body["CommonProcessData"]["RecipeName"] == "CTRL-B"
    first, _, third = body["UnitProcessData"][0]["UnitProcessData"]["ZoneData"]
    assert (first["Flux_Volume"], third["Bath_Temp"]) == (210.0, 305.2)


def test_a_board_through_a_wave() -> None:
    machine = Wired("wave_soldering/example-double-wave")
    machine.start({"units.in": 5, "units.out": 5})
    machine.show({"units.in": 6})
    made = machine.show({"units.out": 6, "conveyor.speed": 120, "pot.temperature[1]": 261.4, "wave.active[2]": True})
    data = one(made, "UnitsProcessed").body["CommonProcessData"]
    assert data["Conveyors"][0]["SpeedReadingPoint"] == 120.0, "1.20 m/min"
    process = data["UnitProcessData"]
    assert [each["PreheatingType"] for each in process["PreheatingAggregates"]] == [1, 1, 3]
    pot = process["SolderingAggregates"][0]["Pot"]
    assert pot["Heating"]["TemperatureReadingValue"] == 261.4
    assert [wave["Active"] for wave in pot["SolderingWaves"]] == [False, True]


def test_a_functional_tester_tells_of_each_board() -> None:
    machine = Wired("electrical_test/example-functional")
    machine.start({"units.in": 88_120, "units.out": 88_120, "panel.units": 4})
    machine.show({"units.in": 88_121, "unit.in.id": "P"})
    told = dict(
        zip((f"board.result[{n}]" for n in range(1, 5)), ("Passed", "Failed", "Passed", "Skipped"), strict=True)
    )
    made = machine.show({"units.out": 88_121, "test.result": "Failed", **told})
    assert names(made) == ["UnitsTested", "WorkCompleted", "UnitsDeparted"]
    body = made[0].body
    assert body["TestMethod"] == "FCT"
    assert [unit["OverallResult"] for unit in body["TestedUnits"]] == list(told.values())


def test_a_reader_sends_codes_between_stx_and_etx() -> None:
    loaded = load("barcode_reader/example-stx-etx", [ROOT / "config/profiles"])
    profile = bind(loaded.profile, CLASSES["barcode_reader"].vocabulary, loaded.name)
    assert profile.records is not None
    reader = profile.records.reader(STATION, ZoneInfo("UTC"))
    pieces = Cutter(profile.records.framing, 100).feed(b"\x02SN4500012346\x03\x02ERROR\x03\x02SN4500012347\x03")
    lines = [line for piece in pieces for line in profile.records.each(piece.data)]
    said = [each for line in lines if isinstance(line, str) for each in reader.feed(line)]
    machine = Machine("barcode_reader", told=profile.told)
    for each in said:
        assert isinstance(each, Record)
        machine.say(each)
    assert names(machine.made) == ["IdentifiersRead", "IdentifiersNotRead", "IdentifiersRead"]
    assert [each.body.get("PrimaryIdentifier") for each in machine.made] == ["SN4500012346", None, "SN4500012347"]
