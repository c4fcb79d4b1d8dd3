"""Signed tokens of callers (JWT, RFC 7519): who issued them, with which key, for whom, until when.

Only issuers on an allowlist count, each with the one address of its keys (JWKS, RFC 7517); no address that stands in a
token is ever called. Asymmetric algorithms only. Keys are kept, fetched anew when a token names one that is not known
(at most every few seconds), and go on serving for a day while their address does not answer.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import httpx
import msgspec
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from app.clients.bodies import read_body
from app.errors import EligoError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_log = logging.getLogger("eligo.tokens")
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "ES256", "ES384", "ES512")
LEEWAY_S: Final = 60
_NO_MOMENT: Final = 10**12  # seconds; some 30,000 years from now
"""How far the clocks of issuer and service may be apart."""
_FRESH_S: Final = 300.0
_AGAIN_S: Final = 10.0
_STALE_S: Final = 24 * 3600.0
"""How long keys count after they were last fetched, while their address does not answer."""
_TIMEOUT_S: Final = 3.0
_MOST_BYTES: Final = 256 * 1024
MOST_TOKEN: Final = 16 * 1024


class TokenRefused(EligoError):
    """A token that does not count. `reason` says why and quotes nothing of it; `is_known` where its issuer is."""

    def __init__(self, reason: str, *, is_known: bool = True) -> None:
        super().__init__(f"The token was refused: {reason}.")
        self.reason = reason
        self.is_known = is_known


class KeysUnavailable(EligoError):
    """The keys of an issuer cannot be had now, so that its tokens can be neither taken nor refused."""

    def __init__(self) -> None:
        super().__init__("The keys of the token's issuer cannot be fetched now. Try again.")


@dataclass(slots=True)
class _Kept:
    keys: KeySet | None = None
    fetched: float = float("-inf")
    tried: float = float("-inf")
    is_down: bool = False
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class KeySets:
    """The keys of issuers, by the address of their JWKS. `clock` gives monotonic seconds."""

    def __init__(self, client: httpx.AsyncClient, clock: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._kept: dict[str, _Kept] = {}

    async def of(self, url: str, kid: str) -> KeySet:
        """The keys at an address, fetched anew where they are old or lack `kid`. KeysUnavailable."""
        kept = self._kept.setdefault(url, _Kept())
        if _has(kept.keys, kid) and (self._is_fresh(kept) or (kept.turn.locked() and self._counts(kept))):
            return _given(kept.keys)  # while one asks anew, the others need not wait for an address that may be down
        async with kept.turn:  # one fetch at a time: a wave of unknown key ids must not become one of fetches
            now = self._clock()
            lacks = not (self._is_fresh(kept) and _has(kept.keys, kid))
            if lacks and now - kept.tried >= _AGAIN_S:
                kept.tried = now
                found = await self._fetch(url)
                kept.is_down = found is None
                if found is not None:
                    kept.keys, kept.fetched = found, now
        if kept.keys is None or not self._counts(kept):
            raise KeysUnavailable
        if kept.is_down and not _has(kept.keys, kid):
            raise KeysUnavailable  # a key that is new, or one that is none: only the issuer can tell
        return kept.keys

    def _counts(self, kept: _Kept) -> bool:
        return self._clock() - kept.fetched <= _STALE_S

    def _is_fresh(self, kept: _Kept) -> bool:
        return self._clock() - kept.fetched <= _FRESH_S

    async def _fetch(self, url: str) -> KeySet | None:
        try:
            async with self._client.stream("GET", url, timeout=_TIMEOUT_S, follow_redirects=False) as answer:
                answer.raise_for_status()
                body = await read_body(answer, _MOST_BYTES)
            return KeySet.import_key_set(msgspec.json.decode(body or b""))  # what is too long is no JSON either
        except (httpx.HTTPError, EligoError, JoseError, msgspec.DecodeError, ValueError, KeyError, TypeError) as error:
            _log.warning("the keys of an issuer cannot be fetched: %s", type(error).__name__)
            return None


def _has(keys: KeySet | None, kid: str) -> bool:
    return keys is not None and any(each.kid == kid for each in keys)


def _given(keys: KeySet | None) -> KeySet:
    if keys is None:
        raise KeysUnavailable
    return keys


class Verifier:
    """Checks tokens of the issuers on an allowlist: issuer -> the address of its keys."""

    def __init__(self, issuers: Mapping[str, str], key_sets: KeySets) -> None:
        self._issuers = dict(issuers)
        self._key_sets = key_sets

    def knows(self, token: str) -> bool:
        """Whether a token says that it is from an issuer on the list; nothing of it is verified."""
        try:
            _, claims = _peek(token)
        except TokenRefused:
            return False
        issuer = claims.get("iss")
        return isinstance(issuer, str) and issuer in self._issuers

    async def verify(self, token: str, audiences: Collection[str], now: float) -> dict[str, Any]:
        """The claims of a token for one of these audiences. `now`: seconds since 1970. TokenRefused, KeysUnavailable.

        `iss`, `aud` and `exp` must be there; `iat` and `nbf`, where given, must not lie ahead.
        """
        header, claims = _peek(token)
        issuer = claims.get("iss")
        url = self._issuers.get(issuer) if isinstance(issuer, str) else None
        if url is None:
            raise TokenRefused("its issuer is not on the list of those that are trusted", is_known=False)
        if header.get("alg") not in ALGORITHMS:
            raise TokenRefused("its algorithm is not one that is accepted")
        kid = header.get("kid")
        if not isinstance(kid, str) or not kid:
            raise TokenRefused("it does not name its key (kid)")
        if header.get("jku", url) != url:
            raise TokenRefused("it names another address of its keys (jku) than the one that is trusted")
        keys = await self._key_sets.of(url, kid)
        try:
            checked = jwt.decode(token, keys.get_by_kid(kid), algorithms=list(ALGORITHMS))
        except (JoseError, ValueError, TypeError):
            raise TokenRefused("its signature is not one of the issuer's keys") from None
        check_claims(checked.claims, audiences, now)
        return dict(checked.claims)


def _peek(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims as they stand, before anything is verified."""
    if len(token) > MOST_TOKEN:
        raise TokenRefused("it is too long")
    try:
        compact = jws.extract_compact(token.encode("ascii"))
        claims = msgspec.json.decode(compact.payload)
    except (JoseError, msgspec.DecodeError, ValueError, TypeError, KeyError, RecursionError):
        raise TokenRefused("it is no signed token (JWT)") from None
    if not isinstance(claims, dict):
        raise TokenRefused("it is no signed token (JWT)")
    return dict(compact.protected), claims


def check_claims(claims: Mapping[str, Any], audiences: Collection[str] | None, now: float) -> None:
    """Whether claims hold now, and are meant for one of these audiences (None: whatever they say). TokenRefused."""
    expires = _number(claims.get("exp"))
    if expires is None:
        raise TokenRefused("it does not say until when it holds (exp)")
    if now >= expires + LEEWAY_S:
        raise TokenRefused("it has expired")
    for name in ("iat", "nbf"):
        begins = _number(claims.get(name, 0))
        if begins is None or begins > now + LEEWAY_S:
            raise TokenRefused(f"it does not hold yet ({name})")
    meant = claims.get("aud")
    if audiences is not None and not any(each in audiences for each in (meant if isinstance(meant, list) else [meant])):
        raise TokenRefused("it is meant for another address (aud)")


def _number(value: object) -> float | None:
    """A NumericDate (RFC 7519, section 2); None for what is none, NaN and moments beyond all calendars too."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _NO_MOMENT:
        return None
    return float(value)
