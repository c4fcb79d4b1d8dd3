"""What the reading of one clause rests on: its text and tokens, the scanner, and what a node is made of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

from app.criteria.nodes import (
    AllOf,
    Criterion,
    Elapsed,
    HadTreatment,
    HadVaccine,
    HasAllergy,
    HasCondition,
    If,
    Measured,
    Not,
    Quote,
    ResultIs,
    Scored,
    children,
)
from app.reader.scan_state import UnreadError
from app.reader.scanner import Scanner
from app.reader.tokens import NameKind, Tok, Token, names_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.reader.context import Context

_SEGMENT = re.compile(r";\s*")


class ClauseState:
    """The state of one item under reading and its doors to the scanner; the forms are in the classes built on it."""

    def __init__(self, context: Context, *, excludes: bool) -> None:
        self.context = context
        self.excludes = excludes
        self.left_over_at: int | None = None
        self.halved = False

    def clause(self, start: int, end: int) -> Criterion:
        """The node of one clause: no sentence or semicolon ends inside it."""
        raise NotImplementedError

    def join_segments(self, spans: list[tuple[int, int]], quote: Quote) -> Criterion:
        """The node of parts that semicolons part."""
        raise NotImplementedError

    def _inner(self, *, excludes: bool) -> Self:
        return type(self)(self.context, excludes=excludes)

    def _scan(self, start: int, end: int) -> Criterion | None:
        try:
            return Scanner(self.context, start, end, excludes=self.excludes).read()
        except UnreadError as error:
            self.left_over_at = error.left_over_at
            return self._repaired(start, end)

    def _recovered(self, start: int, end: int) -> Criterion | None:
        """What is certain of a clause of which some words cannot be read."""
        try:
            return Scanner(self.context, start, end, excludes=self.excludes).read(recover=True)
        except UnreadError:
            return None

    def _repaired(self, start: int, end: int) -> Criterion | None:
        """A limit that lost its brackets in the middle of a name ("B HBV DNA>1000copy/mL/C virus hepatitis")."""
        tokens = self.context.tokens(start, end)
        if not any(token.stem == "/" for token in tokens):
            return None
        for k, token in enumerate(tokens):
            named = names_of(token, NameKind.ANALYTE)
            if (
                not named
                or k == 0
                or k + 3 >= len(tokens)
                or tokens[k + 1].op is None
                or tokens[k + 2].quantity is None
            ):
                continue
            if tokens[k + 3].stem != "/" or tokens[k - 1].names:
                continue
            pair = self._shared_head(tokens[k - 1], tokens[k + 4 : k + 5])
            if pair is None:
                continue
            first, second, used = pair
            bracket = (_punct("(", token), token, tokens[k + 1], tokens[k + 2], _punct(")", tokens[k + 2]))
            moved = [*tokens[: k - 1], first, *bracket, tokens[k + 3], second, *tokens[k + 4 + used :]]
            try:
                node = Scanner(self.context, start, end, excludes=self.excludes, tokens=moved).read()
            except UnreadError:
                continue
            self.context.note(
                f"“{flat(self.context.source[token.start : tokens[k + 2].end])}” is read as standing in brackets."
            )
            return node
        return None

    def _shared_head(self, first: Token, rest: list[Token]) -> tuple[Token, Token, int] | None:
        """Reads "B / C virus hepatitis": both names that the shared head makes."""
        if not rest or not rest[0].names or not rest[0].words:
            return None
        key = (first.stem, *rest[0].words[1:])
        names = self.context.phrases.names.get(key)
        if not names:
            return None
        made = Token(rest[0].kind, " ".join(key), first.start, first.end, names=names, words=key)
        return made, rest[0], 1

    def _turn(self, node: Criterion) -> Criterion:
        """A requirement among the exclusions means the requirement: its violation excludes."""
        if not self.excludes or not is_requirement(node):
            return node
        self.context.note("A requirement among the exclusions: what excludes is that it is not met.")
        quote = node.quote if hasattr(node, "quote") else None
        return Not(node, quote)

    # --- text --------------------------------------------------------------------------------------------------------

    def _segments(self, start: int, end: int) -> list[tuple[int, int]]:
        return self._spans(_SEGMENT, start, end)

    def _spans(self, pattern: re.Pattern[str], start: int, end: int) -> list[tuple[int, int]]:
        """Spans between matches of `pattern` that stand outside brackets."""
        spans: list[tuple[int, int]] = []
        begin = start
        text = self.context.source
        depth = Depth(text, start)
        for match in pattern.finditer(text, start, end):
            if depth.at(match.start()) > 0:
                continue
            spans.append((begin, match.start()))
            begin = match.end()
        spans.append((begin, end))
        return [self._trim(*span) for span in spans if text[span[0] : span[1]].strip(" .;,:\n")]

    def _trim(self, start: int, end: int) -> tuple[int, int]:
        text = self.context.source
        while start < end and text[start] in " \n\t;,":
            start += 1
        while end > start and text[end - 1] in " \n\t;,:":
            end -= 1
        if end > start and text[end - 1] == ".":
            end -= 1
        return start, end


def leaves(node: Criterion) -> Iterator[Criterion]:
    """What a node is made of in the end."""
    inner = children(node)
    if not inner:
        yield node
    for each in inner:
        yield from leaves(each)


def things(node: Criterion) -> Iterator[str]:
    """The concepts, analytes and scales that a node speaks of."""
    match node:
        case (
            HasCondition(concept=name)
            | HadTreatment(concept=name)
            | HadVaccine(concept=name)
            | HasAllergy(concept=name)
        ):
            yield name
        case Elapsed(treatment=treatment):
            yield from things(treatment)
        case Measured(analyte=name) | ResultIs(analyte=name) | Scored(scale=name):
            yield name
        case _:
            for each in children(node):
                yield from things(each)


class Depth:
    """How many brackets are open at a place of a text; counted on from the place that was asked for last."""

    def __init__(self, text: str, start: int = 0) -> None:
        self.text = text
        self.start = self.place = start
        self.depth = 0

    def at(self, place: int) -> int:
        """Brackets opened and not closed before `place`."""
        if place < self.place:
            self.place, self.depth = self.start, 0
        self.depth += self.text.count("(", self.place, place) - self.text.count(")", self.place, place)
        self.place = place
        return self.depth


def flat(text: str) -> str:
    """Words on one line."""
    return " ".join(text.split()).strip(" ;,")


def _punct(sign: str, near: Token) -> Token:
    return Token(Tok.PUNCT, sign, near.start, near.start)


def is_requirement(node: Criterion) -> bool:
    """It can only be asked for, and never excludes: a wash-out."""
    if isinstance(node, Elapsed):
        return True
    if isinstance(node, If):
        return is_requirement(node.then)
    return isinstance(node, AllOf) and bool(node.parts) and all(is_requirement(part) for part in node.parts)


def is_turned(node: Criterion) -> bool:
    """A requirement whose violation excludes."""
    return isinstance(node, Not) and is_requirement(node.part)
