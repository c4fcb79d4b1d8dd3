"""Bodies within bounds, in pure ASGI: how much is read, how gzip is inflated, and what is told of a bug."""

from __future__ import annotations

import asyncio
import logging
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.api.errors import (
    BodyTooLarge,
    BrokenEncoding,
    InflatesTooMuch,
    SlowBody,
    UnsupportedEncoding,
    problem,
    problem_of,
)
from app.services.jobs import where

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("eligo.api")
_GZIP = 16 + zlib.MAX_WBITS
_EARNEST = 1024 * 1024
"""Below this a body may inflate as it likes: a small one that is all blanks hurts nobody."""
_SLICE = 256 * 1024
"""Bytes inflated at a time: others get their turn in between."""


class NoLeaks:
    """The outermost layer: a bug is a 500 whose record in the log has no word of the request in it.

    An exception's message may quote what it stumbled over, which may be a patient's; so only its kind and the lines of
    code are logged.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is no HTTP; answer for what is."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def noting_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        except Exception as bug:  # noqa: BLE001  the last stop before the server would log it with its message
            _log.error("%s at %s", type(bug).__name__, where(bug))
            if started:
                raise ConnectionAbortedError("the answer broke off") from None
            answer = problem(500, "Internal error", "Eligo made a mistake. Nothing was stored.")
            await answer(scope, receive, send)


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What a body may have: `size` in bytes, inflated; `ratio` of that to what was sent; `time_s` until it is whole."""

    size: int
    ratio: int = 200
    time_s: float = 60.0


class LimitBody:
    """Reads a body within limits, and inflates gzip within the same. Routes see the body inflated."""

    def __init__(self, app: ASGIApp, limits: BodyLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse at once what the headers show to be too much; count the rest while it is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        encoding = headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()
        if encoding not in {"", "identity", "gzip", "x-gzip"}:
            await problem_of(UnsupportedEncoding(encoding))(scope, receive, send)
            return
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self._limits.size:
            await problem_of(BodyTooLarge(self._limits.size))(scope, receive, send)
            return
        body = _Body(receive, self._limits, is_gzip="gzip" in encoding)
        await self._app(scope, body.receive, send)


class _Body:
    """One request's body on its way in."""

    def __init__(self, receive: Receive, limits: BodyLimits, *, is_gzip: bool) -> None:
        self._receive = receive
        self._limits = limits
        self._until = asyncio.get_running_loop().time() + limits.time_s
        self._is_whole = False
        self._sent = self._given = 0
        self._inflater = zlib.decompressobj(_GZIP) if is_gzip else None
        self._ended = False

    async def receive(self) -> Message:
        """The next piece, inflated. BodyTooLarge, InflatesTooMuch, BrokenEncoding, SlowBody."""
        if self._is_whole:  # what comes now is that the caller has gone, whenever that is
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise SlowBody(self._limits.time_s) from None
        if message["type"] != "http.request":
            return message
        self._is_whole = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        self._sent += len(piece)
        if self._sent > self._limits.size:
            raise BodyTooLarge(self._limits.size)
        if self._inflater is None:
            return message
        inflated = await self._inflate(piece)
        if not message.get("more_body", False) and not self._ended:
            self._ended = True
            if self._sent and not self._inflater.eof:
                raise BrokenEncoding("gzip")
        return {**message, "body": inflated}

    async def _inflate(self, piece: bytes) -> bytes:
        parts = []
        pending = bool(piece)
        while pending:
            if self._inflater is None or self._inflater.eof:  # several members in a row are one gzip file
                self._inflater = zlib.decompressobj(_GZIP)
            try:
                part = self._inflater.decompress(piece, _SLICE)
            except zlib.error:
                raise BrokenEncoding("gzip") from None
            piece = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
            self._given += len(part)
            if self._given > self._limits.size:
                raise BodyTooLarge(self._limits.size)
            if self._given > max(_EARNEST, self._sent * self._limits.ratio):
                raise InflatesTooMuch(self._limits.ratio)
            parts.append(part)
            is_full = len(part) == _SLICE
            pending = bool(piece) or (is_full and not self._inflater.eof)
            if is_full:
                await asyncio.sleep(0)
        return b"".join(parts)
