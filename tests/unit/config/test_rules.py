"""What no table can know by itself: unique names, clear routes, ports and client ids of one's own."""

from __future__ import annotations

import pytest

from gateway.config.address import Address
from gateway.config.plan import RoutePlan, resolve
from tests.unit.config.conftest import HEAD, Finds, Loads

BROKER = '[[connection]]\nname = "b"\nprotocol = "cfx-mqtt"\nhost = "h"\ntopics = ["t"]\n'


def _station(source: str, name: str = "p1", more: str = "") -> str:
    return f'[[line]]\nname = "L"\n[[line.station]]\nname = "{name}"\n{more}source = {source}\n'


def test_names_are_unique(finds: Finds) -> None:
    assert finds(
        HEAD
        + BROKER
        + """
[[line]]
name = "L1"
[[line]]
name = "L1" #<
[[line]]
name = "unassigned" #<
[[station]]
name = "L1" #<
source = { connection = "b", handle = "1" }
[[station]]
name = "x"
source = { connection = "b", handle = "2" }
[[station]]
name = "x" #<
source = { connection = "b", handle = "3" }
"""
    ) == [
        "line[L1].name: 'L1' is the name in line 11 already; names are unique",
        "line[unassigned].name: 'unassigned' is reserved for handles that no station claims",
        "station[L1].name: 'L1' is the name in line 11 already; names are unique",
        "station[x].name: 'x' is the name in line 20 already; names are unique",
    ]


def test_the_same_name_on_two_lines_is_two_stations(loads: Loads) -> None:
    text = "".join(
        f'[[line]]\nname = "L{n}"\n[[line.station]]\nname = "p"\nsource = {{ connection = "b", handle = "{n}" }}\n'
        for n in (1, 2)
    )
    assert [line.station[0].name for line in loads(HEAD + BROKER + text).line] == ["p", "p"]


def test_a_connection_may_not_take_the_name_of_one_in_place(finds: Finds) -> None:
    (found,) = finds(
        HEAD
        + BROKER.replace('name = "b"', 'name = "x" #<')
        + '[[station]]\nname = "x"\nsource = { protocol = "cfx-amqp", host = "h" }\n'
    )
    assert found.startswith("connection[x].name: 'x' is the name of the connection written in place")


THREE = """
[[line]]
name = "L"
[[line.station]]
name = "p1"
source = {{ connection = "b"{} }}
[[line.station]]
name = "p2"
source = {{ connection = "b"{} }}
[[station]]
name = "x"
source = {{ connection = "b"{} }}
"""


def test_a_handle_claimed_twice(finds: Finds) -> None:
    text = HEAD + BROKER + THREE.format(', handle = "a"', ', handle = ["c", "a"]', ', handle = "a"')
    text = text.replace('["c", "a"] }', '["c", "a"] } #<').replace('"a" }\n', '"a" } #<\n').replace("#<", "", 1)
    assert finds(text) == [
        "line[L].station[p2].source.handle: 'a' on connection 'b' is claimed by L.p1 and by L.p2; allowed: one station",
        "station[x].source.handle: 'a' on connection 'b' is claimed by L.p1 and by x; allowed: one station",
    ]


def test_topics_of_two_stations_must_not_overlap(finds: Finds) -> None:
    text = (
        HEAD + BROKER + THREE.format(', topic = "a/#" ', ', topic = ["b", "a/+/c"] ', ', handle = "a", topic = "b#" ')
    )
    text = text.replace('"a/+/c"]  }', '"a/+/c"] } #<').replace('"b#"  }', '"b#" } #<')
    assert finds(text) == [
        "line[L].station[p2].source.topic: 'a/+/c' on connection 'b' overlaps 'a/#' of L.p1; allowed: topics of one station",
        "station[x].source.topic: 'b#': '#' may only be the whole last level",
    ]


def test_topics_are_claims_of_their_own(loads: Loads) -> None:
    config = loads(HEAD + BROKER + THREE.format(', topic = "a/#" ', ', topic = "b" ', ', handle = "c" '))
    assert [station.routes[0] for station in resolve(config).stations] == [
        RoutePlan("b", (), ("a/#",)),
        RoutePlan("b", (), ("b",)),
        RoutePlan("b", ("c",), ()),
    ]


