"""One gateway with a station of every protocol, each with a peer that is not ours: what these say is in the API, exactly.

Ours is what the peers are told to say. How they say it is node-opcua's, libmodbus's, Mosquitto's, rhea's and socat's. Of
IPC-HERMES-9852 there is no implementation that could be had here: that peer is the bytes of its messages in the form in
which the initiative's library writes them, sent by a shell.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.plant import Plant
from tests.e2e.plant_files import STATIONS
from tests.e2e.plant_peers import Peers
from tests.e2e.plant_rounds import REPORTS, UNITS, cfx, example, half, identified, say_and_wait, says
from tests.integration.amqp.peers import Rhea, install_rhea
from tests.integration.hermes.peers import ARRIVED
from tests.integration.modbus.libmodbus import compile_server
from tests.integration.opcua.node_peer import NodePeer, node_peer
from tests.servers.mosquitto import Mosquitto

pytestmark = [
    *(pytest.mark.slow, pytest.mark.node, pytest.mark.libmodbus, pytest.mark.mosquitto),
    pytest.mark.xdist_group("plant"),
]

_FORGETFUL = ["loader", "oven", "aoi", "probe", "tester"]
"""They say nothing again, and are not heard while the gateway is away."""
_HELD = Counter(
    {
        ("pnp", "bad-json"): 1,
        ("scan", "bad-text"): 1,
        ("aoi", "bad-text"): 1,
        ("review", "bad-json"): 1,
        ("axi", "bad-xml"): 1,
        ("axi", "forbidden-xml"): 1,
        ("spi", "bad-text"): 1,
        ("log", "no-record"): 1,
    }
)
"""In quarantine of what cannot be understood; of registers and nodes it is a value that is not known."""
_OFFERED = (
    'security_policy = "none"',
    *(
        f'security_policy = "{policy}", mode = "{mode}"'
        for policy in ("basic256sha256", "aes128", "aes256")
        for mode in ("sign", "sign-and-encrypt")
    ),
)
_BOMB = """<?xml version="1.0"?>
<!DOCTYPE InspectionResult [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<InspectionResult><Panel barcode="&c;" result="PASS"/></InspectionResult>"""


@pytest.fixture(scope="module")
def rhea(request: pytest.FixtureRequest) -> Rhea:
    assert request.config.cache is not None
    return install_rhea(Path(request.config.cache.mkdir("rhea")))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodePeer]:
    with node_peer(tmp_path_factory.mktemp("node-opcua")) as made:
        yield made


@pytest.fixture(scope="module")
def libmodbus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_server(tmp_path_factory.mktemp("libmodbus"))


@pytest.fixture
def modbus_port(libmodbus: Path) -> Iterator[int]:
    with subprocess.Popen([libmodbus, "tcp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.stdin.close()


@pytest.fixture
def plant(tmp_path: Path, node: NodePeer, mosquitto: Mosquitto, rhea: Rhea, modbus_port: int) -> Iterator[Plant]:
    """Running, with every link up, and the state that each machine is in told."""
    for name, value in {"State": 0, "Pressure": 2.0, "Count": 7, "Heat": 20.0}.items():
        node.ask("write", name, [value])
    peers = Peers(tmp_path, node, mosquitto, rhea, modbus_port)
    with peers.running():
        made = Plant(peers)
        try:
            made.start()
            made.said["oven", "StationStateChanged"] += 1
            made.said["oven", "RecipeActivated"] += 1
            made.said["tester", "StationStateChanged"] += 1
            made.agrees()
            yield made
        finally:
            made.daemon.close()


def test_what_the_peers_say_is_in_the_api(plant: Plant) -> None:
    protocols = {station: protocol.partition(",")[0] for station, (protocol, _) in STATIONS.items()}
    assert {station: plant.link(station)["protocol"] for station in STATIONS} == protocols
    for number in (1, 2, 3):
        says(plant, number)
        plant.agrees()
    counted = [value for number in (1, 2, 3) for value in range(100 * number, 100 * number + 10)]
    plant.daemon.wait(lambda: plant.samples("tester", "x.count")[-1] == counted[-1])
    assert plant.samples("tester", "x.count") == [7, *counted]
    assert plant.samples("tester", "state") == ["SBY_NoProduct", "PRD_RegularWork"] * 2
    assert plant.samples("oven", "units.out") == [100, 101, 102, 103]
    assert {station: plant.link(station)["state"] for station in STATIONS} == dict.fromkeys(STATIONS, "proven")
    assert plant.quarantined() == Counter()
    assert {station: plant.units(station) for station in UNITS} == identified(1, 2, 3)
    plant.agrees()
    said = (plant.peers.folder / "heard").read_text("utf-8")
    assert "FeatureBoardTracking" in said
    assert "WorkOrderInfo" not in said
    print(f"\n{plant.table()}")


def test_reports_cut_in_half_by_a_kill_are_one_each(plant: Plant) -> None:
    """kill -9 when the first half is stored. What files and the broker keep is said meanwhile; what nobody keeps, after."""
    says(plant, 1)
    plant.agrees()
    for station in REPORTS:
        say_and_wait(plant, station, half(station, 7)[0])
    says(plant, 5, "pnp")
    plant.agrees()
    plant.daemon.kill()
    says(plant, 6, "pnp", "axi", "spi")
    plant.start()
    for station, (_, say) in REPORTS.items():
        say(plant, half(station, 7)[1])
        test = "UnitsInspected" if station == "aoi" else "UnitsTested"
        plant.said.update((station, message) for message in ("WorkStarted", test, "WorkCompleted"))
    plant.agrees()
    says(plant, 2)
    plant.agrees()
    for station in REPORTS:
        assert plant.units(station) == identified(1, 2, 7)[station]
    plant.agrees()
    assert plant.quarantined() == Counter()
    gaps = {station: plant.gaps(station) for station in STATIONS}
    assert [station for station, causes in gaps.items() if causes == ["gateway-down"]] == _FORGETFUL
    assert [station for station, causes in gaps.items() if not causes] == ["pnp", "axi", "spi", "log"]
    print(f"\n{plant.table()}")


def test_bad_input_stops_nobody(plant: Plant) -> None:
    """Each says something that cannot be understood, or is pulled out, and then what it always says."""
    peers = plant.peers
    peers.write("loader", ARRIVED[:-30])
    peers.publish(cfx("work_started", "Nordwerk.PlaceOne.7001", 9)[:-30])
    peers.scan("\\002\\377\\376\\003")
    peers.registers(0, 77)
    peers.write("aoi", b"INSPECTION PNL9 \xe4/C LANE 1 2026-11-20T12:44:01+01:00\n")
    assert peers.send(cfx("work_started", "Nordwerk.Review.1", 9)[:-30]) == ["open", "accepted", "closed"]
    peers.drop("axi/half.xml", example("axi/example-xml", 9)[:-60])
    peers.drop("axi/bomb.xml", _BOMB)
    peers.drop("spi/strange.csv", b"\x81" + example("spi/example-columns", 9).encode())  # nothing in cp1252
    peers.drop("spi/strange.ok", "")
    peers.append("log/today.log", "what is this\n")
    peers.node.ask("bad", "Pressure")
    plant.daemon.wait(lambda: plant.quality("tester", "x.pressure") == "bad")
    plant.daemon.wait(lambda: plant.quality("oven", "state") == "unavailable")
    plant.daemon.wait(lambda: plant.quarantined() == _HELD)

    say_and_wait(plant, "probe", half("probe", 9)[0])
    peers.unplug()
    plant.daemon.wait(lambda: plant.link("probe")["state"] == "down")
    assert [station for station in STATIONS if plant.link(station)["state"] == "down"] == ["probe"]
    peers.plug_in()
    plant.up("probe")

    says(plant, 1)
    peers.node.ask("write", "Pressure", [3.0])
    plant.agrees()
    plant.daemon.wait(lambda: plant.samples("tester", "x.pressure") == [2.0, None, 3.0])
    assert plant.samples("oven", "state") == ["SBY", None, "PRD_RegularWork"]
    assert {station: plant.units(station) for station in UNITS} == identified(1)
    # A broken message of Hermes ends where the next one begins; a report that was open when the plug was pulled has no end.
    assert plant.quarantined() == _HELD + Counter([("loader", "bad-xml"), ("probe", "cut-record")])
    assert plant.gaps("probe") == ["disconnected"]
    plant.agrees()
    print(f"\n{plant.table()}")


def test_browsing_proposes_a_profile_that_is_used(node: NodePeer, tmp_path: Path) -> None:
    """As docs/opcua.md says: what the server offers, its variables with the values of now; a person adds what it is."""
    node.ask("write", "Pressure", [2.0])
    proposed = lineside("browse", node.url)
    offers = [line.partition(":")[0] for line in proposed.splitlines() if line.startswith("# offers")]
    assert sorted(offers) == sorted(f"# offers {offer}" for offer in _OFFERED)
    path = tmp_path / "profile.toml"
    path.write_text(
        proposed.replace("models = []", 'models = ["A"]').replace('source = ""', 'source = "here"'), "utf-8"
    )
    lineside("profile", "test", str(path))
    signals = tomllib.loads(path.read_text("utf-8"))["signal"]
    assert signals["x.oven.pressure"] == {"node": "nsu=http://acme.example/oven;s=Pressure", "example": 2.0}
    assert (signals["x.oven.zones"]["array"], signals["x.oven.zones"]["example"]) == (3, [150.0, 160.0, 170.0])
    assert "x.oven.hidden" not in signals
    assert "# Oven/Hidden: BadNotReadable" in proposed


def lineside(*arguments: str) -> str:
    command = [sys.executable, "-m", "gateway", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
