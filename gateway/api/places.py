"""Whose events, stations and samples: the parameters `site` and `gateway`.

A gateway's own API has one of each, nearly always, and answers by the same rules as `lineside serve`, where many gateways
may use one station id: what is asked of the one can be asked of the other.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway.api.problems import Fault, Kind, Problem
from gateway.journal.filter import Choice, Filter


class Places(msgspec.Struct, frozen=True):
    """Which gateways are asked about; all of them where nothing was chosen."""

    site: Choice = Choice()
    gateway: Choice = Choice()

    def __bool__(self) -> bool:
        return bool(self.site or self.gateway)

    def accepts(self, site: str, gateway: str) -> bool:
        return self.site.accepts(site) and self.gateway.accepts(gateway)


ANYWHERE = Places()


class EventFilter(Filter, frozen=True, kw_only=True):
    """`accepts` knows nothing of places: an event does not say whose it is, the log does."""

    places: Places = ANYWHERE

    @property
    def everything(self) -> bool:
        return self == _EVERYTHING


_EVERYTHING = EventFilter()


def ambiguous(what: str, places: Iterable[tuple[str, str]]) -> Problem:
    """Several gateways, each a site and a name, have what was asked for by a name that only one can mean."""
    found = sorted(set(places))
    gateways = sorted({gateway for _, gateway in found})
    name, allowed = ("gateway", gateways) if len(gateways) > 1 else ("site", [site for site, _ in found])
    shown = ", ".join(f"{gateway} in {site}" for site, gateway in found[:10])
    fault = Fault(name, f"must be given: {what} is there {len(found)} times ({shown})", allowed)
    return Problem(Kind.BAD_PARAMETER, f"several gateways have {what}; add {name}=", errors=[fault])
