"""Sentences that speak of what was said before them: whom it spares, when it was measured, what is allowed."""

from __future__ import annotations

import re

from app.criteria.nodes import (
    CURRENT,
    EVER,
    AllOf,
    AnyOf,
    Criterion,
    Except,
    HadTreatment,
    HasCondition,
    If,
    Judgement,
    Measured,
    Not,
    NotUnderstood,
    Quote,
)
from app.reader.clause_splits import ClauseSplits
from app.reader.clause_state import flat, things
from app.reader.drafts import question, within
from app.reader.groups import in_place_of, measured_in
from app.reader.rewrite import in_window, rewrite_treatments, window_of
from app.reader.scan_time import fact_in_window
from app.reader.scanner import Scanner
from app.reader.tokens import NameKind, Token, names_of

_TESTS = re.compile(
    r"^(?:this|these|the|all|such)\s+(?:laborator\w+\s+|lab\s+|blood\s+|above\s+)*"
    r"(?:specimens?|tests?|labs?|laborator\w+|results?|values?|assessments?|measurements?|samples?)\b",
    re.IGNORECASE,
)


class ClauseFollowers(ClauseSplits):
    """Forms of sentences that belong to those before them."""

    def _exempts(self, start: int, end: int, parts: list[Criterion]) -> bool:
        """Reads "does not apply to patients with A" after a limit: they need not meet it."""
        tokens = self.context.tokens(start, end)
        at = next((k for k, token in enumerate(tokens) if "exempt" in token.cues), None)
        if at is None or at + 1 >= len(tokens) or not isinstance(parts[-1], Measured | If):
            return False
        whom = self._scan(tokens[at + 1].start, end)
        if at > 1 or not isinstance(whom, HasCondition):
            return False
        quote = Quote(self.context.source[start:end], start, end)
        both = (parts[-1], Not(whom, quote)) if self.excludes else (whom, parts[-1])
        parts[-1] = AllOf(both, quote) if self.excludes else AnyOf(both, quote)
        return True

    def _dates(self, start: int, end: int, parts: list[Criterion]) -> bool:
        """Reads "These tests must be obtained within 28 days before registration": the window of the values before."""
        tokens = self.context.tokens(start, end)
        if not _TESTS.match(self.context.source[start:end]) or any(token.names for token in tokens[2:]):
            return False
        windows = [k for k, token in enumerate(tokens[:-1]) if "within" in token.cues and tokens[k + 1].duration]
        told = {cue for token in tokens for cue in token.cues} & {"neg", "if", "unless", "except"}
        if len(windows) != 1 or told or not any(True for _ in measured_in(parts[-1])):
            return False
        duration = tokens[windows[0] + 1].duration
        if duration is None:
            return False
        parts[-1] = fact_in_window(parts[-1], within(duration))
        return True

    def _of_group(self, parts: list[Criterion], part: Criterion, quote: Quote) -> bool:
        """A limit for a group after the one for everybody; where it cannot be read, neither is certain for anybody."""
        if not parts:
            return False
        if isinstance(part, NotUnderstood) and part.quote is not None:
            own = {node.analyte for node in measured_in(parts[-1])}
            tokens = self.context.tokens(part.quote.start, part.quote.end)
            if not own & {name.id for token in tokens for name in token.names if name.kind is NameKind.ANALYTE}:
                return False
            parts[-1] = NotUnderstood(flat(quote.text), quote)
            return True
        made = in_place_of(parts[-1], part)
        if made is None:
            return False
        parts[-1] = made
        return True

    def _excepts(self, part: Criterion) -> bool:
        """Words not understood that may be an exception, or open one."""
        if not isinstance(part, NotUnderstood) or part.quote is None:
            return False
        tokens = self.context.tokens(part.quote.start, part.quote.end)
        return any({"except", "unless"} & set(token.cues) for token in tokens)

    def _allowance(self, start: int, end: int, parts: list[Criterion]) -> bool:
        """Reads "X are allowed", "X is not considered systemic treatment": an exception to what was said before."""
        tokens = self.context.tokens(start, end)
        at = next((k for k, token in enumerate(tokens) if "allowed" in token.cues), None)
        if at is None:
            return False
        if not self.excludes:
            return self._widen_question(start, end, parts)
        quote = Quote(self.context.source[start:end], start, end)
        exceptions = self._allowed(tokens[:at], quote)
        tail = [token for token in tokens[at + 1 :] if token.stem not in {".", ","}]
        if exceptions is None:
            parts[-1] = AllOf((parts[-1], Not(NotUnderstood(flat(quote.text), quote))), quote)
            return True
        bare = {token.stem for token in tail}
        without = next((names_of(token, NameKind.CONDITION) for token in tail if token.names), {})
        if without and "without" in bare and tokens[:at]:
            extra = self.clause(tokens[0].start, tokens[at - 1].end)
            if (when := window_of(parts[-1])) is not None:
                extra = in_window(extra, when)
            concept = without[NameKind.CONDITION]
            parts.append(
                AllOf(
                    (extra, HasCondition(concept, CURRENT, "active" if "active" in bare else None, quote=quote)), quote
                )
            )
            return True
        rewritten = rewrite_treatments(parts[-1], exceptions, self.context)
        exempt = Not(NotUnderstood(flat(quote.text), quote))
        parts[-1] = rewritten if rewritten is not None else AllOf((parts[-1], exempt), quote)
        return True

    def _widen_question(self, start: int, end: int, parts: list[Criterion]) -> bool:
        """What a requirement allows belongs to the question that the requirement is, and may be another limit of it."""
        last = parts[-1]
        if last.quote is None:
            return False
        if set(things(last)) & {name.id for token in self.context.tokens(start, end) for name in token.names}:
            quote = Quote(self.context.source[start:end], start, end)
            parts[-1] = AnyOf((last, NotUnderstood(flat(quote.text), quote)), quote)
            return True
        if not isinstance(last, Judgement):
            return False
        text = self.context.source[last.quote.start : end]
        parts[-1] = question(text, Quote(text, last.quote.start, end))
        return True

    def _allowed(self, tokens: list[Token], quote: Quote) -> tuple[Except, ...] | None:
        """What an allowance names; a replacement for an organ that fails only where that failure is recorded."""
        result: list[Except] = []
        conditions: list[HasCondition] = []
        scanner = Scanner(self.context, quote.start, quote.end, excludes=True, tokens=list(tokens))
        for at in range(len(tokens)):
            scanner.complete_name(at)
        for token in scanner.tokens:
            treated = names_of(token, NameKind.TREATMENT, NameKind.VACCINE)
            named = names_of(token, NameKind.CONDITION)
            if treated:
                result.append(Except(next(iter(treated.values())), quote=quote))
            elif named and result:
                conditions.append(HasCondition(named[NameKind.CONDITION], EVER, quote=quote))
        if not result:
            return None
        if conditions:
            last = result[-1]
            only: Criterion = conditions[0] if len(conditions) == 1 else AnyOf(tuple(conditions), quote)
            if self.context.catalogue.concepts[last.concept].high_dose is not None:
                # More than a physiological dose replaces nothing.
                only = AllOf((only, Not(HadTreatment(last.concept, CURRENT, degree="high-dose", quote=quote))), quote)
            result[-1] = Except(last.concept, last.state, only, quote)
        return tuple(result)
