"""Which of several observations decides: the latest at or before the day of the question, as far as their dates
tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from app.criteria.time import before
from app.evaluator.truth import Truth
from app.evaluator.verdict import Basis, Evidence, Missing, Question, Role, Verdict, distinct
from app.evaluator.windows import DAWN, Window, day_in
from app.evaluator.wording import coded_text, first_coding, sentence, value_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import date

    from app.criteria.nodes import Criterion
    from app.criteria.time import Duration
    from app.evaluator.case import Case
    from app.evaluator.facts import ObservationFact

ROLES = {Truth.TRUE: Role.SUPPORTS, Truth.FALSE: Role.CONTRADICTS, Truth.UNKNOWN: Role.CONSIDERED}


class Answer(msgspec.Struct, gc=False):
    """What one value says to the question. `text` is a clause; `extra` is evidence beside the value itself."""

    holds: Truth
    text: str
    missing: tuple[Missing, ...] = ()
    questions: tuple[Question, ...] = ()
    value: str = ""
    extra: tuple[Evidence, ...] = ()


def has_content(fact: ObservationFact) -> bool:
    """A value, or what the laboratory made of it; without either it is no result (a panel, a reason for absence)."""
    return fact.value is not None or bool(fact.interpretation)


def latest(observations: Iterable[ObservationFact], as_of: date) -> list[ObservationFact]:
    """Those that may be the latest: several where a day has no times or a date is partial; none is undated or to come.

    `observations` are as the chart gives them, oldest first.
    """
    found: list[ObservationFact] = []
    newest_from = DAWN
    for fact in reversed(tuple(observations)):
        when = fact.when
        if when is None or not has_content(fact) or (when.earliest is not None and when.earliest > as_of):
            continue
        last = when.latest if when.latest is not None else as_of
        if found and min(last, as_of) < newest_from:
            break
        if any(_is_later(other, fact) for other in found):
            continue
        found.append(fact)
        if when.earliest is not None and when.earliest > newest_from:
            newest_from = when.earliest
    return found


def _is_later(one: ObservationFact, other: ObservationFact) -> bool:
    """Whether times of the same day put one after the other."""
    if not one.instant or not other.instant or one.when is None or other.when is None:
        return False
    same_day = one.when.latest == other.when.latest and one.when.earliest == other.when.earliest
    return same_day and one.instant > other.instant


def window_days(case: Case, within: Duration | None) -> Window | None:
    """The window that the criterion or `max_age` sets; the narrower of the two where there are both."""
    firsts = [before(case.as_of, each) for each in (within, case.settings.max_age) if each is not None]
    return Window(max(firsts), case.as_of) if firsts else None


def narrowest(case: Case, within: Duration | None) -> Duration | None:
    """The duration that sets that window."""
    given = [each for each in (within, case.settings.max_age) if each is not None]
    return max(given, key=lambda each: before(case.as_of, each)) if given else None


def evidence_of(case: Case, fact: ObservationFact, answer: Answer) -> tuple[Evidence, ...]:
    """The value that was read, then whatever was read beside it."""
    value = answer.value or value_text(fact.value)
    if fact.value is None and fact.interpretation:
        value = coded_text(fact.interpretation[0])
    shown = Evidence(
        fact.source.reference,
        ROLES[answer.holds],
        fact.path,
        value,
        fact.when.text if fact.when is not None else "",
        first_coding(fact.code),
        stale=fact.when is not None and not case.is_recent(fact.when),
    )
    return (shown, *answer.extra)


def judge_latest(
    case: Case,
    node: Criterion,
    name: str,
    observations: Sequence[ObservationFact],
    within: Duration | None,
    *,
    answer: Callable[[ObservationFact], Answer],
    missing: Callable[[str], Missing],
) -> Verdict:
    """The latest value decides; several that may be it must agree. `missing` makes what is asked for in a window."""
    window = window_days(case, within)
    narrow = narrowest(case, within)
    iso = narrow.iso() if narrow is not None else ""
    facts = latest(observations, case.as_of)
    if not facts:
        undated = [each for each in observations if each.when is None and has_content(each)]
        if undated:
            return _undated(case, node, name, undated, missing(iso))
        return Verdict(Truth.UNKNOWN, node, Basis.NONE, f"There is no usable {name}.", missing=(missing(iso),))
    answers = [(fact, _dated(fact, window, answer, missing, iso)) for fact in facts]
    return combine(case, node, answers, missing(iso))


def combine(
    case: Case, node: Criterion, answers: Sequence[tuple[ObservationFact, Answer]], missing: Missing
) -> Verdict:
    """The one answer that all of them give; where they differ it is unknown."""
    seen = {each.holds for _, each in answers}
    evidence = distinct([one for fact, each in answers for one in evidence_of(case, fact, each)])
    text = sentence("; ".join(dict.fromkeys([each.text for _, each in answers])))
    if len(seen) == 1 and Truth.UNKNOWN not in seen:
        return Verdict(seen.pop(), node, Basis.EVIDENCE, text, evidence=evidence)
    if Truth.TRUE in seen and Truth.FALSE in seen:
        return Verdict(
            Truth.UNKNOWN,
            node,
            Basis.NONE,
            f"{text} These values of the same time disagree.",
            evidence=evidence,
            missing=(Missing(missing.type, f"{missing.text}: which of the latest values counts", missing.code),),
        )
    wanted = tuple(dict.fromkeys(one for _, each in answers for one in each.missing))
    asked = tuple(dict.fromkeys(one for _, each in answers for one in each.questions))
    return Verdict(
        Truth.UNKNOWN,
        node,
        Basis.NONE,
        text,
        evidence=evidence,
        missing=wanted or (() if asked else (missing,)),
        questions=asked,
    )


def _dated(
    fact: ObservationFact,
    window: Window | None,
    answer: Callable[[ObservationFact], Answer],
    missing: Callable[[str], Missing],
    iso: str,
) -> Answer:
    """The answer of a value in the window; outside it there is none."""
    given = answer(fact)
    if window is None:
        return given
    inside = day_in(fact.when, window)
    if inside is Truth.TRUE:
        return given
    if inside is Truth.FALSE:
        return Answer(Truth.UNKNOWN, f"{given.text}, but that is too long ago", (missing(iso),), (), given.value)
    wanted = Missing("Observation", f"exact date of {missing('').text}", missing("").code, iso)
    return Answer(Truth.UNKNOWN, f"{given.text}, but the date is not exact", (wanted,), (), given.value)


def _undated(case: Case, node: Criterion, name: str, facts: Sequence[ObservationFact], missing: Missing) -> Verdict:
    return Verdict(
        Truth.UNKNOWN,
        node,
        Basis.NONE,
        f"The {name} has no date.",
        evidence=tuple(one for each in facts for one in evidence_of(case, each, Answer(Truth.UNKNOWN, ""))),
        missing=(Missing(missing.type, f"date of {missing.text}", missing.code, missing.window),),
    )
