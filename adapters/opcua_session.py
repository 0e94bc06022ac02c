"""One session at an OPC UA server, and the secure channel below it, which may be made anew for the same session.

asyncua's client is used step by step: what its `connect` starts beside (a supervisor, a watchdog, a publish loop of its
own that waits for one answer at a time and loses what it cannot parse) is the gateway's matter, or the publisher's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import urlsplit

from asyncua import Client, ua
from asyncua.client.ua_session import UaSession
from asyncua.crypto import security_policies, uacrypto
from cryptography.exceptions import InvalidSignature

from adapters import opcua_endpoints
from adapters.opcua_frame import micros
from adapters.opcua_settings import OpcUaConnection
from gateway.core.errors import ConfigError, NotConnected
from gateway.core.times import Micros
from gateway.transport import opcua_pki, opcua_trust

log = logging.getLogger("lineside.opcua")

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_POLICIES: dict[str, type[security_policies.SecurityPolicy]] = {
    "none": security_policies.SecurityPolicyNone,
    "basic256sha256": security_policies.SecurityPolicyBasic256Sha256,
    "aes128": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "aes256": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
_MODES = {"sign": ua.MessageSecurityMode.Sign, "sign-and-encrypt": ua.MessageSecurityMode.SignAndEncrypt}
_CHANNEL_MS = 3_600_000
NOW = ua.NodeId(2258)
"""Server_ServerStatus_CurrentTime."""
_NAMESPACES = ua.NodeId(2255)
_LIMITS = {"items": 11714, "paths": 11712, "read": 11705, "history": 12165, "browse": 11710}
"""Of Server_ServerCapabilities_OperationLimits (OPC 10000-5, 6.3.11): each number of nodes for one request."""
_TOO_MANY = (
    ua.StatusCodes.BadTooManyOperations,
    ua.StatusCodes.BadEncodingLimitsExceeded,
    ua.StatusCodes.BadResponseTooLarge,
    ua.StatusCodes.BadRequestTooLarge,
)


class _Session(UaSession):  # type: ignore[misc]
    """Without the library's publish loop."""

    def ensure_publish_loop(self) -> None:
        return None


@contextmanager
def telling(what: str) -> Iterator[None]:
    """The library's errors as NotConnected."""
    try:
        yield
    except ua.UaStatusCodeError as error:
        raise NotConnected(f"{what}: {status(error.code)}") from error
    except TimeoutError as error:
        raise NotConnected(f"{what}: no answer in time") from error
    except AssertionError as error:  # asyncua's, for an answer that is none
        raise NotConnected(f"{what}: the server refuses the secure channel; does it trust our certificate?") from error
    except (OSError, ua.UaError, InvalidSignature) as error:
        raise NotConnected(f"{what}: {str(error) or type(error).__name__}") from error


def status(code: int) -> str:
    """`BadUserAccessDenied: User does not have permission to perform the requested operation.`"""
    found = ua.StatusCode(code)
    return f"{found.name}: {found.doc}"


