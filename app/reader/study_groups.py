"""FHIR Group, EvidenceVariable and PlanDefinition → lines of criteria: words, side, and what is doubtful."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from app.reader.made_text import NEGATED, Line
from app.reader.registration import Kind, UnusableStudy
from app.reader.study_sent import Resource, concept_words, dicts, extension, name_of, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_DESCRIPTION = ("characteristic-description", "Group.characteristic.description")
_METHOD = ("combination-method", "Group.combinationMethod")
_THRESHOLD = ("combination-threshold", "Group.combinationThreshold")
_EXPRESSION = "characteristicExpression"
_HARMLESS = "relevant-for-automated-matching"
_QUALIFIES = (
    "period",
    "timing",
    "relativeTime",
    "instancesQuantity",
    "instancesRange",
    "durationDuration",
    "durationRange",
    "offset",
    "method",
    "formula",
    "determiner",
    "timeFromEvent",
    "timeFromStart",
    "modifierExtension",
)
_LABEL = re.compile(
    r"(?:defined by \w+|(?P<side>inclusion|exclusion|include|exclude)(?: criteri(?:a|on))?|"
    r"(?:eligibility )?criteri(?:a|on)|eligibility|(?:free )?text|characteristic|other)\s*:?",
    re.IGNORECASE,
)
# What stands before a colon and leaves the meaning of what follows as it is.
_NEUTRAL = re.compile(r"(?:disease|disorder|diagnosis|condition|problem|sex|gender|age)s?", re.IGNORECASE)
_NEGATIVE = re.compile(
    r"\W*(?:no|not|never|without|absence|absent|lack|free of|exclu\w+|(?:do(?:es)?|has|have|is|are|must|may|can)"
    r"(?: not|n't)|cannot)\b",
    re.IGNORECASE,
)
_INNER_HEADING = re.compile(
    r"(?<=\S)[^\S\n]+(?=(?:(?:key|main|major)\s+)?(?:inclusion|exclusion)\s+criteri(?:a|on)\s*[:：])", re.IGNORECASE
)
_SPACES = re.compile(r"(?<=\S)[^\S\n]{2,}")
_MARK = re.compile(r"^(?:[-*•]\s+)+")
_UCUM_TIME = {"a": "years", "mo": "months", "wk": "weeks", "d": "days", "h": "hours"}
_ALL, _ANY = "all-of", "any-of"


def broken_at_headings(text: str) -> str:
    """The text with each "Exclusion criteria:" at the start of a line, and nothing at the end of one.

    Within a line a heading would pass for words of the criterion before it, and what it excludes would be wanted.
    """
    lines = (_SPACES.sub(" ", line.rstrip()) for line in text.splitlines())
    return _INNER_HEADING.sub("\n", "\n".join(lines))


def sides_of(text: str, side_of: Callable[[str], Kind | None]) -> set[Kind]:
    """The sides that headings in a text name."""
    return {side for line in text.split("\n") if (side := side_of(line)) is not None}


def description_of(group: Resource) -> str:
    """A Group's own text, its lines kept."""
    for found in (group.get("description"), extension(group, "artifact-description")):
        if isinstance(found, str) and found.strip():
            return found
    return ""


