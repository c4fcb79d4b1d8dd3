"""Prefetch templates (CDS Hooks 2.0, "Prefetch template"): what an EHR should send along, by what criteria need.

What is needed for its absence (diagnoses, drugs, procedures ...) is asked for whole, one key a type. Results are asked
for by their codes, the newest first, a handful of codes a key: the latest value of each is what counts, and a result
that is not there decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.emitters.needs import Need
    from app.knowledge.catalogue import Code, System

PATIENT_KEY: Final = "patient"
_WHOLE: Final = 500
_RESULTS: Final = 200
_CODES_A_KEY: Final = 30
_KEYS: Final = {
    "AllergyIntolerance": "allergies",
    "Appointment": "appointments",
    "Condition": "conditions",
    "Consent": "consents",
    "DiagnosticReport": "reports",
    "Immunization": "immunizations",
    "MedicationAdministration": "administrations",
    "MedicationDispense": "dispenses",
    "MedicationRequest": "medicationRequests",
    "MedicationStatement": "medicationStatements",
    "Procedure": "procedures",
    "ResearchSubject": "participations",
    "ServiceRequest": "serviceRequests",
}
_NEWEST_FIRST: Final = "&_sort=-date"


@dataclass(frozen=True, slots=True)
class Template:
    """One prefetch key: the query, the type it asks for, whether it asks for all of that type, and its `_count`."""

    key: str
    query: str
    type: str
    is_whole: bool
    count: int


def templates(needs: Iterable[Need], uris: Mapping[System, str]) -> tuple[Template, ...]:
    """The templates for these needs; the Patient's comes first. `uris` are the addresses of the code systems."""
    of = "patient={{context.patientId}}"
    made = [Template(PATIENT_KEY, "Patient/{{context.patientId}}", "Patient", is_whole=False, count=0)]
    types: set[str] = set()
    codes: set[Code] = set()
    for need in needs:
        if need.type == "Observation":
            codes |= {each for each in need.codes if each.system in uris}
        elif need.type != "Patient":
            types.add(need.type)
    made += [
        Template(_KEYS[name], f"{name}?{of}&_count={_WHOLE}", name, is_whole=True, count=_WHOLE)
        for name in sorted(types)
    ]
    tokens = sorted(f"{uris[each.system]}|{each.code}" for each in codes)
    for start in range(0, len(tokens), _CODES_A_KEY):
        some = tokens[start : start + _CODES_A_KEY]
        query = f"Observation?{of}&code={','.join(some)}{_NEWEST_FIRST}&_count={_RESULTS}"
        made.append(
            Template(f"results{start // _CODES_A_KEY + 1}", query, "Observation", is_whole=False, count=_RESULTS)
        )
    return tuple(made)