def test_a_station_without_handle_beside_others(finds: Finds) -> None:
    text = (HEAD + BROKER + THREE.format("", ', handle = "a"', "")).replace('"b" }', '"b" } #<')
    assert finds(text) == [
        "line[L].station[p1].source: needs a handle: connection 'b' serves L.p1 and L.p2",
        "station[x].source: needs a handle: connection 'b' serves x and L.p1",
    ]


def test_a_station_alone_needs_no_handle_even_with_two_sources(loads: Loads) -> None:
    loads(HEAD + BROKER + _station('[{ connection = "b" }, { connection = "b", handle = "x" }]'))


def test_stations_that_share_a_connection_in_place_need_handles(finds: Finds) -> None:
    source = '{ protocol = "cfx-mqtt", host = "h", topics = ["t"] }'
    text = f'[[station]]\nname = "x"\nsource = {source} #<\n[[station]]\nname = "y"\nsource = {source} #<\n'
    assert finds(HEAD + text) == [
        "station[x].source: needs a handle: connection 'x' serves x and y",
        "station[y].source: needs a handle: connection 'x' serves y and x",
    ]


def test_shared_connections_agree(finds: Finds) -> None:
    source = '{ protocol = "cfx-mqtt", host = "h", topics = ["t"], '
    text = f"""
[[station]]
name = "x"
source = {source} handle = "x", qos = 0 }}
[[station]]
name = "y"
source = {source} handle = "y", qos = 1 }} #<
[[station]]
name = "z"
source = {source} handle = "z" }}
[[station]]
name = "other"
source = {source} handle = "z", port = 1884, qos = 1 }}
"""
    assert finds(HEAD + text) == [
        "station[y].source.qos: differs from what connection 'x' says of the same endpoint, which they share"
    ]


def test_nobody_listens_on_a_port_in_use(finds: Finds) -> None:
    text = """
[http]
listen = "127.0.0.1:8080"
[[connection]]
name = "a"
protocol = "cfx-amqp"
listen = "0.0.0.0:8080" #<
[[connection]]
name = "b"
protocol = "cfx-amqp"
listen = "127.0.0.1:5672"
[[connection]]
name = "c"
protocol = "cfx-amqp"
listen = "127.0.0.2:5672"
[[connection]]
name = "d"
protocol = "cfx-amqp"
listen = "127.0.0.1:0"
[[connection]]
name = "e"
protocol = "cfx-amqp"
listen = "127.0.0.1:0"
[[connection]]
name = "f"
protocol = "cfx-amqp"
listen = "[::]:5672"
[[connection]]
name = "g"
protocol = "cfx-amqp"
listen = "[::1]:5672" #<
[[station]]
name = "x"
source = { protocol = "cfx-amqp", listen = "0.0.0.0:5672" } #<
"""
    assert finds(HEAD + text) == [
        "connection[a].listen: 0.0.0.0:8080 is in use by http.listen, 127.0.0.1:8080",
        "connection[g].listen: [::1]:5672 is in use by connection 'f', [::]:5672",
        "station[x].source.listen: 0.0.0.0:5672 is in use by connection 'b', 127.0.0.1:5672",
    ]


def test_one_client_id_on_one_broker(finds: Finds) -> None:
    text = "".join(
        f'[[connection]]\nname = "{name}"\nprotocol = "cfx-mqtt"\ntopics = ["t"]\nhost = "{host}"\n{more}\n'
        for name, host, more in (
            ("a", "h", 'client_id = "x"'),
            ("b", "h", ""),
            ("c", "h", 'client_id = "y"'),
            ("d", "i", 'client_id = "x"'),
            ("e", "h", 'client_id = "x"\nport = 1884'),
            ("f", "h", 'port = 1883\nclient_id = "x" #<'),
        )
    )
    assert finds(HEAD + text) == ["connection[f].client_id: is that of connection 'a' too, which is on the same broker"]


