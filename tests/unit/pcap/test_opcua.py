"""OPC UA of clients that are not Lineside."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary

from gateway.pcap.reader import Unreadable
from gateway.profile.node_frame import Payload, decode
from tests.unit.pcap.told import Heard

STATION = 'profile = "aoi/example-opcua"\nsource = { protocol = "opcua", url = "opc.tcp://10.0.0.2:4840" }'
URI = "http://oi3.example/machine"
STATE = ua.NodeId("Machine.State", 2)
AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


def chunk(request: int, body: bytes, *, final: bytes = b"F") -> bytes:
    whole = (7).to_bytes(4, "little") + (1).to_bytes(4, "little") + b"\0\0\0\0" + request.to_bytes(4, "little") + body
    return b"MSG" + final + (len(whole) + 8).to_bytes(4, "little") + whole


def opening(policy: str) -> bytes:
    name = f"http://opcfoundation.org/UA/SecurityPolicy#{policy}".encode()
    whole = (7).to_bytes(4, "little") + len(name).to_bytes(4, "little") + name + bytes(40)
    return b"OPNF" + (len(whole) + 8).to_bytes(4, "little") + whole


def value(what: Any) -> ua.DataValue:
    return ua.DataValue(ua.Variant(what), SourceTimestamp=AT)


def asked(heard: Heard, request: int, question: Any, answer: Any, *, at: int = 0) -> None:
    heard.client(chunk(request, struct_to_binary(question)))
    heard.server(chunk(request, struct_to_binary(answer)), at=at)


def read(heard: Heard, request: int, node: ua.NodeId, what: Any) -> None:
    question = ua.ReadRequest()
    question.Parameters.NodesToRead = [ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value)]
    asked(heard, request, question, ua.ReadResponse(Results=[value(what)]), at=request)


def subscribed(heard: Heard, *items: tuple[int, ua.NodeId]) -> None:
    question = ua.CreateMonitoredItemsRequest()
    question.Parameters.SubscriptionId = 9
    question.Parameters.ItemsToCreate = [
        ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value),
            RequestedParameters=ua.MonitoringParameters(ClientHandle=handle),
        )
        for handle, node in items
    ]
    asked(heard, 50, question, ua.CreateMonitoredItemsResponse(Results=[ua.MonitoredItemCreateResult() for _ in items]))


def published(number: int, *told: tuple[int, Any]) -> bytes:
    notification = ua.DataChangeNotification(
        MonitoredItems=[ua.MonitoredItemNotification(ClientHandle=handle, Value=value(what)) for handle, what in told]
    )
    answer = ua.PublishResponse()
    answer.Parameters.SubscriptionId = 9
    answer.Parameters.NotificationMessage = ua.NotificationMessage(number, AT, [notification])
    body: bytes = struct_to_binary(answer)
    return body


def payloads(heard: Heard) -> list[Payload]:
    return [decode(each.payload) for each in heard.wires]


def test_a_client_that_reads_again_and_again(tmp_path: Path) -> None:
    heard = Heard(tmp_path, STATION)
    heard.client(opening("None"))
    heard.server(opening("None"))
    read(heard, 1, ua.NodeId(2255), ["http://opcfoundation.org/UA/", "urn:x", URI])
    read(heard, 2, STATE, 2)
    read(heard, 3, STATE, 3)
    read(heard, 4, ua.NodeId("Machine.State", 1), 4)  # another's
    assert [(at, wire.channel.split("/")[0], wire.peer) for at, wire in heard.found] == [
        (2, "L1.m1", "L1.m1"),
        (3, "L1.m1", "L1.m1"),
    ]
    assert [(each.v[0].k, each.v[0].v, each.v[0].o) for each in payloads(heard)] == [
        (f"nsu={URI};s=Machine.State", 2, True),
        (f"nsu={URI};s=Machine.State", 3, False),
    ]


def test_a_subscription_goes_on_over_another_connection(tmp_path: Path) -> None:
    heard = Heard(tmp_path, STATION)
    subscribed(heard, (1, ua.NodeId(2258)), (2, STATE), (3, ua.NodeId("Of.Nobody", 2)))  # namespaces nobody has read
    body = published(1, (1, AT), (2, 2), (3, 0))
    heard.server(chunk(60, body[:50], final=b"C"))
    heard.server(chunk(60, body[50:])[:30], chunk(60, body[50:])[30:], at=5)
    heard.again(joined=True)
    heard.server(b"the end of a message" + chunk(61, published(3, (2, 4))), at=6)
    heard.server(chunk(62, published(2, (2, 3))), at=7)  # behind its time: it was told before
    assert [at for at, _ in heard.found] == [5, 6]
    assert [(each.h is not None, each.v[0].v, each.v[0].o) for each in payloads(heard)] == [
        (True, 2, True),
        (False, 4, False),
    ]
    assert heard.reader.told["notifications that are not in the recording"] == 1


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes256_Sha256_RsaPss"])
def test_what_is_encrypted_or_signed_is_said(tmp_path: Path, policy: str) -> None:
    with pytest.raises(Unreadable, match=f"encrypted or signed .OPC UA, {policy}"):
        Heard(tmp_path, STATION).client(opening(policy))
    with pytest.raises(Unreadable, match=r"encrypted .OPC UA., or not to be read"):
        Heard(tmp_path, STATION, joined=True).client(chunk(1, bytes(range(100, 150))))


def test_what_makes_no_sense_is_counted(tmp_path: Path) -> None:
    heard = Heard(tmp_path, STATION)
    heard.server(chunk(1, published(1, (2, 2))[:40]), chunk(2, published(1, (2, 2))))
    assert not heard.found
    assert heard.reader.told["notifications of subscriptions that were made before the recording"] == 1
    assert (
        sum(count for text, count in heard.reader.told.items() if text.startswith("messages that make no sense")) == 1
    )
