"""Clauses of several parts: a topic and what is said of it, two halves, a question with its examples."""

from __future__ import annotations

import re

from app.criteria.nodes import (
    EVER,
    AllOf,
    AnyOf,
    Criterion,
    HadTreatment,
    HasCondition,
    If,
    Judgement,
    Not,
    NotUnderstood,
    Preference,
    Quote,
    SexIs,
)
from app.reader.clause_frames import ClauseFrames
from app.reader.clause_state import Depth, flat, leaves, things
from app.reader.counting import counted, counts_a_list
from app.reader.drafts import Draft, question
from app.reader.people import names_some_people
from app.reader.scan_state import UnreadError
from app.reader.scan_time import in_frame
from app.reader.scanner import Scanner, shared_frame
from app.reader.tokens import NameKind, Token, names_of

# Topics that say to whom or to what time a line speaks: leaving them out would change it.
_SCOPES = frozenset({"family", "cohort", "arm", "part", "group", "phase", "stage", "expansion", "escalation", "only"})
_CHANGES = frozenset({"ever", "ever-or-current", "neg", "suspected", "unless", "if", "age", "childbearing"})
_SPLITS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?:,|(?<=[^\s,]))\s+or\s+(?=who\b)", re.IGNORECASE), "or"),
    (
        re.compile(
            r"(?:,|(?<=[^\s,]))\s+and\s+(?=(?:have|has|had|who|whose|his|her|their|inability|is|are)\b)", re.IGNORECASE
        ),
        "and",
    ),
    (re.compile(r",\s+(?=(?:have|has|had|who)\b)", re.IGNORECASE), "and"),
    (re.compile(r"(?<=\S)\s+(?=who (?:have|has|had)\b)", re.IGNORECASE), "and"),
    (re.compile(r"(?<=\S)\s+(?=(?:are|is) unable\b)", re.IGNORECASE), "and"),
    (re.compile(r",\s+and\s+", re.IGNORECASE), "list"),
    (re.compile(r"(?:,|(?<=[^\s,]))\s+or\s+(?=(?:in combination|combined)\b)", re.IGNORECASE), "or"),
    (re.compile(r"(?<=\S)\s+and\s+", re.IGNORECASE), "list"),
)
# Words that count the things behind them, up to a colon or to the first of them.
_COUNTED = re.compile(
    r"^(?P<lead>[^:;]{0,120}?\b(?:(?:any|all|both|either|none|one|two|three|four|five|each|\d)(?:\s+\(\d\))?"
    r"(?:\s+or\s+more)?(?:\s+(?:one|two))?\s+of\b|the\s+following\b)[^:;]{0,120}?\s*:|"
    r"\W*(?:at\s+least\s+|any\s+)(?:one|two|three|four|five|\d)(?:\s+or\s+more)?\s+of(?:\s+(?:the\s+)?following)?\b)"
    r"\s*(?P<body>\S.*)$",
    re.IGNORECASE | re.DOTALL,
)
_EXAMPLES = re.compile(r"\b(?:such as|including|for example)\s+", re.IGNORECASE)
_MOST_CUTS = 24


