"""Lines between the items: which list begins, which part of the study it is for, and what only announces a list."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.reader.registration import Kind

_SIDE = re.compile(
    r"""^\W*(?:[A-Z\d][.)]\s*)?(?:(?:key|main|major|general|principal|primary|core|additional|other|specific|common|
    patient|subject|participant|study|protocol|eligibility)\s+)*
    (?:criteri(?:a|on)\s+(?:for|of)\s+(?:patient\s+|subject\s+|study\s+)?)?
    (?:(?P<inc>inclusions?|include)|(?P<exc>exclusions?|exclude))(?:\s+criteri(?:a|on))?\b
    (?:(?P<tail>[^:\n]{0,60}?)\s*(?P<colon>[:：])[\s*_]*(?P<rest>.*)|(?P<bare>.*))$""",
    re.IGNORECASE | re.VERBOSE,
)
# Words that say nothing but that a list of criteria follows.
_GENERIC = frozenset(
    """a all also an and any applies apply are as be been being below both by can cannot conditions considered criteria
    criterion currently do does each either eligibility eligible enroll enrolled enrollment enrolment enter
    entered every exclude excluded excludes exclusion exclusionary following follows for from fulfil fulfill
    fulfilled fulfilling has have if in include included includes inclusion individual individuals ineligible
    into is it item items join listed may meet meeting meets met more must next not of on one only or order part
    participant participants participate participating participation patient patients people person persons
    potential presence present prior protocol randomised randomized requirements s satisfied satisfy satisfying
    screening shall should study subject subjects such take that the their there these they this those to trial
    true unless volunteers was were when who whom will with would you your""".split()  # noqa: SIM905 - a list of words reads better so
)
_EXCLUDES = re.compile(
    r"\b(?:exclud\w+|exclusion\w*|ineligible|not (?:be )?(?:\w+ )?(?:eligible|enrolled|included|participate|allowed)|"
    r"cannot|can not|may not)\b",
    re.IGNORECASE,
)
_INCLUDES = re.compile(
    r"\b(?:eligible|eligibility|includ\w+|inclusion|enroll?\w*|participat\w+|must|meet)\b", re.IGNORECASE
)
_CHOICE = re.compile(r"\b(?:any|one|either|at least|some)\b", re.IGNORECASE)
_EVERY = re.compile(r"\b(?:all|each|every|both)\b", re.IGNORECASE)
# Words of an announcement that change what its list means: the list must stay under them.
_BINDS_LIST = re.compile(
    r"\b(?:any|one|two|three|either|at least|or more|if|for|when|where|unless|except\w*|excluding|who|whose|women|"
    r"woman|men|males?|females?|cohorts?|arms?|parts?|groups?|phase|no|none|not|without|free|never|absence|lack|prior|previous|"
    r"history|within|defined|allerg\w*|treatment|therapy|taking|use)\b",
    re.IGNORECASE,
)
_PART = re.compile(
    r"""^\W*(?:(?:for|in)\s+)?(?:(?:all\s+)?(?:patients|subjects|participants)\s+)?(?:(?:enrolled|entering|enrolling)\s+)?
    (?:(?:in|into|of|to)\s+)?(?:the\s+)?
    (?P<name>(?:(?:safety|dose|randomi[sz]ed|single|multiple|treatment|control|experimental|study|lead[- ]in|
    run[- ]in|phase\s+\w+)[- ]+)*
    (?:escalation|expansion|cohorts?|arms?|parts?|groups?|phase|sub-?study|strat(?:um|a)|module|aim|component)\b
    (?:[\s,/&-]*(?:and|or|phase|part|cohort|only|dose|expansion|escalation|[A-Z]\b|[A-Z]?\d{1,2}[A-Za-z]?\b|
    [IVX]{1,4}[ab]?\b|\((?:[^()]{1,40})\)))*|
    healthy\s+(?:volunteers?|controls?|subjects|participants|donors?|individuals)|controls?|(?:plasma\s+|stem\s+cell\s+)?donors?|
    recipients?|caregivers?|care\s+partners?|parents?(?:\s+participants)?|parent\s+participants|children|providers?|
    (?:healthcare|health\s+care)\s+(?:professionals|providers|workers)|clinicians?|staff)
    (?:\s+(?:participants|patients|subjects|only))*$""",
    re.IGNORECASE | re.VERBOSE,
)
# Section names of older registrations: what follows is an item of its own; the name only sorts it. Those that may be
# things themselves are section names with a colon alone.
_SECTION = re.compile(
    r"""^\W*(?:disease\s+characteristics|patient\s+characteristics|prior(?:\s*/\s*|\s+and\s+|\s+or\s+|\s+)concurrent\s+therapy|
    characteristics|performance\s+status|h[ae]+matopoietic|h[ae]+matologic(?:al)?|hematology|hepatic|renal|
    cardiovascular|cardiac|pulmonary|neurologic(?:al)?|immunologic(?:al)?|gastrointestinal|metabolic|
    laboratory\s+(?:values?|tests?|parameters|criteria|requirements)|target\s+population|demographics|
    type\s+of\s+(?:patient|participant|subject)s?(?:\s+and\s+disease\s+characteristics)?|
    (?:renal|hepatic|liver|kidney|bone\s+marrow|cardiac|h[ae]+matologic(?:al)?|coagulation|pulmonary)\s+function)\W*$""",
    re.IGNORECASE | re.VERBOSE,
)
_SECTION_WITH_COLON = re.compile(
    r"""^\W*(?:age|liver|kidney|endocrine|other|general|biologic\s+therapy|chemotherapy|endocrine\s+therapy|radiotherapy|
    radiation\s+therapy|surgery|life\s+expectancy|menopausal\s+status|sex|gender|hormone\s+receptor\s+status|laboratory|
    medical\s+history|reproductive|infections?|prior\s+therapy|concurrent\s+therapy|concomitant\s+(?:medications?|therapy)|
    diagnosis|safety|legal|ethical|administrative|other\s+(?:exclusions?|criteria|conditions)|
    (?:informed\s+)?consent|weight|contraception)\s*[*_]*[:：][\s*_]*$""",
    re.IGNORECASE | re.VERBOSE,
)


# "Healthy Controls Exclusion Criteria:", "Donor exclusion": whom the list is for, and its side.
_BEHIND_LABEL = re.compile(
    r"^\W*(?P<label>(?:[A-Za-z][\w'/-]*|\d{1,2}|[(),&/-])(?:\s+(?:[A-Za-z][\w'/-]*|\d{1,2}|[(),&/-])){0,7}?)[\s:-]+"
    r"(?P<side>inclusions?|exclusions?)(?:\s+criteri(?:a|on))?\W*$",
    re.IGNORECASE,
)
_SAYS_MORE = re.compile(
    r"\b(?:must|should|may|have|has|had|is|are|be|been|will|who|that|meet|meeting|not|no|if|see|per|met|meets|"
    r"with\s+the\s+exception|prior|above|below)\b",
    re.IGNORECASE,
)
_LABEL_OPENS = re.compile(r"^\s*(?:[-(]|for\b|of\b|in\b)", re.IGNORECASE)
_LONGEST_LABEL = 8


@dataclass(frozen=True, slots=True)
class Heading:
    """A line that opens a list: its side, where an item begins behind it on the same line, and the part it is for."""

    side: Kind
    rest: int | None
    part: tuple[int, int] | None


def side_heading(content: str, start: int) -> Heading | None:
    """A heading such as "Key Inclusion Criteria (Part 1):"; None where the line is something else."""
    match = _SIDE.match(content)
    if match is None:
        return _label_before(content, start) or _sentence_heading(content)
    side = Kind.INCLUSION if match["inc"] else Kind.EXCLUSION
    noun = "criteri" in content.lower()
    has_colon = match["colon"] is not None
    label = match["tail"] if has_colon else match["bare"]
    words = label.strip(" -(),*_")
    part = part_name(words) if noun and words else None
    if has_colon:
        if words and part is None and not (noun and re.match(r"^[\s(][\w\s(),/&+-]*$", label)):
            return _sentence_heading(content)
        rest = match["rest"]
        behind = start + len(content) - len(rest) if rest.strip("*_ ") else None
        span = (start + match.start("tail"), start + match.end("tail"))
        return Heading(side, behind, span if part or (noun and _is_label(words)) else None)
    if not words and (
        noun or (match["inc"] or match["exc"]).lower() in {"inclusion", "exclusion", "inclusions", "exclusions"}
    ):
        return Heading(side, None, None)
    labelled = noun and _LABEL_OPENS.match(label) is not None and _is_label(words)
    if part is not None or labelled:
        return Heading(side, None, (start + match.start("bare"), start + match.end("bare")))
    if re.match(r"^\W*(?i:inclusion|exclusion) (?i:criteria) [A-Z]", content):
        return Heading(side, start + match.start("bare") + len(label) - len(label.lstrip()), None)
    return _sentence_heading(content)


def _label_before(content: str, start: int) -> Heading | None:
    """Reads "Control group exclusion:": the side behind whom it is for."""
    match = _BEHIND_LABEL.match(content.rstrip())
    if match is None or _SAYS_MORE.search(match["label"]):
        return None
    side = Kind.INCLUSION if match["side"].lower().startswith("inc") else Kind.EXCLUSION
    span = (start + match.start("label"), start + match.end("label"))
    return Heading(side, None, span if _is_label(match["label"]) else None)


def _is_label(words: str) -> bool:
    """The words say for whom or what a list is, and not only that it is one of this study."""
    own = re.findall(r"[A-Za-z][\w'-]*", words.lower())
    says_whom = bool(own) and len(own) <= _LONGEST_LABEL and not all(word in _GENERIC for word in own)
    return says_whom and _SAYS_MORE.search(words) is None


def _sentence_heading(content: str) -> Heading | None:
    """A sentence that only announces a list: "Patients meeting any of the following will be excluded:"."""
    text = content.strip(" *_")
    if not announces(text):
        return None
    if _EXCLUDES.search(text):
        return None if _EVERY.search(text) else Heading(Kind.EXCLUSION, None, None)
    if _INCLUDES.search(text) and not _CHOICE.search(text):
        return Heading(Kind.INCLUSION, None, None)
    return None


def announces(text: str) -> bool:
    """Nothing but that a list follows is said."""
    words = re.findall(r"[A-Za-z]+", text.lower())
    known = {"criteria", "following", "eligible", "excluded", "included", "conditions", "requirements", "if", "below"}
    if not words or not all(word in _GENERIC for word in words) or not known & set(words):
        return False
    return text.rstrip().endswith((":", "：", ".")) or bool({"following", "criteria", "below"} & set(words))


def keeps_list(text: str, side: Kind) -> bool:
    """The words before a list say something of all of it, so that the list cannot stand without them."""
    if side is Kind.EXCLUSION and _EVERY.search(text):
        return True
    return _BINDS_LIST.search(text) is not None


def is_section(text: str) -> bool:
    """The name of a section that changes nothing of what stands in it."""
    return _SECTION.match(text) is not None or _SECTION_WITH_COLON.match(text) is not None


def part_name(text: str) -> str | None:
    """The part, cohort or kind of person that a label is for ("Cohort B only: ..." is "Cohort B"); else None."""
    label = text.strip(" *_")
    match = _PART.match(label.rstrip(":：").strip(" *_")) or _PART.match(
        re.split("[:：]", label, maxsplit=1)[0].strip(" *_")
    )
    if match is None:
        return None
    return re.sub(r"\s+only$", "", " ".join(match["name"].split()), flags=re.IGNORECASE).strip(" ,-")
