"""One clause, left to right: names become drafts, what stands around them modifies them, and no word may be left over.

A clause that cannot be read to its last word raises `Unread`; the caller quotes it for a person. Words after a name that
narrow it ("requiring ...", "that ...", "with ...") and cannot be read become a question joined by "and": where the name
itself is absent the answer is still certain, and where it is there a person decides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from app.criteria.nodes import (
    CURRENT,
    EVER,
    AgeIs,
    AllOf,
    AnyOf,
    Bound,
    Criterion,
    Dose,
    Except,
    HadTreatment,
    HasCondition,
    If,
    InStudy,
    Measured,
    Not,
    NotUnderstood,
    Op,
    Outcome,
    Quantity,
    Quote,
    Reproductive,
    ReproductiveIs,
    Route,
    ScoreBound,
    Scored,
    Sex,
    SexIs,
    State,
    When,
)
from app.reader.drafts import Draft, make, question, within
from app.reader.measures import Numbers, age_bounds, comparator, limits, read_limit, scale_bounds, skip_fillers, unit_of
from app.reader.tokens import NameKind, Tok, Token, names_of, tokenise

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.criteria.time import Duration
    from app.reader.context import Context

_ROUTES = {
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
_JOINERS = {",": ",", "or": "or", "and": "and", "/": "or", "and/or": "or", ";": "or"}
_SEVERITY = frozenset({"severe", "serious", "significant", "clinically significant", "major"})
_FACT_KINDS = (NameKind.CONDITION, NameKind.TREATMENT, NameKind.ALLERGEN, NameKind.VACCINE, NameKind.ANALYTE, NameKind.SCALE)


class UnreadError(Exception):
    """A word was left over, or two readings are possible; never leaves the reader."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@dataclass(slots=True)
class _Pre:
    """What was said before the next name."""

    degrees: list[str] = field(default_factory=list)
    other: bool = False
    outcome: Outcome | None = None
    routes: tuple[Route, ...] = ()
    intent: str | None = None
    graded: tuple[Token, ...] = ()
    negated: bool = False


