"""Requests that machines ask: the question is committed, answered, the answer committed, and only then sent.

Answered here are the questions about the gateway itself (IPC-2591: AreYouThere, WhoIsThere, GetEndpointInformation). Any
other gets `CFX.NotSupportedResponse` or silence, as its connection declares; the MES answers none yet.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Literal

import msgspec

from gateway.cfx import catalogue, envelope
from gateway.core import times
from gateway.core.errors import DecodeError, InvalidMessage
from gateway.core.event import Event, Origin
from gateway.core.frame import Delivery
from gateway.core.observation import CfxMessage, Kind, Observation
from gateway.ingest.ingest import Ingest

log = logging.getLogger("lineside.requests")

Unanswered = Literal["not-supported", "no-answer"]
Answer = tuple[str, dict[str, Any]]

_SUCCESS = {"Result": "Success", "ResultCode": 0, "Message": None}


class _Envelope(msgspec.Struct):
    MessageBody: msgspec.Raw


_body = msgspec.json.Decoder(_Envelope)


@cache
def _topics() -> dict[str, list[str]]:
    """Every message of the catalogue by its topic, which is its namespace."""
    found: dict[str, list[str]] = {}
    for name in catalogue.messages():
        found.setdefault(name.rpartition(".")[0], []).append(name)
    return found


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Who we are on the CFX network. uris: where we are asked, by connection (`amqp://host:port`)."""

    handle: str
    version: str
    uris: Mapping[str, str]
    unanswered: Mapping[str, Unanswered]


class Requests:
    """Hooked to `Ingest.on_committed`; lives on the event loop. on_sent: told of every answer, by its connection, the channel
    of the question, and its bytes."""

    def __init__(self, ingest: Ingest, endpoint: Endpoint) -> None:
        self._ingest = ingest
        self._endpoint = endpoint
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_sent: Callable[[str, str, bytes], None] | None = None

    def committed(self, connection: str, delivery: Delivery, observations: Sequence[Observation]) -> None:
        """A delivery that can be answered is stored: answer the questions in it."""
        reply = delivery.reply
        if reply is None:
            return
        for question in observations:
            if not isinstance(question, CfxMessage) or question.kind is not Kind.REQUEST:
                continue
            if delivery.handles and question.source not in delivery.handles:
                continue  # in quarantine: it spoke for somebody else
            answer = self._answer(connection, question)
            if answer is not None:
                task = asyncio.create_task(
                    self._send(connection, delivery.frame.channel, question, answer, reply), name="answer"
                )
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _send(
        self, connection: str, channel: str, question: CfxMessage, answer: Answer, reply: Callable[[bytes], None]
    ) -> None:
        name, body = answer
        now = times.now()
        unique_id = str(uuid.uuid4())
        try:
            station = self._ingest.stations.find(connection, question.source, channel)
            data = envelope.write(
                name,
                body,
                source=self._endpoint.handle,
                at=now,
                unique_id=unique_id,
                target=question.source,
                request_id=question.request_id,
            )
        except (InvalidMessage, DecodeError) as error:
            log.warning("%s: no answer to %s of %r: %s", connection, question.name, question.source, error)
            return
        event = Event(
            id=unique_id,
            time=now,
            received=now,
            line=station.line,
            station=station.id,
            message=name,
            origin=Origin.DERIVED,
            body=bytes(_body.decode(data).MessageBody),
            raw=data,
        )
        await self._ingest.store(connection, "gateway", [event])
        reply(data)
        if self.on_sent is not None:
            self.on_sent(connection, channel, data)

    def _answer(self, connection: str, question: CfxMessage) -> Answer | None:
        try:
            body = msgspec.json.decode(question.body)
        except msgspec.DecodeError:
            body = None
        fields = body if isinstance(body, dict) else {}
        match question.name:
            case "CFX.AreYouThereRequest":
                return "CFX.AreYouThereResponse", self._presence(connection, fields)
            case "CFX.WhoIsThereRequest":
                return self._who(connection, fields)
            case "CFX.GetEndpointInformationRequest":
                return "CFX.GetEndpointInformationResponse", self._information(connection, fields)
        if self._endpoint.unanswered.get(connection, "not-supported") == "no-answer":
            return None
        text = f"{question.name} is not answered by this gateway"
        return "CFX.NotSupportedResponse", {"RequestResult": {"Result": "Failed", "ResultCode": 1, "Message": text}}

    def _asked(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Success, unless somebody else was asked for."""
        asked = fields.get("CFXHandle")
        if asked in (None, "", self._endpoint.handle):
            return _SUCCESS
        return {"Result": "Failed", "ResultCode": 1, "Message": f"this is {self._endpoint.handle}, not {asked}"}

    def _where(self, connection: str) -> dict[str, Any]:
        return {
            "CFXHandle": self._endpoint.handle,
            "RequestNetworkUri": self._endpoint.uris.get(connection),
            "RequestTargetAddress": self._endpoint.handle,
        }

    def _presence(self, connection: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {"Result": self._asked(fields), **self._where(connection)}

    def _who(self, connection: str, fields: Mapping[str, Any]) -> Answer | None:
        wanted = fields.get("SupportedTopics")
        entries = wanted if isinstance(wanted, list) else []
        names = [entry.get("TopicName") for entry in entries if isinstance(entry, dict)]
        topics = {name for name in names if isinstance(name, str)}
        known = topics & _topics().keys()
        kind = fields.get("SupportedTopicQueryType")
        if topics and ((kind in ("All", 0) and known != topics) or (kind in ("Any", 1) and not known)):
            return None  # the question goes to everybody; who does not fit stays silent
        return "CFX.WhoIsThereResponse", {"Result": _SUCCESS, **self._where(connection)}

    def _information(self, connection: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        result = self._asked(fields)
        if result is not _SUCCESS:
            return {"Result": result, "EndpointInformation": None}
        topics = [
            {"TopicName": topic, "TopicSupportType": "Consumer", "SupportedMessages": messages}
            for topic, messages in _topics().items()
        ]
        endpoint = {
            **self._where(connection),
            "CFXVersion": "2.1",
            "FriendlyName": "Lineside gateway",
            "Vendor": "Lineside",
            "ModelNumber": "lineside",
            "SoftwareVersion": self._endpoint.version,
            "OperatingSystem": 21,
            "SupportedTopics": topics,
        }
        return {"Result": result, "EndpointInformation": endpoint}
