"""The items of a text as a tree, built line by line: who is whose child."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from app.reader.headings import announces, is_section, keeps_list
from app.reader.registration import Kind

BULLET = re.compile(r"(?:[•●▪◦○■□➢►·*#]+|-(?!\d)|o(?=\s{2,}|\s[A-Z]))\s*")
NUMBER = re.compile(r"\(?(\d{1,2}|[a-hA-H]|[ivx]{1,4})[.)](?!\d)\s*|(\d{1,2})\s*,(?=\s*[A-Z])\s*")
_INLINE = re.compile(r"(?<=[;.,])\s*\(?(\d{1,2})\)\s*")
LINKED = re.compile(r"(?:[;,.:\s-]|^)(?:and\s*/\s*)?or\W*$", re.IGNORECASE)
LINKS = re.compile(r"^\W*(?:and\s*/\s*)?or\b(?!\s+who)\W*", re.IGNORECASE)
_CATCH_ALL = re.compile(
    r"^(?:any (?:other|uncertain)|other (?:conditions|reasons|circumstances|situations|factors)|"
    r"in the (?:investigator|opinion)|according to the judg|"
    r"investigators? (?:consider|believe)|researchers? (?:consider|believe))",
    re.IGNORECASE,
)


_DEEPEST = 12


@dataclass(slots=True)
class Item:
    """One item of a list. [start, end) is its own text; `stop` ends its last child.

    `part` is the heading that binds it to one part of the study, `topic` the section name it stands under, `either`
    says that its own words and its children are alternatives ("... or" at the end of a line). `under` is the item of
    the same list whose words may hold for it ("at least one of the following:" before items of the same indent).
    `link` is the word that joins the children of a list within one line ("and", "or", or "" where none does).
    `unsure`: on which side it stands, or whether it is asked at entry at all, the text does not say.
    """

    kind: Kind
    number: str
    style: str
    indent: int
    start: int
    end: int
    children: list[Item] = field(default_factory=list)
    part: tuple[int, int] | None = None
    topic: tuple[int, int] | None = None
    either: bool = False
    under: Item | None = None
    link: str = ""
    unsure: bool = False

    @property
    def stop(self) -> int:
        """Where the item ends, its children included."""
        return max([self.end, *(child.stop for child in self.children)])


@dataclass(slots=True)
class Line:
    """A line without the blanks around it; `opens`: the next one stands further in."""

    start: int
    end: int
    indent: int
    blank_before: bool
    opens: bool = False


class Tree:
    """Builds the tree line by line: who is whose child."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.roots: list[Item] = []
        self.stack: list[Item] = []
        self.margins: set[tuple[int, str]] = set()
        self.split_to = 0
        self.part: tuple[int, int] | None = None
        self.part_follows = False
        self.topic: tuple[int, int] | None = None
        self.unsure = False
        self.headings: list[tuple[int, int]] = []

    def open_part(self, line: Line) -> None:
        """The line is a heading: what follows is for the part or the people that it names."""
        self.close()
        self.part, self.part_follows, self.unsure = (line.start, line.end), False, False
        self.headings.append((line.start, line.end))

    def close(self) -> None:
        """A heading ends every open item."""
        self.stack = []
        self.topic = None

    def add(self, line: Line, side: Kind) -> None:
        """Put a line where it belongs, splitting numbers that stand inside it."""
        content = self.text[line.start : line.end]
        marker = BULLET.match(content)
        number = None if marker else NUMBER.match(content)
        bare = content[marker.end() :] if marker else content
        if is_section(bare) and not line.opens:
            self.close()
            self.topic = (line.start, line.end)
            self.headings.append((line.start, line.end))
            return
        if marker or number:
            mark = marker or number
            assert mark is not None
            begin = line.start + mark.end()
            # "- 1. text": a bullet followed by a number is one mark.
            if marker and (second := NUMBER.match(self.text[begin : line.end])):
                number, begin = second, begin + second.end()
            if begin >= line.end:
                return
            label = next((g for g in number.groups() if g), "") if number else ""
            style = _style(label) if label else f"bullet {content[0]}"
            self._item(side, label, style, line, begin)
        else:
            self._unmarked(line, side, content)
        self._split_inline(side)

    def _unmarked(self, line: Line, side: Kind, content: str) -> None:
        last = self.stack[-1] if self.stack else None
        same_side = (bool(self.roots) and self.roots[-1].kind is side) or any(root.kind is side for root in self.roots)
        if last is None and announces(content) and not keeps_list(content, side):
            self.headings.append((line.start, line.end))
            return  # words that only announce the list are its heading
        if last is None or not same_side:
            self._item(side, "", "paragraph", line, line.start)
            last_sentence = content.rsplit(". ", 1)[-1]
            stands_apart = announces(last_sentence) or not keeps_list(last_sentence, side)
            if content.endswith((":", "：")) and not same_side and stands_apart:
                self.stack = []  # what follows stands as well by itself
            return
        opener = self._opener()
        if opener is not None and not line.blank_before:
            self._child(opener, side, "", "line", line, line.start)
            return
        closing = self._last_sign(last)
        if not line.blank_before and closing not in {".", ";", "；", "。", ":"}:
            last.end = line.end
            whole = self.text[last.start : last.end].rsplit(". ", 1)[-1]
            if last.style == "paragraph" and whole.endswith((":", "：")) and announces(whole):
                self.stack = []  # "... Subjects who meet all of the following criteria:"
            return
        if content[:1].islower() and closing not in {".", ":"}:
            last.end = line.end
            return
        self._item(side, "", "paragraph", line, line.start)

    def _opener(self) -> Item | None:
        """The innermost open item whose words announce a list, None where none does."""
        for item in reversed(self.stack):
            if self._last_sign(item) in {":", "："}:
                return item
        return None

    def _last_sign(self, item: Item) -> str:
        """The last character of an item's own words that is no white space: looked for from behind, however long."""
        end = item.end
        while end > item.start and self.text[end - 1].isspace():
            end -= 1
        return self.text[end - 1 : end] if end > item.start else ""

    def _item(self, side: Kind, label: str, style: str, line: Line, begin: int) -> None:
        if _CATCH_ALL.match(self.text[begin : line.end]):
            self.stack = []
            self._root(side, label, style, line, begin)
            return
        parent = self._parent(label, style, line)
        if parent is None:
            self._root(side, label, style, line, begin)
        else:
            self._child(parent, side, label, style, line, begin)

    def _parent(self, label: str, style: str, line: Line) -> Item | None:
        """Whose child a marked line is.

        The open items of the same style are siblings to be; a new style (or a restart at 1) after words that announce a
        list, or a deeper indent, opens a child list.
        """
        opener = self._opener()
        for depth in range(len(self.stack) - 1, -1, -1):
            item = self.stack[depth]
            if item.style != style or (item is opener and line.indent > item.indent):
                continue
            if style.startswith("bullet") and line.indent < item.indent and depth:
                continue
            if style.startswith("bullet") and line.indent > item.indent and not self._indent_of_root(line, style):
                return item
            if style == "number":
                if int(label) == int(item.number) + 1:
                    return self.stack[depth - 1] if depth else None
                if int(label) == 1 and opener is item:
                    return opener
                continue
            if item is opener and line.indent <= item.indent and style.startswith("bullet"):
                return self.stack[depth - 1] if depth else None
            return self.stack[depth - 1] if depth else None
        if opener is not None:
            return opener
        if (
            self.stack
            and line.indent > self.stack[-1].indent
            and style not in {self.stack[-1].style, "paragraph"}
            and self.stack[-1].style != "paragraph"
        ):
            return self.stack[-1]
        return None

    def _indent_of_root(self, line: Line, style: str) -> bool:
        """Roots stand at this indent already: a line before it has slipped to the left."""
        return (line.indent, style) in self.margins

    def _root(self, side: Kind, label: str, style: str, line: Line, begin: int) -> None:
        item = Item(side, label, style, line.indent, begin, line.end, part=self.part, topic=self.topic)
        item.unsure = self.unsure
        self.roots.append(item)
        self.margins.add((line.indent, style))
        self.stack = [item]

    def _child(self, parent: Item, side: Kind, label: str, style: str, line: Line, begin: int) -> None:
        item = Item(side, label, style, line.indent, begin, line.end, topic=self.topic)
        if len(self.stack) > _DEEPEST:
            # A list so deep is damage of layout: what is deeper stands beside.
            parent = min(self.stack[_DEEPEST - 1], parent, key=self.stack.index)
        parent.children.append(item)
        del self.stack[self.stack.index(parent) + 1 :]
        self.stack.append(item)

    def _split_inline(self, side: Kind) -> None:
        """Reads "1. ...; 2) ...; (7) ...": numbers inside a line go on with the list whose count they continue."""
        if not self.stack:
            return
        last = self.stack[-1]
        if not last.number.isdigit():
            return
        # What a line before this one was searched for is not searched again.
        position = max(last.start, self.split_to) if self.split_to < last.end else last.start
        self.split_to = last.end
        while mark := _INLINE.search(self.text, position, last.end):
            value = int(mark[1])
            depth = next(
                (
                    d
                    for d in range(len(self.stack) - 1, -1, -1)
                    if self.stack[d].number.isdigit() and int(self.stack[d].number) + 1 == value
                ),
                None,
            )
            if depth is None:
                position = mark.end()
                continue
            stop = last.end
            last.end = mark.start()
            line = Line(mark.end(), stop, last.indent, blank_before=False)
            if depth == 0:
                self._root(side, mark[1], "number", line, mark.end())
            else:
                self._child(self.stack[depth - 1], side, mark[1], "number", line, mark.end())
            last = self.stack[-1]
            position = last.start


def _style(label: str) -> str:
    if label.isdigit():
        return "number"
    return "roman" if label.lower() in {"i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x"} else "letter"
