"""Criteria that came already split → one text that spans point into, and its items."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.criteria.nodes import NotUnderstood, Preference, Quote
from app.reader.items import Item
from app.reader.registration import Kind, ReadCriterion, Reading
from app.reader.split import split_items

TITLES = {Kind.INCLUSION: "Inclusion Criteria:", Kind.EXCLUSION: "Exclusion Criteria:"}
NEGATED = "It is excluded, and its words are negative: whether having or lacking it excludes is not certain."


@dataclass(frozen=True, slots=True)
class Line:
    """One criterion to be: its words and its side.

    `doubt` is "" or why its words must not decide anything. `children` are what a line that ends in a colon announces.
    `has_headings` is true for words that bring headings of their own, which then say the sides. `is_heading` is true
    for words that only name what follows: they bind nobody.
    """

    text: str
    kind: Kind
    doubt: str = ""
    children: tuple[str, ...] = ()
    has_headings: bool = False
    is_heading: bool = False


@dataclass(frozen=True, slots=True)
class _Region:
    """A part of the text: [start, end), and the line it was made of; None for a text with its own headings."""

    start: int
    end: int
    line: Line | None


@dataclass(frozen=True, slots=True)
class MadeText:
    """The text that was made of lines. `regions` are what `items` needs of them."""

    text: str
    regions: tuple[_Region, ...]

    def items(self, plain: str) -> list[Item]:
        """The items of the text; `plain` is it, normalised."""
        found: list[Item] = []
        for region in self.regions:
            if region.line is None:
                found += split_items(plain, region.start, region.end, None)
            else:
                found += _items_of(plain, region, region.line)
        return found

    def told(self, criteria: tuple[ReadCriterion, ...]) -> tuple[ReadCriterion, ...]:
        """The criteria as they were read, save those whose line must not decide, or only names what follows."""
        lines = {each.start + len("- "): each.line for each in self.regions if each.line is not None}
        return tuple(_told(each, lines.get(each.span[0]) if each.span != (0, 0) else None) for each in criteria)


_HEADING = "Read as the heading of what follows; it asks for nothing."


def made_of(lines: list[Line]) -> MadeText:
    """The text of these lines: inclusions, exclusions, then what has its own headings."""
    text = ""
    regions: list[_Region] = []
    for kind in Kind:
        own = [each for each in lines if each.kind is kind and not each.has_headings]
        if not own:
            continue
        text += f"\n{TITLES[kind]}\n" if text else f"{TITLES[kind]}\n"
        for line in own:
            start = len(text)
            text += "- " + line.text.replace("\n", "\n  ")
            text += "".join(f"\n  - {child}" for child in line.children)
            regions.append(_Region(start, len(text), line))
            text += "\n"
    for line in lines:
        if line.has_headings:
            text += "\n" if text else ""
            regions.append(_Region(len(text), len(text) + len(line.text), None))
            text += f"{line.text}\n"
    return MadeText(text, tuple(regions))


def _items_of(plain: str, region: _Region, line: Line) -> list[Item]:
    begin = region.start + len("- ")
    whole = Item(line.kind, "", "bullet -", 0, begin, region.end)
    if line.children:
        whole.end = begin + len(line.text)
        at = whole.end
        for child in line.children:
            at += len("\n  - ")
            whole.children.append(Item(line.kind, "", "bullet -", 2, at, at + len(child)))
            at += len(child)
    is_whole = bool(line.doubt or line.children or line.is_heading)
    found = [] if is_whole else split_items(plain, region.start, region.end, line.kind)
    return found if found and all(each.kind is line.kind for each in found) else [whole]


def _told(criterion: ReadCriterion, line: Line | None) -> ReadCriterion:
    if line is None:
        return criterion
    words, quote = " ".join(criterion.text.split()), Quote(criterion.text, *criterion.span)
    if line.is_heading:
        return replace(criterion, reading=Reading.NOTE, expression=Preference(words, quote), notes=(_HEADING,))
    if not line.doubt:
        return criterion
    if line.doubt is NEGATED and criterion.reading in {Reading.JUDGEMENT, Reading.NOTE}:
        return criterion  # a person reads the words in their place
    unread = NotUnderstood(words, quote)
    return replace(criterion, reading=Reading.UNREAD, expression=unread, notes=(*criterion.notes, line.doubt))
