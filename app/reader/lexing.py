"""Text → words, numbers, comparators and signs, before any of them is known to be a name or a unit."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from app.criteria.nodes import Op
from app.reader.tokens import Tok, Token

_LEX = re.compile(
    r"""
    (?P<power>(?P<mantissa>\d{1,3}(?:,\d{3})+|\d*\.\d+|\d+)\s*[×xX*]\s*10\s*
        (?:(?:\^|\*\*?|[eE])\s*(?P<exp>\d{1,2})|\((?P<paren>\d{1,2})\)|(?P<sup>[⁰¹²³⁴-⁹]+)|(?P<lost>[369]|12)(?=\s*/)))
    |(?P<grade>\b[1-4]\+(?!\d))
    |(?P<number>\d{1,3}(?:,\d{3})+(?!\d)|\d{1,3}(?:\.\d{3}){2,}(?!\d)|\d{1,3}(?:\ \d{3})+(?=\s?/\s?(?:mm|[µumc]|L))
        |\d*½|\d+(?:\.\d+)?|(?<![\w.])\.\d+)
    |(?P<cmp>[<>]\s?/?\s?=|=\s?/?\s?[<>]|[<>]\s?or\s?(?:=|equals?\b)(?:\s?to\b)?|[≤≥]\s?=?|[<>=])
    |(?P<plus>\+{1,4})
    |(?P<by>[×xX](?=I?(?:ULN|LLN)\b)|I?(?:ULN|LLN)(?=\s?[×xX*]\s?\d))
    |(?P<word>[A-Za-zµ°%][A-Za-zµ°0-9]*(?:'[a-z]+|(?<=[sS])'(?=\s))?)
    |(?P<punct>[^\sA-Za-z0-9])
    """,
    re.VERBOSE,
)
# A Roman numeral, and no letters of a name: "III-IV", but not "BDI-II" or "CHA2DS2-VASc".
_ROMAN_BEFORE = re.compile(r"(?<![A-Za-z])[IVX]{1,4}\Z")
_ROMAN_AFTER = re.compile(r"[IVX]{1,4}[A-C]?(?![A-Za-z])")
_WORDS = frozenset({"word", "by"})
_SIGNS = frozenset({"punct", "plus"})
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_PLURALS = (
    ("oses", "osis"),
    ("tases", "tasis"),
    ("uses", "us"),
    ("ies", "y"),
    ("sses", "ss"),
    ("xes", "x"),
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
    for plural, singular in _PLURALS:
        if w.endswith(plural) and len(w) > len(plural) + 1:
            return w[: -len(plural)] + singular
    return w.removesuffix("s")


def stems(phrase: str) -> tuple[str, ...]:
    """The stems of a phrase as the lexer would cut it."""
    return tuple(
        stem(m[0]) if m.lastgroup in {"word", "by"} else m[0].lower()
        for m in _LEX.finditer(phrase)
        if m[0] != "-" or _joins(phrase, m.start())
    )


def lex(text: str, start: int, end: int) -> list[Token]:
    """The tokens of `text[start:end]`; a hyphen that only joins words is none."""
    tokens: list[Token] = []
    add = tokens.append
    for m in _LEX.finditer(text, start, end):
        first, last = m.span()
        written = m[0]
        kind = m.lastgroup
        if kind in _WORDS:
            add(Token(Tok.WORD, stem(written), first, last))
        elif kind in _SIGNS:
            if written != "-" or _joins(text, first):
                add(Token(Tok.PUNCT, written, first, last))
        elif kind == "number":
            add(Token(Tok.NUMBER, written, first, last, _decimal(written)))
        elif kind == "cmp":
            add(Token(Tok.COMPARATOR, written.lower(), first, last, op=_op(written)))
        elif kind == "grade":
            add(Token(Tok.WORD, written, first, last))
        else:
            exponent = m["exp"] or m["paren"] or m["lost"] or m["sup"].translate(_SUPERSCRIPT)
            number = Decimal(m["mantissa"].replace(",", ""))
            add(Token(Tok.NUMBER, written.lower(), first, last, number, int(exponent)))
    return tokens


def _decimal(written: str) -> Decimal:
    if written.endswith("½"):
        return Decimal(written[:-1] or 0) + Decimal("0.5")
    if written.count(".") > 1:
        written = written.replace(".", "")
    return Decimal(written.replace(",", "").replace(" ", ""))


def _op(written: str) -> Op | None:
    """Reads "<", "</=", "=<", "≥", "> or equal to"; a bare "=" is none."""
    same = "=" in written or "≤" in written or "≥" in written or "equal" in written
    if "<" in written or "≤" in written:
        return Op.LE if same else Op.LT
    if ">" in written or "≥" in written:
        return Op.GE if same else Op.GT
    return None


def _joins(text: str, at: int) -> bool:
    """A hyphen between digits is a range; any other is a joint of a word and says nothing."""
    before = text[at - 1 : at] if at else ""
    after = text[at + 1 : at + 2]
    ends = before.isdigit() or before.isspace() or before == "" or _ROMAN_BEFORE.search(text, max(0, at - 5), at)
    begins = after.isdigit() or after.isspace() or after == "" or _ROMAN_AFTER.match(text, at + 1)
    return bool(ends and begins)
