"""The metrics, by Prometheus' names. Labels have few values, none of which comes from a request or a record."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from app import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.observability.tracing import Spans

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
"""Names a folder in which several server processes keep their figures, so that any of them can tell those of all."""
_QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


@contextmanager
def shared_figures(processes: int) -> Iterator[None]:
    """Let several server processes that are started within keep their figures in one folder; one needs none."""
    if processes == 1 or MULTIPROCESS in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="eligo-metrics-") as folder:
        os.environ[MULTIPROCESS] = folder
        try:
            yield
        finally:
            del os.environ[MULTIPROCESS]


class Meter:
    """Counts what happens in one process. Fits what services and store call a `Watch`."""

    def __init__(self, spans: Spans | None = None) -> None:
        self._spans = spans
        self._registry = found = CollectorRegistry()
        if MULTIPROCESS not in os.environ:
            ProcessCollector(registry=found)
            PlatformCollector(registry=found)

        def counter(name: str, says: str, *labels: str) -> Counter:
            return Counter(f"eligo_{name}", says, labels, registry=found)

        def histogram(name: str, says: str, *labels: str) -> Histogram:
            return Histogram(f"eligo_{name}", says, labels, registry=found, buckets=_QUICK)

        def gauge(name: str, says: str, *labels: str) -> Gauge:
            return Gauge(f"eligo_{name}", says, labels, registry=found, multiprocess_mode="livesum")

        self._requests = counter("http_requests", "Requests answered.", "method", "route", "status")
        self._latency = histogram("http_request_duration_seconds", "From a request to its answer.", "method", "route")
        self._running = gauge("http_requests_in_progress", "Requests being answered.")
        self._verdicts = counter("verdicts", "Verdicts in reports.", "kind", "status")
        self._unknowns = counter("unknown_reasons", "What unknown verdicts in reports lack, by resource type.", "type")
        self._trials = counter("trials_judged", "Trials judged for a patient, by what they come to.", "overall")
        self._queue = gauge("jobs_waiting", "Jobs with a worker process or in line for one.")
        self._waited = histogram("job_wait_seconds", "How long a job stood in line.")
        self._jobs = histogram("job_duration_seconds", "How long a worker process took.", "job")
        self._restarts = counter("worker_restarts", "Worker processes that were replaced, and why.", "reason")
        self._cache = counter("trial_cache_requests", "Documents of trials asked of the cache.", "result")
        self._memory = counter("judged_from_memory", "Lookups answered from memory: the database could not be used.")
        self._transactions = histogram("database_transaction_seconds", "From asking for a connection to the commit.")
        self._failures = counter(
            "database_failures", "Transactions that failed because the database could not be used."
        )
        self._up = gauge("database_up", "Whether the last transaction could use the database: 1 for each process.")
        self._pool = gauge("database_pool_connections", "Connections to PostgreSQL.", "state")
        self._build = gauge("build_info", "The release, as a label.", "version")
        self._start()

    def _start(self) -> None:
        """Let all series that are known beforehand begin at zero, so that rates of rare events are right."""
        self._build.labels(__version__).set(1)
        for kind in ("inclusion", "exclusion"):
            for status in ("pass", "fail", "unknown", "review", "note"):
                self._verdicts.labels(kind, status)
        for overall in ("eligible", "ineligible", "undetermined"):
            self._trials.labels(overall)
        for reason in ("lost", "time-limit"):
            self._restarts.labels(reason)
        for result in ("hit", "miss"):
            self._cache.labels(result)
        for state in ("used", "idle"):
            self._pool.labels(state).set(0)

    # --- requests

    def begin(self) -> None:
        """A request came."""
        self._running.inc()

    def end(self, method: str, route: str, status: int, seconds: float) -> None:
        """It was answered; `route` is the template of its path."""
        method = method if method in _METHODS else "other"
        self._running.dec()
        self._requests.labels(method, route, str(status)).inc()
        self._latency.labels(method, route).observe(seconds)

    # --- judging

    def job(self, name: str, waited_s: float, took_s: float) -> None:
        """A worker process has done a job."""
        self._waited.observe(waited_s)
        self._jobs.labels(name).observe(took_s)
        if self._spans is not None:
            self._spans.add(f"job {name}", took_s)

    def waiting(self, count: int) -> None:
        """So many jobs are with worker processes or in line for them."""
        self._queue.set(count)

    def restarted(self, reason: str) -> None:
        """A worker process is replaced."""
        self._restarts.labels(reason).inc()

    def judged(self, tally: Mapping[tuple[str, ...], int]) -> None:
        """What reports came to."""
        counters = {"verdict": self._verdicts, "unknown": self._unknowns, "trial": self._trials}
        for (what, *labels), count in tally.items():
            counters[what].labels(*labels).inc(count)

    # --- trials and the database

    def documents(self, hits: int, misses: int) -> None:
        """Documents asked of the cache."""
        self._cache.labels("hit").inc(hits)
        self._cache.labels("miss").inc(misses)

    def from_memory(self) -> None:
        """The database could not be used, and what is remembered of it was."""
        self._memory.inc()

    def transaction(self, seconds: float, *, failed: bool) -> None:
        """A transaction ended."""
        self._transactions.observe(seconds)
        self._up.set(not failed)
        if failed:
            self._failures.inc()
        if self._spans is not None:
            self._spans.add("database transaction", seconds)

    def pool(self, used: int, idle: int) -> None:
        """Connections of the pool."""
        self._pool.labels("used").set(used)
        self._pool.labels("idle").set(idle)

    # --- telling

    def tell(self) -> bytes:
        """Everything in Prometheus' text format: of all server processes, where there are several."""
        registry = self._registry
        if MULTIPROCESS in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def close(self) -> None:
        """Take this process out of what is told of those that live."""
        if MULTIPROCESS in os.environ:
            mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]
