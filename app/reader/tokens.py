"""Text → tokens: words, numbers with powers of ten, comparators, durations, quantities, catalogue names, cues.

Offsets point into the registration's text. Names and cues are matched by the longest run of stemmed words, so that
British and American spellings, plurals and hyphens need no entries of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from app.criteria.nodes import Op, Quantity
from app.criteria.time import Duration, TimeUnit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.knowledge.catalogue import Catalogue
    from app.knowledge.ucum import UnitTable


class Tok(StrEnum):
    """Kinds of token."""

    WORD = "word"
    NUMBER = "number"
    COMPARATOR = "comparator"
    DURATION = "duration"
    QUANTITY = "quantity"
    NAME = "name"
    CUE = "cue"
    PUNCT = "punct"
    ROMAN = "roman"


class NameKind(StrEnum):
    """What a name in the text stands for."""

    CONDITION = "condition"
    TREATMENT = "treatment"
    ALLERGEN = "allergen"
    VACCINE = "vaccine"
    SITE = "site"
    ANALYTE = "analyte"
    SCALE = "scale"


@dataclass(frozen=True, slots=True)
class Name:
    """A catalogue entry that a name may mean."""

    kind: NameKind
    id: str


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a clause; `text[start:end]` of the registration. `stem` is what comparisons use."""

    kind: Tok
    stem: str
    start: int
    end: int
    number: Decimal | None = None
    power: int = 0
    op: Op | None = None
    duration: Duration | None = None
    quantity: Quantity | None = None
    names: tuple[Name, ...] = ()
    cues: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


_LEX = re.compile(
    r"""
    (?P<power>(?P<mantissa>\d+(?:\.\d+)?)\s*[×xX*]\s*10\s*(?:(?:\^|\*\*?|[eE])\s*(?P<exp>\d{1,2})|(?P<sup>[⁰¹²³⁴-⁹]+)|(?P<lost>\d{1,2})(?=\s*/)))
    |(?P<grade>\b[1-4]\+(?!\d))
    |(?P<number>\d{1,3}(?:,\d{3})+(?!\d)|\d+(?:\.\d+)?)
    |(?P<cmp><=|>=|=<|=>|≤|≥|<|>|=)
    |(?P<plus>\+{1,4})
    |(?P<word>[A-Za-zµ°%][A-Za-zµ°0-9]*(?:'[a-z]+)?)
    |(?P<punct>[^\sA-Za-z0-9])
    """,
    re.VERBOSE,
)
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_OPS = {"<=": Op.LE, "=<": Op.LE, "≤": Op.LE, ">=": Op.GE, "=>": Op.GE, "≥": Op.GE, "<": Op.LT, ">": Op.GT}
_TIME_UNITS = {
    "hour": TimeUnit.HOUR,
    "hr": TimeUnit.HOUR,
    "h": TimeUnit.HOUR,
    "day": TimeUnit.DAY,
    "d": TimeUnit.DAY,
    "week": TimeUnit.WEEK,
    "wk": TimeUnit.WEEK,
    "month": TimeUnit.MONTH,
    "mo": TimeUnit.MONTH,
    "year": TimeUnit.YEAR,
    "yr": TimeUnit.YEAR,
}
_NUMBER_WORDS = {
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "twelve": 12,
}
_MODIFIERS = (
    "degree",
    "ever",
    "ever-or-current",
    "other",
    "suspected",
    "current",
    "treat-ever",
    "treat-current",
    "neg",
)
_PAST = ("ever", "ever-or-current", "other", "suspected")
_OUTCOMES = frozenset({"positive", "negative"})
_ROMANS = {"i", "ii", "iii", "iv", "v"}
_UNIT = re.compile(
    r"\s*(?P<unit>(?:%|°C|℃|[A-Za-zµ\[{/])(?:[A-Za-zµ0-9\[\]{}_*^.%']*)(?:\s*/\s*(?:1\.73\s*)?[A-Za-zµ0-9\[\]{}_²³^]+){0,3})"
)
_BARE_UNITS = frozenset(
    [
        "%",
        "mg",
        "g",
        "kg",
        "ug",
        "mcg",
        "ng",
        "l",
        "ml",
        "dl",
        "cm",
        "mm",
        "m",
        "ms",
        "msec",
        "s",
        "sec",
        "second",
        "seconds",
        "u",
        "iu",
        "mmhg",
        "bpm",
        "°c",
        "℃",
        "c",
        "copies",
        "copy",
        "points",
        "mmol",
        "umol",
        "pg",
    ]
)


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """A word folded to one form: lower case, American spelling, singular. The same fold is used for names and text."""
    w = word.lower().removesuffix("'s").rstrip("'")
    w = w.replace("ae", "e").replace("oe", "e")
    if len(w) > 4 and w.endswith("our"):
        w = w[:-3] + "or"
    w = w.replace("tumour", "tumor").replace("isation", "ization")
    if len(w) <= 3 or w.endswith(("ss", "us", "is")):
        return w
    for plural, singular in (
        ("oses", "osis"),
        ("tases", "tasis"),
        ("uses", "us"),
        ("ies", "y"),
        ("sses", "ss"),
        ("xes", "x"),
    ):
        if w.endswith(plural) and len(w) > len(plural) + 1:
            return w[: -len(plural)] + singular
    return w.removesuffix("s")


