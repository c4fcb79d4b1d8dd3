"""Whom a clause binds, what is said of what it names, and consent."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.criteria.nodes import (
    AllOf,
    Criterion,
    GaveConsent,
    If,
    Judgement,
    Not,
    NotUnderstood,
    Preference,
    Quote,
    ReproductiveIs,
    Sex,
    SexIs,
)
from app.reader.clause_state import ClauseState, flat, leaves
from app.reader.drafts import question
from app.reader.frames import Bound, Predicate, bound_before, has_strings, predicate_of
from app.reader.headings import part_name
from app.reader.scan_state import UnreadError
from app.reader.scanner import Scanner
from app.reader.sharing import share_words
from app.reader.tokens import NameKind, names_of

if TYPE_CHECKING:
    from app.reader.tokens import Token

_PART_LABEL = re.compile(r"^\W*([^:,;]{3,60}?)\s*:\s*(?=\S)")
_CONSENT = re.compile(
    r"(?<!from )\b(?:sign\w*|giv\w+|provid\w+|obtain\w*)\b.{0,40}\bconsent|"
    r"\bconsent\b.{0,30}\b(?:signed|given|obtained|provided)",
    re.IGNORECASE,
)
# Where consent is only the moment that something is asked for.
_AT_CONSENT = re.compile(
    r"\b(?:at|on|before|prior to|after|since|from|within \w+ \w+ (?:of|before|prior to))\s+(?:the\s+)?(?:time\s+of\s+|"
    r"(?:date|day)\s+of\s+)?(?:the\s+)?(?:sign\w*\s+|giving\s+|obtaining\s+|providing\s+)?(?:of\s+)?(?:the\s+)?(?:written\s+|"
    r"informed\s+){0,2}consent\b",
    re.IGNORECASE,
)
_NO_CONSENT = re.compile(
    r"\b(?:inab\w+|unab\w+|unwilling\w*|refus\w+|not|no|lack\w*|without|cannot|declin\w+|fail\w*)\b", re.IGNORECASE
)
_BARE_CONSENT = re.compile(r"(?:written |signed )*informed consent(?: form)?", re.IGNORECASE)
_ONLY_CONSENT = re.compile(r"(?:voluntar\w+ )?[^,;]*\bconsent\b[^,;]*", re.IGNORECASE)
# What is asked beside consent, behind it.
_AND_MORE = re.compile(
    r"\bconsent\b.*\band\s+.*\b(?:willing|able|agree|comply|complian\w+|adher\w+|attend|complete|follow|co-?operat\w+|"
    r"available)\b",
    re.IGNORECASE | re.DOTALL,
)
_OF_OTHERS = re.compile(
    r"\b(?:if|representatives?|guardians?|parents?|parental|caregivers?|assent|behalf|impaired|incapacitated|adolescent|"
    r"child|children|minors?|donors?|next of kin|legal(?:ly)?)\b",
    re.IGNORECASE,
)


class ClauseFrames(ClauseState):
    """Forms that stand around a clause."""

    def _framed(self, start: int, end: int, tokens: list[Token]) -> Criterion | None:
        """Reads whom a clause binds and what is said of the things it names; None where it stands as it is."""
        text = self.context.source[start:end]
        part = _PART_LABEL.match(text)
        if part is not None and part_name(part[1]) is not None:
            self.context.note(f"Binds only: {part_name(part[1])}.")
            quote = Quote(part[1], start, start + part.end(1))
            meant = Judgement(f"Is the patient meant for {part_name(part[1])}?", quote)
            return self._narrowed(meant, self.clause(start + part.end(), end), Quote(text, start, end))
        predicate = predicate_of(tokens)
        if predicate is not None and (said := self._predicate(predicate, start, end, tokens)) is not None:
            return said
        bound = bound_before(text, start)
        if bound is None or (bound.named and not any(token.names for token in self.context.tokens(*bound.cond))):
            return None
        if bound.duty:
            return self._duty(bound, Quote(text, start, end))
        body = self.clause(*bound.body)
        if isinstance(body, NotUnderstood):
            return None
        if self._whom(bound) is None:
            if isinstance(body, Judgement):
                return None
            if bound.label:
                # "Patients unfit for X: age over 75": that they are so may be what is asked.
                return NotUnderstood(flat(text), Quote(text, start, end))
        return self._binding(bound, body)

    def _duty(self, bound: Bound, quote: Quote) -> Criterion:
        """Reads "Patients with X must Y": Y is asked of those with X, and X of nobody."""
        body = self._inner(excludes=False).clause(*bound.body)
        whom = self._whom(bound)
        unread = NotUnderstood(flat(quote.text), quote)
        if whom is None and (self.excludes or isinstance(body, NotUnderstood | Judgement)):
            return question(quote.text, quote) if isinstance(body, Judgement) and not self.excludes else unread
        if not self.excludes:
            return self._binding(bound, body)
        if isinstance(body, NotUnderstood):
            return unread
        self.context.note("A requirement among the exclusions: what excludes is that it is not met.")
        return self._binding(bound, Not(body, quote))

    def _predicate(self, predicate: Predicate, start: int, end: int, tokens: list[Token]) -> Criterion | None:
        """Reads "X are not eligible" (X excludes), "X is allowed" (binds nobody), "X is required"."""
        text = self.context.source[start:end]
        quote = Quote(text, start, end)
        if predicate.kind == "allowed":
            asserts = "eligible" in text.lower() or "enrolled" in text.lower()
            if has_strings(text, tokens[:-1]) or (asserts and not self.excludes):
                return None
            return Preference(flat(text), quote)
        if predicate.kind == "required":
            node = self._inner(excludes=False).clause(start, predicate.stop)
            if self.excludes:
                return None
            return None if isinstance(node, NotUnderstood) else node
        node = self._inner(excludes=True).clause(start, predicate.stop)
        if isinstance(node, NotUnderstood):
            return None
        if self.excludes:
            return node
        self.context.note("A prohibition among the inclusions: it must not hold.")
        return Not(node, quote)

    def _binding(self, bound: Bound, body: Criterion) -> Criterion:
        """The body for those whom it binds."""
        quote = Quote(self.context.source[slice(*bound.cond)], *bound.cond)
        condition = self._whom(bound)
        whole = min(bound.cond[0], bound.body[0]), max(bound.cond[1], bound.body[1])
        if condition == SexIs(Sex.FEMALE) and all(isinstance(leaf, ReproductiveIs) for leaf in leaves(body)):
            return body  # of nobody else it could be true
        return self._narrowed(
            condition if condition is not None else NotUnderstood(flat(quote.text), quote),
            body,
            Quote(self.context.source[slice(*whole)], *whole),
        )

    def _whom(self, bound: Bound) -> Criterion | None:
        tokens = [token for token in self.context.tokens(*bound.cond) if "if" not in token.cues or token.names]
        if not tokens:
            return None
        try:
            return Scanner(
                self.context, *bound.cond, excludes=False, tokens=share_words(tokens, self.context.phrases)
            ).read()
        except UnreadError:
            return None

    def _narrowed(self, condition: Criterion, body: Criterion, quote: Quote) -> Criterion:
        """What excludes, excludes those who are meant; what is required, is required of them."""
        return AllOf((condition, body), quote) if self.excludes else If(condition, body, None, quote)

    def _consent(self, tokens: list[Token], cues: set[str], quote: Quote) -> Criterion | None:
        """Reads "signed informed consent", "unable to give consent"; None where consent is not what is asked for."""
        if not (_CONSENT.search(_AT_CONSENT.sub("", quote.text)) or _BARE_CONSENT.fullmatch(quote.text)):
            return None
        if any(names_of(token, NameKind.CONDITION, NameKind.ANALYTE) for token in tokens):
            return None
        text = flat(quote.text)
        asks = "judgement" in cues and (not _ONLY_CONSENT.fullmatch(text) or _AND_MORE.search(text) is not None)
        refused = _NO_CONSENT.search(text) is not None
        if refused is not self.excludes or _OF_OTHERS.search(text):
            return question(text, quote)
        consent: Criterion = GaveConsent(text.rstrip(".;"), quote)
        if refused:
            return Not(consent, quote)
        return AllOf((consent, question(text, quote)), quote) if asks else consent
