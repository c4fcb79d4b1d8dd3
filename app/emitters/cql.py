"""A trial's criteria as a CQL library: one define a criterion, named like its id, which another engine can run.

CQL keeps what it cannot tell as null, and so does every define here: it is true or false only where Eligo is the same.
What Eligo decides and CQL does not is listed as `NotExpressible`, define by define.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from app.criteria.nodes import children
from app.emitters.canonical import Canonical
from app.emitters.cql_data import Data
from app.emitters.cql_nodes import Writer
from app.emitters.cql_rules import RULES, RULES_VERSION, cql_string, rules_source
from app.emitters.cql_terms import CqlValueSet, known_drugs, members_of, terms_of
from app.emitters.prose import says

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.criteria.nodes import Criterion
    from app.emitters.cql_gaps import NotExpressible
    from app.knowledge.catalogue import Catalogue

FHIR_HELPERS = "FHIRHelpers"


class Emitted(Protocol):
    """A criterion to emit: its id, what was registered, and how it was read."""

    @property
    def id(self) -> str:
        """I1, E3, age ..."""

    @property
    def text(self) -> str:
        """The registration's words."""

    @property
    def expression(self) -> Criterion:
        """As it was read."""


@dataclass(frozen=True, slots=True)
class CqlSource:
    """One library: its name and version, its text, and the value sets that it declares."""

    name: str
    version: str
    source: str
    value_sets: tuple[CqlValueSet, ...]


@dataclass(frozen=True, slots=True)
class CqlLibrary:
    """A trial's library, the rules that it includes (FHIRHelpers 4.0.1 besides), and what it leaves open."""

    name: str
    version: str
    source: str
    value_sets: tuple[CqlValueSet, ...]
    not_expressible: tuple[NotExpressible, ...]
    rules: CqlSource

    def gaps_of(self, define: str) -> tuple[NotExpressible, ...]:
        """What a define leaves open, its parts included."""
        return tuple(
            each for each in self.not_expressible if each.define == define or each.define.startswith(f"{define}.")
        )


def cql_rules(catalogue: Catalogue, base: str = Canonical().base) -> CqlSource:
    """The library that all trials share."""
    words = catalogue.words
    sets = (
        CqlValueSet("drugs that can be placed", f"{base}/ValueSet/eligo-known-drugs", known_drugs(catalogue)),
        CqlValueSet(
            "says that it is over or in remission",
            f"{base}/ValueSet/remission-stated",
            terms_of("remission-stated", catalogue).members,
        ),
        CqlValueSet("positive", f"{base}/ValueSet/eligo-positive", members_of(words.positive, catalogue)),
        CqlValueSet("negative", f"{base}/ValueSet/eligo-negative", members_of(words.negative, catalogue)),
    )
    return CqlSource(RULES, RULES_VERSION, rules_source(catalogue, base), sets)


def cql_library(
    name: str, version: str, criteria: Iterable[Emitted], catalogue: Catalogue, base: str = Canonical().base
) -> CqlLibrary:
    """The library of a trial. `name` is an identifier of CQL; `base` is where the value sets are published."""
    data = Data(catalogue, base)
    writer = Writer(catalogue, data)
    defines: list[str] = []
    for each in criteria:
        _define(each.id, each.expression, each.text, writer, defines)
    head = _HEAD.format(
        name=name,
        version=cql_string(version),
        helpers=FHIR_HELPERS,
        rules=RULES,
        rules_version=cql_string(RULES_VERSION),
        value_sets="\n".join(f'valueset "{each.name}": {cql_string(each.url)}' for each in data.value_sets.values()),
    )
    functions = [
        f'define function "{name_}"(concept FHIR.CodeableConcept):\n  {text}\n'
        for name_, text in data.functions.items()
    ]
    rest = [f'define "{name_}":\n  {text}\n' for name_, text in data.defines.items()]
    source = "\n".join([head, *defines, _SHOWN, "// ---- the records that are asked for ----\n", *rest, *functions])
    return CqlLibrary(
        name, version, source, tuple(data.value_sets.values()), tuple(writer.gaps), cql_rules(catalogue, base)
    )


_HEAD = """\
// Eligibility criteria. Each define says whether the criterion's own sentence is true of the patient, for exclusions
// too: a patient fits where all inclusions are true and all exclusions are false. null means "cannot be told".
library {name} version {version}

using FHIR version '4.0.1'

include {helpers} version '4.0.1'
include {rules} version {rules_version} called Rules

{value_sets}

// The day for which it is asked.
parameter AsOf Date
// Resource types of which everything was sent: only of these does "not recorded" mean "not there". A type of which a
// record was sent counts as complete; Absence 'open' turns that off, 'closed' takes every type for complete.
parameter Complete List<String> default {{}}
parameter Absence String default 'default'
// Childbearing potential is presumed of women of these ages.
parameter ChildbearingFrom Integer default 12
parameter ChildbearingTo Integer default 55

context Patient
"""

_SHOWN = """// ---- what is shown to be complete ----

define "conditions are shown":
  case Absence when 'open' then false when 'closed' then true
    else Rules."conditions are recorded" or 'Condition' in Complete end

define "procedures are shown":
  case Absence when 'open' then false when 'closed' then true
    else Rules."procedures are recorded" or 'Procedure' in Complete end

define "drugs are shown":
  case Absence when 'open' then false when 'closed' then true
    else Rules."drugs are recorded" or exists (
      Complete Type where Type in {
        'MedicationRequest', 'MedicationStatement', 'MedicationUsage', 'MedicationAdministration', 'MedicationDispense'
      }) end

define "vaccinations are shown":
  case Absence when 'open' then false when 'closed' then true
    else Rules."vaccinations are recorded" or 'Immunization' in Complete end

define "allergies are shown":
  case Absence when 'open' then false when 'closed' then true
    else Rules."allergies are recorded" or 'AllergyIntolerance' in Complete end

define "observations are shown":
  case Absence when 'open' then false when 'closed' then true
    else exists ([Observation] Record where Rules.IsUsable(Record)) or 'Observation' in Complete end

define "study participations are shown":
  case Absence when 'open' then false when 'closed' then true
    else exists [ResearchSubject] or 'ResearchSubject' in Complete end
"""


def _define(name: str, node: Criterion, text: str, writer: Writer, defines: list[str]) -> None:
    """The define of a node, then those of its parts."""
    parts = children(node)
    names = [f"{name}.{place}" for place, _ in enumerate(parts, 1)]
    writer.define = name
    body = writer.logic(node, names) if parts else writer.fact(node)  # type: ignore[arg-type]
    quote = node.quote.text if node.quote is not None else text
    comments = [f"// {_one_line(text or quote)}"] if "." not in name else []
    comments.append(f"// = {_one_line(says(node, writer.catalogue))}")
    comments += [f"// Left open ({each.kind}): {each.reason}." for each in writer.gaps if each.define == name]
    defines.append("\n".join([*comments, f'define "{name}":', f"  {body}", ""]))
    for part_name, part in zip(names, parts, strict=True):
        _define(part_name, part, "", writer, defines)


def _one_line(text: str) -> str:
    return " ".join(text.split())
