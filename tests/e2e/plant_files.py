"""What the gateway of `plant.py` is given: profiles and stations."""

from __future__ import annotations

PROFILES = {
    "electrical_test/node": """
class = "electrical_test"
protocol = "opcua"
models = ["An oven of node-opcua's, taken for a tester"]
evidence = { level = "example" }

[subscribe.all]
publish = "100ms"
sample = "0s"
queue = 500

[signal.state]
node = "nsu=http://acme.example/oven;s=State"
map = { 0 = "SBY_NoProduct", 1 = "PRD_RegularWork" }
example = "PRD_RegularWork"

[signal."x.pressure"]
node = "nsu=http://acme.example/oven;s=Pressure"
unit = "bar"
example = 2.0

[signal."x.count"]
path = "Objects/nsu=http://acme.example/oven;Oven/nsu=http://acme.example/oven;Count"
example = 1042

[[alarm]]
condition = "TooHot"
code = "E4"
text = "too hot"
severity = "Alarm"

[[record]]
name = "test"
event = "nsu=http://acme.example/oven;s=BoardTested"
fields.unit = { field = "nsu=http://acme.example/oven;BoardId" }
fields.result = { field = "nsu=http://acme.example/oven;Good", map = { true = "Passed", false = "Failed" } }
example = { values = { "nsu=http://acme.example/oven;BoardId" = "0815", "nsu=http://acme.example/oven;Good" = true }, fields = { unit = "0815", result = "Passed" } }

[[record]]
name = "measurement"
parent = "test"
fields.name = { field = "nsu=http://acme.example/oven;Names" }
fields.value = { field = "nsu=http://acme.example/oven;Values" }
example = { values = { "nsu=http://acme.example/oven;Names" = "R1", "nsu=http://acme.example/oven;Values" = 4.7 }, fields = { name = "R1", value = 4.7 } }
""",
    "electrical_test/growing": """
extends = "electrical_test/example-flying-probe"
class = "electrical_test"
protocol = "files"
models = ["Example FP-8 with one log for the day"]
evidence = { level = "example" }

[frame]
kind = "lines"
""",
    "generic/quick": """
extends = "generic/example-registers"
class = "generic"
protocol = "modbus"
models = ["Example machine"]
evidence = { level = "example" }

[poll.all]
every = "100ms"

[signal.state]
debounce = "0s"
""",
}
STATIONS = {
    "loader": ("hermes-vertical", "bytes by bash and socat"),
    "pnp": ("cfx-mqtt", "mosquitto_pub, Mosquitto"),
    "scan": ("tcp-text, listening", "printf, socat"),
    "oven": ("modbus-tcp", "libmodbus, mbpoll"),
    "aoi": ("tcp-text", "tee, socat"),
    "review": ("cfx-amqp, listening", "rhea"),
    "axi": ("files, XML", "cp, mv"),
    "spi": ("files, CSV", "cat >>, then a trigger"),
    "log": ("files, growing text", "cat >>"),
    "probe": ("serial-text", "tee, socat"),
    "tester": ("opcua, sign-and-encrypt", "node-opcua"),
}
"""What each speaks, and by what it is spoken."""
LINE = """
[[line.station]]
name = "loader"
class = "magazine_loader"
source = {{ protocol = "hermes-vertical", host = "127.0.0.1", port = {hermes} }}

[[line.station]]
name = "pnp"
class = "pick_and_place"
source = {{ protocol = "cfx-mqtt", host = "127.0.0.1", port = {mqtt}, topics = ["{topic}"], client_id = "{topic}" }}

[[line.station]]
name = "scan"
profile = "barcode_reader/example-stx-etx"
source = {{ protocol = "tcp-text", listen = "127.0.0.1:{scan}" }}

[[line.station]]
name = "oven"
profile = "generic/quick"
source = {{ protocol = "modbus-tcp", host = "127.0.0.1", port = {modbus}, unit = 1 }}

[[line.station]]
name = "aoi"
profile = "aoi/example-report"
source = {{ protocol = "tcp-text", host = "127.0.0.1", port = {aoi} }}

[[line.station]]
name = "review"
class = "review_station"
source = {{ protocol = "cfx-amqp", listen = "127.0.0.1:{amqp}" }}

[[line.station]]
name = "axi"
profile = "axi/example-xml"
source = {{ protocol = "files", path = "axi", pattern = "*.xml", settle_s = 0.3, every_s = 0.2 }}

[[line.station]]
name = "spi"
profile = "spi/example-columns"
source = {{ protocol = "files", path = "spi", pattern = "*.csv", trigger = "{{}}.ok", every_s = 0.2 }}

[[line.station]]
name = "log"
profile = "electrical_test/growing"
source = {{ protocol = "files", path = "log", pattern = "*.log", every_s = 0.2 }}

[[line.station]]
name = "probe"
profile = "electrical_test/example-flying-probe"
source = {{ protocol = "serial-text", port = "{serial}" }}

[[line.station]]
name = "tester"
profile = "electrical_test/node"
source = {{ protocol = "opcua", url = "{opcua}", security_policy = "basic256sha256", mode = "sign-and-encrypt", pki = "opcua", keepalive_s = 1 }}
"""
