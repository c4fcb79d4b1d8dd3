"""Which drug a medication record is about: coded in place, contained, or a Medication elsewhere in the bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from app.fhir.datatypes import CodeableConcept, Raw
from app.fhir.resources import (
    Medication,
    MedicationAdministration,
    MedicationDispense,
    MedicationRequest,
    MedicationStatement,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.fhir import datatypes as fhir
    from app.fhir.resolver import Resolver
    from app.fhir.terms import Term
    from app.fhir.values import Values

DrugRecord: TypeAlias = MedicationRequest | MedicationStatement | MedicationAdministration | MedicationDispense

_CONTAINED = msgspec.json.Decoder(list[Raw])
_MEDICATION = msgspec.json.Decoder(Medication)
_DEPTH = 3  # an ingredient may be a Medication again; deeper than this nobody mixes


class Medications:
    """Finds drugs."""

    def __init__(self, resolver: Callable[[], Resolver], values: Values, broken: set[int]) -> None:
        self._resolver = resolver
        self._values = values
        self._broken = broken

    def terms(self, record: DrugRecord) -> tuple[Term, ...]:
        """The drug's own code and text first, then those of its ingredients; a lone empty one where it is not said."""
        own = self._values.term(record.medication_codeable_concept, "medicationCodeableConcept")
        reference = record.medication_reference
        if record.medication is not None:
            own = own if _says_something(own) else self._values.term_of(record.medication.concept)
            reference = reference or record.medication.reference
        if reference is None:
            return (own,)
        found = self._terms(reference, record.contained, _DEPTH)
        return (own, *filter(_says_something, found)) if _says_something(own) else found

    def _terms(self, reference: fhir.Reference, contained: Raw, depth: int) -> tuple[Term, ...]:
        medication, inside = self._find(reference.reference or "", contained)
        if medication is None or not depth or _is_unusable(medication) or id(medication) in self._broken:
            return (self._values.term_of(_text_only(reference.display)),)
        found = [self._values.term_of(medication.code)]
        for each in medication.ingredient or ():
            concept, part = each.item_codeable_concept, each.item_reference
            if each.item is not None:
                concept, part = concept or each.item.concept, part or each.item.reference
            if concept is not None:
                found.append(self._values.term_of(concept))
            elif part is not None:
                found += self._terms(part, inside, depth - 1)
        return tuple(found)

    def _find(self, reference: str, contained: Raw) -> tuple[Medication | None, Raw]:
        """The Medication, and the container in which its own `#` references are looked up."""
        if not reference.startswith("#"):
            found = self._resolver().find(reference)
            return (found, found.contained) if isinstance(found, Medication) else (None, contained)
        for raw in _contained(contained):
            try:
                medication = _MEDICATION.decode(raw)
            except (msgspec.ValidationError, UnicodeDecodeError):
                continue  # another type, or malformed: then the drug is not known
            if (medication.id or "").lstrip("#") == reference[1:]:
                return medication, contained
        return None, contained


def _says_something(term: Term) -> bool:
    return bool(term.coded.codings or term.coded.text)


def _contained(raw: Raw) -> list[Raw]:
    if bytes(raw) in {b"", b"null"}:
        return []
    try:
        return _CONTAINED.decode(raw)
    except msgspec.ValidationError:
        return []


def _is_unusable(medication: Medication) -> bool:
    return medication.status == "entered-in-error" or bool(medication.modifier_extension or medication.implicit_rules)


def _text_only(text: str | None) -> CodeableConcept | None:
    return CodeableConcept(text=text) if text else None
