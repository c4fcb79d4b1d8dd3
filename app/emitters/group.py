"""Eligibility as a Group: one characteristic a criterion, in the words of the registration and as far as a Group can
say it in code and value.

All characteristics of the Group must fit, with `exclude` for the exclusions. What combines parts in another way points
to a contained Group with EBM's `combination-method`; that is no modifier, so only contained Groups ever have one. Each
characteristic carries the criterion as Eligo reads it, which no element of R4 or R5 could hold.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from app.criteria.codec import encode
from app.criteria.nodes import (
    AgeIs,
    AllOf,
    AnyOf,
    AtLeast,
    HadTreatment,
    HadVaccine,
    HasAllergy,
    HasCondition,
    If,
    Measured,
    NormalLimit,
    Not,
    Op,
    Pick,
    Preference,
    Quantity,
    ResultIs,
    Scored,
    SexIs,
    Timing,
    children,
)
from app.criteria.seal import CARRIED, SOURCE_TEXT, seal_of
from app.criteria.time import TimeUnit
from app.criteria.words import when_words
from app.emitters.canonical import fhir_id
from app.emitters.fhir import EBM, HL7, UCUM, coding, concept_of, one_line, plain, pruned
from app.emitters.prose import says
from app.emitters.value_sets import concept_coding, value_set_canonical
from app.knowledge.catalogue import Family, Modifier, System

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.criteria.nodes import AgeBound, Bound, Criterion, ScoreBound, When
    from app.criteria.time import Duration
    from app.emitters.fhir import PublishedCriterion, PublishedTrial, Resource, Target
    from app.knowledge.catalogue import Concept

UCUM_TIME = {TimeUnit.HOUR: "h", TimeUnit.DAY: "d", TimeUnit.WEEK: "wk", TimeUnit.MONTH: "mo", TimeUnit.YEAR: "a"}
_ALL, _ANY, _SOME = "all-of", "any-of", "at-least"
BY_WORDS, BY_REFERENCE = "Defined by CodeableConcept", "Defined by Reference"
_CLOSED = {Op.GE: "low", Op.LE: "high"}


def group(trial: PublishedTrial, target: Target) -> Resource:
    """The Group that says whom the trial takes."""
    parts = _Contained(target)
    binding = [each for each in trial.criteria if not isinstance(each.expression, Preference)]
    characteristics = [_criterion(each, trial.criteria.index(each), parts) for each in binding]
    notes = [
        _carried(each, place, target, {}, {})
        for place, each in enumerate(trial.criteria)
        if isinstance(each.expression, Preference)
    ]
    url = target.canonical.url("Group", trial.id)
    text = base64.b64encode(trial.text.encode()).decode()
    return pruned(
        {
            "resourceType": "Group",
            "id": fhir_id(trial.id),
            "contained": parts.groups,
            "extension": [
                {"url": f"{HL7}/artifact-url", "valueUri": url},
                {"url": f"{HL7}/artifact-version", "valueString": str(trial.version)},
                *notes,
                {
                    "url": target.extension_url(SOURCE_TEXT),
                    "valueAttachment": {"contentType": "text/plain; charset=utf-8", "data": text},
                },
            ],
            "identifier": [{"system": "urn:ietf:rfc:3986", "value": url}],
            **_kind(target),
            "name": one_line(f"Eligibility {trial.id}"),
            "characteristic": characteristics,
        }
    )


def group_reference(trial: PublishedTrial) -> Resource:
    """A reference to it."""
    return {"reference": f"Group/{fhir_id(trial.id)}", "display": one_line(f"Eligibility {trial.id}")}


def _kind(target: Target) -> Resource:
    """That it describes people and does not list them."""
    return {"type": "person", **({"membership": "definitional"} if target.is_r5 else {"actual": False})}


def _criterion(criterion: PublishedCriterion, place: int, parts: _Contained) -> Resource:
    made = parts.characteristic(criterion.id, criterion.expression, exclude=criterion.excludes, text=criterion.text)
    # The registration's own words stand first: they are what a reader without Eligo's extension goes by.
    described = {"url": f"{EBM}/characteristic-description", "valueMarkdown": plain(criterion.text) or criterion.id}
    made["extension"] = [described, *made.get("extension", ())]
    contained = {each["id"]: each for each in parts.groups}
    made["extension"].append(_carried(criterion, place, parts.target, made, contained))
    return made


def _carried(
    criterion: PublishedCriterion, place: int, target: Target, characteristic: Resource, contained: Resource
) -> Resource:
    """The criterion as Eligo has it, so that another Eligo need not read the words anew."""
    content: Resource = {
        "order": place,
        "id": criterion.id,
        "kind": criterion.kind,
        "number": criterion.number,
        "text": criterion.text,
        "span": list(criterion.span),
        "reading": criterion.reading,
        "expression": encode(criterion.expression),
        "notes": list(criterion.notes),
    }
    content["seal"] = seal_of(content, characteristic, contained)
    # ASCII: a FHIR string takes no other white space than the plain one, and a registration's text has any.
    return {"url": target.extension_url(CARRIED), "valueString": json.dumps(content, separators=(",", ":"))}


def number_of(value: Decimal) -> int | float:
    """A JSON number. Thirty digits are more than a float has; FHIR's own readers keep no more."""
    return int(value) if value == value.to_integral_value() else float(value)


