"""Who a bundle is about, and which references mean that person."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from app.fhir.datatypes import Reference
from app.fhir.errors import NoPatient, SeveralPatients, UnknownPatient

if TYPE_CHECKING:
    from app.fhir.datatypes import Raw
    from app.fhir.resources import Patient


_REFERENCE = msgspec.json.Decoder(Reference)


class About(Enum):
    """Whom a resource is about."""

    PATIENT = "patient"
    OTHER = "other"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A Patient of the bundle: what it is called in evidence, its fullUrl, and the resource."""

    reference: str
    full_url: str | None
    resource: Patient

    def is_called(self, name: str) -> bool:
        """Whether `name` means this one: an id, Patient/id, an address that ends so, or the fullUrl."""
        name = plain_reference(name)
        if not name:
            return False
        if name in {self.full_url, self.reference}:
            return True
        id_ = self.resource.id
        return bool(id_) and (name in {id_, f"Patient/{id_}", f"urn:uuid:{id_}"} or name.endswith(f"/Patient/{id_}"))


def plain_reference(reference: str) -> str:
    """A reference without white space and without its version."""
    return reference.strip().partition("/_history/")[0]


def choose(candidates: list[Candidate], wanted: str | None) -> Candidate:
    """The one that was asked for, or the only one. NoPatient, SeveralPatients or UnknownPatient where there is none."""
    if not candidates:
        raise NoPatient
    ids = tuple(sorted(each.resource.id or each.reference for each in candidates))
    if wanted is None:
        if len(candidates) > 1:
            raise SeveralPatients(ids)
        return candidates[0]
    found = [each for each in candidates if plain_reference(wanted) == (each.full_url or each.reference)]
    found = found or [each for each in candidates if each.is_called(wanted)]
    if len(found) != 1:
        raise UnknownPatient(wanted[:100], ids)
    return found[0]


@dataclass(slots=True)
class Subject:
    """Tells whether a reference means the patient under evaluation; remembers its answers."""

    patient: Candidate
    others: tuple[Candidate, ...] = ()
    seen: dict[bytes, About] = field(default_factory=dict)
    """Subject elements already looked at, as they stand in the body, and whom they are about."""

    def of_raw(self, raw: Raw) -> About:
        """Whom a subject element, not yet read, is about. One that is no Reference names nobody."""
        key = bytes(raw)
        if key in {b"", b"null"}:
            return About.NOBODY
        found = self.seen.get(key)
        if found is None:
            try:
                reference = _REFERENCE.decode(raw)
            except (msgspec.ValidationError, UnicodeDecodeError):
                reference = None
            found = self.seen[key] = self.of(reference)
        return found

    def of(self, reference: Reference | None) -> About:
        """Whom a Reference means. `reference` wins over `identifier`; a display alone names nobody."""
        if reference is None:
            return About.NOBODY
        if reference.reference is not None:
            return About.PATIENT if self._is_meant(reference.reference) else About.OTHER
        identifier = reference.identifier
        if identifier is None or not identifier.value:
            return About.NOBODY
        return About.PATIENT if self._has(identifier.system, identifier.value) else About.OTHER

    def _is_meant(self, text: str) -> bool:
        kind, question, query = plain_reference(text).partition("?identifier=")
        if question and kind == "Patient":  # a conditional reference, as transactions have them
            system, bar, value = query.partition("|")
            return self._has(system, value) if bar else self._has(None, system)
        if "/" not in text and not text.startswith("urn:"):
            return False
        if plain_reference(text) in {self.patient.full_url, self.patient.reference}:
            return not any(each.resource.id == self.patient.resource.id for each in self.others) or "://" in text
        return self.patient.is_called(text) and not any(each.is_called(text) for each in self.others)

    def _has(self, system: str | None, value: str) -> bool:
        return any(
            each.value == value and (each.system or "") == (system or "")
            for each in self.patient.resource.identifier or ()
        )
