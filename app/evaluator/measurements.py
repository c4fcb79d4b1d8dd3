"""Measurements: the value of an analyte against its limits."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from app.criteria.nodes import Measured, NormalLimit, Op, Pick, Quantity
from app.criteria.words import bounds_words, limit_words
from app.evaluator.facts import CodedValue, NumberValue, TextValue
from app.evaluator.formulas import computed
from app.evaluator.limits import ends_of, limit_value
from app.evaluator.matching import has_code
from app.evaluator.picks import Answer, combine, evidence_of, has_content, judge_latest, latest, narrowest, window_days
from app.evaluator.quantities import Interval, Unreadable, compare, convert, read_interval
from app.evaluator.results import is_load, outcome_of
from app.evaluator.truth import Truth, all_of, any_of
from app.evaluator.verdict import Basis, Evidence, Missing, Question, Role, Verdict, distinct
from app.evaluator.windows import DAWN, Window, day_in
from app.evaluator.wording import listed, number_text, on, value_text, with_unit
from app.knowledge.catalogue import Modifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.criteria.nodes import Bound
    from app.evaluator.case import Case
    from app.evaluator.facts import ObservationFact
    from app.knowledge.catalogue import Analyte, Catalogue

_VERBS = {Truth.TRUE: "is", Truth.FALSE: "is not", Truth.UNKNOWN: "may or may not be"}
_ROOM_AIR = "room-air"
_AIR_PER_CENT = 21


def judge_measured(case: Case, node: Measured) -> Verdict:
    """The verdict on a Measured."""
    analyte = case.catalogue.analytes.get(node.analyte)
    if analyte is None:
        return Verdict(
            Truth.UNKNOWN, node, Basis.NONE, f"{node.analyte} is not in the catalogue.",
            questions=(Question(f"Is the {node.analyte.replace('-', ' ')} {bounds_words(node.bounds)}?"),),
        )  # fmt: skip
    observations = case.chart.observations(node.analyte)
    if node.circumstance == _ROOM_AIR:
        observations = tuple(each for each in observations if not _on_oxygen(each, case.catalogue))
    if analyte.formula is not None and node.formula in {None, analyte.formula}:
        made = computed(case, analyte)
        if made is not None:
            return _with_computed(case, node, analyte, observations, made)
    if not observations:
        return _nothing(case, node, analyte)
    if node.pick is Pick.ANY:
        return _any(case, node, analyte, observations)
    if analyte.objects:
        return _each_object(case, node, analyte, observations)
    return _latest(case, node, analyte, observations)


def _latest(case: Case, node: Measured, analyte: Analyte, observations: Sequence[ObservationFact]) -> Verdict:
    return judge_latest(
        case, node, analyte.name, observations, node.within,
        answer=lambda fact: _answer(case, node, analyte, fact), missing=lambda iso: wanted(case, node, analyte, iso),
    )  # fmt: skip


class _Asked(msgspec.Struct, frozen=True):
    """What a Measured asks, worked out once: its bounds in words, their exact limits (None where they are multiples of
    a normal limit), what to send, and the same with a reference range.
    """

    words: str
    limits: tuple[Fraction | None, ...]
    missing: Missing
    with_range: Missing


def _asked(case: Case, node: Measured, analyte: Analyte) -> _Asked:
    def make() -> _Asked:
        missing = _wanted(case, node, analyte)
        return _Asked(
            bounds_words(node.bounds),
            tuple([Fraction(each.limit.value) if isinstance(each.limit, Quantity) else None for each in node.bounds]),
            missing,
            Missing("Observation", f"{analyte.name} with its reference range", missing.code),
        )

    return case.memory.of_node(node, analyte.id in case.settings.ranges, make)


def wanted(case: Case, node: Measured, analyte: Analyte, window: str) -> Missing:
    """What to send: the analyte, with its reference range where the limit is a multiple of it."""
    found = _asked(case, node, analyte).missing
    return structs.replace(found, window=window) if window else found


def _wanted(case: Case, node: Measured, analyte: Analyte) -> Missing:
    needs_range = any(isinstance(each.limit, NormalLimit) for each in node.bounds)
    text = analyte.name
    if needs_range and analyte.id not in case.settings.ranges:
        text = f"{text} with its reference range"
    if analyte.formula is not None:
        inputs = (case.catalogue.analytes[each].name for each in analyte.inputs)
        text = f"{text}, or {listed(tuple(inputs))} to compute it"
    return Missing("Observation", text, case.memory.coding(analyte.codes))


def _nothing(case: Case, node: Measured, analyte: Analyte) -> Verdict:
    """No usable value: unknown. What only its words name is cited."""
    narrow = narrowest(case, node.within)
    iso = narrow.iso() if narrow is not None else ""
    named = case.chart.named_observations(node.analyte)
    if not named:
        key = (id(node), iso, analyte.id in case.settings.ranges)
        return case.memory.shared(
            key,
            lambda: Verdict(
                Truth.UNKNOWN, node, Basis.NONE, f"There is no usable {analyte.name}.",
                missing=(wanted(case, node, analyte, iso),),
            ),
        )  # fmt: skip
    return Verdict(
        Truth.UNKNOWN,
        node,
        Basis.NONE,
        f"Whether what is recorded is the {analyte.name} is not certain.",
        evidence=tuple(one for each in named[-3:] for one in evidence_of(case, each, Answer(Truth.UNKNOWN, ""))),
        missing=(wanted(case, node, analyte, iso),),
    )


def _answer(case: Case, node: Measured, analyte: Analyte, fact: ObservationFact) -> Answer:
    """One value against all bounds."""
    asked, shown = _asked(case, node, analyte), _text(case, fact)
    said = f"{analyte.name} {shown}{on(fact.when)}"
    interval = _interval(case, fact, analyte)
    if isinstance(interval, Unreadable) and is_load(analyte) and outcome_of(case, fact, analyte) is Truth.FALSE:
        # A virus that is not detected is below whatever count is asked about.
        below = all_of(Truth.TRUE if each.op in {Op.LT, Op.LE} else Truth.FALSE for each in node.bounds)
        verb = "is" if below is Truth.TRUE else "is not"
        return Answer(below, f"{said} {verb} {asked.words}")
    if isinstance(interval, Unreadable):
        missing = asked.missing
        unit = isinstance(fact.value, NumberValue)
        what = f"{missing.text}: {interval.reason}" if unit else f"{missing.text} as a number with its unit"
        return Answer(
            Truth.UNKNOWN, f"{said} decides nothing: {interval.reason}",
            (Missing("Observation", what, missing.code),),
        )  # fmt: skip
    parts = [
        _normal(case, asked, analyte, fact, interval, bound)
        if limit is None
        else _fixed(case, asked, analyte, interval, bound, limit)
        for bound, limit in zip(node.bounds, asked.limits, strict=True)
    ]
    holds = all_of([each.holds for each in parts])
    limits = list(dict.fromkeys([each.text for each in parts if each.text]))
    converted = next((each.value for each in parts if each.value), "")
    limits_text = f" ({', '.join(limits)})" if limits else ""
    return Answer(
        holds,
        f"{said} {_VERBS[holds]} {asked.words}{limits_text}",
        tuple([one for each in parts if each.holds is Truth.UNKNOWN for one in each.missing]),
        (),
        f"{shown}{converted}",
        tuple([one for each in parts for one in each.extra]),
    )


def _text(case: Case, fact: ObservationFact) -> str:
    """What an observation says; a value meets many limits and is written once."""
    key = ("said", id(fact))
    found: tuple[ObservationFact, str] | None = case.memo.get(key)
    if found is None:
        # The fact is kept with its text, so that its id stays its own.
        found = case.memo[key] = (fact, value_text(fact.value))
    return found[1]


def _interval(case: Case, fact: ObservationFact, analyte: Analyte) -> Interval | Unreadable:
    key = ("interval", id(fact), analyte.id)
    found: tuple[ObservationFact, Interval | Unreadable] | None = case.memo.get(key)
    if found is None:
        # The fact is kept with its interval, so that its id stays its own.
        found = case.memo[key] = (fact, read_interval(fact.value, analyte, case.catalogue))
    return found[1]


def _fixed(case: Case, asked: _Asked, analyte: Analyte, value: Interval, bound: Bound, limit: Fraction) -> Answer:
    assert isinstance(bound.limit, Quantity)
    unit = bound.limit.unit
    there = convert(value, unit, analyte, case.catalogue)
    if isinstance(there, Unreadable):
        missing = asked.missing
        return Answer(Truth.UNKNOWN, there.reason, (Missing("Observation", f"{missing.text} in {unit}", missing.code),))
    holds = compare(there, bound.op, limit)
    shown = "" if there is value else f" = {_interval_text(there)}"
    return Answer(holds, "", (asked.missing,) if holds is Truth.UNKNOWN else (), (), shown)


def _normal(
    case: Case, asked: _Asked, analyte: Analyte, fact: ObservationFact, value: Interval, bound: Bound
) -> Answer:
    limit = bound.limit
    assert isinstance(limit, NormalLimit)
    missing = (asked.with_range,)
    ends = ends_of(case, fact, analyte, limit, value.unit)
    if not any(each.fits is Truth.TRUE for each in ends):
        return Answer(Truth.UNKNOWN, f"no {limit.end} of this observation", missing)
    seen: dict[Truth, str] = {}
    for each in ends:
        there = limit_value(each, limit, value.unit, analyte, case)
        if isinstance(there, Unreadable):
            return Answer(Truth.UNKNOWN, there.reason, missing)
        text = f"{limit_words(limit)} = {with_unit(there, value.unit)}"
        seen.setdefault(compare(value, bound.op, there), text)
    path = f"{fact.path.rpartition('.')[0]}.referenceRange"
    extra = tuple(
        Evidence(
            fact.source.reference, Role.CONSIDERED,
            f"{path}[{each.place}]" if each.place is not None else "site reference range", f"{limit.end} {each.text}",
            fact.when.text if fact.when is not None else "",
        )
        for each in ends
    )  # fmt: skip
    if len(seen) > 1:
        return Answer(Truth.UNKNOWN, "its reference ranges disagree", missing, (), "", extra)
    holds, text = seen.popitem()
    return Answer(holds, text, missing if holds is Truth.UNKNOWN else (), (), "", extra)


def _interval_text(value: Interval) -> str:
    if value.low is not None and value.low == value.high:
        return with_unit(value.low, value.unit)
    if value.low is None and value.high is not None:
        return f"{'<' if value.high_out else '<='}{with_unit(value.high, value.unit)}"
    if value.high is None and value.low is not None:
        return f"{'>' if value.low_out else '>='}{with_unit(value.low, value.unit)}"
    low, high = value.low or Fraction(0), value.high or Fraction(0)
    return f"{number_text(low)} - {with_unit(high, value.unit)}"


def _any(case: Case, node: Measured, analyte: Analyte, observations: Sequence[ObservationFact]) -> Verdict:
    """Any value in the window: one that does is enough; that none does is said of what was recorded."""
    window = window_days(case, node.within) or Window(DAWN, case.as_of)
    narrow = narrowest(case, node.within)
    answers = []
    for fact in observations:
        if not has_content(fact):
            continue
        inside = day_in(fact.when, window)
        if inside is Truth.FALSE:
            continue
        answer = _answer(case, node, analyte, fact)
        if inside is Truth.UNKNOWN and answer.holds is Truth.TRUE:
            asked = wanted(case, node, analyte, "")
            answer = Answer(Truth.UNKNOWN, answer.text, (Missing("Observation", f"date of {asked.text}", asked.code),))
        answers.append((fact, answer))
    holds = any_of(each.holds for _, each in answers)
    if not answers:
        return Verdict(
            Truth.UNKNOWN, node, Basis.NONE, f"There is no usable {analyte.name}.",
            missing=(wanted(case, node, analyte, narrow.iso() if narrow is not None else ""),),
        )  # fmt: skip
    deciding = [each for each in answers if each[1].holds is holds]
    if holds is Truth.TRUE:
        deciding = deciding[-1:]
    return combine(case, node, deciding, wanted(case, node, analyte, ""))


def _each_object(case: Case, node: Measured, analyte: Analyte, observations: Sequence[ObservationFact]) -> Verdict:
    """Distinct objects (lesions) are judged each, and what is at most so large must be so for all of them.

    A value that names no lesion may be of one that another value names: where it is older and they disagree, it is
    open.
    """
    groups: dict[tuple[str, ...], list[ObservationFact]] = {}
    for fact in observations:
        groups.setdefault(fact.objects, []).append(fact)
    if len(groups) == 1:
        return _latest(case, node, analyte, observations)
    verdicts = {key: _latest(case, node, analyte, group) for key, group in sorted(groups.items())}
    seen = {each.holds for each in verdicts.values()}
    if (
        () in groups
        and len(seen) > 1
        and any(_newest(group, case) > _newest(groups[()], case) for group in groups.values())
    ):
        verdicts[()] = Verdict(
            Truth.UNKNOWN, node, Basis.NONE, verdicts[()].explanation, verdicts[()].evidence,
            (Missing("Observation", f"which object the {analyte.name} without a site is of"),),
        )  # fmt: skip
    upper = all(each.op in {Op.LT, Op.LE} for each in node.bounds)
    holds = all_of(each.holds for each in verdicts.values())
    if not upper and len({each.holds for each in verdicts.values()}) > 1:
        holds = Truth.UNKNOWN
    deciding = [each for each in verdicts.values() if each.holds is holds] or list(verdicts.values())
    missing = tuple(dict.fromkeys(one for each in deciding for one in each.missing))
    return Verdict(
        holds,
        node,
        Basis.EVIDENCE if holds is not Truth.UNKNOWN else Basis.NONE,
        " ".join(each.explanation for each in deciding),
        distinct(one for each in deciding for one in each.evidence),
        () if holds is not Truth.UNKNOWN else missing or (wanted(case, node, analyte, ""),),
    )


def _newest(group: Sequence[ObservationFact], case: Case) -> str:
    found = latest(group, case.as_of)
    return found[0].when.text if found and found[0].when is not None else ""


def _with_computed(
    case: Case,
    node: Measured,
    analyte: Analyte,
    observations: Sequence[ObservationFact],
    made: tuple[ObservationFact, tuple[Evidence, ...]],
) -> Verdict:
    """The later of the reported and the computed value; of the same day, both must say the same."""
    fact, inputs = made

    def answer(each: ObservationFact) -> Answer:
        found = _answer(case, node, analyte, each)
        if each is fact:
            found.extra = (*inputs, *found.extra)
        return found

    merged = sorted([*observations, fact], key=_day_of)
    return judge_latest(
        case, node, analyte.name, merged, node.within,
        answer=answer, missing=lambda iso: wanted(case, node, analyte, iso),
    )  # fmt: skip


def _day_of(fact: ObservationFact) -> tuple[int, str]:
    if fact.when is None:
        return (0, "")
    last = fact.when.latest or fact.when.earliest
    return (last.toordinal() if last is not None else 0, fact.instant)


def _on_oxygen(fact: ObservationFact, catalogue: Catalogue) -> bool:
    """Whether oxygen was given: a flow, or more of it than air has, recorded with the value."""
    for each in fact.companions:
        is_flow = has_code(each.code, catalogue.modifiers[Modifier.OXYGEN_FLOW])
        is_share = has_code(each.code, catalogue.modifiers[Modifier.OXYGEN_SHARE])
        value = each.value
        if is_flow and not (isinstance(value, NumberValue) and value.value == 0):
            return True
        if is_share and isinstance(value, NumberValue):
            share = value.value if value.value > 1 else value.value * 100
            if share > _AIR_PER_CENT:
                return True
        if isinstance(value, CodedValue | TextValue) and (is_flow or is_share):
            return True
    return False
