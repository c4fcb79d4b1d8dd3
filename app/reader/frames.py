"""What stands around a clause: whom it binds ("for patients with X, ..."), what is said of it ("... are excluded")."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.reader.tokens import Token

# What comes before white space ends in something else: or a run of blanks could be shared out in ever so many ways.
_PERSONS = (
    r"(?:all\s+|any\s+)?(?:(?:adult|female|male|eligible|pediatric|fertile|premenopausal|postmenopausal|older|younger|"
    r"elderly|sexually\s+active)\s+)?"
    r"(?:patients?|subjects?|participants?|individuals|persons?|people|those|women|woman|men|man|females?|males?|adults?|"
    r"adolescents?|children|girls|boys)\b"
)
_IF = re.compile(
    r"^\W*(?:if|in\s+(?:the\s+)?(?:case|event|presence)\s+of|where)\s+(?P<cond>[^,:;]*?[^,:;\s])\s*(?:[,:]|\bthen\b)\s*"
    r"(?:then\s+)?(?P<body>.+)$",
    re.IGNORECASE | re.DOTALL,
)
_FOR = re.compile(
    rf"^\W*(?:for|in|among)\s+(?P<cond>{_PERSONS}(?:[^,:;]*[^,:;\s])?)\s*[,:]\s*(?P<body>.+)$",
    re.IGNORECASE | re.DOTALL,
)
_LABEL = re.compile(
    rf"^\W*(?P<cond>{_PERSONS}(?:\s+(?:who|with|of|receiving|aged|on|taking|under|over|over\s+the\s+age)\b(?:[^,:;]*[^,:;\s])?)?)\s*:\s*"
    r"(?P<body>.+)$",
    re.IGNORECASE | re.DOTALL,
)
_MUST = re.compile(
    rf"^\W*(?P<cond>{_PERSONS}(?:\s+(?:who|with|of|receiving|aged|on|taking|under|over|that)\b(?:[^;:]*?[^;:\s])?)?)(?:\s*,)?\s+"
    r"(?P<body>(?:must|should|need\s+to|needs\s+to|are\s+required\s+to|is\s+required\s+to|have\s+to|has\s+to)\b.+)$",
    re.IGNORECASE | re.DOTALL,
)
_MUST_NAMED = re.compile(
    rf"^\W*(?P<cond>(?:[\w'/-]+\s+){{1,5}}?{_PERSONS})(?:\s*,)?\s+"
    r"(?P<body>(?:must|should|need\s+to|needs\s+to|are\s+required\s+to|is\s+required\s+to|have\s+to|has\s+to)\b.+)$",
    re.IGNORECASE | re.DOTALL,
)
_BEHIND = re.compile(
    rf"^(?P<body>.*?\S)(?:\s*,)?\s+(?:for|in|if)\s+(?P<cond>{_PERSONS}[^,;:]*|applicable)$", re.IGNORECASE | re.DOTALL
)
# Of these nobody is meant in particular.
_ANYBODY = re.compile(
    r"^\W*(?:all\s+|any\s+)?(?:eligible\s+)?(?:patients?|subjects?|participants?|individuals|persons?|people|those|"
    r"(?:men|males?)\s+(?:and|or)\s+(?:women|females?)|(?:women|females?)\s+(?:and|or)\s+(?:men|males?))\s*$",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r"\b(?:who|that|which)\W*$", re.IGNORECASE)
_PREDICATES = ("not-allowed", "allowed", "required")
_CLOSING = frozenset(
    """for from in into the this study trial participation participating enrollment inclusion entry to participate
    enroll protocol . , such patient subject participant eligible also however be""".split()  # noqa: SIM905 - a list of words
)
_CONDITIONS = frozenset({"unless", "except", "if", "neg", "ge", "le", "lt", "gt", "within", "completed", "after"})
_STRINGS = re.compile(
    r"\b(?:only|provided|as long as|so long as|must|when|at least|until|once|with the exception)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Bound:
    """`cond` is whom the clause binds, `body` what is asked of them; spans of the text.

    `duty`: they "must" do or be it, so that who they are is never what is asked; `label`: a colon stands between;
    `named`: words before "patients" say who they are, if they name anything.
    """

    cond: tuple[int, int]
    body: tuple[int, int]
    duty: bool = False
    label: bool = False
    named: bool = False


@dataclass(frozen=True, slots=True)
class Predicate:
    """What is said of the things named before it: "not-allowed", "allowed" or "required"; their text ends at `stop`."""

    kind: str
    stop: int


def bound_before(text: str, start: int) -> Bound | None:
    """Reads "If X, Y", "For patients with X: Y", "Patients with X must Y"; None where everybody is meant."""
    for pattern in (_IF, _FOR, _LABEL, _MUST, _MUST_NAMED):
        match = pattern.match(text)
        if match is not None and not _ANYBODY.match(match["cond"]):
            duty = pattern in (_MUST, _MUST_NAMED)
            if duty and _RELATIVE.search(match["cond"]):
                return None  # "patients who must take A": what they must do says who they are
            return replace(_bound(match, start), duty=duty, label=pattern is _LABEL, named=pattern is _MUST_NAMED)
    return None


def bound_behind(text: str, start: int) -> Bound | None:
    """Reads "Y in women of childbearing potential", "Y for patients with X"."""
    match = _BEHIND.match(text)
    if match is None or _ANYBODY.match(match["cond"]):
        return None
    return _bound(match, start)


def _bound(match: re.Match[str], start: int) -> Bound:
    return Bound(
        (start + match.start("cond"), start + match.end("cond")),
        (start + match.start("body"), start + match.end("body")),
    )


def predicate_of(tokens: list[Token]) -> Predicate | None:
    """The predicate that closes a clause."""
    at = len(tokens) - 1
    while (
        at > 0
        and set(tokens[at].words or (tokens[at].stem,)) <= _CLOSING
        and not set(_PREDICATES) & set(tokens[at].cues)
    ):
        at -= 1
    if at <= 0:
        return None
    kind = next((each for each in _PREDICATES if each in tokens[at].cues), None)
    return Predicate(kind, tokens[at - 1].end) if kind else None


def has_strings(text: str, tokens: list[Token]) -> bool:
    """A permission depends on something."""
    return _STRINGS.search(text) is not None or any(_CONDITIONS & set(token.cues) for token in tokens)
