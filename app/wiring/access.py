"""Authentication as the settings have it: whom the service believes about tokens, and the layer that asks for them."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from app.api.audit import Audit
from app.api.authentication import Authenticate, LocalOnly
from app.api.smart import Smart
from app.clients.authority import Authority
from app.clients.introspection import Introspection
from app.clients.outbound import Allowlist, GuardedTransport, read_base
from app.clients.tokens import KeySets, Verifier
from app.wiring.audit import trail_of

if TYPE_CHECKING:
    from fastapi import FastAPI

    from app.clients.audit import Trail
    from app.settings import Settings

_log = logging.getLogger("eligo")


@dataclass(slots=True)
class Access:
    """Who is let in. `close` gives the connections back."""

    settings: Settings
    clients: list[httpx.AsyncClient] = field(default_factory=list)
    trail: Trail | None = None

    def guard(self, app: FastAPI) -> None:
        """Put the layer around the routes, and the audit trail around it; what is added later goes around both."""
        given = self.settings
        app.state.smart = self._smart()
        app.state.cors = bool(given.cors_origins)
        if not given.asks_for_tokens:
            if given.auth == "none":
                _log.warning("ELIGO_AUTH=none: nobody is asked for a token; only this machine is answered.")
            app.add_middleware(LocalOnly, remedy=given.why_local)
        else:
            app.add_middleware(Authenticate, authority=self._authority(), cds_tokens=bool(given.cds_issuers))
        self.trail = trail_of(given)
        if self.trail is not None:
            app.add_middleware(Audit, trail=self.trail, site=given.public_url)

    async def close(self) -> None:
        """Close the connections."""
        for each in self.clients:
            await each.aclose()
        if self.trail is not None:
            await asyncio.to_thread(self.trail.close)

    def _smart(self) -> Smart:
        given = self.settings
        if not given.asks_for_tokens:
            return Smart()
        return Smart(
            is_on=True,
            token_url=given.auth_token_url,
            authorize_url=given.auth_authorize_url,
            issuer=next(iter(given.auth_issuers)) if len(given.auth_issuers) == 1 else "",
        )

    def _authority(self) -> Authority:
        given = self.settings
        verifier = introspection = None
        if given.auth_issuers:
            keys = KeySets(self._client(*given.auth_issuers.values()), time.monotonic)
            verifier = Verifier(given.auth_issuers, keys)
        if given.auth_introspection_url:
            introspection = Introspection(
                given.auth_introspection_url,
                (given.auth_introspection_client, given.auth_introspection_secret.get_secret_value()),
                self._client(given.auth_introspection_url),
                time.monotonic,
                keep_s=given.auth_introspection_keep_s,
            )
        return Authority(verifier, introspection, given.audiences)

    def _client(self, *addresses: str) -> httpx.AsyncClient:
        # The operator has named these addresses, and no caller can change them: they may be of a private network.
        allowed = Allowlist(map(read_base, addresses), private=True)
        client = httpx.AsyncClient(transport=GuardedTransport(allowed), trust_env=False)
        self.clients.append(client)
        return client
