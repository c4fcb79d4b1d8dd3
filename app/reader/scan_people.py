"""Who a clause speaks of: ages and sexes."""

from __future__ import annotations

from app.criteria.nodes import AgeIs, AnyOf, Criterion, Sex, SexIs
from app.criteria.time import TimeUnit
from app.reader.ages import Ages, is_plausible, read_ages
from app.reader.drafts import Draft
from app.reader.measures import comparator
from app.reader.scan_state import UnreadError
from app.reader.scan_strata import ScanStrata
from app.reader.tokens import NameKind, Token, names_of

# After these words an age is that of an event.
_EVENTS = frozenset({"at", "before", "by", "until", "after", "since"})
_MODAL = frozenset({"must", "should", "agree", "will", "can", "may", "need", "cannot"})


class ScanPeople(ScanStrata):
    """Steps for ages and sexes."""

    def _age(self) -> bool:
        token = self.tokens[self.i]
        said = "age" in token.cues and not token.names
        minors = "age-group" in token.cues and self.i + 1 < len(self.tokens) and self.tokens[self.i + 1].stem != "of"
        if not (said or minors or token.number is not None or token.cues or token.op is not None):
            return False
        if "age-group" in token.cues and not minors:
            return False
        read = read_ages(self.tokens, self.i + 1 if said or minors else self.i)
        if read is None or not is_plausible(read):
            return False
        if not (said or minors or read.said or self._can_only_be_ages(read) or self._of_people(read)):
            return False
        if any(each.stem in _EVENTS for each in self.tokens[max(0, self.i - 3) : self.i] if "ge" not in each.cues):
            # "diagnosed at an age of 30 years" is not the patient's age.
            raise UnreadError(token.stem)
        end = self.tokens[read.stop - 1].end
        quote = self._quote(token.start, end)
        node: Criterion = AgeIs(read.bounds, quote)
        if read.either:
            node = AnyOf(tuple(AgeIs((bound,), quote) for bound in read.bounds), quote)
        self.i = read.stop
        if self.drafts and len(self.joins) < len(self.drafts):
            # "patients with A aged 18 years or older": both.
            self._restrict(node, end)
        else:
            self.drafts.append(Draft(None, "age", token.start, end, node=node))
        return True

    def _can_only_be_ages(self, read: Ages) -> bool:
        """Years with nothing else in the clause: "18 to 65 years, inclusive", "men and women ≥ 18 years"."""
        if self.drafts or any(bound.age.unit is not TimeUnit.YEAR for bound in read.bounds):
            return False
        if not any(token.duration is not None for token in self.tokens[self.i : read.stop]):
            return False
        rest = (*self.tokens[: self.i], *self.tokens[self._past_moment(read.stop) :])
        return all(_says_nothing(token) for token in rest)

    def _of_people(self, read: Ages) -> bool:
        """A limit right behind those it is about, with nothing that it counts: "women over 45", "men < 60 with A"."""
        before = self.tokens[self.i - 1] if self.i else None
        if before is None or not ({"male", "female", "any-sex"} & set(before.cues)) or self.drafts:
            return False
        after = self.tokens[read.stop] if read.stop < len(self.tokens) else None
        years = all(bound.age.unit is TimeUnit.YEAR and bound.age.count >= 1 for bound in read.bounds)
        return (
            years
            and comparator(self.tokens, self.i) is not None
            and (after is None or after.stem in {",", ".", ";", "with", "who"})
        )

    def _sex_word(self) -> bool:
        """Reads "women aged 18 to 70", "female patients with A", "men only": of that sex, and what follows."""
        token = self.tokens[self.i]
        sex = _one_sex(token)
        if sex is None or self.drafts or self.sex is not None or self.applies is not None:
            return False
        if any(_one_sex(each) not in {None, sex} or "any-sex" in each.cues for each in self.tokens):
            return False
        at = self.i + 1
        while at < len(self.tokens) and self.tokens[at].stem in {"only", ",", "patient", "subject", "participant"}:
            at += 1
        if at < len(self.tokens) and not self._names_who(at):
            return False
        self.sex = SexIs(sex, self._quote(token.start, token.end))
        self.i = at
        return True

    def _names_who(self, at: int) -> bool:
        """What follows a sex says who is meant (an age, a disease), not what they must do."""
        token = self.tokens[at]
        if "age" in token.cues or token.number is not None or {"between", "ge", "gt", "le", "lt"} & set(token.cues):
            return True
        if token.op is not None:
            return True
        if token.stem not in {"with", "diagnosed with"}:
            return False
        rest = self.tokens[at:]
        return not any(
            each.stem in _MODAL or "childbearing" in each.cues or "judgement" in each.cues for each in rest
        ) and any(names_of(each, NameKind.CONDITION) for each in rest)


def _one_sex(token: Token) -> Sex | None:
    cues = set(token.cues)
    if token.names or ("male" in cues) is ("female" in cues):
        return None
    return Sex.MALE if "male" in cues else Sex.FEMALE


def _says_nothing(token: Token) -> bool:
    silent = {"neutral", "any-sex", "inclusive", "female", "male"}
    return token.stem in {".", ",", ":"} or (bool(token.cues) and not token.names and set(token.cues) <= silent)
