"""What operators see: logs with request ids, metrics, traces. No patient datum is in any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.observability.exposition import Exposition
from app.observability.metrics import Meter
from app.observability.requests import Observe
from app.observability.tracing import Spans

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["Meter", "Observability"]


class Observability:
    """Metrics and traces of one process. `meter` is told what happens; `install` lets the app's requests be seen.

    `otel_endpoint` is the base address of an OpenTelemetry collector, "" for none: TracingUnavailable where the
    extra is not installed.
    """

    def __init__(self, *, metrics_token: str, otel_endpoint: str) -> None:
        self._spans = Spans(otel_endpoint) if otel_endpoint else None
        self._token = metrics_token
        self.meter = Meter(self._spans)

    def install(self, app: Starlette) -> None:
        """Serve /metrics, and see every request from without: around all layers but the one that rewrites addresses."""
        app.add_route("/metrics", Exposition(self.meter, self._token).serve, include_in_schema=False)
        app.add_middleware(Observe, meter=self.meter, spans=self._spans)

    def close(self) -> None:
        """Send what is still to be sent."""
        self.meter.close()
        if self._spans is not None:
            self._spans.close()