@dataclass(slots=True)
class _Contained:
    """The child Groups, gathered while the characteristics are made."""

    target: Target
    groups: list[Resource] = field(default_factory=list)

    def characteristic(self, ident: str, node: Criterion, *, exclude: bool, text: str = "") -> Resource:
        """One characteristic; what has parts becomes a child Group."""
        base = {"id": ident, "exclude": exclude}
        simple = self._simple(node)
        if simple is not None:
            return {**base, **simple}
        members = self._members(ident, node)
        if members is None:
            words = text or (node.quote.text if node.quote is not None else "") or says(node, self.target.catalogue)
            return {**base, "code": {"text": BY_WORDS}, "valueCodeableConcept": concept_of(words)}
        return {**base, **self._child(ident, *members)}

    def _child(self, ident: str, method: str, threshold: int | None, members: list[Resource]) -> Resource:
        how: list[Resource] = [{"url": f"{EBM}/combination-method", "valueCode": method}]
        if threshold is not None:
            how.append({"url": f"{EBM}/combination-threshold", "valuePositiveInt": threshold})
        name = f"{ident}-parts"
        self.groups.append(
            {
                "resourceType": "Group",
                "id": name,
                "extension": how,
                **_kind(self.target),
                "characteristic": members,
            }
        )
        return {"code": {"text": BY_REFERENCE}, "valueReference": {"reference": f"#{name}"}}

    def _members(self, ident: str, node: Criterion) -> tuple[str, int | None, list[Resource]] | None:
        """How the parts combine, and the parts; None for what has none."""
        match node:
            case AllOf(parts):
                # A wish binds nobody, and whoever reads a Group takes every characteristic for binding.
                kept = [(i, each) for i, each in enumerate(parts, 1) if not isinstance(each, Preference)]
                return (_ALL, None, [self._part(ident, i, each) for i, each in kept]) if kept else None
            case AnyOf(parts):
                return _ANY, None, [self._part(ident, i, each) for i, each in enumerate(parts, 1)]
            case AtLeast(count, parts):
                return _SOME, count, [self._part(ident, i, each) for i, each in enumerate(parts, 1)]
            case Not():
                return _ALL, None, [self._part(ident, 1, node.part, exclude=True)]
            case If():
                return self._choice(ident, node)
            case AgeIs(bounds):
                return _ALL, None, [{"id": f"{ident}.{i}", "exclude": False, **self._age((each,))}
                                    for i, each in enumerate(bounds, 1)]  # fmt: skip
            case Measured(bounds=bounds) if len(bounds) > 1:
                each_one = [_replaced(node, (each,)) for each in bounds]
                made = [self._simple(each) for each in each_one]
                if any(each is None for each in made):
                    return None
                return _ALL, None, [{"id": f"{ident}.{i}", "exclude": False, **(each or {})}
                                    for i, each in enumerate(made, 1)]  # fmt: skip
            case _:
                return None

    def _part(self, ident: str, place: int, node: Criterion, *, exclude: bool = False) -> Resource:
        return self.characteristic(f"{ident}.{place}", node, exclude=exclude)

    def _choice(self, ident: str, node: If) -> tuple[str, int | None, list[Resource]]:
        """Either the condition does not hold, or `then` does; with `otherwise`, one pair or the other."""
        absent = self._part(ident, 1, node.condition, exclude=True)
        then = self._part(ident, 2, node.then)
        if node.otherwise is None:
            return _ANY, None, [absent, then]
        first = self._child(f"{ident}-then", _ALL, None, [{**absent, "exclude": False}, then])
        second = self._child(f"{ident}-otherwise", _ALL, None, [absent, self._part(ident, 3, node.otherwise)])
        return _ANY, None, [
            {"id": f"{ident}-then", "exclude": False, **first},
            {"id": f"{ident}-otherwise", "exclude": False, **second},
        ]  # fmt: skip

    # --- what one characteristic can say ---------------------------------------------------------------------------

    def _simple(self, node: Criterion) -> Resource | None:
        """Code and value; None where these would not say all of it."""
        catalogue = self.target.catalogue
        match node:
            case AgeIs(bounds) if len(bounds) == 1 or _is_range([each.op for each in bounds]):
                return self._age(bounds)
            case SexIs(sex):
                value = {"system": "http://hl7.org/fhir/administrative-gender", "code": sex.value}
                return {"code": self._about(Modifier.SEX), "valueCodeableConcept": concept_of(sex.value, [value])}
            case HasCondition(concept, when) if node == HasCondition(concept, when):
                return self._named(concept, self._about(Modifier.DISEASE), when)
            case HadTreatment(concept, when) if node == HadTreatment(concept, when):
                return self._named(concept, concept_of(_treatment_word(catalogue.concepts.get(concept))), when)
            case HadVaccine(concept, when) if node == HadVaccine(concept, when):
                return self._named(concept, concept_of("Immunization"), when)
            case HasAllergy(concept, ever=ever) if node == HasAllergy(concept, ever=ever):
                return self._named(concept, concept_of("Allergy"), None)
            case Measured():
                return self._measured(node)
            case ResultIs(analyte, outcome, within) if analyte in catalogue.analytes:
                words = catalogue.words
                codes = words.positive if outcome.value == "positive" else words.negative
                codings = [coding(catalogue, each) for each in codes if each.system is System.SNOMED][:1]
                return pruned(
                    {
                        "extension": _timing(within),
                        "code": self._analyte_code(analyte),
                        "valueCodeableConcept": concept_of(outcome.value, codings),
                    }
                )
            case Scored():
                return self._scored(node)
            case _:
                return None

    def _about(self, what: Modifier) -> Resource:
        """What a characteristic is about: age, sex, a disease."""
        codes = self.target.catalogue.modifiers[what].codes
        return concept_of(what.value.capitalize(), [coding(self.target.catalogue, each) for each in codes])

    def _age(self, bounds: Sequence[AgeBound]) -> Resource:
        code = self._about(Modifier.AGE)
        if len(bounds) == 1:
            age = bounds[0].age
            value = _time(age)
            return {
                "code": code,
                "valueQuantity": {"value": value.pop("value"), "comparator": bounds[0].op.value, **value},
            }
        ends = {_CLOSED[each.op]: _time(each.age) for each in bounds}
        return {"code": code, "valueRange": {"low": ends["low"], "high": ends["high"]}}

    def _named(self, concept: str, code: Resource, when: When | None) -> Resource | None:
        found = self.target.catalogue.concepts.get(concept)
        if found is None:
            return None
        value = concept_of(found.name, concept_coding(found, self.target))
        members = {
            "url": self.target.extension_url("eligo-value-set"),
            "valueCanonical": value_set_canonical(concept, self.target),
        }
        timing = [] if when is None or when.timing is Timing.CURRENT else _timing(when.duration, when_words(when))
        return pruned({"extension": timing, "code": code, "valueCodeableConcept": {"extension": [members], **value}})

    def _measured(self, node: Measured) -> Resource | None:
        bounds = node.bounds
        if node.analyte not in self.target.catalogue.analytes or node.formula or node.circumstance:
            return None
        if node.pick is not Pick.LATEST:
            return None
        value = _quantities(bounds)
        if value is None:
            return None
        return pruned({"extension": _timing(node.within), "code": self._analyte_code(node.analyte), **value})

    def _scored(self, node: Scored) -> Resource | None:
        scale = self.target.catalogue.scales.get(node.scale)
        if scale is None or not all(each.value.isdecimal() for each in node.bounds):
            return None
        value = _scores(node.bounds)
        if value is None:
            return None
        code = concept_of(scale.name, [coding(self.target.catalogue, each) for each in scale.codes])
        return pruned({"extension": _timing(node.within), "code": code, **value})

    def _analyte_code(self, analyte: str) -> Resource:
        found = self.target.catalogue.analytes[analyte]
        return concept_of(found.name, [coding(self.target.catalogue, each) for each in found.codes])


