"""Names in a clause: conditions, treatments, vaccines, allergies, studies, sites."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.criteria.nodes import CURRENT, EVER, InStudy, NotUnderstood, Outcome, Reproductive, ReproductiveIs
from app.knowledge.catalogue import Family
from app.reader.drafts import Draft, question
from app.reader.scan_function import ScanFunction
from app.reader.scan_state import Pre, UnreadError
from app.reader.sharing import JOINTS
from app.reader.tokens import NameKind, Token, names_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_SAYS_ALLERGY = re.compile(r"allerg|hypersensitiv|anaphyla|intoleran")
_TRIES_TREATMENT = re.compile(
    r"\b(?:drug|investigational|anti-?tumou?r|interventional|therapeutic|device)\b", re.IGNORECASE
)
ALLERGY_WORDS = frozenset({"allergy", "hypersensitivity", "anaphylaxis", "intolerance", "allergic reaction"})
_ADJECTIVES = ("ic", "al", "ed", "ive", "ary", "ous", "ant", "ent")
_FACT_KINDS = (
    NameKind.CONDITION,
    NameKind.TREATMENT,
    NameKind.ALLERGEN,
    NameKind.VACCINE,
    NameKind.ANALYTE,
    NameKind.SCALE,
)


class ScanFacts(ScanFunction):
    """Steps for names."""

    def _childbearing(self) -> bool:
        if not self._cue("childbearing"):
            return False
        if self.drafts:
            raise UnreadError("childbearing potential")
        token = self.tokens[self.i]
        self.applies = ReproductiveIs(Reproductive.CHILDBEARING, self._quote(token.start, token.end))
        self.i += 1
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
        took_part = "participated" in self.tokens[self.i].stem
        when = self.lead or (EVER if took_part else CURRENT)
        quote = self._quote(start, end)
        tries = _TRIES_TREATMENT.search(quote.text) is not None
        self.drafts.append(Draft(None, "study", start, end, node=InStudy(when, tries, quote)))
        self.i = at
        return True

    def _named(self) -> bool:
        token = self._at()
        if token is None or not token.names:
            return False
        named = names_of(token, *_FACT_KINDS)
        if NameKind.SITE in names_of(token, NameKind.SITE) and not named:
            return self._site(token)
        if not named:
            return False
        if self._spread(token):
            return True
        if NameKind.SCALE in named and self._score(token, named[NameKind.SCALE]):
            return True
        if NameKind.ANALYTE in named and self._measure(token, named[NameKind.ANALYTE]):
            return True
        kind = next((k for k in self._preference() if k in named), None)
        if kind is None or kind is NameKind.TREATMENT:
            said = self._allergen(named)
            if said is not None:
                self._fact(token, NameKind.ALLERGEN, said)
                return True
        if kind is NameKind.ALLERGEN and not self.allergy and self._past_allergy_word():
            self._fact(token, kind, named[kind])
            return True
        if kind is NameKind.ALLERGEN and not self.allergy and not _SAYS_ALLERGY.search(token.stem):
            # A substance is an allergen only where an allergy is spoken of.
            raise UnreadError(token.stem)
        if kind is None:
            raise UnreadError(token.stem)
        self._fact(token, kind, named[kind])
        return True

    def _allergen(self, named: Mapping[NameKind, str]) -> str | None:
        """A drug, or a class of drugs, to which an allergy is spoken of: "hypersensitivity to X", "X allergy"."""
        drug = self.context.catalogue.concepts.get(named.get(NameKind.TREATMENT, ""))
        if drug is None or drug.families != (Family.MEDICATION,):
            return None
        if not self.allergy and (self.treat or not self._past_allergy_word()):
            return None
        return drug.id

    def _past_allergy_word(self) -> bool:
        """Takes the word behind a substance that says what is meant of it ("latex allergy")."""
        following = self._at(1)
        if following is None or following.stem not in ALLERGY_WORDS:
            return False
        name = self.tokens[self.i]
        self.tokens[self.i : self.i + 2] = [name._replace(end=following.end)]
        return True

    def _graded_allergy(self) -> bool:
        """Reads "severe hypersensitivity (≥ grade 3) to X": the bracket says what severe is."""
        token = self.tokens[self.i]
        if token.stem not in ALLERGY_WORDS or self.drafts or self.allergy:
            return False
        at = self.i + 1
        if at < len(self.tokens) and self.tokens[at].stem == "(":
            stop = next((k for k in range(at, len(self.tokens)) if self.tokens[k].stem == ")"), None)
            inner = self.tokens[at + 1 : stop]
            if stop is None or not any(each.stem == "grade" for each in inner) or any(each.names for each in inner):
                return False
            if not self.pre.degrees:
                self.pre.degrees.append(" ".join(self.text[inner[0].start : inner[-1].end].split()))
            at = stop + 1
        while at < len(self.tokens) and self.tokens[at].stem in ALLERGY_WORDS | {"or", "and"}:
            at += 1
        if at >= len(self.tokens) or self.tokens[at].stem not in {"to", "against", "toward"}:
            return False
        self.allergy = True
        self.i = at + 1
        return True

    def _spread(self, token: Token) -> bool:
        """Reads "metastatic colorectal cancer": a name by itself, and a degree before that of a malignancy."""
        stop = self.i + 1
        while stop < len(self.tokens) and (self.tokens[stop].stem in JOINTS or "degree" in self.tokens[stop].cues):
            stop += 1
        if "degree" not in token.cues or stop == len(self.tokens) or self.tokens[stop - 1].stem in JOINTS:
            return False
        concept = names_of(self.tokens[stop], NameKind.CONDITION).get(NameKind.CONDITION)
        if concept is None or not self.context.catalogue.concepts[concept].malignancy:
            return False
        words = self.text[token.start : self.tokens[stop - 1].end]
        self.pre.degrees.append(" ".join(words.lower().split()))
        self.i = stop
        return True

    def _ellipsis(self) -> bool:
        """Reads "cardiovascular and cerebrovascular disease", "inhaled or topical steroids"."""
        return self.complete_name(self.i) and self._named()

    def _preference(self) -> tuple[NameKind, ...]:
        if self.allergy:
            return (NameKind.ALLERGEN,)
        if self.treat or self.elapsed:
            return (NameKind.TREATMENT, NameKind.VACCINE, NameKind.CONDITION, NameKind.ALLERGEN)
        return (NameKind.CONDITION, NameKind.TREATMENT, NameKind.VACCINE, NameKind.ALLERGEN)

    def _fact(self, token: Token, kind: NameKind, concept: str) -> None:
        pre, self.pre = self.pre, Pre()
        start = min([token.start, *(self.tokens[self.i - 1].start for _ in [0] if pre.degrees and self.i)])
        # "prior A or active B", "history of A, active B": what is active is so now.
        now = "active" in pre.degrees and self.drafts and self.timed is None and self.lead == EVER
        draft = Draft(kind, concept, start, token.end, lead=None if now else self.lead)
        draft.adjective = len(token.words) == 1 and token.stem.endswith(_ADJECTIVES)
        if self.drafts and len(self.joins) < len(self.drafts):
            # Two names side by side ("NYHA class II heart failure" is read elsewhere): one of them was not meant so.
            raise UnreadError(token.stem)
        if kind is not NameKind.TREATMENT and (pre.routes or pre.intent):
            raise UnreadError(token.stem)  # "stage IV ...": the number is no route
        draft.degrees = pre.degrees
        if draft.adjective and any(degree.startswith("newly") for degree in pre.degrees):
            # "newly diagnosed postmenopausal women": what was diagnosed is not named.
            raise UnreadError(token.stem)
        if not draft.degrees and "inherits" in token.cues and self.drafts:
            draft.degrees = list(self.drafts[-1].degrees)
        # "Prior malignancy" among the exclusions of a trial in a malignancy cannot mean the disease under study.
        barred = self.excludes or self.negative
        other = pre.other or (barred and self.context.is_oncology and concept == "malignant-neoplasm")
        self._other(draft, concept, said=pre.other, other=other and barred)
        draft.suspected = self.suspected
        draft.timed, self.timed = self.timed, None
        if kind is NameKind.ALLERGEN and concept == "drug-allergy" and not _SAYS_ALLERGY.search(token.stem):
            # "hypersensitivity to the drugs used": which drugs those are, the record cannot tell.
            words = self._quote(self.start, self.end)
            draft.restricts.append(question(words.text, words))
        draft.routes = pre.routes
        draft.intent = pre.intent
        draft.planned = self.planned
        draft.negated = pre.negated
        if kind is NameKind.TREATMENT and (pre.now or (self.treat and self.lead is None and self.treat_current)):
            draft.lead = CURRENT
        if (
            kind is NameKind.TREATMENT
            and (self.lead is None or self.drafts)  # "prior A or on B"
            and self.i
            and self.tokens[self.i - 1].stem == "on"
        ):
            self.lead, draft.lead = None, CURRENT
            self.treat, self.treat_current = True, True  # "on A or B"
        if self.elapsed is not None and kind in {NameKind.TREATMENT, NameKind.CONDITION}:
            draft.elapsed, draft.half_lives = self.elapsed
        if kind is NameKind.TREATMENT and not draft.degrees:
            draft.degrees = list(self.dosed)  # "a stable dose of A or B"
        if kind is NameKind.CONDITION:
            self.context.last_condition = concept
        if self.confirm and kind is NameKind.CONDITION:
            draft.confirm, self.confirm = self.confirm, None
        if pre.graded:
            self._grade(draft, pre.graded)
        if self.shares:
            self.shares, self.inherited = False, list(draft.degrees)
        else:
            draft.degrees, self.inherited = draft.degrees or self.inherited, []
        self.drafts.append(draft)
        self.i += 1
        if pre.outcome is not None:
            draft.outcome = pre.outcome
        else:
            self._outcome(draft)

    def _other(self, draft: Draft, concept: str, *, said: bool, other: bool) -> None:
        """Reads "other A": another than the disease under study, where A is a malignancy; else for a person to tell.

        "A or other B" is any B, but where the trial is in a B itself.
        """
        if draft.kind is not NameKind.CONDITION:
            draft.other = other
            return
        if self.context.catalogue.concepts[concept].malignancy:
            draft.other = other and not (said and self.context.in_no_malignancy)
            return
        if not said:
            return
        if not other:
            if not self.drafts:
                raise UnreadError("other")  # "other heart disease": other than what, the clause does not say
            return
        if not self.drafts or self.context.in_one_of(concept):
            words = self._quote(draft.start, draft.end)
            name = " ".join(words.text.split())
            draft.restricts.append(NotUnderstood(f"Is this “{name}” another than the one that the trial is in?", words))

    def _outcome(self, draft: Draft) -> None:
        """Reads "HIV positive", "HBsAg negative" after the name."""
        if self._cue("positive") or self._cue("negative"):
            draft.outcome = Outcome.POSITIVE if self._cue("positive") else Outcome.NEGATIVE
            draft.end = self.tokens[self.i].end
            self.i += 1

    def _site(self, token: Token) -> bool:
        treatments = [draft for draft in self.drafts if draft.kind is NameKind.TREATMENT]
        if not treatments:
            return False
        if len(self.joins) == len(self.drafts):
            raise UnreadError(token.stem)  # "A or pelvic B": the site is that of B
        treatments[-1].sites = (*treatments[-1].sites, names_of(token, NameKind.SITE)[NameKind.SITE])
        treatments[-1].end = token.end
        self.i += 1
        if self._at() is not None and self.tokens[self.i].stem in {"and", "or"}:
            nxt = self._at(1)
            if nxt is not None and names_of(nxt, NameKind.SITE):
                self.i += 1
        return True
