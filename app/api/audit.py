"""Who asked about which trial, when, and with what result class: a FHIR AuditEvent (R4) for each call.

No patient is in it, no value of a record, no query and nothing that a caller wrote: a trial or resource is named only
where it was found, and the result is one of a few words. https://hl7.org/fhir/R4/auditevent.html
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from app import __version__
from app.api.access import NEEDS, WRITE
from app.api.callers import ANONYMOUS, GRANT
from app.api.fhir_capability import SERVED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from app.api.scopes import Grant

_OVERALL: Final = re.compile(rb'"overall"(?:,"valueCode")?:"(eligible|undetermined|ineligible)"')
_HEAD: Final = 64 * 1024
"""An overall verdict stands in the first bytes of a report."""
_REFUSED: Final = "refused"
_ABOUT_ONE: Final = frozenset({"evaluate", "evaluate_inline", "check_one"})
_EXECUTED: Final = frozenset({"evaluate", "evaluate_all", "evaluate_inline", "check_one", "check_all", "apply_plan"})


class Trail(Protocol):
    """Takes events on their way."""

    def note(self, event: Mapping[str, Any]) -> None:
        """Take one; never waits."""


class Audit:
    """A layer in pure ASGI around authentication, so that it sees who was let in and who was not."""

    def __init__(self, app: ASGIApp, trail: Trail, site: str) -> None:
        self._app = app
        self._trail = trail
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, and note what came of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
        overall = ""

        async def noting_send(message: Message) -> None:
            nonlocal status, overall
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not overall and message["type"] == "http.response.body":
                found = _OVERALL.search(message.get("body", b"")[:_HEAD])
                overall = found[1].decode() if found else ""
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        finally:
            call = getattr(scope.get("endpoint"), "__name__", "")
            if call in NEEDS or (not call and status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}):
                self._trail.note(audit_event(scope, call, status, overall, self._site))


def audit_event(scope: Scope, call: str, status: int, overall: str, site: str) -> dict[str, Any]:
    """The AuditEvent of a call; `call` is the name of its route, "" where it was refused before there was one."""
    source: dict[str, Any] = {"observer": {"display": f"Eligo {__version__}"}}
    if site:
        source["site"] = site
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": str(uuid4()),
        "type": {
            "system": "http://terminology.hl7.org/CodeSystem/audit-event-type",
            "code": "rest",
            "display": "Restful Operation",
        },
        "subtype": [{"system": "urn:eligo:call", "code": call.replace("_", "-") or _REFUSED}],
        "action": _action(call, scope["method"]),
        "recorded": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "outcome": _outcome(status),
        "outcomeDesc": str(status),
        "agent": [_agent(scope)],
        "source": source,
    }
    entity = _entity(scope, call, overall) if status < HTTPStatus.BAD_REQUEST else {}
    if entity:
        event["entity"] = [entity]
    return event


def _action(call: str, method: str) -> str:
    """The code of AuditEvent.action."""
    if call in _EXECUTED or call == "call_service":
        return "E"
    if NEEDS.get(call) == ((WRITE,),):
        return {"PUT": "U", "DELETE": "D"}.get(method, "C")
    return "R"


def _outcome(status: int) -> str:
    """The code of AuditEvent.outcome: success, minor failure, serious failure."""
    if status < HTTPStatus.BAD_REQUEST:
        return "0"
    return "4" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "8"


def _agent(scope: Scope) -> dict[str, Any]:
    grant: Grant | None = scope.get("state", {}).get(GRANT)
    agent: dict[str, Any] = {"requestor": True, "who": {"display": ANONYMOUS}}
    if grant is not None and grant.subject:
        agent["who"] = {"identifier": {"value": grant.subject}}
        if grant.issuer:
            agent["who"]["identifier"]["system"] = grant.issuer
        if grant.client:
            agent["altId"] = grant.client
    host = (scope.get("client") or ("", 0))[0]
    with suppress(ValueError):
        agent["network"] = {"address": str(ip_address(host)), "type": "2"}
    return agent


def _entity(scope: Scope, call: str, overall: str) -> dict[str, Any]:
    """What was found, and the result class."""
    given = scope.get("path_params", {})
    resource_type = given.get("resource_type", "PlanDefinition" if call == "apply_plan" else "ResearchStudy")
    ident = given.get("trial_id") or given.get("ident")
    entity: dict[str, Any] = {}
    if ident and resource_type in SERVED:
        entity["what"] = {"reference": f"{resource_type}/{ident}"}
    if overall and call in _ABOUT_ONE:
        entity["detail"] = [{"type": "overall", "valueString": overall}]
        if not ident:
            entity["name"] = "a trial that came along"
    return entity
