"""Who calls the CDS services: the client's signed token (CDS Hooks 2.0, "Trusting CDS Clients"), or, where that is
switched off, somebody on this machine.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Protocol

from app.api.callers import GRANT
from app.errors import EligoError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractAsyncContextManager

    from fastapi import Request

    from app.api.scopes import Grant

_LEEWAY_S = 120
_MOST_LIFE_S = 24 * 3600


class Unauthenticated(EligoError):
    """No token, or none that counts."""


class NoToken(Unauthenticated):
    """A call that needs a token came without one."""

    def __init__(self) -> None:
        super().__init__("A token is needed here: `Authorization: Bearer <access token>`.")


class Forbidden(EligoError):
    """A caller who is known, or knows who they are, and may not call this."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the token's issuer, "" where none is asked for."""

    issuer: str


class Tokens(Protocol):
    """Checks tokens."""

    async def verify(self, token: str, audiences: Collection[str], now: float) -> dict[str, Any]:
        """The claims of a token for one of these audiences."""


class UsedTokens(Protocol):
    """Remembers tokens until they expire, for all replicas."""

    async def use_token(self, digest: str, until: datetime, now: datetime) -> bool:
        """Note that a token was used; False where it was before."""


class Callers:
    """Admits callers of the CDS services. Without `tokens`, those whom the service's own authentication has let in, and
    where there is none those on this machine.
    """

    def __init__(
        self,
        tokens: Tokens | None,
        open_used: Callable[[], AbstractAsyncContextManager[UsedTokens]],
        public_url: str,
    ) -> None:
        self._tokens = tokens
        self._open_used = open_used
        self._public_url = public_url.rstrip("/")

    def public(self, request: Request) -> str:
        """The address under which callers reach the service, without a slash at its end."""
        return self._public_url or str(request.base_url).rstrip("/")

    async def admit(self, request: Request) -> Caller:
        """Who calls. Unauthenticated, Forbidden, and what the tokens raise."""
        if self._tokens is None:
            grant: Grant | None = getattr(request.state, GRANT, None)
            if grant is not None:
                return Caller(grant.issuer)
            if request.client is None or not is_loopback(request.client.host):
                raise Forbidden(
                    "Without ELIGO_CDS_ISSUERS the CDS services answer this machine only. Set it, or let a gateway "
                    "that authenticates forward from this machine."
                )
            return Caller("")
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise Unauthenticated("Send the CDS client's token: `Authorization: Bearer <JWT>`.")
        now = time.time()
        audience = f"{self.public(request)}{request.url.path.removeprefix(request.scope.get('root_path', ''))}"
        claims = await self._tokens.verify(token.strip(), (audience,), now)
        token_id, issued = claims.get("jti"), claims.get("iat")
        if not isinstance(token_id, str) or not token_id or issued is None:
            raise Unauthenticated("The token was refused: `jti` and `iat` are needed (CDS Hooks 2.0).")
        if float(claims["exp"]) > now + _MOST_LIFE_S:
            raise Unauthenticated("The token was refused: it holds for longer than a day.")
        digest = hashlib.sha256(f"{claims['iss']}\0{token_id}".encode()).hexdigest()
        until = datetime.fromtimestamp(float(claims["exp"]) + _LEEWAY_S, UTC)
        async with self._open_used() as used:
            if not await used.use_token(digest, until, datetime.fromtimestamp(now, UTC)):
                raise Unauthenticated("The token was refused: it was used before (jti).")
        return Caller(str(claims["iss"]))


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
