"""Every error below /fhir as an OperationOutcome: a layer around all others, in pure ASGI.

Whatever refuses a request there (a route, a limit on bodies, a check of who calls, the handler of bugs) answers with a
problem, as everywhere else; this layer tells it in FHIR's words. So nothing else can leak out, and no route need know.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson

from app.api.errors import PROBLEM
from app.api.fhir_negotiation import FHIR_JSON
from app.api.proxies import route_path

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ROOT = "/fhir"

ISSUES = {
    "other-version": "not-supported",
    "bad-parameter": "value",
    "body-too-large": "too-long",
    "bad-site-codes": "processing",
    "broken-encoding": "structure",
    "codec-problems": "structure",
    "database-unavailable": "transient",
    "empty-body": "required",
    "no-patient": "required",
    "no-record": "not-found",
    "not-a-bundle": "structure",
    "not-acceptable": "not-supported",
    "not-json": "structure",
    "not-supported": "not-supported",
    "precondition-failed": "conflict",
    "resource-not-found": "not-found",
    "several-patients": "multiple-matches",
    "too-deep": "too-costly",
    "inflates-too-much": "too-long",
    "slow-body": "timeout",
    "too-busy": "throttled",
    "too-many-entries": "too-long",
    "took-too-long": "timeout",
    "trial-not-found": "not-found",
    "unknown-patient": "value",
    "unsupported-charset": "not-supported",
    "unsupported-encoding": "not-supported",
    "unsupported-media-type": "not-supported",
    "unusable-trial": "processing",
    "version-moved": "conflict",
    "worker-lost": "transient",
}
"""The code of FHIR's issue-type for the kinds of problem of which the status says too little."""
_BY_STATUS = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    409: "conflict",
    410: "deleted",
    412: "conflict",
    413: "too-long",
    415: "not-supported",
    422: "processing",
    429: "throttled",
    503: "transient",
    504: "timeout",
}


class Outcomes:
    """Turns problems below /fhir into OperationOutcomes; everything else passes as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold back the start of an answer until its type is known, and the body of a problem until it is whole."""
        path = route_path(scope)
        if scope["type"] != "http" or not (path == ROOT or path.startswith(f"{ROOT}/")):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def telling_send(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    await _tell(start, body, send)

        await self._app(scope, receive, telling_send)


def _is_problem(message: Message) -> bool:
    types = [value for name, value in message.get("headers", ()) if name.lower() == b"content-type"]
    return any(each.startswith(PROBLEM.encode()) for each in types)


async def _tell(start: Message, body: bytes, send: Send) -> None:
    told = orjson.dumps(outcome_of(orjson.loads(body)))
    replaced = {b"content-type", b"content-length"}
    headers = [(name, value) for name, value in start["headers"] if name.lower() not in replaced]
    headers += [(b"content-type", FHIR_JSON.encode()), (b"content-length", str(len(told)).encode())]
    await send({**start, "headers": headers})
    await send({"type": "http.response.body", "body": told})


def outcome_of(problem: dict[str, Any]) -> dict[str, Any]:
    """The OperationOutcome of a problem: one issue a place, or one for the whole."""
    kind = str(problem["type"]).rpartition(":")[2]
    code = issue_code(kind, problem["status"])
    issues = [_issue(code, problem["title"], each["detail"], each) for each in problem["errors"]]
    return {
        "resourceType": "OperationOutcome",
        "issue": issues or [_issue(code, problem["title"], problem["detail"], {})],
    }


def issue_code(kind: str, status: int) -> str:
    """The code for a kind of problem, else for its status."""
    return (
        ISSUES.get(kind)
        or _BY_STATUS.get(status)
        or ("exception" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid")
    )


def _issue(code: str, title: str, detail: str, place: dict[str, str]) -> dict[str, Any]:
    issue: dict[str, Any] = {"severity": "error", "code": code, "details": {"text": title}, "diagnostics": detail}
    where = place.get("parameter") or place.get("pointer")
    if where:
        # A JSON pointer is no FHIRPath; it is told where words are.
        issue["diagnostics"] = f"{detail} (at {where})"
    return issue
