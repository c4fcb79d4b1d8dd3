"""An item's own words → a node: sentences, segments, topics, and what only a person can tell."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from app.criteria.nodes import (
    CURRENT,
    EVER,
    AllOf,
    AnyOf,
    Criterion,
    Elapsed,
    Except,
    GaveConsent,
    HadTreatment,
    HadVaccine,
    HasAllergy,
    HasCondition,
    If,
    Judgement,
    Measured,
    Not,
    NotUnderstood,
    Preference,
    Quote,
    ReproductiveIs,
    ResultIs,
    Scored,
    Sex,
    SexIs,
    children,
)
from app.reader.drafts import question, within
from app.reader.frames import Bound, Predicate, bound_before, bound_behind, has_strings, predicate_of
from app.reader.groups import in_place_of, measured_in
from app.reader.headings import part_name
from app.reader.rewrite import in_window, rewrite_treatments, window_of
from app.reader.scan_state import UnreadError
from app.reader.scan_time import fact_in_window
from app.reader.scanner import Scanner
from app.reader.sharing import share_words
from app.reader.tokens import NameKind, Token, names_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.reader.context import Context
    from app.reader.drafts import Draft

_SENTENCE = re.compile(r"(?<=[.。])(?<!e\.g\.)(?<!i\.e\.)(?<!vs\.)(?<!etc\.)\s+(?=[A-Z(-])|(?<=etc\.)\s+(?=[A-Z])")
_TOPIC = re.compile(r"^([A-Za-z][^:;()]{2,90}?(?:\([^)]*\)[^:;()]*)?):\s+(?=\S)")
_PART_LABEL = re.compile(r"^\W*([^:,;]{3,60}?)\s*:\s*(?=\S)")
_PERSON = re.compile(
    r"^\W*(?:any (?:other|uncertain)|other (?:conditions|reasons|circumstances|situations)|according to the judg|"
    r"in the (?:investigator|opinion|judg)|(?:investigators?|researchers?|the investigator|the researcher)\b|"
    r"(?:subjects|patients|participants)? ?who, in the (?:judg|opinion))",
    re.IGNORECASE,
)
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
# Topics that say to whom or to what time a line speaks: leaving them out would change it.
_SCOPES = frozenset({"family", "cohort", "arm", "part", "group", "phase", "stage", "expansion", "escalation", "only"})
_CHANGES = frozenset({"ever", "ever-or-current", "neg", "suspected", "unless", "if", "age", "childbearing"})
_SPARES = re.compile(
    r"^\W*(?:(?:this|it|which|that)\s+)?(?:criterion\s+)?(?:does|do|will)\s+not\s+apply\s+(?:to|for|in)\s+",
    re.IGNORECASE,
)
_OF_OTHERS = re.compile(
    r"\b(?:if|representatives?|guardians?|parents?|parental|caregivers?|assent|behalf|impaired|incapacitated|adolescent|"
    r"child|children|minors?|donors?|next of kin|legal(?:ly)?)\b",
    re.IGNORECASE,
)
_CONTRACEPTION = frozenset({"contraception", "sterilisation"})
# A wish, and nothing but a wish: a requirement may hold one as well ("must ..., preferably ...").
_PREFERS = re.compile(r"^\W*(?:priority|preference)\b|\b(?:is|are) preferred\W*$", re.IGNORECASE)
_TESTS = re.compile(
    r"^(?:this|these|the|all|such)\s+(?:laborator\w+\s+|lab\s+|blood\s+|above\s+)*"
    r"(?:specimens?|tests?|labs?|laborator\w+|results?|values?|assessments?|measurements?|samples?)\b",
    re.IGNORECASE,
)
_NOTE = re.compile(r"^\W*(?:note|n\.b\.|remark)\s*[:,]\s*", re.IGNORECASE)
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
_SEGMENT = re.compile(r";\s*")
_LISTED = re.compile(r"(?:including but not limited to|including|such as)\s*:\s*", re.IGNORECASE)
_EXAMPLES = re.compile(r"\b(?:such as|including|for example)\s+", re.IGNORECASE)
# Longer than any sentence that can be read with certainty, and short enough that every reading of it is a matter of
# milliseconds.
_LONGEST = 400
_MOST_CUTS = 24
_MOST_PARTS = 60


class Clauses:
    """Reads the words of one item in the frame of its list."""

    def __init__(self, context: Context, *, excludes: bool) -> None:
        self.context = context
        self.excludes = excludes
        self.left_over_at: int | None = None
        self.halved = False

    def read(self, start: int, end: int) -> Criterion:
        """The node of `text[start:end]`; never raises, never drops a word."""
        start, end = self._trim(start, end)
        text = self.context.source[start:end]
        tokens = self.context.tokens(start, end)
        cues = {cue for token in tokens for cue in token.cues}
        quote = Quote(text, start, end)
        if "note" in cues and _PREFERS.search(text):
            return Preference(_flat(text), quote)
        if "judgement" in cues and _PERSON.match(text):
            return question(text, quote)
        if (head := self._enumeration(start, end)) is not None:
            return head
        sentences = self._spans(_SENTENCE, start, end)
        segments = self._segments(start, end) if len(sentences) == 1 else []
        if max(len(sentences), len(segments)) > _MOST_PARTS:
            # No criterion: a page that lost its lines. What each part means hangs on those before it.
            return NotUnderstood(_flat(text), quote)
        if len(sentences) > 1:
            return self._sentences(sentences, quote)
        if len(segments) > 1:
            return self._join_segments(segments, quote)
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
            parts[-1] = NotUnderstood(_flat(quote.text), quote)
            return True
        made = in_place_of(parts[-1], part)
        if made is None:
            return False
        parts[-1] = made
        return True

    def _join_segments(self, spans: list[tuple[int, int]], quote: Quote) -> Criterion:
        parts: list[Criterion] = []
        for start, end in spans:
            text = self.context.source[start:end]
            if parts and (note := _NOTE.match(text)):
                if not self._allowance(start + note.end(), end, parts):
                    exempt = NotUnderstood(_flat(text[note.end() :]), Quote(text, start, end))
                    parts[-1] = AllOf((parts[-1], Not(exempt)), quote)
                continue
            if parts and (self._exempts(start, end, parts) or self._allowance(start, end, parts)):
                continue
            if parts and (spared := _SPARES.match(text)) is not None and not self.excludes:
                freed = self._whom(Bound((start + spared.end(), end), (start, end)))
                spared_ones = freed or NotUnderstood(_flat(text), Quote(text, start, end))
                parts[-1] = AnyOf((spared_ones, parts[-1]), quote)
                continue
            if parts and self._excepts(parts[-1]):
                # What stands after an exception that was not read may belong to it.
                parts[-1] = NotUnderstood(_flat(quote.text), quote)
                continue
            part = self.clause(start, end)
            if self._of_group(parts, part, quote):
                continue
            if parts and re.match(r"or\b", text, re.IGNORECASE):
                parts[-1] = AnyOf((parts[-1], part), quote)
            else:
                parts.append(part)
        return self._combine(parts, quote)

    def _excepts(self, part: Criterion) -> bool:
        """Words not understood that may be an exception, or open one."""
        if not isinstance(part, NotUnderstood) or part.quote is None:
            return False
        tokens = self.context.tokens(part.quote.start, part.quote.end)
        return any({"except", "unless"} & set(token.cues) for token in tokens)

    def _combine(self, parts: list[Criterion], quote: Quote) -> Criterion:
        if len(parts) == 1:
            return parts[0]
        # What is allowed may limit what is said beside it: alone it binds nobody, here a person has to read it.
        parts = [_unsure(part) for part in parts]
        if not self.excludes:
            return AllOf(tuple(parts), quote)
        if all(_is_turned(part) for part in parts):
            return Not(AllOf(tuple(part.part for part in parts if isinstance(part, Not)), quote), quote)
        return AnyOf(tuple(parts), quote)

    def _allowance(self, start: int, end: int, parts: list[Criterion]) -> bool:
        """Reads "X are allowed", "X is not considered systemic treatment": an exception to what was said before."""
        tokens = self.context.tokens(start, end)
        at = next((k for k, token in enumerate(tokens) if "allowed" in token.cues), None)
        if at is None:
            return False
        if not self.excludes:
            return self._widen_question(end, parts)
        quote = Quote(self.context.source[start:end], start, end)
        exceptions = self._allowed(tokens[:at], quote)
        tail = [token for token in tokens[at + 1 :] if token.stem not in {".", ","}]
        if exceptions is None:
            parts[-1] = AllOf((parts[-1], Not(NotUnderstood(_flat(quote.text), quote))), quote)
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
        exempt = Not(NotUnderstood(_flat(quote.text), quote))
        parts[-1] = rewritten if rewritten is not None else AllOf((parts[-1], exempt), quote)
        return True

    def _widen_question(self, end: int, parts: list[Criterion]) -> bool:
        """What a requirement allows belongs to the question that the requirement is."""
        last = parts[-1]
        if not isinstance(last, Judgement) or last.quote is None:
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
            return question(text, quote) if "judgement" in cues else NotUnderstood(_flat(text), quote)
        if topic := _TOPIC.match(text):
            node = self._topic(topic, start, end)
            if node is not None:
                return node
        if (
            "consent" in cues
            and (_CONSENT.search(_AT_CONSENT.sub("", text)) or _BARE_CONSENT.fullmatch(text))
            and not any(names_of(token, NameKind.CONDITION, NameKind.ANALYTE) for token in tokens)
        ):
            return self._consent(cues, quote)
        if (framed := self._framed(start, end, tokens)) is not None:
            return framed
        node = self._scan(start, end)
        if node is not None:
            # A means of contraception is one of many that would do.
            return question(text, quote) if _CONTRACEPTION & set(_things(node)) else self._turn(node)
        left_over_at = self.left_over_at
        if (bound := bound_behind(text, start)) is not None and not self.halved:
            node = self._scan(*bound.body)
            if node is not None and not isinstance(node, AllOf | AnyOf | SexIs):
                return self._binding(bound, self._turn(node))
        self.left_over_at = left_over_at
        split = self._split(start, end) or self._examples_of_a_question(start, end)
        if split is not None:
            return split
        if not self.halved and (partly := self._recovered(start, end)) is not None:
            return self._turn(partly)
        if "judgement" in cues:
            return question(text, quote)
        return NotUnderstood(_flat(text), quote)

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
        bound = bound_before(text, start, excludes=self.excludes)
        if bound is None:
            return None
        body = self.clause(*bound.body)
        if isinstance(body, NotUnderstood) or (isinstance(body, Judgement) and self._whom(bound) is None):
            return None
        return self._binding(bound, body)

    def _predicate(self, predicate: Predicate, start: int, end: int, tokens: list[Token]) -> Criterion | None:
        """Reads "X are not eligible" (X excludes), "X is allowed" (binds nobody), "X is required"."""
        text = self.context.source[start:end]
        quote = Quote(text, start, end)
        if predicate.kind == "allowed":
            asserts = "eligible" in text.lower() or "enrolled" in text.lower()
            if has_strings(text, tokens[:-1]) or (asserts and not self.excludes):
                return None
            return Preference(_flat(text), quote)
        if predicate.kind == "required":
            node = Clauses(self.context, excludes=False).clause(start, predicate.stop)
            if self.excludes:
                return None
            return None if isinstance(node, NotUnderstood) else node
        node = Clauses(self.context, excludes=True).clause(start, predicate.stop)
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
        if condition == SexIs(Sex.FEMALE) and all(isinstance(leaf, ReproductiveIs) for leaf in _leaves(body)):
            return body  # of nobody else it could be true
        return self._narrowed(
            condition if condition is not None else NotUnderstood(_flat(quote.text), quote),
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

    def _consent(self, cues: set[str], quote: Quote) -> Criterion:
        text = _flat(quote.text)
        asks = "judgement" in cues and not _ONLY_CONSENT.fullmatch(text)
        refused = _NO_CONSENT.search(text) is not None
        if refused is not self.excludes or _OF_OTHERS.search(text):
            return question(text, quote)
        consent: Criterion = GaveConsent(text.rstrip(".;"), quote)
        if refused:
            return Not(consent, quote)
        return AllOf((consent, question(text, quote)), quote) if asks else consent

    def _scan(self, start: int, end: int) -> Criterion | None:
        try:
            return Scanner(self.context, start, end, excludes=self.excludes).read()
        except UnreadError as error:
            self.left_over_at = error.left_over_at
            return self._repaired(start, end)

    def _recovered(self, start: int, end: int) -> Criterion | None:
        """What is certain of a clause of which some words cannot be read."""
        try:
            return Scanner(self.context, start, end, excludes=self.excludes).read(recover=True)
        except UnreadError:
            return None

    def _repaired(self, start: int, end: int) -> Criterion | None:
        """A limit that lost its brackets in the middle of a name ("B HBV DNA>1000copy/mL/C virus hepatitis")."""
        tokens = self.context.tokens(start, end)
        if not any(token.stem == "/" for token in tokens):
            return None
        for k, token in enumerate(tokens):
            named = names_of(token, NameKind.ANALYTE)
            if (
                not named
                or k == 0
                or k + 3 >= len(tokens)
                or tokens[k + 1].op is None
                or tokens[k + 2].quantity is None
            ):
                continue
            if tokens[k + 3].stem != "/" or tokens[k - 1].names:
                continue
            pair = self._shared_head(tokens[k - 1], tokens[k + 4 : k + 5])
            if pair is None:
                continue
            first, second, used = pair
            bracket = (_punct("(", token), token, tokens[k + 1], tokens[k + 2], _punct(")", tokens[k + 2]))
            moved = [*tokens[: k - 1], first, *bracket, tokens[k + 3], second, *tokens[k + 4 + used :]]
            try:
                node = Scanner(self.context, start, end, excludes=self.excludes, tokens=moved).read()
            except UnreadError:
                continue
            self.context.note(
                f"“{_flat(self.context.source[token.start : tokens[k + 2].end])}” is read as standing in brackets."
            )
            return node
        return None

    def _shared_head(self, first: Token, rest: list[Token]) -> tuple[Token, Token, int] | None:
        """Reads "B / C virus hepatitis": both names that the shared head makes."""
        if not rest or not rest[0].names or not rest[0].words:
            return None
        key = (first.stem, *rest[0].words[1:])
        names = self.context.phrases.names.get(key)
        if not names:
            return None
        made = Token(rest[0].kind, " ".join(key), first.start, first.end, names=names, words=key)
        return made, rest[0], 1

    def _topic(self, match: re.Match[str], start: int, end: int) -> Criterion | None:
        topic = self.context.tokens(start, start + match.end(1))
        saved, self.context.topic = self.context.topic, self._topic_things(start, start + match.end(1))
        try:
            inner = Clauses(self.context, excludes=self.excludes)
            body_start = start + match.end()
            segments = self._segments(body_start, end)
            node = (
                inner._join_segments(segments, Quote(self.context.source[body_start:end], body_start, end))
                if len(segments) > 1
                else inner._scan_or_split(body_start, end)
            )
        finally:
            self.context.topic = saved
        if node is None or not self._is_label(topic, node):
            return None
        return self._topic_scope(topic, node, Quote(self.context.source[start:end], start, end))

    def _is_label(self, topic: list[Token], node: Criterion) -> bool:
        """A topic may be left out of the reading only where it changes nothing: its things are those of the body."""
        if any(token.stem == "without" for token in topic):
            return True
        if any(token.duration is not None for token in topic):
            # "Within 4 weeks before enrollment: ..." says when.
            return False
        if any(token.stem in _SCOPES or set(token.cues) & _CHANGES for token in topic if not token.names):
            return False
        # What a topic excepts is on the things that the body takes from it.
        topic = topic[: next((k for k, token in enumerate(topic) if "except" in token.cues), len(topic))]
        closure = self.context.catalogue.index.closure
        said = set(_things(node))
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

    def _scan_or_split(self, start: int, end: int) -> Criterion | None:
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
        asked = Judgement(f"{_flat(words.text)}: what applies after it is not said. Is the patient acceptable?", words)
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
        depth = _Depth(text)
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

    def _turn(self, node: Criterion) -> Criterion:
        """A requirement among the exclusions means the requirement: its violation excludes."""
        if not self.excludes or not _is_requirement(node):
            return node
        self.context.note("A requirement among the exclusions: what excludes is that it is not met.")
        quote = node.quote if hasattr(node, "quote") else None
        return Not(node, quote)

    # --- text --------------------------------------------------------------------------------------------------------

    def _segments(self, start: int, end: int) -> list[tuple[int, int]]:
        return self._spans(_SEGMENT, start, end)

    def _spans(self, pattern: re.Pattern[str], start: int, end: int) -> list[tuple[int, int]]:
        """Spans between matches of `pattern` that stand outside brackets."""
        spans: list[tuple[int, int]] = []
        begin = start
        text = self.context.source
        depth = _Depth(text, start)
        for match in pattern.finditer(text, start, end):
            if depth.at(match.start()) > 0:
                continue
            spans.append((begin, match.start()))
            begin = match.end()
        spans.append((begin, end))
        return [self._trim(*span) for span in spans if text[span[0] : span[1]].strip(" .;,:\n")]

    def _trim(self, start: int, end: int) -> tuple[int, int]:
        text = self.context.source
        while start < end and text[start] in " \n\t;,":
            start += 1
        while end > start and text[end - 1] in " \n\t;,:":
            end -= 1
        if end > start and text[end - 1] == ".":
            end -= 1
        return start, end


def _leaves(node: Criterion) -> Iterator[Criterion]:
    inner = children(node)
    if not inner:
        yield node
    for each in inner:
        yield from _leaves(each)


def _unsure(node: Criterion) -> Criterion:
    return NotUnderstood(node.text, node.quote) if isinstance(node, Preference) else node


def _things(node: Criterion) -> Iterator[str]:
    """The concepts, analytes and scales that a node speaks of."""
    match node:
        case (
            HasCondition(concept=name)
            | HadTreatment(concept=name)
            | HadVaccine(concept=name)
            | HasAllergy(concept=name)
        ):
            yield name
        case Elapsed(treatment=treatment):
            yield from _things(treatment)
        case Measured(analyte=name) | ResultIs(analyte=name) | Scored(scale=name):
            yield name
        case _:
            for each in children(node):
                yield from _things(each)


def _has_threshold(node: Criterion) -> bool:
    """A degree, a limit or a deciding datum somewhere in it."""
    if isinstance(node, HasCondition):
        return node.degree is not None or node.defined_by is not None
    return isinstance(node, Measured | Scored) or any(map(_has_threshold, children(node)))


def _either(left: Criterion, right: Criterion) -> bool:
    """Reads "A and B or C" where A is such a thing as B and C are: which belong together, nothing says."""
    for half, other in ((left, right), (right, left)):
        kinds = {type(part) for part in half.parts} if isinstance(half, AnyOf) else set()
        bare = half.quote is not None and re.search(r"\bor\b[^()]*$", half.quote.text) is not None
        if bare and kinds & {HasCondition, HadTreatment} & {type(leaf) for leaf in _leaves(other)}:
            return True
    return False


class _Depth:
    """How many brackets are open at a place of a text; counted on from the place that was asked for last."""

    def __init__(self, text: str, start: int = 0) -> None:
        self.text = text
        self.start = self.place = start
        self.depth = 0

    def at(self, place: int) -> int:
        """Brackets opened and not closed before `place`."""
        if place < self.place:
            self.place, self.depth = self.start, 0
        self.depth += self.text.count("(", self.place, place) - self.text.count(")", self.place, place)
        self.place = place
        return self.depth


def _flat(text: str) -> str:
    return " ".join(text.split()).strip(" ;,")


def _punct(sign: str, near: Token) -> Token:
    from app.reader.tokens import Tok  # noqa: PLC0415 - a value, not a type

    return Token(Tok.PUNCT, sign, near.start, near.start)


def _is_requirement(node: Criterion) -> bool:
    if isinstance(node, Elapsed):
        return True
    if isinstance(node, If):
        return _is_requirement(node.then)
    return isinstance(node, AllOf) and bool(node.parts) and all(_is_requirement(part) for part in node.parts)


def _is_turned(node: Criterion) -> bool:
    return isinstance(node, Not) and _is_requirement(node.part)


__all__ = ["Clauses", "HadVaccine"]
