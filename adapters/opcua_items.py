"""One subscription of one station at a server: its monitored items, and which of them the server refuses."""

from __future__ import annotations

import time
import uuid
from base64 import b64decode
from collections.abc import Iterable, Sequence

from asyncua import ua

from adapters.opcua_session import NOW, Session
from adapters.opcua_settings import OpcUaConnection
from gateway.profile.bound_nodes import Event, Subscription
from gateway.profile.node_text import NodeName, Step, parse_address, parse_node, parse_path

BEAT = 0
"""Handle of the server's clock, which proves that the subscription delivers."""
_ROOT = ua.NodeId(84)
_HIERARCHICAL = ua.NodeId(33)
_UNKNOWN: int = ua.StatusCodes.BadNodeIdUnknown
_MOST_NOTIFICATIONS = 1_000
_EVENTS_KEPT = 1_000
_BASE = ua.NodeId(2041)
_OF_ALL = frozenset(
    ("EventId", "EventType", "SourceNode", "SourceName", "Time", "ReceiveTime", "LocalTime", "Message", "Severity")
)
"""Fields of BaseEventType (OPC 10000-5, 6.4.2)."""
_AROUND = (ua.NodeId(2787), ua.NodeId(2788), ua.NodeId(3035))
"""RefreshStart, RefreshEnd and EventQueueOverflow: servers are to send them whatever the filter is, and some do not."""


class Watch:
    """nodes, events: by client handle. begun: handles of nodes that have told how it was when we came. refused: status by what the server does not let us see. expected: the sequence
    number that comes next; None until one came. heard, beat: when (monotonic) it last published anything, and the clock;
    beat is None where the server has no clock to subscribe to."""

    def __init__(self, station: str, bound: Subscription) -> None:
        self.station = station
        self.bound = bound
        self.id = 0
        self.keepalive_s = 0.0
        self.nodes: dict[int, str] = {}
        self.events: dict[int, Event] = {}
        self.begun: set[int] = set()
        self.refused: dict[str, int] = {}
        self.expected: int | None = None
        self.heard = 0.0
        self.beat: float | None = None
        self.proven = False
        self._handle = BEAT

    @property
    def channel(self) -> str:
        return f"{self.station}/{self.bound.name}"

    @property
    def dark(self) -> bool:
        """The server lets us see nothing of it."""
        return not self.nodes and not self.events

    async def begin(self, session: Session, settings: OpcUaConnection) -> None:
        publish_s = self.bound.publish_s
        keepalives = max(1, round(settings.keepalive_s / max(publish_s, 0.01)))
        parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=publish_s * 1000,
            RequestedLifetimeCount=max(3 * keepalives, round(settings.session_timeout_s / max(publish_s, 0.01))),
            RequestedMaxKeepAliveCount=keepalives,
            MaxNotificationsPerPublish=_MOST_NOTIFICATIONS,
            PublishingEnabled=True,
            Priority=0,
        )
        result = await session.services.create_subscription(parameters, _ignore)
        self.id = result.SubscriptionId
        self.keepalive_s = result.RevisedMaxKeepAliveCount * result.RevisedPublishingInterval / 1000
        beat = _item(BEAT, NOW, settings.keepalive_s * 1000, 1)
        (answer,) = await self._create(session, [beat])
        self.heard = time.monotonic()
        self.beat = self.heard if answer.StatusCode.is_good() else None
        await self.add(session, self.bound.nodes, self.bound.events)

    async def add(self, session: Session, nodes: Sequence[str], events: Sequence[Event]) -> None:
        """Those that the server refuses are in `refused` afterwards, all others are not."""
        resolved = dict(zip(nodes, await resolve(session, nodes), strict=True))
        requests: list[tuple[int, str | Event, ua.MonitoredItemCreateRequest]] = []
        sample_ms = self.bound.sample_s * 1000
        for text, node in resolved.items():
            if node is None:
                self.refused[text] = _UNKNOWN
            else:
                self._handle += 1
                requests.append((self._handle, text, _item(self._handle, node, sample_ms, self.bound.queue)))
        for event in events:
            request = self._of_event(session, event)
            if request is None:
                self.refused[event.key] = _UNKNOWN
            else:
                requests.append((self._handle, event, request))
        for handle, what, _ in requests:  # before the answer: values may come first
            if isinstance(what, str):
                self.nodes[handle] = what
            else:
                self.events[handle] = what
        answers = await self._create(session, [request for *_, request in requests])
        for (handle, what, _), answer in zip(requests, answers, strict=True):
            name = what if isinstance(what, str) else what.key
            if answer.StatusCode.is_bad():
                self.nodes.pop(handle, None)
                self.events.pop(handle, None)
                self.refused[name] = answer.StatusCode.value
            else:
                self.refused.pop(name, None)

    async def again(self, session: Session) -> list[str]:
        """Tries what was refused. Returns the nodes that are seen now."""
        before = dict(self.refused)
        await self.add(
            session,
            [node for node in self.bound.nodes if node in before],
            [event for event in self.bound.events if event.key in before],
        )
        return [name for name in before if name not in self.refused]

    def _of_event(self, session: Session, event: Event) -> ua.MonitoredItemCreateRequest | None:
        notifier, type_ = node_id(session, parse_node(event.notifier)), node_id(session, parse_node(event.type))
        paths = [_names(session, parse_path(field)) for field in event.fields]
        if notifier is None or type_ is None or None in paths:
            return None
        self._handle += 1
        types = [type_, *(_AROUND if event.conditions else ())]
        filter_ = ua.EventFilter(
            SelectClauses=[
                ua.SimpleAttributeOperand(
                    TypeDefinitionId=_BASE if field in _OF_ALL else type_,
                    BrowsePath=path,
                    AttributeId=ua.AttributeIds.Value,
                )
                for field, path in zip(event.fields, paths, strict=True)
            ],
            WhereClause=ua.ContentFilter(Elements=_any_of(types)),
        )
        return _item(self._handle, notifier, 0.0, _EVENTS_KEPT, ua.AttributeIds.EventNotifier, filter_)

    async def _create(
        self, session: Session, requests: Sequence[ua.MonitoredItemCreateRequest]
    ) -> list[ua.MonitoredItemCreateResult]:
        async def some(part: Sequence[ua.MonitoredItemCreateRequest]) -> Sequence[ua.MonitoredItemCreateResult]:
            parameters = ua.CreateMonitoredItemsParameters(
                SubscriptionId=self.id, TimestampsToReturn=ua.TimestampsToReturn.Both, ItemsToCreate=list(part)
            )
            found: list[ua.MonitoredItemCreateResult] = await session.services.create_monitored_items(parameters)
            return found

        return await session.in_parts("items", requests, some)


