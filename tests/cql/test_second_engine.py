"""Another engine runs the CQL that Eligo emits: where it answers, it answers as Eligo does.

Where Eligo decides and CQL leaves open, the reason is listed: with the criterion (`NotExpressible`), or by a kind of
record that CQL reads with more caution (`RECORDS`). ELIGO_SECOND_ENGINE=all runs every case; otherwise a part of those
for whole registrations is taken, for translating and running takes minutes.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from app.criteria.nodes import HadTreatment, HasCondition, Measured, ResultIs, children
from app.emitters.cql_terms import fold, terms_of
from app.knowledge.load import load_catalogue
from tests.cql import comparing, engine, page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.criteria.nodes import Criterion
    from tests.cql.comparing import Asked

pytestmark = pytest.mark.skipif(bool(engine.unavailable()), reason=engine.unavailable() or "-")

ALL = os.environ.get("ELIGO_SECOND_ENGINE") == "all"
_SOME = ("NCT03619954", "NCT07561437")
_LINES, _REGISTRATIONS, _SAMPLES, _MADE = "verdict cases", "registration cases", "sample patients", "made patients"


@dataclass
class Tally:
    """What came of one set of cases."""

    cases: int = 0
    agreed: int = 0
    both_open: int = 0
    alone: int = 0
    gaps: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)


def _texts(body: Any) -> Iterator[str]:
    if isinstance(body, dict):
        for key, value in body.items():
            if key in {"display", "text"} and isinstance(value, str):
                yield value
            else:
                yield from _texts(value)
    elif isinstance(body, list):
        for each in body:
            yield from _texts(each)


def _concepts(node: Criterion) -> Iterator[str]:
    if isinstance(node, HasCondition | HadTreatment):
        yield node.concept
    treatment = getattr(node, "treatment", None)
    if treatment is not None:
        yield from _concepts(treatment)
    for each in children(node):
        yield from _concepts(each)


def _is_named(asked: Asked, node: Criterion) -> bool:
    """Words in the record name what is asked, in a context that denies it or beside a code that is something else."""
    said = [fold(each) for each in _texts(asked.body)]
    names = {word for each in _concepts(node) for word in terms_of(each, load_catalogue()).words}
    return any(f" {name} " in text for name in names for text in said)


def _has(text: str) -> Callable[[Asked, Criterion], bool]:
    return lambda asked, _: text in json.dumps(asked.body)


def _units(body: Any) -> Iterator[tuple[str, str]]:
    if isinstance(body, dict):
        if "value" in body and ("unit" in body or "code" in body):
            yield str(body.get("unit", "")), str(body.get("code", ""))
        for each in body.values():
            yield from _units(each)
    elif isinstance(body, list):
        for each in body:
            yield from _units(each)


def _is_respelt(asked: Asked, node: Criterion) -> bool:
    """A unit that is not UCUM as it stands, or that only Eligo's tables tell from another."""
    read = load_catalogue().units.read
    return any(isinstance(each, Measured) for each in _all(node)) and any(
        not code or read(code) != code or "[IU]" in code for _, code in _units(asked.body)
    )


def _is_beside_a_range(asked: Asked, node: Criterion) -> bool:
    """A number whose reference range tells whether it is positive."""
    observed = [each["resource"] for each in asked.body["entry"] if each["resource"]["resourceType"] == "Observation"]
    return any(isinstance(each, ResultIs) for each in _all(node)) and any(
        "valueQuantity" in each and each.get("referenceRange") for each in observed
    )


def _may_have_spread(asked: Asked, node: Criterion) -> bool:
    """A diagnosis that may be a metastasis, and is none for certain: then its primary may be what is asked about."""
    catalogue = load_catalogue()
    if not any(catalogue.concepts[each].malignancy for each in _concepts(node) if each in catalogue.concepts):
        return False
    diagnoses = [each["resource"] for each in asked.body["entry"] if each["resource"]["resourceType"] == "Condition"]
    return any(_bears_on(each["code"], "metastasis") for each in diagnoses)


def _bears_on(concept: dict[str, Any], asked: str) -> bool:
    index, systems = load_catalogue().index, load_catalogue().systems
    placed = [
        index.place(systems[each["system"]], each["code"])
        for each in concept.get("coding", ())
        if each.get("system") in systems
    ]
    return not placed or any(asked in each.concepts | each.vague for each in placed)


def _all(node: Criterion) -> Iterator[Criterion]:
    yield node
    for each in children(node):
        yield from _all(each)


