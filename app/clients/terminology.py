"""A FHIR terminology server: which version of SNOMED CT it has, and which codes lie beneath one."""

from __future__ import annotations

from typing import Any

import httpx
import orjson

from app import __version__
from app.clients.bodies import read_body
from app.errors import EligoError

SNOMED = "http://snomed.info/sct"
_PAGE = 1000
_MOST = 50_000
_MAX_BYTES = 20 * 1024 * 1024


class TerminologyUnavailable(EligoError):
    """The terminology server does not answer, or not with what was asked; `reason` says how."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The terminology server cannot be used: {reason}. ELIGO_TERMINOLOGY_URL names it.")
        self.reason = reason


class Terminology:
    """A server at a base address. `timeout_s` is for each call; `close` gives the connections back."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._url = url.rstrip("/")
        headers = {"Accept": "application/fhir+json", "User-Agent": f"eligo/{__version__}"}
        self._client = httpx.AsyncClient(timeout=timeout_s, headers=headers)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def current_version(self) -> str:
        """The URI of the edition and version of SNOMED CT that the server expands. TerminologyUnavailable."""
        bundle = await self._get("/CodeSystem", url=SNOMED, _elements="version,status")
        entries = bundle.get("entry")
        found = (
            [each.get("resource") for each in entries if isinstance(each, dict)] if isinstance(entries, list) else []
        )
        versions = [each.get("version") for each in found if isinstance(each, dict) and each.get("status") != "retired"]
        named = sorted(each for each in versions if isinstance(each, str) and each)
        if not named:
            raise TerminologyUnavailable("it has no SNOMED CT")
        return named[-1]

    async def expand(self, ecl: str, version: str) -> tuple[str, ...]:
        """The active codes that an expression of SNOMED's constraint language means, sorted.

        All of them or none: TerminologyUnavailable where a page fails, or there are more than fifty thousand.
        """
        codes: set[str] = set()
        url = f"{version if version.startswith('http') else SNOMED}?fhir_vs=ecl/{ecl}"
        offset = 0
        while True:
            value_set = await self._get(
                "/ValueSet/$expand", url=url, activeOnly="true", count=str(_PAGE), offset=str(offset)
            )
            expansion = value_set.get("expansion")
            contains = expansion.get("contains", []) if isinstance(expansion, dict) else None
            if value_set.get("resourceType") != "ValueSet" or not isinstance(contains, list):
                raise TerminologyUnavailable("its answer is no expansion")
            before = len(codes)
            for each in contains:
                if isinstance(each, dict) and isinstance(each.get("code"), str) and not each.get("abstract"):
                    codes.add(each["code"])
            total = expansion.get("total") if isinstance(expansion, dict) else None
            offset += len(contains)
            if len(contains) < _PAGE or (isinstance(total, int) and offset >= total):
                if isinstance(total, int) and len(codes) < total:
                    raise TerminologyUnavailable(f"it gave {len(codes)} of {total} codes")
                return tuple(sorted(codes))
            if len(codes) == before or len(codes) > _MOST:
                raise TerminologyUnavailable("its expansion does not end")

    async def _get(self, path: str, **query: str) -> dict[str, Any]:
        try:
            async with self._client.stream("GET", f"{self._url}{path}", params=query) as answer:
                body = await read_body(answer, _MAX_BYTES)
            if body is None:
                raise TerminologyUnavailable(f"an answer has more than {_MAX_BYTES} bytes")
        except httpx.TimeoutException:
            raise TerminologyUnavailable("it did not answer in time") from None
        except httpx.HTTPError as error:
            raise TerminologyUnavailable(f"the connection failed ({type(error).__name__})") from None
        if answer.status_code != httpx.codes.OK:
            raise TerminologyUnavailable(f"it answered {answer.status_code}")
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            content = None
        if not isinstance(content, dict):
            raise TerminologyUnavailable("its answer is not JSON")
        return content