def _replaced(node: Measured, bounds: tuple[Bound, ...]) -> Measured:
    return Measured(node.analyte, bounds, node.within, node.pick, node.circumstance, node.formula)


def _treatment_word(concept: Concept | None) -> str:
    families = concept.families if concept is not None else ()
    if Family.MEDICATION in families:
        return "Medication"
    return "Procedure" if Family.PROCEDURE in families else "Treatment"


def _is_range(ops: Sequence[Op]) -> bool:
    return sorted(ops) == sorted(_CLOSED)


def _time(duration: Duration) -> Resource:
    unit = UCUM_TIME[duration.unit]
    return {"value": number_of(duration.count), "unit": duration.unit.value, "system": UCUM, "code": unit}


def _quantities(bounds: Sequence[Bound]) -> Resource | None:
    """A Quantity with its comparator, or a Range of two closed ends. Multiples of a normal limit are counted in it."""
    made = [(each.op, _limit(each.limit)) for each in bounds]
    if any(value is None for _, value in made):
        return None
    if len(made) == 1:
        op, value = made[0]
        return {"valueQuantity": {"comparator": op.value, **(value or {})}}
    if len(made) == 2 and _is_range([op for op, _ in made]):
        ends = {_CLOSED[op]: value for op, value in made}
        return {"valueRange": {"low": ends["low"], "high": ends["high"]}}
    return None


