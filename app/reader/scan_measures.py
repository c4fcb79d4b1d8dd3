"""Laboratory limits in a clause, and coded results."""

from __future__ import annotations

from dataclasses import replace

from app.criteria.nodes import (
    AgeIs,
    AllOf,
    AnyOf,
    Bound,
    Criterion,
    If,
    Measured,
    NotUnderstood,
    Op,
    Outcome,
    Quantity,
)
from app.reader.drafts import Draft
from app.reader.measures import (
    NORMAL_RANGE,
    OUT_OF_RANGE,
    Numbers,
    comparator,
    limits,
    read_limit,
    skip_fillers,
    unit_of,
)
from app.reader.scan_scales import ScanScales
from app.reader.scan_state import Pre, UnreadError
from app.reader.tokens import Name, NameKind, Token, names_of

_FINDINGS = frozenset(
    {"mutation", "rearrangement", "translocation", "fusion", "amplification", "high", "h", "deficiency", "deficient"}
)
_BY_FORMULA = {
    ("qtc", "qtc-bazett"): "qtcb",
    ("qtc", "qtc-fridericia"): "qtcf",
    ("egfr", "by-ckd-epi"): "egfr-ckd-epi",
    ("egfr", "by-mdrd"): "egfr-mdrd",
}
_LISTS = frozenset({",", "and", "or", "/", "and/or", "&"})


