"""Taking part in another clinical study: never the trial under evaluation itself."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from app.criteria.nodes import InStudy, Timing
from app.evaluator.facts import ParticipationFact, StudyNature
from app.evaluator.truth import Truth
from app.evaluator.verdict import Basis, Evidence, Missing, Question, Role, Verdict
from app.evaluator.windows import DAWN, DUSK, Period, leaves, overlaps, span_of, window_of
from app.evaluator.wording import period_text

if TYPE_CHECKING:
    from app.evaluator.case import Case

_TYPE = "ResearchSubject"


def judge_participation(case: Case, node: InStudy) -> Verdict:
    """The verdict on an InStudy."""
    window = window_of(node.when, case.as_of)
    found: list[tuple[Truth, ParticipationFact]] = []
    days: list[date | None] = []
    asked_kind: list[ParticipationFact] = []
    for each in case.chart.participations():
        if set(each.study_ids) & case.settings.trial_ids or not (each.taking_part or each.took_part):
            continue
        period = _period(each, case.as_of)
        asked = period.onset() if node.when.timing is Timing.EVER else period
        holds = overlaps(asked, window)
        if holds is not Truth.FALSE and not each.study_ids and case.settings.trial_ids:
            holds = Truth.UNKNOWN
        if node.of_treatment and each.nature is StudyNature.OBSERVES:
            holds = Truth.FALSE
        doubtful = node.of_treatment and each.nature is StudyNature.MAY_OBSERVE
        if doubtful and holds is Truth.TRUE:
            holds = Truth.UNKNOWN
            asked_kind.append(each)
        found.append((holds, each))
        if holds is Truth.TRUE:
            days.append(leaves(period, node.when, case.as_of))
    shown = case.chart.shown_type(_TYPE)
    for wanted in (Truth.TRUE, Truth.UNKNOWN):
        some = [each for holds, each in found if holds is wanted]
        if some and all(any(each is one for one in asked_kind) for each in some):
            return Verdict(
                Truth.UNKNOWN, node, Basis.NONE,
                f"{'; '.join(map(_clause, some))}: whether it tries a treatment is not said.",
                tuple(_evidence(each, Role.CONSIDERED) for each in some),
                questions=tuple(Question(f"Does the study “{each.study_title}” try a treatment?") for each in some),
            )  # fmt: skip
        if some:
            return _verdict(
                case,
                node,
                wanted,
                some,
                days if len(some) == len([h for h, _ in found if h is not Truth.FALSE]) else [],
            )
    if not shown:
        return Verdict(
            Truth.UNKNOWN, node, Basis.NONE, "Whether the patient takes part in another study was not shown.",
            tuple(_evidence(each, Role.CONSIDERED) for _, each in found),
            (Missing(_TYPE, "study participations of the patient, or that there are none"),),
        )  # fmt: skip
    if found:
        text = "; ".join(_clause(each) for _, each in found)
        return Verdict(
            Truth.FALSE, node, Basis.EVIDENCE, f"{text}: not in the time asked about.",
            tuple(_evidence(each, Role.CONTRADICTS) for _, each in found),
        )  # fmt: skip
    return Verdict(
        Truth.FALSE,
        node,
        Basis.ABSENCE,
        "No participation in another study was found in the ResearchSubject resources.",
    )


def _verdict(
    case: Case, node: InStudy, holds: Truth, some: list[ParticipationFact], days: list[date | None]
) -> Verdict:
    text = "; ".join(_clause(each) for each in some)
    if holds is Truth.TRUE:
        turns = max((day for day in days if day is not None), default=None) if None not in days else None
        return Verdict(
            holds, node, Basis.EVIDENCE, f"{text}.", tuple(_evidence(each, Role.SUPPORTS) for each in some),
            turns_on=turns if case.chart.shown_type(_TYPE) else None,
        )  # fmt: skip
    window = node.when.duration.iso() if node.when.duration is not None else ""
    missing = []
    for each in some:
        if not each.study_ids and case.settings.trial_ids:
            missing.append(Missing(_TYPE, f"which study {each.source.reference} is about"))
        else:
            what = "start" if each.start is None else "end" if each.end is None else "exact dates"
            missing.append(Missing(_TYPE, f"{what} of the participation {each.source.reference}", None, window))
    return Verdict(
        holds, node, Basis.NONE, f"{text}: whether that is in the time asked about is not certain.",
        tuple(_evidence(each, Role.CONSIDERED) for each in some), tuple(missing),
    )  # fmt: skip


def _period(fact: ParticipationFact, as_of: date) -> Period:
    """Within its period; who takes part without an end takes part still, who took part ended some day."""
    began_from, began_by = span_of(fact.start, (DAWN, as_of))
    if began_from <= as_of < began_by:
        began_by = as_of
    if fact.end is not None:
        ended_from, ended_by = span_of(fact.end, (began_from, DUSK))
    elif fact.taking_part:
        ended_from, ended_by = as_of, DUSK
    else:
        ended_from, ended_by = began_from, max(as_of, began_from)
    return Period(began_from, began_by, max(ended_from, began_from), max(ended_by, began_from))


def _clause(fact: ParticipationFact) -> str:
    title = fact.study_title or (fact.study_ids[0] if fact.study_ids else "a study")
    when = period_text(fact.start, fact.end, ongoing=fact.taking_part)
    return f"{title} ({fact.status}{', ' if when else ''}{when})"


def _evidence(fact: ParticipationFact, role: Role) -> Evidence:
    return Evidence(
        fact.source.reference, role, "ResearchSubject.status", fact.status,
        period_text(fact.start, fact.end, ongoing=fact.taking_part),
    )  # fmt: skip
