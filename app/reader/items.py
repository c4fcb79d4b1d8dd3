"""Eligibility text → a tree of items: every character belongs to one item, a heading or white space."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from app.reader.registration import Kind

_BULLET = re.compile(r"(?:[•●▪◦○■□➢►·*]|-(?!\d))\s*")
_NUMBER = re.compile(r"\(?(\d{1,2}|[a-hA-H]|[ivx]{1,4})[.)](?!\d)\s*|(\d{1,2})\s*,(?=\s*[A-Z])\s*")
_INLINE = re.compile(r"(?<=[;.,])\s*\(?(\d{1,2})\)\s*")
_HEADING = re.compile(
    r"""^\W*(?:(?:key|main|major|general|principal|additional|patient|subject|participant)\s+)*
    (?:(?P<inc>inclusion|include)|(?P<exc>exclusion|exclude))(?:\s+criteri(?:a|on))?\b
    (?P<tail>[^:\n]{0,60}?)\s*(?P<colon>[:：])?[\s*_]*(?P<rest>.*)$""",
    re.IGNORECASE | re.VERBOSE,
)
_PLACEHOLDER = re.compile(r"^(?:not provided|not available|not applicable|n/?a|none)\.?$", re.IGNORECASE)
_PREAMBLE = re.compile(
    r"(?:criteria|following|conditions|requirements|study|enrolled|eligible|included|excluded|if)\b[^.]*[:：]?\s*$",
    re.IGNORECASE,
)
_CATCH_ALL = re.compile(
    r"^(?:any (?:other|uncertain)|other (?:conditions|reasons|circumstances|situations|factors)|"
    r"in the (?:investigator|opinion)|according to the judg|"
    r"investigators? (?:consider|believe)|researchers? (?:consider|believe))",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Item:
    """One item of a list. [start, end) is its own text; `stop` ends its last child."""

    kind: Kind
    number: str
    style: str
    indent: int
    start: int
    end: int
    children: list[Item] = field(default_factory=list)

    @property
    def stop(self) -> int:
        """Where the item ends, its children included."""
        return max([self.end, *(child.stop for child in self.children)])


@dataclass(slots=True)
class _Line:
    start: int
    end: int
    indent: int
    blank_before: bool


def split_items(text: str, start: int, end: int, kind: Kind | None) -> list[Item]:
    """The items of `text[start:end]` in order. `kind` is the side where no heading says so.

    Headings switch the side. A "not provided" where the inclusions should stand, with no heading after it, makes what
    follows exclusions (a mirror prints the missing list so).
    """
    tree = _Tree(text)
    side = kind or Kind.INCLUSION
    explicit = kind is not None
    for found in _lines(text, start, end):
        line = found
        content = text[line.start : line.end]
        heading = _HEADING.match(content)
        if heading and _is_heading(heading, content):
            side = Kind.INCLUSION if heading["inc"] else Kind.EXCLUSION
            explicit = True
            tree.close()
            rest = heading["rest"]
            if not rest.strip("*_ "):
                continue
            offset = line.end - len(rest)
            line = _Line(offset, line.end, line.indent, blank_before=False)
            content = rest
        if _PLACEHOLDER.match(content.strip()):
            if not explicit and not tree.roots:
                side = Kind.EXCLUSION
            tree.close()
            continue
        tree.add(line, side)
    return tree.roots


def _is_heading(match: re.Match[str], content: str) -> bool:
    """A heading has a colon, or is the whole line; "Exclusion of pregnancy" is an item."""
    if "criteri" not in content.lower() and not (match["colon"] and not match["tail"].strip()):
        return False
    if match["colon"]:
        return not match["tail"].strip() or bool(re.match(r"^[\s(][\w\s(),-]*$", match["tail"]))
    bare = not match["tail"].strip() and not match["rest"].strip(" *_")
    return bare or re.match(r"^\W*(?i:inclusion|exclusion) (?i:criteria) [A-Z]", content) is not None


def _lines(text: str, start: int, end: int) -> list[_Line]:
    lines: list[_Line] = []
    blank = True
    position = start
    for raw in text[start:end].split("\n"):
        stripped = raw.strip()
        if stripped:
            indent = len(raw) - len(raw.lstrip())
            begin = position + indent
            lines.append(_Line(begin, begin + len(stripped), indent, blank))
            blank = False
        else:
            blank = True
        position += len(raw) + 1
    return lines


class _Tree:
    """Builds the tree line by line: who is whose child."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.roots: list[Item] = []
        self.stack: list[Item] = []

    def close(self) -> None:
        """A heading ends every open item."""
        self.stack = []

    def add(self, line: _Line, side: Kind) -> None:
        """Put a line where it belongs, splitting numbers that stand inside it."""
        content = self.text[line.start : line.end]
        marker = _BULLET.match(content)
        number = None if marker else _NUMBER.match(content)
        if marker or number:
            mark = marker or number
            assert mark is not None
            begin = line.start + mark.end()
            # "- 1. text": a bullet followed by a number is one mark.
            if marker and (second := _NUMBER.match(self.text[begin : line.end])):
                number, begin = second, begin + second.end()
            if begin >= line.end:
                return
            label = next((g for g in number.groups() if g), "") if number else ""
            style = _style(label) if label else f"bullet {content[0]}"
            self._item(side, label, style, line, begin)
        else:
            self._unmarked(line, side, content)
        self._split_inline(side)

    def _unmarked(self, line: _Line, side: Kind, content: str) -> None:
        last = self.stack[-1] if self.stack else None
        same_side = [root for root in self.roots if root.kind is side]
        if last is None or not same_side:
            # Words before the first item that only announce the list are its heading.
            if content.endswith((":", "：")) or (_PREAMBLE.search(content) and len(content) < 160 and not last):
                return
            self._item(side, "", "paragraph", line, line.start)
            return
        opener = self._opener()
        if opener is not None and not line.blank_before:
            self._child(opener, side, "", "line", line, line.start)
            return
        previous = self.text[last.start : last.end]
        if not line.blank_before and not previous.rstrip().endswith((".", ";", "；", "。", ":")):
            last.end = line.end
            return
        if content[:1].islower() and not previous.rstrip().endswith((".", ":")):
            last.end = line.end
            return
        self._item(side, "", "paragraph", line, line.start)

    def _opener(self) -> Item | None:
        """The innermost open item whose words announce a list, None where none does."""
        for item in reversed(self.stack):
            if self.text[item.start : item.end].rstrip().endswith((":", "：")):
                return item
        return None

    def _item(self, side: Kind, label: str, style: str, line: _Line, begin: int) -> None:
        if _CATCH_ALL.match(self.text[begin : line.end]):
            self.stack = []
            self._root(side, label, style, line, begin)
            return
        parent = self._parent(label, style, line)
        if parent is None:
            self._root(side, label, style, line, begin)
        else:
            self._child(parent, side, label, style, line, begin)

    def _parent(self, label: str, style: str, line: _Line) -> Item | None:
        """Whose child a marked line is.

        The open items of the same style are siblings to be; a new style (or a restart at 1) after words that announce a
        list, or a deeper indent, opens a child list.
        """
        opener = self._opener()
        for depth in range(len(self.stack) - 1, -1, -1):
            item = self.stack[depth]
            if item.style != style or (item is opener and line.indent > item.indent):
                continue
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

    def _root(self, side: Kind, label: str, style: str, line: _Line, begin: int) -> None:
        item = Item(side, label, style, line.indent, begin, line.end)
        self.roots.append(item)
        self.stack = [item]

    def _child(self, parent: Item, side: Kind, label: str, style: str, line: _Line, begin: int) -> None:
        item = Item(side, label, style, line.indent, begin, line.end)
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
        position = last.start
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
            line = _Line(mark.end(), stop, last.indent, blank_before=False)
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
