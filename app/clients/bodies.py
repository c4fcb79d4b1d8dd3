"""Reads what a server answers, no further than it may be long."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx


async def read_body(answer: httpx.Response, most_bytes: int) -> bytes | None:
    """The body of a streamed answer, inflated; None where it has more than `most_bytes`, without reading on."""
    body = bytearray()
    async for part in answer.aiter_bytes():
        body += part
        if len(body) > most_bytes:
            return None
    return bytes(body)
