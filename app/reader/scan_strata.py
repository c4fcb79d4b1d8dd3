"""Limits that differ by group: by sex, by a disease, and what such a limit comes to beside the one for everybody."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.criteria.nodes import (
    CURRENT,
    AllOf,
    AnyOf,
    Bound,
    Criterion,
    HadTreatment,
    HasCondition,
    If,
    Measured,
    Not,
    Quantity,
    Sex,
    SexIs,
)
from app.reader.measures import Numbers, limits, read_limit, unit_of
from app.reader.scan_state import UnreadError
from app.reader.scan_time import ScanTime
from app.reader.tokens import NameKind, Token, names_of

if TYPE_CHECKING:
    from app.reader.drafts import Draft

_SEPARATORS = frozenset({",", ";", ":", "or", "and", "but", "/"})
_SEXES = {
    "male": Sex.MALE,
    "men": Sex.MALE,
    "man": Sex.MALE,
    "boy": Sex.MALE,
    "female": Sex.FEMALE,
    "women": Sex.FEMALE,
    "woman": Sex.FEMALE,
    "girl": Sex.FEMALE,
}


@dataclass(frozen=True, slots=True)
class Group:
    """Whom a limit is for. `exempt`: "unless", "except": the limit before it is not for them."""

    condition: Criterion
    stop: int
    exempt: bool = False


class ScanStrata(ScanTime):
    """Steps for groups."""

    def _strata(self) -> None:
        """What stands after a limit and says for whom it, or another limit, is meant.

        "≥ 450 ms in men and ≥ 470 ms in women"; "≤ 2.5 x ULN (≤ 5 x ULN if liver metastases)"; "≤ 1.5 x ULN unless the
        patient has Gilbert syndrome"; "> 3 x ULN, or > 5 x ULN in patients with liver metastases".
        """
        while self._stratum():
            pass

    def _stratum(self) -> bool:
        drafts = self.drafts[self.shared_from :]
        if not drafts or not all(isinstance(draft.node, Measured) for draft in drafts):
            return False
        group = self.group(self.i)
        if group is not None:
            return self._grouped(drafts, group)
        return self._other_limit(drafts)

    def _grouped(self, drafts: list[Draft], group: Group) -> bool:
        """The limit just read is for one group; another may follow for the others."""
        at = group.stop
        other = self._limit_at(self._past_separators(at), drafts)
        if group.exempt:
            return self._exempt(drafts, group, other)
        if other is not None:
            rest = self.group(other.stop)
            otherwise = any("otherwise" in token.cues for token in self.tokens[at : other.stop])
            if rest is not None and not rest.exempt and _are_complementary(group.condition, rest.condition):
                self._choose(drafts, group.condition, other, rest.stop, swap=True)
                return True
            if otherwise and rest is None:
                self._choose(drafts, group.condition, other, other.stop, swap=True)
                return True
            # A second limit for whom nothing says.
            raise UnreadError(self.tokens[other.stop - 1].stem)
        if (previous := self._before(drafts)) is not None:
            # "≤ 1.5 x ULN, or ≤ 3 x ULN if Gilbert syndrome": the one before is for everybody else.
            self._merge(previous, drafts, group)
            return True
        self._only_for(drafts, group)
        return True

    def _exempt(self, drafts: list[Draft], group: Group, other: Numbers | None) -> bool:
        """Reads "unless A is present, then < 5 x ULN", "except in patients with A (who must have ≤ 3 mg/dL)"."""
        if other is not None:
            stop = self._closed(group.stop, other.stop)
            self._choose(drafts, group.condition, other, stop, swap=False)
            return True
        end = self.tokens[group.stop - 1].end
        results = all(draft.is_result for draft in self.drafts)
        if self.tokens[self.i].stem == "," and len(self.drafts) > len(drafts) and results:
            # "PT < 1.5 x ULN and PTT < 1.5 x ULN, unless on anticoagulants": the comma says that all of it is meant.
            self.exempt, self.i = group.condition, group.stop
            return True
        for draft in drafts:
            node, quote = draft.node, self._quote(draft.start, end)
            if node is None:
                return False
            draft.node = (
                AllOf((node, Not(group.condition)), quote) if self.excludes else AnyOf((node, group.condition), quote)
            )
            draft.end = end
        self.i = group.stop
        return True

    def _closed(self, start: int, stop: int) -> int:
        """Past the bracket that opened between `start` and `stop`."""
        opened = sum({"(": 1, ")": -1}.get(token.stem, 0) for token in self.tokens[start:stop])
        stop = self._past_neutral(stop)
        if opened > 0 and stop < len(self.tokens) and self.tokens[stop].stem == ")":
            return stop + 1
        return stop

    def _other_limit(self, drafts: list[Draft]) -> bool:
        """Reads "(≤ 5 x ULN if liver metastases)", ", ≤ 5 x ULN in patients with liver metastases"."""
        at = self._past_separators(self.i)
        bracket = at < len(self.tokens) and self.tokens[at].stem in {"(", "["}
        if at == self.i and not bracket:
            return False
        at += 1 if bracket else 0
        other = self._limit_at(at, drafts)
        if other is None:
            first = self.group(at) if bracket else None
            other = self._limit_at(self._past_separators(first.stop), drafts) if first is not None else None
            if first is None or other is None:
                return False
            group, stop = first, other.stop
        else:
            found = self.group(other.stop)
            if found is None or found.exempt:
                return False
            group, stop = found, found.stop
        if isinstance(group.condition, SexIs):
            return False
        if bracket:
            stop = self._past_neutral(stop)
            if stop >= len(self.tokens) or self.tokens[stop].stem not in {")", "]"}:
                return False
            stop += 1
        self._choose(drafts, group.condition, other, stop, swap=False)
        return True

    def _past_own_name(self, at: int, drafts: list[Draft]) -> int:
        own = {_analyte(draft) for draft in drafts}
        while at < len(self.tokens) and (
            own & {name.id for name in self.tokens[at].names if name.kind is NameKind.ANALYTE}
            or self.tokens[at].stem in {"and", "or", ",", "/"}
        ):
            at += 1
        return at

    def _limit_at(self, at: int, drafts: list[Draft]) -> Numbers | None:
        """A limit at `at`; one without a comparator has that of the limit before it."""
        at = self._past_own_name(at, drafts)
        node = drafts[-1].node
        if not isinstance(node, Measured):
            return None
        unit = unit_of(self.context.catalogue, node.analyte)
        read = limits(self.tokens, at, unit)
        if read is None:
            at = self._past_neutral(at)
            limit = read_limit(self.tokens, at, unit)
            if limit is not None and len(node.bounds) == 1:
                read = Numbers((Bound(node.bounds[0].op, limit[0]),), limit[1])
        return read

    def _choose(self, drafts: list[Draft], condition: Criterion, other: Numbers, stop: int, *, swap: bool) -> None:
        """The other limit where the condition holds; `swap`: the first one there, the other for everybody else."""
        end = self.tokens[stop - 1].end
        for draft in drafts:
            node = draft.node
            if not isinstance(node, Measured) or other.either:
                raise UnreadError(self.text[draft.start : end])
            bounds = other.bounds
            if swap and all(isinstance(bound.limit, Quantity) for bound in (*node.bounds, *bounds)):
                node = replace(node, bounds=_with_unit(node.bounds, bounds))
            quote = self._quote(draft.start, end)
            second = replace(node, bounds=bounds, quote=quote)
            draft.node = If(condition, node, second, quote) if swap else If(condition, second, node, quote)
            draft.end = max(draft.end, end)
        self.i = stop
        self._raise_barrier()

    def _before(self, drafts: list[Draft]) -> list[Draft] | None:
        """The drafts before these with the same analytes and a plain limit, joined to them by "or" or a comma."""
        count = len(drafts)
        previous = self.drafts[self.shared_from - count : self.shared_from]
        if self.shared_from < count or [_analyte(each) for each in previous] != [_analyte(each) for each in drafts]:
            return None
        return previous if all(isinstance(each.node, Measured) for each in previous) else None

    def _merge(self, previous: list[Draft], drafts: list[Draft], group: Group) -> None:
        end = self.tokens[group.stop - 1].end
        for first, second in zip(previous, drafts, strict=True):
            quote = self._quote(first.start, end)
            if first.node is None or second.node is None:
                raise UnreadError(self.text[first.start : end])
            first.node, first.end = If(group.condition, second.node, first.node, quote), end
        del self.drafts[self.shared_from :]
        del self.joins[len(self.drafts) - 1 :]
        self.shared_from -= len(previous)
        self.i = group.stop

    def _only_for(self, drafts: list[Draft], group: Group) -> None:
        """A limit for one group alone: others are not asked, or, where it excludes or is an alternative, not meant."""
        end = self.tokens[group.stop - 1].end
        alternative = self.excludes or self.tokens[0].stem == "or" or "or" in self.joins
        for draft in drafts:
            quote = self._quote(draft.start, end)
            node = draft.node
            if node is None:
                raise UnreadError(self.text[draft.start : end])
            both = AllOf((group.condition, node), quote)
            draft.node = both if alternative else If(group.condition, node, None, quote)
            draft.end = end
        self.i = group.stop

    def _group_lead(self) -> bool:
        """Reads "For patients with liver metastases, ALT must be ≤ 5 x ULN": what follows is asked of them."""
        if self.i or self.applies is not None or not (self._cue("if") and not self.tokens[0].names):
            return False
        group = self.group(0)
        if group is None or group.exempt or group.stop >= len(self.tokens):
            return False
        rest = self.tokens[group.stop :]
        if not any(name.kind is NameKind.ANALYTE for token in rest for name in token.names):
            return False
        self.applies = group.condition
        self.i = group.stop
        while self.i < len(self.tokens) and self.tokens[self.i].stem in {",", "and", ":"}:
            self.i += 1
        return True

    # --- whom a limit is for -----------------------------------------------------------------------------------------

    def group(self, at: int) -> Group | None:
        """Reads "in men", "(females)", "if liver metastases are present", "without liver metastases", "unless A"."""
        at = self._past_commas(at)
        bracket = at < len(self.tokens) and self.tokens[at].stem in {"(", "["}
        at += 1 if bracket else 0
        introduced = exempt = negative = taking = False
        found: Criterion | None = None
        while at < len(self.tokens):
            token = self.tokens[at]
            cues = set(token.cues)
            if not token.names and (sex := _sex(token)) is not None and (introduced or bracket or cues & {"if"}):
                found = SexIs(sex, self._quote(token.start, token.end))
                at += 1
                break
            if token.names:
                found, at = self._members(at, taking=taking or exempt) if introduced else (None, at)
                break
            if cues & {"unless", "except"}:
                introduced, exempt = True, True
            elif token.stem == "without" or "absence" in token.stem.split():
                introduced, negative = True, True
            elif cues & {"if"} or token.stem.split()[-1] in {"with", "for"}:
                introduced = True
            elif cues & {"treat-current"}:
                introduced, taking = True, True
            elif not (cues & {"neutral", "current"} or token.stem in {",", "therapeutic"}):
                return None
            at += 1
        if found is None:
            return None
        at = self._past_neutral(at)
        if at < len(self.tokens) and "if" in self.tokens[at].cues and "present" in self.tokens[at].stem:
            at += 1
        if bracket:
            if at >= len(self.tokens) or self.tokens[at].stem not in {")", "]"}:
                return None
            at += 1
        return Group(Not(found) if negative else found, at, exempt)

    def _members(self, at: int, *, taking: bool) -> tuple[Criterion | None, int]:
        """Reads "liver metastases or Gilbert syndrome"; a drug only where it is taken ("unless on anticoagulants").

        "Without transfusion" after a limit says how the value must come about, and not for whom it is.
        """
        parts: list[Criterion] = []
        stop = at
        while at < len(self.tokens):
            token = self.tokens[at]
            named = names_of(token, NameKind.CONDITION, NameKind.TREATMENT)
            quote = self._quote(token.start, token.end)
            if NameKind.CONDITION in named:
                parts.append(HasCondition(named[NameKind.CONDITION], quote=quote))
            elif NameKind.TREATMENT in named and taking:
                parts.append(HadTreatment(named[NameKind.TREATMENT], CURRENT, quote=quote))
            else:
                break
            stop = at + 1
            if stop >= len(self.tokens) or self.tokens[stop].stem not in {"or", "/", "and/or"}:
                break
            at = self._past_neutral(stop + 1)
        if not parts:
            return None, at
        return (parts[0] if len(parts) == 1 else AnyOf(tuple(parts))), stop

    def _past_commas(self, at: int) -> int:
        while at < len(self.tokens) and self.tokens[at].stem == ",":
            at += 1
        return at

    def _past_neutral(self, at: int) -> int:
        while (
            at < len(self.tokens) and not self.tokens[at].names and (set(self.tokens[at].cues) & {"neutral", "allowed"})
        ):
            at += 1
        return at

    def _past_separators(self, at: int) -> int:
        """Past commas, joiners and words that lead to the other limit ("in which case", "then", "who")."""
        while at < len(self.tokens) and not self.tokens[at].names:
            token = self.tokens[at]
            opens = token.stem in {"(", "["} and at > self.i
            if not (token.stem in _SEPARATORS or opens or set(token.cues) & {"neutral", "leads-to", "otherwise"}):
                break
            at += 1
        return at


def _analyte(draft: Draft) -> str:
    return draft.node.analyte if isinstance(draft.node, Measured) else ""


def _with_unit(bounds: tuple[Bound, ...], others: tuple[Bound, ...]) -> tuple[Bound, ...]:
    """Reads "> 450 (men) or > 470 ms (women)": a unit said once is that of both."""
    unit = next((bound.limit.unit for bound in others if isinstance(bound.limit, Quantity)), "")
    return tuple(
        replace(bound, limit=replace(bound.limit, unit=unit))
        if isinstance(bound.limit, Quantity) and not bound.limit.unit
        else bound
        for bound in bounds
    )


def _sex(token: Token) -> Sex | None:
    cues = set(token.cues)
    if "male" in cues and "female" in cues:
        return None
    if "male" in cues or "female" in cues:
        return Sex.MALE if "male" in cues else Sex.FEMALE
    words = token.stem.split()
    return _SEXES.get(words[-1]) if words else None


def _are_complementary(first: Criterion, second: Criterion) -> bool:
    """The two groups between them are everybody: men and women, with A and without A."""
    match first, second:
        case SexIs(a), SexIs(b):
            return a is not b
        case Not(a), b:
            return a == b
        case a, Not(b):
            return a == b
        case _:
            return False
