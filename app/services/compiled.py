"""Libraries with the ELM that their CQL was compiled to at publication. The service compiles nothing itself.

ELM is kept by the digest of its source, so that it is served with that very CQL and with no other.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import orjson

from app.emitters.cql_logic import CQL, ELM
from app.services.publishing import Made
from app.services.studies import Page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from app.emitters.fhir import FhirVersion
    from app.services.resources import Source
    from app.services.studies import Test

LIBRARY = "Library"


class CompiledStore(Protocol):
    """Where ELM is kept, within one transaction."""

    async def put(self, digest: str, elm: str) -> None:
        """Keep the ELM of a source."""

    async def find(self, digests: Iterable[str]) -> Mapping[str, str]:
        """The ELM of those of these sources that were compiled."""


class OpenCompiled(Protocol):
    """Begins a transaction."""

    def __call__(self) -> AbstractAsyncContextManager[CompiledStore]: ...


class Cql(NamedTuple):
    """A library as it is published: its name, and its text."""

    name: str
    text: str


class Compiled:
    """What was compiled, and Libraries with it."""

    def __init__(self, open_store: OpenCompiled) -> None:
        self._open_store = open_store

    async def keep(self, source: str, elm: dict[str, Any]) -> None:
        """Keep the ELM of a source, from which it must have been compiled."""
        async with self._open_store() as store:
            await store.put(digest_of(source), orjson.dumps(elm).decode())

    async def into(self, made: Made) -> Made:
        """A Library with its ELM; a collection of resources with that of each Library in it."""
        resource = orjson.loads(made.content)
        libraries = [each for each in _resources(resource) if each["resourceType"] == LIBRARY]
        sources = {id(each): digest_of(one.text) for each in libraries for one in cql_of(each)}
        async with self._open_store() as store:
            found = await store.find(sources.values())
        if not found:
            return made
        for each in libraries:
            elm = found.get(sources.get(id(each), ""))
            if elm is not None:
                each["content"].append({"contentType": ELM, "data": base64.b64encode(elm.encode()).decode()})
        told = hashlib.sha256("".join(sorted(found.values())).encode()).hexdigest()[:8]
        version_id = f"{made.version_id}{_MARK}{told}"
        if resource["resourceType"] == LIBRARY:
            resource["meta"]["versionId"] = version_id
        return Made(version_id, orjson.dumps(resource))


_MARK = "-elm-"


class WithCompiled:
    """A source of resources whose Libraries have their ELM."""

    def __init__(self, source: Source, compiled: Compiled) -> None:
        self._source = source
        self._compiled = compiled

    async def read(self, resource_type: str, ident: str, fhir: FhirVersion, version_id: str | None = None) -> Made:
        """A resource by its logical id, and where asked for in one version. ResourceNotFound."""
        bare = version_id.partition(_MARK)[0] if version_id is not None else None
        made = await self._source.read(resource_type, ident, fhir, bare)
        return await self._compiled.into(made) if resource_type == LIBRARY else made

    async def search(
        self, resource_type: str, tests: Sequence[Test], fhir: FhirVersion, *, include: Sequence[str] = (),
        offset: int, limit: int,
    ) -> Page:  # fmt: skip
        """Resources for which every test holds."""
        page = await self._source.search(resource_type, tests, fhir, include=include, offset=offset, limit=limit)
        if resource_type != LIBRARY:
            return page
        return Page(page.total, [await self._compiled.into(each) for each in page.matches], page.included)


def cql_of(library: dict[str, Any]) -> list[Cql]:
    """The CQL that a Library carries."""
    return [
        Cql(str(library["name"]), base64.b64decode(each["data"]).decode())
        for each in library.get("content", ())
        if each.get("contentType") == CQL
    ]


def digest_of(source: str) -> str:
    """The address of a source."""
    return hashlib.sha256(source.encode()).hexdigest()


def _resources(resource: dict[str, Any]) -> list[dict[str, Any]]:
    if resource["resourceType"] != "Bundle":
        return [resource]
    return [each["resource"] for each in resource.get("entry", ())]
