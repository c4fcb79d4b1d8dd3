"""GET /metrics, for Prometheus and nobody else: with the token that is set, or from this machine where none is."""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import PlainTextResponse, Response

if TYPE_CHECKING:
    from starlette.requests import Request

    from app.observability.metrics import Meter

_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class Exposition:
    """Tells the metrics to whoever may know them."""

    def __init__(self, meter: Meter, token: str) -> None:
        self._meter = meter
        self._token = token

    async def serve(self, request: Request) -> Response:
        """All metrics, or a refusal."""
        if self._token:
            sent = request.headers.get("authorization", "").encode("latin-1", "replace")
            if not hmac.compare_digest(sent, f"Bearer {self._token}".encode()):
                return PlainTextResponse(
                    "The token of ELIGO_METRICS_TOKEN is needed.\n", 401, {"WWW-Authenticate": 'Bearer realm="metrics"'}
                )
        elif not _is_from_here(request):
            return PlainTextResponse("Set ELIGO_METRICS_TOKEN to read metrics from another machine.\n", 403)
        return Response(self._meter.tell(), headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})


def _is_from_here(request: Request) -> bool:
    """From this machine, and not passed on by a gateway on it."""
    if request.client is None or any(each in request.headers for each in _FORWARDED):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False
