"""What all FHIR emitters share: the versions, the addresses of extensions, and small elements.

A resource is plain JSON (`Resource`); tests validate what is made of real trials, in each version. What has no value is
left out, and text is brought into the characters that FHIR's `string` allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.criteria.nodes import Criterion
    from app.criteria.record import RegistrationRecord
    from app.emitters.canonical import Canonical
    from app.knowledge.catalogue import Catalogue, Code, System

Resource: TypeAlias = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
HL7 = "http://hl7.org/fhir/StructureDefinition"
EBM = "http://hl7.org/fhir/uv/ebm/StructureDefinition"
CROSS_VERSION = "http://hl7.org/fhir/5.0/StructureDefinition"
"""R5 elements on R4 resources are extensions under this address."""
DATA_ABSENT = f"{HL7}/data-absent-reason"
REGISTERED_STATUS = "eligo-registered-status"


class FhirVersion(StrEnum):
    """The versions that are emitted, as `fhirVersion` parameters name them."""

    R4 = "4.0"
    R5 = "5.0"

    @property
    def published(self) -> str:
        """The whole number of the publication."""
        return {"4.0": "4.0.1", "5.0": "5.0.0"}[self.value]


@dataclass(frozen=True, slots=True)
class PublishedCriterion:
    """One criterion of a trial: as registered (`text`), as read (`expression`), and in plain words (`says`)."""

    id: str
    kind: str
    number: str
    text: str
    span: tuple[int, int]
    reading: str
    says: str
    expression: Criterion
    notes: tuple[str, ...] = ()

    @property
    def excludes(self) -> bool:
        """Whether it stands on the side of the exclusions."""
        return self.kind == "exclusion"


@dataclass(frozen=True, slots=True)
class PublishedTrial:
    """One stored version of a trial. `text` is what the spans of the criteria point into."""

    id: str
    version: int
    title: str
    status: str
    phase: str
    conditions: tuple[str, ...]
    text: str
    criteria: tuple[PublishedCriterion, ...]
    record: RegistrationRecord


@dataclass(frozen=True, slots=True)
class Target:
    """For whom it is emitted: the FHIR version, the canonical base, and the catalogue that names and codes are from."""

    version: FhirVersion
    canonical: Canonical
    catalogue: Catalogue

    @property
    def is_r5(self) -> bool:
        """Whether R5 is meant."""
        return self.version is FhirVersion.R5

    def extension_url(self, name: str) -> str:
        """The address of an extension of Eligo's own."""
        return f"{self.canonical.base}/StructureDefinition/{name}"

    def knowledge_version(self) -> str:
        """The business version of what is made from the catalogue alone: a part of its digest."""
        return self.catalogue.digest.partition(":")[2][:12]


def pruned(resource: Resource) -> Resource:
    """The resource without what has no value; False and 0 are values."""
    return {key: value for key, value in resource.items() if value is not None and value not in ("", [], {}, ())}


def plain(text: str) -> str:
    """The text in the characters of FHIR's `string`: every other space is a space, and controls are left out."""
    return "".join(_allowed(each) for each in text).strip()


def _allowed(char: str) -> str:
    if char in " \r\n\t":
        return char
    if char.isspace() or char in "\ufeff\u001c\u001d\u001e\u001f":
        return " "
    return "" if ord(char) < ord(" ") or char == "\u007f" else char


def one_line(text: str) -> str:
    """The text on one line."""
    return " ".join(plain(text).split())


def system_uri(catalogue: Catalogue, system: System) -> str:
    """The URI that FHIR uses for a code system of the catalogue."""
    return next(uri for uri, each in catalogue.systems.items() if each is system)


def coding(catalogue: Catalogue, code: Code) -> Resource:
    """A Coding."""
    return pruned({"system": system_uri(catalogue, code.system), "code": code.code, "display": one_line(code.display)})


def concept_of(text: str, codings: Iterable[Resource] = ()) -> Resource:
    """A CodeableConcept."""
    return pruned({"coding": list(codings), "text": one_line(text)})


def hl7_coding(system: str, code: str, display: str = "") -> Resource:
    """A Coding of HL7's own terminology; `system` is the last part of its address."""
    return pruned({"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code, "display": display})


def entry_of(target: Target, resource: Resource) -> Resource:
    """A Bundle entry under the address that the resource has where it is published."""
    url = f"{target.canonical.base}/{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": url, "resource": resource}
