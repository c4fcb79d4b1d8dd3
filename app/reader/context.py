"""What every clause of one registration shares while it is read: text, names, notes, the disease under study."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from app.criteria.time import Duration, TimeUnit
from app.knowledge.known import is_comparable
from app.knowledge.ucum import UnitError
from app.reader.quantities import tokenise

if TYPE_CHECKING:
    from app.criteria.nodes import Quantity, When
    from app.knowledge.catalogue import Catalogue
    from app.reader.drafts import Draft
    from app.reader.phrases import Phrases
    from app.reader.tokens import Token

# A bracket that only abbreviates the words before it, or points to an appendix, says nothing of its own.
_ABBREVIATION = re.compile(
    r"\(\s{0,5}(?=[A-Z0-9-]{0,15}[A-Z][A-Z0-9-]{0,15}[A-Z0-9])[A-Z0-9]{1,8}(?:-[A-Z0-9]{1,6})?\s{0,5}\)|"
    r"\(\s{0,5}(?:see )?appendix\s{0,5}\w{0,9}\s{0,5}\)",
    re.IGNORECASE,
)
# Every analyte is shown in a unit in which its results are numbers of ordinary size.
_LEAST, _MOST = Fraction(1, 1000), Fraction(10**7)
_ROUNDING = Fraction(4, 100)
_SCALES = re.compile(r"\(\s*(?:ECOG|WHO|KPS|Karnofsky|Zubrod)\s*\)", re.IGNORECASE)
# By which formula a value is meant is no abbreviation of its name.
_FORMULA = re.compile(r"\(\s*(?:QTc[FB]|MDRD|CKD-EPI)\s*\)", re.IGNORECASE)
_SCALE_AHEAD = re.compile(r"\bperformance\s+(?:status|score|scale)\s*\Z", re.IGNORECASE)
_NEAR = 40
_LOWER_RUN = re.compile(r"[a-z]{3,}")
_DAMAGED = re.compile(r"[×xX]\s*10(\d{1,2})(?=\s*/)")


@dataclass(frozen=True, slots=True)
class _Cut:
    """A stretch of the text and its tokens."""

    start: int
    end: int
    tokens: list[Token]


def _start(token: Token) -> int:
    return token.start


@dataclass(frozen=True, slots=True)
class Frame:
    """What the words before a list say of each of its items ("History of any of the following within 6 months:")."""

    lead: When | None = None
    treat: bool = False
    treat_current: bool = False
    allergy: bool = False
    suspected: bool = False
    planned: bool = False
    degrees: tuple[str, ...] = ()


@dataclass(slots=True)
class Context:
    """`source` is quoted, `text` (same offsets, abbreviations blanked) is read.

    `subjects` are the conditions that the trial says it is in or asks for; `in_no_malignancy`: it says what it is in,
    and nothing of that is a malignancy.
    """

    source: str
    text: str
    catalogue: Catalogue
    phrases: Phrases
    study_disease: tuple[str, ...] = ()
    is_oncology: bool = False
    in_no_malignancy: bool = False
    subjects: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    topic: tuple[Draft, ...] = ()
    last_condition: str = ""
    lead: When | None = None
    frame: Frame | None = None
    _cut: _Cut | None = None

    def tokens(self, start: int, end: int) -> list[Token]:
        """The tokens of `text[start:end]`, a list of the caller's own.

        Clauses are read from the whole to its parts, so that the longest stretch is cut into tokens once and its parts
        are taken from it, but where a part begins or ends inside a name of the whole.
        """
        cut = self._cut
        if cut is None or not (cut.start <= start and end <= cut.end):
            tokens = tokenise(self.text, start, end, self.phrases)
            self._cut = _Cut(start, end, tokens)
            return list(tokens)
        first = bisect_left(cut.tokens, start, key=_start)
        last = bisect_left(cut.tokens, end, first, key=_start)
        if (first and cut.tokens[first - 1].end > start) or (last > first and cut.tokens[last - 1].end > end):
            return tokenise(self.text, start, end, self.phrases)
        return cut.tokens[first:last]

    def note(self, text: str) -> None:
        """Say once, on the criterion being read, what was repaired or decided."""
        if text not in self.notes:
            self.notes.append(text)

    def covers(self, wide: str, narrow: str) -> bool:
        """Whatever is `narrow` is `wide` too: it is included, or each of its codes is one of the wider concept's."""
        if narrow in self.catalogue.index.closure.get(wide, frozenset()):
            return True
        concept = self.catalogue.concepts.get(narrow)
        codes = concept.codes if concept is not None else ()
        return bool(codes) and all(
            wide in self.catalogue.index.place(each.system.value, each.code).concepts for each in codes
        )

    def in_one_of(self, concept: str) -> bool:
        """The trial is in a condition that is `concept`, or that it may be a kind of."""
        closure = self.catalogue.index.closure
        return any(
            each == concept or each in closure.get(concept, frozenset()) or concept in closure.get(each, frozenset())
            for each in self.subjects
        )

    def one(self, unit: str) -> Duration:
        """Reads "the past year" is one year."""
        return Duration(Decimal(1), TimeUnit(unit))

    def plausible(self, quantity: Quantity, analyte: str) -> bool:
        """The limit is of a size that is measured at all: "> 1,500/L" neutrophils has lost a prefix of its unit."""
        if not quantity.value:
            return True
        entry = self.catalogue.analytes[analyte]
        if entry.unit == quantity.unit == "%" and abs(quantity.value) < 1:
            return False  # "LVEF < 0.40" is a share, and no four tenths of a per cent
        try:
            shown = self.catalogue.units.convert(
                Fraction(quantity.value),
                quantity.unit,
                entry.unit,
                molar_mass=entry.molar_mass,
                charge=entry.charge,
                enzyme=entry.enzyme,
            )
        except UnitError:
            return True
        return _LEAST <= abs(shown) <= _MOST

    def about_equal(self, first: Quantity, second: Quantity, analyte: str) -> bool:
        """The same amount in two units, but for rounding ("1.5 mg/dL (133 µmol/L)")."""
        entry = self.catalogue.analytes[analyte]
        try:
            shown = self.catalogue.units.convert(
                Fraction(first.value),
                first.unit,
                second.unit,
                molar_mass=entry.molar_mass,
                charge=entry.charge,
                enzyme=entry.enzyme,
            )
        except UnitError:
            return False
        return abs(shown - Fraction(second.value)) <= abs(shown) * _ROUNDING

    def comparable(self, unit: str, analyte: str) -> bool:
        """A limit in `unit` can be compared with values of the analyte."""
        return is_comparable(unit, self.catalogue.analytes[analyte], self.catalogue)


def blank_abbreviations(text: str) -> str:
    """`text` with abbreviating brackets turned into spaces of the same length."""

    def blank(match: re.Match[str]) -> str:
        inner = match[0]
        if _SCALE_AHEAD.search(text, max(0, match.start() - _NEAR), match.start()) and _SCALES.fullmatch(inner):
            # "Performance status (ECOG)": without the bracket nothing says which scale is meant.
            return inner
        if _FORMULA.fullmatch(inner):
            return inner
        if "appendix" not in inner.lower() and _LOWER_RUN.search(inner):
            return inner
        return " " * len(inner)

    return _ABBREVIATION.sub(blank, text)


def damage(text: str) -> list[str]:
    """Notes on repairs that the lexer makes in `text`."""
    return [
        f"“{match[0].strip()}” has lost its superscript: read as × 10^{match[1]}." for match in _DAMAGED.finditer(text)
    ]
