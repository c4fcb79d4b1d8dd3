"""What a call takes: media types, character sets, and the body itself."""

from __future__ import annotations

from email.message import Message
from typing import TYPE_CHECKING

from app.api.errors import BrokenEncoding, EmptyBody, UnsupportedCharset, UnsupportedMediaType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import Request

BUNDLE = ("application/fhir+json", "application/json")
TEXT = ("text/plain",)
JSON = ("application/json",)
FORM = ("application/x-www-form-urlencoded",)
_CHARSETS = {
    "utf-8": "utf-8-sig",
    "utf8": "utf-8-sig",
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
    "windows-1252": "cp1252",
}


async def read_bytes(request: Request, accepted: Sequence[str]) -> tuple[str, bytes]:
    """The media type, which is one of `accepted`, and the body. Nothing is read where the type does not fit."""
    media_type, _ = _content_type(request)
    if media_type not in accepted:
        raise UnsupportedMediaType(media_type, accepted)
    body = await request.body()
    if not body or body.isspace():
        raise EmptyBody
    return media_type, body


async def read_text(request: Request, accepted: Sequence[str]) -> tuple[str, str]:
    """The same, as text: UTF-8 where the type does not say otherwise."""
    _, charset = _content_type(request)
    codec = _CHARSETS.get(charset)
    if codec is None:
        raise UnsupportedCharset(charset)
    media_type, body = await read_bytes(request, accepted)
    try:
        return media_type, body.decode(codec)
    except UnicodeDecodeError:
        raise BrokenEncoding(charset) from None


def _content_type(request: Request) -> tuple[str, str]:
    given = request.headers.get("content-type", "")
    parsed = Message()
    parsed["content-type"] = given
    return given.partition(";")[0].strip().lower(), str(parsed.get_param("charset", "utf-8")).lower()
