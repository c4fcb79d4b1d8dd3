"""What a clause still says where some of its words cannot be read.

Two forms are safe. A part of a list that cannot be read stands beside the others as a question: then the list is never
false, and true only by a part that was read. Words after a name that only narrow it ("... for X", "... in the Y
setting") are a question joined by "and": where the name itself is absent the answer is still certain. Whatever could
turn, extend or except what was read, or speak of somebody else, makes the clause not understood.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.criteria.nodes import Elapsed, NotUnderstood
from app.reader.drafts import Draft
from app.reader.scan_state import ROUTES, Pre, UnreadError
from app.reader.scan_tails import ScanTails
from app.reader.sharing import JOINTS, is_fact
from app.reader.tokens import NameKind, Tok, Token

_BLOCKS = frozenset(
    """except unless if neg allowed not-allowed completed after before age childbearing restrict requiring note consent
    new-group etc including half-lives unrecovered study-verb not-lactating""".split()  # noqa: SIM905 - reads better so
)
_NARROW = frozenset(
    """for in by as at on from during involving affecting using based according despite under via through because
    where while when upon following""".split()  # noqa: SIM905 - a list of words reads better so
)
_MEASURED_BY = frozenset({"by", "as", "on", "using", "based", "according", "via"})
_SHARED = {*ROUTES, "planned", "scheduled", "elective", "planning", "anticipated"}
_OF_OTHERS = frozenset({"patient", "subject", "participant", "woman", "women", "man", "men", "those", "male", "female"})


@dataclass(frozen=True, slots=True)
class Member:
    """Where the part of a list that is being read begins, and how many drafts and joiners stood before it."""

    drafts: int
    joins: int
    start: int


class ScanRecovery(ScanTails):
    """Steps for words that cannot be read."""

    def recover(self, member: Member) -> None:
        """Set aside the words that stopped the reading; raises UnreadError where that is not safe."""
        if not self._narrowed(member):
            self._set_aside(member)

    def _narrowed(self, member: Member) -> bool:
        """Reads "A for X" as A and a question about "for X": to the end, with nothing in it that joins."""
        if not self.drafts or len(self.joins) == len(self.drafts) or len(self.drafts) == member.drafts:
            return False
        last = self.drafts[-1]
        start = self.i
        while (
            start > member.start and self.tokens[start - 1].start >= last.end and self.tokens[start].stem not in _NARROW
        ):
            start -= 1
        if self.tokens[start].stem not in _NARROW or self.tokens[start].start < last.end:
            return False
        tail = self.tokens[start:]
        before = self.tokens[start - 1] if start else None
        if before is None or before.duration is not None or {"anchor", "before", "within"} & set(before.cues):
            return False
        if (
            not self._safe(tail[1:])
            or self._joins_at_top(tail)
            or isinstance(last.node, Elapsed)
            or last.elapsed is not None
        ):
            return False
        measured = any(
            draft.kind in {NameKind.ANALYTE, NameKind.SCALE}
            or (draft.kind is None and not isinstance(draft.node, NotUnderstood))
            or draft.outcome is not None
            for draft in self.drafts[self.barrier :]
        )
        if measured:
            if tail[0].stem not in _MEASURED_BY or last.kind is None:
                return False
        elif tail[0].stem in {"for", "in", "at", "of"} and any(token.stem in _OF_OTHERS for token in tail[1:3]):
            return False
        if self.pre != Pre():
            return False
        self._restrict(self._question(tail), tail[-1].end)
        self.i = len(self.tokens)
        return True

    def _set_aside(self, member: Member) -> None:
        """Reads "A, <what cannot be read> or B": a question beside the others."""
        if not (self.excludes or self.negative):
            # Among what is required, parts of a list share words more often than they stand for themselves.
            raise UnreadError(self.tokens[self.i].stem if self.i < len(self.tokens) else "left over")
        if len(self.drafts) > member.drafts or not 0 <= member.start <= self.i:
            # A name that its own words do not fit: what they say of it is not known.
            raise UnreadError(self.tokens[self.i].stem if self.i < len(self.tokens) else "left over")
        if self._catch_all(member):
            return
        stop = self._stop(max(member.start, self.i))
        if stop == len(self.tokens):
            # What narrows the last thing of a list may narrow all of it: it is read as such.
            narrow = (k for k in range(member.start + 1, stop) if self.tokens[k].stem in _NARROW)
            stop = next(narrow, stop)
        part = self.tokens[member.start : stop]
        alone = member.start == 0 and stop == len(self.tokens)
        unknown = any(not token.cues and not token.names and token.kind is Tok.WORD for token in part)
        if (
            alone
            or not unknown
            or not self._safe(part, alone_first=not member.drafts and stop < len(self.tokens))
            or any(_counts(token) for token in part)
        ):
            raise UnreadError(part[0].stem if part else "left over")
        if self.excludes and self._bare_and(member, stop):
            raise UnreadError("and")
        if self._may_reach_on(part, member, stop):
            raise UnreadError(part[-1].stem)
        if self.text[part[-1].end : part[-1].end + 1] == "-":
            raise UnreadError(part[-1].stem)  # "pre- and postmenopausal"
        if any(draft.kind is NameKind.ALLERGEN for draft in self.drafts) and not self.allergy:
            raise UnreadError(part[0].stem)  # "hypersensitivity or <what cannot be read> to X": to X both
        if any(draft.adjective for draft in self.drafts):
            raise UnreadError(part[0].stem)  # "metastatic or <what cannot be read> cancer": one head for both
        if self._shares_a_head(part):
            raise UnreadError(part[-1].stem)
        del self.joins[member.joins :]
        self.pre = Pre()
        quote = self._quote(part[0].start, part[-1].end)
        said = None
        if not member.drafts and ({"degree", "current", "planned"} & set(part[0].cues) or part[0].stem in _SHARED):
            words = self._quote(part[0].start, part[0].end)
            said = NotUnderstood(f"Is “{words.text}” said of the whole list, and is it so?", words)
        unread = Draft(None, "unread", quote.start, quote.end, node=self._question(part), said_before=said)
        self.drafts.append(unread)
        self.i = stop

    def _catch_all(self, member: Member) -> bool:
        """Reads "A, B or any other condition that ...": to the end, a question of its own."""
        rest = self.tokens[member.start :]
        heads = self.context.phrases.catch_all
        if not member.start or not any("judgement" in token.cues for token in rest):
            return False
        at = 0
        while at < len(rest) and (rest[at].stem in {"any", "other", "or", "a", "an"} or "degree" in rest[at].cues):
            at += 1
        if at == len(rest) or rest[at].stem not in heads or any({"except", "unless"} & set(t.cues) for t in rest):
            return False
        del self.joins[member.joins :]
        self.pre = Pre()
        quote = self._quote(rest[0].start, rest[-1].end)
        self.drafts.append(Draft(None, "unread", quote.start, quote.end, node=self._question(rest)))
        self.i = len(self.tokens)
        return True

    def _may_reach_on(self, part: list[Token], member: Member, stop: int) -> bool:
        """What follows it may belong to it ("... in the X or Y"), or it may narrow what stands before it."""
        more = stop < len(self.tokens) and self.tokens[stop].stem in JOINTS
        narrows = any(token.stem in _NARROW or {"restrict", "requiring"} & set(token.cues) for token in part)
        after_comma = bool(member.start) and self.tokens[member.start - 1].stem == ","
        listed = member.start > 1 and self.tokens[member.start - 2].stem in JOINTS
        return (more and narrows) or (not more and after_comma and not listed)

    def _stop(self, at: int) -> int:
        """The next joiner, or the window that holds for the whole list."""
        depth = 0
        while at < len(self.tokens):
            token = self.tokens[at]
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.stem, 0)
            if depth == 0 and (token.stem in JOINTS or token.stem == ";" or "within" in token.cues) and not token.names:
                return at
            at += 1
        return at

    def _safe(self, part: list[Token], *, alone_first: bool = False) -> bool:
        """Nothing in it turns, excepts or extends what stands beside it, or speaks of somebody else.

        The first of a list may narrow itself: nothing stands before it that this could be meant for.
        """
        others = self.context.phrases.others
        blocks = _BLOCKS - {"restrict", "requiring"} if alone_first else _BLOCKS
        return not any(blocks & set(token.cues) or set(token.words or (token.stem,)) & others for token in part)

    def _joins_at_top(self, part: list[Token]) -> bool:
        depth = 0
        for token in part:
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.stem, 0)
            if depth == 0 and (token.stem in JOINTS or token.stem in {";", ":"}):
                return True
        return False

    def _bare_and(self, member: Member, stop: int) -> bool:
        """Reads "A and <what cannot be read>": whether one of them suffices is not known."""
        before = self.tokens[member.start - 1].stem if member.start else ""
        after = self.tokens[stop].stem if stop < len(self.tokens) else ""
        commas = any(token.stem == "," for token in self.tokens)
        return "and" in {before, after} and not commas

    def _shares_a_head(self, part: list[Token]) -> bool:
        """Reads "hepatitis B or foo vaccine": the last word may be meant for the names before it too."""
        last = next((token for token in reversed(part) if token.stem not in {")", ".", ":"}), part[-1])
        words = last.words or (last.stem,)
        earlier = any(draft.kind is not None for draft in self.drafts)
        return earlier and not is_fact(last) and words[-1] in self.context.phrases.shared_heads


def _counts(token: Token) -> bool:
    return token.duration is not None or token.quantity is not None or token.op is not None or token.number is not None
