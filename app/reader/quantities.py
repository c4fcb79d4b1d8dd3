"""Numbers and what they count: numerals and number words, with a time unit a duration, with another unit a quantity."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from app.criteria.nodes import Quantity
from app.criteria.time import Duration, TimeUnit
from app.reader.lexing import lex
from app.reader.phrases import join
from app.reader.tokens import Tok, Token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.reader.phrases import Phrases

_TIME_UNITS = {
    "hour": TimeUnit.HOUR,
    "hr": TimeUnit.HOUR,
    "hrs": TimeUnit.HOUR,
    "day": TimeUnit.DAY,
    "week": TimeUnit.WEEK,
    "wk": TimeUnit.WEEK,
    "wks": TimeUnit.WEEK,
    "month": TimeUnit.MONTH,
    "mo": TimeUnit.MONTH,
    "mos": TimeUnit.MONTH,
    "year": TimeUnit.YEAR,
    "yr": TimeUnit.YEAR,
    "yrs": TimeUnit.YEAR,
}
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_NUMBER_WORDS = {
    **{word: Decimal(value) for value, word in enumerate(_ONES.split())},
    **{word: Decimal(value * 10) for value, word in enumerate(_TENS.split(), 2)},
}
_LONGEST_UNIT = 40
_UNIT = re.compile(
    r"""\s{0,3}(?P<unit>%|°\s?[CF]\b|℃|mm\s?/?\s?Hg\b
    |(?:per\s|/\s?)?(?:cu(?:bic)?\s)?[A-Za-zµ\[{/][A-Za-zµ0-9\[\]{}_*^.%'²³]{0,20}(?:\s{1,2}\^\s?[23](?!\d))?
     (?:\s?(?:/|\bper\b)\s?(?:1\.73\s?)?(?:cu(?:bic)?\s)?[A-Za-zµ0-9\[\]{}_²³^*]{1,20}(?:\s{1,2}\^\s?[23](?!\d))?){0,3})""",
    re.VERBOSE,
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
        "msecs",
        "s",
        "sec",
        "second",
        "seconds",
        "u",
        "iu",
        "mmhg",
        "bpm",
        "°c",
        "°f",
        "℃",
        "c",
        "copies",
        "copy",
        "points",
        "mmol",
        "umol",
        "pg",
        "lb",
        "lbs",
        "millisecond",
        "milliseconds",
        "kpa",
        "grams",
        "kilograms",
        "percent",
        "pounds",
    ]
)
_COUNTED = re.compile(r"(?:cells?|platelets?|neutrophils?|leu[ck]ocytes?|lymphocytes?)\s?(?=/)", re.IGNORECASE)
# What Markdown's escape leaves of "mm\^3".
_RAISED = re.compile(r"\s+\^\s?(?=[23])")
# "50.000": a decimal in English, fifty thousand where the point groups digits. Only a count of cells or copies tells.
_GROUPED = re.compile(r"[1-9]\d{0,2}\.\d{3}")
_MOST_DIGITS = 15


def number_word(stem: str) -> Decimal | None:
    """The number that a word is: "five"."""
    return _NUMBER_WORDS.get(stem)


def tokenise(text: str, start: int, end: int, phrases: Phrases) -> list[Token]:
    """Tokens of `text[start:end]`."""
    return _Numbers(text, join(lex(text, start, end), phrases), phrases, end).read()


class _Numbers:
    """One pass over the tokens of a clause."""

    def __init__(self, text: str, tokens: Sequence[Token], phrases: Phrases, end: int) -> None:
        self.text = text
        self.tokens = tokens
        self.phrases = phrases
        self.end = end

    def read(self) -> list[Token]:
        """The tokens with numbers and what they count made one."""
        result: list[Token] = []
        i = 0
        while i < len(self.tokens):
            token = self.tokens[i]
            number = token.kind is Tok.NUMBER or (token.kind is Tok.WORD and token.stem in _NUMBER_WORDS)
            found = self._counted(i) if number else None
            token, i = found if found is not None else (token, i + 1)
            result.append(token)
        return result

    def _counted(self, i: int) -> tuple[Token, int] | None:
        number = self._number(i)
        if number is None:
            return None
        value, at = number
        first, last = self.tokens[i], self.tokens[at - 1]
        following = self.tokens[at] if at < len(self.tokens) else None
        if following is not None and following.kind is Tok.WORD and following.stem in _TIME_UNITS and not first.power:
            return self._duration(first, value, at)
        if found := self._unit(first, last, value, at):
            quantity, stop, at = found
            made = Token(
                Tok.QUANTITY, self.text[first.start : stop], first.start, stop, quantity.value, quantity=quantity
            )
            return made, at
        if first.kind is Tok.WORD and not (following is not None and "times" in following.cues):
            # "one of the following" counts nothing that is measured.
            return None
        if at == i + 1 and first.kind is Tok.NUMBER:
            return None
        return Token(Tok.NUMBER, self.text[first.start : last.end], first.start, last.end, value), at

    def _duration(self, first: Token, value: Decimal, at: int) -> tuple[Token, int] | None:
        unit = self.tokens[at]
        if value.adjusted() > 4:
            return None
        duration = Duration(value, _TIME_UNITS[unit.stem])
        stop = self._said_again(at + 1, duration)
        end = self.tokens[stop - 1].end
        words = self.text[first.start : end]
        return Token(Tok.DURATION, words, first.start, end, value, duration=duration), stop

    def _said_again(self, at: int, duration: Duration) -> int:
        """The index after "(28 days)" where that is what "4 weeks" comes to, else `at`."""
        if at + 3 >= len(self.tokens) or self.tokens[at].stem != "(":
            return at
        number = self._number(at + 1)
        if number is None or number[1] + 1 >= len(self.tokens):
            return at
        value, stop = number
        unit, closing = self.tokens[stop], self.tokens[stop + 1]
        if unit.stem not in _TIME_UNITS or closing.stem != ")" or value.adjusted() > 4:
            return at
        again = Duration(value, _TIME_UNITS[unit.stem])
        try:
            return stop + 2 if again.steps() == duration.steps() else at
        except ValueError:
            return at

    def _number(self, i: int) -> tuple[Decimal, int] | None:
        """Reads "12", "two", "twenty four", "one and a half", "two (2)"."""
        token = self.tokens[i]
        if token.kind is Tok.NUMBER and token.number is not None:
            if len(token.stem) > _MOST_DIGITS and not token.power:
                return None
            value, at = token.number, i + 1
        elif token.kind is Tok.WORD and token.stem in _NUMBER_WORDS:
            value, at = _NUMBER_WORDS[token.stem], i + 1
            unit = self.tokens[at] if at < len(self.tokens) else None
            if value >= 20 and unit is not None and 0 < _NUMBER_WORDS.get(unit.stem, Decimal(0)) < 10:
                value, at = value + _NUMBER_WORDS[unit.stem], at + 1
        else:
            return None
        if not token.power and [each.stem for each in self.tokens[at : at + 3]] == ["and", "a", "half"]:
            value, at = value + Decimal("0.5"), at + 3
        return value, self._number_again(at, value)

    def _number_again(self, at: int, value: Decimal) -> int:
        """The index after "(2)" where "two" stands before it, else `at`."""
        if at + 2 >= len(self.tokens) or self.tokens[at].stem != "(" or self.tokens[at + 2].stem != ")":
            return at
        inner = self.tokens[at + 1]
        again = inner.number if inner.kind is Tok.NUMBER and not inner.power else _NUMBER_WORDS.get(inner.stem)
        return at + 3 if again == value else at

    def _unit(self, first: Token, last: Token, value: Decimal, at: int) -> tuple[Quantity, int, int] | None:
        """The quantity that the unit written after a number makes of it, where it ends, and the index after it."""
        m = _UNIT.match(self.text, last.end, self.end)
        if not m:
            return None
        written = m["unit"].rstrip(" .,;)'")
        begin = m.start("unit")
        while written:
            stop = begin + len(written)
            after = at
            while after < len(self.tokens) and self.tokens[after].start < stop:
                after += 1
            # A unit ends where a word ends, and never inside a name ("5 C virus hepatitis").
            whole = after == at or self.tokens[after - 1].end <= stop
            quantity = self._quantity(first, value, written) if whole else None
            if quantity is not None:
                return quantity, stop, after
            cut = max(written.rfind("/"), written.rfind(" "))
            if cut <= 0:
                return None
            written = written[:cut].rstrip(" .,;)'")
        return None

    def _quantity(self, first: Token, value: Decimal, written: str) -> Quantity | None:
        spelled = " ".join(_RAISED.sub("", written).split())
        if spelled.startswith("°"):
            spelled = spelled.replace(" ", "")
        if spelled.startswith("per "):
            spelled = "/" + spelled[4:]
        per = "/" in spelled or " per " in spelled
        if per and not any(each.isalpha() for each in spelled):
            # "160/100" is two numbers.
            return None
        if not per and spelled.replace(" ", "").lower() not in _BARE_UNITS:
            return None
        if first.power:
            counted = _COUNTED.sub("", spelled) if per else spelled
            if counted.startswith("/"):
                code = self.phrases.units.read(f"10*{first.power}{counted.replace(' ', '')}")
                return None if code is None else Quantity(value, code)
            code = self.phrases.units.read(spelled)
            return None if code is None else Quantity(value * Decimal(10**first.power), code)
        code = self.phrases.units.read(spelled)
        if code is None:
            return None
        if _GROUPED.fullmatch(first.stem):
            if code.startswith(("/", "{cells}/", "{copies}/")):
                return Quantity(value.scaleb(3).quantize(Decimal(1)), code)
            if code.startswith("[IU]") or first.stem.endswith("000"):
                # Two numbers are possible, a thousand times apart.
                return None
        return Quantity(value, code)
