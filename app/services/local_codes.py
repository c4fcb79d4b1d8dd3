"""A site's own codes: its ConceptMaps and CodeSystem supplements are stored, served, and known to whoever judges
within seconds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from app.errors import EligoError
from app.fhir.concept_maps import read_concept_map
from app.fhir.site_codes import BadSiteCodes
from app.fhir.supplements import read_supplement
from app.knowledge.local import SiteCodes
from app.services.catalogued import OWN_CODES
from app.services.forms import load_json
from app.services.options import BadParameter
from app.services.publishing import Made
from app.services.reading import dumps
from app.services.studies import Page, ResourceNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from app.emitters.fhir import FhirVersion
    from app.knowledge.local import LocalCode
    from app.services.studies import Test

CONCEPT_MAP, CODE_SYSTEM = "ConceptMap", "CodeSystem"
TYPES = (CONCEPT_MAP, CODE_SYSTEM)
"""What a site may write."""
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")


class StoredResource(Protocol):
    """One version of a resource; `content` is "" where it was taken away."""

    @property
    def id(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def fhir_version(self) -> str: ...
    @property
    def content(self) -> str: ...


class SiteStore(Protocol):
    """Where these resources are kept, within one transaction."""

    async def put(self, resource_type: str, ident: str, fhir_version: str, content: str) -> tuple[int, bool]:
        """The next version's number, and whether there was none before."""

    async def find(self, resource_type: str, ident: str, number: int | None = None) -> StoredResource | None:
        """A version, or the newest."""

    async def every(self, resource_type: str) -> Sequence[StoredResource]:
        """The newest of each that was not taken away."""

    async def lines(self) -> Sequence[LocalCode]:
        """What a terminology server has said of codes beneath others."""

    async def revision(self) -> int:
        """A number that is another one after every change."""


class OpenSite(Protocol):
    """Begins a transaction."""

    def __call__(self) -> AbstractAsyncContextManager[SiteStore]: ...


class Judges(Protocol):
    """Who has to know the codes."""

    def localise(self, codes: SiteCodes) -> None:
        """Judge with these codes from the next record on."""


class OtherVersion(EligoError):
    """A resource that is kept in another FHIR version than it is asked for."""

    def __init__(self, fhir_version: str) -> None:
        super().__init__(f"This was sent in FHIR {fhir_version}, and is given out only so: accept that version.")
        self.fhir_version = fhir_version


class LocalCodes:
    """What a site tells of its codes. `refresh` brings what other processes have changed."""

    def __init__(self, open_site: OpenSite, judges: Judges) -> None:
        self._open_site = open_site
        self._judges = judges
        self._revision: int | None = None
        self._told = SiteCodes()

    async def put(self, resource_type: str, ident: str, body: bytes, fhir: FhirVersion) -> tuple[Made, bool]:
        """Store one; the resource as it is kept, and whether it is new. BadSiteCodes, BadParameter, NotJson,
        TooDeep.
        """
        if not _ID.fullmatch(ident):
            raise BadParameter("id", "has 1 to 64 letters, digits, `-` and `.`.")
        if resource_type == CODE_SYSTEM and ident in OWN_CODES:
            raise BadParameter("id", "is one of Eligo's own code systems, which are read only.")
        resource = load_json(body)
        if not isinstance(resource, dict):
            raise BadSiteCodes("", "The body is not a resource.")
        _read(resource_type, resource)
        if resource.get("id", ident) != ident:
            raise BadParameter("id", f"differs from the one in the address ({ident}).")
        content = dumps({**resource, "id": ident}).decode()
        async with self._open_site() as store:
            number, is_new = await store.put(resource_type, ident, fhir.value, content)
        await self.refresh()
        return _made(ident, number, content), is_new

    async def remove(self, resource_type: str, ident: str) -> None:
        """Take one away; its versions stay readable. ResourceNotFound."""
        async with self._open_site() as store:
            found = await store.find(resource_type, ident)
            if found is None or not found.content:
                raise ResourceNotFound(resource_type, ident)
            await store.put(resource_type, ident, found.fhir_version, "")
        await self.refresh()

    async def read(self, resource_type: str, ident: str, fhir: FhirVersion, version_id: str | None = None) -> Made:
        """One by its id, where asked for in one version. ResourceNotFound, OtherVersion."""
        number = None
        if version_id is not None:
            if not (version_id.isascii() and version_id.isdecimal() and len(version_id) < 10):
                raise ResourceNotFound(resource_type, f"{ident}/_history/{version_id}")
            number = int(version_id)
        async with self._open_site() as store:
            found = await store.find(resource_type, ident, number)
        if found is None or not found.content:
            raise ResourceNotFound(resource_type, ident)
        if found.fhir_version != fhir.value:
            raise OtherVersion(found.fhir_version)
        return _made(found.id, found.number, found.content)

    async def search(
        self, resource_type: str, tests: Sequence[Test], fhir: FhirVersion, *, include: Sequence[str] = (),
        offset: int, limit: int,
    ) -> Page:  # fmt: skip
        """Those that came in this FHIR version and for which every test holds. Nothing is included with them."""
        del include
        async with self._open_site() as store:
            stored = [each for each in await store.every(resource_type) if each.fhir_version == fhir.value]
        found = [each for each in stored if all(_fits(each.id, orjson.loads(each.content), test) for test in tests)]
        page = found[offset : offset + limit]
        return Page(len(found), [_made(each.id, each.number, each.content) for each in page])

    async def refresh(self) -> None:
        """Let those who judge know of every change since, made here or by another process."""
        async with self._open_site() as store:
            revision = await store.revision()
            if revision == self._revision:
                return
            stored = [(kind, each.content) for kind in TYPES for each in await store.every(kind)]
            expanded = await store.lines()
        told = [_read(kind, orjson.loads(content)) for kind, content in stored]
        codes = SiteCodes.of(
            [*expanded, *(line for each in told for line in each.codes)],
            (name for each in told for name in each.names),
        )
        if codes != self._told:
            self._judges.localise(codes)
            self._told = codes
        self._revision = revision


def _read(resource_type: str, resource: dict[str, Any]) -> SiteCodes:
    """What a resource says. BadSiteCodes."""
    return read_supplement(resource) if resource_type == CODE_SYSTEM else SiteCodes.of(read_concept_map(resource))


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
