"""Everything that is read and searched under /fhir, wherever it is from: the catalogue, the trials, or the site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from app.emitters.package import OF_TRIALS
from app.services.catalogued import CATALOGUED
from app.services.local_codes import TYPES as OF_THE_SITE
from app.services.studies import Page, ResourceNotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.emitters.fhir import FhirVersion
    from app.services.publishing import Made
    from app.services.studies import Test


class Source(Protocol):
    """One place that resources are from."""

    async def read(self, resource_type: str, ident: str, fhir: FhirVersion, version_id: str | None = None) -> Made:
        """A resource by its logical id, and where asked for in one version. ResourceNotFound."""

    async def search(
        self, resource_type: str, tests: Sequence[Test], fhir: FhirVersion, *, include: Sequence[str] = (),
        offset: int, limit: int,
    ) -> Page:  # fmt: skip
        """Resources for which every test holds; a `limit` of 0 counts them."""


class Resources:
    """The sources behind each type, one after the other."""

    def __init__(self, catalogued: Source, trials: Source, site: Source) -> None:
        self._sources = ((CATALOGUED, catalogued), (OF_TRIALS, trials), (OF_THE_SITE, site))

    async def read(self, resource_type: str, ident: str, fhir: FhirVersion, version_id: str | None = None) -> Made:
        """A resource from the first source that has it. ResourceNotFound, OtherVersion."""
        missing = ResourceNotFound(resource_type, ident)
        for source in self._behind(resource_type):
            try:
                return await source.read(resource_type, ident, fhir, version_id)
            except ResourceNotFound as error:
                missing = error
        raise missing

    async def search(
        self, resource_type: str, tests: Sequence[Test], fhir: FhirVersion, *, include: Sequence[str],
        offset: int, limit: int,
    ) -> Page:  # fmt: skip
        """A page over all sources of the type."""
        total = 0
        matches: list[Made] = []
        included: list[Made] = []
        for source in self._behind(resource_type):
            page = await source.search(
                resource_type, tests, fhir, include=include,
                offset=max(0, offset - total), limit=limit - len(matches),
            )  # fmt: skip
            total += page.total
            matches += page.matches
            included += page.included
        return Page(total, matches, included)

    def _behind(self, resource_type: str) -> list[Source]:
        return [source for types, source in self._sources if resource_type in types]