RECORDS: dict[str, Callable[[Asked, Criterion], bool]] = {
    "a search that found nothing is not seen by a retrieve": _has('"searchset"'),
    "a drug by ATC may be a group": _has("http://www.whocc.no/atc"),
    "words name it": _is_named,
    "a unit is spelt in another way": _is_respelt,
    "a score comes with a unit of its own": _has("{score}"),
    "a supply or a timing says how long a drug lasted": lambda asked, _: any(
        key in json.dumps(asked.body) for key in ('"daysSupply"', '"dispenseRequest"', '"timing"')
    ),
    "a number beside a reference range": _is_beside_a_range,
    "what may be a metastasis": _may_have_spread,
    "remission by its code": lambda asked, _: any("remission" in each.lower() for each in _texts(asked.body)),
}


def _node_of(asked: Asked, define: str) -> Criterion:
    first, *rest = define.split(".")
    (node,) = [each.expression for each in asked.trial.criteria if each.id == first]
    for place in rest:
        node = children(node)[int(place) - 1]
    return node


def _run(sets: dict[str, list[Asked]]) -> dict[str, Tally]:
    """All cases in one process: translating takes longer than running."""
    cases = [(title, each) for title, asked in sets.items() for each in asked]
    trials = {each.trial.name: each.trial for _, each in cases}
    rules = next(iter(trials.values())).library.rules
    members = {
        one.url: [{"system": system, "code": code} for system, code in one.members]
        for each in trials.values()
        for one in (*each.library.value_sets, *rules.value_sets)
    }
    messages: list[dict[str, Any]] = [{"valueSets": members}, {"include": rules.name, "source": rules.source}]
    messages += [{"library": name, "source": each.library.source} for name, each in trials.items()]
    done = len(messages)
    for number, (title, case) in enumerate(cases):
        message = case.message(number)
        if title != _LINES and not ALL:
            message["defines"] = [each for each in message["defines"] if "." not in each]
        messages.append(message)
    answers = engine.run(messages, timeout_s=3600)
    assert [each.get("errors") for each in answers[1:done]] == [[]] * (done - 1)
    tallies = {title: Tally(cases=len(asked)) for title, asked in sets.items()}
    for (title, case), answer in zip(cases, answers[done:], strict=True):
        assert "values" in answer, (case.name, answer)
        for each in answer["values"].items():
            _compare(case, each, tallies[title])
    return tallies


def _compare(case: Asked, answer: tuple[str, bool | None], tally: Tally) -> None:
    define, said = answer
    ours = case.holds[define]
    if said is not None:
        tally.agreed += said is ours
        if said is not ours:
            tally.wrong.append(f"{case.name}: {define} is {said} in CQL and {ours} here")
    elif ours is None:
        tally.both_open += 1
    else:
        kinds = sorted({each.kind.value for each in case.trial.library.gaps_of(define)})
        node = _node_of(case, define)
        kinds = kinds or [name for name, applies in RECORDS.items() if applies(case, node)][:1]
        tally.gaps.update(kinds)
        tally.alone += 1
        if not kinds:
            tally.unexplained.append(f"{case.name}: {define} is {ours} here, open in CQL, and nothing says why")


@pytest.fixture(scope="module")
def tallies() -> dict[str, Tally]:
    """What came of all cases."""
    stems = sorted(file.stem for file in (comparing.SHARED / "trials").glob("*.txt"))
    stems = stems if ALL else [each for each in stems if each in _SOME]
    sets = {
        _LINES: comparing.verdict_cases(),
        _REGISTRATIONS: comparing.registration_cases(stems, 1 if ALL else 6),
        _SAMPLES: comparing.sample_cases(stems),
        _MADE: comparing.generated_patients(stems, 40 if ALL else 12),
    }
    found = _run(sets)
    if ALL and all(each.cases for each in found.values()):
        page.write(found)
    return found


@pytest.mark.parametrize("title", [_LINES, _REGISTRATIONS, _SAMPLES, _MADE])
def test_where_cql_answers_it_answers_as_eligo_does(
    title: str, tallies: dict[str, Tally], capsys: pytest.CaptureFixture[str]
) -> None:
    tally = tallies[title]
    if not tally.cases:
        pytest.skip(f"no registrations under {comparing.SHARED}")
    with capsys.disabled():
        kinds = ", ".join(f"{kind} {count}" for kind, count in tally.gaps.most_common())
        print(  # noqa: T201
            f"\n{title}: {tally.cases} cases; answers that agree {tally.agreed}; open in both {tally.both_open}; "
            f"open in CQL alone {tally.alone} ({kinds})"
        )

    assert not tally.wrong, "\n".join(tally.wrong)
    assert not tally.unexplained, "\n".join(tally.unexplained)
    assert tally.agreed > 0
