"""The CQL library `EligoRules`: what every trial's library shares. The rules of judging, written a second time.

It is text made once for a catalogue: the addresses of code systems and the words of results come from there. Every
function answers with CQL's own three values, and null wherever it cannot tell; nothing in it is an approximation.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from app.emitters import cql_rules_logic, cql_rules_records, cql_rules_results
from app.emitters.cql_terms import canonical_uri, terms_of
from app.knowledge.catalogue import PREFIX_SYSTEMS, System

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.knowledge.catalogue import Catalogue

RULES = "EligoRules"
RULES_VERSION = "1.1.0"
_DRUG_SYSTEMS = frozenset({System.RXNORM, System.ATC})

_PERIOD = "Tuple { beganFrom Date, beganBy Date, endedFrom Date, endedBy Date }"
_GIVEN = "Tuple { code FHIR.CodeableConcept, against Boolean, clear Boolean, start Date, end Date, ongoing Boolean }"
_RESULT = (
    "Tuple { earliest Date, latest Date, moment DateTime, clear Boolean, quantity FHIR.Quantity, "
    "concept FHIR.CodeableConcept, word String, flag Boolean, whole Integer, "
    "ranges List<FHIR.Observation.ReferenceRange>, "
    "readings List<FHIR.CodeableConcept> }"
)


def cql_string(text: str) -> str:
    """A string literal (CQL 1.5, section 2.3.4)."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\r", " ").replace("\n", " ")
    return f"'{escaped}'"


def cql_list(items: Iterable[str]) -> str:
    """A list of string literals."""
    return f"{{ {', '.join(map(cql_string, items))} }}" if items else "{}"


def cql_split(items: Iterable[str], separator: str) -> str:
    """A long list of strings as one literal that is split: a translator reads it at once, and so does the eye."""
    return f"Split({cql_string(separator.join(items))}, {cql_string(separator)})"


@lru_cache(maxsize=2)
def rules_source(catalogue: Catalogue, base: str) -> str:
    """The text of the library. `base` is the address under which the value sets are published."""
    keys = "\n".join(
        f"      when {cql_string(canonical_uri(catalogue, each))} then {cql_string(each.value + ':')}"
        for each in sorted(PREFIX_SYSTEMS)
    )
    known = [canonical_uri(catalogue, each) for each in System if each not in _DRUG_SYSTEMS]
    words = catalogue.words
    filled = {
        "@RULES@": RULES,
        "@VERSION@": RULES_VERSION,
        "@BASE@": base,
        "@PERIOD@": _PERIOD,
        "@GIVEN@": _GIVEN,
        "@RESULT@": _RESULT,
        "@KEYS@": keys,
        "@KNOWN@": cql_list(known),
        "@REMISSION@": cql_split(terms_of("remission-stated", catalogue).starts.inside, " "),
        "@POSITIVE@": cql_list(sorted(words.positive_words)),
        "@NEGATIVE@": cql_list(sorted(words.negative_words)),
    }
    text = "\n".join(each.TEXT for each in (cql_rules_logic, cql_rules_records, cql_rules_results))
    for mark, value in filled.items():
        text = text.replace(mark, value)
    return text
