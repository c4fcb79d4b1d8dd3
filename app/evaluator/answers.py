"""Answers by people meet verdicts (semantics, section 7).

A boolean answer says whether the statement of a criterion, or of a part of it, is true. An answered fact is judged like
any other, beside the record. Either settles what the record leaves open, with basis `judgement`; neither overrides what
the record says: where they disagree nothing is settled, and both are cited.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from app.criteria.nodes import AllOf, AnyOf, AtLeast, If, Not, Preference
from app.evaluator.logic import combined
from app.evaluator.truth import Truth
from app.evaluator.verdict import Basis, Evidence, Missing, Role, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.evaluator.evaluate import Judge
    from app.evaluator.facts import Warning_
    from app.evaluator.report import Part

_RESPONSE = "QuestionnaireResponse"
_LOGIC = AllOf | AnyOf | AtLeast | Not | If


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer stands: the response, the FHIRPath of the answer in it, and when it was given ("" if unsaid)."""

    reference: str
    path: str
    authored: str


@dataclass(frozen=True, slots=True)
class Said:
    """What people answered under one linkId: true or false, or unknown where the latest answers disagree."""

    value: Truth
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """What the responses to one trial's Questionnaire say.

    `said` is by linkId. `with_facts` judges the record together with the answered facts, which it knows under
    references of their own; `places` tells what these stand for.
    """

    said: Mapping[str, Said]
    with_facts: Judge | None
    places: Mapping[str, Place]
    warnings: tuple[Warning_, ...] = ()

    def noted(self) -> tuple[Warning_, ...]:
        """What could not be used, of the answers and of the facts among them; complete when all are judged."""
        if self.with_facts is None:
            return self.warnings
        facts = [each for each in self.with_facts.case.chart.warnings if each.reference in self.places]
        return (*self.warnings, *[replace(each, reference=self.places[each.reference].reference) for each in facts])


def judge_with(answers: Answers, judge: Judge, part: Part) -> Verdict:
    """The verdict on a criterion or part of it, from its parts upward, with what people answered about each."""
    node = part.node
    verdict = judge.judge(node)
    if isinstance(node, _LOGIC):
        because = tuple([judge_with(answers, judge, each) for each in part.parts])
        if any(new is not old for new, old in zip(because, verdict.because, strict=True)):
            verdict = combined(node, because)
    elif answers.with_facts is not None:
        verdict = _with_facts(verdict, answers.with_facts.judge(node), answers.places)
    said = answers.said.get(part.id)
    return verdict if said is None or isinstance(node, Preference) else _with_answer(verdict, said, part.id)


def _with_facts(record: Verdict, both: Verdict, places: Mapping[str, Place]) -> Verdict:
    """The record's verdict, or that of record and answered facts together where these have a say in it."""
    cited = [each for each in both.evidence if each.reference in places]
    if not cited:
        return record
    told = replace(both, evidence=tuple([_at(each, places) for each in both.evidence]))
    if record.holds is Truth.UNKNOWN:
        return told if both.holds is Truth.UNKNOWN else replace(told, basis=Basis.JUDGEMENT)
    if record.holds is both.holds:
        return record
    return _disagree(record, told, tuple([_at(each, places) for each in cited]), "the answered fact")


def _at(evidence: Evidence, places: Mapping[str, Place]) -> Evidence:
    """The evidence where the caller finds it: in the response."""
    place = places.get(evidence.reference)
    return evidence if place is None else replace(evidence, reference=place.reference, path=place.path)


def _with_answer(verdict: Verdict, said: Said, link_id: str) -> Verdict:
    role = {Truth.TRUE: Role.SUPPORTS, Truth.FALSE: Role.CONTRADICTS, Truth.UNKNOWN: Role.CONSIDERED}[said.value]
    words = {Truth.TRUE: "true", Truth.FALSE: "false", Truth.UNKNOWN: "answers that disagree"}[said.value]
    shown = tuple([Evidence(each.reference, role, each.path, words, each.authored) for each in said.places])
    if verdict.holds is said.value:
        return replace(verdict, evidence=(*verdict.evidence, *shown))
    if verdict.holds is not Truth.UNKNOWN:
        return _disagree(verdict, verdict, shown, f"the answer to {link_id}")
    # What was looked at stays cited; it did not settle the matter, a person did.
    considered = tuple([replace(each, role=Role.CONSIDERED) for each in verdict.evidence])
    text = f"Answered by a person: {'yes' if said.value is Truth.TRUE else 'no'}."
    return replace(
        verdict, holds=said.value, basis=Basis.JUDGEMENT, explanation=text, evidence=(*considered, *shown), missing=(),
        questions=(), turns_on=None, searched=(),
    )  # fmt: skip


def _disagree(record: Verdict, shape: Verdict, shown: tuple[Evidence, ...], what: str) -> Verdict:
    evidence = (*record.evidence, *[each for each in shown if each not in record.evidence])
    return replace(
        shape,
        holds=Truth.UNKNOWN,
        basis=Basis.NONE,
        explanation=f"The record and {what} disagree.",
        evidence=evidence,
        missing=(Missing(_RESPONSE, f"which of the two is right, the record or {what}"),),
        questions=(),
        turns_on=None,
        searched=(),
    )
