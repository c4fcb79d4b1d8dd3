"""The case under judgement: one chart, the catalogue, the settings; and what a process remembers from case to case."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from app.criteria.nodes import CURRENT, EVER, AllOf, AnyOf, AtLeast, HadTreatment, HasCondition, If, Not
from app.evaluator.facts import Coding
from app.evaluator.truth import Truth
from app.evaluator.verdict import Basis, Missing, Verdict
from app.evaluator.windows import window_of
from app.knowledge.catalogue import Family

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from app.criteria.nodes import Criterion, When
    from app.criteria.time import DateSpan
    from app.evaluator.blank import Blank
    from app.evaluator.facts import Chart
    from app.evaluator.settings import EvaluationSettings
    from app.evaluator.windows import Window
    from app.knowledge.catalogue import Catalogue, Code

T = TypeVar("T")
_MOST_NODES = 100_000
_MOST_BLANKS = 64
_BITS = {family: 1 << place for place, family in enumerate(Family)}


class Memory:
    """What one catalogue's verdicts have in common, whatever the chart. One a process; not for several threads.

    Equal nodes become one object (`canonical`), so that a chart's memo goes by identity. The verdict of a node for
    which a chart has no record at all is the same for all charts that show the same families: it is made once
    (`shared`). `remembers` is for tests: where it is false, everything is judged anew.
    """

    def __init__(self, catalogue: Catalogue, *, remembers: bool = True) -> None:
        self.catalogue = catalogue
        self.remembers = remembers
        self.uris: dict[str, str] = {}
        for uri, system in catalogue.systems.items():
            self.uris.setdefault(str(system), uri)
        self._nodes: dict[Criterion, Criterion] = {}
        self._known: dict[int, Criterion] = {}
        self._times: dict[When, When] = {CURRENT: CURRENT, EVER: EVER}
        self._shared: dict[tuple[object, ...], Verdict] = {}
        self._shared_ids: set[int] = set()
        self._adopted: list[Verdict] = []
        self._of_nodes: dict[tuple[int, object], tuple[Criterion, Any]] = {}
        self._blanks: dict[tuple[object, ...], Blank] = {}

    def forget(self) -> None:
        """Keep the nodes, and no verdict."""
        self._shared.clear()
        self._shared_ids.clear()
        self._adopted.clear()
        self._blanks.clear()

    def canonical(self, node: Criterion) -> Criterion:
        """The one object that stands for all nodes equal to this one."""
        if self._known.get(id(node)) is node:
            return node
        found = self._nodes.get(node)
        if found is None:
            if len(self._nodes) >= _MOST_NODES:
                self._nodes.clear()
                self._known.clear()
                self.forget()
            found = self._inner(node)
            self._nodes[found] = found
            self._known[id(found)] = found
        return found

    def _inner(self, node: Criterion) -> Criterion:
        match node:
            case AllOf(parts=parts) | AnyOf(parts=parts) | AtLeast(parts=parts):
                return replace(node, parts=tuple(self.canonical(each) for each in parts))
            case Not():
                return replace(node, part=self.canonical(node.part))
            case If():
                return replace(
                    node,
                    condition=self.canonical(node.condition),
                    then=self.canonical(node.then),
                    otherwise=None if node.otherwise is None else self.canonical(node.otherwise),
                )
            case HasCondition() | HadTreatment():
                # Equal times become one object: what a record says to a time is looked up by it.
                when = self._times.setdefault(node.when, node.when)
                return node if node.when is when else replace(node, when=when)
            case _:
                return node

    def is_shared(self, verdicts: tuple[Verdict, ...]) -> bool:
        """Whether all of them hold for every chart of the same profile."""
        known = self._shared_ids
        for each in verdicts:  # noqa: SIM110 - asked of every node: a generator would cost more than the look-ups
            if id(each) not in known:
                return False
        return True

    def shared(self, key: tuple[object, ...], make: Callable[[], Verdict]) -> Verdict:
        """The verdict under a key that begins with the id of a canonical node, made the first time."""
        found = self._shared.get(key)
        if not self.remembers:
            return make()
        if found is None:
            found = self._shared[key] = make()
            self._shared_ids.add(id(found))
        return found

    def adopt(self, verdict: Verdict) -> None:
        """Take in a verdict that holds for every chart of the same profile that has no record for its questions."""
        if id(verdict) not in self._shared_ids:
            self._adopted.append(verdict)
            self._shared_ids.add(id(verdict))

    def holds_for_all(self, verdict: Verdict) -> bool:
        """Whether it was made once and kept: then what is written of it can be kept, too."""
        return id(verdict) in self._shared_ids

    def blank(self, key: tuple[object, ...], make: Callable[[], Blank]) -> Blank:
        """The blank verdicts under a key that says what they depend on, made the first time."""
        found = self._blanks.get(key)
        if found is None:
            if len(self._blanks) >= _MOST_BLANKS:
                self.forget()
            found = self._blanks[key] = make()
        return found

    def of_node(self, node: Criterion, variant: object, make: Callable[[], T]) -> T:
        """What follows from a node (and a variant of the settings) alone, worked out the first time it is asked for."""
        key = (id(node), variant)
        found = self._of_nodes.get(key)
        if found is None or found[0] is not node:
            if len(self._of_nodes) >= _MOST_NODES:
                self._of_nodes.clear()
            found = self._of_nodes[key] = (node, make())
        value: T = found[1]
        return value

    def coding(self, codes: tuple[Code, ...]) -> Coding | None:
        """The first of the codes as a record would carry it: what to send."""
        if not codes:
            return None
        first = codes[0]
        return Coding(str(first.system), self.uris.get(str(first.system), ""), first.code, first.display)


@dataclass(slots=True)
class Case:
    """What every kind of fact is judged with. `judge` judges another node of the same case."""

    chart: Chart
    catalogue: Catalogue
    settings: EvaluationSettings
    memory: Memory
    judge: Callable[[Criterion], Verdict]
    profile: int
    shown: Mapping[Family, bool]

    as_of: date
    stale_before: date
    readings: dict[int, Any] = field(default_factory=dict)
    """What treatment records say to every question, by the id of the fact."""
    memo: dict[tuple[object, ...], Any] = field(default_factory=dict)
    """What several nodes of this chart ask for: the latest values, values in a unit, records that nobody can place."""

    @property
    def birth(self) -> DateSpan | None:
        """The recorded birth date; one that lies after `as_of` is none."""
        birth = self.chart.patient.birth
        is_ahead = birth is not None and birth.earliest is not None and birth.earliest > self.as_of
        return None if is_ahead else birth

    def is_recent(self, when: DateSpan | None) -> bool:
        """Whether a value is not stale: not older than the setting says."""
        return when is not None and when.earliest is not None and when.earliest >= self.stale_before

    def hidden(self, families: tuple[Family, ...]) -> tuple[Family, ...]:
        """Those of the families that the caller has not shown."""
        shown = self.shown
        return tuple([each for each in families if not shown[each]])

    def window(self, when: When) -> Window:
        """The days that a timing asks about."""
        key = ("window", id(when))
        found: tuple[When, Window] | None = self.memo.get(key)
        if found is None:
            # The time is kept with its window, so that its id stays its own.
            found = self.memo[key] = (when, window_of(when, self.as_of))
        return found[1]

    def nothing(self, node: Criterion, name: str, families: tuple[Family, ...]) -> Verdict:
        """The verdict where no record bears on the question at all: false by absence, or unknown."""
        key = (id(node), self.profile, name, families)
        return self.memory.shared(key, lambda: absent(node, name, families, self.hidden(families)))


def profile_of(chart: Chart) -> tuple[int, dict[Family, bool]]:
    """Which families are shown, as one number and as a table."""
    shown = {family: chart.shown(family) for family in _BITS}
    return sum([_BITS[family] for family, is_shown in shown.items() if is_shown]), shown


def absent(node: Criterion, name: str, families: tuple[Family, ...], hidden: tuple[Family, ...]) -> Verdict:
    """No record: false where every family is shown, else unknown and the families that would tell are missing."""
    if not hidden:
        return Verdict(Truth.FALSE, node, Basis.ABSENCE, f"No record of {name} was found.", searched=families)
    return Verdict(
        Truth.UNKNOWN,
        node,
        Basis.NONE,
        f"No record of {name} was found, and {_listed(hidden)} records were not shown to be complete.",
        missing=tuple(not_shown(each, name) for each in hidden),
    )


def not_shown(family: Family, name: str) -> Missing:
    """What to send where a family was not shown at all."""
    if family is Family.MEDICATION:
        return Missing("MedicationStatement", f"medication records of the patient, or that there are none ({name})")
    return Missing(family.value, f"{family.value} records of the patient, or that there are none ({name})")


def _listed(families: tuple[Family, ...]) -> str:
    return " and ".join(each.value for each in families)
