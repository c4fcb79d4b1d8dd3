"""What is served under /fhir: one table, from which the routes are checked and the CapabilityStatement is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app import __version__
from app.emitters.fhir import FhirVersion
from app.emitters.operations import OPERATIONS, operation_id

if TYPE_CHECKING:
    from app.emitters.canonical import Canonical

DATE = "2026-11-24"
"""When what is described here last changed."""
COUNT, MOST = 20, 100
"""How many resources a page of a search has, and the most that may be asked for."""


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """A search parameter: its FHIR type, and the modifiers it takes."""

    name: str
    type: str
    documentation: str
    modifiers: tuple[str, ...] = ()
    versions: tuple[FhirVersion, ...] = tuple(FhirVersion)


@dataclass(frozen=True, slots=True)
class Served:
    """A resource type: how it is searched, what may be included, whether old versions are readable."""

    type: str
    search: tuple[SearchParameter, ...]
    old_versions: bool
    includes: dict[str, str]
    is_written: bool = False

    @property
    def interactions(self) -> tuple[str, ...]:
        """What can be done, in FHIR's words."""
        return ("read", "vread", *(("update", "delete") if self.is_written else ()), "search-type")


_ID = SearchParameter("_id", "token", "The logical id")
_URL = SearchParameter("url", "uri", "The canonical URL, with or without its version")
_BY_URL = (_ID, _URL)
_STUDY = (
    _ID,
    SearchParameter("identifier", "token", "The registry number, or the name that stands for it where there is none"),
    SearchParameter("title", "string", "The title", ("contains", "exact")),
    SearchParameter("status", "token", "The status of the study; in R5 that of the resource, which is `active`"),
    SearchParameter(
        "progress-status-state", "token", "The state of the study", versions=(FhirVersion.R5,)
    ),
    SearchParameter("condition", "token", "A condition by its code, or by words of it with :text", ("text",)),
)  # fmt: skip
_INCLUDES = {
    "ResearchStudy:enrollment": "Group",
    "ResearchStudy:eligibility": "Group",
    "ResearchStudy:protocol": "PlanDefinition",
}

SERVED: dict[str, Served] = {
    each.type: each
    for each in (
        Served("ResearchStudy", _STUDY, old_versions=True, includes=_INCLUDES),
        Served("Group", _BY_URL, old_versions=True, includes={}),
        Served("PlanDefinition", _BY_URL, old_versions=True, includes={}),
        Served("Library", _BY_URL, old_versions=True, includes={}),
        Served("Questionnaire", _BY_URL, old_versions=True, includes={}),
        Served("ValueSet", _BY_URL, old_versions=False, includes={}),
        Served("CodeSystem", _BY_URL, old_versions=True, includes={}, is_written=True),
        Served("OperationDefinition", _BY_URL, old_versions=False, includes={}),
        Served("ConceptMap", _BY_URL, old_versions=True, includes={}, is_written=True),
    )
}


def capability_statement(
    version: FhirVersion, address: str, canonical: Canonical, *, asks_for_tokens: bool, cors: bool
) -> dict[str, Any]:
    """The CapabilityStatement in a FHIR version; `address` is where this server is reached."""
    return {
        "resourceType": "CapabilityStatement",
        "id": "eligo",
        "url": f"{canonical.base}/CapabilityStatement/eligo",
        "version": __version__,
        "name": "Eligo",
        "title": "Trials as FHIR resources, and what a record shows about their criteria",
        "status": "active",
        "experimental": False,
        "date": DATE,
        "kind": "instance",
        "software": {"name": "Eligo", "version": __version__},
        "implementation": {"description": "Eligo", "url": address},
        "fhirVersion": version.published,
        "format": ["json", "application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "R4 unless `fhirVersion=5.0` is asked for in Accept. Nothing of a patient is stored.",
                "security": _security(asks_for_tokens=asks_for_tokens, cors=cors),
                "resource": [_resource(each, version, canonical) for each in SERVED.values()],
            }
        ],
    }


def _security(*, asks_for_tokens: bool, cors: bool) -> dict[str, Any]:
    if not asks_for_tokens:
        return {"cors": cors, "description": "No token is asked for. Only the machine itself is answered."}
    return {
        "cors": cors,
        "service": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                        "code": "SMART-on-FHIR",
                    }
                ]
            }
        ],
        "description": "OAuth 2.0 bearer tokens with SMART scopes of versions 1 and 2: `r` and `s` of the type that is "
        "read or searched, `eligo/trials.write` for what changes trials or ConceptMaps, and for operations on records "
        "`system/ResearchStudy.rs` with `system/Patient.r`, or `eligo/evaluate`. "
        ".well-known/smart-configuration says where a token is to be had.",
    }


def _resource(served: Served, version: FhirVersion, canonical: Canonical) -> dict[str, Any]:
    operations = [
        {"name": each.code, "definition": f"{canonical.base}/OperationDefinition/{operation_id(each)}"}
        for each in OPERATIONS
        if each.resource == served.type
    ]
    described: dict[str, Any] = {
        "type": served.type,
        "interaction": [{"code": each} for each in served.interactions],
        "versioning": "versioned",
        "readHistory": served.old_versions,
        "updateCreate": served.is_written,
        "conditionalRead": "not-match",
        "searchInclude": list(served.includes),
        "searchParam": [
            {"name": each.name, "type": each.type, "documentation": _with_modifiers(each)}
            for each in served.search
            if version in each.versions
        ],
        "operation": operations,
    }
    return {key: value for key, value in described.items() if value != []}


def _with_modifiers(parameter: SearchParameter) -> str:
    taken = "".join(f" :{each}" for each in parameter.modifiers)
    return f"{parameter.documentation}. Modifiers:{taken}" if taken else parameter.documentation
