"""A FHIR ResearchStudy, alone or in a Bundle with its Groups → a registration whose text is read as pages are.

R4, R4B and R5 (and what R6 adds to Group) are told apart by their elements. Only text is read: of a code its display.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from app.criteria.nodes import NotUnderstood, Quote
from app.reader.items import Item, split_items
from app.reader.layout import REGISTRY_ID, read_page
from app.reader.normalise import normalise
from app.reader.read import read_items
from app.reader.registration import Kind, ReadCriterion, Reading, Registration, StructuredBounds
from app.reader.study_groups import (
    NEGATED,
    GroupReader,
    Line,
    broken_at_headings,
    description_of,
    plan_lines,
    sides_of,
)
from app.reader.study_sent import Resource, Sent, UnusableStudy, concept_words, dicts, name_of, words

if TYPE_CHECKING:
    from app.knowledge.catalogue import Catalogue

_TITLE = {Kind.INCLUSION: "Inclusion Criteria:", Kind.EXCLUSION: "Exclusion Criteria:"}
# R4 `status` and R5 `progressStatus` in the words of registers. Of R4's, only `active` is open to patients.
_R4_STATUS = {
    "active": "recruiting",
    "administratively-completed": "completed",
    "approved": "not-yet-recruiting",
    "closed-to-accrual": "active-not-recruiting",
    "closed-to-accrual-and-intervention": "active-not-recruiting",
    "temporarily-closed-to-accrual": "suspended",
    "temporarily-closed-to-accrual-and-intervention": "suspended",
}
_R5_STATUS = {
    **{each: status for each, status in _R4_STATUS.items() if each != "active"},
    "active-but-not-recruiting": "active-not-recruiting",
}
_R5_ONLY = frozenset(
    {
        "associatedParty",
        "comparisonGroup",
        "date",
        "descriptionSummary",
        "label",
        "name",
        "outcomeMeasure",
        "progressStatus",
        "recruitment",
        "region",
        "url",
        "version",
        "whyStopped",
    }
)
_PHASE = re.compile(r"(?P<early>early[\s-]*)?(?:phase[\s-]*|[/-]\s*)(?P<number>[0-4]|i{1,3}|iv)[abc]?\b", re.IGNORECASE)
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4"}


def read_research_study(resource: Resource, catalogue: Catalogue) -> Registration:
    """A ResearchStudy, or a Bundle with one. Spans point into a text that is made of what it says (see `notes`).

    UnusableStudy where there is no study or several, or where a criterion does not say on which side it stands. No
    criteria at all is an empty tuple, as with pages.
    """
    sent = Sent(resource)
    study = sent.study
    made = _eligibility(sent)
    plain = normalise(made.text)
    items, doubts = _items(plain, made)
    conditions = tuple(filter(None, (concept_words(each) for each in dicts(study.get("condition")))))
    title = _title(study)
    criteria, notes = read_items(made.text, items, made.bounds, (*conditions, title), catalogue)
    return Registration(
        id=_registry_number(study),
        title=title,
        status=_status(study),
        phase=_phase(study.get("phase")),
        conditions=conditions,
        text=made.text,
        criteria=tuple(_doubted(each, doubts) for each in criteria),
        sponsor=_sponsor(sent),
        bounds=made.bounds,
        notes=(*dict.fromkeys((*made.notes, *sent.notes())), *notes),
    )


@dataclass(frozen=True, slots=True)
class _Region:
    """A part of the text: [start, end), and the line it was made of; None for a text with its own headings."""

    start: int
    end: int
    line: Line | None


@dataclass(frozen=True, slots=True)
class _Made:
    """The text that was made. `as_page` where it is prose of the study, in which the criteria are a section."""

    text: str
    regions: tuple[_Region, ...]
    notes: tuple[str, ...]
    as_page: bool = False
    bounds: StructuredBounds = field(default_factory=StructuredBounds)


def _eligibility(sent: Sent) -> _Made:
    """The text of the criteria, from the best source there is."""
    notes: list[str] = []
    prose = [(name, text) for name, text in _prose(sent) if sides_of(text, _side_of)]
    if sources := _from_groups(sent, notes):
        notes += [f"Criteria in the text of {name} were not read." for name in dict.fromkeys(name for name, _ in prose)]
    elif shown := _displays(sent.study):
        notes.append(f"The criteria are the text of {' and '.join(name for name, _ in shown)}.")
        sources = [[_described(text)] for _, text in shown]
    elif prose:
        text = "\n\n".join(dict.fromkeys(text for _, text in prose))
        names = " and ".join(dict.fromkeys(name for name, _ in prose))
        notes.append(f"The criteria are a section in the text of {names}.")
        return _Made(text, (), tuple(notes), as_page=True, bounds=read_page(normalise(text)).bounds)
    else:
        plans = [(plan, lines) for plan, _ in sent.all("PlanDefinition") if (lines := plan_lines(plan, _side_of))]
        notes += [f"The criteria are actions of {name_of(plan)}." for plan, _ in plans]
        sources = [lines for _, lines in plans]
    _one_population(sources, sent)
    return _made_of([line for lines in sources for line in lines], tuple(notes))


def _from_groups(sent: Sent, notes: list[str]) -> list[list[Line]]:
    """The lines of each Group that has criteria: its characteristics, else its description."""
    reader = GroupReader(sent.find, _side_of)
    sources: list[list[Line]] = []
    for group, pointer in _groups(sent, notes):
        text, name = description_of(group), name_of(group)
        if lines := reader.lines(group, pointer):
            notes.append(f"The criteria are the characteristics of {name}.")
            if text:
                notes.append(f"The description of {name} was not read.")
            sources.append(lines)
        elif text:
            notes.append(f"The criteria are the text of {name}.")
            sources.append([_described(text)])
        else:
            notes.append(f"{name} has no criteria.")
    notes += reader.notes
    return sources


def _references(study: Resource) -> list[tuple[str, Resource]]:
    """Where a study points to those it wants: R4's `enrollment`, R5's `recruitment.eligibility`."""
    found = [("enrollment", each) for each in dicts(study.get("enrollment"))]
    for recruitment in dicts(study.get("recruitment")):
        found += [("recruitment.eligibility", each) for each in dicts(recruitment.get("eligibility"))]
    return found


def _groups(sent: Sent, notes: list[str]) -> list[tuple[Resource, str]]:
    """The Groups that say who is wanted: those the study points to; failing these, those that came along."""
    types = {"Group", "EvidenceVariable"}
    found: list[tuple[Resource, str]] = []
    lost: list[str] = []
    has_words = set()
    for key, each in _references(sent.study):
        target = sent.find(sent.study, each)
        if target is not None and target[0].get("resourceType") in types:
            found.append(target)
        elif words(each.get("reference")):
            lost.append(f"`{key}` points to {words(each['reference'])}, which was not sent.")
            has_words.add(_shown(each) is not None)
    inner = {id(each[0]) for each in _referred(sent)}
    others = [each for each in sent.all(*types) if id(each[0]) not in inner]
    if lost and (found or len(has_words) > 1 or (others and has_words == {False})):
        # What is missing may exclude: the rest of the criteria would pass for all of them.
        raise UnusableStudy(f"{sent.pointer}{_wanting(sent.study)}", " ".join([*lost, "Send it along."]))
    notes += lost
    if lost:
        return []
    found = found or others
    kept: dict[str, tuple[Resource, str]] = {}
    for group, pointer in found:
        if (group.get("actual") is True or group.get("membership") == "enumerated") and group.get("member"):
            notes.append(f"{name_of(group)} lists participants; it was not read.")
            continue
        kept[pointer] = (group, pointer)
    return list(kept.values())


def _referred(sent: Sent) -> list[tuple[Resource, str]]:
    """Groups that are parts of others, or that are the participants of an arm or of the study."""
    study = sent.study
    arms = dicts(study.get("comparisonGroup"))
    pairs = [(study, each.get(key)) for each in arms for key in ("observedGroup", "eligibility")]
    pairs += [(study, each.get("actualGroup")) for each in dicts(study.get("recruitment"))]
    for group, _ in sent.all("Group", "EvidenceVariable"):
        pairs += [(group, each.get("valueReference")) for each in dicts(group.get("characteristic"))]
    found = (sent.find(container, each) for container, each in pairs if isinstance(each, dict))
    return [each for each in found if each is not None]


def _wanting(study: Resource) -> str:
    return "/enrollment" if study.get("enrollment") else "/recruitment"


def _one_population(sources: list[list[Line]], sent: Sent) -> None:
    """Several sources are one population only where each has a side of its own.

    Otherwise (one Group an arm, one a cohort) it is not said whether a patient must fit one or all of them.
    """
    seen: set[Kind] = set()
    for lines in sources:
        kinds = {each.kind for each in lines if not each.has_headings}
        kinds |= {side for each in lines if each.has_headings for side in sides_of(each.text, _side_of)}
        if kinds & seen:
            raise UnusableStudy(
                f"{sent.pointer}{_wanting(sent.study)}",
                f"{len(sources)} sources have criteria, and it is not said whether a patient must fit one of them or "
                "all. Send the study with one Group.",
            )
        seen |= kinds


def _displays(study: Resource) -> list[tuple[str, str]]:
    """Criteria that stand in the display of a reference: with headings, or on several lines."""
    return [(f"{key} (display)", text) for key, each in _references(study) if (text := _shown(each)) is not None]


def _shown(reference: Resource) -> str | None:
    display = reference.get("display")
    text = broken_at_headings(display) if isinstance(display, str) else ""
    return text if "\n" in text.strip() or sides_of(text, _side_of) else None


def _prose(sent: Sent) -> list[tuple[str, str]]:
    """Texts of the study and of its protocols that may have the criteria in them."""
    study = sent.study
    found = [(each, study.get(each)) for each in ("description", "descriptionSummary")]
    for objective in dicts(study.get("objective")):
        found += [("objective", objective.get(each)) for each in ("name", "description")]
    found += [("note", each.get("text")) for each in dicts(study.get("note"))]
    found += [(name_of(each), each.get("description")) for each, _ in sent.all("PlanDefinition", "Library")]
    return [(name, broken_at_headings(text)) for name, text in found if isinstance(text, str)]


def _described(text: str) -> Line:
    """A description as a line: by its headings where it has any."""
    text = broken_at_headings(text)
    if sides_of(text, _side_of):
        return Line(text.strip("\n"), Kind.INCLUSION, has_headings=True)
    doubt = (
        "It may speak of exclusions, and has no headings."
        if re.search(r"exclu|ineligib|not eligib", text, re.IGNORECASE)
        else ""
    )
    return Line(text.strip(), Kind.INCLUSION, doubt)


def _made_of(lines: list[Line], notes: tuple[str, ...]) -> _Made:
    """The text of these lines: inclusions, exclusions, then what has its own headings."""
    text = ""
    regions: list[_Region] = []
    for kind in Kind:
        own = [each for each in lines if each.kind is kind and not each.has_headings]
        if not own:
            continue
        text += f"\n{_TITLE[kind]}\n" if text else f"{_TITLE[kind]}\n"
        for line in own:
            start = len(text)
            text += "- " + line.text.replace("\n", "\n  ")
            text += "".join(f"\n  - {child}" for child in line.children)
            regions.append(_Region(start, len(text), line))
            text += "\n"
    for line in lines:
        if line.has_headings:
            text += "\n" if text else ""
            regions.append(_Region(len(text), len(text) + len(line.text), None))
            text += f"{line.text}\n"
    return _Made(text, tuple(regions), notes)


def _items(plain: str, made: _Made) -> tuple[list[Item], dict[int, str]]:
    """The items of the text, and the reason why some must not decide anything, by where these begin."""
    if made.as_page:
        return read_page(plain).items, {}
    items: list[Item] = []
    doubts: dict[int, str] = {}
    for region in made.regions:
        line = region.line
        if line is None:
            items += split_items(plain, region.start, region.end, None)
            continue
        begin = region.start + len("- ")
        if line.doubt:
            doubts[begin] = line.doubt
        whole = Item(line.kind, "", "bullet -", 0, begin, region.end)
        if line.children:
            whole.end = begin + len(line.text)
            at = whole.end
            for child in line.children:
                at += len("\n  - ")
                whole.children.append(Item(line.kind, "", "bullet -", 2, at, at + len(child)))
                at += len(child)
        found = [] if line.doubt or line.children else split_items(plain, region.start, region.end, line.kind)
        items += found if found and all(each.kind is line.kind for each in found) else [whole]
    return items, doubts


def _doubted(criterion: ReadCriterion, doubts: dict[int, str]) -> ReadCriterion:
    """The criterion, or where its words must not decide: the same words, not understood."""
    reason = doubts.get(criterion.span[0]) if criterion.span != (0, 0) else None
    if reason is None:
        return criterion
    if reason is NEGATED and criterion.reading in {Reading.JUDGEMENT, Reading.NOTE}:
        return criterion  # a person reads the words in their place
    unread = NotUnderstood(" ".join(criterion.text.split()), Quote(criterion.text, *criterion.span))
    return replace(criterion, reading=Reading.UNREAD, expression=unread, notes=(*criterion.notes, reason))


def _side_of(line: str) -> Kind | None:
    """The side that a line names as a heading: what follows it changes its side."""
    plain = normalise(line) + "\n- x"
    for kind, other in ((Kind.INCLUSION, Kind.EXCLUSION), (Kind.EXCLUSION, Kind.INCLUSION)):
        if split_items(plain, 0, len(plain), kind)[-1].kind is other:
            return other
    return None


# --- the study's own facts -------------------------------------------------------------------------------------------


def _registry_number(study: Resource) -> str | None:
    """The number of a register: ClinicalTrials.gov's first. A sponsor's own number is not one."""
    official_first = sorted(dicts(study.get("identifier")), key=lambda each: each.get("use") != "official")
    values = [words(each.get("value")) for each in official_first]
    numbers = [value for value in values if REGISTRY_ID.fullmatch(value)]
    return next((each for each in numbers if each.startswith("NCT")), numbers[0] if numbers else None)


def _title(study: Resource) -> str:
    labels = {concept_words(each.get("type")).lower(): words(each.get("value")) for each in dicts(study.get("label"))}
    labelled = next(filter(None, labels.values()), "")
    number = next(filter(None, (words(each.get("value")) for each in dicts(study.get("identifier")))), "")
    # Trials without a number are kept by their title: two without either must not be taken for one.
    nameless = f"Untitled trial {number or words(study.get('id'))}".strip()
    return words(study.get("title")) or labelled or words(study.get("name")) or nameless


def _status(study: Resource) -> str:
    """R4: `status`. R5, where `status` is that of the resource: the state of `progressStatus` that has not ended."""
    if not (_R5_ONLY & study.keys()):
        status = words(study.get("status"))
        return _R4_STATUS.get(status, status) or "unknown"
    found = "unknown"
    for each in dicts(study.get("progressStatus")):
        period = each.get("period")
        if each.get("actual") is False or (isinstance(period, dict) and period.get("end")):
            continue
        state = each.get("state")
        codes = [words(coding.get("code")) for each in dicts(state) for coding in dicts(each.get("coding"))]
        status = next(filter(None, codes), concept_words(state).lower().replace(" ", "-"))
        if status and status != "overall-study":
            found = _R5_STATUS.get(status, status)
    return found


def _phase(concept: object) -> str:
    """`2`, `1/2`, `early 1`; "" where there is none."""
    said = [concept_words(concept)]
    if isinstance(concept, dict):
        said += [words(each.get("code")) for each in dicts(concept.get("coding"))]
    for each in said:
        found = [
            f"{'early ' if match['early'] else ''}{_ROMAN.get(match['number'].lower(), match['number'])}"
            for match in _PHASE.finditer(each.replace("_", " "))
        ]
        if found:
            return "/".join(found)
    return ""


def _sponsor(sent: Sent) -> str:
    study = sent.study
    parties = [
        (each, each.get("party"), concept_words(each.get("role")).lower())
        for each in dicts(study.get("associatedParty"))
    ]
    sponsors = [(words(party.get("name")), reference) for party, reference, role in parties if "sponsor" in role]
    for name, reference in (("", study.get("sponsor")), *sponsors):
        if name:
            return name
        if isinstance(reference, dict):
            found = sent.find(study, reference)
            said = words(reference.get("display")) or (words(found[0].get("name")) if found else "")
            if said:
                return said
    return ""