@pytest.mark.parametrize("more", ["allow_anonymous = true", '[auth]\ntokens = "file:t"'])
@pytest.mark.parametrize("listen", ["0.0.0.0:80", "10.1.1.1:80", "[::]:80", "line1-pc:80"])
def test_who_may_listen_beyond_this_machine(loads: Loads, finds: Finds, listen: str, more: str) -> None:
    text = HEAD + f'[http]\nlisten = "{listen}"'
    assert finds(text + " #<") == [
        "http.listen: other machines reach this address; allowed: with [auth], or allow_anonymous = true"
    ]
    assert str(loads(f"{text}\n{more}").http.listen) == listen


@pytest.mark.parametrize("listen", ["127.0.0.1:80", "127.8.8.8:0", "[::1]:80", "localhost:80", "LOCALHOST:80"])
def test_this_machine_needs_no_tokens(loads: Loads, listen: str) -> None:
    assert loads(HEAD + f'[http]\nlisten = "{listen}"').http.listen.loopback


@pytest.mark.parametrize(
    ("after", "circle"),
    [
        ({"a": ["c"]}, "a from c from b from a"),
        ({"a": [], "b": ["c"]}, "b from c from b"),
        ({"a": [], "c": ["a"], "b": ["a", "d"]}, "b from d from c"),
        ({"a": [], "b": ["a"], "c": ["a", "b"], "d": ["c", "a"]}, ""),
    ],
)
def test_routes(loads: Loads, finds: Finds, after: dict[str, list[str]], circle: str) -> None:
    text = HEAD + BROKER + '[[line]]\nname = "L"\n'
    for name in "abcd":
        text += f'[[line.station]]\nname = "{name}"\nsource = {{ connection = "b", handle = "{name}" }}\n'
        text += f"after = {after[name]}\n" if name in after else ""
    if not circle or circle == "b from d from c":  # c comes from a: no circle
        loads(text)
    else:
        mark = (
            f'name = "{circle[0]}"\nsource = {{ connection = "b", handle = "{circle[0]}" }}\nafter = {after[circle[0]]}'
        )
        assert finds(text.replace(mark, mark + " #<")) == [
            f"line[L].station[{circle[0]}].after: the route goes in a circle: {circle}"
        ]


def test_many_splits_and_joins_are_walked_once(loads: Loads) -> None:
    text = HEAD + BROKER + '[[line]]\nname = "L"\n'
    for number in range(60):
        froms = [f"s{each}" for each in (number - 1, number - 2) if each >= 0]
        text += f'[[line.station]]\nname = "s{number}"\nafter = {froms}\nsource = {{ connection = "b", handle = "{number}" }}\n'
    assert len(loads(text).line[0].station) == 60


def test_a_name_used_twice_makes_no_circle(finds: Finds) -> None:
    text = HEAD + BROKER + '[[line]]\nname = "L"\n'
    for number, name in enumerate(("p1", "p2", "p1 #<")):
        text += f'[[line.station]]\nname = "{name}"\nsource = {{ connection = "b", handle = "{number}" }}\n'
    assert finds(text.replace(' #<"', '" #<')) == [
        "line[L].station[p1].name: 'L.p1' is the name in line 12 already; names are unique"
    ]


@pytest.mark.parametrize(
    ("one", "other", "meets"),
    [
        ("127.0.0.1:1", "127.0.0.1:1", True),
        ("127.0.0.1:1", "127.0.0.1:2", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
        ("127.0.0.1:1", "10.0.0.1:1", False),
        ("0.0.0.0:1", "10.0.0.1:1", True),
        ("0.0.0.0:1", "localhost:1", True),
        ("[::]:1", "localhost:1", True),
        ("[::]:1", "[::1]:1", True),
        ("[::]:1", "127.0.0.1:1", False),
        ("[::]:1", "0.0.0.0:1", False),
        ("pc:1", "localhost:1", False),
    ],
)
def test_addresses_that_meet(one: str, other: str, meets: bool) -> None:
    assert Address.parse(one).meets(Address.parse(other)) is meets
    assert Address.parse(other).meets(Address.parse(one)) is meets
    assert str(Address.parse(one)) == one


@pytest.mark.parametrize(
    "text", ["", "8080", ":8080", "h:", "h:65536", "::1:80", "[::g]:80", "a b:80", "h:80/", "[1.2.3.4]:80"]
)
def test_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Address.parse(text)