class GroupReader:
    """Reads the characteristics of one Group or EvidenceVariable; `notes` collects what was decided on the way.

    `find` gives what a reference in a resource means, with its place in what was sent; None where it was not sent.
    `side_of` gives the side that a line names as a heading, None for any other line.
    """

    def __init__(
        self,
        find: Callable[[Resource, Resource], tuple[Resource, str] | None],
        side_of: Callable[[str], Kind | None],
    ) -> None:
        self._find = find
        self._side_of = side_of
        self._referred_to: set[str] = set()
        self.notes: list[str] = []

    def lines(self, group: Resource, pointer: str) -> list[Line]:
        """Its characteristics in order. UnusableStudy where one does not say on which side it stands."""
        name = name_of(group)
        lines = [
            self._line(each, group, f"{pointer}/characteristic/{index}")
            for index, each in enumerate(dicts(group.get("characteristic")))
        ]
        expression = extension(group, _EXPRESSION)
        if isinstance(expression, dict):
            said = words(expression.get("description")) or words(expression.get("expression"))
            doubt = f"An expression of {name} that computes eligibility; expressions are not read."
            lines.append(Line(said or words(expression.get("reference")) or doubt, Kind.INCLUSION, doubt))
        if group.get("modifierExtension"):
            lines = [replace(each, doubt=f"{name} has a modifier that is not known here.") for each in lines]
        method = method_of(group)
        if method == _ALL or not lines or (method == _ANY and len(lines) == 1):
            return lines
        return [self._combined(lines, method, name)]

    def _combined(self, lines: list[Line], method: str, name: str) -> Line:
        """A Group whose characteristics need not all hold is one criterion."""
        kinds = {each.kind for each in lines}
        said = tuple(_flat(each) for each in lines)
        is_plain = not any(each.doubt or each.children or each.has_headings for each in lines)
        if method == _ANY and len(kinds) == 1 and is_plain:
            # Any of the traits missing suffices: what excludes is to have all of them.
            if kinds == {Kind.EXCLUSION}:
                return Line("All of the following:", Kind.EXCLUSION, children=said)
            return Line("Any of the following:", Kind.INCLUSION, children=said)
        sided = [f"{each.kind.value}: {text}" for each, text in zip(lines, said, strict=True)]
        return Line(
            "; ".join(sided), Kind.INCLUSION, f"{name} combines its characteristics by {method!r}, which is not read."
        )

    def _line(self, element: Resource, group: Resource, pointer: str, *, nested: bool = False) -> Line:
        kind, text, doubt, children = self._words(element, group, pointer, nested=nested)
        if not text:
            text = doubt = f"Characteristic {pointer.rpartition('/')[2]} of {name_of(group)} has no words."
        sides = sides_of(text, self._side_of)
        if kind is Kind.EXCLUSION and Kind.INCLUSION in sides:
            raise UnusableStudy(pointer, "`exclude` is true, and the text has a heading of inclusion criteria.")
        if sides and not doubt:
            self.notes.append("A characteristic has headings in its text; they say what includes and what excludes.")
            return Line(text, kind, has_headings=True)
        if kind is Kind.EXCLUSION and not doubt and _NEGATIVE.match(text):
            doubt = NEGATED
        return Line(text, kind, doubt, children)

    def _words(
        self, element: Resource, group: Resource, pointer: str, *, nested: bool
    ) -> tuple[Kind, str, str, tuple[str, ...]]:
        """Side, words, doubt and children of a characteristic."""
        kind = _side(element, group, pointer)
        said = element.get("description") or extension(element, *_DESCRIPTION)
        description = _lines_of(said) if isinstance(said, str) else ""
        code = _concept_lines(element.get("code"))
        label = _LABEL.fullmatch(code)
        if label and (side := label["side"]):
            if kind is Kind.EXCLUSION and side.lower().startswith("inclu"):
                raise UnusableStudy(pointer, f"`exclude` is true, and its code says {code!r}.")
            kind = Kind.EXCLUSION if side.lower().startswith("exclu") else kind
        code = "" if label else code
        if description:
            doubt = "Its value is false; its text may say so already." if element.get("valueBoolean") is False else ""
            return kind, description, doubt, ()
        if not _has_text(element):
            self._note_coded(group)
        doubt = ""
        if qualified := [key for key in _QUALIFIES if element.get(key)]:
            doubt = f"It is qualified by {', '.join(qualified)}, which its words do not say."
        elif any(not str(each.get("url") or "").endswith(_HARMLESS) for each in dicts(element.get("extension"))):
            doubt = "It has an extension that is not read."
        if isinstance(element.get("valueReference"), dict):
            text, more, children = self._referred(element["valueReference"], group, code, nested=nested)
            return kind, text, doubt or more, children
        if element.get("valueBoolean") is False:
            # Lacking what must be there excludes as having what must not: the side is turned.
            self.notes.append(f"{code!r} must be false: it is read on the other side.")
            return Kind.INCLUSION if kind is Kind.EXCLUSION else Kind.EXCLUSION, code, doubt, ()
        text, more = _valued(element, code)
        return kind, text, doubt or more, ()

    def _note_coded(self, group: Resource) -> None:
        note = f"Characteristics of {name_of(group)} without text are read by the words of their codes."
        if note not in self.notes:
            self.notes.append(note)

    def _referred(
        self, reference: Resource, group: Resource, code: str, *, nested: bool
    ) -> tuple[str, str, tuple[str, ...]]:
        """What a characteristic that points to another Group says: words, doubt, children."""
        shown = words(reference.get("display"))
        found = self._find(group, reference)
        if found is None or found[0].get("resourceType") not in {"Group", "EvidenceVariable"}:
            text = ": ".join(filter(None, (code, shown or words(reference.get("reference")))))
            return text, "It points to something that is not read.", ()
        target, pointer = found
        if nested or pointer in self._referred_to:
            # One level, each Group once: this also ends circles, and keeps the text as long as what was sent.
            return code or shown or name_of(target), f"{name_of(target)} is not read at this place.", ()
        self._referred_to.add(pointer)
        inner = [
            self._line(each, target, f"{pointer}/characteristic/{index}", nested=True)
            for index, each in enumerate(dicts(target.get("characteristic")))
        ]
        if not inner:
            text = words(description_of(target)) or shown or code or name_of(target)
            return text, "" if description_of(target) else "The Group it points to has no characteristics.", ()
        method = method_of(target)
        said = tuple(_flat(each) for each in inner)
        is_plain = all(
            each.kind is Kind.INCLUSION and not (each.doubt or each.children or each.has_headings) for each in inner
        )
        if method not in {_ALL, _ANY} or not is_plain or target.get("modifierExtension"):
            sided = (f"{each.kind.value}: {text}" for each, text in zip(inner, said, strict=True))
            return "; ".join(sided), f"How {name_of(target)} combines its characteristics ({method}) is not read.", ()
        doubt = "" if not code or _NEUTRAL.fullmatch(code) else f"What “{code}” makes of its parts is not read."
        head = f"{code}: " if code else ""
        if len(said) == 1:
            return f"{head}{said[0]}", doubt, ()
        return f"{head}{'Any' if method == _ANY else 'All'} of the following:", doubt, said