class ScanMeasures(ScanScales):
    """Steps for measured values."""

    def _measure(self, token: Token, analyte: str) -> bool:
        """Analytes that share a limit, then the limit; or a coded result."""
        token, analyte = self._narrower(token, analyte)
        group, at = self._analytes()
        by_formula = self._formula_bracket(at)
        if by_formula:
            del self.tokens[at : at + 3]
        unit = unit_of(self.context.catalogue, analyte)
        if pair := self._pressures(group, at):
            return pair
        read = limits(self.tokens, at, unit) if len(group) > 1 else None
        if read is None:
            group, at = [(token, each) for each in _analytes_of(token)], self._past_synonyms(self.i + 1, token)
            read = limits(self.tokens, at, unit)
        pre, self.pre = self.pre, Pre()
        if read is None:
            return self._result(token, analyte, pre, at)
        if self._speaks_of_change(read.stop):
            raise UnreadError(self.tokens[read.stop].stem)
        read, meant = self._in_per_cent(read, analyte, at)
        if meant != analyte:
            group = [(token, meant)] if len(group) == 1 else group
            analyte = meant
        stop = self._again(read, analyte)
        end = self.tokens[stop - 1].end
        circumstance = None
        said = skip_fillers(self.tokens, stop)
        if said < len(self.tokens) and "room-air" in self.tokens[said].cues:
            circumstance, stop, end = "room-air", said + 1, self.tokens[said].end
        self.shared_from = len(self.drafts)
        for k, (name, each) in enumerate(group):
            quote = self._quote(name.start if k else token.start, end)
            node = Measured(each, read.bounds, circumstance=circumstance, quote=quote)
            if k:
                self.sharing.add(len(self.joins))
                self.joins.append("and" if not self.excludes else "or")
            self._add(Draft(NameKind.ANALYTE, each, name.start, end, node=node))
        self.i = stop
        self._corrected_by()
        if by_formula:
            self._formula(self.drafts[-1])
        if read.either:
            self._either()
        self._strata()
        self._check_units()
        return True

    def _narrower(self, token: Token, analyte: str) -> tuple[Token, str]:
        """Reads "corrected QT interval (QTcF) > 470 ms", "eGFR (MDRD) < 60 mL/min": the one in the bracket is meant."""
        inner = self.tokens[self.i + 1 : self.i + 4]
        if len(inner) != 3 or inner[0].stem != "(" or inner[2].stem != ")":
            return token, analyte
        meant = next((_BY_FORMULA[analyte, cue] for cue in inner[1].cues if (analyte, cue) in _BY_FORMULA), None)
        if meant is None:
            meant = next((each for each in _analytes_of(inner[1]) if each in _BY_FORMULA.values()), None)
        if meant is None or not meant.startswith(analyte):
            return token, analyte
        made = token._replace(end=inner[2].end, names=(Name(NameKind.ANALYTE, meant),))
        self.tokens[self.i : self.i + 4] = [made]
        return made, meant

    def _pressures(self, group: list[tuple[Token, str]], at: int) -> bool:
        """Reads "blood pressure > 160/100 mmHg": either excludes, both are required."""
        if {each for _, each in group} != {"systolic-bp", "diastolic-bp"}:
            return False
        compared = comparator(self.tokens, skip_fillers(self.tokens, at))
        first = compared[1] if compared else at
        inner = self.tokens[first : first + 3]
        if compared is None or len(inner) != 3 or inner[1].stem != "/":
            return False
        numbers = [token.quantity or (Quantity(token.number, "mm[Hg]") if token.number else None) for token in inner]
        if numbers[0] is None or numbers[2] is None:
            return False
        op = compared[0]
        if not self.excludes and not self.negative and op in {Op.GE, Op.GT}:
            # A least pressure asks for both values, raised pressure for one of them: nothing says which is meant.
            raise UnreadError(self._words(at, first + 3))
        quote = self._quote(group[0][0].start, inner[2].end)
        parts = tuple(
            Measured(each, self.checked(each, (Bound(op, limit),)), quote=quote)
            for each, limit in zip(("systolic-bp", "diastolic-bp"), (numbers[0], numbers[2]), strict=True)
        )
        either = self.excludes or self.negative
        node = AnyOf(parts, quote) if either else AllOf(parts, quote)
        self._add(Draft(NameKind.ANALYTE, "blood-pressure", quote.start, quote.end, node=node))
        self.i = first + 3
        return True

    def _limit_first(self) -> bool:
        """Reads "≥ 1,500/mm3 neutrophils": the limit stands before the name."""
        compared = comparator(self.tokens, self.i)
        limit = read_limit(self.tokens, compared[1], "") if compared else None
        if compared is None or limit is None:
            return False
        at = skip_fillers(self.tokens, limit[1])
        named = _analytes_of(self.tokens[at]) if at < len(self.tokens) else ()
        after = skip_fillers(self.tokens, at + 1)
        if len(named) != 1 or comparator(self.tokens, after) or read_limit(self.tokens, after, ""):
            return False
        start, end = self.tokens[self.i].start, self.tokens[at].end
        quote = self._quote(start, end)
        self.shared_from = len(self.drafts)
        node = Measured(named[0], (Bound(compared[0], limit[0]),), quote=quote)
        self._add(Draft(NameKind.ANALYTE, named[0], start, end, node=node))
        self.i = at + 1
        self._strata()
        self._check_units()
        return True

    def _analytes(self) -> tuple[list[tuple[Token, str]], int]:
        """Analytes in a row ("AST, ALT and alkaline phosphatase"), and the index after them."""
        token = self.tokens[self.i]
        group = [(token, each) for each in _analytes_of(token)]
        at = self._past_synonyms(self.i + 1, token)
        if names_of(token, NameKind.CONDITION):
            # "fever or ALT > 3 x ULN": the limit is not that of a fever.
            return group, at
        while at < len(self.tokens):
            ahead = at
            while ahead < len(self.tokens) and self.tokens[ahead].stem in _LISTS and ahead < at + 2:
                ahead += 1
            if ahead == at:
                break
            ahead = skip_fillers(self.tokens, ahead)
            named = _analytes_of(self.tokens[ahead]) if ahead < len(self.tokens) else ()
            if not named:
                break
            group.extend((self.tokens[ahead], each) for each in named if each not in {other for _, other in group})
            at = self._past_synonyms(ahead + 1, self.tokens[ahead])
        return group, at

    def _past_synonyms(self, at: int, token: Token) -> int:
        """Past "(SGOT)", "(AST/ALT)" after a name: other words for what it names, or for a part of it."""
        own = set(_analytes_of(token))
        while at < len(self.tokens) and self.tokens[at].stem in {"(", "["}:
            stop = at + 1
            while stop < len(self.tokens) and (
                self.tokens[stop].stem in _LISTS
                or set(_analytes_of(self.tokens[stop])) & own
                or (self.tokens[stop].cues and set(self.tokens[stop].cues) <= {"neutral"})
            ):
                stop += 1
            if stop >= len(self.tokens) or self.tokens[stop].stem not in {")", "]"} or stop == at + 1:
                break
            at = stop + 1
        return at

    def _speaks_of_change(self, at: int) -> bool:
        """The number is one of change ("increase of at least 20%"): not a value of the analyte."""
        return at < len(self.tokens) and bool({"change"} & set(self.tokens[at].cues))

    def _again(self, read: Numbers, analyte: str) -> int:
        """The index after "(1.5 × 10^9/L)" where that is the limit before it in another unit, else the limit's end."""
        at = read.stop
        if at + 2 >= len(self.tokens) or self.tokens[at].stem not in {"(", "["} or len(read.bounds) != 1:
            return at
        inside = at + 1
        compared = comparator(self.tokens, inside)
        if compared is not None and compared[0] is read.bounds[0].op:
            inside = compared[1]
        again = read_limit(self.tokens, inside, "")
        if again is None or again[1] >= len(self.tokens) or self.tokens[again[1]].stem not in {")", "]"}:
            return at
        first, second = read.bounds[0].limit, again[0]
        if not isinstance(second, Quantity) or not second.unit:
            return at
        if not isinstance(first, Quantity):
            self.context.note(f"“{self._words(at + 1, again[1])}” is taken to repeat the limit, not to set another.")
            return again[1] + 1
        if not self.context.about_equal(first, second, analyte):
            raise UnreadError(self._words(at, again[1] + 1))
        return again[1] + 1

    def _words(self, at: int, stop: int) -> str:
        return self.text[self.tokens[at].start : self.tokens[stop - 1].end]

    def _either(self) -> None:
        """Reads "< 18 or > 35 kg/m2": below the one or above the other."""
        for draft in self.drafts[self.shared_from :]:
            if isinstance(node := draft.node, Measured):
                self.context.note("The two limits leave nothing between them: either of them is meant.")
                bounds = node.bounds
                abnormal = self.context.catalogue.analytes[node.analyte].abnormal
                if bounds == OUT_OF_RANGE and abnormal is not None:
                    bounds = (bounds[abnormal == "high"],)
                parts = tuple(replace(node, bounds=self.checked(node.analyte, (bound,))) for bound in bounds)
                draft.node = AnyOf(parts, node.quote) if len(parts) > 1 else parts[0]

    def _check_units(self) -> None:
        """The limits for everybody with certain units."""
        for draft in self.drafts[self.shared_from :]:
            if draft.node is None:
                continue
            try:
                draft.node = self._checked_within(draft.node)
            except UnreadError:
                # What stands beside a limit without a unit is understood all the same.
                quote = self._quote(draft.start, draft.end)
                draft.node = NotUnderstood(" ".join(quote.text.split()), quote)

    def _checked_within(self, node: Criterion) -> Criterion:
        match node:
            case Measured():
                return replace(node, bounds=self.checked(node.analyte, node.bounds))
            case AllOf(parts) | AnyOf(parts):
                return replace(node, parts=tuple(map(self._checked_within, parts)))
            case If(_, then, otherwise):
                rest = None if otherwise is None else self._checked_within(otherwise)
                return replace(node, then=self._checked_within(then), otherwise=rest)
            case _:
                return node

    def _corrected_by(self) -> None:
        """Reads "QTc > 480 ms using Bazett's formula", "eGFR ≥ 60 mL/min by CKD-EPI": the value by that formula."""
        at = self.i + (self._at() is not None and self.tokens[self.i].stem == "(")
        cues = self.tokens[at].cues if at < len(self.tokens) else ()
        draft = self.drafts[-1]
        if not isinstance(draft.node, Measured):
            return
        corrected = next(
            (_BY_FORMULA[draft.node.analyte, cue] for cue in cues if (draft.node.analyte, cue) in _BY_FORMULA), None
        )
        if corrected is None:
            return
        at += 1
        while at < len(self.tokens) and corrected in _analytes_of(self.tokens[at]):
            at += 1
        if self.tokens[self.i].stem == "(":
            if at >= len(self.tokens) or self.tokens[at].stem != ")":
                return
            at += 1
        again = self.tokens[at : at + 3]
        if len(again) == 3 and again[0].stem == "(" and corrected in _analytes_of(again[1]) and again[2].stem == ")":
            at += 3
        draft.node = replace(draft.node, analyte=corrected)
        draft.id, draft.end = corrected, self.tokens[at - 1].end
        self.i = at

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

    def checked(self, analyte: str, bounds: tuple[Bound, ...]) -> tuple[Bound, ...]:
        """The bounds with their units checked: none where one is needed, or another dimension, is not certain."""
        entry = self.context.catalogue.analytes[analyte]
        made: list[Bound] = []
        if bounds == NORMAL_RANGE and entry.abnormal is not None:
            # "Bilirubin within normal limits" does not ask for a bilirubin that is not too low.
            bounds = (bounds[entry.abnormal == "high"],)
        for bound in bounds:
            limit = bound.limit
            if isinstance(limit, Quantity):
                unit = limit.unit
                if entry.unit.endswith("/d") and unit in {"g", "mg"}:
                    unit = f"{unit}/d"
                if not unit:
                    said = f"{entry.name} {bound.op.value} {limit.value}"
                    self.context.note(f"“{said}” has no unit, and none is guessed.")
                    raise UnreadError(str(limit.value))
                if not self.context.comparable(unit, analyte):
                    self.context.note(f"“{unit}” is no unit that {entry.name} is measured in.")
                    raise UnreadError(f"{limit.value} {limit.unit}")
                limit = Quantity(limit.value, unit)
                if not self.context.plausible(limit, analyte):
                    self.context.note(f"{entry.name} of {limit.value} {unit} is not measured: its unit is in doubt.")
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
        if outcome is None and _names_a_finding(token, self._at(1)):
            outcome = Outcome.POSITIVE
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


def _names_a_finding(token: Token, after: Token | None) -> bool:
    """The name is that of what is found, not of the test for it: "EGFR mutation", but not "EGFR mutation status"."""
    tested = after is not None and after.stem in {"status", "test", "testing", "analysis", "result", "positive"}
    return (token.stem == "dmmr" or (len(token.words) > 1 and token.words[-1] in _FINDINGS)) and not tested


def _analytes_of(token: Token) -> tuple[str, ...]:
    """The analytes that a name stands for: "transaminases" are two."""
    return tuple(name.id for name in token.names if name.kind is NameKind.ANALYTE)
