"""Asks the authorization server about a token (RFC 7662): opaque ones, and those of issuers whose keys are not listed.

An answer is kept for a short while under the token's digest, never beyond the token's end; the token is not kept. While
the authorization server does not answer, a token that is not remembered can be neither taken nor refused.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx
import msgspec

from app.clients.bodies import read_body
from app.clients.outbound import NotAllowed
from app.clients.tokens import MOST_TOKEN, TokenRefused
from app.errors import EligoError

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("eligo.tokens")
_TIMEOUT_S: Final = 3.0
_MOST_BYTES: Final = 64 * 1024
_MOST_KEPT: Final = 10_000
_SIDE_BY_SIDE: Final = 16
_MOST_WAITING: Final = 512
"""Tokens asked about at once: beyond it a wave of made-up tokens would make all others wait."""


class IntrospectionUnavailable(EligoError):
    """The authorization server cannot be asked now, so that a token can be neither taken nor refused."""

    def __init__(self) -> None:
        super().__init__("The authorization server cannot be asked about the token now. Try again.")


@dataclass(frozen=True, slots=True)
class _Answer:
    claims: dict[str, Any] | None
    """None where the token is not active."""
    until: float
    """On the clock of this process."""


class Introspection:
    """What an authorization server says of tokens, asked by one of its clients. `clock` gives monotonic seconds."""

    def __init__(
        self,
        url: str,
        credentials: tuple[str, str],
        client: httpx.AsyncClient,
        clock: Callable[[], float],
        *,
        keep_s: float,
    ) -> None:
        self._url = url
        self._credentials = httpx.BasicAuth(*credentials) if credentials[0] else None
        self._client = client
        self._clock = clock
        self._keep_s = keep_s
        self._kept: OrderedDict[bytes, _Answer] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[_Answer]] = {}
        self._places = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def claims(self, token: str, now: float) -> dict[str, Any]:
        """What is said of an active token; `now` in seconds since 1970. TokenRefused, IntrospectionUnavailable."""
        if len(token) > MOST_TOKEN:
            raise TokenRefused("it is too long")
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        answer = self._kept.get(digest)
        if answer is None or answer.until <= self._clock():
            answer = await self._shared(digest, token, now)
        else:
            self._kept.move_to_end(digest)
        if answer.claims is None:
            raise TokenRefused("it is not active")
        return answer.claims

    async def _shared(self, digest: bytes, token: str, now: float) -> _Answer:
        """One question a token, however many calls bring it; who goes away leaves it to the others."""
        asking = self._asking.get(digest)
        if asking is None:
            if len(self._asking) >= _MOST_WAITING:
                raise IntrospectionUnavailable
            asking = asyncio.create_task(self._ask(token, now))
            self._asking[digest] = asking
            asking.add_done_callback(lambda done: self._note(digest, done))
        return await asyncio.shield(asking)

    def _note(self, digest: bytes, done: asyncio.Task[_Answer]) -> None:
        self._asking.pop(digest, None)
        if done.cancelled() or done.exception() is not None:
            return
        self._kept[digest] = done.result()
        self._kept.move_to_end(digest)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)

    async def _ask(self, token: str, now: float) -> _Answer:
        async with self._places:
            try:
                said = await self._post(token)
            except (httpx.NetworkError, httpx.RemoteProtocolError):  # such as a kept connection that was closed
                said = await self._last_try(token)
        until = self._clock() + self._keep_s
        if said.get("active") is not True:
            return _Answer(None, until)
        expires = said.get("exp")
        if isinstance(expires, (int, float)) and not isinstance(expires, bool):
            until = min(until, self._clock() + expires - now)
        return _Answer(said, until)

    async def _last_try(self, token: str) -> dict[str, Any]:
        try:
            return await self._post(token)
        except httpx.HTTPError as error:
            raise _unavailable(error) from None

    async def _post(self, token: str) -> dict[str, Any]:
        """What is answered. IntrospectionUnavailable; what fails on the way as httpx has it."""
        try:
            async with self._client.stream(
                "POST",
                self._url,
                data={"token": token, "token_type_hint": "access_token"},
                headers={"Accept": "application/json"},
                auth=self._credentials,
                timeout=_TIMEOUT_S,
                follow_redirects=False,
            ) as answer:
                answer.raise_for_status()
                body = await read_body(answer, _MOST_BYTES)
            said = msgspec.json.decode(body or b"")  # what is too long is no JSON either
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            raise
        except (httpx.HTTPError, NotAllowed, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _unavailable(error) from None
        if not isinstance(said, dict):
            _log.warning("the authorization server's answer is no JSON object")
            raise IntrospectionUnavailable
        return said


def _unavailable(error: Exception) -> IntrospectionUnavailable:
    _log.warning("the authorization server cannot be asked: %s", type(error).__name__)
    return IntrospectionUnavailable()
