"""Words around names: when, how much, whose; what joins things; and tails that narrow them."""

from __future__ import annotations

from dataclasses import replace

from app.criteria.nodes import (
    CURRENT,
    EVER,
    AllOf,
    AnyOf,
    Criterion,
    HadTreatment,
    HasCondition,
    Judgement,
    Not,
    NotUnderstood,
    Outcome,
    Reproductive,
    ReproductiveIs,
    Route,
    Scored,
    Timing,
    When,
    children,
)
from app.reader.drafts import Draft, question
from app.reader.measures import comparator, skip_fillers
from app.reader.scales import scale_bounds
from app.reader.scan_brackets import ScanBrackets
from app.reader.scan_state import ROUTES, UnreadError, without_parentheses
from app.reader.sharing import JOINTS, is_fact
from app.reader.tokens import NameKind, Token, names_of

_PERSONS = frozenset(
    {
        "patient",
        "subject",
        "participant",
        "individual",
        "person",
        "people",
        "those",
        "women",
        "patient with",
        "those with",
    }
)
HEADS = frozenset({"condition", "disease", "disorder", "drug", "agent", "treatment", "therapy"})
JOINERS = {",": ",", "or": "or", "nor": "or", "and": "and", "/": "or", "and/or": "or", ";": "or"}


