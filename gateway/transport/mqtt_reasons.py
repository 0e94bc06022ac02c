"""Why a broker does not want us, in words that help whoever reads them at the line."""

from __future__ import annotations

import os
import ssl

from paho.mqtt.reasoncodes import ReasonCode

from gateway.transport.mqtt_options import Options


def refusal(code: str, told: str, options: Options) -> str:
    """Of a CONNECT. `code` is the name of the reason code, of MQTT 5 also in 3.1.1."""
    user = "without a user name" if options.user is None else f"user {options.user!r}"
    advice = {
        "Bad user name or password": f"wrong user name or password ({user})",
        "Not authorized": f"not authorised: wrong user name or password, or no right to connect ({user})",
        "Client identifier not valid": f"rejects client id {options.client_id!r}; set another `client_id`",
        "Unsupported protocol version": f"does not speak MQTT {options.version}; set another `version`",
        "Server unavailable": "says that it is not available",
        "Server busy": "says that it is too busy",
        "Banned": f"has banned client id {options.client_id!r}, {user}",
    }
    return _with(advice.get(code, f"refuses the connection: {code}"), told)


def dismissal(code: str, told: str, options: Options) -> str:
    """Of a connection that was open (MQTT 5)."""
    advice = {
        "Session taken over": f"another client has connected with client id {options.client_id!r}; each needs its own",
        "Server shutting down": "is shutting down",
        "Keep alive timeout": f"heard nothing from us for longer than keepalive_s = {options.keepalive_s:g}",
        "Receive maximum exceeded": "says that we have too many unacknowledged messages under way",
        "Packet too large": "says that a message of ours is too large",
    }
    return _with(advice.get(code, f"closed the connection: {code}"), told)


def loss(error: Exception | None, *, welcomed: bool, options: Options) -> str:
    """Of a connection that ended without a word."""
    what = f"connection lost: {_words(error)}" if error is not None else "closed the connection"
    if welcomed:
        return f"{what}; it was stopped, or another client has connected with client id {options.client_id!r}"
    hint = "does it speak MQTT on this port"
    hint += ", or only with TLS?" if options.tls is None else "; does it want a client certificate, or another one?"
    return f"{what} before it answered; {hint}"


def not_granted(topic: str, qos: int, code: ReasonCode) -> str | None:
    """None when the SUBACK code is what was asked for."""
    if code.value < 0x80:
        if code.value >= qos:
            return None
        return f"grants topic {topic!r} only with QoS {code.value}: messages would get lost; set qos = {code.value} to accept that"
    if code.value == 0x87:
        return f"not authorised to subscribe to {topic!r}"
    # 0x80 is the only refusal that 3.1.1 knows.
    return f"refuses a subscription to {topic!r}: {code.getName()}; is the user allowed to read it?"


def unreachable(error: OSError) -> str:
    """Of a TCP connection that could not be made, or a name that is not known."""
    return f"cannot connect: {_words(error)}"


def tls(error: ssl.SSLError) -> str:
    """Of a handshake that failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its TLS certificate is not accepted: {error.verify_message}"
    return f"TLS: {_words(error)}"


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()  # event loops put other words into the exception
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _with(text: str, told: str) -> str:
    return f"{text} ({told})" if told else text