def _limit(limit: Quantity | NormalLimit) -> Resource | None:
    if isinstance(limit, Quantity):
        return {"value": number_of(limit.value), "unit": limit.unit, "system": UCUM, "code": limit.unit}
    if limit.plus is not None:
        return None
    # An annotation is UCUM's way to count in something: 3 {ULN} never passes for 3 U/L.
    return {"value": number_of(limit.factor), "unit": limit.end.value, "system": UCUM, "code": f"{{{limit.end.value}}}"}


def _scores(bounds: Sequence[ScoreBound]) -> Resource | None:
    made = [
        (each.op, {"value": int(each.value), "system": UCUM, "code": "{score}", "unit": "score"}) for each in bounds
    ]
    if len(made) == 1:
        return {"valueQuantity": {"comparator": made[0][0].value, **made[0][1]}}
    if len(made) == 2 and _is_range([op for op, _ in made]):
        ends = {_CLOSED[op]: value for op, value in made}
        return {"valueRange": {"low": ends["low"], "high": ends["high"]}}
    return None


def _timing(within: Duration | None, words: str = "") -> list[Resource]:
    """EBM's `characteristic-timing`: an offset from the assessment, negative for what lies before it."""
    if within is None and not words:
        return []
    inner: list[Any] = []
    if within is not None:
        low, high = _time(within), _time(within)
        low["value"], high["value"] = -low["value"], 0
        inner.append({"url": "offset", "valueRange": {"low": low, "high": high}})
    text = words or (f"within {within.words()}" if within is not None else "")
    inner.append({"url": "text", "valueString": f"{text}, counted back from the assessment"})
    return [{"url": f"{EBM}/characteristic-timing", "extension": inner}]


def walk(criterion: PublishedCriterion) -> Iterable[tuple[str, Criterion]]:
    """Every node of a criterion with the id under which reports and Questionnaires know it: I3, I3.1, I3.1.2."""
    waiting: list[tuple[str, Criterion]] = [(criterion.id, criterion.expression)]
    while waiting:
        ident, node = waiting.pop()
        yield ident, node
        waiting += [(f"{ident}.{place}", each) for place, each in enumerate(children(node), 1)][::-1]