class ClauseSplits(ClauseFrames):
    """Forms of clauses that are read part by part."""

    def _examples_of_a_question(self, start: int, end: int) -> Criterion | None:
        """Reads "Factors that affect X, such as A, B": a named example suffices; for others a person is asked."""
        text = self.context.source[start:end]
        if not self.excludes or any(sign in text for sign in "();"):
            return None
        match = _EXAMPLES.search(text)
        if match is None:
            return None
        head = self.context.tokens(start, start + match.start())
        if any(token.duration is not None or "within" in token.cues for token in head):
            return None
        named = self._scan(start + match.end(), end)
        tail = self.context.tokens(start + match.end(), end)
        if named is None or any(names_of(token, NameKind.TREATMENT) for token in tail):
            # "requiring active treatment, including oxygen": what is named is no example of what excludes.
            return None
        asked = Quote(text, start, end)
        return AnyOf((named, question(text, asked)), asked)

    def _counted(self, start: int, end: int) -> Criterion | None:
        """Reads "at least two of the following: A, B, C", "at least one of A, B or C"; None where it is no list."""
        text = self.context.source[start:end]
        match = _COUNTED.match(text)
        if match is None:
            return None
        quote = Quote(text, start, end)
        lead = start + match.end("lead")
        frame, negative, left_over = shared_frame(self.context, start, lead)
        excepts = any({"except", "unless"} & set(token.cues) for token in self.context.tokens(start, lead))
        if left_over and (excepts or not counts_a_list(match["lead"])):
            return None
        if left_over or (negative and self.excludes):
            return NotUnderstood(flat(text), quote)
        saved, self.context.frame = self.context.frame, frame
        try:
            scanner = Scanner(self.context, start + match.start("body"), end, excludes=self.excludes or negative)
            read = scanner.read_list()
            parts = read if frame is None else tuple(in_frame(part, frame) for part in read)
        except UnreadError:
            return NotUnderstood(flat(text), quote)
        finally:
            self.context.frame = saved
        node = counted(match["lead"], parts, quote, negative=negative)
        if node is not None:
            return node
        # "The following: A, B": among what excludes, each does.
        return AnyOf(parts, quote) if self.excludes and not negative else None

    def _topic(self, match: re.Match[str], start: int, end: int) -> Criterion | None:
        topic = self.context.tokens(start, start + match.end(1))
        saved, self.context.topic = self.context.topic, self._topic_things(start, start + match.end(1))
        try:
            inner = self._inner(excludes=self.excludes)
            body_start = start + match.end()
            segments = self._segments(body_start, end)
            node = (
                inner.join_segments(segments, Quote(self.context.source[body_start:end], body_start, end))
                if len(segments) > 1
                else inner.scan_or_split(body_start, end)
            )
        finally:
            self.context.topic = saved
        if node is None or names_some_people(match[1]) or not self._is_label(topic, node):
            return None
        return self._topic_scope(topic, node, Quote(self.context.source[start:end], start, end))

    def _is_label(self, topic: list[Token], node: Criterion) -> bool:
        """A topic may be left out of the reading only where it changes nothing: its things are those of the body."""
        if any(token.stem == "without" for token in topic):
            return True
        if topic and counts_a_list(self.context.source[topic[0].start : topic[-1].end]):
            return False
        announce = self.context.phrases.announce
        if all(set(token.words or (token.stem,)) <= announce for token in topic if token.stem != ":"):
            return True  # "adequate bone marrow function"
        if any(token.duration is not None for token in topic):
            # "Within 4 weeks before enrollment: ..." says when.
            return False
        if any(token.stem in _SCOPES or set(token.cues) & _CHANGES for token in topic if not token.names):
            return False
        # What a topic excepts is on the things that the body takes from it.
        topic = topic[: next((k for k, token in enumerate(topic) if "except" in token.cues), len(topic))]
        if any(not set(token.words or (token.stem,)) <= announce for token in topic if not token.names):
            return False  # a word that nobody knows may say of whom or of what the line speaks
        closure = self.context.catalogue.index.closure
        said = set(things(node))
        return all(
            any(name.id in said or closure.get(name.id, frozenset()) & said for name in token.names)
            for token in topic
            if token.names
        )

    def _topic_things(self, start: int, end: int) -> tuple[Draft, ...]:
        """What a topic names, with its exceptions, for a body that says only "not used within 28 days"."""
        scanner = Scanner(self.context, start, end, excludes=True)
        try:
            scanner.scan()
        except UnreadError:
            return ()
        return tuple(scanner.drafts)

    def scan_or_split(self, start: int, end: int) -> Criterion | None:
        """The clause as a whole, else its halves; None where neither is read."""
        node = self._scan(start, end)
        if node is not None:
            return self._turn(node)
        return self._split(start, end)

    def _topic_scope(self, topic: list[Token], node: Criterion, quote: Quote) -> Criterion:
        """Reads "Stem cell transplantation without total body irradiation: ..." speaks only of those who had it."""
        at = next((k for k, token in enumerate(topic) if token.stem == "without"), None)
        if at is None:
            return node
        treated = [names_of(token, NameKind.TREATMENT).get(NameKind.TREATMENT) for token in topic[:at]]
        barred = [names_of(token, NameKind.TREATMENT).get(NameKind.TREATMENT) for token in topic[at:]]
        had, without = next(filter(None, treated), None), next(filter(None, barred), None)
        if had is None or without is None:
            return node
        words = Quote(self.context.source[topic[0].start : topic[-1].end], topic[0].start, topic[-1].end)
        other = HadTreatment(without, EVER, quote=words)
        asked = Judgement(f"{flat(words.text)}: what applies after it is not said. Is the patient acceptable?", words)
        return If(
            HadTreatment(had, EVER, quote=words), AllOf((node, AnyOf((Not(other), asked), words)), quote), None, quote
        )

    def _split(self, start: int, end: int) -> Criterion | None:
        """The clause cut in two where the halves read better: at least one half must hold a fact."""
        text = self.context.source[start:end]
        quote = Quote(text, start, end)
        # A word left over in the whole is left over in every part that holds it.
        stop = end if self.left_over_at is None else self.left_over_at
        tried: set[int] = set()
        depth = Depth(text)
        for pattern, relation in _SPLITS:
            for match in pattern.finditer(text):
                cut = start + match.start()
                if cut > stop or len(tried) >= _MOST_CUTS:
                    break
                if cut in tried or depth.at(match.start()):
                    continue
                left = self._scan(start, cut)
                if left is None:
                    tried.add(cut)
                    stop = stop if self.left_over_at is None else min(stop, self.left_over_at)
                    continue
                right = self._half(start + match.end(), end)
                if isinstance(left, SexIs | Preference) or isinstance(right, SexIs | Preference):
                    # "Men and women must ...": a sex by itself is half of something.
                    continue
                if relation == "list" and isinstance(right, NotUnderstood):
                    continue
                joined = (self._turn(left), right)
                if relation == "list" and not self.excludes and text[match.start()] != "," and _either(*joined):
                    continue  # "A and B or C" may mean either grouping
                either = relation == "or" or (relation == "list" and self.excludes)
                return AnyOf(joined, quote) if either else AllOf(joined, quote)
        return None

    def _half(self, start: int, end: int) -> Criterion:
        """The second half of a clause; what narrows it may narrow the first half too: it is read whole or not."""
        saved, self.halved = self.halved, True
        try:
            return self.clause(start, end)
        finally:
            self.halved = saved


def _either(left: Criterion, right: Criterion) -> bool:
    """Reads "A and B or C" where A is such a thing as B and C are: which belong together, nothing says."""
    for half, other in ((left, right), (right, left)):
        kinds = {type(part) for part in half.parts} if isinstance(half, AnyOf) else set()
        bare = half.quote is not None and re.search(r"\bor\b[^()]*$", half.quote.text) is not None
        if bare and kinds & {HasCondition, HadTreatment} & {type(leaf) for leaf in leaves(other)}:
            return True
    return False
