"""Tails: words behind a name that narrow it, read where possible, else a question."""

from __future__ import annotations

from app.criteria.nodes import (
    CURRENT,
    AnyOf,
    Criterion,
    HadTreatment,
    HasCondition,
    Judgement,
    Not,
    NotUnderstood,
    Quote,
    Route,
    Scored,
    Timing,
    children,
)
from app.reader.drafts import Draft, question
from app.reader.measures import comparator, skip_fillers
from app.reader.scales import scale_bounds
from app.reader.scan_state import UnreadError, without_parentheses
from app.reader.scan_words import PERSONS, ScanWords
from app.reader.sharing import JOINTS, is_fact
from app.reader.tokens import NameKind, Token, names_of


class ScanTails(ScanWords):
    """Steps for tails."""

    def _taking(self) -> bool:
        """Reads "renal disease on dialysis", "asthma on inhaled corticosteroids": both, to the end of the clause."""
        last = self.drafts[-1] if self.drafts else None
        if last is None or last.kind is not NameKind.CONDITION or len(self.joins) == len(self.drafts):
            return False
        tail = self.tokens[self.i + 1 :]
        node = self._given(tail)
        if node is None:
            return False
        self._restrict(node, tail[-1].end)
        self._raise_barrier()
        self.i = len(self.tokens)
        return True

    def _tail(self) -> bool:
        """Words that narrow what precedes: read where possible, else a question joined by "and"."""
        token = self.tokens[self.i]
        opens = {"restrict", "neg", "requiring"} & set(token.cues)
        treated = "treated with" in token.stem and len(self.joins) < len(self.drafts)
        if not self.drafts or not (opens or treated):
            return False
        if "neutral" in token.cues and token.stem not in {"with", "that", "who"}:
            return False
        if token.stem == "who" and len(self.joins) == len(self.drafts) and self.tokens[self.i - 1].stem in PERSONS:
            self.lead = None  # "A, and women who have B": B stands beside A and narrows nothing
            self._raise_barrier()
            self.i += 1
            return True
        if len(self.joins) == len(self.drafts) and self.joins[-1] == "or":
            return self._another(token)
        if self._with_class():
            return True
        stop = self._tail_end(self.i + 1)
        tail = self.tokens[self.i : stop]
        while len(tail) > 1 and tail[-1].stem in {",", "."}:
            tail = tail[:-1]
        self.i = stop
        last = self.drafts[-1]
        node = self._tail_node(tail, last)
        apart = self._after_comma(tail[0])
        unsure = asks_a_person(node)
        if (unsure or (tail[0].stem in {"with", "without"} and not apart)) and self._may_list_on(tail):
            # "A with <words not understood>, B or C", "A with B or C": C may be a thing of the same list as A.
            raise UnreadError(tail[0].stem)
        if self.joins and len(self.joins) == len(self.drafts):
            self.joins.pop()
        if last.kind is NameKind.CONDITION and last.degrees and tail[0].stem == "with" and reads_facts(node):
            # "severe X, with A or B within 6 months": A and B are what makes X severe, so they decide alone.
            self.context.note(f"What stands after “with” decides “{' '.join(last.degrees)}”.")
            last.node = node
            last.end = tail[-1].end
        elif self._defines(last, node, tail[-1].end):
            pass
        else:
            if tail[0].stem.startswith("and "):
                self._ambiguous_or(tail)
                self.barrier = self.last_group = 0
            self._restrict(node, tail[-1].end, shared=apart or not reads_facts(node))
        self.after_tail = True
        self._raise_barrier()
        return True

    def _after_comma(self, token: Token) -> bool:
        at = next(k for k, each in enumerate(self.tokens) if each is token)
        return at > 0 and self.tokens[at - 1].stem in {",", ";", ")"}

    def _another(self, token: Token) -> bool:
        """Reads "A or requiring B", "A or with B": B stands beside A and narrows nothing."""
        if token.stem == "with":
            self.i += 1
            return True
        ahead = self.i + 1
        while ahead < len(self.tokens) and set(self.tokens[ahead].cues) & {"neutral"} and not self.tokens[ahead].names:
            ahead += 1
        given = ahead < len(self.tokens) and names_of(self.tokens[ahead], NameKind.TREATMENT)
        if "requiring" not in token.cues or "not" in token.stem or not given:
            raise UnreadError(token.stem)
        self.lead, self.treat, self.treat_current = None, True, True
        self.barrier = len(self.drafts)
        self.i = ahead
        return True

    def _with_class(self) -> bool:
        """Reads "heart failure with NYHA class > II, ...": the class decides, and the list goes on after it."""
        named = names_of(self.tokens[self.i + 1], NameKind.SCALE) if self.i + 1 < len(self.tokens) else {}
        if self.tokens[self.i].stem not in {"with", "of"} or not named:
            return False
        entry = self.context.catalogue.scales[named[NameKind.SCALE]]
        read = scale_bounds(self.tokens, self._past_neutral(self.i + 2), entry)
        if read is None:
            return False
        bounds, stop = read
        end = self.tokens[stop - 1].end
        node = Scored(entry.id, bounds, quote=self._quote(self.tokens[self.i + 1].start, end))
        if not self._defines(self.drafts[-1], node, end):
            return False
        self.i = stop
        return True

    def _may_list_on(self, tail: list[Token]) -> bool:
        """A thing that a record can hold stands behind a joiner outside brackets, after a comma at least once."""
        if tail[0].stem.startswith("and "):
            return False
        depth = 0
        for at, token in enumerate(tail[:-1]):
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.stem, 0)
            if "including" in token.cues:
                return False
            if depth or token.stem not in JOINTS:
                continue
            ahead = at + 1
            while ahead < len(tail) and not tail[ahead].names and (tail[ahead].cues or tail[ahead].stem in JOINTS):
                ahead += 1
            if ahead < len(tail) and is_fact(tail[ahead]):
                return True
        return False

    def _ambiguous_or(self, tail: list[Token]) -> None:
        """Reads "A and inability to quit or with B": whether B counts alone is not said, so each is for a person."""
        at = next((k for k, token in enumerate(tail) if token.stem == "or"), None)
        if at is None:
            return
        for token in tail[at:]:
            named = names_of(token, NameKind.CONDITION)
            if named:
                self.drafts.append(
                    Draft(NameKind.CONDITION, named[NameKind.CONDITION], token.start, token.end, lead=self.lead)
                )
                self.joins.append("or")

    def _tail_end(self, at: int) -> int:
        """The tail runs to the end of the clause, or to a joiner that starts another thing of the same list."""
        # "A with score B > 7 or score C > 15": C stands beside B, and not beside A.
        first = self.tokens[at] if at < len(self.tokens) else None
        with_value = first is not None and bool(names_of(first, NameKind.ANALYTE, NameKind.SCALE))
        valued = self.tokens[self.i].stem == "with" and with_value
        depth = 0
        while at < len(self.tokens):
            token = self.tokens[at]
            depth += {"(": 1, ")": -1}.get(token.stem, 0)
            anew = token.stem == "or" and not valued and self._starts_anew(at + 1)
            if depth == 0 and (token.stem == ";" or anew):
                return at
            if depth == 0 and {"new-group", "within"} & set(token.cues) and self.tokens[self.i].stem != "with":
                if "within" in token.cues and _denies(self.tokens[self.i]):
                    at += 1  # "A > 10 without B within 2 weeks": the window is that of what was not given
                    continue
                return at
            if (
                depth == 1
                and token.stem == "("
                and at + 1 < len(self.tokens)
                and "including" in self.tokens[at + 1].cues
            ):
                return at
            at += 1
        return at

    def _starts_anew(self, at: int) -> bool:
        """Something that can only be the head of a new item: a verb of its own, or its own degree before a name."""
        cues = set(self.tokens[at].cues) if at < len(self.tokens) else set()
        if at < len(self.tokens) and names_of(self.tokens[at], NameKind.ANALYTE):
            # A second value of its own: "or SpO2 below 94 %" begins anew.
            return comparator(self.tokens, skip_fillers(self.tokens, at + 1)) is not None
        return bool(cues & {"planned", "judgement"}) and not cues & {"neutral"}

    def _tail_node(self, tail: list[Token], last: Draft) -> Criterion:
        quote = self._quote(tail[0].start, tail[-1].end)
        cues = {cue for token in tail for cue in token.cues}
        plain = without_parentheses(tail)
        immune = self.context.catalogue.index.closure.get("autoimmune-disease", frozenset()) | {"autoimmune-disease"}
        required = "requiring" in tail[0].cues and "not" not in tail[0].stem
        if tail[0].stem == "without" and last.is_result and not (self.excludes or self.negative):
            lacked = self._try(tail[1:], excludes=True)
            dated = isinstance(lacked, HadTreatment) and lacked.when.timing is Timing.WITHIN
            return Not(lacked, quote) if lacked is not None and dated else self._question(tail)
        if "systemic-treatment" in cues and required and last.id in immune:
            when = last.when or last.lead or self.lead or CURRENT
            return HadTreatment("systemic-immunosuppressive-treatment", when, quote=quote)
        if "antimicrobial-treatment" in cues and "requiring" in tail[0].cues:
            routes = (
                (Route.INTRAVENOUS,)
                if any("venous" in token.stem or token.stem.startswith("iv") for token in tail)
                else ()
            )
            kind = "antibacterial" if any("antibiotic" in token.stem for token in tail) else "systemic-antimicrobial"
            given = HadTreatment(kind, CURRENT, routes=routes, quote=quote)
            return AnyOf((given, question(quote.text, quote)), quote)
        if (
            tail[0].stem in {"with", "that", "which", "who", "that result in", "resulting in"}
            or "neutral" in tail[0].cues
        ):
            body = tail[1:]
            while (
                body and body[0].stem != "on" and (body[0].stem in {"result", "in"} or set(body[0].cues) == {"neutral"})
            ):
                body = body[1:]
            node = self._try(body, excludes=True)
            if node is not None:
                return node
            if tail[0].stem == "who":
                raise UnreadError("who")
        if last.is_result and _denies(tail[0]) and (denied := self._not_given(tail[1:], quote)) is not None:
            return denied
        if required or "treat" in tail[0].stem:
            treated = self._given(tail[1:] if required else tail)
            if treated is not None:
                return treated
        if {"requiring", "restrict"} & set(tail[0].cues) and not any(
            token.names or token.number is not None for token in tail
        ):
            return question(quote.text, quote)
        return self._question(plain or tail)

    def _not_given(self, body: list[Token], quote: Quote) -> Criterion | None:
        """Reads "without transfusion within 2 weeks" behind a value: that treatment was not given in the window."""
        node = self._given(body)
        if isinstance(node, HadTreatment) and node.when.timing is Timing.WITHIN:
            return Not(node, quote)
        return None

    def _given(self, body: list[Token]) -> Criterion | None:
        """Reads "requiring insulin", "treated with metformin": that treatment, where nothing else is said."""
        if not body:
            return None
        sub = self._sub(body, excludes=True)
        sub.treat, sub.treat_current = True, True
        try:
            node = sub.read()
        except UnreadError:
            return None
        return node if isinstance(node, HadTreatment) else None


def reads_facts(node: Criterion) -> bool:
    """Every leaf is a recorded fact, nothing is left to a person."""
    inner = children(node)
    return all(map(reads_facts, inner)) if inner else isinstance(node, HasCondition | HadTreatment)


def asks_a_person(node: Criterion) -> bool:
    """Something of it is left to a person."""
    return isinstance(node, NotUnderstood | Judgement) or any(map(asks_a_person, children(node)))


def _denies(token: Token) -> bool:
    """Reads "without", "not receiving", "not requiring"."""
    return "neg" in token.cues or token.stem.split()[0] in {"without", "not", "no"}
