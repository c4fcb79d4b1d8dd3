"""Numbers in a clause: ages, laboratory limits, scores and grades, and what stratifies them."""

from __future__ import annotations

from app.criteria.nodes import (
    AgeIs,
    AnyOf,
    Bound,
    HasCondition,
    If,
    Measured,
    Op,
    Outcome,
    Quantity,
    ScoreBound,
    Scored,
    Sex,
    SexIs,
)
from app.criteria.time import TimeUnit
from app.reader.drafts import Draft
from app.reader.measures import Numbers, age_bounds, comparator, limits, read_limit, scale_bounds, skip_fillers, unit_of
from app.reader.scan_state import Pre, UnreadError
from app.reader.scan_time import ScanTime
from app.reader.tokens import NameKind, Tok, Token, names_of


class ScanMeasures(ScanTime):
    """Steps for numbers."""

    def _age(self) -> bool:
        token = self._at()
        if token is None or not (self._cue("age") or self._ages_ahead(token)):
            return False
        at = self.i + 1 if "age" in token.cues else self.i
        read = age_bounds(self.tokens, at)
        if read is None:
            return False
        bounds, stop = read
        while stop < len(self.tokens) and (self.tokens[stop].stem in {"old", "of"} or "age" in self.tokens[stop].cues):
            stop += 1
        end = self.tokens[stop - 1].end
        self.drafts.append(Draft(None, "age", token.start, end, node=AgeIs(bounds, self._quote(token.start, end))))
        self.i = stop
        return True

    def _ages_ahead(self, token: Token) -> bool:
        """Numbers that can only be ages: "18 years or older", "between 18 and 75 years of age"."""
        if token.duration is not None and self._cue("or-more", "or-less", offset=1):
            return True
        if token.number is None and token.stem not in {"between", "from"}:
            return False
        ahead = self.tokens[self.i : self.i + 8]
        return any(each.duration is not None and each.duration.unit is TimeUnit.YEAR for each in ahead) and any(
            "age" in each.cues or each.stem == "years of age" for each in ahead
        )

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
        self._add(Draft(NameKind.SCALE, entry.id, token.start, end, node=node))
        self.i = stop
        return True

    def _age_split(self, token: Token, scale: str) -> bool:
        """Reads "Karnofsky (≥16 years) or Lansky (<16 years) ... of at least 50": one scale an age group."""
        parts: list[tuple[str, AgeIs]] = []
        at = self.i
        while at < len(self.tokens) and names_of(self.tokens[at], NameKind.SCALE):
            name = names_of(self.tokens[at], NameKind.SCALE)[NameKind.SCALE]
            if at + 1 >= len(self.tokens) or self.tokens[at + 1].stem != "(":
                return False
            bounds = age_bounds(self.tokens, at + 2)
            if bounds is None or bounds[1] >= len(self.tokens) or self.tokens[bounds[1]].stem != ")":
                return False
            parts.append(
                (name, AgeIs(bounds[0], self._quote(self.tokens[at + 2].start, self.tokens[bounds[1] - 1].end)))
            )
            at = bounds[1] + 1
            if at < len(self.tokens) and self.tokens[at].stem in {"or", "and", ","}:
                at += 1
        if len(parts) != 2 or parts[0][0] != scale:
            return False
        while at < len(self.tokens) and (
            self.tokens[at].stem in {"performance", "score", "scale"} or set(self.tokens[at].cues) & {"neutral"}
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

    def _measure(self, token: Token, analyte: str) -> bool:
        """Analytes that share a limit, then the limit; or a coded result."""
        names = [(token, analyte)]
        at = self.i + 1
        while at + 1 < len(self.tokens) and self.tokens[at].stem in {",", "and", "or", "/", "and/or"}:
            named = names_of(self.tokens[at + 1], NameKind.ANALYTE)
            if not named:
                break
            names.append((self.tokens[at + 1], named[NameKind.ANALYTE]))
            at += 2
        by_formula = self._formula_bracket(at)
        if by_formula:
            del self.tokens[at : at + 3]
        shared = limits(self.tokens, at, unit_of(self.context.catalogue, analyte)) if len(names) > 1 else None
        if shared is None:
            names, at = names[:1], self.i + 1
        pre, self.pre = self.pre, Pre()
        read = shared or limits(self.tokens, at, unit_of(self.context.catalogue, analyte))
        if read is None:
            return self._result(token, analyte, pre, at)
        stop = read.stop
        end = self.tokens[stop - 1].end
        circumstance = None
        if stop < len(self.tokens) and "room-air" in self.tokens[stop].cues:
            circumstance, stop, end = "room-air", stop + 1, self.tokens[stop].end
        self.shared_from = len(self.drafts)
        for k, (name, each) in enumerate(names):
            quote = self._quote(name.start if k else token.start, end)
            node = Measured(each, self._bounds(each, read.bounds), circumstance=circumstance, quote=quote)
            if k:
                self.joins.append("and" if not self.excludes else "or")
            self._add(Draft(NameKind.ANALYTE, each, name.start, end, node=node))
        self.i = stop
        if by_formula:
            self._formula(self.drafts[-1])
        if len(names) == 1:
            self._subgroups()
        return True

    def _formula(self, last: Draft) -> None:
        node = last.node
        if isinstance(node, Measured):
            if self.context.catalogue.analytes[node.analyte].formula == "cockcroft-gault":
                last.node = Measured(
                    node.analyte, node.bounds, node.within, node.pick, node.circumstance, "cockcroft-gault", node.quote
                )
            else:
                self.context.note(
                    "The Cockcroft-Gault formula gives a clearance; the limit here is read as one on the value itself."
                )
            return
        raise UnreadError("cockcroft gault")

    def _formula_bracket(self, at: int) -> bool:
        """Reads "(Cockcroft-Gault)" between a name and its limit."""
        inner = self.tokens[at : at + 3]
        return len(inner) == 3 and inner[0].stem == "(" and "cockcroft-gault" in inner[1].cues and inner[2].stem == ")"

    def _bounds(self, analyte: str, bounds: tuple[Bound, ...]) -> tuple[Bound, ...]:
        """The bounds with their units checked: none where one is needed, or another dimension, is not certain."""
        target = self.context.catalogue.analytes[analyte].unit
        made: list[Bound] = []
        for bound in bounds:
            limit = bound.limit
            if isinstance(limit, Quantity):
                unit = limit.unit
                if target.endswith("/d") and unit in {"g", "mg"}:
                    unit = f"{unit}/d"
                if not unit or not self.context.comparable(unit, analyte):
                    raise UnreadError(f"{limit.value} {limit.unit}")
                limit = Quantity(limit.value, unit)
                if not self.context.plausible(limit, analyte):
                    raise UnreadError(f"{limit.value} {limit.unit}")
            made.append(Bound(bound.op, limit))
        return tuple(made)

    def _result(self, token: Token, analyte: str, pre: Pre, at: int) -> bool:
        """Reads "HBsAg positive (or above ULN)", "negative pregnancy test", "positive HBV-DNA titer or above ULN"."""
        outcome = pre.outcome
        end = token.end
        at = skip_fillers(self.tokens, at)
        if outcome is None and at < len(self.tokens) and set(self.tokens[at].cues) & {"positive", "negative"}:
            outcome = Outcome.POSITIVE if "positive" in self.tokens[at].cues else Outcome.NEGATIVE
            end = self.tokens[at].end
            at += 1
        if outcome is None:
            self.pre = pre
            return False
        draft = Draft(NameKind.ANALYTE, analyte, token.start, end, outcome=outcome)
        self._add(draft)
        self.i = at
        nxt = self._at()
        if nxt is not None and nxt.stem in {"or", "or above"}:
            read = limits(self.tokens, self.i + 1, "")
            if nxt.stem == "or above" and (above := read_limit(self.tokens, self.i + 1, "")) is not None:
                read = Numbers((Bound(Op.GT, above[0]),), above[1])
            if read is not None and outcome is Outcome.POSITIVE:
                stop_end = self.tokens[read.stop - 1].end
                quote = self._quote(token.start, stop_end)
                positive = self._made(draft)
                draft.node = AnyOf((positive, Measured(analyte, read.bounds, quote=quote)), quote)
                draft.end = stop_end
                self.i = read.stop
        return True

    def _subgroups(self) -> None:
        """Reads "≥ 450 ms in men and ≥ 470 ms in women"; "> 2.5 x ULN for subjects with Gilbert"."""
        draft = self.drafts[-1]
        node = draft.node
        if not isinstance(node, Measured):
            return
        sex, stop = self._sex_at(self.i)
        if sex is not None:
            at = stop
            while at < len(self.tokens) and self.tokens[at].stem in {"and", "or", ",", ";"}:
                at += 1
            if (
                at < len(self.tokens)
                and names_of(self.tokens[at], NameKind.ANALYTE).get(NameKind.ANALYTE) == node.analyte
            ):
                at += 1
            second = limits(self.tokens, at, unit_of(self.context.catalogue, node.analyte))
            if second is None:
                raise UnreadError(sex.value)
            other, last = self._sex_at(second.stop)
            if other is None or other is sex:
                raise UnreadError(sex.value)
            quote = self._quote(draft.start, self.tokens[last - 1].end)
            then = Measured(node.analyte, self._bounds(node.analyte, second.bounds), quote=quote)
            draft.node = If(SexIs(sex, quote), node, then, quote)
            draft.end = self.tokens[last - 1].end
            self.i = last
            return
        if self._cue("if") and (nxt := self._at(1)) is not None and (named := names_of(nxt, NameKind.CONDITION)):
            condition = HasCondition(named[NameKind.CONDITION], quote=self._quote(nxt.start, nxt.end))
            previous = self.drafts[-2] if len(self.drafts) > 1 else None
            if previous is None or not isinstance(previous.node, Measured) or previous.node.analyte != node.analyte:
                raise UnreadError(nxt.stem)
            quote = self._quote(previous.start, nxt.end)
            previous.node = If(condition, node, previous.node, quote)
            previous.end = nxt.end
            self.drafts.pop()
            self.joins.pop()
            self.i += 2
            return
        if self._at() is not None and self.tokens[self.i].stem == "(" and self._condition_after_bracket(draft):
            return

    def _condition_after_bracket(self, draft: Draft) -> bool:
        """Reads "TBIL > 2.5 x ULN (3.0 mg/dL) for subjects with Gilbert syndrome": the bracket, then the subgroup."""
        at = self.i
        while at < len(self.tokens) and self.tokens[at].stem != ")":
            at += 1
        inner = self.tokens[self.i + 1 : at]
        if (
            at + 2 >= len(self.tokens)
            or len(inner) != 1
            or inner[0].quantity is None
            or "if" not in self.tokens[at + 1].cues
        ):
            return False
        self._repeat(draft, inner)
        self.i = at + 1
        self._subgroups()
        return True

    def _repeat(self, last: Draft, inner: list[Token]) -> None:
        """A bracket after numbers that says them again ("(≥18, ≤75)"): every number must be one of theirs."""
        node = last.node
        own = {bound.age.count for bound in node.bounds} if isinstance(node, AgeIs) else set()
        numbers = [token.number for token in inner if token.number is not None]
        if isinstance(node, AgeIs) and numbers and all(number in own for number in numbers):
            return
        if isinstance(node, Measured) and len(inner) == 1 and inner[0].quantity is not None:
            self.context.note(
                f"“{self.text[inner[0].start : inner[0].end]}” is taken to repeat the limit, not to set another."
            )
            return
        raise UnreadError(self.text[inner[0].start : inner[-1].end])

    def _sex_at(self, at: int) -> tuple[Sex | None, int]:
        """Reads "in men", "for females", "(males)" at `at`."""
        while at < len(self.tokens) and (self.tokens[at].stem in {"in", "for", "("}):
            at += 1
        if at >= len(self.tokens):
            return None, at
        cues = set(self.tokens[at].cues)
        stem = self.tokens[at].stem.removeprefix("in ")
        sex = (
            Sex.MALE
            if "male" in cues or stem in {"men", "male"}
            else Sex.FEMALE
            if "female" in cues or stem in {"women", "female"}
            else None
        )
        if sex is None:
            return None, at
        at += 1
        if at < len(self.tokens) and self.tokens[at].stem == ")":
            at += 1
        return sex, at


def _complementary(first: AgeIs, second: AgeIs) -> bool:
    """Two age groups that between them are everybody: "≥ 16" and "< 16"."""
    if len(first.bounds) != 1 or len(second.bounds) != 1:
        return False
    a, b = first.bounds[0], second.bounds[0]
    return a.age == b.age and {a.op, b.op} in ({Op.GE, Op.LT}, {Op.GT, Op.LE})
