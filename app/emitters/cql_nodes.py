"""Criteria become CQL: one expression a node, and what CQL cannot say becomes null with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from app.criteria.nodes import (
    EVER,
    AgeIs,
    AllOf,
    AnyOf,
    AtLeast,
    ConfirmedBy,
    Elapsed,
    GaveConsent,
    HadTreatment,
    HadVaccine,
    HasAllergy,
    HasCondition,
    If,
    InStudy,
    IsAlive,
    Judgement,
    Measured,
    Not,
    NotUnderstood,
    Preference,
    Reproductive,
    ReproductiveIs,
    ResultIs,
    Scored,
    SexIs,
    Timing,
    children,
)
from app.criteria.time import TimeUnit
from app.emitters.cql_gaps import REASONS, GapKind, NotExpressible
from app.emitters.cql_results import is_positive, measured, result, scored
from app.emitters.cql_rules import cql_string
from app.knowledge.catalogue import Family, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.criteria.nodes import Criterion, Logic, When
    from app.criteria.time import Duration
    from app.emitters.cql_data import Data
    from app.knowledge.catalogue import Catalogue, Concept

_DAWN = "@0001-01-01"
_INFERTILE = (
    "hysterectomy", "bilateral-oophorectomy", "female-sterilisation", "tubal-ligation", "sterilisation", "menopause",
    "postmenopausal",
)  # fmt: skip
_GIVEN = (Family.MEDICATION, Family.PROCEDURE, Family.IMMUNIZATION)


@dataclass(slots=True)
class Writer:
    """Writes expressions, and collects what they use and what they leave open."""

    catalogue: Catalogue
    data: Data
    gaps: list[NotExpressible] = field(default_factory=list)
    define: str = ""

    def gap(self, kind: GapKind) -> None:
        """Note that the define under way leaves something open."""
        found = NotExpressible(self.define, kind, REASONS[kind])
        if found not in self.gaps:
            self.gaps.append(found)

    def open(self, kind: GapKind) -> str:
        """The expression of what CQL does not say."""
        self.gap(kind)
        return "null as Boolean"

    # -- logic

    def logic(self, node: Logic, names: Sequence[str]) -> str:
        """Over the defines of the parts."""
        parts = children(node)
        refs = [f'"{name}"' for part, name in zip(parts, names, strict=True) if not isinstance(part, Preference)]
        match node:
            case AllOf():
                return "\n    and ".join(refs) or "true"
            case AnyOf():
                return "\n    or ".join(refs) or "false"
            case AtLeast(count=count):
                return f"Rules.AtLeast({count}, {{ {', '.join(refs)} }})"
            case Not():
                return f'not "{names[0]}"'
            case If():
                otherwise = f'"{names[2]}"' if node.otherwise is not None else "true"
                return f'Rules.Choose("{names[0]}", "{names[1]}", {otherwise})'
            case _:
                assert_never(node)

    # -- facts

    def fact(self, node: Criterion) -> str:
        """The expression of a node that has no parts."""
        match node:
            case HasCondition():
                return self._condition(node)
            case HadTreatment():
                return self._treatment(node)
            case HadVaccine():
                return self._vaccine(node)
            case Elapsed():
                return self._elapsed(node)
            case HasAllergy():
                return self._allergy(node)
            case Measured():
                return measured(self, node)
            case ResultIs():
                return result(self, node)
            case Scored():
                return scored(self, node)
            case AgeIs():
                return self._age(node)
            case SexIs(sex):
                male = "Rules.IsMale()"
                return male if sex == "male" else f"not {male}"
            case IsAlive():
                return "Rules.IsAlive(AsOf)"
            case InStudy():
                self.gap(GapKind.STUDY)
                return (
                    'Rules.OpenUnlessFalse(Rules.IfShown(exists [ResearchSubject], "study participations are shown"))'
                )
            case ReproductiveIs():
                return self._reproductive(node)
            case ConfirmedBy():
                return self.open(GapKind.CONFIRMATION)
            case GaveConsent():
                return self.open(GapKind.CONSENT)
            case Judgement():
                return self.open(GapKind.PERSON)
            case NotUnderstood():
                return self.open(GapKind.UNREAD)
            case Preference():
                return self.open(GapKind.NOT_BINDING)
            case AllOf() | AnyOf() | AtLeast() | Not() | If():
                raise TypeError("logic is written over the defines of its parts")
            case _:
                assert_never(node)

    def _age(self, node: AgeIs) -> str:
        unit = node.bounds[0].age.unit
        if unit is TimeUnit.HOUR or any(each.age.unit is not unit for each in node.bounds):
            return self.open(GapKind.DURATION)
        age = f"Rules.AgeOn(Birth, AsOf, {cql_string(unit.value)})"
        bounds = " and ".join(f"{age} {each.op} {each.age.count:f}" for each in node.bounds)
        whole = "true" if unit is TimeUnit.YEAR else "false"
        return f"Rules.Unanimous((Rules.BirthDays(AsOf, {whole})) Birth return all {bounds})"

    def since(self, duration: Duration, *, closed: bool = True) -> str | None:
        """The first day of a window; None where it cannot be counted on a calendar."""
        try:
            months, days = duration.steps()
        except ValueError:
            return None
        text = f"AsOf - {months} months" if months else f"AsOf - {days} days"
        return text if closed else f"({text}) + 1 day"

    # -- conditions

    def _condition(self, node: HasCondition) -> str:
        concept = self.catalogue.concepts.get(node.concept)
        if concept is None:
            return self.open(GapKind.NOT_IN_CATALOGUE)
        if node.defined_by is not None:
            # By the datum that decides; what to make of its lack hangs on whether it was recorded at all.
            self.gap(GapKind.DEFINED_BY)
            by = self._nested(node.defined_by)
            return by if by is not None else "null as Boolean"
        found = self._recorded(node, concept)
        if found is None:
            return self.open(GapKind.DURATION)
        for kind, asked in (
            (GapKind.OTHER, node.other_than),
            (GapKind.DEGREE, node.degree),
            (GapKind.EXCEPTION, node.excluding),
            (GapKind.CAUSE, node.due_to),
        ):
            if asked:
                self.gap(kind)
        if node.other_than or node.degree or node.excluding or node.due_to:
            return f"Rules.OpenUnlessFalse({found})"
        return found

    def _nested(self, node: Criterion) -> str | None:
        """A node inside a fact, written in place; logic in there is not."""
        return None if children(node) else self.fact(node)

    def _recorded(self, node: HasCondition, concept: Concept) -> str | None:
        """By diagnosis, by what is the same fact, by absence."""
        if concept.open_world or concept.graded_by is not None:
            self.gap(GapKind.OPEN_WORLD)
            return None
        there = self._there(node.when, concept, suspicion=node.suspected)
        if there is None:
            return None
        found = there
        if concept.traced_by:
            found = f"Rules.UnlessHinted({found}, {self._outcomes(concept.traced_by)})"
        if concept.results:
            conditions, perhaps = self.data.conditions(concept), self.data.conditions(concept, perhaps=True)
            unrefuted = "Rules.Certainty(Record.verificationStatus) != 'refuted'"
            refuted = self.data.define(
                f"{concept.id}: refuted",
                f"exists ({conditions} Record where Rules.Certainty(Record.verificationStatus) = 'refuted')",
            )
            speaks = self.data.define(
                f"{concept.id}: a diagnosis speaks",
                f"exists ({conditions} Record where {unrefuted})\n    or exists ({perhaps} Record where {unrefuted})",
            )
            undated = "true" if node.when.timing is Timing.WITHIN else "false"
            tests = self._outcomes(concept.results)
            found = f"Rules.WithTests({found}, {refuted},\n    {speaks}, {undated}, {tests})"
        if concept.hinted_by:
            found = f"Rules.UnlessHinted({found}, {self._outcomes(concept.hinted_by)})"
        if concept.malignancy and not concept.metastasis and "metastasis" in self.catalogue.concepts:
            spread = self._there(node.when, self.catalogue.concepts["metastasis"], suspicion=False)
            found = f"Rules.UnlessSpread({found}, {spread}, {self._another_primary(concept)})"
        return found

    def _another_primary(self, concept: Concept) -> str:
        """Whether a metastasis may be of another primary, which is recorded."""
        every = self.catalogue.concepts.get("malignant-neoplasm")
        if every is None:
            return "false"
        metastasis = self.catalogue.concepts["metastasis"]
        tests = [
            "Rules.Certainty(Record.verificationStatus) != 'refuted'",
            "Rules.IsUnmodified(Record.modifierExtension, Record.implicitRules)",
            f"{self.data.is_('Record.code', metastasis)} is not true",
            f"{self.data.is_('Record.code', concept)} is not true",
            f"{self.data.may_be('Record.code', concept)} is not true",
        ]
        return self.data.define(
            f"{concept.id}: another primary is recorded",
            f"exists ({self.data.conditions(every)} Record\n    where {_every(tests)})",
        )

    def _there(self, when: When, concept: Concept, *, suspicion: bool) -> str | None:
        malignancy = concept.malignancy
        match when.timing:
            case Timing.CURRENT:
                wide = "true" if malignancy or concept.metastasis else "false"
                in_time = hint = f"Rules.IsNow(Record, {wide}, false, AsOf)"
            case Timing.EVER:
                in_time = hint = "Rules.WasEver(Record, AsOf)"
            case Timing.WITHIN:
                first = self.since(when.duration, closed=when.closed) if when.duration is not None else None
                if first is None:
                    return None
                both = f"Rules.WasSince(Record, {_bool(malignancy)}, '{{}}', {first}, AsOf)"
                in_time, hint = both.format(self._moment(concept)), both.format(_moment_of_hint(concept))
            case _:
                assert_never(when.timing)
        sure, perhaps = self.data.conditions(concept), self.data.conditions(concept, perhaps=True)
        parts = [
            f"Rules.AnyOf({sure} Record return all Rules.Proves(Record, {in_time}, {_bool(suspicion)}))",
            f"Rules.AnyOf({perhaps} Record return all Rules.Hints(Record, {hint}))",
            f"(if {self.data.observed(concept)} then null else false)",
        ]
        for family in _GIVEN:
            if family in concept.families or family in concept.also_in:
                parts += self._given(concept, family, when, lasting=concept.kind is Kind.TREATMENT)
        name = f"{concept.id}, {_time(when)}{' or suspected' if suspicion else ''}"
        return self._shown(name, parts, concept)

    def _shown(self, name: str, parts: Sequence[str], concept: Concept) -> str:
        """What is recorded, and false only where everything was shown: two defines that others may share."""
        recorded = self.data.define(f"{name}, as recorded", "\n  or ".join(parts))
        return self.data.define(name, f"Rules.IfShown({recorded}, {self.data.shown(concept.families)})")

    def _moment(self, concept: Concept) -> str:
        """Whether the onset alone counts: by the concept, or by some of its kinds."""
        if concept.event:
            return "yes"
        kinds = self.catalogue.index.closure.get(concept.id, frozenset())
        if any(self.catalogue.concepts[each].event for each in kinds):
            self.gap(GapKind.MOMENT)
            return "perhaps"
        return "no"

    def _outcomes(self, analytes: Sequence[str]) -> str:
        lists = [
            f"(Rules.LatestOf({self.data.results(self.catalogue.analytes[each])}, AsOf)) Result "
            f"return all {is_positive(self.catalogue.analytes[each])}"
            for each in analytes
            if each in self.catalogue.analytes
        ]
        return self.data.define(f"outcomes of {', '.join(analytes)}", f"flatten {{\n    {_lines(lists)} }}")

    # -- treatments

    def _given(self, concept: Concept, family: Family, when: When, *, lasting: bool = True) -> list[str]:
        """What the records of one family say; `lasting`: a state that may outlast what brought it about."""
        first = "AsOf"
        moment = "yes" if when.timing is Timing.EVER else self._moment(concept)
        if when.timing is Timing.EVER:
            first = _DAWN
        elif when.timing is Timing.WITHIN and when.duration is not None:
            first = self.since(when.duration, closed=when.closed) or "AsOf"
        sure = f"Rules.WasGiven(Record, '{moment}', {first}, AsOf)"
        maybe = "yes" if when.timing is Timing.EVER else _moment_of_hint(concept)
        hint = f"Rules.WasGiven(Record, '{maybe}', {first}, AsOf)"
        if when.timing is Timing.CURRENT and not lasting:
            sure = hint = "Rules.IsStillThere(Record, AsOf)"
        given, perhaps = self.data.given(concept, family), self.data.given(concept, family, perhaps=True)
        return [
            f"Rules.AnyOf({given} Record return all Rules.Shows(Record, {sure}))",
            f"Rules.AnyOf({perhaps} Record return all Rules.Suggests(Record, {hint}))",
            f"(if {self.data.unclear(family)} then null else false)",
        ]

    def _treatment(self, node: HadTreatment) -> str:
        concept = self.catalogue.concepts.get(node.concept)
        if concept is None:
            return self.open(GapKind.NOT_IN_CATALOGUE)
        if node.planned:
            return self.open(GapKind.PLAN)
        when = node.when
        if when.timing is Timing.WITHIN and (when.duration is None or self.since(when.duration) is None):
            return self.open(GapKind.DURATION)
        by_route = bool(node.routes or node.not_routes or concept.systemic)
        parts: list[str] = []
        for family in _GIVEN:
            if family not in concept.families and family not in concept.also_in:
                continue
            found = self._given(concept, family, when)
            if by_route and family is Family.MEDICATION:
                self.gap(GapKind.ROUTE)
                drugs = self.data.define(f"{concept.id}, given {_time(when)} by any route", "\n  or ".join(found))
                found = [f"Rules.OpenUnlessFalse({drugs})"]
            parts += found
        parts += self._as_conditions(concept, when)
        routes = ", by whatever route" if by_route else ""
        text = self._shown(f"{concept.id}, given {_time(when)}{routes}", parts, concept)
        for kind, asked in (
            (GapKind.DOSE, node.dose),
            (GapKind.DEGREE, node.degree),
            (GapKind.DETAIL, node.sites or node.intent or node.reason),
            (GapKind.EXCEPTION, node.excluding),
        ):
            if asked:
                self.gap(kind)
        if node.dose or node.degree or node.sites or node.intent or node.reason or node.excluding:
            return f"Rules.OpenUnlessFalse({text})"
        return text

    def _as_conditions(self, concept: Concept, when: When) -> list[str]:
        """A treatment that is also recorded as a state ("transplanted kidney present")."""
        if Family.CONDITION not in concept.families and Family.CONDITION not in concept.also_in:
            return []
        unplaced = Family.CONDITION in concept.families
        match when.timing:
            case Timing.CURRENT:
                wide = _bool(concept.malignancy or concept.metastasis)
                in_time = hint = f"Rules.IsNow(Record, {wide}, false, AsOf)"
            case Timing.EVER:
                in_time = hint = "Rules.WasEver(Record, AsOf)"
            case Timing.WITHIN:
                first = self.since(when.duration, closed=when.closed) if when.duration is not None else "AsOf"
                both = f"Rules.WasSince(Record, {_bool(concept.malignancy)}, '{{}}', {first}, AsOf)"
                in_time, hint = both.format(self._moment(concept)), both.format(_moment_of_hint(concept))
            case _:
                assert_never(when.timing)
        perhaps = self.data.conditions(concept, perhaps=True, unplaced=unplaced)
        return [
            f"Rules.AnyOf({self.data.conditions(concept)} Record return all Rules.Proves(Record, {in_time}, false))",
            f"Rules.AnyOf({perhaps} Record return all Rules.Hints(Record, {hint}))",
        ]

    def _vaccine(self, node: HadVaccine) -> str:
        return self._treatment(HadTreatment(node.concept, node.when, excluding=node.excluding))

    def _elapsed(self, node: Elapsed) -> str:
        treatment = node.treatment
        concept = self.catalogue.concepts.get(treatment.concept)
        if concept is None:
            return self.open(GapKind.NOT_IN_CATALOGUE)
        limit = self.since(node.at_least)
        if limit is None:
            return self.open(GapKind.DURATION)
        enough = _bool(not node.half_lives)
        if node.half_lives:
            self.gap(GapKind.HALF_LIFE)
        parts: list[str] = []
        sure = True
        if isinstance(treatment, HadTreatment):
            for kind, asked in (
                (GapKind.DOSE, treatment.dose),
                (GapKind.DEGREE, treatment.degree),
                (GapKind.ROUTE, treatment.routes or treatment.not_routes or concept.systemic),
                (GapKind.DETAIL, treatment.sites or treatment.intent or treatment.reason),
                (GapKind.EXCEPTION, treatment.excluding),
            ):
                if asked:
                    sure = False
                    self.gap(kind)
            for family in _GIVEN:
                if family in concept.families or family in concept.also_in:
                    for perhaps in (False, True):
                        records = self.data.given(concept, family, perhaps=perhaps)
                        certain = _bool(sure and not perhaps)
                        parts.append(
                            f"Rules.AllOf({records} Record\n"
                            f"      return all Rules.LongAgo(Record, {certain}, {enough}, {limit}, AsOf))"
                        )
                    parts.append(f"(if {self.data.unclear(family)} then null else true)")
            as_condition = Family.CONDITION in concept.families or Family.CONDITION in concept.also_in
        else:
            for kind, asked in (
                (GapKind.DEGREE, treatment.degree),
                (GapKind.CAUSE, treatment.due_to),
                (GapKind.OTHER, treatment.other_than),
                (GapKind.EXCEPTION, treatment.excluding),
            ):
                if asked:
                    sure = False
                    self.gap(kind)
            as_condition = True
        if as_condition:
            moment = "yes" if isinstance(treatment, HadTreatment) else self._moment(concept)
            for perhaps in (False, True):
                records = self.data.conditions(concept, perhaps=perhaps, unplaced=Family.CONDITION in concept.families)
                how = "perhaps" if perhaps and moment != "yes" else moment
                certain = _bool(sure and not perhaps and not node.half_lives)
                parts.append(
                    f"Rules.AllOf({records} Record\n      return all Rules.LongResolved("
                    f"Record, {certain}, '{how}', {_bool(concept.malignancy)}, {limit}, AsOf))"
                )
        joined = "\n    and ".join(parts)
        return f"not Rules.IfShown(\n    not ({joined}),\n    {self.data.shown(concept.families)})"

    def _allergy(self, node: HasAllergy) -> str:
        concept = self.catalogue.concepts.get(node.concept)
        if concept is None:
            return self.open(GapKind.NOT_IN_CATALOGUE)
        shown = self.data.shown((Family.ALLERGY,))
        if node.degree:
            self.gap(GapKind.DEGREE)
        if concept.kind is not Kind.ALLERGEN:  # a drug: which records of classes may be it, CQL does not tell
            concept = self.catalogue.concepts["drug-allergy"]
        if concept.id == "drug-allergy" != node.concept or node.concept == "any-allergy":
            self.gap(GapKind.ANY_ALLERGY)
            hinted = self.data.conditions(concept, perhaps=True, unplaced=False)
            found = f'exists Rules."allergies" or exists ({self.data.conditions(concept)}) or exists ({hinted})'
            return f"Rules.OpenUnlessFalse(Rules.IfShown({found}, {shown}))"
        hints = (self.data.conditions(concept), self.data.conditions(concept, perhaps=True, unplaced=False))
        allergies = self.data.allergies(concept)
        unrefuted = "Rules.Certainty(Record.verificationStatus) != 'refuted'"
        parts = [
            f"Rules.AnyOf({allergies} Record return all Rules.IsAllergic(Record, {_bool(node.ever)}))",
            (
                f"Rules.AnyOf({self.data.allergies(concept, perhaps=True)} Record\n"
                f"      return all Rules.OpenUnlessFalse(Rules.IsAllergic(Record, {_bool(node.ever)})))"
            ),
            *(f"(if exists ({each} Record where {unrefuted}) then null else false)" for each in hints),
        ]
        name = f"{concept.id}, allergic{' ever' if node.ever else ''}"
        recorded = self.data.define(f"{name}, as recorded", "\n  or ".join(parts))
        text = self.data.define(name, f"Rules.IfShown({recorded}, {shown})")
        return f"Rules.OpenUnlessFalse({text})" if node.degree else text

    def _reproductive(self, node: ReproductiveIs) -> str:
        if node.state is not Reproductive.CHILDBEARING:
            # Of a man it is false; of a woman tests, diagnoses and operations are weighed by how old they are.
            self.gap(GapKind.REPRODUCTIVE)
            return "Rules.OpenUnlessFalse(not Rules.IsMale())"
        sure, perhaps = [], []
        for each in _INFERTILE:
            concept = self.catalogue.concepts.get(each)
            if concept is None:
                continue
            for family in _GIVEN:
                if family in concept.families or family in concept.also_in:
                    sure += self._given(concept, family, EVER)[:1]
                    perhaps.append(f"exists {self.data.given(concept, family, perhaps=True, unplaced=False)}")
            is_state = concept.kind is not Kind.TREATMENT
            if is_state or Family.CONDITION in concept.families or Family.CONDITION in concept.also_in:
                records = self.data.conditions(concept)
                sure.append(
                    f"Rules.AnyOf({records} Record return all Rules.Proves(Record, Rules.WasEver(Record, AsOf), false))"
                )
                perhaps.append(f"exists {self.data.conditions(concept, perhaps=True, unplaced=False)}")
            if is_state:
                perhaps.append(self.data.observed(concept))
        ended = self.data.define("childbearing has ended", "\n  or ".join(sure))
        perhaps_ended = self.data.define("childbearing may have ended", "\n  or ".join(perhaps))
        return f"Rules.MayBearChildren({ended}, {perhaps_ended}, ChildbearingFrom, ChildbearingTo, AsOf)"


def _moment_of_hint(concept: Concept) -> str:
    """For a record that may be the concept: what happens at a moment does so under whatever code."""
    return "yes" if concept.event else "perhaps"


def _time(when: When) -> str:
    if when.timing is Timing.WITHIN and when.duration is not None:
        return f"within {when.duration.words()}{'' if when.closed else ' (first day out)'}"
    return {Timing.CURRENT: "now", Timing.EVER: "ever", Timing.WITHIN: "within"}[when.timing]


def _bool(value: object) -> str:
    return "true" if value else "false"


def _every(tests: Iterable[str]) -> str:
    return "\n      and ".join(tests)


def _lines(items: Iterable[str]) -> str:
    return ",\n    ".join(items)
