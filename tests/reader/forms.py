"""Outlines as logic: two readings that say the same in other words become the same form.

`not` stands at the leaves, `if` is spelled out, a range is its two bounds, limits are in the catalogue's units, and
weeks are days. So a reading can be compared by what it says and not by how it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import TypeAlias

from app.knowledge.catalogue import Analyte, Catalogue
from app.knowledge.ucum import UnitError
from app.reader.lexing import stems
from app.reader.phrases import phrases_of


@dataclass(frozen=True, slots=True)
class Fact:
    """A leaf that data decide; `positive` is False where its opposite is asked."""

    text: str
    positive: bool = True


@dataclass(frozen=True, slots=True)
class Person:
    """A leaf that a person decides: `word` is ask, unread or note.

    `lacking` is the fact that it would be, if the catalogue had the name that it speaks of.
    """

    word: str
    positive: bool = True
    lacking: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """At least `count` of the parts hold: all of them, any (one) of them, or a number between."""

    count: int
    parts: tuple[Form, ...]


Form: TypeAlias = Fact | Person | Group | bool
"""A truth value stands where a part has been decided."""

_PERSONS = {"ask", "unread", "note"}
_LOGIC = re.compile(r"(all|any|not|if|at least (\d+))\(")
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_QUOTED = re.compile(r'"([^"]*)"')
# Which kind of name follows which words.
_KIND_WORDS = {
    "condition": "condition",
    "due to": "condition",
    "other than": "condition",
    "for": "condition",
    "confirmed": "condition",
    "treatment": "treatment",
    "as": "treatment",
    "vaccine": "vaccine",
    "at": "site",
}
_BOUNDS = re.compile(
    r"(?:<=|>=|<|>) \S+ x (?:ULN|LLN)(?: \+ \S+ \S+)?|(?:<=|>=|<|>) (?:\S+(?: (?!<|>|within\b|room-air|cockcroft)\S+)?)"
)
_BRACED = re.compile(r"(?<=defined by )\{(.*?)\}(?= except|$)|(?<=only )\{([^{}]*)\}")
_DURATION = re.compile(r"\b(\d+(?:\.\d+)?) (week|year|hour|day|month)s?\b")
_SMALLER = {"week": ("day", 7), "year": ("month", 12)}


class OutlineError(ValueError):
    """An outline that is none: brackets that do not close, an id that the catalogue does not have."""


def read_form(outline: str, catalogue: Catalogue) -> Form:
    """The form that an outline says; a quoted name that the catalogue does not have makes its leaf `unread`.

    Raises OutlineError for brackets that do not match and for ids that do not exist.
    """
    return _without_tests(_form(outline.strip(), catalogue, positive=True), catalogue)


def _form(text: str, catalogue: Catalogue, *, positive: bool) -> Form:
    match = _LOGIC.match(text)
    if match is None:
        return _leaf(text, catalogue, positive=positive)
    if not text.endswith(")"):
        raise OutlineError(f"{text!r} does not end in a bracket.")
    parts = list(_split(text[match.end() : -1]))
    word = match[1]
    if word == "not":
        (part,) = parts
        return _form(part, catalogue, positive=not positive)
    if word == "if":
        condition, then, *rest = parts
        either = [
            group(1, [_form(condition, catalogue, positive=False), _form(then, catalogue, positive=positive)]),
            *(
                group(1, [_form(condition, catalogue, positive=True), _form(each, catalogue, positive=positive)])
                for each in rest
            ),
        ]
        if positive or rest:
            return group(len(either), either)
        # Whoever the condition does not speak of satisfies it, so its opposite asks for both.
        return group(2, [_form(condition, catalogue, positive=True), _form(then, catalogue, positive=False)])
    forms = [_form(each, catalogue, positive=positive) for each in parts]
    count = {"all": len(forms), "any": 1}.get(word) or int(match[2])
    return group(count if positive else len(forms) - count + 1, forms)


def _split(text: str) -> Iterator[str]:
    """The parts between semicolons that stand in no bracket and no quotation."""
    depth, begin, quoted = 0, 0, False
    for place, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == ";" and not depth:
            yield text[begin:place].strip()
            begin = place + 1
    if depth or quoted:
        raise OutlineError(f"{text!r}: a bracket or a quotation does not close.")
    yield text[begin:].strip()


def group(count: int, parts: list[Form]) -> Form:
    """At least `count` of `parts`: what is decided is taken out, groups of one kind in one another are joined."""
    open_parts = [part for part in parts if not isinstance(part, bool)]
    count -= sum(part is True for part in parts)
    if count <= 0:
        return True
    if count > len(open_parts):
        return False
    if len(open_parts) == 1:
        return open_parts[0]
    is_all, is_any = count == len(open_parts), count == 1
    flat: list[Form] = []
    for part in open_parts:
        inner = isinstance(part, Group) and ((is_all and part.count == len(part.parts)) or (is_any and part.count == 1))
        flat.extend(part.parts if inner and isinstance(part, Group) else [part])
    if is_all or is_any:
        flat = sorted(set(flat), key=repr)
        count = 1 if is_any else len(flat)
    return flat[0] if len(flat) == 1 else Group(count, tuple(flat))


def leaves(form: Form) -> Iterator[Fact | Person]:
    """The leaves in order."""
    if isinstance(form, Group):
        for part in form.parts:
            yield from leaves(part)
    elif not isinstance(form, bool):
        yield form


def _without_tests(form: Form, catalogue: Catalogue) -> Form:
    """The form without the results that are the same fact as a condition beside them.

    "HIV" is true by a diagnosis or by a positive test: the evaluator asks for both where the condition is asked.
    """
    if not isinstance(form, Group):
        return form
    parts = [_without_tests(each, catalogue) for each in form.parts]
    same = {
        Fact(f"{result} positive", part.positive)
        for part in parts
        if isinstance(part, Fact)
        and part.text.startswith("condition ")
        and form.count == (1 if part.positive else len(parts))
        for result in catalogue.concepts[part.text.split()[1]].results
    }
    kept = [part for part in parts if part not in same]
    return group(len(kept) if form.count == len(parts) else form.count, kept)


def words(form: Form) -> str:
    """The form as text, the same for the same form."""
    if isinstance(form, Group):
        return f"{form.count}({'; '.join(map(words, form.parts))})"
    if isinstance(form, Person):
        return form.word if form.positive else f"not({form.word})"
    return str(form) if isinstance(form, bool) else form.text if form.positive else f"not({form.text})"


# --- leaves ----------------------------------------------------------------------------------------------------------


def _leaf(text: str, catalogue: Catalogue, *, positive: bool) -> Form:
    if text in _PERSONS:
        return Person(text, positive if text == "ask" else True)
    named = _resolve(text, catalogue)
    if named is None:
        return Person("unread", lacking=text)
    named = _BRACED.sub(lambda inner: f"{{{words(read_form(inner[1] or inner[2], catalogue))}}}", named)
    named = _DURATION.sub(_in_smaller, named)
    first, _, rest = named.partition(" ")
    if first == "age":
        return _range(first, re.findall(r"(<=|>=|<|>) (\S+ \S+)", rest), "", positive=positive)
    if first in catalogue.scales:
        return _scored(first, rest, catalogue, positive=positive)
    if first in catalogue.analytes:
        return _measured(catalogue.analytes[first], rest, catalogue, positive=positive)
    _check_ids(named, catalogue)
    if named == "male":
        return Fact("female", not positive)
    # "Active X" is X now: a degree that says no more than the tense.
    named = re.sub(r"\[active\] ?", "", named)
    # Which disease is under study is settled once for a trial, not in every line.
    named = re.sub(r"other than \S+", "other than the study's", named)
    named = re.sub(r"\[([^\]]*)\]", _degree, named)
    return Fact(" ".join(named.split()), positive)


_GRADE = re.compile(
    r"^(?:ctcae|ctc|nci|toxicity|\s)*grades? (?P<before>\S*?) ?(?P<grade>\d|i{1,3}|iv)(?P<after>(?: \S+)*)$"
)
_ROMANS = {"i": 1, "ii": 2, "iii": 3, "iv": 4}
_OR_HIGHER = {"or higher", "or greater", "or above", "or more", "or worse"}


def _degree(match: re.Match[str]) -> str:
    """A degree in lower case; that of a grade as a bound, and as the datum that defines it."""
    said = match[1].lower()
    grade = _GRADE.match(said.replace("≥", ">= ").replace(">=", ">= ").replace(">  =", ">="))
    if grade is None:
        return f"[{said}]"
    number = _ROMANS.get(grade["grade"]) or int(grade["grade"])
    at_least = grade["after"].strip() in _OR_HIGHER or grade["before"] == ">="
    if at_least or grade["before"] == ">":
        lowest = number + (not at_least)
        return f"defined by {{ctcae-grade in {','.join(str(each) for each in range(lowest, 6))}}}"
    return f"[{said}]"


_QUALIFIERS = re.compile(
    r" (?:\[[^\]]*\]|(?:due to|for|only|never|at|other than(?: the)?) \S+|defined by \{.*?\}(?= except|$)|except .*$"
    r"|(?:<=|>=|<|>) \S+ \S+ as \S+|palliative|curative)"
)


def weaker(fact: Fact) -> set[Fact]:
    """What is less specific than a fact: the same without its degree, cause, dose, exceptions or window."""
    spans = [match.span() for match in _QUALIFIERS.finditer(fact.text)]
    found = set()
    for count in range(len(spans) + 1):
        for left_out in combinations(reversed(spans), count):
            text = fact.text
            for start, end in left_out:
                text = text[:start] + text[end:]
            found |= {text, re.sub(r" within \S+ \S+(?: \(open\))?", " ever", text)}
    return {Fact(each, fact.positive) for each in found - {fact.text}}


def _in_smaller(match: re.Match[str]) -> str:
    """A duration in days or months."""
    unit, factor = _SMALLER.get(match[2], (match[2], 1))
    count = Fraction(match[1]) * factor
    if match[2] == "hour" and count % 24 == 0:
        unit, count = "day", count / 24
    return f"{count} {unit}s"


def _range(subject: str, bounds: list[tuple[str, str]], rest: str, *, positive: bool) -> Form:
    """A fact for each bound; the opposite of a single bound is the bound turned round."""
    made: list[Form] = []
    for op, limit in bounds:
        # One direction stands for both: "not < 18" is ">= 18".
        turned = op in {"<", "<="}
        text = " ".join(f"{subject} {_OPPOSITE[op] if turned else op} {limit} {rest}".split())
        made.append(Fact(text, positive != turned))
    return group(len(made) if positive else 1, made)


def _scored(scale: str, rest: str, catalogue: Catalogue, *, positive: bool) -> Form:
    """The values of the scale that satisfy the bounds, however these are written."""
    entry = catalogue.scales[scale]
    # A class has a Roman and an Arabic number; a line may give either.
    values = {word: each.value for each in entry.values for word in each.words}
    written = re.findall(r"(<=|>=|<|>) (\S+)", rest)
    bounds = [(op, values.get(value.lower(), value)) for op, value in written]
    if not bounds or any(entry.rank(value) is None for _, value in bounds):
        raise OutlineError(f"{scale} {rest}: that is no bound on this scale.")
    after = re.sub(r"(<=|>=|<|>) \S+", "", rest)
    allowed = [
        each.value
        for rank, each in enumerate(entry.values)
        if all(_compare(Fraction(rank), op, Fraction(entry.rank(value) or 0)) for op, value in bounds)
    ]
    if not positive:
        allowed = [each.value for each in entry.values if each.value not in allowed]
    return Fact(" ".join(f"{scale} in {','.join(allowed)} {after}".split()))


def _compare(left: Fraction, op: str, right: Fraction) -> bool:
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[op]


def _measured(analyte: Analyte, rest: str, catalogue: Catalogue, *, positive: bool) -> Form:
    if rest.startswith(("positive", "negative")):
        outcome, _, after = rest.partition(" ")
        return Fact(" ".join(f"{analyte.id} positive {after}".split()), (outcome == "positive") == positive)
    bounds = [each.split(" ", 1) for each in _BOUNDS.findall(rest)]
    if not bounds:
        raise OutlineError(f"{analyte.id} {rest}: neither a bound nor an outcome.")
    limits = [(op, _in_unit(limit, analyte, catalogue)) for op, limit in bounds]
    return _range(analyte.id, limits, _BOUNDS.sub("", rest), positive=positive)


def _in_unit(limit: str, analyte: Analyte, catalogue: Catalogue) -> str:
    """A limit in the unit that the analyte is shown in; a multiple of a reference limit stays one."""
    number, _, unit = limit.partition(" ")
    if unit.startswith("x "):
        return f"{Fraction(number)} {unit}"
    try:
        shown = catalogue.units.convert(
            Fraction(number),
            unit or "1",
            analyte.unit,
            molar_mass=analyte.molar_mass,
            charge=analyte.charge,
            enzyme=analyte.enzyme,
        )
    except UnitError:
        return f"{Fraction(number)} {unit}"
    return f"{shown} {analyte.unit}"


def _resolve(text: str, catalogue: Catalogue) -> str | None:
    """`text` with its quoted names as ids; None where the catalogue has one of the names not at all."""
    missing = False

    def named(match: re.Match[str]) -> str:
        nonlocal missing
        kinds = _kinds_after(text[: match.start()].rstrip())
        all_found = phrases_of(catalogue).names.get(stems(match[1]), ())
        found = sorted(all_found, key=lambda name: name.kind.value != "allergen")  # a drug only without an allergen
        id_ = next((name.id for name in found if name.kind.value in kinds), None)
        missing = missing or id_ is None
        return id_ or "?"

    resolved = _QUOTED.sub(named, text)
    return None if missing else resolved


def lacking_names(form: Form) -> list[str]:
    """The quoted names of the leaves that the catalogue has not."""
    return [name for leaf in leaves(form) if isinstance(leaf, Person) for name in _QUOTED.findall(leaf.lacking)]


def _kinds_after(before: str) -> set[str]:
    """Which kinds of names may stand after these words of a leaf."""
    kind = next((kind for words, kind in _KIND_WORDS.items() if re.search(rf"(?:^|[\s{{(]){words}$", before)), None)
    if kind is not None:
        return {kind}
    if re.search(r"(?:^|[\s{(])allergy$", before):
        return {"allergen", "treatment"}
    if before.endswith(("except", ",", "/")):
        return set(_KIND_WORDS.values())
    return {"analyte", "scale"}


_LEADS = {"condition", "treatment", "vaccine", "allergy", "confirmed"}
_OTHERS = {"female", "male", "in", "consent", "alive", "pregnant", "breastfeeding", "childbearing-potential", "elapsed"}


def _check_ids(text: str, catalogue: Catalogue) -> None:
    lead, _, rest = text.partition(" ")
    if lead == "elapsed":
        lead, _, rest = text.partition(" since ")[2].partition(" ")
    if lead in _OTHERS:
        return
    subject = rest.partition(" ")[0]
    if lead not in _LEADS or subject not in catalogue.concepts:
        raise OutlineError(f"{text!r} begins with no fact of the outline language, or names an id that does not exist.")
