"""An item and the list under it → one node: all-of, any-of, how many, none of; whom it binds; what its words share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.criteria.nodes import (
    AllOf,
    AnyOf,
    Criterion,
    HasCondition,
    If,
    Judgement,
    Not,
    NotUnderstood,
    Quote,
    children,
)
from app.reader.clauses import Clauses
from app.reader.counting import counted, says_every
from app.reader.headings import announces, keeps_list, part_name
from app.reader.items import LINKED, LINKS
from app.reader.people import label_name
from app.reader.registration import Kind
from app.reader.scan_time import in_frame
from app.reader.scanner import shared_frame

if TYPE_CHECKING:
    from app.reader.context import Context, Frame
    from app.reader.items import Item

_ANNOUNCES = re.compile(
    r"(?:[:：]|\b(?:the following|as follows|listed below|defined below|as below|following criteria)\b[\s.]*)\s*$",
    re.IGNORECASE,
)
_NONE = re.compile(r"\b(?:no|none|not|without|absence|free|never|neither)\b", re.IGNORECASE)
_CONDITIONAL = re.compile(
    r"\b(?:if|for|when|where|in case|unless|who|whose|women|woman|men|males?|females?|with|receiving|taking)\b",
    re.IGNORECASE,
)
_EXCEPTS = re.compile(
    r",?\s*\b(?:with\s+)?(?:the\s+)?(?:following\s+)?"
    r"(?:except(?:ion|ions)?|unless|other than|excluding|apart from)\b[^:]*[:：]?\s*$",
    re.IGNORECASE,
)
_NARROWS = re.compile(
    r"\b(?:if|when|where|in case|unless|who|whose|women|woman|men|males?|females?|with|receiving|taking|"
    r"for (?:patients|subjects|participants|those|women|men|at least))\b",
    re.IGNORECASE,
)
_WHO = re.compile(
    r"^\W*(?:(?:all|any)\s+)?(?:patients?|subjects?|participants?|individuals|persons?|people|those)\s+"
    r"(?:with|who have|who has|having|who had)\b",
    re.IGNORECASE,
)
_DEFINES = re.compile(
    r"\b(?:meeting (?:any|one)|(?:any|one)(?: or more)? of the following|defined (?:as|by)|(?:as )?evidenced by|"
    r"as follows|the following)\b",
    re.IGNORECASE,
)
_SCOPE = re.compile(
    r"^\W*(?:for|if|among|in(?!\s+(?:order|addition|general|particular|accordance|total|the\s+opinion)))\b",
    re.IGNORECASE,
)
_TAIL = re.compile(
    r",?\s*\b(?:and|with|plus|who have|having|as well as)\s+"
    r"(?:(?:who )?(?:have|has|meet|meets|must have|presence of)\s+)?"
    r"(?:at least\s+)?(?:any|one|two|three|all|either|\d)\b(?:\s+\(\d\))?(?:\s+or more)?\s+(?:one\s+)?"
    r"of the following\b.*$",
    re.IGNORECASE | re.DOTALL,
)


def read_item(item: Item, context: Context, *, excludes: bool) -> Criterion:
    """The node of an item, the list under it included; in the frame of its side."""
    if item.unsure:
        context.note("It stands below a heading of its own: on which side, and for whom, is for a person to tell.")
        return _unread(context.source, item.start, item.stop)
    if item.children:
        node = _list(item, context, excludes=excludes)
    elif item.under is not None and _opens(context.source[item.start : item.end]):
        node = _unread(context.source, item.start, item.end)
    else:
        node = _linked(item, context, excludes=excludes)
    if item.under is not None and item.under is not item:
        node = _shadowed(node, item, context, excludes=excludes)
    if item.part is not None:
        node = for_part(node, item.part, context, excludes=excludes)
    return node


def adopt(items: list[Item], text: str) -> None:
    """Mark the items of a flat list that follow words which may hold for them ("at least one of the following:")."""
    opener: Item | None = None
    side: Kind | None = None
    for item in items:
        if item.kind is not side:
            opener, side = None, item.kind
        own = text[item.start : item.end].rsplit(". ", 1)[-1]
        if not item.children and not item.either and _opens(own):
            opener = item if keeps_list(own, item.kind) and not announces(own) else None
        item.under = opener
        adopt(item.children, text)


def for_part(node: Criterion, label: tuple[int, int], context: Context, *, excludes: bool) -> Criterion:
    """Binds a criterion to one part of the study: it is never a definite fail for the others."""
    words = label_name(context.source[slice(*label)])
    name = part_name(words) or words
    quote = Quote(context.source[slice(*label)], *label)
    context.note(f"Binds only: {name}.")
    meant = Judgement(f"Is the patient meant for {name}?", quote)
    return AllOf((meant, node), quote) if excludes else If(meant, node, None, quote)


def _linked(item: Item, context: Context, *, excludes: bool) -> Criterion:
    """The item's own words without an "or" that only links it to its neighbours."""
    own = context.source[item.start : item.end]
    first = LINKS.match(own)
    last = LINKED.search(own)
    start = item.start + (first.end() if first else 0)
    end = item.start + (last.start() if last else len(own))
    return Clauses(context, excludes=excludes).read(*((start, end) if start < end else (item.start, item.end)))


