"""A register of trials that answers as the ClinicalTrials.gov API (version 2) does: one study by its number."""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Self

import httpx

from app import __version__
from app.clients.bodies import read_body
from app.errors import EligoError

if TYPE_CHECKING:
    from types import TracebackType

_log = logging.getLogger("eligo.registry")
NUMBER = re.compile(r"NCT\d{8}", re.IGNORECASE)
"""The numbers that can be asked for."""
_AGAIN = frozenset({429, 502, 503, 504})
_TRIES = 5
_LONGEST_PAUSE_S = 60.0


class NotRegistered(EligoError):
    """The register knows no study by this number."""

    def __init__(self, number: str) -> None:
        super().__init__(f"The register has no study {number}.")
        self.number = number


class RegistryUnavailable(EligoError):
    """The register does not answer, or not with a study; `reason` says how."""

    def __init__(self, number: str, reason: str) -> None:
        super().__init__(
            f"{number} could not be fetched: {reason}. Try again later. ELIGO_REGISTRY_URL names the register."
        )
        self.number = number
        self.reason = reason


class Registry:
    """A register at a base address. An asynchronous context manager: it keeps its connection between studies."""

    def __init__(self, url: str, *, timeout_s: float, max_bytes: int, pause_s: float = 1.0) -> None:
        self._url = url.rstrip("/")
        self._max_bytes = max_bytes
        self._pause_s = pause_s
        self._timeout_s = timeout_s
        self._opened: httpx.AsyncClient | None = None  # most commands ask no register

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._opened is not None:
            await self._opened.aclose()

    @property
    def _client(self) -> httpx.AsyncClient:
        if self._opened is None:
            self._opened = httpx.AsyncClient(
                timeout=self._timeout_s,
                follow_redirects=True,
                headers={"Accept": "application/json", "User-Agent": f"eligo/{__version__}"},
            )
        return self._opened

    async def fetch(self, number: str) -> str:
        """The study as JSON text. NotRegistered, RegistryUnavailable.

        A register that is busy is asked again, after the time it names, else after longer and longer pauses.
        """
        reason = ""
        for attempt in range(1, _TRIES + 1):
            pause = min(self._pause_s * 2 ** (attempt - 1), _LONGEST_PAUSE_S)
            try:
                answer, body = await self._ask(number)
            except httpx.TimeoutException:
                reason = "it did not answer in time"
            except httpx.HTTPError as error:
                reason = f"the connection failed ({type(error).__name__})"
            else:
                if answer.status_code == httpx.codes.NOT_FOUND:
                    raise NotRegistered(number)
                if answer.status_code == httpx.codes.OK:
                    return self._text(number, answer, body)
                reason = f"the register answered {answer.status_code} {answer.reason_phrase}".rstrip()
                if answer.status_code not in _AGAIN:
                    break
                pause = min(_asked_pause(answer, pause), _LONGEST_PAUSE_S)
            if attempt < _TRIES:
                _log.info("%s: %s; asked again in %.1f s", number, reason, pause)
                await asyncio.sleep(pause)
        raise RegistryUnavailable(number, reason)

    async def _ask(self, number: str) -> tuple[httpx.Response, bytes]:
        async with self._client.stream("GET", f"{self._url}/studies/{number.upper()}") as answer:
            body = await read_body(answer, self._max_bytes)
            if body is None:
                raise RegistryUnavailable(number, f"the answer has more than {self._max_bytes} bytes")
            return answer, body

    def _text(self, number: str, answer: httpx.Response, body: bytes) -> str:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not kind.endswith("json"):
            raise RegistryUnavailable(number, f"the answer is {kind or 'of no kind'}, not JSON")
        try:
            return body.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise RegistryUnavailable(number, "the answer is no UTF-8 text") from None


def _asked_pause(answer: httpx.Response, default_s: float) -> float:
    """Seconds that `Retry-After` asks for, as a number or a date; `default_s` without one."""
    given = answer.headers.get("retry-after", "").strip()
    if given.isdigit():
        return float(given)
    try:
        until = parsedate_to_datetime(given)
    except ValueError:
        return default_s
    return max(0.0, ((until if until.tzinfo else until.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds())
