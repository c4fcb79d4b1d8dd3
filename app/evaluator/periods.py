"""From when to when a recorded condition or treatment lasted, as far as the record tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.evaluator.facts import Activity
from app.evaluator.windows import DAWN, DUSK, Period, span_of

if TYPE_CHECKING:
    from datetime import date

    from app.evaluator.facts import ConditionFact, TreatmentFact


def of_condition(fact: ConditionFact, as_of: date, *, malignancy: bool = False) -> Period:
    """From onset to abatement, or still there.

    `recordedDate` bounds the onset from above, no more; so does an abatement. A month that holds `as_of` has begun by
    then, since the record is here. What is over without a date ended some day since it began; a malignancy in remission
    may be there still.
    """
    recorded_by = fact.recorded.latest if fact.recorded is not None else None
    latest_start = recorded_by if recorded_by is not None else as_of
    if fact.onset is None and fact.abatement is not None and fact.abatement.latest is not None:
        latest_start = min(latest_start, fact.abatement.latest)
    began_from, began_by = span_of(fact.onset, (DAWN, latest_start))
    if fact.onset is not None and recorded_by is not None and began_from <= recorded_by < began_by:
        began_by = recorded_by
    recorded_later = fact.recorded is not None and (fact.recorded.earliest or DAWN) > as_of
    if began_from <= as_of < began_by and not recorded_later:
        began_by = as_of
    if fact.abatement is not None:
        ended_from, ended_by = span_of(fact.abatement, (began_from, DUSK))
        if fact.activity is Activity.ACTIVE:
            ended_by = DUSK  # the record contradicts itself
    elif fact.activity is Activity.ACTIVE:
        ended_from, ended_by = as_of, DUSK
    elif fact.activity is Activity.UNKNOWN or (malignancy and fact.activity is not Activity.RESOLVED):
        ended_from, ended_by = began_from, DUSK
    else:
        ended_from, ended_by = began_from, as_of
    if ended_by < began_from <= as_of:
        return _contradictory(ended_from, began_by, as_of)
    return Period(began_from, began_by, max(ended_from, began_from), max(ended_by, began_from))


def of_treatment(fact: TreatmentFact, as_of: date) -> Period:
    """From start to end; without an end it certainly ran on its first day and may have run since."""
    began_from, began_by = span_of(fact.start, (DAWN, _by(fact, as_of)))
    if began_from <= as_of < began_by:
        began_by = as_of
    if fact.end is not None:
        ended_from, ended_by = span_of(fact.end, (began_from, DUSK))
        if ended_from <= as_of < ended_by and not fact.ongoing and fact.end.earliest != fact.end.latest:
            ended_by = as_of  # a month that holds the day of the question: what is over ended by then
    elif fact.ongoing:
        ended_from, ended_by = as_of, DUSK
    else:
        ended_from, ended_by = began_from, max(as_of, began_from)
    if ended_by < began_from <= as_of:
        return _contradictory(ended_from, began_by, as_of)
    return Period(began_from, began_by, max(ended_from, began_from), max(ended_by, began_from))


def _contradictory(ended_from: date, began_by: date, as_of: date) -> Period:
    """It ended before it began: between the two dates and now nothing is certain."""
    return Period(ended_from, began_by, ended_from, max(as_of, began_by))


def _by(fact: TreatmentFact, as_of: date) -> date:
    """The last day on which it can have begun, where nobody wrote that down."""
    if fact.end is not None and fact.end.latest is not None:
        return min(as_of, fact.end.latest)
    return as_of
