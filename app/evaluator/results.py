"""Qualitative results: positive or negative by code, word, flag or the laboratory's own reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from app.criteria.nodes import HasCondition, NormalEnd, NormalLimit, Outcome, ResultIs, Timing
from app.evaluator.facts import Certainty, CodedValue, FlagValue, Match, NumberValue, TextValue
from app.evaluator.limits import ends_of
from app.evaluator.picks import Answer, evidence_of, judge_latest, latest, narrowest, window_days
from app.evaluator.quantities import Unreadable, read_interval
from app.evaluator.truth import Truth, negate
from app.evaluator.verdict import Basis, Missing, Question, Verdict, distinct
from app.evaluator.windows import Window, day_in, window_of
from app.evaluator.wording import coded_text, on, sentence, value_text
from app.knowledge.catalogue import Measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.evaluator.case import Case
    from app.evaluator.facts import Coded, ObservationFact
    from app.evaluator.findings import Finding
    from app.evaluator.verdict import Evidence
    from app.knowledge.catalogue import Analyte, Concept

_ULN = NormalLimit(NormalEnd.UPPER)


def judge_result(case: Case, node: ResultIs) -> Verdict:
    """The verdict on a ResultIs."""
    analyte = case.catalogue.analytes.get(node.analyte)
    if analyte is None:
        return Verdict(
            Truth.UNKNOWN, node, Basis.NONE, f"{node.analyte} is not in the catalogue.",
            questions=(Question(f"Is the {node.analyte.replace('-', ' ')} {node.outcome}?"),),
        )  # fmt: skip

    def missing(iso: str) -> Missing:
        return Missing("Observation", f"{analyte.name} result", case.memory.coding(analyte.codes), iso)

    def answer(fact: ObservationFact) -> Answer:
        positive = outcome_of(case, fact, analyte)
        said = f"{analyte.name} {_said(fact)}{on(fact.when)}"
        if positive is Truth.UNKNOWN:
            return Answer(positive, f"{said} is neither positive nor negative", (missing(""),))
        holds = positive if node.outcome is Outcome.POSITIVE else negate(positive)
        word = Outcome.POSITIVE if positive is Truth.TRUE else Outcome.NEGATIVE
        return Answer(holds, f"{said} is {word}")

    observations = case.chart.observations(node.analyte)
    if observations:
        return judge_latest(case, node, analyte.name, observations, node.within, answer=answer, missing=missing)
    narrow = narrowest(case, node.within)
    iso = narrow.iso() if narrow is not None else ""
    named = case.chart.named_observations(node.analyte)
    if not named:
        return case.memory.shared(
            (id(node), iso),
            lambda: Verdict(
                Truth.UNKNOWN, node, Basis.NONE, f"There is no usable {analyte.name} result.", missing=(missing(iso),)
            ),
        )
    return Verdict(
        Truth.UNKNOWN, node, Basis.NONE, f"Whether what is recorded is the {analyte.name} is not certain.",
        evidence=tuple(one for each in named[-3:] for one in evidence_of(case, each, Answer(Truth.UNKNOWN, ""))),
        missing=(missing(iso),),
    )  # fmt: skip


def outcome_of(case: Case, fact: ObservationFact, analyte: Analyte | None) -> Truth:
    """True for positive, false for negative; unknown where it is neither or contradicts itself."""
    seen = {_by_value(case, fact, analyte), *(_by_coded(case, each, analyte) for each in fact.interpretation)}
    seen.discard(Truth.UNKNOWN)
    return seen.pop() if len(seen) == 1 else Truth.UNKNOWN


def _by_value(case: Case, fact: ObservationFact, analyte: Analyte | None) -> Truth:
    match fact.value:
        case CodedValue(coded):
            return _by_coded(case, coded, analyte)
        case TextValue(text):
            return _by_word(case, text, analyte)
        case FlagValue(flag):
            return Truth.TRUE if flag else Truth.FALSE
        case NumberValue() as number if analyte is not None:
            return _by_number(case, fact, number, analyte)
        case _:
            return Truth.UNKNOWN


def _by_coded(case: Case, coded: Coded, analyte: Analyte | None) -> Truth:
    words = case.catalogue.words
    seen = set()
    for coding in coded.codings:
        for codes, outcome in ((words.positive, Truth.TRUE), (words.negative, Truth.FALSE)):
            meant = next((each for each in codes if each.system == coding.system and each.code == coding.code), None)
            if meant is not None:
                seen.add(_graded(meant.display, analyte, outcome))
    if not seen:
        texts = [coded.text] if coded.text else [each.display for each in coded.codings if each.display]
        seen = {_by_word(case, each, analyte) for each in texts} - {Truth.UNKNOWN}
    return seen.pop() if len(seen) == 1 else Truth.UNKNOWN


def _by_word(case: Case, text: str, analyte: Analyte | None) -> Truth:
    word = " ".join(text.split()).lower()
    if analyte is not None and (own := analyte.words.get(word)) is not None:
        return _OUTCOMES[own]
    if word in case.catalogue.words.positive_words:
        return _graded(word, analyte, Truth.TRUE)
    return _graded(word, analyte, Truth.FALSE) if word in case.catalogue.words.negative_words else Truth.UNKNOWN


_OUTCOMES = {"positive": Truth.TRUE, "negative": Truth.FALSE, "neither": Truth.UNKNOWN}
_PLUSES = {"one plus": 1, "two plus": 2, "three plus": 3}


def _graded(word: str, analyte: Analyte | None, outcome: Truth) -> Truth:
    """What a grade ("2+", "Present ++ out of ++++", "weakly positive") means for an analyte with words of its own."""
    if analyte is None or not analyte.words:
        return outcome
    said = word.lower().partition("out of")[0]
    digits = [each for each in said if each.isdigit()]
    pluses = next((count for name, count in _PLUSES.items() if name in said), said.count("+"))
    if "weak" in said:
        return Truth.UNKNOWN
    if not pluses or said.strip() in {"positive (+)", "+", "(+)"}:
        return outcome
    return _OUTCOMES[analyte.words.get(f"{digits[0] if digits else pluses}+", "neither")]


def _by_number(case: Case, fact: ObservationFact, number: NumberValue, analyte: Analyte) -> Truth:
    """By the upper end of the observation's own range; a viral load above zero was detected, "<20" says neither."""
    interval = read_interval(number, analyte, case.catalogue)
    if not isinstance(interval, Unreadable):
        ends = [
            each for each in ends_of(case, fact, analyte, _ULN, interval.unit)
            if each.fits is Truth.TRUE and each.value > 0
        ]  # fmt: skip
        if len(ends) == 1:
            limit = ends[0].value
            if interval.low is not None and (interval.low > limit or (interval.low == limit and interval.low_out)):
                return Truth.TRUE
            if analyte.measure is Measure.PRESENCE and interval.high is not None and interval.high < limit:
                return Truth.FALSE
            return Truth.UNKNOWN
    if analyte.measure is not Measure.QUANTITY or not is_load(analyte) or number.comparator in {"<", "<="}:
        return Truth.UNKNOWN
    if number.value > 0:
        return Truth.TRUE
    return Truth.FALSE if number.value == 0 and not number.comparator else Truth.UNKNOWN


