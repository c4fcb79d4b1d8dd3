"""Lists within one line: "... of the following: (1) A; (2) B", "defined as: a. A, b. B", "any of these: A; B"."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MARK = re.compile(
    r"(?:(?<=[\s;,.:])|\A)\(?(?P<label>\d{1,2}|[a-h]|i{1,3}|iv|v|vi{1,3})(?:\)|\.(?!\d))\s*(?=[^\s\d.,;)])"
)
_ORDERS: tuple[tuple[str, ...], ...] = (
    tuple(str(n) for n in range(1, 21)),
    tuple("abcdefgh"),
    ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii"),
)
_LEADS = re.compile(
    r"(?:[:：]|\b(?:following|includ(?:es?|ing)|defined\s+(?:as|by)|such\s+as|either|both|as|are|these|of|with|have|has|"
    r"must|by|meets?|criteria)\b)\s*\Z",
    re.IGNORECASE,
)
_LINK = re.compile(r"[\s;,.]*\b(?P<word>and\s*/\s*or|and|or)?[\s;,.:]*\Z", re.IGNORECASE)
_OF_A_LIST = re.compile(
    r"\b(?:following|(?:any|all|both|either|none|one|two|three|four|five|\d)(?:\s+\(\d\))?(?:\s+or\s+more)?\s+of"
    r"(?:\s+(?:the|these|those))?(?:\s+\w+){0,3})\b[^:;]{0,120}[:：]\s*",
    re.IGNORECASE,
)
_LONGEST_LEAD = 240


@dataclass(frozen=True, slots=True)
class InlineList:
    """The words before a list end at `lead`; `parts` are spans; `link` is the word that joins them, or "".

    Where some parts are joined by "and" and others by "or", none of the two says how.
    """

    lead: int
    parts: tuple[tuple[int, int], ...]
    link: str


def inline_list(text: str, start: int, end: int) -> InlineList | None:
    """The list that stands in `text[start:end]`, one line of its own words; None where there is none."""
    return _marked(text, start, end) or _parted(text, start, end)


def _marked(text: str, start: int, end: int) -> InlineList | None:
    """Marks that count up from the first of their kind, the first behind words that lead to a list."""
    marks = list(_MARK.finditer(text, start, end))
    for at, first in enumerate(marks[:-1]):
        lead = text[start : first.start()]
        if first.start() - start > _LONGEST_LEAD:
            return None
        order = next((each for each in _ORDERS if each[0] == first["label"]), None)
        if order is None or not lead.strip() or not _LEADS.search(lead.rstrip("( ")):
            continue
        chain = [first]
        for mark in marks[at + 1 :]:
            if len(chain) < len(order) and mark["label"] == order[len(chain)]:
                chain.append(mark)
        if len(chain) < 2:
            continue
        stops = [*(mark.start() for mark in chain[1:]), end]
        return _made(text, first.start(), [(mark.end(), stop) for mark, stop in zip(chain, stops, strict=True)])
    return None


def _parted(text: str, start: int, end: int) -> InlineList | None:
    """Semicolons between things that the words before a colon count: "one of the following: A; B"."""
    match = _OF_A_LIST.search(text, start, min(end, start + _LONGEST_LEAD))
    if match is None or ":" in text[start : match.end() - 1].rstrip().rstrip(":"):
        return None
    depth, begin = 0, match.end()
    spans: list[tuple[int, int]] = []
    for place in range(match.end(), end):
        sign = text[place]
        depth += (sign in "([") - (sign in ")]")
        if sign == ";" and depth <= 0:
            spans.append((begin, place))
            begin = place + 1
    spans.append((begin, end))
    return _made(text, match.end(), spans) if len(spans) > 1 else None


def _made(text: str, lead: int, spans: list[tuple[int, int]]) -> InlineList | None:
    """The spans without what joins them; None where one of them is empty or a sentence ends in it."""
    parts: list[tuple[int, int]] = []
    links: set[str] = set()
    for first, stop in spans:
        found = _LINK.search(text, first, stop)
        last = found.start() if found else stop
        if found and found["word"] and stop != spans[-1][1]:
            links.add("or" if "or" in found["word"].lower() else "and")
        while first < last and text[first] in " ;,":
            first += 1  # noqa: PLW2901 - the span begins at its first word
        opened = re.match(r"(?P<word>and|or)\s+", text[first:last], re.IGNORECASE)
        if opened:
            links.add(opened["word"].lower())
            first += opened.end()  # noqa: PLW2901 - as above
        if first >= last:
            return None
        parts.append((first, last))
    return InlineList(lead, tuple(parts), links.pop() if len(links) == 1 else "")