def _opens(own: str) -> bool:
    return _ANNOUNCES.search(own) is not None


def _shadowed(node: Criterion, item: Item, context: Context, *, excludes: bool) -> Criterion:
    """An item that may be one of several alternatives, or hold for some only, decides only where all readings agree."""
    assert item.under is not None
    doubt = _unread(context.source, item.under.start, item.under.end)
    quote = Quote(context.source[item.start : item.stop], item.start, item.stop)
    context.note("The words before it may hold for it as well: it does not decide by itself.")
    return AllOf((node, doubt), quote) if excludes else AnyOf((node, doubt), quote)


def _list(item: Item, context: Context, *, excludes: bool) -> Criterion:
    own = context.source[item.start : item.end]
    quote = Quote(context.source[item.start : item.stop], item.start, item.stop)
    if item.either:
        parts = [
            _linked(item, context, excludes=excludes),
            *(read_item(child, context, excludes=excludes) for child in item.children),
        ]
        return AnyOf(tuple(parts), quote)
    if not _opens(own) and not any(child.style == "inline" for child in item.children):
        return _sentence_and_list(item, context, quote, excludes=excludes)
    return _Opened(item, context, excludes=excludes).read(quote)


def _sentence_and_list(item: Item, context: Context, quote: Quote, *, excludes: bool) -> Criterion:
    """A sentence of its own with a list under it: the list may add to it or say what it means."""
    own = Clauses(context, excludes=excludes).read(item.start, item.end)
    parts = tuple(read_item(child, context, excludes=excludes) for child in item.children)
    if excludes:
        below = _unread(context.source, item.start, item.end)
        return AnyOf((AllOf((own, below), quote), *parts), quote)
    return AllOf((own, _all_or_any(parts, quote)), quote)


def _all_or_any(parts: tuple[Criterion, ...], quote: Quote) -> Criterion:
    """Both readings of a list that does not say whether one of it suffices: all decide true, none decides false."""
    if len(parts) == 1:
        return parts[0]
    doubt = NotUnderstood("Is one of the listed things enough?", quote)
    return AnyOf((AllOf(parts, quote), AllOf((AnyOf(parts, quote), doubt), quote)), quote)


def _unread(text: str, start: int, end: int) -> NotUnderstood:
    return NotUnderstood(" ".join(text[start:end].split()), Quote(text[start:end], start, end))


