"""Windows, anchors and wash-outs of a clause."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.criteria.nodes import (
    AllOf,
    AnyOf,
    Criterion,
    HadTreatment,
    If,
    InStudy,
    Judgement,
    Measured,
    Not,
    Op,
    ResultIs,
    Scored,
    Timing,
    When,
)
from app.reader.drafts import REPRODUCTIVE, within
from app.reader.measures import comparator
from app.reader.quantities import number_word
from app.reader.scan_state import ScanState, UnreadError
from app.reader.tokens import NameKind, Tok

if TYPE_CHECKING:
    from app.criteria.time import Duration
    from app.reader.context import Frame
    from app.reader.drafts import Draft


_ANCHOR_JOINTS = frozenset({"the", "of", "to", "use", "administration"})
_LONGER = frozenset({Op.GE, Op.GT})
_UNITS = frozenset({"year", "month", "week", "day"})


class ScanTime(ScanState):
    """Steps for time."""

    def _window(self) -> bool:
        """Reads "within (the past) 4 weeks (before enrollment)": applies to every name since the last window."""
        start = self.i
        if (free := self._disease_free(start)) is not None:
            free += 1 if free < len(self.tokens) and self.tokens[free].stem == "of" else 0
            bound = comparator(self.tokens, free)
            nxt = self.tokens[bound[1]] if bound and bound[1] < len(self.tokens) else None
            if bound and bound[0] is Op.LT and nxt is not None and nxt.duration is not None:
                self._close_window(When(within(nxt.duration).timing, nxt.duration, closed=False), nxt.end)
                self.i = bound[1] + 1
                return True
        found = self._past_window(start) or self._before_anchor(start) or self._absent_for(start)
        if found is None:
            return False
        duration, at, closed = found
        if not _is_countable(duration):
            raise UnreadError(duration.words())
        half_lives = self._half_lives(at)
        self.i = at if half_lives is None else half_lives[1]
        self._of_anchor()
        self._anchor()
        end = self.tokens[self.i - 1].end
        if half_lives is not None:
            self._longer_of(duration, half_lives[0], end)
            return True
        self._close_window(within(duration, closed=closed), end)
        return True

    def _past_window(self, at: int) -> tuple[Duration, int, bool] | None:
        """Reads "within (the) 4 weeks", "in the past year", "within a month" at `at`."""
        token = self.tokens[at]
        if "within" not in token.cues:
            return None
        nxt = self._next(at, {"the", "a", "an", "about", "last", "past", "previous", "preceding"})
        if nxt >= len(self.tokens):
            return None
        if (duration := self.tokens[nxt].duration) is not None:
            return duration, nxt + 1, True
        unit = self.tokens[nxt]
        one = unit.kind is Tok.WORD and unit.stem in _UNITS and (nxt > at + 1 or token.stem != "within")
        return (self.context.one(unit.stem), nxt + 1, True) if one else None

    def _before_anchor(self, at: int) -> tuple[Duration, int, bool] | None:
        """Reads "4 weeks before enrollment", "in the 28 days before ...", "less than 4 weeks ago"."""
        bare = at
        if self.tokens[at].stem in {"during", "in", "over"} and at + 1 < len(self.tokens):
            bare = self._next(at, {"the"})
            if bare == at + 1:
                return None
        compared = comparator(self.tokens, bare) if bare == at else None
        if compared is not None and compared[0] not in {Op.LT, Op.LE}:
            return None
        bare = compared[1] if compared is not None else bare
        if bare + 1 >= len(self.tokens) or (duration := self.tokens[bare].duration) is None:
            return None
        closed = compared is None or compared[0] is Op.LE
        if self.tokens[bare + 1].stem in {"ago", "earlier"} and (compared is not None or bare > at):
            self.finished = False
            return duration, bare + 2, closed
        if self._anchor_end(bare + 1) is None:
            return None
        self.finished = False
        return duration, bare + 1, closed

    def _absent_for(self, at: int) -> tuple[Duration, int, bool] | None:
        """Reads "no major surgery for at least 4 weeks", "free of seizures for 6 months": not within that time."""
        if not self.negative or self.tokens[at].stem != "for":
            return None
        compared = comparator(self.tokens, at + 1)
        bare = compared[1] if compared is not None else at + 1
        if (compared is not None and compared[0] is not Op.GE) or bare >= len(self.tokens):
            return None
        duration = self.tokens[bare].duration
        return None if duration is None else (duration, bare + 1, True)

    def _lasting(self) -> bool:
        """Reads "A for at least 6 months (before screening)", "A diagnosed ≥ 1 year ago": how long, a person tells."""
        token = self.tokens[self.i]
        if not self.drafts or len(self.joins) == len(self.drafts) or self.negative:
            return False
        if "lasting" not in token.cues and token.stem not in {"for", "diagnosed"}:
            return False
        compared = comparator(self.tokens, self.i + 1)
        at = compared[1] if compared is not None else self.i + 1
        if at >= len(self.tokens) or self.tokens[at].duration is None or (compared and compared[0] not in _LONGER):
            return False
        stop = at + 1
        if stop < len(self.tokens) and self.tokens[stop].stem in {"ago", "earlier", "duration", "in duration"}:
            stop += 1
        elif (anchored := self._anchor_end(stop)) is not None:
            stop = anchored
        elif token.stem == "diagnosed" or stop < len(self.tokens):
            return False
        (last, *others) = self.drafts[self.barrier :] or self.drafts[-1:]
        if others or not (last.is_result or last.kind is NameKind.CONDITION) or last.elapsed is not None:
            # Of several things nothing says which lasted so long, and a treatment may run or have run.
            return False
        if len(self.drafts) > 1 or last.degrees or self.lead is not None or self.tokens[self.i - 1].end > last.end:
            # "history of A, symptomatic for ...", "stable A for ...": what lasted is what was said of it.
            return False
        end = self.tokens[stop - 1].end
        whole = self._quote(last.start, end)
        last.restricts.append(Judgement(" ".join(whole.text.split()), self._quote(token.start, end)))
        last.end = max(last.end, end)
        self._raise_barrier()
        self.i = stop
        return True

    def _next(self, at: int, words: set[str]) -> int:
        at += 1
        while at < len(self.tokens) and self.tokens[at].stem in words:
            at += 1
        return at

    def _half_lives(self, at: int) -> tuple[int, int] | None:
        """Reads "or 5 half-lives" at `at`."""
        inner = self.tokens[at : at + 3]
        if len(inner) < 3 or inner[0].stem != "or" or "half-lives" not in inner[2].cues:
            return None
        number = inner[1].number or number_word(inner[1].stem)
        return None if number is None else (int(number), at + 3)

    def _longer_of(self, duration: Duration, half_lives: int, end: int) -> None:
        """Reads "X within 14 days or 5 half-lives": the longer of the two has not passed since X."""
        open_drafts = [draft for draft in self.drafts[self.barrier :] if draft.when is None and draft.elapsed is None]
        if not open_drafts or any(draft.node is not None or not draft.is_treatment for draft in open_drafts):
            raise UnreadError("half-lives")
        for draft in open_drafts:
            draft.elapsed, draft.half_lives, draft.end = duration, half_lives, max(draft.end, end)
            draft.node = Not(self._made(draft), self._quote(draft.start, draft.end))
            draft.elapsed = draft.half_lives = None
        self._raise_barrier()

    def _of_anchor(self) -> None:
        """Past "of study entry", "of the first dose" after a window."""
        if self.i < len(self.tokens) and self.tokens[self.i].stem in {"of", "of the"}:
            stop = self._anchor_run(self.i + 1)
            if stop is not None:
                self.i = stop

    def _disease_free(self, at: int) -> int | None:
        """The index after "(with a) disease-free period" at `at`."""
        while at < len(self.tokens) and self.tokens[at].stem in {"with", "a", "and"}:
            at += 1
        words = tuple(token.stem for token in self.tokens[at : at + 3])
        return at + 3 if words in {("disease", "free", "period"), ("disease", "free", "interval")} else None

    def _close_window(self, when: When, end: int) -> None:
        since = self.last_group if self.after_tail and self.barrier == len(self.drafts) else self.barrier
        open_drafts = [
            draft
            for draft in self.drafts[since:]
            if draft.when is None
            and draft.elapsed is None
            and (draft is self.drafts[-1] or not (_is_state(draft.degrees) or draft.id in REPRODUCTIVE))
            and (draft is self.drafts[-1] or draft.lead is None or draft.lead.timing is not Timing.WITHIN)
        ]
        if not open_drafts:
            self.lead = when
            return
        results = next((k for k, draft in enumerate(reversed(open_drafts)) if not draft.is_result), len(open_drafts))
        open_drafts = self._meant(open_drafts, len(self.drafts) - since)
        for k, draft in enumerate(open_drafts):
            # "active A requiring B within 2 years": what is active is so now, but for a "history of" it.
            is_now = _is_state(draft.degrees) and draft.timed is not Timing.EVER
            if not (self.after_tail and draft.restricts and is_now):
                draft.when = when
            draft.restricts = [_in_window(each, when) for each in draft.restricts]
            # "LVEF < 45 % or infarction within 12 months": the window of an event is not that of a value before it.
            if draft.node is not None and (not draft.is_result or k >= len(open_drafts) - results):
                draft.node = fact_in_window(draft.node, when)
        open_drafts[-1].end = end
        self._raise_barrier()

    def _meant(self, open_drafts: list[Draft], listed: int) -> list[Draft]:
        """Those that a window at the end of a list is said of.

        "Prior A, or B within 3 months" asks for A at any time; "A, or B within 3 months" may mean either, and so may
        "history of A or history of B within 3 months".
        """
        *others, last = open_drafts
        timed = [draft for draft in others if draft.timed is not None]
        if timed and last.timed is not None:
            raise UnreadError(self.text[last.start : last.end])
        if listed != 2 or not others or len(self.drafts) - 2 not in self.pauses:
            return [draft for draft in open_drafts if draft is last or draft.timed is not Timing.CURRENT]
        if timed:
            return [last]
        if others[0].kind in {NameKind.CONDITION, NameKind.TREATMENT}:
            raise UnreadError(self.text[last.start : last.end])
        return open_drafts

    def _anchor_end(self, at: int) -> int | None:
        """The index after "before enrollment", "prior to the first dose of the study drug" at `at`."""
        if at >= len(self.tokens) or "before" not in self.tokens[at].cues:
            return None
        return self._anchor_run(at + 1)

    def _anchor_run(self, at: int) -> int | None:
        """The index after "the first dose of the study drug" at `at`; None where no event of the trial is named."""
        found = False
        after_of = False
        while at < len(self.tokens):
            token = self.tokens[at]
            if "anchor" in token.cues or token.stem in {"first", "planned", "day"}:
                found = True
                after_of = False
            elif token.stem in _ANCHOR_JOINTS or token.stem.startswith("use of"):
                after_of = True
            elif found and token.stem in {"in", "into", "this"}:
                after_of = False
            elif not (after_of and found and (token.names or token.kind is Tok.WORD)):
                break
            at += 1
        return at if found else None

    def _past_moment(self, at: int) -> int:
        """Past "at the time of enrollment", "at study entry" at `at`: that is now."""
        if at >= len(self.tokens) or not ("at-time" in self.tokens[at].cues or self.tokens[at].stem in {"at", "on"}):
            return at
        stop = self._anchor_run(at + 1)
        if stop is None and "at-time" in self.tokens[at].cues:
            after = at + 1
            while after < len(self.tokens) and self.tokens[after].stem in {"the", "treatment", "therapy", "entry"}:
                after += 1
            stop = after if after > at + 1 and self.tokens[after - 1].stem != "the" else None
        return at if stop is None else stop

    def _moment(self) -> bool:
        stop = self._past_moment(self.i)
        if stop == self.i:
            return False
        self.i = stop
        return True

    def _anchor(self) -> bool:
        stop = self._anchor_end(self.i)
        if stop is None:
            return False
        self.i = stop
        return True

    def _elapsed_lead(self) -> bool:
        """Reads "at least 21 days after (the last)": the names that follow are washed out; or a bare "N days after".

        "Less than 4 weeks since the last" is the window that they must not lie in.
        """
        compared = comparator(self.tokens, self.i)
        at = compared[1] if compared is not None else self.i
        token = self.tokens[at] if at < len(self.tokens) else None
        if token is None or token.duration is None or at + 1 >= len(self.tokens):
            return False
        if "after" not in self.tokens[at + 1].cues or not _is_countable(token.duration):
            return False
        if compared is not None and compared[0] in {Op.LT, Op.LE}:
            self.lead = within(token.duration, closed=compared[0] is Op.LE)
            self.treat = True
        else:
            self.elapsed = (token.duration, None)
        if self.negative:
            # "no evidence of A, and at least 56 days after B": the "no" ends here.
            for draft in self.drafts:
                draft.negated = True
            self.negative = False
        self.i = at + 2
        while self._cue("neutral", "ever", "treat-ever") and not (self._at() or token).names:
            self.i += 1
        return True

    def _finished(self) -> bool:
        """Reads "must have completed X at least 4 weeks before enrollment", in either order."""
        if self._cue("finished") and not self.tokens[self.i].names:
            self.finished, self.treat, self.treat_current = True, True, False
            self.i += 1
            return True
        if not self.finished or not self.drafts:
            return False
        compared = comparator(self.tokens, self.i)
        if compared is None or compared[0] not in {Op.GE, Op.GT} or compared[1] + 1 >= len(self.tokens):
            return False
        duration, at = self.tokens[compared[1]].duration, compared[1] + 1
        if duration is None or not _is_countable(duration):
            return False
        half_lives = self._half_lives(at)
        at = at if half_lives is None else half_lives[1]
        stop = (
            at + 1 if self.tokens[at : at + 1] and self.tokens[at].stem in {"ago", "earlier"} else self._anchor_end(at)
        )
        if stop is None:
            return False
        for draft in self.drafts[self.barrier :]:
            if not draft.is_treatment:
                raise UnreadError(self.text[draft.start : draft.end])
            draft.elapsed, draft.half_lives = duration, None if half_lives is None else half_lives[0]
            draft.end = self.tokens[stop - 1].end
        self.finished = False
        self._raise_barrier()
        self.i = stop
        return True

    def _completed(self) -> bool:
        """Reads "... has been completed for at least 2 weeks or 5 half-lives (whichever is longer)"."""
        if not self._cue("completed"):
            return False
        at = self.i + 1
        while at < len(self.tokens) and (
            set(self.tokens[at].cues) & {"ge", "neutral"} or self.tokens[at].stem in {"at", "least"}
        ):
            at += 1
        token = self.tokens[at] if at < len(self.tokens) else None
        if token is None or token.duration is None:
            return False
        half_lives = None
        at += 1
        if (
            at + 2 < len(self.tokens)
            and self.tokens[at].stem == "or"
            and self.tokens[at + 1].number is not None
            and "half-lives" in self.tokens[at + 2].cues
        ):
            half_lives = int(self.tokens[at + 1].number or 0)
            at += 3
        for draft in self.drafts[self.barrier :]:
            draft.elapsed, draft.half_lives = token.duration, half_lives
            draft.end = self.tokens[at - 1].end
        self._raise_barrier()
        self.i = at
        return True


def _is_state(degrees: list[str]) -> bool:
    """Reads "symptomatic A, or B within 6 months": what is symptomatic is so now."""
    return any(degree in {"symptomatic", "uncontrolled", "active"} for degree in degrees)


def _in_window(node: Criterion, when: When) -> Criterion:
    """A treatment that narrows a fact is asked for in the fact's own window."""
    if isinstance(node, AnyOf):
        return replace(node, parts=tuple(_in_window(part, when) for part in node.parts))
    return replace(node, when=when) if isinstance(node, HadTreatment) else node


def _is_countable(duration: Duration) -> bool:
    """A whole number of days or months: "36 hours" have no place on a calendar of days."""
    try:
        duration.steps()
    except ValueError:
        return False
    return True


def fact_in_window(node: Criterion, when: When) -> Criterion:
    """A measured value, a result or a study is asked for in the window; whom a limit is for is not."""
    match node:
        case InStudy() if node.when.timing is not Timing.WITHIN:
            return replace(node, when=when)
        case Measured() | Scored() | ResultIs() if node.within is None:
            return replace(node, within=when.duration)
        case AllOf(parts) | AnyOf(parts):
            return replace(node, parts=tuple(fact_in_window(part, when) for part in parts))
        case If(_, then, otherwise):
            rest = None if otherwise is None else fact_in_window(otherwise, when)
            return replace(node, then=fact_in_window(then, when), otherwise=rest)
        case _:
            return node


def in_frame(node: Criterion, frame: Frame) -> Criterion:
    """A value of a list is asked for in the window that the words before the list name."""
    windowed = frame.lead is not None and frame.lead.timing is Timing.WITHIN
    return fact_in_window(node, frame.lead) if frame.lead is not None and windowed else node
