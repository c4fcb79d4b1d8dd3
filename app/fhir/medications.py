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
    from app.evaluator.facts import Coded
    from app.fhir import datatypes as fhir
    from app.fhir.resolver import Resolver
    from app.fhir.values import Values

DrugRecord: TypeAlias = MedicationRequest | MedicationStatement | MedicationAdministration | MedicationDispense

_CONTAINED = msgspec.json.Decoder(list[Raw])
_MEDICATION = msgspec.json.Decoder(Medication)
_DEPTH = 3  # an ingredient may be a Medication again; deeper than this nobody mixes


class Medications:
    """Finds drugs."""

    def __init__(self, resolver: Resolver, values: Values, broken: set[int]) -> None:
        self._resolver = resolver
        self._values = values
        self._broken = broken

    def codes(self, record: DrugRecord) -> tuple[Coded, ...]:
        """The drug's own code and text first, then those of its ingredients; a lone empty code where it is not said."""
        concept, reference = record.medication_codeable_concept, record.medication_reference
        if record.medication is not None:
            concept, reference = concept or record.medication.concept, reference or record.medication.reference
        own = self._values.coded(concept)
        if reference is None:
            return (own,)
        found = self._codes(reference, record.contained, _DEPTH)
        if not own.codings and not own.text:
            return found
        return (own, *(each for each in found if each.codings or each.text))

    def _codes(self, reference: fhir.Reference, contained: Raw, depth: int) -> tuple[Coded, ...]:
        medication, inside = self._find(reference.reference or "", contained)
        if medication is None or not depth or _is_unusable(medication) or id(medication) in self._broken:
            return (self._values.coded(_text_only(reference.display)),)
        found = [self._values.coded(medication.code)]
        for each in medication.ingredient or ():
            concept, part = each.item_codeable_concept, each.item_reference
            if each.item is not None:
                concept, part = concept or each.item.concept, part or each.item.reference
            if concept is not None:
                found.append(self._values.coded(concept))
            elif part is not None:
                found += self._codes(part, inside, depth - 1)
        return tuple(found)

    def _find(self, reference: str, contained: Raw) -> tuple[Medication | None, Raw]:
        """The Medication, and the container in which its own `#` references are looked up."""
        if not reference.startswith("#"):
            found = self._resolver.find(reference)
            return (found, found.contained) if isinstance(found, Medication) else (None, contained)
        for raw in _contained(contained):
            try:
                medication = _MEDICATION.decode(raw)
            except (msgspec.ValidationError, UnicodeDecodeError):
                continue  # another type, or malformed: then the drug is not known
            if (medication.id or "").lstrip("#") == reference[1:]:
                return medication, contained
        return None, contained


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
