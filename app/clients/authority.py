"""Access tokens of callers: signed ones are verified here, others are asked about where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.clients.tokens import TokenRefused, check_claims

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.clients.introspection import Introspection
    from app.clients.tokens import Verifier


class Authority:
    """Whom the service believes about tokens: issuers by their keys, an authorization server by what it answers.

    A signed token of a listed issuer is judged by its signature alone; what fails there is not asked about elsewhere.
    """

    def __init__(
        self, verifier: Verifier | None, introspection: Introspection | None, audiences: Collection[str]
    ) -> None:
        self._verifier = verifier
        self._introspection = introspection
        self._audiences = frozenset(audiences)

    async def claims(self, token: str, now: float) -> dict[str, Any]:
        """The claims of an access token that holds; `now` in seconds since 1970.

        TokenRefused, and where nobody can tell now KeysUnavailable, IntrospectionUnavailable.
        """
        if self._verifier is not None and (self._introspection is None or self._verifier.knows(token)):
            try:
                return await self._verifier.verify(token, self._audiences, now)
            except TokenRefused as refused:
                raise TokenRefused(refused.reason) from None  # to a stranger an unknown issuer is a bad token like any
        if self._introspection is None:
            raise TokenRefused("there is nobody to ask about it")
        said = await self._introspection.claims(token, now)
        # Whoever answers vouches for the audience where it names none (RFC 7662 leaves it open); `exp` SMART demands.
        check_claims(said, self._audiences if "aud" in said else None, now)
        return said
