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
    Measured,
    Op,
    ResultIs,
    Scored,
    When,
)
from app.reader.drafts import within
from app.reader.measures import comparator
from app.reader.scan_state import ScanState
from app.reader.tokens import Tok

if TYPE_CHECKING:
    from app.criteria.time import Duration


class ScanTime(ScanState):
    """Steps for time."""

    def _window(self) -> bool:
        """Reads "within (the past) 4 weeks (before enrollment)": applies to every name since the last window."""
        start = self.i
        token = self._at()
        if token is None:
            return False
        duration: Duration | None = None
        at = start
        if "within" in token.cues:
            nxt = self._at(1)
            if nxt is not None and nxt.duration is not None:
                duration, at = nxt.duration, start + 2
            elif (
                nxt is not None
                and nxt.kind is Tok.WORD
                and nxt.stem in {"year", "month", "week"}
                and token.stem != "within"
            ):
                duration, at = self.context.one(nxt.stem), start + 2
        elif token.duration is not None and self._cue("before", offset=1) and self._anchor_end(start + 1) is not None:
            duration, at = token.duration, start + 1
        elif (free := self._disease_free(start)) is not None:
            free += 1 if free < len(self.tokens) and self.tokens[free].stem == "of" else 0
            bound = comparator(self.tokens, free)
            nxt = self.tokens[bound[1]] if bound and bound[1] < len(self.tokens) else None
            if bound and bound[0] is Op.LT and nxt is not None and nxt.duration is not None:
                self._close_window(When(within(nxt.duration).timing, nxt.duration, closed=False), nxt.end)
                self.i = bound[1] + 1
                return True
        if duration is None:
            return False
        self.i = at
        self._anchor()
        self._close_window(within(duration), self.tokens[self.i - 1].end)
        return True

    def _disease_free(self, at: int) -> int | None:
        """The index after "(with a) disease-free period" at `at`."""
        while at < len(self.tokens) and self.tokens[at].stem in {"with", "a", "and"}:
            at += 1
        words = tuple(token.stem for token in self.tokens[at : at + 3])
        return at + 3 if words in {("disease", "free", "period"), ("disease", "free", "interval")} else None

    def _close_window(self, when: When, end: int) -> None:
        since = self.last_group if self.after_tail and self.barrier == len(self.drafts) else self.barrier
        open_drafts = [draft for draft in self.drafts[since:] if draft.when is None and draft.elapsed is None]
        if not open_drafts:
            self.lead = when
            return
        results = next((k for k, draft in enumerate(reversed(open_drafts)) if not draft.is_result), len(open_drafts))
        for k, draft in enumerate(open_drafts):
            draft.when = when
            draft.restricts = [_in_window(each, when) for each in draft.restricts]
            # "LVEF < 45 % or infarction within 12 months": the window of an event is not that of a value before it.
            if draft.node is not None and (not draft.is_result or k >= len(open_drafts) - results):
                draft.node = _fact_in_window(draft.node, when)
        open_drafts[-1].end = end
        self._raise_barrier()

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
            elif token.stem in {"the", "of", "to", "use", "administration"} or token.stem.startswith("use of"):
                after_of = True
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
        """Reads "at least 21 days after (the last)": the names that follow are washed out; or a bare "N days after"."""
        at = self.i
        if self._cue("ge", "gt"):
            at += 1
        token = self.tokens[at] if at < len(self.tokens) else None
        if (
            token is None
            or token.duration is None
            or at + 1 >= len(self.tokens)
            or "after" not in self.tokens[at + 1].cues
        ):
            return False
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


def _in_window(node: Criterion, when: When) -> Criterion:
    """A treatment that narrows a fact is asked for in the fact's own window."""
    return replace(node, when=when) if isinstance(node, HadTreatment) else node


def _fact_in_window(node: Criterion, when: When) -> Criterion:
    """A measured value, a result or a study is asked for in the window; whom a limit is for is not."""
    match node:
        case InStudy():
            return replace(node, when=when)
        case Measured() | Scored() | ResultIs() if node.within is None:
            return replace(node, within=when.duration)
        case AllOf(parts) | AnyOf(parts):
            return replace(node, parts=tuple(_fact_in_window(part, when) for part in parts))
        case If(_, then, otherwise):
            rest = None if otherwise is None else _fact_in_window(otherwise, when)
            return replace(node, then=_fact_in_window(then, when), otherwise=rest)
        case _:
            return node
