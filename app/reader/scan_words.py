"""Words around names: when, how much, whose; what joins things; and tails that narrow them."""

from __future__ import annotations

from dataclasses import replace

from app.criteria.nodes import (
    CURRENT,
    EVER,
    AllOf,
    Criterion,
    HadTreatment,
    HasCondition,
    Not,
    Outcome,
    Reproductive,
    ReproductiveIs,
    Timing,
    When,
)
from app.reader.drafts import Draft, question
from app.reader.scan_brackets import ScanBrackets
from app.reader.scan_state import ROUTES, UnreadError
from app.reader.sharing import JOINTS
from app.reader.tokens import NameKind, Token, names_of

PERSONS = frozenset(
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
_RUNNING = frozenset({"current", "currently", "receiving", "taking", "on", "requiring"})
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
            if self.drafts and self.lead == EVER and token.stem.split()[0] in _RUNNING:
                self.lead = None  # "history of A, or currently receiving B"
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
            if self.pre.now and self.drafts and self.lead == EVER:
                self.lead = None  # "history of A or current B"
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
        if words[-1].words[-1:] in {("of",), ("with",)}:
            # "a stable dose of X", "chronic use of X": those who take it now.
            self.treat, self.treat_current = True, True
            self.dosed = self.pre.degrees[-1:]

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
        return any(token.stem in PERSONS for token in before) and all("neutral" in token.cues for token in before)

    def _received(self, token: Token) -> bool:
        if not token.stem.startswith(
            ("did not receive", "has not received", "have not received", "not received", "not used")
        ):
            return False
        self.treat, self.treat_current = True, False
        return True

    def _all_of_it(self) -> bool:
        """Reads "A, B, or both" to its end: one of them suffices."""
        both = self._at(1)
        closed = all(token.stem in {".", ","} for token in self.tokens[self.i + 2 :])
        if both is None or both.stem not in {"both", "all", "all three"} or not closed or len(self.drafts) < 2:
            return False
        self.joins = ["or"] * (len(self.drafts) - 1)
        self.pauses.clear()
        self.i = len(self.tokens)
        return True

    def _joiner(self) -> bool:
        token = self.tokens[self.i]
        join = JOINERS.get(token.stem)
        if join is None or token.names:
            return False
        if token.stem in {"or", "and/or"} and self._all_of_it():
            return True
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
        if token.stem == "use of" and not self.drafts and not self.pre.degrees:
            # "use of statins": those who take them now, where nothing says when.
            self.treat, self.treat_current = True, True
        if token.stem in {".", ":", "-", "etc"} or {"neutral", "etc", "any-sex"} & set(token.cues):
            self.i += 1
            return True
        return False
