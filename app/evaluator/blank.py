"""What is said of a patient of whom nothing is recorded, and what has to be asked to say so.

Most criteria of a trial find no record that bears on them. What a criterion comes to on a blank chart is worked out
once, together with every question that it asked. A chart that has no record for any of these questions would give it
the same answers one by one, so it has the same verdict: it need not be judged again. What asks for something that every
patient has (age, sex) is judged anew each time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from app.criteria.nodes import children
from app.evaluator.facts import INDEXES, named, valued
from app.knowledge.catalogue import Family

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.criteria.nodes import Criterion
    from app.evaluator.case import Case
    from app.evaluator.facts import (
        AllergyFact,
        ConditionFact,
        ConsentFact,
        Hit,
        ObservationFact,
        ParticipationFact,
        PatientFact,
        Source,
        TreatmentFact,
        Warning_,
    )
    from app.evaluator.verdict import Verdict

Asked = tuple[tuple[int, frozenset[str]], ...]
"""What was asked of which index (its place in INDEXES), in the order in which they were first asked."""
_SUBJECTS, _CONSENTS, _OBSERVATIONS, _CONDITIONS, _ALLERGIES = map(
    INDEXES.index, ("ResearchSubject", "Consent", Family.OBSERVATION, Family.CONDITION, Family.ALLERGY)
)
_TREATMENTS = {each: INDEXES.index(each) for each in (Family.PROCEDURE, Family.MEDICATION, Family.IMMUNIZATION)}


class Personal(Exception):
    """Something was asked that a chart without records cannot answer for others."""


class BlankChart:
    """A chart without records, of a patient who is nobody in particular. It writes down what it is asked."""

    def __init__(self, shown: dict[str, bool]) -> None:
        self._shown = shown
        self.asked: dict[int, set[str]] = {}

    @property
    def patient(self) -> PatientFact:
        """Everybody is somebody else."""
        raise Personal

    @property
    def warnings(self) -> tuple[Warning_, ...]:
        """None are taken from here."""
        raise Personal

    def shown(self, family: Family) -> bool:
        """As the charts that it stands for."""
        return self._shown[family]

    def shown_type(self, resource_type: str) -> bool:
        """The same; what they are not told apart by is not answered."""
        found = self._shown.get(resource_type)
        return self._refuse() if found is None else found

    def count(self, _family: Family) -> int:
        """Is the other charts' own."""
        return self._refuse()

    def unknown_codes(self, _family: Family) -> int:
        """Is the other charts' own."""
        return self._refuse()

    def touched(self, _index: str) -> frozenset[str] | None:
        """Is the other charts' own."""
        return self._refuse()

    def conditions(self, concept: str) -> tuple[Hit[ConditionFact], ...]:
        """None."""
        return self._note(_CONDITIONS, concept)

    def treatments(self, concept: str, families: tuple[Family, ...]) -> tuple[Hit[TreatmentFact], ...]:
        """None."""
        for each in families:
            place = _TREATMENTS.get(each)
            if place is not None:
                self._note(place, concept)
        return ()

    def allergies(self, concept: str) -> tuple[Hit[AllergyFact], ...]:
        """None."""
        return self._note(_ALLERGIES, concept)

    def all_allergies(self) -> tuple[AllergyFact, ...]:
        """Not by concept."""
        return self._refuse()

    def observations(self, analyte: str) -> tuple[ObservationFact, ...]:
        """None."""
        return self._note(_OBSERVATIONS, analyte)

    def named_observations(self, analyte: str) -> tuple[ObservationFact, ...]:
        """None."""
        return self._note(_OBSERVATIONS, named(analyte))

    def concept_observations(self, concept: str) -> tuple[Hit[ObservationFact], ...]:
        """None."""
        return self._note(_OBSERVATIONS, valued(concept))

    def participations(self) -> tuple[ParticipationFact, ...]:
        """None."""
        return self._note(_SUBJECTS, "")

    def consents(self) -> tuple[ConsentFact, ...]:
        """None."""
        return self._note(_CONSENTS, "")

    def primaries(self) -> tuple[ConditionFact, ...]:
        """Not by concept."""
        return self._refuse()

    def resolve(self, _reference: str) -> Source | None:
        """There is no reference to follow."""
        return self._refuse()

    def _note(self, index: int, question: str) -> tuple[()]:
        self.asked.setdefault(index, set()).add(question)
        return ()

    def _refuse(self) -> NoReturn:
        raise Personal


class Entry(NamedTuple):
    """A node, its verdict on a blank chart (None where it asks for the patient), and the questions behind it."""

    node: Criterion
    verdict: Verdict | None
    asked: Asked


@dataclass(slots=True)
class Blank:
    """The blank verdicts of all nodes for one day, one kind of settings and one set of what is shown.

    `judge` is told what a case is to be judged with, and judges one node whose parts come from here.
    """

    case: Case
    shown: dict[str, bool]
    judge: Callable[[Case, Criterion], Verdict]
    entries: dict[int, Entry]

    def entry(self, node: Criterion) -> Entry:
        """Of a canonical node."""
        found = self.entries.get(id(node))
        if found is not None:
            return found
        # Parts first, so that however deep a criterion is, nothing here goes deep.
        order = [node]
        for each in order:
            order += children(each)
        for each in reversed(order):
            if id(each) not in self.entries:
                self.entries[id(each)] = self._enter(each)
        return self.entries[id(node)]

    def _enter(self, node: Criterion) -> Entry:
        chart = BlankChart(self.shown)
        memory = self.case.memory

        def part(each: Criterion) -> Verdict:
            entry = self.entry(memory.canonical(each))
            if entry.verdict is None:
                raise Personal
            for index, questions in entry.asked:
                chart.asked.setdefault(index, set()).update(questions)
            return entry.verdict

        # A memo of its own, so that every question is asked and written down.
        case = replace(self.case, chart=chart, judge=part, readings={}, memo={})
        try:
            verdict = self.judge(case, node)
        except Personal:
            return Entry(node, None, ())
        memory.adopt(verdict)
        return Entry(node, verdict, tuple((index, frozenset(questions)) for index, questions in chart.asked.items()))