class ScanWords(ScanBrackets):
    """Steps for the words around names."""

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

    def _mods(self) -> bool:  # noqa: PLR0912, PLR0915 - one branch a kind of cue
        token = self.tokens[self.i]
        if token.names:
            return False
        cues = set(token.cues)
        handled = True
        if "ask" in cues:
            words = self._quote(token.start, token.end)
            self._add(Draft(None, "ask", token.start, token.end, node=question(words.text, words)))
        elif "ever-or-current" in cues:
            self._lead(EVER)
        elif "suspected" in cues:
            self._before_a_name(token)
            self.suspected = True
            if token.stem.startswith("known"):
                self.pre.degrees = [degree for degree in self.pre.degrees if degree != "active"]
        elif "histology" in cues:
            self._confirmed("histology")
        elif "imaging" in cues and self.drafts:
            self.drafts[-1].confirm = "imaging"
        elif "failed-lines" in cues:
            return self._failed_lines(token)
        elif "cockcroft-gault" in cues and self.drafts:
            self._formula(self.drafts[-1])
        elif "unrecovered" in cues:
            self.unrecovered = token
        elif "allergy" in cues:
            self.allergy = True
        elif "planned" in cues:
            self.planned, self.treat, self.lead = True, True, None
        elif "treat-ever" in cues and self.drafts and len(self.joins) < len(self.drafts):
            return False  # "A treated with B": it says of A
        elif "treat-current" in cues:
            self.treat, self.treat_current = True, True
        elif "treat-ever" in cues:
            self.treat, self.treat_current = True, False
        elif "ever" in cues:
            self._ever(token)
        elif "presence" in cues:
            self._lead(None)
        elif "other" in cues:
            if token.stem == "second" and (nxt := self._at(1)) is not None and not nxt.names and not nxt.cues:
                raise UnreadError(token.stem)  # "second- or third-degree A"
            self.pre.other = True
        elif "degree" in cues:
            self._degree(token)
        elif "current" in cues:
            following = self._at(2)
            if following is not None and self._at(1).stem in {"or", "and"} and "degree" in following.cues:  # type: ignore[union-attr]
                # "current or long-term use": two timings of one name, which a draft cannot carry.
                raise UnreadError(token.stem)
            self.pre.now = token.stem != "new"
            self.timed = Timing.CURRENT if self.pre.now else None
        elif "positive" in cues or "negative" in cues:
            self.pre.outcome = Outcome.POSITIVE if "positive" in cues else Outcome.NEGATIVE
            if self._cue("if", offset=1) and self.tokens[self.i + 1].stem == "for":
                self._tested_for(self.pre.outcome)
        elif "not-lactating" in cues:
            if self.negative:
                raise UnreadError(
                    token.stem
                )  # "not A, not lactating and B": how far the first "not" reaches, nothing says
            absent = Not(ReproductiveIs(Reproductive.BREASTFEEDING, self._quote(token.start, token.end)))
            self._add(Draft(None, "breastfeeding", token.start, token.end, node=absent))
            if self._cue("restrict", offset=1):
                self.i += 1
            self.joins.append("and")
        elif "remission" in cues and not self.drafts and self.context.last_condition:
            node = HasCondition(
                self.context.last_condition, CURRENT, "in remission", quote=self._quote(token.start, token.end)
            )
            self._add(Draft(None, "remission", token.start, token.end, node=node))
        elif cues & {"palliative", "curative"}:
            self.pre.intent = "palliative" if "palliative" in cues else "curative"
        elif "neg" in cues:
            return self._negation(token)
        elif token.stem in ROUTES:
            self.pre.routes = (*self.pre.routes, ROUTES[token.stem])
            if (
                (nxt := self._at(1)) is not None
                and nxt.stem in {"or", "and"}
                and (third := self._at(2)) is not None
                and third.stem in ROUTES
            ):
                self.i += 1
        else:
            handled = False
        if handled:
            self.i += 1
        return handled

    def _before_a_name(self, token: Token) -> None:
        """A word that can only speak of the next name, after a name that nothing joins to another: it is left over."""
        if self.drafts and len(self.joins) < len(self.drafts):
            raise UnreadError(token.stem)

    def _ever(self, token: Token) -> None:
        if token.stem == "in the past" and self.drafts:
            for draft in self.drafts[self.barrier :]:
                if draft.when is None and (draft.lead is None or draft is self.drafts[-1]):
                    draft.when = EVER
            return
        self._before_a_name(token)
        self.timed = Timing.EVER
        self._lead(EVER)

    def _lead(self, when: When | None) -> None:
        """Says when what follows is asked for; a window given before ("within 2 years, a history of") stays."""
        if self.lead is None or self.lead.timing is not Timing.WITHIN:
            self.lead = when

    def _degree(self, token: Token) -> None:
        words = [token]
        while (
            (nxt := self._at(1)) is not None
            and nxt.stem in {",", "or", "and", "/"}
            and (third := self._at(2)) is not None
            and "degree" in third.cues
            and (not third.names or ((named := self._at(3)) is not None and named.names))
        ):
            words.append(third)
            self.i += 2
        self.pre.degrees.append(" ".join(self.text[words[0].start : words[-1].end].lower().split()))

    def _tested_for(self, outcome: Outcome) -> None:
        """Reads "positive for A, B or C", "negative for A or B": the result of each; negative means all of them."""
        rest = self.tokens[self.i + 2 :]
        tested = [k for k, token in enumerate(rest) if self._has_result(token)]
        between = (token for token in rest[: tested[-1]] if not self._has_result(token)) if tested else ()
        if not tested or not all(token.stem in JOINTS or "neutral" in token.cues for token in between):
            raise UnreadError("for")
        if outcome is Outcome.NEGATIVE and self.excludes and len(tested) > 1:
            raise UnreadError("for")
        last = self.i + 2 + tested[-1]
        made: list[Token] = []
        for k, token in enumerate(self.tokens[self.i + 2 : last + 1]):
            if k in tested:
                made.append(self.tokens[self.i]._replace(start=token.start, end=token.start))
            elif outcome is Outcome.NEGATIVE and token.stem in {"or", "nor"}:
                made.append(token._replace(stem="and", cues=()))
                continue
            made.append(token)
        self.tokens = [*self.tokens[: self.i + 1], *made[1:], *self.tokens[last + 1 :]]

    def _has_result(self, token: Token) -> bool:
        named = names_of(token, NameKind.ANALYTE, NameKind.CONDITION)
        concept = self.context.catalogue.concepts.get(named.get(NameKind.CONDITION, ""))
        return NameKind.ANALYTE in named or (concept is not None and bool(concept.results))

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
        if token.stem == "non" and self._cue("degree", offset=1):
            # "non-resectable A": A is there, and what is said of it is for a person.
            degree = self.tokens[self.i + 1]
            if degree.names:
                raise UnreadError(degree.stem)  # "non-metastatic A" is a fact of its own
            self.tokens[self.i : self.i + 2] = [degree._replace(stem=f"non-{degree.stem}", start=token.start)]
            self._degree(self.tokens[self.i])
            self.i += 1
            return True
        self.elapsed = None
        if self.excludes and not self.drafts:
            before = self.tokens[self.i - 1].stem if self.i else ""
            if before not in {"must", "should"}:
                if token.stem in {"lack of", "absence of"} or (self.i and self._of_persons()):
                    # "Patients without X", "patients who have not had X": those are excluded who lack it.
                    self.context.note("Lacking it excludes: two negatives, read as they stand.")
                    self.negative = True
                    self._received(token)
                    self.i += 1
                    return True
                # Two negatives, or a requirement out of place: both readings are possible.
                raise UnreadError(token.stem)
            self.context.note("A requirement among the exclusions: what excludes is that it is not met.")
            self.i += 1
            return True
        self.negative = not self.drafts
        self.pre.negated = bool(self.drafts)
        if self._received(token) and token.stem.startswith("not used") and not self.drafts and self.context.topic:
            self.drafts.extend(replace(draft) for draft in self.context.topic)
            self.joins.extend(["or"] * (len(self.drafts) - 1))
        if token.stem == "no history of":
            self.lead = EVER
        self.i += 1
        return True

    def _of_persons(self) -> bool:
        """The clause speaks of persons up to here, and of nothing else."""
        before = self.tokens[: self.i]
        return any(token.stem in _PERSONS for token in before) and all("neutral" in token.cues for token in before)

    def _received(self, token: Token) -> bool:
        if not token.stem.startswith(
            ("did not receive", "has not received", "have not received", "not received", "not used")
        ):
            return False
        self.treat, self.treat_current = True, False
        return True

    def _joiner(self) -> bool:
        token = self.tokens[self.i]
        join = JOINERS.get(token.stem)
        if join is None or token.names:
            return False
        if self.drafts:
            if len(self.joins) < len(self.drafts):
                self.joins.append(join)
            elif join != ",":
                if self.joins[-1] == ",":
                    # "A or B, and C": the comma says that what stands before it belongs together.
                    self.pauses.add(len(self.joins) - 1)
                self.joins[-1] = join if self.joins[-1] == "," or join == "or" else self.joins[-1]
        if token.stem in {"or", "and"} and self.planned is False and self._cue("planned", offset=1):
            # "A within 4 weeks or are planned to undergo B": a new predicate.
            self.lead = None
        if token.stem == ";":
            self.lead, self.treat, self.treat_current, self.elapsed, self.allergy = None, False, False, None, False
            self.barrier = len(self.drafts)
        self.i += 1
        return True

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
        unsure = isinstance(node, NotUnderstood | Judgement)
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
        depth = 0
        while at < len(self.tokens):
            token = self.tokens[at]
            depth += {"(": 1, ")": -1}.get(token.stem, 0)
            if depth == 0 and (token.stem == ";" or (token.stem == "or" and self._starts_anew(at + 1))):
                return at
            if depth == 0 and {"new-group", "within"} & set(token.cues) and self.tokens[self.i].stem != "with":
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
            while body and (body[0].stem in {"result", "in"} or set(body[0].cues) == {"neutral"}):
                body = body[1:]
            node = self._try(body, excludes=True)
            if node is not None:
                return node
            if tail[0].stem == "who":
                raise UnreadError("who")
        if required or "treat" in tail[0].stem:
            treated = self._given(tail[1:] if required else tail)
            if treated is not None:
                return treated
        if {"requiring", "restrict"} & set(tail[0].cues) and not any(
            token.names or token.number is not None for token in tail
        ):
            return question(quote.text, quote)
        return self._question(plain or tail)

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

    def _neutral(self) -> bool:
        token = self.tokens[self.i]
        if token.stem in HEADS and self.drafts and len(self.joins) == len(self.drafts):
            # "... or conditions that may interfere": a thing of its own that no name was found for.
            raise UnreadError(token.stem)
        if token.stem == "use" and self.drafts and self.drafts[-1].is_treatment and len(self.joins) < len(self.drafts):
            # "statin use": those who take one now, where nothing says when.
            self.drafts[-1].lead = self.drafts[-1].lead or CURRENT
            self.i += 1
            return True
        if token.stem in {".", ":", "-", "etc"} or {"neutral", "etc", "any-sex"} & set(token.cues):
            self.i += 1
            return True
        return False


def reads_facts(node: Criterion) -> bool:
    """Every leaf is a recorded fact, nothing is left to a person."""
    inner = children(node)
    return all(map(reads_facts, inner)) if inner else isinstance(node, HasCondition | HadTreatment)
