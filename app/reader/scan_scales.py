"""Scores, classes and grades in a clause."""

from __future__ import annotations

from app.criteria.nodes import AgeIs, AnyOf, Criterion, If, Op, ScoreBound, Scored
from app.reader.ages import read_ages
from app.reader.drafts import Draft
from app.reader.measures import comparator, skip_fillers
from app.reader.scales import scale_bounds
from app.reader.scan_people import ScanPeople
from app.reader.scan_state import UnreadError
from app.reader.tokens import NameKind, Tok, Token, names_of

_PERFORMANCE = frozenset({"ecog", "karnofsky", "lansky"})
_TOXICITY = frozenset({"ctc", "nci", "ctcae", "nci ctcae", "toxicity", "nci ctc"})
_SCALE_WORDS = frozenset({"scale", "score", "criteria", "system", "classification"})


class ScanScales(ScanPeople):
    """Steps for scales."""

    def _graded_condition(self) -> bool:
        """Reads "peripheral neuropathy of grade 2 or greater", "neuropathy of CTC grade > 1": the grade decides."""
        at = self.i
        last = self.drafts[-1] if self.drafts else None
        if last is None or last.kind is not NameKind.CONDITION or len(self.joins) == len(self.drafts):
            return False
        named = self.tokens[at].stem in _TOXICITY
        while at < len(self.tokens) and (self.tokens[at].stem in _TOXICITY or "neutral" in self.tokens[at].cues):
            at += 1
        if at >= len(self.tokens):
            return False
        compared = comparator(self.tokens, at)
        step = compared[1] if compared is not None else at
        if step >= len(self.tokens) or self.tokens[step].stem != "grade" or not (named or self.context.is_oncology):
            return False
        scale = self.context.catalogue.scales.get("ctcae-grade")
        counted = self.tokens[step + 1 : step + 2]
        if scale is None or not (counted and (counted[0].number is not None or counted[0].op or counted[0].cues)):
            return False
        moved = [*self.tokens[at:step], *self.tokens[step + 1 :]]
        read = scale_bounds(moved, 0, scale)
        if read is None:
            return False
        stop = at + read[1] + 1
        node = Scored(scale.id, read[0], quote=self._quote(self.tokens[self.i].start, self.tokens[stop - 1].end))
        if not self._defines(last, node, self.tokens[stop - 1].end):
            return False
        self.i = stop
        while self.i < len(self.tokens) and self.tokens[self.i].stem in _TOXICITY:
            self.i += 1
        return True

    def _graded(self) -> bool:
        """Reads "Grade ≥3 events", "≥ II-grade ischaemia", "grade 4 of heart function"."""
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
        more = at < len(tokens) and "or-more" in tokens[at].cues
        at += 1 if more else 0
        if not step:
            direct = at < len(tokens) and bool(names_of(tokens[at], NameKind.SCALE)) and (plus or compared is not None)
            if at >= len(tokens) or not (direct or tokens[at].stem in {"grade", "class"}):
                return False
            at += 0 if direct else 1
        at = skip_fillers(tokens, at)
        if at >= len(tokens) or not (tokens[at].names or self.complete_name(at)):
            return False
        op = compared[0] if compared else Op.GE if more else None
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

    def _grade(self, draft: Draft, graded: tuple[Token, ...]) -> None:
        """A grade before a condition: on the scale named after it, else a degree in the text's own words."""
        scale_at = next(
            (
                k
                for k in range(self.i + 1, min(self.i + 4, len(self.tokens)))
                if names_of(self.tokens[k], NameKind.SCALE)
            ),
            None,
        )
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

    def _performance(self) -> bool:
        """Reads "performance status of 0 or 1 on the ECOG scale": the scale is named after the score."""
        if not self._cue("performance-status"):
            return False
        token = self.tokens[self.i]
        named = {
            name.id for each in self.tokens[self.i :] for name in each.names if name.kind is NameKind.SCALE
        } & _PERFORMANCE
        if len(named) != 1:
            return False
        entry = self.context.catalogue.scales[next(iter(named))]
        read = scale_bounds(self.tokens, self.i + 1, entry)
        if read is None:
            return False
        bounds, at = read
        scale_at = at
        while scale_at < len(self.tokens) and not names_of(self.tokens[scale_at], NameKind.SCALE):
            each = self.tokens[scale_at]
            if not ("neutral" in each.cues or each.stem in {"(", ",", "by", "per", "using"}):
                return False
            scale_at += 1
        opened = any(each.stem == "(" for each in self.tokens[at:scale_at])
        at = skip_fillers(self.tokens, scale_at + 1)
        while at < len(self.tokens) and (
            self.tokens[at].stem in _SCALE_WORDS or (opened and self.tokens[at].stem == ")")
        ):
            opened = opened and self.tokens[at].stem != ")"
            at += 1
        if opened:
            return False
        end = self.tokens[at - 1].end
        node = Scored(entry.id, bounds, quote=self._quote(token.start, end))
        self._add(Draft(NameKind.SCALE, entry.id, token.start, end, node=node))
        self.i = at
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
            self._add(
                Draft(
                    NameKind.CONDITION, named[NameKind.CONDITION], token.start, nxt.end, lead=self.lead, defined_by=node
                )
            )
            self.i = stop + 1
            return True
        last = self.drafts[-1] if self.drafts else None
        if last is not None and len(self.joins) < len(self.drafts) and self._defines(last, node, end):
            # "heart failure of NYHA class II or greater"
            self.i = stop
            return True
        self._add(Draft(NameKind.SCALE, entry.id, token.start, end, node=node))
        self.i = stop
        self._same_on_another_scale()
        return True

    def _defines(self, last: Draft, node: Criterion, end: int) -> bool:
        """A class beside a condition decides whether what is there counts."""
        if last.kind is not NameKind.CONDITION or last.defined_by is not None or not isinstance(node, Scored):
            return False
        last.defined_by, last.end = node, max(last.end, end)
        return True

    def _same_on_another_scale(self) -> None:
        """Reads "ECOG 0 or 1 (Karnofsky ≥ 80%)": either of the two."""
        at = self.i + 1
        while at < len(self.tokens) and self.tokens[at].stem in {"or", ","}:
            at += 1
        inner = self.tokens[at : at + 1]
        if not self._cue_stem("(") or not inner or not (named := names_of(inner[0], NameKind.SCALE)):
            return
        entry = self.context.catalogue.scales[named[NameKind.SCALE]]
        read = scale_bounds(self.tokens, at + 1, entry)
        draft = self.drafts[-1]
        if read is None or read[1] >= len(self.tokens) or self.tokens[read[1]].stem != ")" or draft.node is None:
            return
        end = self.tokens[read[1]].end
        quote = self._quote(draft.start, end)
        other = Scored(entry.id, read[0], quote=self._quote(inner[0].start, self.tokens[read[1] - 1].end))
        draft.node, draft.end = AnyOf((draft.node, other), quote), end
        self.i = read[1] + 1

    def _cue_stem(self, stem: str) -> bool:
        token = self._at()
        return token is not None and token.stem == stem

    def _age_split(self, token: Token, scale: str) -> bool:
        """Reads "Karnofsky (≥16 years) or Lansky (<16 years) ... of at least 50": one scale an age group."""
        parts: list[tuple[str, AgeIs]] = []
        at = self.i
        while at < len(self.tokens) and names_of(self.tokens[at], NameKind.SCALE):
            name = names_of(self.tokens[at], NameKind.SCALE)[NameKind.SCALE]
            if at + 1 >= len(self.tokens) or self.tokens[at + 1].stem != "(":
                return False
            ages = read_ages(self.tokens, at + 2)
            if ages is None or ages.stop >= len(self.tokens) or self.tokens[ages.stop].stem != ")":
                return False
            quote = self._quote(self.tokens[at + 2].start, self.tokens[ages.stop - 1].end)
            parts.append((name, AgeIs(ages.bounds, quote)))
            at = ages.stop + 1
            if at < len(self.tokens) and self.tokens[at].stem in {"or", "and", ","}:
                at += 1
        if len(parts) != 2 or parts[0][0] != scale:
            return False
        while at < len(self.tokens) and (
            self.tokens[at].stem in {"performance", "score", "scale"}
            or set(self.tokens[at].cues) & {"neutral", "performance-status"}
        ):
            at += 1
        scales = self.context.catalogue.scales
        reads = [scale_bounds(self.tokens, at, scales[name]) for name, _ in parts]
        if reads[0] is None or reads[1] is None:
            return False
        end = self.tokens[reads[0][1] - 1].end
        quote = self._quote(token.start, end)
        first, second = (
            Scored(name, read[0], quote=quote) for (name, _), read in zip(parts, reads, strict=True) if read
        )
        if not _complementary(parts[0][1], parts[1][1]):
            return False
        self._add(Draft(NameKind.SCALE, scale, token.start, end, node=If(parts[0][1], first, second, quote)))
        self.i = reads[0][1]
        return True


def _complementary(first: AgeIs, second: AgeIs) -> bool:
    """Two age groups that between them are everybody: "≥ 16" and "< 16"."""
    if len(first.bounds) != 1 or len(second.bounds) != 1:
        return False
    a, b = first.bounds[0], second.bounds[0]
    return a.age == b.age and {a.op, b.op} in ({Op.GE, Op.LT}, {Op.GT, Op.LE})
