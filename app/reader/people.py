"""Lines that name a group of people, and say that what stands below them is for that group."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NOUN = (
    r"(?:patients?|subjects?|participants?|individuals|controls?|volunteers?|donors?|recipients?|caregivers?|carers?|"
    r"parents?|children|infants?|adolescents?|adults|women|men|mothers?|fathers?|couples?|siblings?|relatives?|probands?|"
    r"(?:family|household)\s+members?|groups?|cohorts?|arms?|cases?|providers?|physicians?|nurses?|clinicians?|staff|"
    r"practitioners?|professionals?|dyads?|partners?|spouses?|students?|teachers?|workers?)"
)
_GROUP = re.compile(
    rf"""^\W*(?:(?:for|in|among)\s+)?(?:the\s+)?(?:[A-Za-z][\w'/-]*\s+){{0,4}}?{_NOUN}\b
    (?:\s+(?:only|group|groups|cohort|arm|participants|patients|subjects|members|[IVX]+|[A-Z]|\d{{1,2}}))*
    (?P<tail>\s+(?:with|without|from|of|undergoing|receiving|on)\s+[\w\s,'/-]{{2,60}})?
    (?:\s*[-(,]\s*[^:.;]{{1,60}})?\s*[:：]?\W*$""",
    re.IGNORECASE | re.VERBOSE,
)
# No name of a group, but a sentence about one, or a criterion.
_SENTENCE = re.compile(
    r"\b(?:must|should|may|can|cannot|have|has|had|is|are|was|were|be|been|will|who|whom|whose|that|which|meeting|meets?|"
    r"met|excluded|included|include|eligible|eligibility|aged?|following|criteria|criterion|any|unable|willing|able|consent|"
    r"history|not|no|never|considered|taking|diagnosed|confirmed|pregnant|breast\w*|lactating|years?|months?|since|prior|"
    r"previous|current|active|treated|enrolled|study|allerg\w*|use|both|of\s+childbearing|female|male|if|or)\b|[<>=≤≥]",
    re.IGNORECASE,
)
_STRONG = re.compile(
    r"\b(?:healthy|normal|control|controls|donors?|caregivers?|carers?|care\s+partners?|volunteers?|cohorts?|arms?|groups?|"
    r"relatives?|siblings?|parents?|mothers?|(?:family|household)\s+members?|providers?|physicians?|nurses?|clinicians?|"
    r"staff|practitioners?|professionals?|non[- ]\w+|unaffected|matched)\b",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"\b(?:cohorts?|arms?|groups?|parts?|stages?|phases?)\s+(?:[A-Z]\d?|\d{1,2}[a-z]?|[IVX]{1,4})\b", re.IGNORECASE
)
_EVERYBODY = re.compile(
    r"^\W*(?:(?:for|in)\s+)?(?:the\s+)?(?:(?:all|both|every|any|each|study|eligible)\s+)*(?:of\s+the\s+)?"
    r"(?:patients?|subjects?|participants?|individuals|groups?|cohorts?|arms?|cases?)\W*$",
    re.IGNORECASE,
)
# Lists of what comes after enrolment: no criteria for entering the study.
_LATER = re.compile(
    r"^\W*(?:[\w/-]+\s+){0,4}?(?:re-?)?(?:randomi[sz]ation|withdrawal|discontinuation|stopping|removal|rescue|re-?treatment|"
    r"cross-?over|continuation|termination|drop-?out|dose\s+\w+|escape|exit|follow-?up)\b[\w\s/-]{0,40}\bcriteria\b"
    r"[^:.]{0,40}[:：]?\W*$|"
    r"^\W*criteria\s+(?:for|of)\s+(?:[\w-]+\s+){0,3}(?:randomi[sz]ation|withdrawal|discontinuation|stopping|removal|rescue|"
    r"re-?treatment|cross-?over|continuation|termination|dropping\s+out|exit)\b[^:.]{0,40}[:：]?\W*$",
    re.IGNORECASE,
)
_PEOPLE = re.compile(rf"\b(?:{_NOUN}|males?|females?|boys|girls|newborns?|neonates?)\b", re.IGNORECASE)
_BOTH_SEXES = re.compile(
    r"^\W*(?:fe)?males?\W+(?:and|or)\W+(?:fe)?males?\W*$|^\W*(?:wo)?men\W+(?:and|or)\W+(?:wo)?men\W*$", re.IGNORECASE
)
_LONGEST = 110
_MOST_WORDS = 12


@dataclass(frozen=True, slots=True)
class GroupLine:
    """`everybody`: it speaks of no group in particular. `strong`: it can only be a second group beside another."""

    name: str
    everybody: bool
    strong: bool
    numbered: bool


def group_line(text: str, *, opens: bool) -> GroupLine | None:
    """The group that a line by itself names; `opens`: a list follows it. None where it is something else."""
    if len(text) > _LONGEST or len(text.split()) > _MOST_WORDS:
        return None
    closed = text.rstrip(" *_").endswith((":", "："))
    bare = text.strip(" *_")
    if not closed and (not opens or bare.endswith((".", ";", ","))):
        return None
    if not bare[:1].isupper():
        return None  # a line that goes on with the one before it
    if _EVERYBODY.match(text):
        return GroupLine("", everybody=True, strong=False, numbered=False) if closed else None
    if not _GROUP.match(text) or _SENTENCE.search(text):
        return None
    name = label_name(text)
    return GroupLine(
        name,
        everybody=False,
        strong=_STRONG.search(text) is not None,
        numbered=_NUMBERED.search(text) is not None,
    )


def names_some_people(text: str) -> bool:
    """Reads "Males", "Healthy controls": what stands under it is asked of them, and not of everybody."""
    return _PEOPLE.search(text) is not None and not _EVERYBODY.match(text) and not _BOTH_SEXES.match(text)


def names_later_list(text: str) -> bool:
    """Reads "Withdrawal criteria:", "Criteria for randomization:": what follows is not asked at entry."""
    return len(text) <= _LONGEST and _LATER.match(text) is not None


def label_name(text: str) -> str:
    """The words of a label without what leads to them and the signs around them."""
    bare = re.sub(r"^\W*(?:(?:for|in|of|among)\s+)?(?:the\s+)?", "", text.strip(" *_-:：.,()"), flags=re.IGNORECASE)
    return " ".join(bare.split()).strip(" ,;:-")
