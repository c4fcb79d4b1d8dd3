"""What a clause under reading consists of: its tokens, the drafts so far, and what was said before the next name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from app.criteria.nodes import AnyOf, Criterion, NotUnderstood, Outcome, Quote, Route, Timing, When
from app.reader.drafts import Draft, make, question
from app.reader.measures import name_first
from app.reader.sharing import share_words
from app.reader.timings import join_timings
from app.reader.tokens import Tok, Token

if TYPE_CHECKING:
    from app.criteria.time import Duration
    from app.reader.context import Context
    from app.reader.measures import Numbers


ROUTES = {
    "inhaled": Route.INHALED,
    "topical": Route.TOPICAL,
    "nasal": Route.NASAL,
    "intranasal": Route.NASAL,
    "ophthalmic": Route.OPHTHALMIC,
    "oral": Route.ORAL,
    "intravenous": Route.INTRAVENOUS,
    "iv": Route.INTRAVENOUS,
    "venous": Route.INTRAVENOUS,
    "systemic": Route.SYSTEMIC,
    "parenteral": Route.PARENTERAL,
    "intraperitoneal": Route.INTRAPERITONEAL,
    "intrathecal": Route.INTRATHECAL,
    "injectable": Route.PARENTERAL,
}


class UnreadError(Exception):
    """A word was left over, or two readings are possible; never leaves the reader."""

    def __init__(self, word: str, left_over_at: int | None = None) -> None:
        super().__init__(word)
        self.word = word
        self.left_over_at = left_over_at


@dataclass(slots=True)
class Pre:
    """What was said before the next name."""

    degrees: list[str] = field(default_factory=list)
    other: bool = False
    outcome: Outcome | None = None
    routes: tuple[Route, ...] = ()
    intent: str | None = None
    graded: tuple[Token, ...] = ()
    negated: bool = False
    now: bool = False


class ScanState:
    """The state of one clause under reading; the steps are in the classes built on it."""

    def __init__(
        self, context: Context, start: int, end: int, *, excludes: bool, tokens: list[Token] | None = None
    ) -> None:
        self.context = context
        self.text = context.source
        self.start, self.end = start, end
        self.excludes = excludes
        self.tokens = (
            tokens
            if tokens is not None
            else join_timings(name_first(share_words(context.tokens(start, end), context.phrases)))
        )
        self.i = 0
        self.drafts: list[Draft] = []
        self.joins: list[str] = []
        self.pauses: set[int] = set()
        self.sharing: set[int] = set()  # joins between names that share one limit
        self.pre = Pre()
        self.lead: When | None = None
        self.treat = False
        self.treat_current = False
        self.allergy = False
        self.suspected = False
        self.negative = False
        self.planned = False
        self.elapsed: tuple[Duration, int | None] | None = None
        self.barrier = 0
        self.shared_from = 0
        self.last_group = 0
        self.after_tail = False
        self.shares = False
        self.timed: Timing | None = None
        self.inherited: list[str] = []
        self.unrecovered: Token | None = None
        self.confirm: str | None = None
        self.applies: Criterion | None = None
        self.sex: Criterion | None = None
        self.exempt: Criterion | None = None
        self.finished = False
        self.values_only = False
        self.dosed: list[str] = []
        self.otherwise: Criterion | None = None
        self.extra: list[Criterion] = []
        self.lead = context.lead
        if (frame := context.frame) is not None:
            self.lead = frame.lead or self.lead
            self.treat, self.treat_current, self.planned = frame.treat, frame.treat_current, frame.planned
            self.allergy, self.suspected = frame.allergy, frame.suspected
            self.inherited = list(frame.degrees)

    def _at(self, offset: int = 0) -> Token | None:
        at = self.i + offset
        return self.tokens[at] if at < len(self.tokens) else None

    def _cue(self, *cues: str, offset: int = 0) -> bool:
        token = self._at(offset)
        return token is not None and not set(cues).isdisjoint(token.cues)

    def _quote(self, first: int, last: int) -> Quote:
        return Quote(self.text[first:last], first, last)

    def _sub(self, tokens: list[Token], *, excludes: bool | None = None) -> Self:
        return type(self)(
            self.context,
            tokens[0].start,
            tokens[-1].end,
            excludes=self.excludes if excludes is None else excludes,
            tokens=tokens,
        )

    def _try(self, tokens: list[Token], *, excludes: bool | None = None) -> Criterion | None:
        if not tokens:
            return None
        try:
            return self._sub(tokens, excludes=excludes).read()
        except UnreadError:
            return None

    def _question(self, tokens: list[Token]) -> Criterion:
        quote = self._quote(tokens[0].start, tokens[-1].end)
        if any("judgement" in token.cues for token in tokens):
            return question(quote.text, quote)
        return NotUnderstood(" ".join(quote.text.split()), quote)

    def _made(self, draft: Draft) -> Criterion:
        return make(draft, self.text, self.context.catalogue, self.context.study_disease)

    def complete_name(self, at: int) -> bool:
        """Give the word at `at` the head of the name that it is joined to, where the two make a name."""
        if at + 2 >= len(self.tokens):
            return False
        token, joiner, head = self.tokens[at : at + 3]
        if token.names or token.kind is not Tok.WORD or joiner.stem not in {"and", "or", "/", ","}:
            return False
        for cut in range(1, len(head.words)):
            key = (token.stem, *head.words[cut:])
            if names := self.context.phrases.names.get(key):
                self.shares = True
                self.tokens[at] = token._replace(kind=Tok.NAME, stem=" ".join(key), names=names, words=key)
                return True
        return False

    def _restrict(self, node: Criterion, end: int, *, shared: bool = True) -> None:
        """Reads "and" a narrowing condition to every draft since the barrier that has none of its own yet.

        With `shared` false only the last is sure to be narrowed ("A, B requiring C"): where the others are there and
        the condition does not hold, a person tells whether it was said of them.
        """
        group = self.drafts[self.barrier :] or self.drafts[self.last_group :]
        for draft in group:
            said = node
            if not shared and draft is not group[-1]:
                words = self._quote(draft.start, draft.end)
                doubt = NotUnderstood(
                    f"Does “{' '.join(words.text.split())}” count without what narrows the last?", words
                )
                said = AnyOf((node, doubt), words)
            draft.restricts.append(said)
            draft.end = max(draft.end, end)

    def _raise_barrier(self) -> None:
        """What follows no longer speaks of the drafts so far, but for a narrowing of the last group."""
        if self.barrier != len(self.drafts):
            self.last_group, self.barrier = self.barrier, len(self.drafts)

    def _add(self, draft: Draft) -> None:
        if self.drafts and len(self.joins) < len(self.drafts):
            raise UnreadError(self.text[draft.start : draft.end])
        self.drafts.append(draft)

    def _in_per_cent(self, read: Numbers, analyte: str, at: int) -> tuple[Numbers, str]:
        """The limits as they are meant, and the analyte that they are of."""
        raise NotImplementedError

    def read(self) -> Criterion:
        """The node of the clause; raises UnreadError where a word is left over or no fact was found."""
        raise NotImplementedError

    def scan(self) -> None:
        """Read to the last word without assembling."""
        raise NotImplementedError

    def assemble(self) -> Criterion:
        """The node that the drafts and their joiners come to."""
        raise NotImplementedError


def without_parentheses(tokens: list[Token]) -> list[Token]:
    """The tokens outside brackets."""
    depth = 0
    kept: list[Token] = []
    for token in tokens:
        if token.stem == "(":
            depth += 1
        elif token.stem == ")":
            depth = max(0, depth - 1)
        elif depth == 0:
            kept.append(token)
    return kept
