"""An item's own words → a node: sentences, segments, topics, and what only a person can tell."""

from __future__ import annotations

import re
from dataclasses import replace

from app.criteria.nodes import (
    EVER,
    AllOf,
    AnyOf,
    Criterion,
    HasCondition,
    Measured,
    Not,
    NotUnderstood,
    Preference,
    Quote,
    Scored,
    SexIs,
    children,
)
from app.reader.clause_followers import ClauseFollowers
from app.reader.clause_state import flat, is_turned, things
from app.reader.drafts import question
from app.reader.frames import Bound, bound_behind
from app.reader.kin import own_part

_SENTENCE = re.compile(r"(?<=[.。])(?<!e\.g\.)(?<!i\.e\.)(?<!vs\.)(?<!etc\.)\s+(?=[A-Z(-])|(?<=etc\.)\s+(?=[A-Z])")
_TOPIC = re.compile(r"^([A-Za-z][^:;()]{2,90}?(?:\([^)]*\)[^:;()]*)?):\s+(?=\S)")
_ALLOWS = re.compile(
    r"\b(?:allow\w*|permit\w*|permissible|acceptab\w+|accepted|tolerated|eligible|may\s+(?:still\s+)?(?:be\s+)?enrol\w*)\b",
    re.IGNORECASE,
)
_PERSON = re.compile(
    r"^\W*(?:any (?:other|uncertain)|other (?:conditions|reasons|circumstances|situations)|according to the judg|"
    r"in the (?:investigator|opinion|judg)|(?:investigators?|researchers?|the investigator|the researcher)\b|"
    r"(?:subjects|patients|participants)? ?who, in the (?:judg|opinion))",
    re.IGNORECASE,
)
_SPARES = re.compile(
    r"^\W*(?:(?:this|it|which|that)\s+)?(?:criterion\s+)?(?:does|do|will)\s+not\s+apply\s+(?:to|for|in)\s+",
    re.IGNORECASE,
)
_CONTRACEPTION = frozenset({"contraception", "sterilisation"})
# A wish, and nothing but a wish: a requirement may hold one as well ("must ..., preferably ...").
_PREFERS = re.compile(r"^\W*(?:priority|preference)\b|\b(?:is|are) preferred\W*$", re.IGNORECASE)
_NOTE = re.compile(r"^\W*(?:note|n\.b\.|remark)\s*[:,]\s*", re.IGNORECASE)
_LISTED = re.compile(r"(?:including but not limited to|including|such as)\s*:\s*", re.IGNORECASE)
# Longer than any sentence that can be read with certainty, and short enough that every reading of it is a matter of
# milliseconds.
_LONGEST = 400
_MOST_PARTS = 60