def is_load(analyte: Analyte) -> bool:
    """Whether it counts a virus: any of it is a positive result, which is not so of other quantities."""
    return any("viral load" in each.display for each in analyte.codes)


def _said(fact: ObservationFact) -> str:
    if fact.value is not None:
        return value_text(fact.value)
    return coded_text(fact.interpretation[0]) if fact.interpretation else ""


def results_of_disease(
    case: Case, node: HasCondition, concept: Concept, verdict: Verdict, findings: Sequence[Finding]
) -> Verdict:
    """What is both a diagnosis and a test: true by either; false by a negative test alone where no diagnosis speaks.

    `verdict` is the one by diagnosis, which is not true. A positive test against a refuted diagnosis is unknown.
    """
    answers = _latest_outcomes(case, concept.results)
    positive = [(fact, analyte) for fact, analyte, holds in answers if holds is Truth.TRUE]
    negative = [(fact, analyte) for fact, analyte, holds in answers if holds is Truth.FALSE]
    if positive:
        return _positive(case, node, concept, verdict, findings, positive)
    if not negative or any(holds is Truth.UNKNOWN for _, _, holds in answers):
        return verdict
    if node.degree == "latent" or _speaks(case, node):
        return verdict
    return Verdict(
        Truth.FALSE,
        node,
        Basis.EVIDENCE,
        _sentence(negative, "negative"),
        evidence=_evidence(case, negative, Truth.FALSE),
    )