class Session:
    """limits: how many nodes one request may have, by kind. namespaces: URIs by index. told: what was said of the server
    already, in sessions before."""

    def __init__(self, settings: OpcUaConnection, told: set[str] | None = None) -> None:
        # It reports what it raises, too, and formats every publish response at INFO.
        logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
        self._settings = settings
        self._told = set() if told is None else told
        client = Client(settings.url, timeout=settings.answer_timeout_s)
        client.name = "Lineside"
        client.description = f"Lineside {settings.name}"
        client.product_uri = "urn:lineside:gateway"
        client.application_uri = "urn:lineside:gateway"
        client.session_timeout = round(settings.session_timeout_s * 1000)
        client.secure_channel_timeout = _CHANNEL_MS
        client.uaclient.session = _Session(client.uaclient)
        self._client = client
        self._offered: list[ua.EndpointDescription] = []
        self.services = client.uaclient.session
        self.limits: dict[str, int] = dict.fromkeys(_LIMITS, settings.most_at_once)
        self.namespaces: list[str] = []

    @property
    def renew_s(self) -> float:
        """After so long the secure channel is to be renewed."""
        life: float = self._client.secure_channel_timeout / 1000
        return life * 0.75

    @property
    def timeout_s(self) -> float:
        """So long the server keeps the session without us."""
        timeout: float = self._client.session_timeout / 1000
        return timeout

    async def open(self) -> None:
        """A secure channel and a new session. Raises NotConnected, and ConfigError for files that cannot be used."""
        with telling(f"cannot connect to {self._settings.url}"):
            try:
                await self._secure()
            except ValueError as error:  # of the library's, for keys that are none
                raise ConfigError([f"{self._settings.name}: a certificate or key cannot be used: {error}"]) from error
            await self._channel()
            await self._create()
            await self._activate()
            await self._know()

    async def reopen(self) -> None:
        """A new secure channel for the session that there is (OPC 10000-4, 6.7). Raises NotConnected, LookupError when
        the server does not know the session any more."""
        with telling(f"cannot connect to {self._settings.url}"):
            await self._channel()
            self.services.rebind_authentication_token()
            try:
                await self._activate()
            except ua.UaStatusCodeError as error:
                raise LookupError(status(error.code)) from error

    async def renew(self) -> None:
        """Another token for the secure channel. What the server sends with the old one, as it may for a quarter of its
        life after that is over (OPC 10000-4, 5.5.2.1), is still read."""
        life_s = self._client.secure_channel_timeout / 1000
        with telling("renewing the secure channel"):
            await self._client.open_secure_channel(renew=True)
            self._client.uaclient.revolve_security_token()
        self._date()
        if self._settings.secured:
            self._client.security_policy.symmetric_cryptography.prev_key_expiration += life_s / 4

    def _date(self) -> None:
        """By our clock: the library compares the time of the server's, which may be wrong by days, with ours."""
        self._client.uaclient.protocol._connection.security_token.CreatedAt = datetime.now(UTC)

    async def close(self) -> None:
        """Ends the session and its subscriptions, so that the server is not left with them."""
        with suppress(TimeoutError, OSError, ua.UaError, RuntimeError):  # uvloop's, for a transport that is closed
            async with asyncio.timeout(self._settings.close_timeout_s):
                await self._client.close_session()
                await self._client.close_secure_channel()
        self.drop()

    def drop(self) -> None:
        """Lets go of the connection; the server keeps the session for its time."""
        protocol = self._client.uaclient.protocol
        with suppress(RuntimeError):
            self._client.disconnect_socket()
            if protocol is not None and protocol.transport is not None:
                protocol.transport.abort()

    async def endpoints(self) -> list[ua.EndpointDescription]:
        """What the server offers, asked without security."""
        found: list[ua.EndpointDescription] = await self._client.connect_and_get_server_endpoints()
        return found

    async def _secure(self) -> None:
        settings, client = self._settings, self._client
        if settings.secured:
            policy, mode = _POLICIES[settings.security_policy], _MODES[settings.mode]
            # In a thread: making a key takes a while.
            own = await asyncio.to_thread(opcua_pki.own, settings.pki, settings.certificate, settings.private_key)
            self._offered = opcua_endpoints.tcp(await self.endpoints())
            endpoint = client.find_endpoint(self._offered, mode, policy.URI)
            shown = opcua_trust.certificates(endpoint.ServerCertificate or b"")
            self._trust(shown, endpoint.Server.ApplicationUri)
            client.application_uri = own.uri
            await client.set_security(
                policy,
                own.certificate,
                own.private_key,
                server_certificate=uacrypto.CertProperties(shown[0], "der"),
                mode=mode,
            )
        if settings.user is not None:
            client.set_user(settings.user)
            client.set_password("" if settings.password is None else settings.password.reveal())
        if settings.user_certificate is not None and settings.user_private_key is not None:
            client.user_certificate = opcua_pki.load(settings.user_certificate)
            client.user_private_key = opcua_pki.private_key(settings.user_private_key, client.user_certificate)

    def _trust(self, shown: Sequence[bytes], uri: str | None) -> None:
        """Of a server that only an authority vouches for, the names must be right, for the authority vouches for others
        too. Of one that a person has named they are often those that it was delivered with. Raises NotConnected."""
        server, pki = f"the server at {self._settings.url}", self._settings.pki
        certificate, itself = opcua_trust.trust(pki, shown, server)
        wrong = opcua_trust.unfit(certificate, urlsplit(self._settings.url).hostname or "", uri)
        if wrong is None:
            return
        if not itself:
            trusted = pki / "trusted" / "certs"
            raise NotConnected(
                f"{server} shows another's certificate: {wrong}; if that is right, put it into {trusted}"
            )
        if wrong not in self._told:
            self._told.add(wrong)
            log.warning("%s: the server's certificate is trusted, though %s", self._settings.name, wrong)

    async def _create(self) -> None:
        try:
            created = await self._client.create_session()
        except (AttributeError, TypeError) as error:  # of the library's, for what a server should have said and did not
            raise NotConnected(f"the server at {self._settings.url} answers with an incomplete session") from error
        if self._settings.secured:
            opcua_endpoints.compare(self._offered, created.ServerEndpoints)

    async def _channel(self) -> None:
        await self._client.connect_socket()
        await self._client.send_hello()
        await self._client.open_secure_channel()
        self._date()

    async def _activate(self) -> None:
        client, settings = self._client, self._settings
        password = None if settings.password is None else settings.password.reveal()
        await client.activate_session(settings.user, password, client.user_certificate)

    async def _know(self) -> None:
        """The server's limits; 0 and no answer mean that there is none."""
        await self.name_spaces()
        limits = await self.read([ua.NodeId(number) for number in _LIMITS.values()])
        for kind, answer in zip(_LIMITS, limits, strict=True):
            most = None if answer.Value is None else answer.Value.Value
            if isinstance(most, int) and most > 0:
                self.limits[kind] = min(most, self.limits[kind])

    async def clock(self) -> Micros | None:
        """The server's; None when it does not tell."""
        (answer,) = await self.read([NOW])
        at = None if answer.Value is None else answer.Value.Value
        return micros(at) if isinstance(at, datetime) else None

    async def name_spaces(self) -> None:
        """Looks again which there are: a server may get some later."""
        (names,) = await self.read([_NAMESPACES])
        self.namespaces = list(names.Value.Value or ()) if names.Value is not None else []

    async def read(
        self, nodes: Sequence[ua.NodeId], attribute: ua.AttributeIds = ua.AttributeIds.Value
    ) -> list[ua.DataValue]:
        """One attribute of each, within the server's limit."""

        async def some(part: Sequence[ua.NodeId]) -> Sequence[ua.DataValue]:
            parameters = ua.ReadParameters()
            parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
            parameters.NodesToRead = [ua.ReadValueId(NodeId=node, AttributeId=attribute) for node in part]
            found: list[ua.DataValue] = await self.services.read(parameters)
            return found

        return await self.in_parts("read", nodes, some)

    async def in_parts(
        self, kind: str, items: Sequence[_Item], ask: Callable[[Sequence[_Item]], Awaitable[Sequence[_Result]]]
    ) -> list[_Result]:
        """The answers to all, asked for as many at once as the server takes: fewer when it says that it was too much."""
        found: list[_Result] = []
        while len(found) < len(items):
            part = items[len(found) : len(found) + self.limits[kind]]
            try:
                answers = await ask(part)
            except ua.UaStatusCodeError as error:
                if error.code not in _TOO_MANY or len(part) == 1:
                    raise
                self.limits[kind] = len(part) // 2
                continue
            if len(answers) != len(part):
                raise NotConnected(f"the server gave {len(answers)} answers to {len(part)} questions")
            found += answers
        return found