class Clauses(ClauseFollowers):
    """Reads the words of one item in the frame of its list."""

    def read(self, start: int, end: int) -> Criterion:
        """The node of `text[start:end]`; never raises, never drops a word."""
        start, end = self._trim(start, end)
        text = self.context.source[start:end]
        tokens = self.context.tokens(start, end)
        cues = {cue for token in tokens for cue in token.cues}
        quote = Quote(text, start, end)
        if "note" in cues and _PREFERS.search(text):
            return Preference(flat(text), quote)
        if "judgement" in cues and _PERSON.match(text):
            return question(text, quote)
        if (head := self._enumeration(start, end)) is not None:
            return head
        sentences = self._spans(_SENTENCE, start, end)
        segments = self._segments(start, end) if len(sentences) == 1 else []
        if max(len(sentences), len(segments)) > _MOST_PARTS:
            # No criterion: a page that lost its lines. What each part means hangs on those before it.
            return NotUnderstood(flat(text), quote)
        if len(sentences) > 1:
            return self._sentences(sentences, quote)
        if len(segments) > 1:
            return self.join_segments(segments, quote)
        return self.clause(start, end)

    # --- several sentences, several segments -------------------------------------------------------------------------

    def _sentences(self, spans: list[tuple[int, int]], quote: Quote) -> Criterion:
        parts: list[Criterion] = []
        for start, end in spans:
            if parts and (
                self._exempts(start, end, parts) or self._dates(start, end, parts) or self._allowance(start, end, parts)
            ):
                continue
            part = self.read(start, end)
            if self._of_group(parts, part, quote):
                continue
            if self.excludes and parts and isinstance(part, NotUnderstood):
                # Words not understood may exempt from what stands before them as well as exclude by themselves.
                parts = [AllOf((self._combine(parts, quote), Not(part)), quote)]
            parts.append(part)
        return self._combine(parts, quote)

    def join_segments(self, spans: list[tuple[int, int]], quote: Quote) -> Criterion:
        parts: list[Criterion] = []
        for start, end in spans:
            text = self.context.source[start:end]
            if parts and (note := _NOTE.match(text)):
                if not self._allowance(start + note.end(), end, parts):
                    exempt = NotUnderstood(flat(text[note.end() :]), Quote(text, start, end))
                    parts[-1] = AllOf((parts[-1], Not(exempt)), quote)
                continue
            if parts and (self._exempts(start, end, parts) or self._allowance(start, end, parts)):
                continue
            if parts and (spared := _SPARES.match(text)) is not None and not self.excludes:
                freed = self._whom(Bound((start + spared.end(), end), (start, end)))
                spared_ones = freed or NotUnderstood(flat(text), Quote(text, start, end))
                parts[-1] = AnyOf((spared_ones, parts[-1]), quote)
                continue
            if parts and self._excepts(parts[-1]):
                # What stands after an exception that was not read may belong to it.
                parts[-1] = NotUnderstood(flat(quote.text), quote)
                continue
            part = self.clause(start, end)
            if self._of_group(parts, part, quote):
                continue
            if parts and re.match(r"or\b", text, re.IGNORECASE):
                parts[-1] = AnyOf((parts[-1], part), quote)
            else:
                parts.append(part)
        return self._combine(parts, quote)

    def _combine(self, parts: list[Criterion], quote: Quote) -> Criterion:
        if len(parts) == 1:
            return parts[0]
        # What is allowed may limit what is said beside it: alone it binds nobody, here a person has to read it.
        parts = [_unsure(part) for part in parts]
        if not self.excludes:
            return AllOf(tuple(parts), quote)
        if all(is_turned(part) for part in parts):
            return Not(AllOf(tuple(part.part for part in parts if isinstance(part, Not)), quote), quote)
        return AnyOf(tuple(parts), quote)

    def _enumeration(self, start: int, end: int) -> Criterion | None:
        """Reads "History of X, including but not limited to: A; B; C": the class and every member named."""
        text = self.context.source[start:end]
        if ";" not in text or ":" not in text:
            return None
        match = _LISTED.search(text)
        if match is None or ";" not in text[match.end() :]:
            return None
        head = self.clause(start, start + match.start())
        ever = "ever" in {cue for token in self.context.tokens(start, start + match.start()) for cue in token.cues}
        saved, self.context.lead = self.context.lead, EVER if ever else None
        members = [self.clause(*span) for span in self._segments(start + match.end(), end)]
        self.context.lead = saved
        if isinstance(head, HasCondition) and head.degree is None and any(map(_has_threshold, members)):
            # Members that carry thresholds would be pointless if every member of the class counted.
            head = replace(head, degree="of the kind listed")
        return AnyOf((head, *members), Quote(text, start, end)) if self.excludes else None

    # --- one clause --------------------------------------------------------------------------------------------------

    def clause(self, start: int, end: int) -> Criterion:
        """The node of one clause: no sentence or semicolon ends inside it."""
        start, end = self._trim(start, end)
        text = self.context.source[start:end]
        quote = Quote(text, start, end)
        tokens = self.context.tokens(start, end)
        cues = {cue for token in tokens for cue in token.cues}
        if "judgement" in cues and _PERSON.match(text):
            return question(text, quote)
        if len(tokens) > _LONGEST:
            return question(text, quote) if "judgement" in cues else NotUnderstood(flat(text), quote)
        if (of_a_list := self._counted(start, end)) is not None:
            return of_a_list
        if topic := _TOPIC.match(text):
            node = self._topic(topic, start, end)
            if node is not None:
                return node
        if "consent" in cues and (consent := self._consent(tokens, cues, quote)) is not None:
            return consent
        if (kin := own_part(text)) is not None:
            return self._own_or_family(start, end, kin, quote)
        if (framed := self._framed(start, end, tokens)) is not None:
            return framed
        node = self._scan(start, end)
        if node is not None:
            # A means of contraception is one of many that would do.
            return question(text, quote) if _CONTRACEPTION & set(things(node)) else self._turn(node)
        left_over_at = self.left_over_at
        if (bound := bound_behind(text, start)) is not None and not self.halved:
            node = self._scan(*bound.body)
            if node is not None and not isinstance(node, AllOf | AnyOf | SexIs):
                return self._binding(bound, self._turn(node))
        self.left_over_at = left_over_at
        split = self._split(start, end) or self._examples_of_a_question(start, end)
        if split is not None:
            return split
        widened = not self.excludes and _ALLOWS.search(text) is not None  # by words that were not understood
        if not self.halved and not widened and (partly := self._recovered(start, end)) is not None:
            return self._turn(partly)
        if "judgement" in cues:
            return question(text, quote)
        return NotUnderstood(flat(text), quote)

    def _own_or_family(self, start: int, end: int, kin: tuple[int, bool], quote: Quote) -> Criterion:
        """The patient's own history is recorded as such; that of the family is for a person to tell."""
        at, denied = kin
        own = self._inner(excludes=True).clause(start + at, end)
        if isinstance(own, NotUnderstood) or (denied and self.excludes):
            return NotUnderstood(flat(quote.text), quote)
        either = AnyOf((own, NotUnderstood(f"In the family: {flat(quote.text)}", quote)), quote)
        return Not(either, quote) if denied else either


def _unsure(node: Criterion) -> Criterion:
    return NotUnderstood(node.text, node.quote) if isinstance(node, Preference) else node


def _has_threshold(node: Criterion) -> bool:
    """A degree, a limit or a deciding datum somewhere in it."""
    if isinstance(node, HasCondition):
        return node.degree is not None or node.defined_by is not None
    return isinstance(node, Measured | Scored) or any(map(_has_threshold, children(node)))