def plan_lines(plan: Resource, side_of: Callable[[str], Kind | None]) -> list[Line]:
    """Criteria among the actions of a PlanDefinition: below actions that are called inclusion or exclusion."""
    found: list[Line] = []
    for action in dicts(plan.get("action")):
        side = next(filter(None, (_named_side(each, side_of) for each in _titles(action))), None)
        if side is None:
            continue
        for inner in dicts(action.get("action")):
            own = _action_text(inner)
            below = [text for each in _below(inner) if (text := _action_text(each))]
            doubt = "Its actions have actions of their own; how they combine is not read." if below else ""
            text = "; ".join(filter(None, (own, *below))) or f"An action of {name_of(plan)} without words"
            if side is Kind.EXCLUSION and not doubt and _NEGATIVE.match(text):
                doubt = NEGATED
            found.append(Line(text, side, doubt))
    return found


def method_of(group: Resource) -> str:
    """How a Group's characteristics combine: `all-of` where nothing is said."""
    method = group.get("combinationMethod") or extension(group, *_METHOD)
    combined = group.get("characteristicCombination")  # of an EvidenceVariable in R4B
    if method is None and combined is not None and combined != "intersection":
        return str(combined)
    if method is None and (group.get("combinationThreshold") or extension(group, *_THRESHOLD)):
        return "at-least"
    return str(method or _ALL)


