"""The front door: bytes of a Bundle become a `PatientChart`, one patient's record that answers the evaluator's
questions.

Everything that was sent is looked at once, to see whom it is about and whether it counts; facts are made only of what
is asked for, and checked then. What was wrong is in `warnings`. A resource that is about the patient but cannot be
read, or that is changed by a modifier nobody here knows, decides nothing, and keeps its absence from being concluded.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial
from itertools import pairwise
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, cast

from msgspec import structs

from app.evaluator.facts import (
    Activity,
    AllergyFact,
    CodedValue,
    ConditionFact,
    ConsentFact,
    Hit,
    Match,
    ObservationFact,
    ParticipationFact,
    Source,
    TreatmentFact,
    Warning_,
    warning_order,
)
from app.fhir import resources
from app.fhir.answers import hear
from app.fhir.bundle import Opened, open_bundle
from app.fhir.conditions import read_allergy, read_condition
from app.fhir.errors import TooManyEntries
from app.fhir.index import FamilyIndex, Record
from app.fhir.medications import Medications
from app.fhir.observations import USABLE, USABLE_REPORTS, order, read_observation, read_report
from app.fhir.people import read_consent, read_participation, read_patient
from app.fhir.records import Gathered, gather
from app.fhir.resolver import type_name
from app.fhir.results import REPORT, ResultIndex
from app.fhir.terms import vocabulary_of
from app.fhir.treatments import Treatment, read_treatment, standing_of
from app.fhir.values import BadValue, Values
from app.knowledge.catalogue import Family

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from app.criteria.time import DateSpan
    from app.evaluator.facts import PatientFact
    from app.fhir.answers import Heard
    from app.fhir.datatypes import Raw
    from app.fhir.resources import Resource
    from app.fhir.terms import Term
    from app.knowledge.catalogue import Catalogue

Absence: TypeAlias = Literal["default", "open", "closed"]
F = TypeVar("F")
_DEFINITE = (Match.IS, Match.NAMED)
_BY_REFERENCE = attrgetter("reference")

_DRUG_TYPES = (
    "MedicationRequest",
    "MedicationStatement",
    "MedicationUsage",
    "MedicationAdministration",
    "MedicationDispense",
)
_TYPES: dict[Family, tuple[str, ...]] = {
    Family.CONDITION: ("Condition",),
    Family.PROCEDURE: ("Procedure",),
    Family.MEDICATION: _DRUG_TYPES,
    Family.IMMUNIZATION: ("Immunization",),
    Family.ALLERGY: ("AllergyIntolerance",),
    Family.OBSERVATION: ("Observation",),
}
_TYPES_OF = {family: frozenset(types) for family, types in _TYPES.items()}
_FAMILY_OF = {str(each): each for each in Family}
_CODES: dict[type[Resource], tuple[Callable[[Any], Raw], str]] = {
    resources.Condition: (attrgetter("code"), "Condition.code"),
    resources.Procedure: (attrgetter("code"), "Procedure.code"),
    resources.Immunization: (attrgetter("vaccine_code"), "Immunization.vaccineCode"),
}
"""Where the code stands of what has one code and no more."""
_PLANNED = ("ServiceRequest", "Appointment")
_NO_CONCEPT = ""
_RESPONSE = "QuestionnaireResponse"
_UNINDEXED = frozenset({"ResearchSubject", "Consent"})
_REMISSION = "remission-stated"
_TREATMENT_FAMILIES = frozenset({Family.PROCEDURE, Family.MEDICATION, Family.IMMUNIZATION})


def read_chart(
    body: bytes,
    catalogue: Catalogue,
    *,
    patient: str | None = None,
    complete: frozenset[str] = frozenset(),
    absence: Absence = "default",
    incomplete: frozenset[str] = frozenset(),
    most_entries: int | None = None,
) -> PatientChart:
    """The chart of one patient of a FHIR Bundle (R4, R4B or R5).

    `patient` is an id, a reference or a fullUrl, needed where the Bundle has several Patients; `complete` are
    resource types of which the sender says that all are there; `absence` is "open" (nothing is ever concluded from
    absence) or "closed" (always); of the types in `incomplete` some are known to be lacking, so that their family
    shows nothing. Raises NotJson, NotABundle, TooDeep, TooManyEntries (more than `most_entries`), NoPatient,
    SeveralPatients or UnknownPatient; all else is a warning.
    """
    opened = open_bundle(body)
    if most_entries is not None and len(opened.entries) > most_entries:
        raise TooManyEntries(len(opened.entries), most_entries)
    return PatientChart(opened, gather(opened, patient), catalogue, complete, absence, incomplete)


class PatientChart:
    """One patient's record (the evaluator's `Chart`). Each question is answered once and remembered."""

    def __init__(
        self,
        opened: Opened,
        gathered: Gathered,
        catalogue: Catalogue,
        complete: frozenset[str],
        absence: Absence,
        incomplete: frozenset[str] = frozenset(),
    ) -> None:
        self._opened = opened
        self._gathered = gathered
        self._catalogue = catalogue
        self._complete = complete
        self._incomplete = incomplete
        self._absence = absence
        self._values = Values.of(vocabulary_of(catalogue))
        self._warnings = {*opened.warnings, *gathered.warnings}
        self._families: dict[Family, FamilyIndex] = {}
        self._treated: dict[tuple[str, tuple[Family, ...]], tuple[Hit[TreatmentFact], ...]] = {}
        self._noted: dict[str, tuple[Hit[ObservationFact], ...]] = {}
        self._measured: dict[str, tuple[ObservationFact, ...]] = {}
        self._result_index: ResultIndex | None = None
        self._broken = opened.broken
        self._searched = {
            each.type for each in opened.searches if not each.patient or gathered.patient.is_called(each.patient)
        }
        self._patient = self._read_patient()

    # -- the whole record

    @property
    def patient(self) -> PatientFact:
        """The patient under evaluation."""
        return self._patient

    @property
    def is_about_studies(self) -> bool:
        """Whether studies are recorded at all, read or not; only these ask which trial is under evaluation."""
        return bool(self._records("ResearchSubject") or self._records("Consent"))

    @property
    def warnings(self) -> tuple[Warning_, ...]:
        """What did not count or only with a caveat, so far: facts are checked when they are first asked for."""
        return tuple(sorted(self._warnings, key=warning_order))

    def shown(self, family: Family) -> bool:
        """Whether nothing found means that there is nothing."""
        types = _TYPES_OF[family]
        if not self._incomplete.isdisjoint(types):
            return False
        if self._absence != "default":
            return self._absence == "closed"
        return not (
            types.isdisjoint(self._gathered.shown)
            and types.isdisjoint(self._searched)
            and types.isdisjoint(self._complete)
        )

    def shown_type(self, resource_type: str) -> bool:
        """The same for one resource type."""
        if resource_type in self._incomplete:
            return False
        if self._absence != "default":
            return self._absence == "closed"
        return (
            resource_type in self._gathered.shown or resource_type in self._searched or resource_type in self._complete
        )

    def count(self, family: Family) -> int:
        """How many resources of the family were looked through."""
        return sum(len(self._gathered.records.get(each, ())) for each in _TYPES[family])

    def unknown_codes(self, family: Family) -> int:
        """How many of them have no code that the catalogue knows."""
        return self._results.unknown_codes() if family is Family.OBSERVATION else self._family(family).unknown_codes()

    def resolve(self, reference: str) -> Source | None:
        """The resource of the bundle that a reference means."""
        found = self._gathered.resolver.find(reference)
        if found is None:
            return None
        name = type_name(found)
        return Source(f"{name}/{found.id}" if found.id else reference, name)

    def touched(self, index: str) -> frozenset[str] | None:
        """What the records of an index bear on, of the evaluator's questions; None where it may be anything."""
        if index in _UNINDEXED:
            return None if self._records(index) else frozenset()
        family = _FAMILY_OF[index]
        return self._results.touched() if family is Family.OBSERVATION else self._family(family).touched()

    # -- by concept

    def conditions(self, concept: str) -> tuple[Hit[ConditionFact], ...]:
        """Conditions that bear on a concept."""
        return self._bearing(Family.CONDITION, concept, self._condition)

    def treatments(self, concept: str, families: tuple[Family, ...]) -> tuple[Hit[TreatmentFact], ...]:
        """Drugs, procedures, vaccinations and plans that bear on a concept, by reference."""
        found = self._treated.get((concept, families))
        if found is None:
            found = self._treated[concept, families] = self._find_treatments(concept, families)
        return found

    def _find_treatments(self, concept: str, families: tuple[Family, ...]) -> tuple[Hit[TreatmentFact], ...]:
        asked = [each for each in dict.fromkeys(families) if each in _TREATMENT_FAMILIES]
        parts = [hits for each in asked if (hits := self._bearing(each, concept, self._treatment))]
        if len(parts) <= 1:
            return parts[0] if parts else ()
        return tuple(sorted([hit for hits in parts for hit in hits], key=lambda hit: hit.fact.source.reference))

    def allergies(self, concept: str) -> tuple[Hit[AllergyFact], ...]:
        """Allergies that bear on a concept, by their code or the substance of a reaction."""
        return self._bearing(Family.ALLERGY, concept, self._allergy)

    def all_allergies(self) -> tuple[AllergyFact, ...]:
        """Every allergy that counts."""
        records = self._sorted("AllergyIntolerance")
        return tuple(self._allergy(each) for each in records if not each.doubt)

    def primaries(self) -> tuple[ConditionFact, ...]:
        """Every primary malignancy, whatever its status."""
        found: dict[str, ConditionFact] = {}
        concepts = self._catalogue.concepts
        for group in self._family(Family.CONDITION).groups:
            ids = [each for each in group.terms[0].concepts if each in concepts]
            if any(concepts[each].metastasis for each in ids) or not any(concepts[each].malignancy for each in ids):
                continue
            for record in group.records:
                fact = self._condition(record)
                if not record.doubt:
                    found[record.reference] = fact
        return tuple(found[each] for each in sorted(found))

    def concept_observations(self, concept: str) -> tuple[Hit[ObservationFact], ...]:
        """Usable observations that are coded with a concept or have it as their value."""
        found = self._noted.get(concept)
        if found is None:
            hits = [
                Hit(fact, match, coding)
                for record, term, match, coding in self._results.bearing_on(concept)
                for fact in self._observation(record)
                if fact.code is term.coded or (isinstance(fact.value, CodedValue) and fact.value.coded is term.coded)
            ]
            hits.sort(key=lambda hit: (hit.fact.source.reference, hit.fact.path, hit.match.value))
            found = self._noted[concept] = tuple(hits)
        return found

    # -- results

    def observations(self, analyte: str) -> tuple[ObservationFact, ...]:
        """Usable observations of an analyte or scale, oldest first, undated ones first of all."""
        found = self._measured.get(analyte)
        if found is None:
            made, results_of = self._observation, self._values.results_of
            facts = [
                fact
                for record in self._results.of(analyte)
                for fact in made(record)
                if analyte in results_of(fact.code)
            ]
            if len(facts) > 1:
                facts.sort(key=order)
            found = self._measured[analyte] = tuple(facts)
        return found

    def named_observations(self, analyte: str) -> tuple[ObservationFact, ...]:
        """Observations whose code is not listed for any result, or is broader, and whose words name the analyte."""
        facts = [
            fact
            for term, records in self._results.named(analyte)
            for record in records
            for fact in self._observation(record)
            if fact.code is term.coded
        ]
        return tuple(sorted(facts, key=order))

    # -- research

    def participations(self) -> tuple[ParticipationFact, ...]:
        """What ResearchSubjects say, by reference. One that cannot be read took part in something at some time."""
        return tuple(fact for each in self._sorted("ResearchSubject") for fact in self._participation(each))

    def consents(self) -> tuple[ConsentFact, ...]:
        """Active consents, by reference."""
        found = []
        for record in self._sorted("Consent"):
            if record.doubt or cast("resources.Consent", record.resource).status != "active":
                continue
            fact = self._read(record, partial(self._consent, record))
            if fact is not None:
                found.append(fact)
        return tuple(found)

    # -- answers of people

    @property
    def is_answered(self) -> bool:
        """Whether there is any QuestionnaireResponse."""
        return bool(self._records(_RESPONSE))

    def answers(self, questionnaire: str, as_of: date) -> Heard | None:
        """What was answered to a Questionnaire (canonical URL with version) until a day; None where nothing was."""
        return hear(self._sorted(_RESPONSE), questionnaire, self._values, as_of)

    def beside(self, records: Mapping[str, list[Record]]) -> PatientChart:
        """This record with more records about the patient, by type. They show no type to be complete."""
        more = {name: [*self._records(name), *records.get(name, ())] for name in {*self._gathered.records, *records}}
        gathered = replace(self._gathered, records=more)
        return PatientChart(self._opened, gathered, self._catalogue, self._complete, self._absence, self._incomplete)

    # -- making facts

    def _records(self, resource_type: str) -> list[Record]:
        return self._gathered.records.get(resource_type, [])

    def _sorted(self, resource_type: str) -> list[Record]:
        return sorted(self._records(resource_type), key=_BY_REFERENCE)

    def _read(self, record: Record, make: Callable[[], F]) -> F | None:
        """The fact; where an element has no value of its type, None, a warning, and the record is in doubt."""
        try:
            return make()
        except BadValue as error:
            self._fail(record, error)
            return None

    def _fail(self, record: Record, error: BadValue) -> None:
        text = f"This {record.type} does not count: {error}."
        self._warnings.add(Warning_("malformed", text, record.reference))
        record.doubt = True

    def _condition(self, record: Record) -> ConditionFact:
        if record.fact is None:
            whole = cast("resources.Condition", record.resource)
            fact = self._read(record, lambda: read_condition(whole, record.source, self._values))
            if fact is None:
                bare = read_condition(resources.Condition(), record.source, self._values)
                fact = structs.replace(bare, code=self._terms_of(record)[0].coded)
            concepts = self._terms_of(record)[0].concepts
            if _REMISSION in concepts and fact.activity is Activity.ACTIVE:
                fact = structs.replace(fact, activity=self._in_remission(concepts))
            record.fact = fact
        return cast("ConditionFact", record.fact)

    def _in_remission(self, concepts: frozenset[str]) -> Activity:
        """Active by its status, in remission by its code: a malignancy is in remission; of all else the status is open,
        for lists keep such codes active.
        """
        known = self._catalogue.concepts
        malignant = any(known[each].malignancy for each in concepts if each in known)
        return Activity.REMISSION if malignant else Activity.UNKNOWN

    def _allergy(self, record: Record) -> AllergyFact:
        if record.fact is None:
            whole = cast("resources.AllergyIntolerance", record.resource)
            fact = self._read(record, lambda: read_allergy(whole, record.source, self._values))
            if fact is None:
                bare = read_allergy(resources.AllergyIntolerance(), record.source, self._values)
                fact = structs.replace(bare, code=self._terms_of(record)[0].coded)
            record.fact = fact
        return cast("AllergyFact", record.fact)

    def _treatment(self, record: Record) -> TreatmentFact:
        if record.fact is None:
            whole = cast("Treatment", record.resource)
            code, *ingredients = [each.coded for each in self._terms_of(record)]
            fact = self._read(
                record, lambda: read_treatment(whole, record.source, self._values, code, tuple(ingredients))
            )
            if fact is None:
                bare = type(whole)(status=whole.status)
                fact = read_treatment(bare, record.source, self._values, code, tuple(ingredients))
            record.fact = fact
        return cast("TreatmentFact", record.fact)

    def _observation(self, record: Record) -> tuple[ObservationFact, ...]:
        if record.fact is None:
            whole = record.resource
            try:
                if isinstance(whole, resources.DiagnosticReport):
                    record.fact = read_report(whole, record.source, self._values)
                else:
                    record.fact = read_observation(cast("resources.Observation", whole), record.source, self._values)
            except BadValue as error:
                self._fail(record, error)
                record.fact = ()
        return cast("tuple[ObservationFact, ...]", record.fact)

    def _participation(self, record: Record) -> tuple[ParticipationFact, ...]:
        if record.fact is None:
            whole = cast("resources.ResearchSubject", record.resource)
            study = None
            if whole.study is not None and whole.study.reference:
                found = self._gathered.resolver.find(whole.study.reference)
                study = found if isinstance(found, resources.ResearchStudy) else None
            fact = None
            if not record.doubt:
                fact = self._read(record, lambda: read_participation(whole, record.source, self._values, study))
            record.fact = fact or ParticipationFact(
                record.source, "", taking_part=False, took_part=True, start=None, end=None, study_ids=(), study_title=""
            )
        return (cast("ParticipationFact", record.fact),)

    def _consent(self, record: Record) -> ConsentFact:
        resource = cast("resources.Consent", record.resource)
        provisions = resource.provision if isinstance(resource.provision, list) else [resource.provision]
        named = [
            data.reference.reference
            for each in provisions
            if each is not None
            for data in each.data or ()
            if data.reference is not None and data.reference.reference
        ]
        ids: list[str] = []
        for each in named:
            found = self._gathered.resolver.find(each)
            if isinstance(found, resources.ResearchStudy):
                ids += [identifier.value for identifier in found.identifier or () if identifier.value]
            if isinstance(found, resources.ResearchStudy) or "ResearchStudy/" in each:
                ids.append(each.rpartition("/")[2])
        return read_consent(resource, record.source, self._values, tuple(dict.fromkeys(ids)))

    def _read_patient(self) -> PatientFact:
        """The patient. A bad date, or a modifier nobody knows, leaves open what it touches."""
        candidate = self._gathered.patient
        resource = candidate.resource
        source = Source(candidate.reference, "Patient")
        if self._gathered.patient_in_doubt or resource.modifier_extension or resource.implicit_rules:
            if not self._gathered.patient_in_doubt:
                text = "The Patient is modified by something not known here, so sex, age and death are left open."
                self._warnings.add(Warning_("unknown-modifier", text, source.reference))
            kept = resource if id(resource) in self._broken else resources.Patient()
            resource = resources.Patient(
                id=resource.id,
                gender=kept.gender,
                birth_date=kept.birth_date,
                deceased_boolean=kept.deceased_boolean,
                deceased_date_time=kept.deceased_date_time,
            )
        birth = self._date_of(resource.birth_date, "Patient.birthDate", source)
        death = self._date_of(resource.deceased_date_time, "Patient.deceasedDateTime", source)
        self._values.birth = birth
        return read_patient(resource, source, birth, death)

    def _date_of(self, text: str | None, path: str, source: Source) -> DateSpan | None:
        try:
            return self._values.date(text, path)
        except BadValue as error:
            self._warnings.add(Warning_("malformed", f"{error}.", source.reference))
            return None

    # -- by code

    @property
    def _results(self) -> ResultIndex:
        if self._result_index is None:
            self._result_index = self._index_results()
        return self._result_index

    def _index_results(self) -> ResultIndex:
        usable = [
            each
            for each in self._records("Observation")
            if not each.doubt and cast("resources.Observation", each.resource).status in USABLE
        ]
        usable += [
            each
            for each in self._records(REPORT)
            if not each.doubt and cast("resources.DiagnosticReport", each.resource).status in USABLE_REPORTS
        ]
        return ResultIndex(usable, self._values, self._fail)

    @cached_property
    def _medications(self) -> Medications:
        return Medications(lambda: self._gathered.resolver, self._values, self._broken)

    def _terms_of(self, record: Record) -> tuple[Term, ...]:
        """What a record is coded with; one whose code cannot be read is in doubt, and anything may be meant."""
        if record.terms is None:
            try:
                record.terms = self._terms(record.resource)
            except BadValue as error:
                self._fail(record, error)
                record.terms = (self._values.term_of(None),)
        return cast("tuple[Term, ...]", record.terms)

    def _terms(self, resource: Resource) -> tuple[Term, ...]:
        """Its own code first, then, for drugs, those of the ingredients and, for allergies, of the substances."""
        values = self._values
        plain = _CODES.get(type(resource))
        if plain is not None:
            code_of, path = plain
            return (values.term(code_of(resource), path),)
        match resource:
            case resources.ServiceRequest():
                return (values.term_of(resource.code),)
            case resources.AllergyIntolerance():
                substances = [each.substance for each in resource.reaction or () if each.substance]
                return (
                    values.term(resource.code, "AllergyIntolerance.code"),
                    *(values.term_of(each) for each in substances),
                )
            case resources.Appointment():
                return tuple(map(values.term_of, resource.service_type or (None,)))
            case (
                resources.MedicationRequest()
                | resources.MedicationStatement()
                | resources.MedicationAdministration()
                | resources.MedicationDispense()
            ):
                return self._medications.terms(resource)
            case _:
                msg = f"{type(resource).__name__} has no code of its own here."
                raise TypeError(msg)

    def _family(self, family: Family) -> FamilyIndex:
        index = self._families.get(family)
        if index is None:
            index = self._families[family] = FamilyIndex(family, self._values.vocabulary)
            more = _PLANNED if family is Family.PROCEDURE else ()
            treatments = family in _TREATMENT_FAMILIES
            terms_of, add = self._terms_of, index.add
            for name in (*_TYPES[family], *more):
                for record in self._records(name):
                    if not treatments or record.doubt or standing_of(record.resource) is not None:
                        add(record, terms_of(record))
        return index

    def _bearing(self, family: Family, concept: str, make: Callable[[Record], F]) -> tuple[Hit[F], ...]:
        index = self._family(family)
        found: tuple[Hit[F], ...] | None = index.answers.get(concept)
        if found is None:
            bearing = tuple(index.bearing_on(concept))
            if bearing and bearing[0][1] is Match.UNPLACED and concept:
                # The strongest come first: only what nobody can place bears on it, and that is the same for all.
                found = index.answers[concept] = self._bearing(family, _NO_CONCEPT, make)
                return found
            hits: list[tuple[str, Hit[F]]] = []
            for group, match in bearing:
                coding = group.coding_of(concept, match)
                for record in group.records:
                    fact = cast("F", record.fact) if record.fact is not None else make(record)
                    doubted = record.doubt and match in _DEFINITE
                    hits.append((record.reference, Hit(fact, Match.VAGUE if doubted else match, coding)))
            if len(hits) > 1:
                hits.sort(key=itemgetter(0))
                if any(one == next_ for (one, _), (next_, _) in pairwise(hits)):  # what was sent twice and differs
                    hits.sort(key=repr)
            found = index.answers[concept] = tuple(hit for _, hit in hits)
        return found
