"""One clause, left to right: names become drafts, what stands around them modifies them; no word may be left over.

A clause that cannot be read to its last word raises `UnreadError`; the caller quotes it for a person. Words after a
name that narrow it ("requiring ...", "that ...", "with ...") and cannot be read become a question joined by "and":
where the name itself is absent the answer is still certain, and where it is there a person decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.criteria.nodes import AllOf, AnyOf, Criterion, Elapsed, If, Not, NotUnderstood, Preference, Quote
from app.reader.context import Frame
from app.reader.counting import count_span
from app.reader.drafts import question
from app.reader.gates import GATES
from app.reader.scan_recovery import Member, ScanRecovery
from app.reader.scan_state import UnreadError
from app.reader.sharing import JOINTS
from app.reader.tokens import NameKind, Tok

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.reader.context import Context
    from app.reader.drafts import Draft


class Scanner(ScanRecovery):
    """Reads one clause. `excludes` is the frame: what joins with "and" in a list of things that exclude is any-of."""

    def read(self, *, recover: bool = False) -> Criterion:
        """The node of the clause; raises UnreadError where a word is left over or no fact was found.

        With `recover`, a part of a list that cannot be read becomes a question of its own, and words after a name that
        only narrow it become one joined by "and"; what was read beside them stays.
        """
        self.scan(recover=recover)
        self._finish()
        if not self.drafts and not self.extra and self.sex is not None:
            return self.sex
        if not self.drafts and not self.extra and any("any-sex" in token.cues for token in self.tokens):
            return Preference(" ".join(self.text[self.start : self.end].split()), self._quote(self.start, self.end))
        if not self.drafts and not self.extra:
            return self._whom_alone()
        if recover and all(draft.kind is None and isinstance(draft.node, NotUnderstood) for draft in self.drafts):
            raise UnreadError(self.text[self.start : self.end])
        return self.assemble()

    def read_list(self) -> tuple[Criterion, ...]:
        """The things of a list whose joiners say nothing of how many of them are meant; raises UnreadError."""
        self.scan()
        self._finish()
        joins = set(self.joins[: len(self.drafts) - 1])
        said = self.negative or self.sex or self.applies or self.exempt or self.otherwise or self.extra
        if not self.drafts or said or {"and", "or"} <= joins or any(draft.elapsed for draft in self.drafts):
            raise UnreadError(self.text[self.start : self.end])
        self._share_degrees()
        return tuple(self._made(draft) for draft in self.drafts)

    def scan(self, *, recover: bool = False) -> None:
        """Read to the last word without assembling."""
        member = Member(0, 0, self.i)
        while self.i < len(self.tokens):
            if self.i and self.tokens[self.i - 1].stem in JOINTS and len(self.joins) == len(self.drafts):
                member = Member(len(self.drafts), len(self.joins), self.i)
            at = self.i
            try:
                self._step()
            except UnreadError:
                if not recover:
                    raise
                self.i = at
                self.recover(member)

    def _step(self) -> None:
        for step in self._steps():
            if step(self):
                return
        token = self.tokens[self.i]
        raise UnreadError(token.stem, token.start)

    def _steps(self) -> tuple[Callable[[Scanner], bool], ...]:
        """The steps that the next token can begin, in their order."""
        token = self.tokens[self.i]
        key = (token.kind, token.stem, token.cues, token.names)
        steps = _BEGUN.get(key)
        if steps is None:
            steps = tuple(step for name, step in _STEPS if name not in GATES or GATES[name](token))
            if token.kind is not Tok.QUANTITY and len(_BEGUN) < _MOST_KEPT:
                _BEGUN[key] = steps
        return steps

    def _whom_alone(self) -> Criterion:
        """Reads "Female patients", "women of childbearing potential": whom it speaks of is all that it says."""
        if self.negative or self.applies is None:
            raise UnreadError(self.text[self.start : self.end])
        return self.applies

    def assemble(self) -> Criterion:
        """The node that the drafts and their joiners come to."""
        self._share_degrees()
        if self.unrecovered is not None:
            words = self._quote(self.unrecovered.start, self.end)
            for draft in self.drafts:
                draft.restricts.append(question(words.text, words))
        parts = [self._made(draft) for draft in self.drafts]
        parts.extend(self.extra)
        quote = self._quote(self.start, self.end)
        joins = self.joins[: len(self.drafts) - 1]
        if len(parts) == 1:
            node = parts[0]
        elif any(draft.elapsed is not None for draft in self.drafts):
            node = AllOf(tuple(parts), quote)
        else:
            node = self._combine(parts, joins, quote)
        if self.exempt is not None:
            loose = self.excludes or self.negative
            both = (node, Not(self.exempt, quote)) if loose else (node, self.exempt)
            node = AllOf(both, quote) if loose else AnyOf(both, quote)
        if self.negative:
            # "no X within 14 days or 5 half-lives": that the longer of them has passed.
            node = node.part if isinstance(node, Not) and isinstance(node.part, Elapsed) else Not(node, quote)
        if self.otherwise is not None:
            node = AnyOf((node, self.otherwise), quote)
        if self.sex is not None:
            node = AllOf((self.sex, *(node.parts if isinstance(node, AllOf) else (node,))), quote)
        if self.applies is not None:
            node = If(self.applies, node, None, quote) if not self.excludes else AllOf((self.applies, node), quote)
        return node

    def finish_opening(self) -> None:
        """The words before a list name nothing themselves: what they name, the list was not meant to say."""
        pre = self.pre
        if (
            self.drafts
            or self.extra
            or pre.other
            or pre.outcome
            or pre.routes
            or pre.intent
            or pre.graded
            or self.elapsed
        ):
            raise UnreadError(self.text[self.start : self.end])

    def _finish(self) -> None:
        """What was said before a name that never came: a degree may follow its one name."""
        pre = self.pre
        if self.finished:
            # "completed chemotherapy": when, nothing says.
            raise UnreadError("completed")
        if self.values_only and not all(draft.is_result for draft in self.drafts):
            raise UnreadError("function")  # "adequate renal function, no heart failure": what that says is not certain
        if not (pre.degrees or pre.other or pre.outcome or pre.routes or pre.intent or pre.graded or pre.negated):
            return
        only_degrees = not (pre.other or pre.outcome or pre.routes or pre.intent or pre.graded or pre.negated)
        if not only_degrees or len(self.drafts) != 1 or self.drafts[0].kind is not NameKind.CONDITION:
            raise UnreadError("left over")
        self.drafts[0].degrees.extend(pre.degrees)

    def _combine(self, parts: list[Criterion], joins: list[str], quote: Quote) -> Criterion:
        """Reads "and" binds results and requirements; among things that exclude it is any-of, as a comma is."""
        pause = next((k for k in sorted(self.pauses) if k < len(joins) and joins[k] == "and"), None)
        if pause is not None and "or" in joins[:pause] and all(draft.is_result for draft in self.drafts):
            return self._paused(parts, joins, quote, pause)
        mixed = {"and", "or"} <= set(joins) and not self.excludes and not self.negative
        if mixed and not all(draft.is_result for draft in self.drafts):
            # "A and B or C" may mean either grouping.
            raise UnreadError("and ... or")
        parts, joins, drafts = self._sharing_one_limit(parts, joins, quote)
        groups: list[list[Criterion]] = [[parts[0]]]
        loose = self.excludes or self.negative
        listed = "or" in joins
        for k, join in enumerate(joins):
            if join == "," and not loose and drafts[k].is_result and _is_bare_condition(drafts[k + 1]):
                # "bilirubin ≤ 1.5 x ULN, Gilbert syndrome": an exception as likely as a requirement.
                raise UnreadError(drafts[k + 1].id)
            both = drafts[k].is_result and drafts[k + 1].is_result
            tight = (join == "and" and (both or not loose)) or (join == "," and not loose and not listed)
            if tight:
                groups[-1].append(parts[k + 1])
            else:
                groups.append([parts[k + 1]])
        merged = [group[0] if len(group) == 1 else AllOf(tuple(group), quote) for group in groups]
        return merged[0] if len(merged) == 1 else AnyOf(tuple(merged), quote)

    def _sharing_one_limit(
        self, parts: list[Criterion], joins: list[str], quote: Quote
    ) -> tuple[list[Criterion], list[str], list[Draft]]:
        """Reads "ALT or AST > 3 x ULN and bilirubin > 2 x ULN": names that share a limit belong together first."""
        made, kept, drafts = [[parts[0]]], list[str](), [self.drafts[0]]
        for k, join in enumerate(joins):
            if k in self.sharing and join == "or" and "and" in joins:
                made[-1].append(parts[k + 1])
            else:
                made.append([parts[k + 1]])
                kept.append(join)
                drafts.append(self.drafts[k + 1])
        return [each[0] if len(each) == 1 else AnyOf(tuple(each), quote) for each in made], kept, drafts

    def _paused(self, parts: list[Criterion], joins: list[str], quote: Quote, pause: int) -> Criterion:
        """Reads "A or B, and C" among results: (A or B) and C."""
        if {"and", "or"} <= set(joins[:pause]) or "or" in joins[pause:]:
            raise UnreadError("and ... or")
        return AllOf((AnyOf(tuple(parts[: pause + 1]), quote), *parts[pause + 1 :]), quote)

    def _share_degrees(self) -> None:
        """Reads "severe arrhythmia or conduction abnormality": whether the degree is shared is for a person to tell."""
        first, *others = self.drafts
        if first.degree_behind or (len(others) == 1 and 0 in self.pauses):
            return  # "symptomatic A, or B"
        if first.said_before is not None:
            # "ongoing <what cannot be read>, A or B": whether it is said of A and B too, nothing says.
            for draft in others:
                if draft.kind in {NameKind.CONDITION, NameKind.TREATMENT} and not draft.degrees:
                    draft.restricts.append(first.said_before)
            return
        if first.kind is not NameKind.CONDITION or not first.degrees or any(draft.degrees for draft in others):
            return
        for draft in others:
            if draft.defined_by is not None:
                draft.degrees = list(first.degrees)  # what defines it decides
            elif draft.kind is NameKind.CONDITION and draft.outcome is None:
                words = self._quote(draft.start, draft.end)
                said = " ".join(words.text.split())
                doubt = NotUnderstood(f"Is “{' '.join(first.degrees)}” said of “{said}” too, and is it so?", words)
                draft.restricts.append(doubt)


def _is_bare_condition(draft: Draft) -> bool:
    return draft.kind is NameKind.CONDITION and draft.outcome is None


def shared_frame(context: Context, start: int, end: int) -> tuple[Frame | None, bool, bool]:
    """What the words before a list say of its items, whether they say "none of", and whether words are left over."""
    scanner = Scanner(context, start, end, excludes=False)
    announce = context.phrases.announce
    counts = count_span(context.source, start, end)
    defined = any("defined-by" in token.cues for token in scanner.tokens)
    listed = next((k for k, token in enumerate(scanner.tokens) if token.stem == "following"), len(scanner.tokens))
    kept = [
        token
        for k, token in enumerate(scanner.tokens)
        if not counts[0] <= token.start < counts[1]
        and not (set(token.words or (token.stem,)) <= announce or token.stem in {":", ",", "(", ")", ".", "/", "-"})
        and not ({"ge", "defined-by"} & set(token.cues) or token.stem.isdigit())
        and not (k > listed and not token.cues and token.duration is None and token.number is None)
    ]
    scanner.tokens = kept
    try:
        scanner.scan()
        scanner.finish_opening()
    except UnreadError:
        return None, scanner.negative, True
    frame = Frame(
        scanner.lead,
        scanner.treat,
        scanner.treat_current,
        scanner.allergy,
        scanner.suspected,
        scanner.planned,
        () if defined else tuple(scanner.pre.degrees),  # "significant A, defined as": each of the list is one
    )
    return (None if frame == Frame() else frame), scanner.negative, False


_ORDER = (
    "_adequate",
    "_elapsed_lead",
    "_lasting",
    "_window",
    "_completed",
    "_finished",
    "_anchor",
    "_moment",
    "_taking",
    "_exception",
    "_unless",
    "_parenthesis",
    "_childbearing",
    "_graded_allergy",
    "_group_lead",
    "_sex_word",
    "_age",
    "_study",
    "_dosed",
    "_limit_first",
    "_performance",
    "_graded_condition",
    "_graded",
    "_named",
    "_cause",
    "_defined",
    "_including",
    "_ellipsis",
    "_mods",
    "_joiner",
    "_tail",
    "_neutral",
)
_STEPS: tuple[tuple[str, Callable[[Scanner], bool]], ...] = tuple((name, getattr(Scanner, name)) for name in _ORDER)
_MOST_KEPT = 20_000
_BEGUN: dict[tuple[object, ...], tuple[Callable[[Scanner], bool], ...]] = {}
