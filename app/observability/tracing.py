"""W3C trace context, and spans for an OpenTelemetry collector where one is set (the extra `otel`)."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app import __version__
from app.errors import EligoError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")


class TracingUnavailable(EligoError):
    """Traces are asked for and OpenTelemetry is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "ELIGO_OTEL_ENDPOINT is set, but OpenTelemetry is not installed. Install eligo[otel], or unset it."
        )


@dataclass(frozen=True, slots=True)
class Trace:
    """Where a request stands in a trace. https://www.w3.org/TR/trace-context/"""

    trace_id: str
    span_id: str
    flags: str

    @property
    def parent(self) -> str:
        """As the header `traceparent` has it."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def continued(traceparent: str) -> Trace:
    """A new span in the trace of the caller; a trace of its own where the header is none."""
    found = _PARENT.fullmatch(traceparent.strip())
    span_id = secrets.token_hex(8)
    if found is None or not found[1].strip("0") or not found[2].strip("0"):
        return Trace(secrets.token_hex(16), span_id, "00")
    return Trace(found[1], span_id, found[3])


class Spans:
    """Sends spans to the collector whose base address is given. TracingUnavailable."""

    def __init__(self, endpoint: str) -> None:
        try:
            from opentelemetry import trace  # noqa: PLC0415  an extra, and slow to import
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415
        except ImportError:
            raise TracingUnavailable from None
        self._trace = trace
        self._propagator = TraceContextTextMapPropagator()
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "eligo", "service.version": __version__})
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces"))
        )
        self._tracer = self._provider.get_tracer("eligo", __version__)

    def begin(self, headers: Mapping[str, str]) -> tuple[Trace, Any]:
        """A span for a request, in the caller's trace where the headers name one."""
        kind = self._trace.SpanKind.SERVER
        span = self._tracer.start_span("request", context=self._propagator.extract(dict(headers)), kind=kind)
        told = span.get_span_context()
        flags = f"{int(told.trace_flags):02x}"
        return Trace(f"{told.trace_id:032x}", f"{told.span_id:016x}", flags), self._trace.use_span(
            span, end_on_exit=True, record_exception=False, set_status_on_exception=False
        )

    def name(self, method: str, route: str, status: int) -> None:
        """What the request of this moment was, by the semantic conventions; never its address or its query."""
        span = self._trace.get_current_span()
        span.update_name(f"{method} {route}")
        span.set_attribute("http.request.method", method)
        span.set_attribute("http.route", route)
        span.set_attribute("http.response.status_code", status)

    def add(self, name: str, seconds: float) -> None:
        """A part of the request of this moment that has just ended."""
        if self._trace.get_current_span().is_recording():
            now = time.time_ns()
            self._tracer.start_span(name, start_time=now - int(seconds * 1e9)).end(now)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