class Scanner:
    """Reads one clause. `excludes` is the frame: what joins with "and" in a list of things that exclude is any-of."""

    def __init__(self, context: Context, start: int, end: int, *, excludes: bool, tokens: list[Token] | None = None) -> None:
        self.context = context
        self.text = context.source
        self.start, self.end = start, end
        self.excludes = excludes
        self.tokens = tokens if tokens is not None else tokenise(context.text, start, end, context.phrases)
        self.i = 0
        self.drafts: list[Draft] = []
        self.joins: list[str] = []
        self.pre = _Pre()
        self.lead: When | None = None
        self.treat = False
        self.allergy = False
        self.suspected = False
        self.negative = False
        self.planned = False
        self.elapsed: tuple[Duration, int | None] | None = None
        self.barrier = 0
        self.shared_from = 0
        self.last_group = 0
        self.after_tail = False
        self.unrecovered: Token | None = None
        self.confirm: str | None = None
        self.applies: Criterion | None = None
        self.extra: list[Criterion] = []
        self.lead = context.lead

    # --- the loop ----------------------------------------------------------------------------------------------------

    def read(self) -> Criterion:
        """The node of the clause; raises UnreadError where a word is left over or no fact was found."""
        while self.i < len(self.tokens):
            if not any(step() for step in self._steps()):
                raise UnreadError(self.tokens[self.i].stem)
        if not self.drafts and not self.extra:
            raise UnreadError(self.text[self.start : self.end])
        return self._assemble()

    def _steps(self) -> tuple[Callable[[], bool], ...]:
        return (
            self._elapsed_lead,
            self._window,
            self._completed,
            self._anchor,
            self._exception,
            self._unless,
            self._parenthesis,
            self._childbearing,
            self._age,
            self._study,
            self._graded,
            self._named,
            self._cause,
            self._including,
            self._mods,
            self._joiner,
            self._tail,
            self._neutral,
        )

    # --- helpers -----------------------------------------------------------------------------------------------------

    def _at(self, offset: int = 0) -> Token | None:
        at = self.i + offset
        return self.tokens[at] if at < len(self.tokens) else None

    def _cue(self, *cues: str, offset: int = 0) -> bool:
        token = self._at(offset)
        return token is not None and not set(cues).isdisjoint(token.cues)

    def _quote(self, first: int, last: int) -> Quote:
        return Quote(self.text[first:last], first, last)

    def _sub(self, tokens: list[Token], *, excludes: bool | None = None) -> Scanner:
        inner = Scanner(
            self.context,
            tokens[0].start,
            tokens[-1].end,
            excludes=self.excludes if excludes is None else excludes,
            tokens=tokens,
        )
        return inner

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

    # --- time --------------------------------------------------------------------------------------------------------

    def _window(self) -> bool:
        """"within (the past) 4 weeks (before enrollment)": applies to every name since the last window."""
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
            elif nxt is not None and nxt.kind is Tok.WORD and nxt.stem in {"year", "month", "week"} and token.stem != "within":
                duration, at = self.context.one(nxt.stem), start + 2
        elif token.duration is not None and self._cue("before", offset=1) and self._anchor_end(start + 1) is not None:
            duration, at = token.duration, start + 1
        elif (free := self._disease_free(start)) is not None:
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
        for draft in open_drafts:
            draft.when = when
            draft.restricts = [_in_window(each, when) for each in draft.restricts]
            if isinstance(draft.node, InStudy):
                draft.node = InStudy(when, draft.node.quote)
        open_drafts[-1].end = end
        self._raise_barrier()

    def _raise_barrier(self) -> None:
        """What follows no longer speaks of the drafts so far, but for a narrowing of the last group."""
        if self.barrier != len(self.drafts):
            self.last_group, self.barrier = self.barrier, len(self.drafts)

    def _anchor_end(self, at: int) -> int | None:
        """The index after "before enrollment", "prior to the first dose of the study drug" at `at`."""
        if at >= len(self.tokens) or "before" not in self.tokens[at].cues:
            return None
        at += 1
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

    def _anchor(self) -> bool:
        stop = self._anchor_end(self.i)
        if stop is None:
            return False
        self.i = stop
        return True

    def _elapsed_lead(self) -> bool:
        """"at least 21 days after (the last)": the names that follow are washed out; or a bare "N days after"."""
        at = self.i
        if self._cue("ge", "gt"):
            at += 1
        token = self.tokens[at] if at < len(self.tokens) else None
        if token is None or token.duration is None or at + 1 >= len(self.tokens) or "after" not in self.tokens[at + 1].cues:
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
        """"... has been completed for at least 2 weeks or 5 half-lives (whichever is longer)"."""
        if not self._cue("completed"):
            return False
        at = self.i + 1
        while at < len(self.tokens) and (set(self.tokens[at].cues) & {"ge", "neutral"} or self.tokens[at].stem in {"at", "least"}):
            at += 1
        token = self.tokens[at] if at < len(self.tokens) else None
        if token is None or token.duration is None:
            return False
        half_lives = None
        at += 1
        if at + 2 < len(self.tokens) and self.tokens[at].stem == "or" and self.tokens[at + 1].number is not None and "half-lives" in self.tokens[at + 2].cues:
            half_lives = int(self.tokens[at + 1].number or 0)
            at += 3
        for draft in self.drafts[self.barrier :]:
            draft.elapsed, draft.half_lives = token.duration, half_lives
            draft.end = self.tokens[at - 1].end
        self._raise_barrier()
        self.i = at
        return True

    # --- exceptions and conditions -----------------------------------------------------------------------------------

    def _exception(self) -> bool:
        """"except ...", "excluding ...", "other than ...": to the end of the clause, on the instances of what precedes."""
        if not self._cue("except") or not self.drafts:
            return False
        rest = self.tokens[self.i + 1 :]
        self.i = len(self.tokens)
        self._except(rest)
        return True

    def _except(self, rest: list[Token]) -> None:
        while rest and (rest[0].stem in {":", ","} or set(rest[0].cues) & {"except"}):
            rest = rest[1:]
        if not rest:
            return
        if any(token.stem == ":" for token in rest):
            raise UnreadError(":")
        targets = [draft for draft in self.drafts if draft.kind in {NameKind.CONDITION, NameKind.TREATMENT, NameKind.VACCINE}]
        routes = {_ROUTES[token.stem] for token in rest if token.stem in _ROUTES}
        if routes and all(target.kind is NameKind.TREATMENT for target in targets) and targets:
            for draft in targets:
                draft.not_routes = (*draft.not_routes, *sorted(routes))
            return
        exceptions = self._exceptions(rest)
        if exceptions is None or not targets:
            self._restrict(Not(self._question(rest)), rest[-1].end)
            return
        for draft in targets:
            draft.excluding.extend(exceptions)
        self.drafts[-1].end = rest[-1].end

    def _exceptions(self, tokens: list[Token]) -> list[Except] | None:
        """The list after an exception word, None where a member cannot be read."""
        result: list[Except] = []
        state = State.ANY
        current: list[Token] = []
        i = 0
        while i < len(tokens):
            token = tokens[i]
            if "cured" in token.cues:
                state = State.CURED
                if result and not current and any(later.names for later in tokens[i:]) is False:
                    result = [Except(each.concept, State.CURED, each.only, each.quote) for each in result]
                elif result and current:
                    result[-1] = Except(result[-1].concept, State.CURED, result[-1].only, result[-1].quote)
                i += 1
                continue
            named = names_of(token, NameKind.CONDITION, NameKind.TREATMENT, NameKind.VACCINE)
            if named:
                concept = next(iter(named.values()))
                stop = self._instance_end(tokens, i + 1)
                tail = [each for each in tokens[i + 1 : stop] if each.stem not in {",", "and", "or", "."}]
                only, cured = self._only(tail)
                if cured:
                    state = State.CURED
                quote = self._quote(token.start, tokens[stop - 1].end)
                result.append(Except(concept, state, only, quote))
                current = tail
                i = stop
                continue
            if set(token.cues) & {"neutral", "including", "etc"} or token.stem in {",", "and", "or", ":", ".", "(", ")", "following"}:
                i += 1
                continue
            if tokens[i:] and any("judgement" in each.cues for each in tokens[i:]) and self.drafts:
                # "or diseases not expected to relapse": said of the thing itself, for a person to tell.
                rest = tokens[i:]
                quote = self._quote(rest[0].start, rest[-1].end)
                result.extend(
                    Except(draft.id, State.ANY, question(quote.text, quote), quote)
                    for draft in self.drafts
                    if draft.kind is NameKind.CONDITION
                )
                return result
            return None
        return result

    def _instance_end(self, tokens: list[Token], i: int) -> int:
        """Where the words about one excepted thing end: the joiner before the next name."""
        depth = 0
        while i < len(tokens):
            token = tokens[i]
            if token.stem == "(":
                depth += 1
            elif token.stem == ")":
                depth = max(0, depth - 1)
            elif depth == 0 and token.stem in {",", "and", "or"}:
                ahead = i + 1
                while ahead < len(tokens) and (
                    set(tokens[ahead].cues) & {"neutral", "cured", "degree"} or tokens[ahead].stem in {",", "and", "or"}
                ):
                    if tokens[ahead].names:
                        break
                    ahead += 1
                if ahead >= len(tokens) or tokens[ahead].names or tokens[ahead].stem not in {"requiring"}:
                    return i
            i += 1
        return i

    def _only(self, tail: list[Token]) -> tuple[Criterion | None, bool]:
        """What must hold besides of an excepted instance, and whether it must be cured."""
        if any("cured" in token.cues for token in tail):
            return None, True
        words = _without_parentheses(tail)
        words = [token for token in words if not (set(token.cues) == {"neutral"})]
        if not words:
            return None, False
        quote = self._quote(words[0].start, words[-1].end)
        immune = HadTreatment("systemic-immunosuppressive-treatment", CURRENT, quote=quote)
        joined = {cue for token in words for cue in token.cues}
        if "replacement-only" in joined:
            replaced = AnyOf((HadTreatment("hormone-replacement", CURRENT, quote=quote), question(quote.text, quote)), quote)
            return AllOf((Not(immune, quote), replaced), quote), False
        if "systemic-treatment" in joined and words[0].stem.startswith("not"):
            return Not(immune, quote), False
        return self._question(words), False

    def _unless(self) -> bool:
        if not self._cue("unless"):
            return False
        rest = self.tokens[self.i + 1 :]
        self.i = len(self.tokens)
        if not rest or not self.drafts:
            raise UnreadError("unless")
        quote = self._quote(rest[0].start, rest[-1].end)
        self._restrict(Not(question(quote.text, quote), quote), rest[-1].end)
        return True

    def _restrict(self, node: Criterion, end: int) -> None:
        """"and" a narrowing condition to every draft since the barrier that has none of its own yet."""
        for draft in self.drafts[self.barrier :] or self.drafts[self.last_group :]:
            draft.restricts.append(node)
            draft.end = max(draft.end, end)

    # --- brackets ----------------------------------------------------------------------------------------------------

    def _parenthesis(self) -> bool:
        token = self._at()
        if token is None or token.stem not in {"(", "["}:
            return False
        depth, j = 0, self.i
        while j < len(self.tokens):
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(self.tokens[j].stem, 0)
            if depth == 0:
                break
            j += 1
        inner = self.tokens[self.i + 1 : j]
        self.i = j + 1
        if inner:
            self._bracket(inner)
        return True

    def _bracket(self, inner: list[Token]) -> None:
        if all(set(token.cues) & {"neutral", "uln", "lln"} or token.stem in {",", "."} for token in inner):
            return
        first = inner[0]
        last = self.drafts[-1] if self.drafts else None
        if last is None or (self.treat and len(self.joins) == len(self.drafts)):
            self._lead_bracket(inner)
            return
        if "except" in first.cues:
            self._except(inner)
        elif "unless" in first.cues:
            quote = self._quote(inner[1].start, inner[-1].end)
            self._restrict(Not(question(quote.text, quote), quote), inner[-1].end)
        elif any("allowed" in token.cues for token in inner):
            quote = self._quote(inner[0].start, inner[-1].end)
            self._restrict(Not(question(quote.text, quote), quote), inner[-1].end)
        elif "cockcroft-gault" in {cue for token in inner for cue in token.cues}:
            self._formula(last)
        elif self._stratify(last, inner):
            last.end = max(last.end, inner[-1].end)
        elif self._dose(inner):
            last.end = max(last.end, inner[-1].end)
        elif isinstance(last.node, AgeIs | Measured):
            self._repeat(last, inner)
        elif set(first.cues) & {"including"} or any("etc" in token.cues for token in inner):
            self._examples(inner, strict=first.stem.startswith("includ"))
        else:
            self._define(inner)

    def _lead_bracket(self, inner: list[Token]) -> None:
        """"comprehensive treatment (surgery, chemotherapy and/or radiation)": the list is what is meant."""
        sub = self._sub(inner, excludes=True)
        sub.treat, sub.treat_current, sub.lead = self.treat, self.treat_current, self.lead
        node = sub.read()
        self._add(Draft(None, "list", inner[0].start, inner[-1].end, node=node))

    def _formula(self, last: Draft) -> None:
        node = last.node
        if isinstance(node, Measured):
            if self.context.catalogue.analytes[node.analyte].formula == "cockcroft-gault":
                last.node = Measured(node.analyte, node.bounds, node.within, node.pick, node.circumstance, "cockcroft-gault", node.quote)
            else:
                self.context.note("The Cockcroft-Gault formula gives a clearance; the limit here is read as one on the value itself.")
            return
        raise UnreadError("cockcroft gault")

    def _repeat(self, last: Draft, inner: list[Token]) -> None:
        """A bracket after numbers that says them again ("(≥18, ≤75)"): every number must be one of theirs."""
        node = last.node
        own = {bound.age.count for bound in node.bounds} if isinstance(node, AgeIs) else set()
        numbers = [token.number for token in inner if token.number is not None]
        if isinstance(node, AgeIs) and numbers and all(number in own for number in numbers):
            return
        if isinstance(node, Measured) and len(inner) == 1 and inner[0].quantity is not None:
            self.context.note(f"“{self.text[inner[0].start : inner[0].end]}” is taken to repeat the limit, not to set another.")
            return
        raise UnreadError(self.text[inner[0].start : inner[-1].end])

    def _examples(self, inner: list[Token], *, strict: bool) -> None:
        """A list of members: those the head already covers say nothing new, the others are alternatives."""
        last = self.drafts[-1]
        body = [token for token in inner if "etc" not in token.cues and token.stem != "."]
        while body and (body[0].stem in {",", ":"} or "including" in body[0].cues):
            body = body[1:]
        while body and body[-1].stem in {",", "and", "or"}:
            body = body[:-1]
        if not body:
            return
        split = next((k for k, token in enumerate(body) if set(token.cues) & {"except"}), None)
        if split is not None:
            self._except(body[split + 1 :])
            body = body[:split]
            while body and (body[-1].stem in {",", "and", "or"} or body[-1].stem == "but"):
                body = body[:-1]
            if not body:
                return
        members = self._member_list(body, last)
        if members is not None:
            if not last.degrees and any(member.degrees or member.defined_by for member in members):
                # Members that carry thresholds would be pointless if every member of the class counted.
                last.degrees = ["of the kind listed"]
            last.alternatives.extend(members if self.excludes or self.negative else [])
            last.end = max(last.end, inner[-1].end)
        elif strict and (self.excludes or self.negative):
            last.alternatives.append(self._question(body))
            last.end = max(last.end, inner[-1].end)

    def _member_list(self, body: list[Token], last: Draft) -> list[Draft] | None:
        """The members of an example list that the head does not cover, None where the list cannot be read."""
        inner = self._sub(body, excludes=True)
        inner.treat = self.treat
        try:
            inner.scan()
        except UnreadError:
            return None
        members: list[Draft] = []
        closure = self.context.catalogue.index.closure.get(last.id, frozenset())
        for draft in inner.drafts:
            covered = draft.kind is last.kind and draft.id in closure
            if covered and not (last.degrees and set(last.degrees) <= _SEVERITY):
                continue
            if self.after_tail and draft.kind is not last.kind:
                continue
            if draft.kind is last.kind and not draft.degrees and not set(last.degrees) <= _SEVERITY:
                draft.degrees, draft.restricts = list(last.degrees), list(last.restricts)
            members.append(draft)
        return members

    def scan(self) -> None:
        """Read to the last word without assembling."""
        while self.i < len(self.tokens):
            if not any(step() for step in self._steps()):
                raise UnreadError(self.tokens[self.i].stem)

    def _define(self, inner: list[Token]) -> None:
        """"(INR > 1.5 or PT > ULN + 4 s)", "(anti-HCV positive, HCV RNA positive)": the data that decide the condition."""
        last = self.drafts[-1]
        if last.kind is NameKind.CONDITION and last.id in {"pregnancy", "breastfeeding"}:
            return
        sub = self._sub(inner, excludes=True)
        try:
            sub.scan()
        except UnreadError:
            self._restrict(self._question(inner), inner[-1].end)
            return
        node = sub.defined()
        if last.kind is NameKind.CONDITION:
            last.defined_by = node
            last.end = max(last.end, inner[-1].end)
        elif last.kind is NameKind.TREATMENT:
            last.node = AnyOf(tuple(make(each, self.text, self.context.catalogue, self.context.study_disease) for each in sub.drafts))
            last.end = max(last.end, inner[-1].end)
        else:
            raise UnreadError(self.text[inner[0].start : inner[-1].end])

    def defined(self) -> Criterion:
        """A bracket's facts as one condition. Commas alone between results may mean both or either: both decides true,
        neither decides false, and between them it is for a person."""
        parts = tuple(make(draft, self.text, self.context.catalogue, self.context.study_disease) for draft in self.drafts)
        quote = self._quote(self.tokens[0].start, self.tokens[-1].end)
        if len(parts) == 1:
            return parts[0]
        if all(join == "," for join in self.joins) and all(draft.is_result for draft in self.drafts):
            doubt = NotUnderstood(f"{' '.join(quote.text.split())}: is one of them enough?", quote)
            return AnyOf((AllOf(parts, quote), AllOf((AnyOf(parts, quote), doubt), quote)), quote)
        return self._assemble()

    def _stratify(self, last: Draft, inner: list[Token]) -> bool:
        """"(if liver metastasis, ≤ 5 x ULN)", "(≥5×ULN for liver metastasis)", "(42 days if nitrosourea)"."""
        body = [token for token in inner if token.stem not in {","}]
        conditions = [token for token in body if token.names and names_of(token, NameKind.CONDITION, NameKind.TREATMENT)]
        if len(conditions) != 1:
            return False
        named = names_of(conditions[0], NameKind.CONDITION, NameKind.TREATMENT)
        kind, concept = next(iter(named.items()))
        quote = self._quote(conditions[0].start, conditions[0].end)
        condition: Criterion = (
            HasCondition(concept, quote=quote) if kind is NameKind.CONDITION else HadTreatment(concept, EVER, quote=quote)
        )
        rest = [token for token in body if token is not conditions[0]]
        if not any("if" in token.cues for token in rest):
            return False
        rest = [token for token in rest if not (set(token.cues) & {"if", "neutral", "treat-ever"} and token.number is None and not set(token.cues) & {"le", "ge", "lt", "gt", "uln"})]
        if last.elapsed is not None and len(rest) == 1 and rest[0].duration is not None:
            last.elapsed_if = (condition, rest[0].duration)
            return True
        groups = self.drafts[self.shared_from :]
        if not all(isinstance(draft.node, Measured) for draft in groups):
            return False
        if rest and names_of(rest[0], NameKind.ANALYTE):
            rest = rest[1:]
        for draft in groups:
            node = draft.node
            if not isinstance(node, Measured) or not rest:
                return False
            read = limits(rest, 0, unit_of(self.context.catalogue, node.analyte))
            if read is None and (limit := read_limit(rest, 0, "")) is not None:
                read = Numbers((Bound(node.bounds[0].op, limit[0]),), limit[1])
            if read is None or read.stop != len(rest):
                return False
            inner_quote = self._quote(inner[0].start, inner[-1].end)
            other = Measured(node.analyte, read.bounds, node.within, node.pick, node.circumstance, node.formula, inner_quote)
            draft.node = If(condition, other, node, self._quote(draft.start, inner[-1].end))
            draft.end = max(draft.end, inner[-1].end)
        self.barrier = len(self.drafts)
        return True

    def _dose(self, inner: list[Token]) -> bool:
        """"(prednisone > 10 mg/day or equivalent)"."""
        drugs = [token for token in inner if names_of(token, NameKind.TREATMENT)]
        bound = next(((comparator(inner, k), k) for k in range(len(inner)) if comparator(inner, k)), None)
        if len(drugs) != 1 or bound is None or bound[0] is None:
            return False
        limit = read_limit(inner, bound[0][1], "")
        if limit is None or not isinstance(limit[0], Quantity) or not limit[0].unit.startswith(("mg", "g", "ug")):
            return False
        rest = inner[limit[1] :]
        if not all(set(token.cues) & {"equivalent", "per-day", "neutral"} for token in rest):
            return False
        quantity = limit[0]
        if not quantity.unit.endswith("/d"):
            if not any("per-day" in token.cues for token in rest):
                return False
            quantity = Quantity(quantity.value, f"{quantity.unit}/d")
        equivalent = names_of(drugs[0], NameKind.TREATMENT)[NameKind.TREATMENT]
        treatments = [draft for draft in self.drafts if draft.kind is NameKind.TREATMENT]
        if not treatments:
            return False
        treatments[-1].dose = Dose(bound[0][0], quantity, equivalent)
        treatments[-1].not_routes = tuple(sorted({*treatments[-1].not_routes, Route.INHALED, Route.TOPICAL}))
        return True

    # --- facts -------------------------------------------------------------------------------------------------------

    def _childbearing(self) -> bool:
        if not self._cue("childbearing"):
            return False
        token = self.tokens[self.i]
        self.applies = ReproductiveIs(Reproductive.CHILDBEARING, self._quote(token.start, token.end))
        self.i += 1
        return True

    def _age(self) -> bool:
        token = self._at()
        if token is None or not (self._cue("age") or token.duration is not None and self._cue("or-more", "or-less", offset=1)):
            return False
        at = self.i + 1 if "age" in token.cues else self.i
        read = age_bounds(self.tokens, at)
        if read is None:
            return False
        bounds, stop = read
        while stop < len(self.tokens) and self.tokens[stop].stem in {"old", "of age"}:
            stop += 1
        end = self.tokens[stop - 1].end
        self.drafts.append(Draft(None, "age", token.start, end, node=AgeIs(bounds, self._quote(token.start, end))))
        self.i = stop
        return True

    def _study(self) -> bool:
        if not self._cue("study-verb"):
            return False
        start = self.tokens[self.i].start
        at = self.i + 1
        found = False
        while at < len(self.tokens):
            token = self.tokens[at]
            if "study-noun" in token.cues:
                found = True
            elif not ("other" in token.cues or "neutral" in token.cues or "planned" in token.cues):
                break
            at += 1
        if not found:
            return False
        end = self.tokens[at - 1].end
        when = self.lead or EVER
        self.drafts.append(Draft(None, "study", start, end, node=InStudy(when, self._quote(start, end))))
        self.i = at
        return True

    def _graded(self) -> bool:
        """"Grade ≥3 events", "≥ II-grade ischaemia", "grade 4 of heart function", "≥ III-IV-grade heart failure per NYHA"."""
        at = self.i
        tokens = self.tokens
        step = tokens[at].stem in {"grade", "class"} and not tokens[at].names
        if step:
            at += 1
        compared = comparator(tokens, at)
        if compared:
            at = compared[1]
        value_at = at
        plus = at < len(tokens) and set(tokens[at].stem) == {"+"}
        if at >= len(tokens) or not (plus or tokens[at].kind is Tok.ROMAN or tokens[at].kind is Tok.NUMBER):
            return False
        at += 1
        if at + 1 < len(tokens) and tokens[at].stem == "-" and tokens[at + 1].kind in {Tok.ROMAN, Tok.NUMBER}:
            at += 2
        if not step:
            direct = at < len(tokens) and bool(names_of(tokens[at], NameKind.SCALE)) and (plus or compared is not None)
            if at >= len(tokens) or not (direct or tokens[at].stem in {"grade", "class"}):
                return False
            at += 0 if direct else 1
        at = skip_fillers(tokens, at)
        if at >= len(tokens) or not tokens[at].names:
            return False
        op = compared[0] if compared else None
        value = tokens[value_at]
        scale = names_of(tokens[at], NameKind.SCALE)
        if scale:
            entry = self.context.catalogue.scales[scale[NameKind.SCALE]]
            bounds = scale_bounds([value], 0, entry)
            if bounds is None:
                return False
            first = bounds[0][0].value
            made = (ScoreBound(op, first),) if op else bounds[0]
            end = tokens[at].end
            node = Scored(entry.id, made, quote=self._quote(tokens[self.i].start, end))
            self._add(Draft(NameKind.SCALE, entry.id, tokens[self.i].start, end, node=node))
            self.i = at + 1
            return True
        self.pre.graded = tuple(tokens[self.i : at])
        self.i = at
        return True

    def _add(self, draft: Draft) -> None:
        if self.drafts and len(self.joins) < len(self.drafts):
            raise UnreadError(self.text[draft.start : draft.end])
        self.drafts.append(draft)

    def _named(self) -> bool:
        token = self._at()
        if token is None or not token.names:
            return False
        named = names_of(token, *_FACT_KINDS)
        if NameKind.SITE in names_of(token, NameKind.SITE) and not named:
            return self._site(token)
        if not named:
            return False
        if NameKind.SCALE in named and self._score(token, named[NameKind.SCALE]):
            return True
        if NameKind.ANALYTE in named and self._measure(token, named[NameKind.ANALYTE]):
            return True
        kind = next((k for k in self._preference() if k in named), None)
        if kind is None:
            raise UnreadError(token.stem)
        self._fact(token, kind, named[kind])
        return True

    def _preference(self) -> tuple[NameKind, ...]:
        if self.allergy:
            return (NameKind.ALLERGEN,)
        if self.treat or self.elapsed:
            return (NameKind.TREATMENT, NameKind.VACCINE, NameKind.CONDITION, NameKind.ALLERGEN)
        return (NameKind.CONDITION, NameKind.TREATMENT, NameKind.VACCINE, NameKind.ALLERGEN)

    def _fact(self, token: Token, kind: NameKind, concept: str) -> None:
        pre, self.pre = self.pre, _Pre()
        start = min([token.start, *(self.tokens[self.i - 1].start for _ in [0] if pre.degrees and self.i)])
        draft = Draft(kind, concept, start, token.end, lead=self.lead)
        if self.drafts and len(self.joins) < len(self.drafts):
            # Two names side by side ("NYHA class II heart failure" is read elsewhere): one of them was not meant so.
            raise UnreadError(token.stem)
        draft.degrees = pre.degrees
        draft.other = pre.other
        draft.suspected = self.suspected
        draft.routes = pre.routes
        draft.intent = pre.intent
        draft.planned = self.planned
        draft.negated = pre.negated
        if kind is NameKind.TREATMENT and self.treat and self.lead is None and self.treat_current:
            draft.lead = CURRENT
        if self.elapsed is not None and kind in {NameKind.TREATMENT, NameKind.CONDITION}:
            draft.elapsed, draft.half_lives = self.elapsed
        if kind is NameKind.CONDITION:
            self.context.last_condition = concept
        if self.confirm and kind is NameKind.CONDITION:
            draft.confirm, self.confirm = self.confirm, None
        if pre.graded:
            self._grade(draft, pre.graded)
        self.drafts.append(draft)
        self.i += 1
        if pre.outcome is not None:
            draft.outcome = pre.outcome
        else:
            self._outcome(draft)

    treat_current = False

    def _grade(self, draft: Draft, graded: tuple[Token, ...]) -> None:
        """A grade before a condition: on the scale named after it, else a degree in the text's own words."""
        scale_at = next((k for k in range(self.i + 1, min(self.i + 4, len(self.tokens))) if names_of(self.tokens[k], NameKind.SCALE)), None)
        if scale_at is not None:
            entry = self.context.catalogue.scales[names_of(self.tokens[scale_at], NameKind.SCALE)[NameKind.SCALE]]
            values = [token for token in graded if token.kind is Tok.ROMAN or token.number is not None]
            op = next((token.op for token in graded if token.op is not None), None)
            bounds = scale_bounds(values[:1], 0, entry)
            if bounds is None:
                raise UnreadError(entry.id)
            made = (ScoreBound(op, bounds[0][0].value),) if op else bounds[0]
            draft.defined_by = Scored(entry.id, made, quote=self._quote(graded[0].start, self.tokens[scale_at].end))
            del self.tokens[self.i + 1 : scale_at + 1]
            return
        draft.degrees.insert(0, " ".join(self.text[graded[0].start : graded[-1].end].split()))

    def _outcome(self, draft: Draft) -> None:
        """"HIV positive", "HBsAg negative" after the name."""
        if self._cue("positive") or self._cue("negative"):
            draft.outcome = Outcome.POSITIVE if self._cue("positive") else Outcome.NEGATIVE
            draft.end = self.tokens[self.i].end
            self.i += 1

    def _site(self, token: Token) -> bool:
        treatments = [draft for draft in self.drafts if draft.kind is NameKind.TREATMENT]
        if not treatments:
            return False
        treatments[-1].sites = (*treatments[-1].sites, names_of(token, NameKind.SITE)[NameKind.SITE])
        treatments[-1].end = token.end
        self.i += 1
        if self._at() is not None and self.tokens[self.i].stem in {"and", "or"}:
            nxt = self._at(1)
            if nxt is not None and names_of(nxt, NameKind.SITE):
                self.i += 1
        return True

    def _score(self, token: Token, scale: str) -> bool:
        entry = self.context.catalogue.scales[scale]
        at = self.i + 1
        if pair := self._age_split(token, entry.id):
            return pair
        read = scale_bounds(self.tokens, at, entry)
        if read is None:
            return False
        bounds, stop = read
        end = self.tokens[stop - 1].end
        node = Scored(entry.id, bounds, quote=self._quote(token.start, end))
        nxt = self.tokens[stop] if stop < len(self.tokens) else None
        if nxt is not None and (named := names_of(nxt, NameKind.CONDITION)):
            # "NYHA class ≥ II heart failure": the class decides the condition.
            self._add(Draft(NameKind.CONDITION, named[NameKind.CONDITION], token.start, nxt.end, lead=self.lead, defined_by=node))
            self.i = stop + 1
            return True
        self._add(Draft(NameKind.SCALE, entry.id, token.start, end, node=node))
        self.i = stop
        return True

    def _age_split(self, token: Token, scale: str) -> bool:
        """"Karnofsky (≥16 years) or Lansky (<16 years) ... of at least 50": one scale an age group."""
        parts: list[tuple[str, AgeIs]] = []
        at = self.i
        while at < len(self.tokens) and names_of(self.tokens[at], NameKind.SCALE):
            name = names_of(self.tokens[at], NameKind.SCALE)[NameKind.SCALE]
            if at + 1 >= len(self.tokens) or self.tokens[at + 1].stem != "(":
                return False
            bounds = age_bounds(self.tokens, at + 2)
            if bounds is None or bounds[1] >= len(self.tokens) or self.tokens[bounds[1]].stem != ")":
                return False
            parts.append((name, AgeIs(bounds[0], self._quote(self.tokens[at + 2].start, self.tokens[bounds[1] - 1].end))))
            at = bounds[1] + 1
            if at < len(self.tokens) and self.tokens[at].stem in {"or", "and", ","}:
                at += 1
        if len(parts) != 2 or parts[0][0] != scale:
            return False
        while at < len(self.tokens) and (self.tokens[at].stem in {"performance", "score", "scale"} or set(self.tokens[at].cues) & {"neutral"}):
            at += 1
        scales = self.context.catalogue.scales
        reads = [scale_bounds(self.tokens, at, scales[name]) for name, _ in parts]
        if reads[0] is None or reads[1] is None:
            return False
        end = self.tokens[reads[0][1] - 1].end
        quote = self._quote(token.start, end)
        first, second = (Scored(name, read[0], quote=quote) for (name, _), read in zip(parts, reads, strict=True) if read)
        if not _complementary(parts[0][1], parts[1][1]):
            return False
        self._add(Draft(NameKind.SCALE, scale, token.start, end, node=If(parts[0][1], first, second, quote)))
        self.i = reads[0][1]
        return True

    def _measure(self, token: Token, analyte: str) -> bool:
        """Analytes that share a limit, then the limit; or a coded result."""
        names = [(token, analyte)]
        at = self.i + 1
        while at + 1 < len(self.tokens) and self.tokens[at].stem in {",", "and", "or", "/", "and/or"}:
            named = names_of(self.tokens[at + 1], NameKind.ANALYTE)
            if not named:
                break
            names.append((self.tokens[at + 1], named[NameKind.ANALYTE]))
            at += 2
        shared = limits(self.tokens, at, unit_of(self.context.catalogue, analyte)) if len(names) > 1 else None
        if shared is None:
            names, at = names[:1], self.i + 1
        pre, self.pre = self.pre, _Pre()
        read = shared or limits(self.tokens, at, unit_of(self.context.catalogue, analyte))
        if read is None:
            return self._result(token, analyte, pre, at)
        stop = read.stop
        end = self.tokens[stop - 1].end
        circumstance = None
        if stop < len(self.tokens) and "room-air" in self.tokens[stop].cues:
            circumstance, stop, end = "room-air", stop + 1, self.tokens[stop].end
        self.shared_from = len(self.drafts)
        for k, (name, each) in enumerate(names):
            quote = self._quote(name.start if k else token.start, end)
            node = Measured(each, self._bounds(each, read.bounds), circumstance=circumstance, quote=quote)
            if k:
                self.joins.append("and" if not self.excludes else "or")
            self._add(Draft(NameKind.ANALYTE, each, name.start, end, node=node))
        self.i = stop
        self._subgroups(names, end)
        return True

    def _bounds(self, analyte: str, bounds: tuple[Bound, ...]) -> tuple[Bound, ...]:
        """The bounds with their units checked: no unit where one is needed, or one of another dimension, is not certain."""
        target = self.context.catalogue.analytes[analyte].unit
        made: list[Bound] = []
        for bound in bounds:
            limit = bound.limit
            if isinstance(limit, Quantity):
                unit = limit.unit
                if target.endswith("/d") and unit in {"g", "mg"}:
                    unit = f"{unit}/d"
                if not unit or not self.context.comparable(unit, analyte):
                    raise UnreadError(f"{limit.value} {limit.unit}")
                limit = Quantity(limit.value, unit)
            made.append(Bound(bound.op, limit))
        return tuple(made)

    def _result(self, token: Token, analyte: str, pre: _Pre, at: int) -> bool:
        """"HBsAg positive (or above ULN)", "negative pregnancy test", "positive HBV-DNA titer or above ULN"."""
        outcome = pre.outcome
        end = token.end
        at = skip_fillers(self.tokens, at)
        if outcome is None and at < len(self.tokens) and set(self.tokens[at].cues) & {"positive", "negative"}:
            outcome = Outcome.POSITIVE if "positive" in self.tokens[at].cues else Outcome.NEGATIVE
            end = self.tokens[at].end
            at += 1
        if outcome is None:
            self.pre = pre
            return False
        draft = Draft(NameKind.ANALYTE, analyte, token.start, end, outcome=outcome)
        self._add(draft)
        self.i = at
        nxt = self._at()
        if nxt is not None and nxt.stem in {"or", "or above"}:
            read = limits(self.tokens, self.i + 1, "")
            if nxt.stem == "or above" and (above := read_limit(self.tokens, self.i + 1, "")) is not None:
                read = Numbers((Bound(Op.GT, above[0]),), above[1])
            if read is not None and outcome is Outcome.POSITIVE:
                stop_end = self.tokens[read.stop - 1].end
                quote = self._quote(token.start, stop_end)
                positive = make(draft, self.text, self.context.catalogue, self.context.study_disease)
                draft.node = AnyOf((positive, Measured(analyte, read.bounds, quote=quote)), quote)
                draft.end = stop_end
                self.i = read.stop
        return True

    def _subgroups(self, names: list[tuple[Token, str]], end: int) -> None:
        """"≥ 450 ms in men and ≥ 470 ms in women"; "> 1.5 x ULN, or TBIL > 2.5 x ULN for subjects with Gilbert"."""
        if len(names) != 1:
            return
        draft = self.drafts[-1]
        node = draft.node
        if not isinstance(node, Measured):
            return
        sex, stop = self._sex_at(self.i)
        if sex is not None:
            at = stop
            while at < len(self.tokens) and self.tokens[at].stem in {"and", "or", ",", ";"}:
                at += 1
            if at < len(self.tokens) and names_of(self.tokens[at], NameKind.ANALYTE).get(NameKind.ANALYTE) == node.analyte:
                at += 1
            second = limits(self.tokens, at, unit_of(self.context.catalogue, node.analyte))
            if second is None:
                raise UnreadError(sex.value)
            other, last = self._sex_at(second.stop)
            if other is None or other is sex:
                raise UnreadError(sex.value)
            quote = self._quote(draft.start, self.tokens[last - 1].end)
            then = Measured(node.analyte, self._bounds(node.analyte, second.bounds), quote=quote)
            draft.node = If(SexIs(sex, quote), node, then, quote)
            draft.end = self.tokens[last - 1].end
            self.i = last
            return
        if self._cue("if") and (nxt := self._at(1)) is not None and (named := names_of(nxt, NameKind.CONDITION)):
            condition = HasCondition(named[NameKind.CONDITION], quote=self._quote(nxt.start, nxt.end))
            previous = self.drafts[-2] if len(self.drafts) > 1 else None
            if previous is None or not isinstance(previous.node, Measured) or previous.node.analyte != node.analyte:
                raise UnreadError(nxt.stem)
            quote = self._quote(previous.start, nxt.end)
            previous.node = If(condition, node, previous.node, quote)
            previous.end = nxt.end
            self.drafts.pop()
            self.joins.pop()
            self.i += 2
            return
        if self._at() is not None and self.tokens[self.i].stem == "(" and self._condition_after_bracket(draft):
            return

    def _condition_after_bracket(self, draft: Draft) -> bool:
        """"TBIL > 2.5 x ULN (3.0 mg/dL) for subjects with Gilbert syndrome": the bracket, then the subgroup."""
        at = self.i
        while at < len(self.tokens) and self.tokens[at].stem != ")":
            at += 1
        inner = self.tokens[self.i + 1 : at]
        if at + 2 >= len(self.tokens) or len(inner) != 1 or inner[0].quantity is None or "if" not in self.tokens[at + 1].cues:
            return False
        self._repeat(draft, inner)
        self.i = at + 1
        self._subgroups([(self.tokens[0], draft.id)], draft.end)
        return True

    def _sex_at(self, at: int) -> tuple[Sex | None, int]:
        """"in men", "for females", "(males)" at `at`."""
        while at < len(self.tokens) and (self.tokens[at].stem in {"in", "for", "("}):
            at += 1
        if at >= len(self.tokens):
            return None, at
        cues = set(self.tokens[at].cues)
        stem = self.tokens[at].stem.removeprefix("in ")
        sex = Sex.MALE if "male" in cues or stem in {"men", "male"} else Sex.FEMALE if "female" in cues or stem in {"women", "female"} else None
        if sex is None:
            return None, at
        at += 1
        if at < len(self.tokens) and self.tokens[at].stem == ")":
            at += 1
        return sex, at

    # --- words around names ------------------------------------------------------------------------------------------

    def _cause(self) -> bool:
        if not self._cue("cause") or not self.drafts or self.drafts[-1].kind is not NameKind.CONDITION:
            return False
        at = self.i + 1
        while at < len(self.tokens) and set(self.tokens[at].cues) & {"neutral", "degree"} and not self.tokens[at].names:
            at += 1
        named = names_of(self.tokens[at], NameKind.CONDITION) if at < len(self.tokens) else {}
        if not named:
            return False
        self.drafts[-1].due_to = named[NameKind.CONDITION]
        self.drafts[-1].end = self.tokens[at].end
        self.i = at + 1
        return True

    def _including(self) -> bool:
        """"including A, B or C" to the end of the clause."""
        if not self._cue("including") or not self.drafts:
            return False
        stop = next((k for k in range(self.i + 1, len(self.tokens)) if self._window_at(k)), len(self.tokens))
        rest = self.tokens[self.i : stop]
        self.i = stop
        self._examples(rest, strict=rest[0].stem.startswith("includ"))
        return True

    def _window_at(self, k: int) -> bool:
        following = self.tokens[k + 1] if k + 1 < len(self.tokens) else None
        return self.tokens[k - 1].stem == "," and "within" in self.tokens[k].cues and following is not None and following.duration is not None

    def _mods(self) -> bool:
        token = self.tokens[self.i]
        if token.names:
            return False
        cues = set(token.cues)
        handled = True
        if "ever-or-current" in cues:
            self.lead = EVER
        elif "suspected" in cues:
            self.suspected = True
            if token.stem.startswith("known"):
                self.pre.degrees = [degree for degree in self.pre.degrees if degree != "active"]
        elif "histology" in cues:
            self._confirmed("histology")
        elif "imaging" in cues and self.drafts:
            self.drafts[-1].confirm = "imaging"
        elif "failed-lines" in cues:
            return self._failed_lines(token)
        elif "unrecovered" in cues:
            self.unrecovered = token
        elif "allergy" in cues:
            self.allergy = True
        elif "planned" in cues:
            self.planned, self.treat, self.lead = True, True, None
        elif "treat-current" in cues:
            self.treat, self.treat_current = True, True
        elif "treat-ever" in cues:
            self.treat, self.treat_current = True, False
        elif "ever" in cues:
            self._ever(token)
        elif "other" in cues:
            self.pre.other = True
        elif "degree" in cues:
            self._degree(token)
        elif "current" in cues:
            pass
        elif "positive" in cues or "negative" in cues:
            self.pre.outcome = Outcome.POSITIVE if "positive" in cues else Outcome.NEGATIVE
        elif "not-lactating" in cues:
            node = Not(ReproductiveIs(Reproductive.BREASTFEEDING, self._quote(token.start, token.end)))
            self._add(Draft(None, "breastfeeding", token.start, token.end, node=node))
            if self._cue("restrict", offset=1):
                self.i += 1
            self.joins.append("and")
        elif "remission" in cues and not self.drafts and self.context.last_condition:
            node = HasCondition(self.context.last_condition, CURRENT, "in remission", quote=self._quote(token.start, token.end))
            self._add(Draft(None, "remission", token.start, token.end, node=node))
        elif cues & {"palliative", "curative"}:
            self.pre.intent = "palliative" if "palliative" in cues else "curative"
        elif "neg" in cues:
            return self._negation(token)
        elif token.stem in _ROUTES:
            self.pre.routes = (*self.pre.routes, _ROUTES[token.stem])
            if (nxt := self._at(1)) is not None and nxt.stem in {"or", "and"} and (third := self._at(2)) is not None and third.stem in _ROUTES:
                self.i += 1
        else:
            handled = False
        if handled:
            self.i += 1
        return handled

    def _ever(self, token: Token) -> None:
        if token.stem in {"in the past"} and self.drafts:
            for draft in self.drafts:
                if draft.when is None:
                    draft.when = EVER
            return
        self.lead = EVER

    def _degree(self, token: Token) -> None:
        words = [token]
        while (nxt := self._at(1)) is not None and nxt.stem in {",", "or", "and"} and (third := self._at(2)) is not None and "degree" in third.cues and not third.names:
            words.append(third)
            self.i += 2
        self.pre.degrees.append(" ".join(self.text[words[0].start : words[-1].end].lower().split()))

    def _confirmed(self, method: str) -> None:
        conditions = [draft for draft in self.drafts if draft.kind is NameKind.CONDITION]
        if conditions:
            conditions[-1].confirm = method
            conditions[-1].end = self.tokens[self.i].end
        else:
            self.confirm = method

    def _failed_lines(self, token: Token) -> bool:
        """Prior systemic therapy by data; how many lines and that they failed, by a person."""
        quote = self._quote(token.start, token.end)
        parts: list[Criterion] = [HadTreatment("anticancer-therapy", EVER, quote=quote)]
        if token.stem.startswith("failed"):
            parts.append(question(quote.text, quote))
        node: Criterion = AllOf(tuple(parts), quote) if len(parts) > 1 else parts[0]
        if self.drafts and len(self.joins) < len(self.drafts):
            self.joins.append("and")
        self.drafts.append(Draft(None, "lines", token.start, token.end, node=node))
        self.i += 1
        return True

    def _negation(self, token: Token) -> bool:
        if self.drafts and token.stem in {"not", "without"}:
            return False
        self.negative = not self.drafts
        self.pre.negated = bool(self.drafts)
        if token.stem.startswith(("did not receive", "has not received", "have not received", "not received", "not used")):
            self.treat, self.treat_current = True, False
            if token.stem.startswith("not used") and not self.drafts and self.context.topic:
                self.drafts.extend(replace(draft) for draft in self.context.topic)
                self.joins.extend(["or"] * (len(self.drafts) - 1))
        if token.stem == "no history of":
            self.lead = EVER
        self.i += 1
        return True

    def _joiner(self) -> bool:
        token = self.tokens[self.i]
        join = _JOINERS.get(token.stem)
        if join is None or token.names:
            return False
        if self.drafts:
            if len(self.joins) < len(self.drafts):
                self.joins.append(join)
            elif join != ",":
                self.joins[-1] = join if self.joins[-1] == "," or join == "or" else self.joins[-1]
        if token.stem in {"or", "and"} and self.planned is False and self._cue("planned", offset=1):
            # "A within 4 weeks or are planned to undergo B": a new predicate.
            self.lead = None
        if token.stem == ";":
            self.lead, self.treat, self.treat_current, self.elapsed, self.allergy = None, False, False, None, False
            self.barrier = len(self.drafts)
        self.i += 1
        return True

    def _tail(self) -> bool:
        """Words that narrow what precedes: read where possible, else a question joined by "and"."""
        token = self.tokens[self.i]
        if not self.drafts or not ("restrict" in token.cues or "neg" in token.cues or "requiring" in token.cues):
            return False
        if "neutral" in token.cues and token.stem not in {"with", "that", "who"}:
            return False
        stop = self._tail_end(self.i + 1)
        tail = self.tokens[self.i : stop]
        while len(tail) > 1 and tail[-1].stem in {",", "."}:
            tail = tail[:-1]
        self.i = stop
        last = self.drafts[-1]
        node = self._tail_node(tail, last)
        if self.joins and len(self.joins) == len(self.drafts):
            self.joins.pop()
        if last.kind is NameKind.CONDITION and last.degrees and tail[0].stem == "with" and not isinstance(node, NotUnderstood):
            last.defined_by = node
            last.end = tail[-1].end
        else:
            if tail[0].stem.startswith("and "):
                self._ambiguous_or(tail)
                self.barrier = self.last_group = 0
            self._restrict(node, tail[-1].end)
        self.after_tail = True
        self._raise_barrier()
        return True

    def _ambiguous_or(self, tail: list[Token]) -> None:
        """"A and inability to quit or with B": whether B counts without A is not said, so each of them is for a person."""
        at = next((k for k, token in enumerate(tail) if token.stem == "or"), None)
        if at is None:
            return
        for token in tail[at:]:
            named = names_of(token, NameKind.CONDITION)
            if named:
                self.drafts.append(Draft(NameKind.CONDITION, named[NameKind.CONDITION], token.start, token.end, lead=self.lead))
                self.joins.append("or")

    def _tail_end(self, at: int) -> int:
        """The tail runs to the end of the clause, or to a joiner that starts another thing of the same list."""
        depth = 0
        while at < len(self.tokens):
            token = self.tokens[at]
            depth += {"(": 1, ")": -1}.get(token.stem, 0)
            if depth == 0 and (token.stem == ";" or token.stem == "or" and self._starts_anew(at + 1)):
                return at
            if depth == 0 and {"new-group", "within"} & set(token.cues) and self.tokens[self.i].stem != "with":
                return at
            if depth == 1 and token.stem == "(" and at + 1 < len(self.tokens) and "including" in self.tokens[at + 1].cues:
                return at
            at += 1
        return at

    def _starts_anew(self, at: int) -> bool:
        """Something that can only be the head of a new item: a verb of its own, or its own degree before a name."""
        cues = set(self.tokens[at].cues) if at < len(self.tokens) else set()
        return bool(cues & {"planned", "judgement"}) and not cues & {"neutral"}

    def _tail_node(self, tail: list[Token], last: Draft) -> Criterion:
        quote = self._quote(tail[0].start, tail[-1].end)
        cues = {cue for token in tail for cue in token.cues}
        plain = _without_parentheses(tail)
        if "systemic-treatment" in cues and "requiring" in tail[0].cues and "not" not in tail[0].stem:
            when = last.when or last.lead or self.lead or CURRENT
            return HadTreatment("systemic-immunosuppressive-treatment", when, quote=quote)
        if "antimicrobial-treatment" in cues and "requiring" in tail[0].cues:
            routes = (Route.INTRAVENOUS,) if any("venous" in token.stem or token.stem.startswith("iv") for token in tail) else ()
            given = HadTreatment("systemic-antimicrobial", CURRENT, routes=routes, quote=quote)
            return AnyOf((given, question(quote.text, quote)), quote)
        if tail[0].stem in {"with", "that", "which", "who", "that result in", "resulting in"} or "neutral" in tail[0].cues:
            body = tail[1:]
            while body and (body[0].stem in {"result", "in"} or set(body[0].cues) == {"neutral"}):
                body = body[1:]
            node = self._try(body, excludes=True)
            if node is not None:
                return node
            if tail[0].stem == "who":
                raise UnreadError("who")
        if {"requiring", "restrict"} & set(tail[0].cues) and not any(token.names or token.number is not None for token in tail):
            return question(quote.text, quote)
        return self._question(plain if plain else tail)

    def _neutral(self) -> bool:
        token = self.tokens[self.i]
        if token.stem in {".", ":", "-", "etc"} or {"neutral", "etc"} & set(token.cues):
            self.i += 1
            return True
        return False

    # --- putting together --------------------------------------------------------------------------------------------

    def _assemble(self) -> Criterion:
        self._share_degrees()
        if self.unrecovered is not None:
            words = self._quote(self.unrecovered.start, self.end)
            for draft in self.drafts:
                draft.restricts.append(question(words.text, words))
        parts = [make(draft, self.text, self.context.catalogue, self.context.study_disease) for draft in self.drafts]
        parts.extend(self.extra)
        quote = self._quote(self.start, self.end)
        joins = self.joins[: len(self.drafts) - 1]
        if len(parts) == 1:
            node = parts[0]
        elif any(draft.elapsed is not None for draft in self.drafts):
            node = AllOf(tuple(parts), quote)
        else:
            node = self._combine(parts, joins, quote)
        if self.negative:
            node = Not(node, quote)
        if self.applies is not None:
            node = If(self.applies, node, None, quote) if not self.excludes else AllOf((self.applies, node), quote)
        return node

    def _combine(self, parts: list[Criterion], joins: list[str], quote: Quote) -> Criterion:
        """"and" binds results and requirements; among things that exclude it is any-of, as a comma is."""
        groups: list[list[Criterion]] = [[parts[0]]]
        loose = self.excludes or self.negative
        listed = "or" in joins
        for k, join in enumerate(joins):
            both = self.drafts[k].is_result and self.drafts[k + 1].is_result
            tight = (join == "and" and (both or not loose)) or (join == "," and not loose and not listed)
            if tight:
                groups[-1].append(parts[k + 1])
            else:
                groups.append([parts[k + 1]])
        merged = [group[0] if len(group) == 1 else AllOf(tuple(group), quote) for group in groups]
        return merged[0] if len(merged) == 1 else AnyOf(tuple(merged), quote)

    def _share_degrees(self) -> None:
        """"severe arrhythmia or conduction abnormality": a degree that only the first of a list carries is shared."""
        first, *others = self.drafts
        if first.kind is not NameKind.CONDITION or not first.degrees or any(draft.degrees for draft in others):
            return
        for draft in others:
            if draft.kind is NameKind.CONDITION and draft.outcome is None:
                draft.degrees = list(first.degrees)


def _in_window(node: Criterion, when: When) -> Criterion:
    """A treatment that narrows a fact is asked for in the fact's own window."""
    return replace(node, when=when) if isinstance(node, HadTreatment) else node


def _complementary(first: AgeIs, second: AgeIs) -> bool:
    """Two age groups that between them are everybody: "≥ 16" and "< 16"."""
    if len(first.bounds) != 1 or len(second.bounds) != 1:
        return False
    a, b = first.bounds[0], second.bounds[0]
    return a.age == b.age and {a.op, b.op} in ({Op.GE, Op.LT}, {Op.GT, Op.LE})


def _without_parentheses(tokens: list[Token]) -> list[Token]:
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


_ = (Decimal, re)
