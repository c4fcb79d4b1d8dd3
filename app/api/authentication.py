"""Who calls: a layer in pure ASGI around the routes, which lets nobody in without a token that holds.

What a token grants is checked where the route is known (`access`). A service without configured authentication answers
connections that were made to an address of this machine alone, however it was started.
"""

from __future__ import annotations

import re
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, Protocol

from app.api.callers import GRANT, SUBJECT
from app.api.cds_clients import Forbidden, NoToken, is_loopback
from app.api.errors import problem_of
from app.api.proxies import route_path
from app.api.scopes import read_grant
from app.clients.tokens import TokenRefused
from app.errors import EligoError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

OPEN_PATHS: Final = frozenset(
    {
        "/health/live",
        "/health/ready",
        "/.well-known/smart-configuration",
        "/fhir/.well-known/smart-configuration",
        "/fhir/metadata",
        "/metrics",  # which asks for a token of its own
    }
)
"""Exactly these need no access token."""
_CDS: Final = "/cds-services"
_TOKEN: Final = re.compile(rb"[A-Za-z0-9._~+/-]+=*")
"""RFC 6750, section 2.1."""


class Claims(Protocol):
    """Checks access tokens."""

    async def claims(self, token: str, now: float) -> dict[str, Any]:
        """The claims of a token that holds."""


class LocalOnly:
    """Without authentication: answers nobody who comes by another address than one of this machine."""

    def __init__(self, app: ASGIApp, remedy: str) -> None:
        self._app = app
        self._remedy = remedy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse by the address that the connection was made to, which no header can change."""
        if scope["type"] == "http" and not _is_local(scope):
            await problem_of(Forbidden(self._remedy))(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _is_local(scope: Scope) -> bool:
    host = (scope.get("server") or ("", None))[0]
    try:
        ip_address(host)
    except ValueError:
        return True  # a socket in the file system, or a call within the process
    return is_loopback(host)


class Authenticate:
    """Asks for a bearer token. With `cds_tokens`, the CDS services are left to the tokens of CDS clients."""

    def __init__(self, app: ASGIApp, authority: Claims, *, cds_tokens: bool) -> None:
        self._app = app
        self._authority = authority
        self._cds_tokens = cds_tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in, or answer why not."""
        if scope["type"] == "http" and not self._is_open(route_path(scope)):
            try:
                grant = read_grant(await self._authority.claims(_bearer(scope), time.time()))
            except EligoError as refusal:
                await problem_of(refusal)(scope, receive, send)
                return
            state = scope.setdefault("state", {})
            state[SUBJECT], state[GRANT] = grant.subject, grant
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        return path in OPEN_PATHS or (self._cds_tokens and (path == _CDS or path.startswith(f"{_CDS}/")))


def _bearer(scope: Scope) -> str:
    """The token of the Authorization header. NoToken, TokenRefused."""
    given = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
    if not given:
        raise NoToken
    kind, _, token = given[0].strip().partition(b" ")
    if kind.lower() != b"bearer":
        raise NoToken
    token = token.strip()
    if len(given) > 1 or not _TOKEN.fullmatch(token):
        raise TokenRefused("the Authorization header does not have one token")
    return str(token, "ascii")
