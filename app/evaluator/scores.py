"""Ordinal scales: the latest value on the scale (ECOG, NYHA, Child-Pugh, dipstick ...) against its bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.criteria.nodes import Op, Scored
from app.criteria.words import range_words
from app.evaluator.facts import CodedValue, NumberValue, TextValue
from app.evaluator.picks import Answer, judge_latest, narrowest
from app.evaluator.truth import Truth, all_of
from app.evaluator.verdict import Basis, Missing, Question, Verdict
from app.evaluator.wording import number_text, on, value_text

if TYPE_CHECKING:
    from app.evaluator.case import Case
    from app.evaluator.facts import Coded, ObservationFact
    from app.knowledge.catalogue import Scale


def judge_scored(case: Case, node: Scored) -> Verdict:
    """The verdict on a Scored."""
    scale = case.catalogue.scales.get(node.scale)
    said = range_words((each.op, each.value) for each in node.bounds)
    if scale is None or any(scale.rank(each.value) is None for each in node.bounds):
        name = scale.name if scale is not None else node.scale
        return Verdict(
            Truth.UNKNOWN, node, Basis.JUDGEMENT, f"The catalogue has no such value of {name}.",
            questions=(Question(f"Is the {name} {said}?"),),
        )  # fmt: skip

    def missing(iso: str) -> Missing:
        return Missing("Observation", scale.name, case.memory.coding(scale.codes), iso)

    def answer(fact: ObservationFact) -> Answer:
        rank = rank_of(scale, fact)
        words = f"{scale.name} {_said(scale, fact, rank)}{on(fact.when)}"
        if rank is None:
            return Answer(Truth.UNKNOWN, f"{words} is no value of the scale", (missing(""),))
        holds = all_of(_satisfies(rank, each.op, scale.rank(each.value)) for each in node.bounds)
        return Answer(
            holds, f"{words} {'is' if holds is Truth.TRUE else 'is not'} {said}", (), (), _value(scale, fact, rank)
        )

    observations = case.chart.observations(node.scale)
    if observations:
        return judge_latest(case, node, scale.name, observations, node.within, answer=answer, missing=missing)
    narrow = narrowest(case, node.within)
    iso = narrow.iso() if narrow is not None else ""
    return case.memory.shared(
        (id(node), iso),
        lambda: Verdict(Truth.UNKNOWN, node, Basis.NONE, f"There is no usable {scale.name}.", missing=(missing(iso),)),
    )


def rank_of(scale: Scale, fact: ObservationFact) -> int | None:
    """The place of the value on the scale; None where it is no value of it, or two at once."""
    ranks: set[int] = set()
    match fact.value:
        case CodedValue(coded):
            ranks = _by_coded(scale, coded)
        case TextValue(text):
            ranks = _by_word(scale, text)
        case NumberValue() as number if not number.comparator:
            ranks = _by_word(scale, _plain(number))
        case None:
            ranks = _by_codes(scale, fact.code)
        case _:
            pass
    return ranks.pop() if len(ranks) == 1 else None


def _by_coded(scale: Scale, coded: Coded) -> set[int]:
    found = _by_codes(scale, coded)
    if found:
        return found
    texts = [coded.text] if coded.text else [each.display for each in coded.codings if each.display]
    return {rank for each in texts for rank in _by_word(scale, each)}


def _by_codes(scale: Scale, coded: Coded) -> set[int]:
    return {
        rank
        for rank, value in enumerate(scale.values)
        for each in value.codes
        if any(one.system == each.system and one.code == each.code for one in coded.codings)
    }


def _by_word(scale: Scale, text: str) -> set[int]:
    word = " ".join(text.split()).lower()
    return {rank for rank, value in enumerate(scale.values) if word == value.value.lower() or word in value.words}


def _plain(number: NumberValue) -> str:
    text = number_text(number.value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _satisfies(rank: int, op: Op, limit: int | None) -> Truth:
    if limit is None:
        return Truth.UNKNOWN
    holds = {Op.LT: rank < limit, Op.LE: rank <= limit, Op.GE: rank >= limit, Op.GT: rank > limit}[op]
    return Truth.TRUE if holds else Truth.FALSE


def _said(scale: Scale, fact: ObservationFact, rank: int | None) -> str:
    return scale.values[rank].value if rank is not None else f"“{value_text(fact.value)}”"


def _value(scale: Scale, fact: ObservationFact, rank: int) -> str:
    """What was read and, where that is said in other words, the value of the scale that it is."""
    read, value = value_text(fact.value), scale.values[rank].value
    return value if not read or read == value else f"{read} = {value}"
