"""Judges criteria against a chart: one verdict a node, logic by Kleene, facts each in their own module."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, assert_never, final

from app.criteria.nodes import (
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
    ReproductiveIs,
    ResultIs,
    Scored,
    SexIs,
)
from app.criteria.time import before
from app.evaluator.ages import judge_age, judge_sex
from app.evaluator.allergies import judge_allergy
from app.evaluator.blank import Blank, BlankChart, Personal
from app.evaluator.case import Case, Memory, profile_of
from app.evaluator.conditions import judge_condition
from app.evaluator.facts import INDEXES
from app.evaluator.logic import judge_if, judge_logic
from app.evaluator.measurements import judge_measured
from app.evaluator.participation import judge_participation
from app.evaluator.people import (
    judge_alive,
    judge_confirmed,
    judge_consent,
    judge_not_understood,
    judge_preference,
    judge_question,
)
from app.evaluator.reproductive import judge_reproductive
from app.evaluator.results import judge_result
from app.evaluator.scores import judge_scored
from app.evaluator.treatments import judge_treatment, judge_vaccine
from app.evaluator.washouts import judge_elapsed

if TYPE_CHECKING:
    from decimal import Decimal

    from app.criteria.nodes import Criterion
    from app.criteria.time import Duration
    from app.evaluator.facts import Chart
    from app.evaluator.report import Status
    from app.evaluator.settings import EvaluationSettings
    from app.evaluator.verdict import Verdict
    from app.knowledge.catalogue import Catalogue

_TYPES = ("ResearchSubject", "ServiceRequest")
"""What is asked to be shown beside the families."""


@final
class Unopened:
    """Stands for an index that nothing was asked of yet."""


_UNOPENED: Final = Unopened()


class Judge:
    """One chart under one day: equal nodes are judged once, however many trials ask.

    `memory` may be shared by all judges of one catalogue in a process, and makes them faster; verdicts do not hang on
    it.
    """

    def __init__(
        self, chart: Chart, catalogue: Catalogue, settings: EvaluationSettings, memory: Memory | None = None
    ) -> None:
        self.memory = memory if memory is not None and memory.catalogue is catalogue else Memory(catalogue)
        profile, shown = profile_of(chart)
        self.case = Case(
            chart, catalogue, settings, self.memory, self.judge, profile, shown, settings.as_of,
            before(settings.as_of, settings.stale_after),
        )  # fmt: skip
        self._verdicts: dict[int, Verdict] = {}
        self.statuses: dict[tuple[int, bool, bool], Status] = {}
        """What criteria come to, for whoever asks for no more than that."""
        self._touched: list[frozenset[str] | Unopened | None] = [_UNOPENED] * len(INDEXES)
        self._blank = self._find_blank() if self.memory.remembers else None

    def _find_blank(self) -> Blank:
        """The blank verdicts of this day, these settings and what this chart shows."""
        case = self.case
        settings = case.settings
        # The trial's ids are asked for only of participations and consents, and a blank chart has none.
        settings = replace(settings, trial_ids=frozenset()) if settings.trial_ids else settings
        shown_types = tuple([case.chart.shown_type(each) for each in _TYPES])
        key = (
            case.profile, shown_types, settings.as_of, _length(settings.max_age), _length(settings.stale_after),
            settings.childbearing_ages, _length(settings.weight_max_older), tuple(settings.ranges.items()),
        )  # fmt: skip

        def make() -> Blank:
            shown = {str(each): is_shown for each, is_shown in case.shown.items()}
            shown.update(zip(_TYPES, shown_types, strict=True))
            # Its chart and judge are put in place by the blank itself, and nothing of this patient stays.
            bare = replace(case, chart=BlankChart(shown), settings=settings, judge=_nobody, readings={}, memo={})
            return Blank(bare, shown, judge_node, {})

        return self.memory.blank(key, make)

    def judge(self, node: Criterion) -> Verdict:
        """The verdict on a node and, inside it, on every part."""
        found = self._verdicts.get(id(node))
        if found is not None and found.node is node:
            return found
        node = self.memory.canonical(node)
        found = self._verdicts.get(id(node))
        if found is None:
            # The verdict holds the node, so that its id cannot pass to another while it is remembered.
            found = self._untouched(node)
            if found is None:
                found = judge_node(self.case, node)
            self._verdicts[id(node)] = found
        return found

    def _untouched(self, node: Criterion) -> Verdict | None:
        """The verdict of a node for whose questions there is no record.

        The indexes are opened in the order in which judging opens them, and no further than it would: opening one is
        when what cannot be read in it is warned of.
        """
        blank = self._blank
        if blank is None:
            return None
        entry = blank.entries.get(id(node)) or blank.entry(node)
        if entry.verdict is None:
            return None
        for index, questions in entry.asked:
            touched = self._touched[index]
            if isinstance(touched, Unopened):
                touched = self._touched[index] = self.case.chart.touched(INDEXES[index])
            if touched is None or not questions.isdisjoint(touched):
                return None
        return entry.verdict


def _length(duration: Duration | None) -> tuple[Decimal, str] | None:
    return None if duration is None else (duration.count, duration.unit.value)


def _nobody(_: Criterion) -> Verdict:
    raise Personal


def judge_node(case: Case, node: Criterion) -> Verdict:
    """The verdict on one node; `case.judge` judges its parts."""
    match node:
        case HasCondition():
            return judge_condition(case, node)
        case HadTreatment():
            return judge_treatment(case, node)
        case Measured():
            return judge_measured(case, node)
        case ResultIs():
            return judge_result(case, node)
        case AllOf() | AnyOf() | AtLeast() | Not():
            return judge_logic(case, node)
        case If():
            return judge_if(case, node)
        case Judgement():
            return judge_question(case, node)
        case NotUnderstood():
            return judge_not_understood(case, node)
        case Preference():
            return judge_preference(case, node)
        case AgeIs():
            return judge_age(case, node)
        case SexIs():
            return judge_sex(case, node)
        case ConfirmedBy():
            return judge_confirmed(case, node)
        case Elapsed():
            return judge_elapsed(case, node)
        case HasAllergy():
            return judge_allergy(case, node)
        case HadVaccine():
            return judge_vaccine(case, node)
        case Scored():
            return judge_scored(case, node)
        case InStudy():
            return judge_participation(case, node)
        case ReproductiveIs():
            return judge_reproductive(case, node)
        case GaveConsent():
            return judge_consent(case, node)
        case IsAlive():
            return judge_alive(case, node)
        case _:
            assert_never(node)
