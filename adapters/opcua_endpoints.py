"""What a server offers, and whether it says the same again in the session (OPC 10000-4, 5.6.2.2)."""

from __future__ import annotations

from collections.abc import Iterable

from asyncua import ua

from gateway.core.errors import NotConnected

_Offer = tuple[object, ...]
_BINARY = "http://opcfoundation.org/UA-Profile/Transport/uatcp-uasc-uabinary"


def tcp(endpoints: Iterable[ua.EndpointDescription] | None) -> list[ua.EndpointDescription]:
    """Those that are spoken over opc.tcp. Whose host they name does not matter: a server behind a router, or with several
    network cards, names one that nobody else can find, so that ours is the one in the settings."""
    return [each for each in endpoints or () if (each.EndpointUrl or "").startswith("opc.tcp://")]


def compare(before: Iterable[ua.EndpointDescription], now: Iterable[ua.EndpointDescription] | None) -> None:
    """before: as told to anybody, without security. now: in the answer to CreateSession. Raises NotConnected when these
    differ, for then somebody between us and the server may have left out what is safe.

    Compared is what a server has to repeat, but for the URLs, which depend on whom it takes us for.
    """
    first, second = tcp(before), tcp(now)
    if not second:
        raise NotConnected("the server names no endpoints in the session; it has to repeat them")
    for what, ours, theirs in (
        ("endpoints", {_offer(each) for each in first}, {_offer(each) for each in second}),
        ("ApplicationUri", _uris(first), _uris(second) or _uris(first)),
    ):
        if ours != theirs:
            raise NotConnected(
                f"the server tells of other {what} in the session than before it, as if somebody were in between: "
                f"{_shown(ours - theirs)} before, {_shown(theirs - ours)} now"
            )


def _offer(endpoint: ua.EndpointDescription) -> _Offer:
    tokens = frozenset(
        (token.PolicyId or "", token.TokenType.name, token.SecurityPolicyUri or "", token.IssuedTokenType or "")
        for token in endpoint.UserIdentityTokens or ()
    )
    transport = endpoint.TransportProfileUri or _BINARY
    return endpoint.SecurityMode.name, endpoint.SecurityPolicyUri, endpoint.SecurityLevel, transport, tokens


def _uris(endpoints: Iterable[ua.EndpointDescription]) -> set[_Offer]:
    return {(each.Server.ApplicationUri,) for each in endpoints if each.Server.ApplicationUri}


def _shown(offers: set[_Offer]) -> str:
    return "; ".join(sorted(" ".join(str(part) for part in each[:2]) for each in offers)) or "nothing"
