"""A FHIR ResearchStudy, alone or in a Bundle with its Groups → a registration whose text is read as pages are.

R4, R4B and R5 (and what R6 adds to Group) are told apart by their elements. Only text is read: of a code its display.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.criteria.record import Population
from app.reader.layout import Page, read_page
from app.reader.made_text import Line, MadeText, made_of
from app.reader.normalise import normalise
from app.reader.read import read_items
from app.reader.registration import Kind, Registration, UnusableStudy
from app.reader.split import split_items
from app.reader.study_carried import carried_criteria, carried_id
from app.reader.study_groups import GroupReader, broken_at_headings, description_of, plan_lines, sides_of
from app.reader.study_record import read_record, registry_number
from app.reader.study_sent import Resource, Sent, dicts, name_of, words

if TYPE_CHECKING:
    from app.knowledge.catalogue import Catalogue
    from app.reader.study_carried import Carried


def read_research_study(resource: Resource, catalogue: Catalogue) -> Registration:
    """A ResearchStudy, or a Bundle with one. Spans point into a text that is made of what it says (see `notes`).

    UnusableStudy where there is no study or several, or where a criterion does not say on which side it stands. No
    criteria at all is an empty tuple, as with pages.
    """
    sent = Sent(resource)
    carried = _carried(sent, catalogue)
    if carried is not None and carried.criteria:
        record = read_record(sent, Population())
        number = registry_number(sent.study) or carried_id(sent.study)
        return Registration(number, record, carried.text, carried.criteria, tuple(sent.notes()))
    found = _eligibility(sent)
    plain = normalise(found.made.text)
    record = read_record(sent, found.page.population if found.page else Population())
    items = found.page.items if found.page else found.made.items(plain)
    about = (*record.conditions, record.brief_title)
    criteria, notes = read_items(found.made.text, items, record.population, about, catalogue)
    broken = (carried.note,) if carried is not None else ()
    notes = (*dict.fromkeys((*broken, *found.notes, *sent.notes())), *notes)
    return Registration(registry_number(sent.study), record, found.made.text, found.made.told(criteria), notes)


def _carried(sent: Sent, catalogue: Catalogue) -> Carried | None:
    """What the one Group of the study carries of criteria that Eligo wrote; None where there is nothing of the kind."""
    groups = _groups(sent, [])
    return carried_criteria(groups[0][0], catalogue) if len(groups) == 1 else None


@dataclass(frozen=True, slots=True)
class _Made:
    """The text of the criteria. `page` where it is prose of the study, in which the criteria are a section."""

    made: MadeText
    notes: tuple[str, ...]
    page: Page | None = None


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
        return _Made(MadeText(text, ()), tuple(notes), read_page(normalise(text)))
    else:
        plans = [(plan, lines) for plan, _ in sent.all("PlanDefinition") if (lines := plan_lines(plan, _side_of))]
        notes += [f"The criteria are actions of {name_of(plan)}." for plan, _ in plans]
        sources = [lines for _, lines in plans]
    _one_population(sources, sent)
    return _Made(made_of([line for lines in sources for line in lines]), tuple(notes))


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


def _side_of(line: str) -> Kind | None:
    """The side that a line names as a heading: what follows it changes its side."""
    plain = normalise(line) + "\n- x"
    for kind, other in ((Kind.INCLUSION, Kind.EXCLUSION), (Kind.EXCLUSION, Kind.INCLUSION)):
        if split_items(plain, 0, len(plain), kind)[-1].kind is other:
            return other
    return None
