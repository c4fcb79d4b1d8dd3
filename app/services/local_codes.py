"""A site's own codes: its ConceptMaps are stored, served, and known to whoever judges within seconds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from app.errors import EligoError
from app.fhir.concept_maps import read_concept_map
from app.services.forms import load_json
from app.services.options import BadParameter
from app.services.publishing import Made
from app.services.studies import Page, ResourceNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from app.emitters.fhir import FhirVersion
    from app.knowledge.local import LocalCode
    from app.services.studies import Test

TYPE = "ConceptMap"
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


class StoredMap(Protocol):
    """One version of a map; `content` is "" where it was taken away."""

    @property
    def id(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def fhir_version(self) -> str: ...
    @property
    def content(self) -> str: ...


class MapStore(Protocol):
    """Where maps are kept, within one transaction."""

    async def put(self, ident: str, fhir_version: str, content: str) -> tuple[int, bool]:
        """The next version's number, and whether there was no map before."""

    async def find(self, ident: str, number: int | None = None) -> StoredMap | None:
        """A version, or the newest."""

    async def every(self) -> Sequence[StoredMap]:
        """The newest of each that was not taken away."""

    async def lines(self) -> Sequence[LocalCode]:
        """What a terminology server has said of codes beneath others."""

    async def revision(self) -> int:
        """A number that is another one after every change."""


class OpenMaps(Protocol):
    """Begins a transaction."""

    def __call__(self) -> AbstractAsyncContextManager[MapStore]: ...


class Judges(Protocol):
    """Who has to know the codes."""

    def localise(self, codes: tuple[LocalCode, ...]) -> None:
        """Judge with these codes from the next record on."""


class OtherVersion(EligoError):
    """A resource that is kept in another FHIR version than it is asked for."""

    def __init__(self, fhir_version: str) -> None:
        super().__init__(f"This was sent in FHIR {fhir_version}, and is given out only so: accept that version.")
        self.fhir_version = fhir_version


class LocalCodes:
    """The maps of a site. `refresh` brings what other processes have changed."""

    def __init__(self, open_maps: OpenMaps, judges: Judges) -> None:
        self._open_maps = open_maps
        self._judges = judges
        self._revision: int | None = None
        self._told: tuple[LocalCode, ...] = ()

    async def put(self, ident: str, body: bytes, fhir: FhirVersion) -> tuple[Made, bool]:
        """Store a map; the resource as it is kept, and whether it is new. BadConceptMap, BadParameter, NotJson."""
        if not _ID.fullmatch(ident):
            raise BadParameter("id", "has 1 to 64 letters, digits, `-` and `.`.")
        resource = load_json(body)
        read_concept_map(resource)
        if resource.get("id", ident) != ident:
            raise BadParameter("id", f"differs from the one in the address ({ident}).")
        content = orjson.dumps({**resource, "id": ident}).decode()
        async with self._open_maps() as store:
            number, is_new = await store.put(ident, fhir.value, content)
        await self.refresh()
        return _made(ident, number, content), is_new

    async def remove(self, ident: str) -> None:
        """Take a map away; its versions stay readable. ResourceNotFound."""
        async with self._open_maps() as store:
            found = await store.find(ident)
            if found is None or not found.content:
                raise ResourceNotFound(TYPE, ident)
            await store.put(ident, found.fhir_version, "")
        await self.refresh()

    async def read(self, ident: str, fhir: FhirVersion, version_id: str | None = None) -> Made:
        """A map, where asked for in one version. ResourceNotFound, OtherVersion."""
        number = None
        if version_id is not None:
            if not (version_id.isascii() and version_id.isdecimal() and len(version_id) < 10):
                raise ResourceNotFound(TYPE, f"{ident}/_history/{version_id}")
            number = int(version_id)
        async with self._open_maps() as store:
            found = await store.find(ident, number)
        if found is None or not found.content:
            raise ResourceNotFound(TYPE, ident)
        if found.fhir_version != fhir.value:
            raise OtherVersion(found.fhir_version)
        return _made(found.id, found.number, found.content)

    async def search(self, tests: Sequence[Test], fhir: FhirVersion, *, offset: int, limit: int) -> Page:
        """The maps that came in this FHIR version and for which every test holds."""
        async with self._open_maps() as store:
            stored = [each for each in await store.every() if each.fhir_version == fhir.value]
        found = [each for each in stored if all(_fits(each.id, orjson.loads(each.content), test) for test in tests)]
        page = found[offset : offset + limit]
        return Page(len(found), [_made(each.id, each.number, each.content) for each in page])

    async def refresh(self) -> None:
        """Let those who judge know of every change since, made here or by another process."""
        async with self._open_maps() as store:
            revision = await store.revision()
            if revision == self._revision:
                return
            stored = await store.every()
            expanded = await store.lines()
        mapped = {line for each in stored for line in read_concept_map(orjson.loads(each.content))}
        codes = tuple(sorted(mapped.union(expanded)))
        if codes != self._told:
            self._judges.localise(codes)
            self._told = codes
        self._revision = revision


def _made(ident: str, number: int, content: str) -> Made:
    resource = orjson.loads(content)
    meta = {**resource.pop("meta", {}), "versionId": str(number)}
    head = {"resourceType": resource.pop("resourceType"), "id": ident, "meta": meta}
    return Made(str(number), orjson.dumps({**head, **resource}))


def _fits(ident: str, resource: dict[str, Any], test: Test) -> bool:
    if test.name == "_id":
        return ident in test.values
    url, version = resource.get("url"), resource.get("version")
    return any(each in {url, f"{url}|{version}"} for each in test.values)
