"""SMART scopes: what a token grants, and what a call needs. https://hl7.org/fhir/smart-app-launch/ (2.2)

`system/` and `user/` scopes count alike: the authorization server vouches for what they say. `patient/` scopes grant
nothing here, because no trial is of one patient; nor do scopes that are limited by search parameters, because what they
limit is not told apart here. Scopes of version 1 are read as those of version 2 that they stand for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SMART: Final = re.compile(r"(?:system|user)/(\*|[A-Z][A-Za-z]{1,60})\.(read|write|\*|c?r?u?d?s?)", re.ASCII)
_V1: Final = {"read": "rs", "write": "cud", "*": "cruds"}
_MOST: Final = 500
"""Scopes of one token that are looked at."""


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a call does: interactions with a resource type (letters of `cruds`), or a scope by its name."""

    name: str
    letters: str = ""

    @property
    def scope(self) -> str:
        """The scope that grants just this."""
        return f"system/{self.name}.{self.letters}" if self.letters else self.name


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token grants to whom. `subject` is who acts, `client` the program; either may be ""."""

    subject: str
    client: str
    issuer: str
    names: frozenset[str]
    types: frozenset[tuple[str, str]]
    """Resource type or `*`, and one letter of `cruds`."""

    def covers(self, need: Need) -> bool:
        """Whether a need is granted."""
        if not need.letters:
            return need.name in self.names
        return all({(need.name, each), ("*", each)} & self.types for each in need.letters)

    def covers_all(self, needs: Iterable[Need]) -> bool:
        """Whether all of these are granted."""
        return all(map(self.covers, needs))


def read_grant(claims: Mapping[str, Any]) -> Grant:
    """What verified claims grant. Scopes that cannot be read grant nothing."""
    names = _scopes(claims)
    types = set()
    for each in names:
        found = _SMART.fullmatch(each)
        if found is not None:
            types |= {(found[1], letter) for letter in _V1.get(found[2], found[2])}
    client = _text(claims, "client_id") or _text(claims, "azp")
    return Grant(
        subject=_text(claims, "sub") or client,
        client=client,
        issuer=_text(claims, "iss"),
        names=frozenset(names),
        types=frozenset(types),
    )


def _scopes(claims: Mapping[str, Any]) -> list[str]:
    """`scope` as RFC 9068 and SMART have it, or `scp` as some authorization servers name it; a string or a list."""
    given = claims.get("scope", claims.get("scp"))
    if isinstance(given, str):
        return given.split(" ")[:_MOST]
    return [each for each in given[:_MOST] if isinstance(each, str)] if isinstance(given, list) else []


def _text(claims: Mapping[str, Any], name: str) -> str:
    found = claims.get(name)
    return found if isinstance(found, str) else ""
