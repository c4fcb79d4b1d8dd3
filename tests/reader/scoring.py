"""How well a line was read: right as a whole, right in part, nothing made of it, or wrong."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

from app.knowledge.catalogue import Catalogue
from app.reader import Reading, reading_of
from tests.reader.forms import Fact, Form, Group, Person, group, leaves, read_form, weaker
from tests.reader.gold import GoldLine, GoldTrial
from tests.reader.locate import Letters, locate
from tests.reader.outline import outline


class Grade(StrEnum):
    """What became of a line, best first."""

    WHOLE = "right, whole"
    PART = "right, in part"
    NOTHING = "nothing made of it"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Graded:
    """One line with its grade; `made` and `expected` are the leaves by which the kinds are counted."""

    line: GoldLine
    grade: Grade
    why: str
    read: str
    made: Counter[tuple[str, str, bool]]
    expected: Counter[tuple[str, str, bool]]
    reading: Reading | None

    @property
    def covered(self) -> bool:
        """The reader made a fact of it."""
        return self.reading in {Reading.COMPUTABLE, Reading.PARTIAL}


@dataclass(slots=True)
class Tally:
    """The figures of one half."""

    lines: int = 0
    trials: int = 0
    covered: int = 0
    lost: int = 0
    grades: Counter[Grade] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)
    expected: Counter[str] = field(default_factory=Counter)
    agreed: Counter[str] = field(default_factory=Counter)

    @property
    def right(self) -> int:
        """Lines of which the reader made facts, all of them right."""
        return self.grades[Grade.WHOLE] + self.grades[Grade.PART]

    @property
    def precision(self) -> float:
        """Of the lines read definitely, the share that is right; 1 where none was."""
        definite = self.right + self.grades[Grade.WRONG]
        return self.right / definite if definite else 1.0

    @property
    def coverage(self) -> float:
        """Of all lines, the share of which the reader made a fact."""
        return self.covered / self.lines if self.lines else 0.0


def grade_trial(trial: GoldTrial, catalogue: Catalogue) -> list[Graded]:
    """Every gold line of a registration, graded."""
    letters = Letters(trial.text)
    return [_grade(line, trial, letters, catalogue) for line in trial.lines]


def tally(trials: Iterable[list[Graded]]) -> Tally:
    """The figures over registrations."""
    result = Tally()
    for graded in trials:
        result.trials += 1
        for each in graded:
            result.lines += 1
            result.covered += each.covered
            result.lost += each.reading is None
            result.grades[each.grade] += 1
            for counter, found in (
                (result.made, each.made),
                (result.expected, each.expected),
                (result.agreed, each.made & each.expected),
            ):
                for (kind, _, _), count in found.items():
                    counter[kind] += count
    return result


def _grade(line: GoldLine, trial: GoldTrial, letters: Letters, catalogue: Catalogue) -> Graded:
    found = locate((line.start, line.end), trial.criteria, letters)
    accepted = [read_form(each, catalogue) for each in line.reads]
    if found.expression is None:
        return Graded(line, Grade.WRONG, "the line is lost", "", Counter(), kinds_of(accepted[0]), None)
    text = outline(found.expression)
    form = read_form(text, catalogue)
    best = max(accepted, key=lambda each: sum((kinds_of(form) & kinds_of(each)).values()))
    grade, why = min((compare(form, each) for each in accepted), key=lambda result: list(Grade).index(result[0]))
    if not found.alone:
        grade, why = Grade.WRONG, "it is one of several of which one is enough, or all are needed"
    if found.sides != {line.side}:
        grade, why = Grade.WRONG, "it stands in the other list"
    return Graded(line, grade, why, text, kinds_of(form), kinds_of(best), reading_of(found.expression))


def compare(read: Form, gold: Form) -> tuple[Grade, str]:
    """How `read` stands to one accepted reading, and what is wrong with it.

    Whatever the facts are and whatever a person answers, a definite answer of `read` must be the answer of `gold`; and
    no fact may be in it that is not in `gold` with the same polarity.
    """
    made, expected = _facts(read), _facts(gold)
    gold = _weakened(gold, made - expected)
    stray = made - _facts(gold)
    if stray:
        return Grade.WRONG, "not said: " + ", ".join(sorted(_words(each) for each in stray))
    read_people, gold_people = _people(read), _people(gold)
    binds = bool(expected) or any(each.word != "note" for each in gold_people)
    if binds and "note" in {each.word for each in read_people}:
        return Grade.WRONG, "a note made of what binds"
    if not made:
        return Grade.NOTHING, ""
    numbered = _numbered(gold)
    if not implies(_replaced(read, people=False), numbered) or not implies(numbered, _replaced(read, people=True)):
        return Grade.WRONG, "the facts are joined otherwise, or words are left out"
    asks, gold_asks = (
        {each.positive for each in people if each.word == "ask"} for people in (read_people, gold_people)
    )
    if asks and gold_asks and not asks <= gold_asks:
        return Grade.WRONG, "the question is turned round"
    is_whole = made == expected and bool(asks) == bool(gold_asks) and {each.word for each in read_people} <= {"ask"}
    return (Grade.WHOLE if is_whole else Grade.PART), ""


def _facts(form: Form) -> set[Fact]:
    return {leaf for leaf in leaves(form) if isinstance(leaf, Fact)}


def _people(form: Form) -> list[Person]:
    return [leaf for leaf in leaves(form) if isinstance(leaf, Person)]


def _weakened(gold: Form, strays: set[Fact]) -> Form:
    """The reading in which a fact is asked less specifically, and a person says whether the rest holds ("severe")."""
    if isinstance(gold, Fact):
        less = next((each for each in strays if each in weaker(gold)), None)
        return gold if less is None else group(2 if gold.positive else 1, [less, Person("ask")])
    if isinstance(gold, Group):
        return group(gold.count, [_weakened(each, strays) for each in gold.parts])
    return gold


def _words(fact: Fact) -> str:
    return fact.text if fact.positive else f"not({fact.text})"


# --- does one form follow from the other? ----------------------------------------------------------------------------


def _replaced(form: Form, *, people: bool) -> Form:
    """The form with every answer of a person set."""
    if isinstance(form, Person):
        return people
    if isinstance(form, Group):
        return group(form.count, [_replaced(each, people=people) for each in form.parts])
    return form


def _numbered(form: Form) -> Form:
    """The form with each question a fact of its own, which may come out either way."""
    count = 0

    def walk(part: Form) -> Form:
        nonlocal count
        if isinstance(part, Person):
            count += 1
            return Fact(f"question {count}")
        return group(part.count, [walk(each) for each in part.parts]) if isinstance(part, Group) else part

    return walk(form)


@cache
def implies(one: Form, other: Form) -> bool:
    """Whether `other` holds wherever `one` holds: tried out fact by fact."""
    if one is False or other is True or one == other:
        return True
    if one is True and other is False:
        return False
    fact = next(leaf for form in (one, other) for leaf in leaves(form))
    assert isinstance(fact, Fact)
    return all(implies(_decided(one, fact.text, truth), _decided(other, fact.text, truth)) for truth in (True, False))


def _decided(form: Form, fact: str, truth: bool) -> Form:  # noqa: FBT001 - two truth values, taken in turn
    if isinstance(form, Fact):
        return form.positive == truth if form.text == fact else form
    if isinstance(form, Group):
        return group(form.count, [_decided(each, fact, truth) for each in form.parts])
    return form


# --- kinds of facts --------------------------------------------------------------------------------------------------

_FIRST_WORDS = {
    "age": "age",
    "female": "sex",
    "condition": "condition",
    "treatment": "treatment",
    "allergy": "allergy",
    "vaccine": "vaccine",
    "in": "study",
    "pregnant": "reproductive",
    "breastfeeding": "reproductive",
    "childbearing-potential": "reproductive",
    "confirmed": "confirmation",
    "consent": "judgement",
    "alive": "condition",
}


def kind_of(leaf: Fact | Person) -> str:
    """The kind of a leaf as the gold set names it; `unread` has none, unless it is for want of a name."""
    text = leaf.lacking if isinstance(leaf, Person) else leaf.text
    if isinstance(leaf, Person) and not text:
        return {"ask": "judgement", "note": "note", "unread": "unread"}[leaf.word]
    words = re.sub(r'"[^"]*"', "name", text).split()
    if words[0] == "elapsed":
        words = text.partition(" since ")[2].split()
    if words[0] in _FIRST_WORDS:
        return _FIRST_WORDS[words[0]]
    return {"in": "score", "positive": "result", "negative": "result"}.get(words[1], "measurement")


def kinds_of(form: Form) -> Counter[tuple[str, str, bool]]:
    """The leaves of a form, each once, as (kind, text, polarity); questions count once a line."""
    found = {
        (
            kind_of(leaf),
            leaf.text if isinstance(leaf, Fact) else leaf.lacking,
            isinstance(leaf, Person) or leaf.positive,
        )
        for leaf in leaves(form)
    }
    return Counter(each for each in found if each[0] != "unread")
