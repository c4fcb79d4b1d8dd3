"""What announces values within a line ("adequate renal function, defined as ..."), and shares of what is predicted."""

from __future__ import annotations

from dataclasses import replace

from app.criteria.nodes import Bound, Quantity
from app.reader.measures import Numbers
from app.reader.scan_measures import ScanMeasures
from app.reader.scan_state import without_parentheses
from app.reader.tokens import NameKind, Tok, names_of

THERE = frozenset({"adequate", "acceptable", "sufficient", "normal", "preserved", "satisfactory", "good"})
LACKING = frozenset({"inadequate", "insufficient", "abnormal"})
_WHAT = frozenset({"function", "reserve", "parameter", "value", "status", "test"})
_BETWEEN = frozenset({",", ":", "-", "as", "by", "the", "following", "a", "an", "having", "and", "must", "have", "be"})
_FAR = 12


class ScanFunction(ScanMeasures):
    """Steps for words that only announce values."""

    def _adequate(self) -> bool:
        """Reads "adequate hepatic function (bilirubin ≤ 1.5 x ULN, ALT ≤ 3 x ULN)": the values say what is adequate."""
        wanted = LACKING if self.excludes else THERE
        if self.drafts or self.extra or self.negative or self.tokens[self.i].stem not in wanted:
            return False
        at = self._past_function(self.i + 1)
        if at is None:
            return False
        said = False
        while at < len(self.tokens) and (self.tokens[at].stem in _BETWEEN or self._announces(at)):
            said = said or self._announces(at) or self.tokens[at].stem in {":", ","}
            at += 1
        rest = self.tokens[at:]
        while rest and rest[-1].stem == ".":
            rest = rest[:-1]
        if rest and rest[0].stem == "(" and rest[-1].stem == ")" and not without_parentheses(rest):
            rest, said = rest[1:-1], True
            while rest and (rest[0].stem in _BETWEEN or "defined-by" in rest[0].cues):
                rest = rest[1:]
        if not said or not any(names_of(token, NameKind.ANALYTE) for token in rest):
            return False
        self.tokens = [*self.tokens[: self.i], *rest]
        self.values_only = True
        return True

    def _past_function(self, at: int) -> int | None:
        """The index after "bone marrow, renal and hepatic function", None where no such word comes soon."""
        found = None
        for k in range(at, min(at + _FAR, len(self.tokens))):
            token = self.tokens[k]
            if token.number is not None or token.op is not None or token.stem in {"(", ":"}:
                break
            if names_of(token, NameKind.ANALYTE) or self._announces(k):
                break
            if (token.words or tuple(token.stem.split()))[-1] in _WHAT:
                found = k + 1
        return found

    def _announces(self, at: int) -> bool:
        cues = self.tokens[at].cues
        return "defined-by" in cues or ("including" in cues and self.tokens[at].stem.startswith("includ"))

    def _in_per_cent(self, read: Numbers, analyte: str, at: int) -> tuple[Numbers, str]:
        """The limits and the analyte that they are of: "FEV1 ≥ 50 % predicted" is one on the share of what is
        predicted, "FEV1/FVC < 0.70" one of 70 %.
        """
        entry = self.context.catalogue.analytes[analyte]
        quantities = [bound.limit for bound in read.bounds if isinstance(bound.limit, Quantity)]
        if len(quantities) < len(read.bounds):
            return read, analyte
        predicted = read.stop < len(self.tokens) and "of-predicted" in self.tokens[read.stop].cues
        if entry.percent and all(each.unit == "%" for each in quantities):
            return replace(read, stop=read.stop + predicted), entry.percent
        if predicted and entry.unit == "%" and all(each.unit == "%" for each in quantities):
            return replace(read, stop=read.stop + 1), analyte
        bare = all(token.kind is not Tok.QUANTITY for token in self.tokens[at : read.stop])
        if entry.share and bare and all(0 < each.value < 1 for each in quantities):
            bounds = tuple(
                Bound(bound.op, Quantity(bound.limit.value.scaleb(2), "%"))
                for bound in read.bounds
                if isinstance(bound.limit, Quantity)
            )
            return replace(read, bounds=bounds), analyte
        return read, analyte
