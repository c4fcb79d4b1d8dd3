"""How laboratories and people spell units, and which UCUM code each spelling stands for.

The spellings are data (`units/aliases.json`); here stands only how they combine: powers of ten, parts around a slash,
upper and lower case. A spelling with two possible meanings has none: no unit is safer than the wrong one.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from app.knowledge.ucum import Unit

_MAX_LENGTH = 80

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_RAISED_POWER_OF_TEN = re.compile(r"(?<![0-9])10([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_LOOKALIKES = str.maketrans(
    {
        "\N{GREEK SMALL LETTER MU}": "u",  # the micro sign has become it by then
        "\N{MULTIPLICATION SIGN}": "x",
        "\N{MINUS SIGN}": "-",
        "\N{EN DASH}": "-",
        "\N{FRACTION SLASH}": "/",
        "\N{DIVISION SLASH}": "/",
        "\N{MIDDLE DOT}": ".",
        "\N{DOT OPERATOR}": ".",
        "\N{BULLET OPERATOR}": ".",
    },
)
_PER = re.compile(r"\s+per\s+", re.IGNORECASE)
_AROUND_SLASH = re.compile(r"\s*/\s*")
_CARET_EXPONENT = re.compile(r"(?<=[A-Za-z])(?:\^|\*\*)(?=-?[0-9])")

# "x10^9", "10E3", "10e9", "10**6", "10(9)", "10x9", "x10 9", "1e9", "10*3", each with what follows. In a laboratory's
# unit 10E3 is ten to the third, not ten thousand.
_POWER_OF_TEN = re.compile(
    r"(?:[xX*.]\s*)?(?:10(?:\s*(?:\^|\*\*|\*|[eE]|exp|\s)\s*\(?|[xX]|\()|1[eE])"
    r"\+?(?P<power>-?[0-9]{1,2})\)?(?P<rest>(?:[\s/{].*)?)",
)
# 108/L is a power of ten that lost its raised digits or a mistake; no laboratory counts in multiples of 108.
_LOST_POWER = re.compile(r"10[0-9]*[1-9][0-9]*(?![0-9*^])")
_BODY_SURFACE = re.compile(
    r"\(?\{?1[.,]73[\s._*]*\(?(?:m\*?2|sq\.?\s*m|sqm|square\s+met(?:er|re)s?)?\)?\}?", re.IGNORECASE
)
_MULTIPLE = re.compile(r"\(?([1-9][0-9]{0,3})[\s.*]*([^\s0-9()][^()]*)\)?")
_BRACKETED = re.compile(r"\[[^\[\]]*\]|\{[^{}]*\}|\([^()]*\)")


class Spellings:
    """Reads spellings; `means` says what a UCUM code means, or None where it is none."""

    def __init__(self, data: Mapping[str, Any], means: Callable[[str], Unit | None]) -> None:
        self._means = means
        self._whole: dict[str, str] = {each[0]: each[1] for each in (*data["overrides"], *data["aliases"])}
        self._words: dict[str, str] = {word.casefold(): code for code, words in data["words"].items() for word in words}
        self._exact_words: dict[str, str] = {
            word: code for code, words in data["exact_words"].items() for word in words
        }
        self._qualifiers: dict[str, str] = {
            word.casefold(): name for name, words in data["qualifiers"].items() for word in words
        }
        self._laboratory = frozenset(data["laboratory_units"])
        self._folded_units = _folded((unit, unit) for unit in data["laboratory_units"])
        self._folded_aliases = _folded((each[0], each[1]) for each in data["aliases"])

    def read(self, text: str) -> str | None:
        """The UCUM code that the whole text stands for, or None."""
        written = text.strip()
        if not written or len(written) > _MAX_LENGTH:
            return None
        tidy = _tidy(written)
        for form in (written, tidy):
            if form in self._whole:
                return self._whole[form]
        power = _POWER_OF_TEN.fullmatch(tidy)
        if power is not None:
            return self._checked(self._power_of_ten(power["power"], power["rest"]))
        for form in (written, tidy):
            if self._means(form) is not None:
                return form if self._is_certain(form) else self._checked(self._composed(form))
        return self._checked(self._by_case(tidy) or self._composed(tidy))

    def _power_of_ten(self, power: str, rest: str) -> str | None:
        rest = rest.strip()
        head = f"10*{int(power)}"
        if not rest:
            return head
        if rest.startswith("/"):
            code = self._part(rest[1:], below=True) if "/" not in rest[1:] else self._composed(rest[1:])
            return None if code is None else f"{head}/{code}"
        code = self.read(rest)
        # Only something counted can follow a power of ten: 10*3{cells}/uL.
        return f"{head}{code}" if code is not None and code.startswith("{") else None

    def _composed(self, text: str) -> str | None:
        """Part by part around the slashes: "mcg / 24 hours" is ug/(24.h)."""
        parts = _split(text)
        codes = [
            "" if not part and not index else self._part(part, below=index > 0) for index, part in enumerate(parts)
        ]
        return None if None in codes else "/".join(code for code in codes if code is not None)

    def _part(self, text: str, *, below: bool) -> str | None:
        text = text.strip()
        if below and _BODY_SURFACE.fullmatch(text):
            return "{1.73_m2}"
        found = self._word(text)
        if found is not None:
            return found
        words = text.rsplit(" ", 1)
        if len(words) > 1 and words[1].casefold() in self._qualifiers:
            unit = self._part(words[0], below=below)
            return None if unit is None else f"{unit}{{{self._qualifiers[words[1].casefold()]}}}"
        multiple = _MULTIPLE.fullmatch(text) if below else None
        if multiple is not None:
            unit = self._word(multiple[2].strip())
            return None if unit is None else f"({multiple[1]}.{unit})"
        return None

    def _word(self, text: str) -> str | None:
        """One part that is a word of ours, a certain UCUM code, or a laboratory's unit in another case."""
        if text in self._exact_words:
            return self._exact_words[text]
        if text in self._whole and "/" not in text:
            return self._whole[text]
        if text.casefold() in self._words:
            return self._words[text.casefold()]
        if self._means(text) is not None:
            return text if self._is_certain(text) else None
        return self._by_case(text)

    def _by_case(self, text: str) -> str | None:
        """The one code that differs from the text by upper and lower case only. A single letter says too little."""
        if len(text) == 1:
            return None
        folded = text.casefold()
        codes = self._folded_units.get(folded) or self._folded_aliases.get(folded) or ()
        return codes[0] if codes and all(self._are_equal(codes[0], code) for code in codes) else None

    def _is_certain(self, code: str) -> bool:
        """False where a valid code is, but for its case, a laboratory's unit of another meaning (Mg/dL, S, mu/L)."""
        if code in self._laboratory:
            return True
        if _LOST_POWER.match(code):
            return False
        folded = code.casefold()
        rivals = self._folded_units.get(folded) or self._folded_aliases.get(folded) or ()
        return not rivals or any(self._are_equal(code, rival) for rival in rivals)

    def _are_equal(self, a: str, b: str) -> bool:
        left, right = self._means(a), self._means(b)
        if left is None or right is None:
            return False
        return (left.factor, left.dimension, left.arbitrary, left.special, left.marks) == (
            right.factor,
            right.dimension,
            right.arbitrary,
            right.special,
            right.marks,
        )

    def _checked(self, code: str | None) -> str | None:
        return code if code is not None and self._means(code) is not None else None


def _folded(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for spelling, code in pairs:
        key = spelling.casefold()
        found[key] = (*found.get(key, ()), code)
    return found


def _tidy(text: str) -> str:
    """One form for signs that look alike: both mu's, raised digits, full-width letters, spaces, "per"."""
    text = _RAISED_POWER_OF_TEN.sub(lambda found: "10^" + found[1].translate(_SUPERSCRIPTS), text)
    text = unicodedata.normalize("NFKC", text).translate(_LOOKALIKES)
    text = _PER.sub("/", " ".join(text.split()))
    return _CARET_EXPONENT.sub("", _AROUND_SLASH.sub("/", text))


def _split(text: str) -> list[str]:
    """The parts around the slashes that stand outside brackets."""
    masked = _BRACKETED.sub(lambda found: "_" * len(found[0]), text)
    parts, start = [], 0
    for index, char in enumerate(masked):
        if char == "/":
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]
