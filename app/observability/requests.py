"""Sees every request from without, in pure ASGI: its id and trace, how long it took, and a line in the log.

Neither path nor query nor any header is logged: they may name a patient. The template of the route says which call.
"""

from __future__ import annotations

import logging
import re
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from app.observability.logs import CURRENT, Current
from app.observability.tracing import continued

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from app.observability.metrics import Meter
    from app.observability.tracing import Spans

_log = logging.getLogger("eligo.access")
_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
"""Ids that are taken over from a gateway: a UUID, or 32 hexadecimal digits. Anything else may be a patient's."""
_QUIET = frozenset({"/health/live", "/health/ready", "/metrics"})


class Observe:
    """The outermost layer. `X-Request-ID` and `traceparent` are in every answer."""

    def __init__(self, app: ASGIApp, meter: Meter, spans: Spans | None) -> None:
        self._app = app
        self._meter = meter
        self._spans = spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on; HTTP is measured."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        given = headers.get("x-request-id", "")
        request_id = given if _ID.fullmatch(given) else str(uuid4())
        active: Any = nullcontext()
        if self._spans is not None:
            context = {key: headers[key] for key in ("traceparent", "tracestate") if key in headers}
            trace, active = self._spans.begin(context)
        else:
            trace = continued(headers.get("traceparent", ""))
        added = [(b"x-request-id", request_id.encode()), (b"traceparent", trace.parent.encode())]
        status = 500

        async def telling_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *added]}
            await send(message)

        token = CURRENT.set(Current(request_id, trace.trace_id, trace.span_id))
        began = time.perf_counter()
        self._meter.begin()
        try:
            with active:
                try:
                    await self._app(scope, receive, telling_send)
                finally:
                    self._end(scope, status, time.perf_counter() - began)
        finally:
            CURRENT.reset(token)

    def _end(self, scope: Scope, status: int, seconds: float) -> None:
        method, route = scope["method"], route_of(scope)
        self._meter.end(method, route, status, seconds)
        if self._spans is not None:
            self._spans.name(method, route, status)
        _log.log(
            logging.DEBUG if route in _QUIET else logging.INFO,
            "%s %s %d in %.0f ms",
            method,
            route,
            status,
            seconds * 1000,
            extra={"fields": {"method": method, "route": route, "status": status, "seconds": round(seconds, 6)}},
        )


def route_of(scope: Scope) -> str:
    """The template of the route that took the request; "unmatched" where none did."""
    path = getattr(scope.get("route"), "path", None)
    if isinstance(path, str):
        return path
    # A plain route of Starlette leaves no template; without parameters its path is one.
    is_plain = scope.get("endpoint") is not None and not scope.get("path_params")
    return str(scope["path"]) if is_plain else "unmatched"