def _any_of(types: Sequence[ua.NodeId]) -> list[ua.ContentFilterElement]:
    """A filter for events of these types: `or` takes two, each an element behind it."""
    found = []
    for place, type_ in enumerate(types):
        if place < len(types) - 1:
            either = [ua.ElementOperand(Index=2 * place + 1), ua.ElementOperand(Index=2 * place + 2)]
            found.append(ua.ContentFilterElement(FilterOperator=ua.FilterOperator.Or, FilterOperands=either))
        literal = [ua.LiteralOperand(Value=ua.Variant(type_, ua.VariantType.NodeId))]
        found.append(ua.ContentFilterElement(FilterOperator=ua.FilterOperator.OfType, FilterOperands=literal))
    return found


def _ignore(result: object) -> None:
    """In place of the library's own publishing."""


def _item(
    handle: int,
    node: ua.NodeId,
    sample_ms: float,
    queue: int,
    attribute: ua.AttributeIds = ua.AttributeIds.Value,
    filter_: ua.EventFilter | None = None,
) -> ua.MonitoredItemCreateRequest:
    parameters = ua.MonitoringParameters(
        ClientHandle=handle, SamplingInterval=sample_ms, QueueSize=queue, DiscardOldest=True
    )
    if filter_ is not None:
        parameters.Filter = filter_
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=attribute),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=parameters,
    )


def node_id(session: Session, name: NodeName) -> ua.NodeId | None:
    """None when the server does not have its namespace."""
    index = name.namespace
    if name.uri is not None:
        if name.uri not in session.namespaces:
            return None
        index = session.namespaces.index(name.uri)
    if name.kind == "i":
        return ua.NodeId(int(name.identifier), index)
    if name.kind == "g":
        return ua.NodeId(uuid.UUID(name.identifier), index)
    if name.kind == "b":
        return ua.NodeId(b64decode(name.identifier), index)
    return ua.NodeId(name.identifier, index, ua.NodeIdType.String)


def _names(session: Session, steps: Iterable[Step]) -> list[ua.QualifiedName] | None:
    found = []
    for step in steps:
        if step.uri is not None and step.uri not in session.namespaces:
            return None
        index = step.namespace if step.uri is None else session.namespaces.index(step.uri)
        found.append(ua.QualifiedName(step.name, index))
    return found


async def resolve(session: Session, texts: Sequence[str]) -> list[ua.NodeId | None]:
    """The NodeId of each address of a profile; None for what the server does not have."""
    found: dict[str, ua.NodeId | None] = {}
    paths: dict[str, ua.BrowsePath] = {}
    for text in texts:
        address = parse_address(text)
        if isinstance(address, NodeName):
            found[text] = node_id(session, address)
        elif (names := _names(session, address)) is not None:
            elements = [
                ua.RelativePathElement(
                    ReferenceTypeId=_HIERARCHICAL, IsInverse=False, IncludeSubtypes=True, TargetName=name
                )
                for name in names
            ]
            paths[text] = ua.BrowsePath(StartingNode=_ROOT, RelativePath=ua.RelativePath(Elements=elements))

    async def some(part: Sequence[ua.BrowsePath]) -> Sequence[ua.BrowsePathResult]:
        answers: list[ua.BrowsePathResult] = await session.services.translate_browsepaths_to_nodeids(list(part))
        return answers

    answers = await session.in_parts("paths", list(paths.values()), some)
    for text, answer in zip(paths, answers, strict=True):
        if answer.StatusCode.is_good() and answer.Targets:
            target = answer.Targets[0].TargetId
            found[text] = ua.NodeId(target.Identifier, target.NamespaceIndex, target.NodeIdType)
    return [found.get(text) for text in texts]
