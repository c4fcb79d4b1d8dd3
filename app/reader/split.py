"""Eligibility text → its items and headings: every character belongs to one item, a heading or white space."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.reader.headings import is_section, part_name, side_heading
from app.reader.inline_lists import inline_list
from app.reader.items import BULLET, LINKED, LINKS, NUMBER, Item, Line, Tree
from app.reader.people import group_line, label_name, names_later_list
from app.reader.registration import Kind

if TYPE_CHECKING:
    from app.reader.people import GroupLine

_PLACEHOLDER = re.compile(r"^(?:not provided|not available|not applicable|n/?a|none)\.?$", re.IGNORECASE)
# People who are nobody's patients here: a list of theirs after the exclusions is another list.
_HEADED = re.compile(
    r"healthy|volunteer|control|donor|recipient|care|parent|child|provider|professional|worker|clinician|staff",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Split:
    """The items of a text, and the spans of its headings: what is in neither is white space and the signs of lists."""

    items: list[Item]
    headings: list[tuple[int, int]]


def split_items(text: str, start: int, end: int, kind: Kind | None) -> list[Item]:
    """The items of `text[start:end]` in order; `kind` is the side where no heading says so."""
    return split(text, start, end, kind).items


def split(text: str, start: int, end: int, kind: Kind | None) -> Split:
    """The items and headings of `text[start:end]` in order. `kind` is the side where no heading says so.

    Headings switch the side. A "not provided" where the inclusions should stand, with no heading after it, makes what
    follows exclusions (a mirror prints the missing list so).
    """
    tree = Tree(text)
    side = kind or Kind.INCLUSION
    explicit = kind is not None
    lines = _lines(text, start, end)
    groups = _Groups(text, lines)
    for n, found in enumerate(lines):
        line = found
        content = text[line.start : line.end]
        following = lines[n + 1] if n + 1 < len(lines) else None
        if heading := side_heading(content, line.start):
            side = heading.side
            explicit = True
            tree.close()
            tree.unsure = False
            groups.begin(side)
            tree.headings.append((line.start, line.end if heading.rest is None else heading.rest))
            if heading.part is not None:
                tree.part, tree.part_follows = heading.part, False
            elif not tree.part_follows:
                tree.part = None
            if heading.rest is None:
                continue
            line = Line(heading.rest, line.end, line.indent, blank_before=False)
            content = text[line.start : line.end]
        elif (
            following
            and not BULLET.match(content)
            and (part_name(content) or groups.at(n))
            and side_heading(text[following.start : following.end], following.start)
        ):
            # "Part 2" above "Inclusion Criteria": both lists below are for that part, until the next such line.
            tree.open_part(line)
            tree.part_follows = True
            continue
        elif (group := groups.at(n)) is not None:
            # "Healthy controls:" among the exclusions, and no such line among the inclusions: whose list it is, is
            # known, and its side is not.
            unsure = not group.everybody and not group.numbered and groups.is_new(side)
            tree.open_part(line)
            tree.part = None if group.everybody else tree.part
            tree.unsure = unsure
            groups.seen(side)
            continue
        elif names_later_list(content):
            tree.open_part(line)
            tree.unsure = True
            continue
        if _PLACEHOLDER.match(content.strip()):
            if not explicit and not tree.roots:
                side = Kind.EXCLUSION
            tree.close()
            tree.headings.append((line.start, line.end))
            continue
        line.opens = following is not None and following.indent > line.indent
        tree.add(line, side)
    items = [_opened(item, text) for item in _either(tree.roots, text)]
    return Split(_of_one_population(items, groups), tree.headings)


def _of_one_population(items: list[Item], groups: _Groups) -> list[Item]:
    """The items without a label that all of the text has: "Inclusion criteria for X", and of nobody else."""
    if groups.several:
        return items
    for item in items:
        if item.part is not None and part_name(label_name(groups.text[slice(*item.part)])) is None:
            item.part = None
    return items


class _Groups:
    """Which lines name a group of people, and on which sides such lines have stood."""

    def __init__(self, text: str, lines: list[Line]) -> None:
        self.text = text
        self.sides: set[Kind] = set()
        self.side_headings: list[Kind] = []
        found = {n: group for n in range(len(lines)) if (group := self._read(lines, n)) is not None}
        named = {group.name.lower() for group in found.values() if not group.everybody}
        meant = len(named) > 1 or any(group.strong for group in found.values())
        # "Cohort A:" alone stands as an item above its list, which its words may join.
        plain = all(group.everybody or self._is_plain(lines[n]) for n, group in found.items())
        self.found = found if meant and not plain else {}

    def _read(self, lines: list[Line], n: int) -> GroupLine | None:
        content = self.text[lines[n].start : lines[n].end]
        after = lines[n + 1] if n + 1 < len(lines) else None
        if after is None or BULLET.match(content) or NUMBER.match(content) or is_section(content):
            return None
        next_text = self.text[after.start : after.end]
        marked = BULLET.match(next_text) or NUMBER.match(next_text)
        return group_line(content, opens=marked is not None)

    def _is_plain(self, line: Line) -> bool:
        content = self.text[line.start : line.end].rstrip(" *_")
        return content.endswith((":", "：")) and part_name(content) is not None and _HEADED.search(content) is None

    def at(self, n: int) -> GroupLine | None:
        """The group that line `n` names."""
        return self.found.get(n)

    def begin(self, side: Kind) -> None:
        """A heading has opened a list of this side."""
        self.side_headings.append(side)

    def seen(self, side: Kind) -> None:
        """A group line stood on this side."""
        self.sides.add(side)

    def is_new(self, side: Kind) -> bool:
        """Groups are spoken of among the exclusions for the first time."""
        return side is Kind.EXCLUSION and Kind.INCLUSION not in self.sides

    @property
    def several(self) -> bool:
        """More than one group may be spoken of."""
        return bool(self.found) or any(self.side_headings.count(side) > 1 for side in Kind)


def _opened(item: Item, text: str) -> Item:
    """The item, and those under it, with the list that stands within its own line made its children."""
    if item.children:
        item.children = [_opened(child, text) for child in item.children]
        return item
    found = inline_list(text, item.start, item.end)
    if found is not None:
        item.end, item.link = found.lead, found.link
        item.children = [Item(item.kind, "", "inline", item.indent, *span, topic=item.topic) for span in found.parts]
    return item


def _either(items: list[Item], text: str) -> list[Item]:
    """Items that "or" links across lines become one: "creatinine ...; or" and the line after it."""
    result: list[Item] = []
    linked = False
    for item in items:
        item.children = _either(item.children, text)
        own = text[item.start : item.end]
        last = result[-1] if result else None
        begins = LINKS.match(own)
        if last is not None and last.kind is item.kind and (linked or begins):
            head = last if last.either else None
            if head is None and not last.children:
                head = last
                head.either = True
            if head is not None:
                bare = item.end <= item.start + (begins.end() if begins else 0) and not item.children
                linked = bare or LINKED.search(own) is not None
                if not bare:
                    head.children.append(item)
                continue
        result.append(item)
        linked = LINKED.search(own) is not None and not item.children
    return result


def _lines(text: str, start: int, end: int) -> list[Line]:
    lines: list[Line] = []
    blank = True
    position = start
    for raw in text[start:end].split("\n"):
        stripped = raw.strip()
        if stripped:
            indent = len(raw) - len(raw.lstrip())
            begin = position + indent
            lines.append(Line(begin, begin + len(stripped), indent, blank))
            blank = False
        else:
            blank = True
        position += len(raw) + 1
    return lines
