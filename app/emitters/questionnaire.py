"""What to ask people, as a Questionnaire: yes or no for what only they can tell, and facts that the record may lack.

The linkIds are those that answers are read by: the id of a criterion or part for yes or no (whether its own statement
is true, for exclusions too), and `fact:<id>` for a value with its unit or a date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.criteria.nodes import (
    AgeIs,
    AllOf,
    AnyOf,
    AtLeast,
    Elapsed,
    GaveConsent,
    HadTreatment,
    HadVaccine,
    HasCondition,
    If,
    IsAlive,
    Judgement,
    Measured,
    Not,
    NotUnderstood,
    Preference,
    ResultIs,
    Scored,
    SexIs,
)
from app.emitters.canonical import fhir_id
from app.emitters.fhir import HL7, UCUM, coding, one_line, plain, pruned
from app.emitters.group import walk
from app.emitters.plan import library_name
from app.emitters.prose import says
from app.emitters.requirements import facts_of
from app.knowledge.catalogue import Family, Measure, System

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.criteria.nodes import Criterion
    from app.emitters.fhir import PublishedCriterion, PublishedTrial, Resource, Target
    from app.knowledge.catalogue import Analyte, Scale

_LOGIC = AllOf | AnyOf | AtLeast | Not | If
_BY_DATA = AgeIs | SexIs | IsAlive
_DATED = frozenset({Family.MEDICATION, Family.PROCEDURE, Family.IMMUNIZATION, Family.CONDITION})
FACT = "fact:"


def questionnaire(trial: PublishedTrial, target: Target) -> Resource:
    """The Questionnaire of one version of a trial."""
    asked = [each for criterion in trial.criteria if (each := _criterion(criterion, target))]
    facts = list(_facts(trial, target))
    return pruned(
        {
            "resourceType": "Questionnaire",
            "id": fhir_id(trial.id),
            "url": target.canonical.url("Questionnaire", trial.id),
            "version": str(trial.version),
            "name": library_name(trial.id),
            "title": one_line(f"Eligibility questions: {trial.title}"),
            "status": "active",
            "experimental": False,
            "subjectType": ["Patient"],
            "description": "Yes and no say whether the sentence is true of the patient, for exclusion criteria too. "
            "What the record has shown already need not be answered, and answers never override it.",
            "item": [
                *asked,
                *(
                    [{"linkId": "facts", "type": "group", "text": "Facts that the record may lack", "item": facts}]
                    if facts
                    else []
                ),
            ],
        }
    )


def asks_people(node: Criterion) -> bool:
    """Whether the report may ask a person about this part: all but logic, wishes, and what Patient alone decides."""
    return not isinstance(node, _LOGIC | _BY_DATA | Preference)


def _criterion(criterion: PublishedCriterion, target: Target) -> Resource | None:
    """The questions of one criterion, under its words; a single one stands by itself."""
    asked = [
        {"linkId": ident, "type": "boolean", "text": _question(node, target)}
        for ident, node in walk(criterion)
        if asks_people(node)
    ]
    if not asked:
        return None
    prefix = criterion.id
    if asked[0]["linkId"] == criterion.id:
        return {**asked[0], "prefix": prefix}
    head = plain(criterion.text)
    return {"linkId": f"{criterion.id}-parts", "prefix": prefix, "type": "group", "text": head, "item": asked}


def _question(node: Criterion, target: Target) -> str:
    match node:
        case Judgement(question) | GaveConsent(question):
            return one_line(question)
        case NotUnderstood(text):
            return f"Does this hold: “{one_line(text)}”?"
        case _:
            return f"Is it true that the patient meets this: {one_line(says(node, target.catalogue))}?"


def _facts(trial: PublishedTrial, target: Target) -> Iterator[Resource]:
    """One item a fact, in the order of the criteria."""
    seen: set[str] = set()
    for criterion in trial.criteria:
        for node in facts_of(criterion.expression):
            for ident in _facts_of(node, target):
                item = None if ident in seen else _fact(ident, target)
                seen.add(ident)
                if item is not None:
                    yield item


def _facts_of(node: Criterion, target: Target) -> tuple[str, ...]:
    match node:
        case Measured(analyte) | ResultIs(analyte):
            found = target.catalogue.analytes.get(analyte)
            return (analyte, *found.inputs) if found is not None else ()
        case Scored(scale):
            return (scale,)
        case HasCondition(concept) | HadTreatment(concept) | HadVaccine(concept):
            return (concept,)
        case Elapsed():
            return (node.treatment.concept,)
        case _:
            return ()


def _fact(ident: str, target: Target) -> Resource | None:
    catalogue = target.catalogue
    if ident in catalogue.analytes:
        return _analyte(catalogue.analytes[ident], target)
    if ident in catalogue.scales:
        return _scale(catalogue.scales[ident], target)
    concept = catalogue.concepts.get(ident)
    if concept is None or not _DATED & set(concept.families):
        return None
    is_diagnosis = Family.CONDITION in concept.families and not set(concept.families) & {
        Family.MEDICATION, Family.PROCEDURE, Family.IMMUNIZATION
    }  # fmt: skip
    ask = "Since when has the patient had" if is_diagnosis else "When did the patient last have"
    return {"linkId": f"{FACT}{ident}", "type": "date", "text": f"{ask}: {concept.name}? Leave it empty for never."}


def _analyte(analyte: Analyte, target: Target) -> Resource | None:
    if not analyte.codes:
        return None
    item: Resource = {
        "linkId": f"{FACT}{analyte.id}",
        "code": [coding(target.catalogue, each) for each in analyte.codes if each.system is System.LOINC],
        "text": f"The latest {analyte.name}",
    }
    if analyte.measure is Measure.QUANTITY:
        unit = {"system": UCUM, "code": analyte.unit, "display": analyte.unit}
        return pruned(
            {"extension": [{"url": f"{HL7}/questionnaire-unit", "valueCoding": unit}], **item, "type": "quantity"}
        )
    words = target.catalogue.words
    options = [
        {"valueCoding": {**coding(target.catalogue, code), "display": shown}}
        for codes, shown in ((words.positive, "Positive"), (words.negative, "Negative"))
        for code in [each for each in codes if each.system is System.SNOMED][:1]
    ]
    return pruned({**item, **_choice(target), "answerOption": options})


def _scale(scale: Scale, target: Target) -> Resource | None:
    """The values of the scale by their codes; by their own words where one of them has no code."""
    if not scale.codes:
        return None
    coded = all(each.codes for each in scale.values)
    options: list[Resource] = [
        {"valueCoding": {**coding(target.catalogue, each.codes[0]), "display": each.value}}
        if coded
        else {"valueString": each.value}
        for each in scale.values
    ]
    kind = _choice(target) if coded or not target.is_r5 else {"type": "string", "answerConstraint": "optionsOnly"}
    return pruned(
        {
            "linkId": f"{FACT}{scale.id}",
            "code": [coding(target.catalogue, each) for each in scale.codes if each.system is System.LOINC],
            "text": f"The latest {scale.name}",
            **kind,
            "answerOption": options,
        }
    )


def _choice(target: Target) -> Resource:
    return {"type": "coding", "answerConstraint": "optionsOnly"} if target.is_r5 else {"type": "choice"}
