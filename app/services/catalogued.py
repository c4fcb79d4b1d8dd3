"""What is served under /fhir of the catalogue and of Eligo itself, and of no trial: made anew when asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.emitters.cql_logic import shared_library
from app.emitters.cql_rules import RULES
from app.emitters.cql_sets import listed_ids, listed_set
from app.emitters.fhir import FhirVersion, Target
from app.emitters.operations import OPERATIONS, STATUSES, criterion_statuses, operation_definition, operation_id
from app.emitters.value_sets import CONCEPTS, concept_codes, value_set
from app.services.publishing import Made, made_of
from app.services.studies import Page, ResourceNotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.emitters.canonical import Canonical
    from app.emitters.fhir import Resource
    from app.services.core import Desk
    from app.services.studies import Bench, Test

CATALOGUED = ("Library", "ValueSet", "CodeSystem", "OperationDefinition")
"""The types of it; of Library it has the one that the logic of all trials shares."""
OWN_CODES = (CONCEPTS, STATUSES)
"""Eligo's own code systems."""
_BY_ID = {operation_id(each): each for each in OPERATIONS}


class Found(NamedTuple):
    """A page of resources with their ids, and how many there are in all."""

    total: int
    named: list[tuple[str, Made]]


class Catalogued:
    """Reading and searching; only the newest version of each is served."""

    def __init__(self, bench: Bench, canonical: Canonical) -> None:
        self._bench = bench
        self._canonical = canonical

    async def read(self, resource_type: str, ident: str, fhir: FhirVersion, version_id: str | None = None) -> Made:
        """A resource by its logical id, and where asked for in one version. ResourceNotFound."""
        found = await self._bench.work(publish_catalogued, resource_type, frozenset({ident}), 0, 1, fhir)
        if not found.named:
            raise ResourceNotFound(resource_type, ident)
        made = found.named[0][1]
        if version_id is not None and version_id != made.version_id:
            raise ResourceNotFound(resource_type, f"{ident}/_history/{version_id}")
        return made

    async def search(
        self, resource_type: str, tests: Sequence[Test], fhir: FhirVersion, *, include: Sequence[str] = (),
        offset: int, limit: int,
    ) -> Page:  # fmt: skip
        """Resources for which every test holds: by `_id` and `url`. Nothing is included with them."""
        del include
        ids: frozenset[str] | None = None
        versions: dict[str, str] = {}
        prefix = f"{self._canonical.base}/{resource_type}/"
        for each in tests:
            named = each.values
            if each.name == "url":
                parts = [value.removeprefix(prefix).partition("|") for value in each.values if value.startswith(prefix)]
                versions |= {ident: version for ident, _, version in parts if version}
                named = tuple([ident for ident, _, _ in parts])
            ids = frozenset(named) if ids is None else ids & frozenset(named)
        if not versions:
            found = await self._bench.work(publish_catalogued, resource_type, ids, offset, limit, fhir)
            return Page(found.total, [each for _, each in found.named])
        # A canonical that asks for another version than the newest finds nothing.
        found = await self._bench.work(publish_catalogued, resource_type, ids, 0, len(ids or ()), fhir)
        kept = [one for ident, one in found.named if versions.get(ident, one.version_id) == one.version_id]
        return Page(len(kept), kept[offset : offset + limit])


def publish_catalogued(
    desk: Desk, resource_type: str, ids: frozenset[str] | None, offset: int, limit: int, fhir: FhirVersion
) -> Found:
    """Resources of one of CATALOGUED by id; `ids` None means all of them."""
    target = Target(fhir, desk.canonical, desk.catalogue)
    every = _ids(resource_type, target)
    wanted = [each for each in every if ids is None or each in ids]
    made = [(each, _resource(resource_type, each, target)) for each in wanted[offset : offset + limit]]
    return Found(len(wanted), [(ident, made_of(each, each["version"])) for ident, each in made])


def _ids(resource_type: str, target: Target) -> Iterable[str]:
    match resource_type:
        case "Library":
            return (RULES,)
        case "ValueSet":
            return sorted({*target.catalogue.concepts, *listed_ids(target)})
        case "CodeSystem":
            return OWN_CODES
        case _:
            return tuple(_BY_ID)


def _resource(resource_type: str, ident: str, target: Target) -> Resource:
    match resource_type:
        case "Library":
            return shared_library(target)
        case "ValueSet":
            concept = target.catalogue.concepts.get(ident)
            return value_set(concept, target) if concept is not None else listed_set(ident, target)
        case "CodeSystem":
            return concept_codes(target) if ident == CONCEPTS else criterion_statuses(target)
        case _:
            return operation_definition(_BY_ID[ident], target)
