"""Connections that do not wait for ever: uvicorn's protocol with a clock on the head and the body of each request.

The head of a request that does not arrive in time is answered with 408. A body that arrives too slowly is answered so
by `limits`, where it is read; where nobody reads it, because the answer has been given, the connection is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

PATIENCE: Final = "eligo.patience"
"""Under this name the state of the app has the Patience."""
_GRACE_S: Final = 5.0
_ANSWER: Final = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the head of a request, and its body, may take to arrive."""

    head_s: float = 10.0
    body_s: float = 60.0


class PatientProtocol(HttpToolsProtocol):
    """One connection. Of uvicorn's own it overrides what it extends, and nothing else."""

    _clock: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The head of the first request is awaited."""
        super().connection_made(transport)
        self._wait(self._patience.head_s, self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._stop()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A head has begun, the first one or a later one; the first has its clock already."""
        super().on_message_begin()
        if self._clock is None:
            self._wait(self._patience.head_s, self._head_is_late)

    def on_headers_complete(self) -> None:
        """The head is there, and the body is awaited."""
        self._wait(self._patience.body_s + _GRACE_S, self._body_is_late)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of the request is there."""
        self._stop()
        super().on_message_complete()

    @property
    def _patience(self) -> Patience:
        found: Patience = self.app_state.get(PATIENCE, Patience())
        return found

    def _wait(self, seconds: float, late: Any) -> None:
        self._stop()
        self._clock = self.loop.call_later(seconds, late)

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _head_is_late(self) -> None:
        if self.transport.is_closing():
            return
        answering: object = self.cycle  # None until there is a first request
        if answering is None or self.cycle.response_complete:  # no answer is on its way that this would cut in two
            self.transport.write(_ANSWER)
        self.transport.close()

    def _body_is_late(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
