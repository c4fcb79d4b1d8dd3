"""Reads from the FHIR server of an EHR what a call to a CDS service did not bring along.

Queries run side by side within one time budget. Pages are followed, under the same base only. 429 and 503 are tried
again, as Retry-After says or with growing pauses (RFC 9110, section 10.2.3). The token goes to that server and nowhere
else, and into no log.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

import httpx
import msgspec

from app.clients.bodies import read_body
from app.clients.outbound import NotAllowed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.clients.outbound import Allowlist

_log = logging.getLogger("eligo.fhir-server")
_AGAIN: Final = frozenset({429, 502, 503, 504})
_FIRST_PAUSE_S: Final = 0.05
_MOST_PAGES: Final = 50
_SIDE_BY_SIDE: Final = 8
_FHIR_JSON: Final = "application/fhir+json"


class _Link(msgspec.Struct):
    relation: str | None = None
    url: str | None = None


class _Head(msgspec.Struct, rename="camel"):
    resource_type: str | None = None
    link: list[_Link] | None = None


_HEAD = msgspec.json.Decoder(_Head)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The resources that answered a query, as bytes: the pages of a search, or the one of a read.

    `is_whole` is false where pages or all of it are lacking; `reason` then says why, without any patient datum.
    """

    pages: tuple[bytes, ...]
    is_whole: bool
    reason: str = ""


class FhirServers:
    """FHIR servers that the operator lists. One a process: its connections are pooled."""

    def __init__(self, allowlist: Allowlist, client: httpx.AsyncClient, *, most_bytes: int) -> None:
        self._allowlist = allowlist
        self._client = client
        self._most_bytes = most_bytes

    def check(self, base: str) -> None:
        """NotAllowed where a server is not to be called."""
        self._allowlist.check(base)

    async def fetch(self, base: str, token: str, queries: Mapping[str, str], budget_s: float) -> dict[str, Fetched]:
        """The answers to all queries, each a path with its search under `base`; what is not there in time is not whole.

        `token` may be "" for a server that asks for none. NotAllowed.
        """
        self.check(base)
        if not queries:
            return {}
        places = asyncio.Semaphore(_SIDE_BY_SIDE)
        found: dict[str, list[bytes]] = {name: [] for name in queries}
        state: dict[str, str] = dict.fromkeys(queries, "not answered in time")

        async def one(name: str, query: str) -> None:
            async with places:
                state[name] = await self._follow(base, token, query, found[name])

        tasks = [asyncio.create_task(one(*each)) for each in queries.items()]
        done, late = await asyncio.wait(tasks, timeout=budget_s)
        for each in late:
            each.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for each in done:
            if (error := each.exception()) is not None:
                raise error
        return {name: Fetched(tuple(found[name]), not state[name], state[name]) for name in queries}

    async def _follow(self, base: str, token: str, query: str, pages: list[bytes]) -> str:
        """Put the pages of one answer into `pages`; what hindered, or "" where all are there."""
        root = f"{base.rstrip('/')}/"
        url: str | None = urljoin(root, query)
        seen: set[str] = set()
        while url is not None:
            if url in seen or len(seen) == _MOST_PAGES:
                return "its pages do not end"
            seen.add(url)
            try:
                self._allowlist.check(url)
                if not url.startswith(root):
                    return "its next page lies elsewhere"
                body = await self._get_again(url, token)
            except NotAllowed:
                return "its next page lies elsewhere" if pages else "its address is not allowed"
            except httpx.HTTPError as error:
                return f"the server cannot be reached ({type(error).__name__})"
            if isinstance(body, str):
                return body
            try:
                head = _HEAD.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError):
                return "the answer is no FHIR JSON"
            if head.resource_type in {None, "OperationOutcome"}:
                return "the server answered with an error"
            pages.append(body)
            following = [each.url for each in head.link or () if each.relation == "next" and each.url]
            url = urljoin(root, following[0]) if following and head.resource_type == "Bundle" else None
        return ""

    async def _get_again(self, url: str, token: str) -> bytes | str:
        """The same, once more where a connection breaks: the server may just have closed one that was kept."""
        try:
            return await self._get(url, token)
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            return await self._get(url, token)

    async def _get(self, url: str, token: str) -> bytes | str:
        """The body of a 200, or what is to be told of anything else."""
        headers = {"Accept": _FHIR_JSON}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        pause = _FIRST_PAUSE_S
        while True:
            async with self._client.stream("GET", url, headers=headers, follow_redirects=False) as answer:
                if answer.status_code == httpx.codes.OK:
                    body = await read_body(answer, self._most_bytes)
                    return "the answer is too large" if body is None else body
                if answer.status_code not in _AGAIN:
                    _log.info("a FHIR server answered %d", answer.status_code)
                    return f"the server answered {answer.status_code}"
                wait = _retry_after(answer)
            # The budget of the whole call ends this loop.
            await asyncio.sleep(wait if wait is not None else pause * random.uniform(0.5, 1.5))  # noqa: S311
            pause *= 2


def _retry_after(answer: httpx.Response) -> float | None:
    text: Any = answer.headers.get("retry-after", "")
    return float(text) if text.isdigit() else None
