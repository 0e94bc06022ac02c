"""What variables a server has: everything below its Objects folder, but for what it says about itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from asyncua import ua

from adapters.opcua_frame import change
from adapters.opcua_session import Session, telling
from adapters.opcua_settings import OpcUaConnection
from gateway.core.errors import NotConnected
from gateway.profile.proposal import Variable

_OBJECTS, _SERVER = ua.NodeId(85), ua.NodeId(2253)
_HIERARCHICAL = ua.NodeId(33)
_PROPERTY = ua.NodeId(46)
_POLICIES = {"Basic256Sha256": "basic256sha256", "Aes128_Sha256_RsaOaep": "aes128", "Aes256_Sha256_RsaPss": "aes256"}
_PAGE = 1_000
_UNITS = "EngineeringUnits"


async def browse(settings: OpcUaConnection, *, depth: int, most: int) -> AsyncIterator[Variable]:
    """Level by level, at most so many variables. Raises NotConnected, and ConfigError for files that cannot be used."""
    session = Session(settings)
    try:
        await session.open()
        with telling("browsing"):
            async for variable in _below(session, depth, most):
                yield variable
    finally:
        await session.close()


async def endpoints(settings: OpcUaConnection) -> list[str]:
    """What a server offers, in the words of the settings, with the kinds of users. Raises NotConnected."""
    session = Session(settings)
    with telling(f"cannot connect to {settings.url}"):
        found = await session.endpoints()
    session.drop()
    return [_offered(each) for each in found]


def _offered(endpoint: ua.EndpointDescription) -> str:
    policy = endpoint.SecurityPolicyUri.rpartition("#")[2]
    users = ", ".join(sorted({token.TokenType.name.lower() for token in endpoint.UserIdentityTokens}))
    if policy == "None":
        return f'security_policy = "none": {users}'
    mode = "sign" if endpoint.SecurityMode == ua.MessageSecurityMode.Sign else "sign-and-encrypt"
    known = _POLICIES.get(policy)
    return (
        f'security_policy = "{known}", mode = "{mode}": {users}' if known else f"{policy}, which is not safe any more"
    )


class _Found:
    def __init__(self, node: ua.NodeId, path: tuple[str, ...]) -> None:
        self.node = node
        self.path = path
        self.units: ua.NodeId | None = None


async def _below(session: Session, depth: int, most: int) -> AsyncIterator[Variable]:
    level = [_Found(_OBJECTS, ())]
    seen = {_OBJECTS, _SERVER}
    count = 0
    for _ in range(depth):
        children = await _children(session, [each.node for each in level])
        below: list[_Found] = []
        variables: list[_Found] = []
        for parent, references in zip(level, children, strict=True):
            for reference in references:
                node = _plain(reference.NodeId)
                if reference.ReferenceTypeId != _PROPERTY and node not in seen:
                    seen.add(node)
                    found = _Found(node, (*parent.path, reference.BrowseName.Name))
                    below.append(found)
                    if reference.NodeClass == ua.NodeClass.Variable:
                        variables.append(found)
        properties = await _children(session, [each.node for each in variables])
        for each, references in zip(variables, properties, strict=True):
            for reference in references:
                if reference.BrowseName.Name == _UNITS:
                    each.units = _plain(reference.NodeId)
        async for variable in _read(session, variables[: most - count]):
            count += 1
            yield variable
        if count >= most:
            return
        level = below


def _plain(node: ua.ExpandedNodeId) -> ua.NodeId:
    return ua.NodeId(node.Identifier, node.NamespaceIndex, node.NodeIdType)


async def _read(session: Session, found: Sequence[_Found]) -> AsyncIterator[Variable]:
    values = await session.read([each.node for each in found])
    units = await session.read([each.units for each in found if each.units is not None])
    left = iter(units)
    for each, value in zip(found, values, strict=True):
        unit = None if each.units is None else _unit(next(left))
        seen = change("", value)
        type_ = "nothing" if value.Value is None or not seen.y else ua.VariantType(seen.y).name
        if seen.s:
            type_ = ua.StatusCode(seen.s).name
        elif isinstance(seen.v, list):
            type_ = f"{len(seen.v)} {type_}"
        usable = None if isinstance(seen.v, str) and seen.y in (10, 11) else seen.v
        yield Variable(node=_text(session, each.node), path=each.path, value=usable, type=type_, unit=unit)


def _text(session: Session, node: ua.NodeId) -> str:
    """With the URI of its namespace, for its number may be another after the server's next start."""
    text: str = node.to_string()
    index = node.NamespaceIndex
    if not index or index >= len(session.namespaces):
        return text
    return f"nsu={session.namespaces[index]};{text.partition(';')[2]}"


def _unit(value: ua.DataValue) -> str | None:
    """The UNECE code, which UnitId has as bytes of a number; else the name that the server shows."""
    said = None if value.Value is None else value.Value.Value
    number, shown = getattr(said, "UnitId", None), getattr(said, "DisplayName", None)
    if isinstance(number, int) and number > 0:
        code = number.to_bytes(4, "big").lstrip(b"\0")
        if code.isalnum():
            return code.decode("ascii")
    text = getattr(shown, "Text", None)
    return text if isinstance(text, str) and text else None


async def _children(session: Session, nodes: Sequence[ua.NodeId]) -> list[list[ua.ReferenceDescription]]:
    async def some(part: Sequence[ua.NodeId]) -> Sequence[list[ua.ReferenceDescription]]:
        wanted = [
            ua.BrowseDescription(
                NodeId=node,
                BrowseDirection=ua.BrowseDirection.Forward,
                ReferenceTypeId=_HIERARCHICAL,
                IncludeSubtypes=True,
                NodeClassMask=ua.NodeClass.Object | ua.NodeClass.Variable,
                ResultMask=ua.BrowseResultMask.All,
            )
            for node in part
        ]
        parameters = ua.BrowseParameters(
            View=ua.ViewDescription(), RequestedMaxReferencesPerNode=_PAGE, NodesToBrowse=wanted
        )
        answers = await session.services.browse(parameters)
        return [await _whole(session, answer) for answer in answers]

    return await session.in_parts("browse", nodes, some)


async def _whole(session: Session, answer: ua.BrowseResult) -> list[ua.ReferenceDescription]:
    found = list(answer.References or ())
    point = answer.ContinuationPoint
    while point:
        parameters = ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=[point])
        answers = await session.services.browse_next(parameters)
        if len(answers) != 1:
            raise NotConnected("browsing: the server does not go on where it stopped")
        found += answers[0].References or ()
        point = answers[0].ContinuationPoint
    return found