class _Opened:
    """A list under words that end in a colon."""

    def __init__(self, item: Item, context: Context, *, excludes: bool) -> None:
        self.item, self.context, self.excludes = item, context, excludes
        self.own = context.source[item.start : item.end]

    def read(self, quote: Quote) -> Criterion:
        own = self.own.strip().rstrip(":：").strip()
        if ":" not in own and part_name(own) is not None:
            parts = self._parts(self.excludes, None)
            node = self._joined(parts, quote, negative=False)
            return for_part(node, (self.item.start, self.item.end), self.context, excludes=self.excludes)
        if (excepts := _EXCEPTS.search(self.own)) is not None:
            return self._excepted(excepts.start(), quote)
        frame, negative, left_over = shared_frame(self.context, self.item.start, self.item.end)
        if negative and self.excludes:
            # Whether having or lacking them excludes is not certain.
            return _unread(self.context.source, self.item.start, self.item.stop)
        parts = self._parts(self.excludes or negative, frame)
        node = self._joined(parts, quote, negative=negative)
        if not left_over:
            return node
        head = self._head()
        if head is not None and not negative:
            return AllOf((head, node), quote)
        return self._doubtful(node, quote)

    def _head(self) -> Criterion | None:
        """What stands before "... and at least one of the following": a criterion of its own, where it can be read."""
        match = _TAIL.search(self.own)
        if match is None or not match.start():
            return None
        node = Clauses(self.context, excludes=False).read(self.item.start, self.item.start + match.start())
        return node if reads_whole(node) else None

    def _excepted(self, at: int, quote: Quote) -> Criterion:
        """Reads "Other malignancies, except: ...": what is listed is an exception, for a person to tell."""
        start = self.item.start
        if not self.excludes or not at:
            return _unread(self.context.source, start, self.item.stop)
        head = Clauses(self.context, excludes=True).read(start, start + at)
        return AllOf((head, Not(_unread(self.context.source, start + at, self.item.stop))), quote)

    def _parts(self, excludes: bool, frame: Frame | None) -> tuple[Criterion, ...]:  # noqa: FBT001 - a frame, not a switch
        saved, self.context.frame = self.context.frame, frame
        try:
            parts = tuple(read_item(child, self.context, excludes=excludes) for child in self.item.children)
            return parts if frame is None else tuple(in_frame(part, frame) for part in parts)
        finally:
            self.context.frame = saved

    def _joined(self, parts: tuple[Criterion, ...], quote: Quote, *, negative: bool) -> Criterion:
        read = counted(self.own, parts, quote, negative=negative)
        if read is not None:
            return read
        if negative:
            return _unread(self.context.source, self.item.start, self.item.stop)
        every = says_every(self.own)
        if (self.excludes and not every) or self.item.link == "or":
            return AnyOf(parts, quote)
        linked = any(child.either for child in self.item.children)
        if not every and self.item.link != "and" and (linked or _alternatives(parts)):
            return _all_or_any(parts, quote)
        return AllOf(parts, quote)

    def _doubtful(self, node: Criterion, quote: Quote) -> Criterion:
        """Words before the list that were not read may narrow it, ask for more, or say whom it binds."""
        words = _unread(self.context.source, self.item.start, self.item.end)
        if self.excludes:
            head = _WHO.sub("", self.own)
            if _NARROWS.search(head) or says_every(head) or re.search(r"\band\b", head) or negated(head):
                return AllOf((words, node), quote)
            # A plain heading: each thing listed under it excludes; where nothing says that the list is whole, the
            # heading itself may exclude as well.
            return node if _DEFINES.search(head) else AnyOf((node, words), quote)
        if _SCOPE.match(self.own):
            return If(words, node, None, quote)
        if _CONDITIONAL.search(self.own) or keeps_list(self.own, Kind.INCLUSION):
            return AllOf((words, If(words, node, None, quote)), quote)
        return AllOf((words, node), quote)


def _alternatives(parts: tuple[Criterion, ...]) -> bool:
    """Several diagnoses in a list that does not say so may be alternatives."""
    return sum(isinstance(_head(part), HasCondition) for part in parts) > 1


def _head(node: Criterion) -> Criterion:
    return _head(node.parts[0]) if isinstance(node, AllOf | AnyOf) and node.parts else node


def reads_whole(node: Criterion) -> bool:
    """Nothing of it was not understood."""
    return not isinstance(node, NotUnderstood) and all(map(reads_whole, children(node)))


def negated(text: str) -> bool:
    """A word that turns the meaning stands in it."""
    return _NONE.search(text) is not None
