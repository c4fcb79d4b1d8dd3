"""A small catalogue and a chart made by hand, which keep the promises that the evaluator relies on."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from app.criteria.time import Duration, TimeUnit, read_date
from app.evaluator.evaluate import Judge
from app.evaluator.facts import (
    Activity,
    AllergyFact,
    Amount,
    Certainty,
    Coded,
    CodedValue,
    Coding,
    ConditionFact,
    ConsentFact,
    Dosing,
    Hit,
    Match,
    NumberValue,
    ObservationFact,
    ParticipationFact,
    PatientFact,
    ReferenceRange,
    Source,
    Standing,
    TreatmentFact,
    Value,
    Warning_,
)
from app.evaluator.settings import EvaluationSettings
from app.knowledge.catalogue import (
    Analyte,
    Catalogue,
    Code,
    CodeGroup,
    Concept,
    DoseThreshold,
    Drug,
    Family,
    Kind,
    Lexicon,
    Measure,
    Modifier,
    Product,
    ResultWords,
    Scale,
    ScaleValue,
    System,
)
from app.knowledge.index import build_index
from app.knowledge.load_units import load_unit_table

if TYPE_CHECKING:
    from app.criteria.nodes import Criterion
    from app.criteria.time import DateSpan
    from app.evaluator.verdict import Verdict

AS_OF = date(2026, 11, 22)
NO_CODE = Coded()
UCUM = "http://unitsofmeasure.org"


def _concept(name: str, *codes: str, families: tuple[Family, ...] = (Family.CONDITION,), **more: object) -> Concept:
    """A concept whose codes are names in a made-up system that matches exactly."""
    listed = tuple(Code(System.SNOMED, each, each) for each in codes or (name,))
    kind = more.pop("kind", Kind.CONDITION)
    return Concept(name, kind, name.replace("-", " "), (), families, listed, "made up", **more)  # type: ignore[arg-type]


def _analyte(name: str, unit: str, **more: object) -> Analyte:
    measure = more.pop("measure", Measure.QUANTITY)
    codes = (Code(System.LOINC, name, str(more.pop("display", name))),)
    return Analyte(name, name.replace("-", " "), (), measure, codes, unit, "made up", **more)  # type: ignore[arg-type]


_DRUG: dict[str, Any] = {"families": (Family.MEDICATION,), "kind": Kind.TREATMENT}
_DONE: dict[str, Any] = {"families": (Family.PROCEDURE,), "kind": Kind.TREATMENT}

CONCEPTS = {
    each.id: each
    for each in (
        _concept("asthma"),
        _concept("stroke", event=True),
        _concept("vascular-disease", includes=("stroke",)),
        _concept("hiv-infection", results=("hiv-antibody",)),
        _concept("metastasis", includes=("liver-metastasis",), metastasis=True),
        _concept("liver-metastasis", metastasis=True),
        _concept(
            "malignancy",
            includes=("breast-cancer", "lung-cancer", "basal-cell-carcinoma", "metastasis"),
            malignancy=True,
        ),
        _concept("breast-cancer", malignancy=True),
        _concept("lung-cancer", malignancy=True),
        _concept("basal-cell-carcinoma", malignancy=True),
        _concept("pregnancy"),
        _concept("skin-tumour"),
        _concept("lung", kind=Kind.SITE),
        _concept(
            "systemic-corticosteroid",
            "prednisone",
            "dexamethasone",
            "budesonide",
            high_dose=DoseThreshold(Decimal(40), "prednisone", "made up"),
            systemic=True,
            **_DRUG,
        ),
        _concept("chemotherapy", "paclitaxel", "lomustine", **_DRUG),
        _concept("surgery", event=True, **_DONE),
        _concept("radiotherapy", **_DONE),
        _concept("hysterectomy", event=True, **_DONE),
        _concept("transplant", families=(Family.PROCEDURE, Family.CONDITION), kind=Kind.TREATMENT),
        _concept("live-vaccine", families=(Family.IMMUNIZATION,), kind=Kind.VACCINE),
        _concept("penicillin", families=(Family.ALLERGY,), kind=Kind.ALLERGEN),
    )
}
ANALYTES = {
    each.id: each
    for each in (
        _analyte("alt", "U/L", enzyme=True),
        _analyte("haemoglobin", "g/L"),
        _analyte("creatinine", "mg/dL", molar_mass=Fraction("113.12")),
        _analyte("creatinine-clearance", "mL/min", formula="cockcroft-gault", inputs=("creatinine", "body-weight")),
        _analyte("body-weight", "kg"),
        _analyte("body-height", "cm"),
        _analyte("qt-interval", "ms"),
        _analyte("heart-rate", "/min"),
        _analyte("qtcf", "ms", formula="qtc-fridericia", inputs=("qt-interval", "heart-rate")),
        _analyte("inr", "1"),
        _analyte("pt", "s"),
        _analyte("spo2", "%"),
        _analyte("tumour-size", "cm", objects=True),
        _analyte("hiv-antibody", "1", measure=Measure.PRESENCE),
        _analyte("hbv-dna", "[IU]/mL", display="HBV DNA (viral load)"),
        _analyte("pregnancy-test", "1", measure=Measure.PRESENCE),
    )
}
SCALES = {
    "ecog": Scale(
        "ecog",
        "ECOG",
        (),
        (Code(System.LOINC, "ecog", "ECOG"),),
        tuple(ScaleValue(str(n), (Code(System.LOINC, f"LA-ecog-{n}", ""),), (str(n),)) for n in range(6)),
        "made up",
    )
}
DRUGS = {
    "8640": Drug("8640", "prednisone", Decimal(3), Decimal(5)),
    "3264": Drug("3264", "dexamethasone", Decimal(4), Decimal("0.75")),
    "56946": Drug("56946", "paclitaxel", Decimal(20)),
    "6466": Drug("6466", "lomustine"),
}
PRODUCTS = {
    "pred-5": Product("pred-5", ("8640",), "oral", Decimal(5)),
    "dexa-4": Product("dexa-4", ("3264",), "oral", Decimal(4)),
}
MODIFIERS = {
    Modifier.SEVERE: [(System.SNOMED, "24484000")],
    Modifier.MILD: [(System.SNOMED, "255604002")],
    Modifier.PALLIATIVE_INTENT: [(System.SNOMED, "363676003")],
    Modifier.CURATIVE_INTENT: [(System.SNOMED, "373808002")],
    Modifier.OTHER_INTENT: [(System.SNOMED, "373846009")],
    Modifier.FEMALE: [(System.SNOMED, "248152002")],
    Modifier.MALE: [(System.SNOMED, "248153007")],
    Modifier.OXYGEN_FLOW: [(System.LOINC, "3151-8")],
    Modifier.OXYGEN_SHARE: [(System.LOINC, "19994-3")],
    Modifier.NO_SITE: [(System.ICD10, "C80")],
}
ROUTES = {each: each for each in ("oral", "intravenous", "inhaled", "topical", "rectal")}


def catalogue() -> Catalogue:
    """The catalogue of these tests."""
    words = ResultWords(
        (Code(System.INTERPRETATION, "POS", ""),),
        (Code(System.INTERPRETATION, "NEG", ""),),
        frozenset({"positive", "detected"}),
        frozenset({"negative", "not detected"}),
    )
    return Catalogue(
        CONCEPTS, ANALYTES, SCALES, DRUGS, PRODUCTS, ROUTES, words, Lexicon(),
        MappingProxyType({"http://loinc.org": System.LOINC, "http://snomed.info/sct": System.SNOMED}),
        ("icd-o", "2.16.840.1.113883.6.43.1"),
        {each: CodeGroup(tuple(Code(*one, "") for one in MODIFIERS.get(each, ())), "made up") for each in Modifier},
        load_unit_table(), "sha256:test", build_index(CONCEPTS, ANALYTES, SCALES, DRUGS, PRODUCTS),
    )  # fmt: skip


CATALOGUE = catalogue()


# --- facts -----------------------------------------------------------------------------------------------------------


def day(text: str | None) -> DateSpan | None:
    """A FHIR date."""
    return read_date(text) if text is not None else None


def coded(code: str, system: str = "snomed", text: str = "") -> Coded:
    """One coding."""
    return Coded((Coding(system, f"urn:{system}", code, code),), text)


def condition(
    name: str,
    code: str,
    onset: str | None = "2024-01-01",
    *,
    abated: str | None = None,
    recorded: str | None = None,
    activity: Activity = Activity.ACTIVE,
    certainty: Certainty = Certainty.CONFIRMED,
    severity: Coded = NO_CODE,
    due_to: tuple[Coded, ...] = (),
) -> ConditionFact:
    """A Condition."""
    return ConditionFact(
        Source(f"Condition/{name}", "Condition"), coded(code), certainty, activity, day(onset), day(abated),
        day(recorded), severity, (), (), due_to, (), False, (), (),
    )  # fmt: skip


def treatment(
    name: str,
    code: str,
    start: str | None = "2026-11-01",
    end: str | None = None,
    *,
    ongoing: bool = False,
    family: Family = Family.MEDICATION,
    kind: str = "MedicationStatement",
    standing: Standing = Standing.HAPPENED,
    routes: tuple[str, ...] = (),
    dosing: tuple[Dosing, ...] = (),
    ingredients: tuple[Coded, ...] = (),
    sites: tuple[Coded, ...] = (),
    intent: tuple[Coded, ...] = (),
) -> TreatmentFact:
    """A drug exposure; procedures by `family` and `kind`."""
    return TreatmentFact(
        Source(f"{kind}/{name}", kind), family, coded(code), ingredients, standing, day(start), day(end), ongoing,
        tuple(Coded((), each) for each in routes), dosing, sites, (), (), intent, (), "", "completed",
    )  # fmt: skip


def procedure(name: str, code: str, on: str | None, **more: object) -> TreatmentFact:
    """A procedure of one day."""
    return treatment(name, code, on, on, family=Family.PROCEDURE, kind="Procedure", **more)  # type: ignore[arg-type]


def dosing(amount: str | None, unit: str = "mg", per_day: str | None = "1", *, as_needed: bool = False) -> Dosing:
    """One instruction."""
    number = Amount(Decimal(amount), unit) if amount is not None else None
    often = Decimal(per_day) if per_day is not None else None
    return Dosing(number, number, often, None, as_needed, None, None, "")


def rx(code: str) -> tuple[Coded, ...]:
    """An RxNorm ingredient or product."""
    return (Coded((Coding("rxnorm", "urn:rxnorm", code, code),)),)


def number(value: str, unit: str = "", comparator: str = "") -> NumberValue:
    """A quantity."""
    return NumberValue(Decimal(value), comparator, unit, unit, UCUM if unit else "")


def ranged(low: str | None, high: str | None, unit: str = "", applies: tuple[str, ...] = ()) -> ReferenceRange:
    """A reference range."""
    return ReferenceRange(
        number(low, unit) if low is not None else None,
        number(high, unit) if high is not None else None,
        NO_CODE,
        tuple(Coded((), each) for each in applies),
        None,
        None,
    )


def observation(
    name: str,
    analyte: str,
    value: Value | str | None,
    when: str | None = "2026-11-10",
    *,
    ranges: tuple[ReferenceRange, ...] = (),
    interpretation: str = "",
    instant: str = "",
    objects: tuple[str, ...] = (),
    companions: tuple[ObservationFact, ...] = (),
) -> ObservationFact:
    """An Observation; a string is a coded text."""
    given = CodedValue(Coded((), value)) if isinstance(value, str) else value
    read = (Coded((Coding("interpretation", "urn:i", interpretation, ""),)),) if interpretation else ()
    return ObservationFact(
        Source(f"Observation/{name}", "Observation"), coded(analyte, "loinc"), given, "Observation.value", day(when),
        "Observation.effectiveDateTime", instant, False, ranges, read, (), NO_CODE, objects, companions,
    )  # fmt: skip


def allergy(name: str, code: str, *, criticality: str = "", severities: tuple[str, ...] = ()) -> AllergyFact:
    """An AllergyIntolerance."""
    return AllergyFact(
        Source(f"AllergyIntolerance/{name}", "AllergyIntolerance"), coded(code), (), (), Certainty.CONFIRMED,
        Activity.ACTIVE, criticality, severities,
    )  # fmt: skip


def participation(
    name: str, start: str | None, end: str | None = None, *, on: bool = False, ids: tuple[str, ...] = ("NCT1",)
) -> ParticipationFact:
    """A ResearchSubject."""
    return ParticipationFact(
        Source(f"ResearchSubject/{name}", "ResearchSubject"), "on-study" if on else "off-study", on, not on, day(start),
        day(end), ids, "Another study",
    )  # fmt: skip


Any_ = ConditionFact | TreatmentFact | ObservationFact | AllergyFact | ParticipationFact | ConsentFact


@dataclass(slots=True)
class FakeChart:
    """A chart of these facts. Codes are placed by the catalogue; `vague`, `named` and `unplaced` say how others
    match.
    """

    facts: tuple[Any_, ...] = ()
    gender: str = "female"
    birth: str | None = "1980-05-05"
    deceased: bool = False
    closed: frozenset[str] | None = None
    """Families shown beyond those with a fact; None: all of them."""
    vague: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unplaced: frozenset[str] = frozenset()

    @property
    def patient(self) -> PatientFact:
        """The patient."""
        return PatientFact(Source("Patient/p1", "Patient"), self.gender, day(self.birth), self.deceased, None)

    @property
    def warnings(self) -> tuple[Warning_, ...]:
        """None."""
        return ()

    def shown(self, family: Family) -> bool:
        """All, or those that are listed or have a fact."""
        return self.closed is None or family.value in self.closed or bool(self.count(family))

    def shown_type(self, resource_type: str) -> bool:
        """The same for a type."""
        there = any(each.source.type == resource_type for each in self.facts)
        return self.closed is None or resource_type in self.closed or there

    def count(self, family: Family) -> int:
        """How many of the family."""
        return sum(_family(each) is family for each in self.facts)

    def touched(self, _index: str) -> frozenset[str] | None:
        """Anything may be asked of it."""
        return None

    def unknown_codes(self, family: Family) -> int:
        """Those that are not placed."""
        return sum(_family(each) is family and each.source.reference in self.unplaced for each in self.facts)

    def _match(self, fact: Any_, concept: str) -> Match | None:
        reference = fact.source.reference
        if reference in self.unplaced:
            return Match.UNPLACED
        if concept in self.vague.get(reference, ()):
            return Match.VAGUE
        for each in (fact.code, *getattr(fact, "ingredients", ())):  # type: ignore[union-attr]
            for coding in each.codings:
                if concept in CATALOGUE.index.place(coding.system, coding.code).concepts:
                    return Match.IS
        return None

    def _hits(self, kind: type, concept: str, families: tuple[Family, ...]) -> tuple[Hit[Any_], ...]:
        found = []
        for fact in sorted(self.facts, key=lambda one: one.source.reference):
            if isinstance(fact, kind) and _family(fact) in families:
                match = self._match(fact, concept)
                if match is not None:
                    found.append(Hit(fact, match, fact.code.codings[0]))  # type: ignore[union-attr]
        return tuple(found)

    def conditions(self, concept: str) -> tuple[Hit[ConditionFact], ...]:
        """By code."""
        return self._hits(ConditionFact, concept, (Family.CONDITION,))  # type: ignore[return-value]

    def treatments(self, concept: str, families: tuple[Family, ...]) -> tuple[Hit[TreatmentFact], ...]:
        """By code."""
        return self._hits(TreatmentFact, concept, families)  # type: ignore[return-value]

    def allergies(self, concept: str) -> tuple[Hit[AllergyFact], ...]:
        """By code."""
        return self._hits(AllergyFact, concept, (Family.ALLERGY,))  # type: ignore[return-value]

    def all_allergies(self) -> tuple[AllergyFact, ...]:
        """Every one."""
        return tuple(each for each in self.facts if isinstance(each, AllergyFact))

    def observations(self, analyte: str) -> tuple[ObservationFact, ...]:
        """Oldest first, undated ones first of all."""
        found = [
            each for each in self.facts if isinstance(each, ObservationFact) and each.code.codings[0].code == analyte
        ]
        found.sort(
            key=lambda each: (
                each.when is not None,
                each.when.latest if each.when is not None and each.when.latest else date.min,
                each.instant,
                each.source.reference,
            )
        )
        return tuple(found)

    def named_observations(self, analyte: str) -> tuple[ObservationFact, ...]:
        """None."""
        return ()

    def concept_observations(self, concept: str) -> tuple[Hit[ObservationFact], ...]:
        """None."""
        return ()

    def participations(self) -> tuple[ParticipationFact, ...]:
        """Every one."""
        return tuple(each for each in self.facts if isinstance(each, ParticipationFact))

    def consents(self) -> tuple[ConsentFact, ...]:
        """Every one."""
        return tuple(each for each in self.facts if isinstance(each, ConsentFact))

    def primaries(self) -> tuple[ConditionFact, ...]:
        """By the catalogue."""
        found = []
        for fact in self.facts:
            if not isinstance(fact, ConditionFact) or fact.source.reference in self.unplaced:
                continue
            ids = CATALOGUE.index.place("snomed", fact.code.codings[0].code).concepts
            if any(CONCEPTS[each].malignancy for each in ids) and not any(CONCEPTS[each].metastasis for each in ids):
                found.append(fact)
        return tuple(sorted(found, key=lambda one: one.source.reference))

    def resolve(self, reference: str) -> Source | None:
        """By reference."""
        return next((each.source for each in self.facts if each.source.reference == reference), None)


def _family(fact: Any_) -> Family | None:
    match fact:
        case ConditionFact():
            return Family.CONDITION
        case TreatmentFact(family=family):
            return family
        case ObservationFact():
            return Family.OBSERVATION
        case AllergyFact():
            return Family.ALLERGY
        case _:
            return None


def settings(**more: object) -> EvaluationSettings:
    """Of these tests' day."""
    return EvaluationSettings(AS_OF, **more)  # type: ignore[arg-type]


def judge(node: Criterion, *facts: Any_, given: EvaluationSettings | None = None, **chart: object) -> Verdict:
    """The verdict on one node for a chart of these facts."""
    return Judge(FakeChart(facts, **chart), CATALOGUE, given or settings()).judge(node)  # type: ignore[arg-type]


def span(count: int, unit: str) -> Duration:
    """A duration."""
    return Duration(Decimal(count), TimeUnit(unit))
