"""Where audit events go: lines of JSON in a file or on standard output, or an endpoint that takes FHIR resources.

A bounded queue and a thread stand between the calls and the sink, so that no sink that is slow, full or down ever holds
up a call: what the queue cannot take, or what cannot be delivered after a few tries, is dropped and counted.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import httpx
import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_log = logging.getLogger("eligo.audit")
_TRIES: Final = 3
_PAUSE_S: Final = 0.5
_TIMEOUT_S: Final = 5.0
_GOODBYE_S: Final = 5.0
_TOLD_EVERY_S: Final = 60.0


class Undelivered(Exception):
    """A sink that cannot take an event now; `kind` says why, without the event."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)


class Sink(Protocol):
    """Takes one event at a time."""

    def deliver(self, event: bytes) -> None:
        """Take it. Undelivered."""

    def close(self) -> None:
        """Give back what it holds."""


class Lines:
    """A line of JSON an event, appended to a file; "" is standard output."""

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("ab", buffering=0) if path else None  # noqa: SIM115  closed by `close`

    def deliver(self, event: bytes) -> None:
        """Write a line in one piece, so that those of several processes do not mix."""
        try:
            if self._file is not None:
                self._file.write(event + b"\n")
            else:
                sys.stdout.write(event.decode() + "\n")
                sys.stdout.flush()
        except OSError as error:
            raise Undelivered(type(error).__name__) from None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class Endpoint:
    """An address that takes AuditEvents by POST, such as a FHIR server's `/AuditEvent`. `token` may be ""."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        headers = {"Content-Type": "application/fhir+json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._client = httpx.Client(headers=headers, timeout=_TIMEOUT_S, trust_env=False, follow_redirects=False)

    def deliver(self, event: bytes) -> None:
        """Post it; anything but a 2xx is not taken."""
        try:
            answer = self._client.post(self._url, content=event)
        except httpx.HTTPError as error:
            raise Undelivered(type(error).__name__) from None
        if not answer.is_success:
            raise Undelivered(str(answer.status_code))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class Trail:
    """The queue and its thread. `dropped` counts what was not delivered. The sink is opened with the first event."""

    def __init__(self, open_sink: Callable[[], Sink], most: int) -> None:
        self.dropped = 0
        self._open_sink = open_sink
        self._queue: queue.Queue[bytes | None] = queue.Queue(most)
        self._thread: threading.Thread | None = None
        self._told = float("-inf")
        self._is_closing = False

    def note(self, event: Mapping[str, Any]) -> None:
        """Take an event on its way; never waits."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="eligo-audit", daemon=True)
            self._thread.start()
        try:
            self._queue.put_nowait(orjson.dumps(event))
        except queue.Full:
            self._drop("the queue is full")

    def close(self) -> None:
        """Deliver what is in the queue, for some seconds."""
        if self._thread is None:
            return
        self._is_closing = True
        try:
            self._queue.put(None, timeout=_GOODBYE_S)
        except queue.Full:
            return
        self._thread.join(_GOODBYE_S)

    def _work(self) -> None:
        sink: Sink | None = None
        while (event := self._queue.get()) is not None:
            try:
                sink = sink or self._open_sink()
            except OSError as error:
                self._drop(type(error).__name__)
                continue
            self._deliver(sink, event)
        if sink is not None:
            sink.close()

    def _deliver(self, sink: Sink, event: bytes) -> None:
        why = ""
        for attempt in range(1 if self._is_closing else _TRIES):
            if attempt:
                time.sleep(_PAUSE_S * attempt)
            try:
                sink.deliver(event)
            except Undelivered as failed:
                why = str(failed)
            else:
                return
        self._drop(why)

    def _drop(self, why: str) -> None:
        self.dropped += 1
        now = time.monotonic()
        if now - self._told >= _TOLD_EVERY_S:
            self._told = now
            _log.error("audit events are lost, %d so far: %s", self.dropped, why)