def hinted_at(case: Case, node: HasCondition, concept: Concept, verdict: Verdict, hints: tuple[str, ...]) -> Verdict:
    """A positive test that goes with the disease, though it is not the same fact: what is false without it is open."""
    outcomes = _latest_outcomes(case, hints)
    positive = [(fact, analyte) for fact, analyte, holds in outcomes if holds is Truth.TRUE]
    if not positive:
        return verdict
    tests = [case.catalogue.analytes[each] for each in concept.results]
    missing = tuple(Missing("Observation", each.name, case.memory.coding(each.codes)) for each in tests)
    return Verdict(
        Truth.UNKNOWN, node, Basis.NONE, _sentence(positive, "positive"),
        evidence=distinct((*verdict.evidence, *_evidence(case, positive, Truth.UNKNOWN))),
        missing=(Missing("Condition", f"whether the patient has {concept.name}"), *missing),
    )  # fmt: skip


def _latest_outcomes(case: Case, analytes: Iterable[str]) -> list[tuple[ObservationFact, Analyte, Truth]]:
    """The latest results of each of these analytes that count, and whether each is positive."""
    return [
        (fact, analyte, outcome_of(case, fact, analyte))
        for analyte in (case.catalogue.analytes[each] for each in analytes)
        for fact in latest(case.chart.observations(analyte.id), case.as_of)
        if _is_young(case, fact)
    ]


def _is_young(case: Case, fact: ObservationFact) -> bool:
    """Whether a result is not older than `max_age` lets it be."""
    window = window_days(case, None)
    return window is None or day_in(fact.when, window) is Truth.TRUE


def _speaks(case: Case, node: HasCondition) -> bool:
    """Whether a diagnosis, or what may be one, is recorded: then a negative test alone does not settle it."""
    return any(
        each.fact.certainty is not Certainty.REFUTED and each.match is not Match.UNPLACED
        for each in case.chart.conditions(node.concept)
    )


def _positive(
    case: Case,
    node: HasCondition,
    concept: Concept,
    verdict: Verdict,
    findings: Sequence[Finding],
    positive: Sequence[tuple[ObservationFact, Analyte]],
) -> Verdict:
    evidence = _evidence(case, positive, Truth.TRUE)
    text = _sentence(positive, "positive")
    if any(each.refuting for each in findings):
        return Verdict(
            Truth.UNKNOWN, node, Basis.NONE, f"{text} The diagnosis was refuted.",
            evidence=distinct((*verdict.evidence, *evidence)),
            missing=(Missing("Condition", f"whether the patient has {concept.name}: test and diagnosis disagree"),),
        )  # fmt: skip
    if node.when.timing is Timing.WITHIN and not _seen_within(case, node, positive):
        return structs.replace(
            verdict, holds=Truth.UNKNOWN, basis=Basis.NONE, explanation=text,
            evidence=distinct((*verdict.evidence, *evidence)), searched=(),
            missing=(*verdict.missing, Missing("Condition", f"dates of {concept.name}")),
        )  # fmt: skip
    if node.degree is not None and node.degree != "active":
        return structs.replace(
            verdict, holds=Truth.UNKNOWN, basis=Basis.JUDGEMENT, explanation=text, evidence=evidence, searched=(),
            missing=(), questions=(Question(f"Is the {concept.name} {node.degree}?"),),
        )  # fmt: skip
    if node.degree == "active":
        return structs.replace(
            verdict, holds=Truth.UNKNOWN, basis=Basis.NONE, explanation=text, evidence=evidence, searched=(),
            missing=(Missing("Condition", f"clinical status of {concept.name}"),),
            questions=(Question(f"Is the {concept.name} active?"),),
        )  # fmt: skip
    return Verdict(Truth.TRUE, node, Basis.EVIDENCE, text, evidence=evidence)


def _seen_within(case: Case, node: HasCondition, positive: Iterable[tuple[ObservationFact, Analyte]]) -> bool:
    window: Window = window_of(node.when, case.as_of)
    return any(day_in(fact.when, window) is Truth.TRUE for fact, _ in positive)


def _sentence(results: Iterable[tuple[ObservationFact, Analyte]], word: str) -> str:
    return sentence("; ".join(f"{analyte.name} {_said(fact)}{on(fact.when)} is {word}" for fact, analyte in results))


def _evidence(case: Case, results: Iterable[tuple[ObservationFact, Analyte]], holds: Truth) -> tuple[Evidence, ...]:
    return tuple(one for fact, _ in results for one in evidence_of(case, fact, Answer(holds, "")))