def stems(phrase: str) -> tuple[str, ...]:
    """The stems of a phrase as the lexer would cut it."""
    return tuple(stem(m[0]) if m.lastgroup == "word" else m[0].lower() for m in _LEX.finditer(phrase) if m[0] != "-")


class Phrases:
    """Every name and cue phrase, for longest match. Built once a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.units: UnitTable = catalogue.units
        self.names: dict[tuple[str, ...], tuple[Name, ...]] = {}
        self.cues: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.longest: dict[str, int] = {}
        modifiers = {stems(each) for kind in _MODIFIERS for each in catalogue.lexicon.phrases.get(kind, ())}
        past = {stems(each) for kind in _PAST for each in catalogue.lexicon.phrases.get(kind, ())}
        named = {stems(name) for concept in catalogue.concepts.values() for name in (concept.name, *concept.names)}
        for concept in catalogue.concepts.values():
            own = {stems(name) for name in (concept.name, *concept.names)}
            for key in sorted(own):
                # "active infection" is "infection" with a modifier that must be seen: not taken whole.
                taken_apart = any(key[:cut] in modifiers and key[cut:] in own for cut in range(1, len(key)))
                of_another = any(key[:cut] in past and key[cut:] in named for cut in range(1, len(key)))
                if not taken_apart and not of_another and not (key[-1] in _OUTCOMES and key[:-1] in own):
                    self._name(key, Name(NameKind(concept.kind.value), concept.id))
        for analyte in catalogue.analytes.values():
            for name in (analyte.name, *analyte.names):
                self._name(stems(name), Name(NameKind.ANALYTE, analyte.id))
        for scale in catalogue.scales.values():
            for name in (scale.name, *scale.names):
                self._name(stems(name), Name(NameKind.SCALE, scale.id))
        for category, phrases in catalogue.lexicon.phrases.items():
            for phrase in phrases:
                self._cue(phrase, category)

    def _name(self, key: tuple[str, ...], name: Name) -> None:
        if key and name not in self.names.get(key, ()):
            self.names[key] = (*self.names.get(key, ()), name)
            self.longest[key[0]] = max(self.longest.get(key[0], 0), len(key))

    def _cue(self, phrase: str, category: str) -> None:
        key = stems(phrase)
        if category not in self.cues.get(key, ()):
            self.cues[key] = (*self.cues.get(key, ()), category)
            self.longest[key[0]] = max(self.longest.get(key[0], 0), len(key))


@lru_cache(maxsize=4)
def phrases_of(catalogue: Catalogue) -> Phrases:
    """The phrase table of a catalogue, built once."""
    return Phrases(catalogue)


def tokenise(text: str, start: int, end: int, phrases: Phrases) -> list[Token]:
    """Tokens of `text[start:end]`."""
    return _quantities(text, _join(list(_lex(text, start, end)), phrases), phrases, end)


def _lex(text: str, start: int, end: int) -> Iterable[Token]:
    for m in _LEX.finditer(text, start, end):
        span = (m.start(), m.end())
        match m.lastgroup:
            case "power":
                exponent = m["exp"] or m["lost"] or m["sup"].translate(_SUPERSCRIPT)
                yield Token(Tok.NUMBER, m[0], *span, number=Decimal(m["mantissa"]), power=int(exponent))
            case "number":
                yield Token(Tok.NUMBER, m[0], *span, number=Decimal(m[0].replace(",", "")))
            case "cmp":
                yield Token(Tok.COMPARATOR, m[0], *span, op=_OPS.get(m[0]))
            case "plus":
                yield Token(Tok.PUNCT, m[0], *span)
            case "grade":
                yield Token(Tok.WORD, m[0], *span)
            case "word":
                yield Token(Tok.WORD, stem(m[0]), *span)
            case _:
                if m[0] != "-" or _joins(text, m.start()):
                    yield Token(Tok.PUNCT, m[0], *span)


def _joins(text: str, at: int) -> bool:
    """A hyphen between digits is a range; any other is a joint of a word and says nothing."""
    before = text[at - 1 : at] if at else ""
    after = text[at + 1 : at + 2]
    return (before.isdigit() or before.isspace() or before in "IVX") and (
        after.isdigit() or after.isspace() or after in "IVX"
    )


def _quantities(text: str, tokens: list[Token], phrases: Phrases, end: int) -> list[Token]:
    """Numbers followed by a time unit become durations, by another unit quantities."""
    result: list[Token] = []
    skip_to = -1
    for i, token in enumerate(tokens):
        if token.start < skip_to:
            continue
        number = token.number
        if number is None and token.kind is Tok.WORD and token.stem in _NUMBER_WORDS:
            number = Decimal(_NUMBER_WORDS[token.stem])
            follower = tokens[i + 1] if i + 1 < len(tokens) else None
            if follower is None or follower.stem not in _TIME_UNITS:
                result.append(token)
                continue
        if number is None or token.kind not in {Tok.NUMBER, Tok.WORD}:
            result.append(token)
            continue
        follower = tokens[i + 1] if i + 1 < len(tokens) else None
        if (
            follower is not None
            and follower.kind is Tok.WORD
            and follower.stem in _TIME_UNITS
            and not token.power
            and len(follower.stem) > 1
        ):
            duration = Duration(number, _TIME_UNITS[follower.stem])
            result.append(
                Token(
                    Tok.DURATION,
                    text[token.start : follower.end],
                    token.start,
                    follower.end,
                    number=number,
                    duration=duration,
                )
            )
            skip_to = follower.end
            continue
        if found := _unit(text, token, phrases, end):
            unit, stop = found
            result.append(
                Token(
                    Tok.QUANTITY,
                    text[token.start : stop],
                    token.start,
                    stop,
                    number=number,
                    quantity=Quantity(number, unit),
                )
            )
            skip_to = stop
            continue
        result.append(token)
    return result


def _unit(text: str, token: Token, phrases: Phrases, end: int) -> tuple[str, int] | None:
    """The UCUM code of the unit written after a number, and where it ends."""
    m = _UNIT.match(text, token.end, end)
    if not m:
        return None
    written = m["unit"]
    stop = m.end()
    while written:
        compact = re.sub(r"\s+", "", written).rstrip(".,;)")
        spelled = f"10*{token.power}{compact}" if token.power and compact.startswith("/") else compact
        trimmed = len(written) - len(written.rstrip(" .,;)"))
        acceptable = "/" in compact or compact.lower() in _BARE_UNITS
        code = phrases.units.read(spelled) if acceptable else None
        if code is not None:
            return code, stop - trimmed
        cut = max(written.rfind("/"), written.rfind(" "))
        if cut <= 0:
            return None
        stop -= len(written) - cut
        written = written[:cut]
    return None


def _join(tokens: list[Token], phrases: Phrases) -> list[Token]:
    """Runs of words that are a name or a cue become one token, the longest run first."""
    result: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        best = 0
        longest = phrases.longest.get(token.stem.lower(), 0) if token.kind in {Tok.WORD, Tok.NUMBER, Tok.PUNCT} else 0
        for length in range(min(longest, len(tokens) - i), 0, -1):
            key = tuple(t.stem.lower() for t in tokens[i : i + length])
            if key in phrases.names or key in phrases.cues:
                best = length
                names, cues = phrases.names.get(key, ()), phrases.cues.get(key, ())
                result.append(
                    replace(
                        token,
                        kind=Tok.NAME if names else Tok.CUE,
                        stem=" ".join(key),
                        end=tokens[i + length - 1].end,
                        names=names,
                        cues=cues,
                        words=key,
                    )
                )
                break
        if not best:
            if token.kind is Tok.WORD and token.stem in _ROMANS:
                token = replace(token, kind=Tok.ROMAN)
            result.append(token)
            best = 1
        i += best
    return result


def names_of(token: Token, *kinds: NameKind) -> Mapping[NameKind, str]:
    """Kind → id for the kinds asked for."""
    return {name.kind: name.id for name in token.names if name.kind in kinds}
