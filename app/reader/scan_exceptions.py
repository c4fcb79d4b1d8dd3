"""Exceptions of a clause: "except ...", "excluding ...", "unless ..."."""

from __future__ import annotations

from app.criteria.nodes import (
    CURRENT,
    AgeIs,
    AllOf,
    AnyOf,
    Criterion,
    Except,
    HadTreatment,
    HasCondition,
    Not,
    NotUnderstood,
    State,
    Timing,
)
from app.knowledge.catalogue import Kind
from app.reader.drafts import Draft, question
from app.reader.rewrite import rewrite_treatments
from app.reader.scan_facts import ScanFacts
from app.reader.scan_state import ROUTES, UnreadError, without_parentheses
from app.reader.tokens import NameKind, Token, names_of


def _covers_all(exception: Except, concepts: set[str]) -> bool:
    """The exception is of the very thing it is made from, and what tells it apart was not understood."""
    return exception.concept in concepts and isinstance(exception.only, NotUnderstood)


def _state(token: Token) -> State | None:
    return State.CURED if "cured" in token.cues else State.TREATED if "treated" in token.cues else None


class ScanExceptions(ScanFacts):
    """Steps for exceptions."""

    def _exception(self) -> bool:
        """Reads "except ...", "excluding ...", "other than ...": to the end, on instances of what precedes."""
        if not self._cue("except") or not self.drafts:
            return False
        stop = self._window_behind()
        rest = self.tokens[self.i + 1 : stop]
        self.i = stop
        self._except(rest)
        return True

    def _window_behind(self) -> int:
        """Where the window begins that ends "A other than B within 5 years": it is that of A, where A has none yet."""
        dated = any(draft.when is not None or draft.elapsed is not None for draft in self.drafts)
        if dated or (self.lead is not None and self.lead.timing is Timing.WITHIN):
            return len(self.tokens)
        for at in range(self.i + 2, len(self.tokens) - 1):
            if "within" in self.tokens[at].cues and (found := self._past_window(at)) is not None:
                rest = self.tokens[found[1] :]
                bare = all(
                    "before" in token.cues or "anchor" in token.cues or "neutral" in token.cues for token in rest
                )
                return at if bare else len(self.tokens)
        return len(self.tokens)

    def _except(self, rest: list[Token]) -> None:
        while rest and (rest[0].stem in {":", ","} or set(rest[0].cues) & {"except"}):
            rest = rest[1:]
        if not rest:
            return
        if any(token.stem == ":" for token in rest):
            raise UnreadError(":")
        targets = [
            draft for draft in self.drafts if draft.kind in {NameKind.CONDITION, NameKind.TREATMENT, NameKind.VACCINE}
        ]
        routes = {ROUTES[token.stem] for token in rest if token.stem in ROUTES}
        if routes and all(target.kind is NameKind.TREATMENT for target in targets) and targets:
            for draft in targets:
                draft.not_routes = (*draft.not_routes, *sorted(routes))
            return
        if self._spares_results(rest):
            return
        exceptions = self._exceptions(rest)
        own = {target.id for target in targets}
        void = exceptions is not None and any(self._voids(each, own) for each in exceptions)
        if exceptions is None or not targets or void or any(_covers_all(each, own) for each in exceptions):
            self._restrict(Not(self._question(rest)), rest[-1].end)
            return
        for draft in targets:
            self._apply(draft, exceptions)
        self.drafts[-1].end = rest[-1].end

    def _spares_results(self, rest: list[Token], *, asked: bool = False) -> bool:
        """Reads "bilirubin ≤ 1.5 x ULN (except <words>)" among what is required: those who are excepted need it not.

        Whom the words spare they must say by themselves, as a condition or a treatment; else, or `asked`, it is a
        question ("ECOG 0-1 (2 is allowed if ...)").
        """
        results = [draft for draft in self.drafts[self.barrier :] if draft.is_result or isinstance(draft.node, AgeIs)]
        if self.excludes or self.negative or not results or len(results) < len(self.drafts[self.barrier :]):
            return False
        body = list(rest)
        while body and not body[0].names and {"neutral", "if"} & set(body[0].cues):
            body = body[1:]
        read = self._try(body, excludes=True) if body and not asked else None
        alone = isinstance(read, HasCondition | HadTreatment)
        spared = read if read is not None and alone else self._question(rest)
        for draft in results:
            draft.alternatives.append(spared)
            draft.end = max(draft.end, rest[-1].end)
        return True

    def _voids(self, exception: Except, concepts: set[str]) -> bool:
        """Reads "warfarin except anticoagulants": all that the rule names would be excepted, which nobody means."""
        whole = exception.state is State.ANY and exception.only is None
        return whole and any(self.context.covers(exception.concept, each) for each in concepts)

    def _apply(self, draft: Draft, exceptions: list[Except]) -> None:
        """An excepted treatment of a condition is one that its narrowing asks for ("requiring ..., not B")."""
        concepts = self.context.catalogue.concepts
        of_treatment = tuple(each for each in exceptions if concepts[each.concept].kind is Kind.TREATMENT)
        if draft.kind is not NameKind.CONDITION or not draft.restricts or not of_treatment:
            draft.excluding.extend(exceptions)
            return
        draft.excluding.extend(each for each in exceptions if each not in of_treatment)
        draft.restricts = [rewrite_treatments(each, of_treatment, self.context) or each for each in draft.restricts]

    def _exceptions(self, tokens: list[Token]) -> list[Except] | None:
        """The list after an exception word, None where a member cannot be read."""
        result: list[Except] = []
        state = State.ANY
        current: list[Token] = []
        i = 0
        while i < len(tokens):
            token = tokens[i]
            if (said := _state(token)) is not None:
                state = said
                if result and not current and any(later.names for later in tokens[i:]) is False:
                    result = [Except(each.concept, said, each.only, each.quote) for each in result]
                elif result and current:
                    result[-1] = Except(result[-1].concept, said, result[-1].only, result[-1].quote)
                i += 1
                continue
            named = names_of(token, NameKind.CONDITION, NameKind.TREATMENT, NameKind.VACCINE)
            if named:
                concept = next(iter(named.values()))
                stop = self._instance_end(tokens, i + 1)
                tail = [each for each in tokens[i + 1 : stop] if each.stem not in {",", "and", "or", "."}]
                only, said = self._only(tail)
                state = said or state
                quote = self._quote(token.start, tokens[stop - 1].end)
                result.append(Except(concept, state, only, quote))
                current = tail
                i = stop
                continue
            if set(token.cues) & {"neutral", "including", "etc"} or token.stem in {
                ",",
                "and",
                "or",
                ":",
                ".",
                "(",
                ")",
                "following",
            }:
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
                    set(tokens[ahead].cues) & {"neutral", "cured", "treated", "degree"}
                    or tokens[ahead].stem in {",", "and", "or"}
                ):
                    if tokens[ahead].names:
                        break
                    ahead += 1
                if ahead >= len(tokens) or tokens[ahead].names or tokens[ahead].stem != "requiring":
                    return i
            i += 1
        return i

    def _only(self, tail: list[Token]) -> tuple[Criterion | None, State | None]:
        """What must hold besides of an excepted instance, and whether it must be cured or treated."""
        said = next((state for token in tail if (state := _state(token)) is not None), None)
        if said is not None:
            by = [token for token in tail if names_of(token, NameKind.TREATMENT)]
            return (self._question(tail) if by else None), said  # cured is recorded, what cured it is for a person
        words = without_parentheses(tail)
        words = [token for token in words if set(token.cues) != {"neutral"}]
        if not words:
            return None, None
        quote = self._quote(words[0].start, words[-1].end)
        immune = HadTreatment("systemic-immunosuppressive-treatment", CURRENT, quote=quote)
        joined = {cue for token in words for cue in token.cues}
        if "replacement-only" in joined:
            replaced = AnyOf(
                (HadTreatment("hormone-replacement", CURRENT, quote=quote), question(quote.text, quote)), quote
            )
            return AllOf((Not(immune, quote), replaced), quote), None
        if "systemic-treatment" in joined and words[0].stem.startswith("not"):
            return Not(immune, quote), None
        return self._question(words), None

    def _unless(self) -> bool:
        if not self._cue("unless"):
            return False
        rest = self.tokens[self.i + 1 :]
        self.i = len(self.tokens)
        if not rest or not self.drafts:
            raise UnreadError("unless")
        quote = self._quote(rest[0].start, rest[-1].end)
        read = self._try([token for token in rest if "if" not in token.cues or token.names], excludes=True)
        of_it = "treat-ever" in rest[0].cues or "treated" in rest[0].cues  # "unless treated with B": that A was
        spared = read if read is not None and not of_it else question(quote.text, quote)
        if self.excludes or self.negative:
            self._restrict(Not(spared, quote), rest[-1].end)
        elif self.otherwise is None:
            self.otherwise = spared  # "A, unless B": A is required of all but those who have B
        else:
            raise UnreadError("unless")
        return True
