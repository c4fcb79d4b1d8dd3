"""Who calls: the subject that authentication has found, and what a caller has seen before.

Authentication is a layer around the routes that puts the subject of the token it has checked into `scope["state"]`
under SUBJECT, and what the token grants under GRANT. Where none is configured nobody puts anything there, and everybody
is ANONYMOUS.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

if TYPE_CHECKING:
    from collections.abc import Container

SUBJECT = "subject"
GRANT = "grant"
ANONYMOUS = "anonymous"
_TAG = re.compile(r'(W/)?"([^"]*)"')


def _caller(request: Request) -> str:
    subject = getattr(request.state, SUBJECT, "")
    return subject if isinstance(subject, str) and subject else ANONYMOUS


Caller = Annotated[str, Depends(_caller)]


def etag(version: int) -> str:
    """The entity tag of a version: versions never change."""
    return f'"{version}"'


def if_match(request: Request) -> Container[int] | None:
    """The versions that If-Match names; None where any will do. Tags that are no versions match none."""
    given = ",".join(request.headers.getlist("if-match"))
    if not given.strip() or given.strip() == "*":
        return None
    return [int(tag) for weak, tag in _TAG.findall(given) if not weak and tag.isdecimal()]


def is_known(request: Request, version: int) -> bool:
    """Whether If-None-Match names the version: the caller has it."""
    given = ",".join(request.headers.getlist("if-none-match"))
    return given.strip() == "*" or any(tag == str(version) for _, tag in _TAG.findall(given))