def _side(element: Resource, group: Resource, pointer: str) -> Kind:
    exclude = element.get("exclude")
    if exclude is None and group.get("resourceType") == "EvidenceVariable":
        exclude = False  # optional there
    if not isinstance(exclude, bool):
        raise UnusableStudy(
            f"{pointer}/exclude", "A characteristic says by `exclude` (true or false) whether it excludes."
        )
    return Kind.EXCLUSION if exclude else Kind.INCLUSION


def _has_text(element: Resource) -> bool:
    concepts = (value for key, value in element.items() if key == "code" or key.endswith("CodeableConcept"))
    return any(isinstance(each, dict) and words(each.get("text")) for each in concepts)


def _valued(element: Resource, code: str) -> tuple[str, str]:
    """Words of code and value together; and the doubt, where the code may change what the value's words mean."""
    concept = element.get("valueCodeableConcept") or element.get("definitionCodeableConcept")
    if isinstance(concept, dict):
        value = _concept_lines(concept)
        if not code or not value:
            return value or code, ""
        doubt = "" if _NEUTRAL.fullmatch(code) else f"What “{code}” makes of its value is not read."
        return f"{code}: {value}", doubt
    quantity, span = element.get("valueQuantity"), element.get("valueRange")
    if isinstance(quantity, dict):
        return f"{code}: {words(quantity.get('comparator')) or '='} {_amount(quantity)}".strip(": "), ""
    if isinstance(span, dict):
        low, high = (span[each] if isinstance(span.get(each), dict) else {} for each in ("low", "high"))
        if low and high:
            same = _unit(low) == _unit(high)
            return f"{code}: {_amount(low, with_unit=not same)} to {_amount(high)}", ""
        if low or high:
            return f"{code}: {'>=' if low else '<='} {_amount(low or high)}", ""
    others = [key for key in element if key.startswith(("value", "definition")) and key != "valueBoolean"]
    return code, f"Its value ({', '.join(others)}) is not read." if others else ""


def _amount(quantity: Resource, *, with_unit: bool = True) -> str:
    value = quantity.get("value")
    number = (
        format(Decimal(str(value)), "f")
        if isinstance(value, int | float) and not isinstance(value, bool)
        else words(value) or "?"
    )
    number = number.removesuffix(".0")
    unit = _unit(quantity) if with_unit else ""
    return f"{number} {unit}".strip()


def _unit(quantity: Resource) -> str:
    unit = words(quantity.get("unit")) or words(quantity.get("code"))
    return _UCUM_TIME.get(unit, unit)


def _concept_lines(concept: object) -> str:
    """The words of a CodeableConcept, with the lines of its text kept."""
    text = concept.get("text") if isinstance(concept, dict) else None
    return _lines_of(text) if isinstance(text, str) and text.strip() else concept_words(concept)


def _lines_of(text: str) -> str:
    """The text with its lines kept and its first mark taken off."""
    return _MARK.sub("", broken_at_headings(text).strip())


def _flat(line: Line) -> str:
    return " ".join(" ".join((line.text, "; ".join(line.children))).split())


def _titles(action: Resource) -> Iterator[str]:
    for key in ("title", "prefix", "description", "textEquivalent"):
        yield words(action.get(key))
    for each in dicts(action.get("code")):
        yield concept_words(each)


def _named_side(title: str, side_of: Callable[[str], Kind | None]) -> Kind | None:
    label = _LABEL.fullmatch(title)
    if label and label["side"]:
        return Kind.INCLUSION if label["side"].lower().startswith("inclu") else Kind.EXCLUSION
    return side_of(title)


def _action_text(action: Resource) -> str:
    return next(filter(None, (words(action.get(each)) for each in ("textEquivalent", "description", "title"))), "")


def _below(action: Resource) -> Iterable[Resource]:
    """All actions below one, however deep."""
    open_ = dicts(action.get("action"))
    while open_:
        first, *rest = open_
        yield first
        open_ = [*dicts(first.get("action")), *rest]
