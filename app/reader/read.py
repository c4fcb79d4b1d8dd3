"""The front door of the reader: a registration in any of its forms → its criteria."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from app.criteria.nodes import (
    AgeBound,
    AgeIs,
    AllOf,
    AnyOf,
    Criterion,
    HadTreatment,
    HadVaccine,
    HasCondition,
    If,
    Judgement,
    Not,
    NotUnderstood,
    Op,
    Preference,
    Sex,
    SexIs,
    children,
)
from app.criteria.record import Design, Identifier, IdentifierUse, Organisation, RegistrationRecord
from app.reader.context import Context, blank_abbreviations, damage
from app.reader.layout import read_page
from app.reader.lists import adopt, read_item
from app.reader.normalise import normalise
from app.reader.phrases import phrases_of
from app.reader.quantities import tokenise
from app.reader.registration import Kind, ReadCriterion, Reading, Registration
from app.reader.tokens import NameKind, names_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.criteria.record import Population
    from app.knowledge.catalogue import Catalogue
    from app.reader.items import Item

# What names a malignancy, whether or not the catalogue has it.
_ONCOLOGY = re.compile(
    r"cancer|tumou?r|carcino|lymphom|leuk[ae]+mi|sarcom|myelom|melanom|neoplas|malignan|oncolog|blastom|gliom|"
    r"metasta|mesotheliom|myelodysplas",
    re.IGNORECASE,
)


def read_registration(text: str, catalogue: Catalogue) -> Registration:
    """A registry page as copied, in any layout; `text` is kept and the spans point into it."""
    page = read_page(normalise(text))
    criteria, notes = read_items(text, page.items, page.population, (*page.conditions, page.title), catalogue)
    record = RegistrationRecord(
        identifiers=(Identifier(page.id, IdentifierUse.REGISTRY),) if page.id else (),
        brief_title=page.title,
        status=page.status,
        design=Design(phases=tuple(page.phase.split("/")) if page.phase else ()),
        population=page.population,
        conditions=tuple(page.conditions),
        sponsor=Organisation(page.sponsor) if page.sponsor else None,
    )
    return Registration(page.id, record, text, criteria, (*page.notes, *notes))


def read_criteria_text(text: str, catalogue: Catalogue) -> tuple[ReadCriterion, ...]:
    """Criteria with or without the rest of the page."""
    return read_registration(text, catalogue).criteria


def read_items(
    text: str, items: list[Item], population: Population, about: tuple[str, ...], catalogue: Catalogue
) -> tuple[tuple[ReadCriterion, ...], tuple[str, ...]]:
    """The criteria of the items, those of the registration's fields before them, and notes on the whole.

    `about` is what the trial says it is about: its conditions and its title.
    """
    plain = normalise(text)
    context = Context(source=plain, text=blank_abbreviations(plain), catalogue=catalogue, phrases=phrases_of(catalogue))
    named = _diseases_in(about, context)
    context.is_oncology = bool(named)
    context.study_disease = named or ("malignant-neoplasm",)
    adopt(items, plain)
    inclusions = [item for item in items if item.kind is Kind.INCLUSION]
    exclusions = [item for item in items if item.kind is Kind.EXCLUSION]
    read = [_criterion(item, f"I{n}", context, text) for n, item in enumerate(inclusions, 1)]
    read = _perhaps_alternatives(inclusions, read)
    accepted = _accepted(read, catalogue)
    context.is_oncology = bool(accepted or named)
    context.study_disease = accepted or context.study_disease
    context.subjects = _subjects(about, read, context)
    said = " ".join((*about, *(text[item.start : item.stop] for item in inclusions)))
    context.in_no_malignancy = any(about) and not context.is_oncology and _ONCOLOGY.search(said) is None
    structured = _structured(population, read)
    read.extend(_criterion(item, f"E{n}", context, text) for n, item in enumerate(exclusions, 1))
    return (*structured, *read), ()


def _perhaps_alternatives(items: list[Item], read: list[ReadCriterion]) -> list[ReadCriterion]:
    """Several diagnoses in the list of one group may be alternatives: then none of them is certain to be required."""
    parts = Counter(
        item.part for item, each in zip(items, read, strict=True) if item.part and _is_diagnosis(each.expression)
    )
    result = []
    for item, each in zip(items, read, strict=True):
        node = each.expression
        if item.part is not None and parts[item.part] > 1 and isinstance(node, If) and _is_diagnosis(node):
            doubt = NotUnderstood("Is one of the listed things enough?", node.quote)
            either = replace(node, then=AnyOf((node.then, doubt), node.quote))
            result.append(replace(each, expression=either, reading=reading_of(either)))
        else:
            result.append(each)
    return result


def _is_diagnosis(node: Criterion) -> bool:
    match node:
        case If(_, then, None):
            return _is_diagnosis(then)
        case AllOf(parts) | AnyOf(parts):
            return bool(parts) and _is_diagnosis(parts[0])
        case _:
            return isinstance(node, HasCondition)


def _criterion(item: Item, identifier: str, context: Context, source: str) -> ReadCriterion:
    context.notes = []
    for each in damage(context.source[item.start : item.stop]):
        context.note(each)
    node = read_item(item, context, excludes=item.kind is Kind.EXCLUSION)
    reading = reading_of(node)
    return ReadCriterion(
        id=identifier,
        kind=item.kind,
        number=item.number,
        text=source[item.start : item.stop],
        span=(item.start, item.stop),
        reading=reading,
        expression=node,
        notes=tuple(context.notes),
    )


def reading_of(node: Criterion) -> Reading:
    """How far a node is computable: by the kinds of leaves it has, those of its exceptions too."""
    leaves = list(_leaves(node))
    if all(isinstance(leaf, Preference) for leaf in leaves):
        return Reading.NOTE
    people = [leaf for leaf in leaves if isinstance(leaf, Judgement | NotUnderstood)]
    if not people:
        return Reading.COMPUTABLE
    if len(people) < len(leaves):
        return Reading.PARTIAL
    return Reading.UNREAD if any(isinstance(leaf, NotUnderstood) for leaf in people) else Reading.JUDGEMENT


def _leaves(node: Criterion) -> Iterable[Criterion]:
    inner = children(node)
    if not inner:
        yield node
    if isinstance(node, HasCondition | HadTreatment | HadVaccine):
        inner = tuple(each.only for each in node.excluding if each.only)
    for each in inner:
        yield from _leaves(each)


def _diseases_in(about: tuple[str, ...], context: Context) -> tuple[str, ...]:
    """Malignancies that the trial's conditions and title name."""
    found: list[str] = []
    for text in about:
        for token in tokenise(text, 0, len(text), context.phrases):
            concept = names_of(token, NameKind.CONDITION).get(NameKind.CONDITION)
            if concept and _is_primary(concept, context.catalogue) and concept not in found:
                found.append(concept)
    return tuple(found)


def _subjects(about: tuple[str, ...], read: list[ReadCriterion], context: Context) -> tuple[str, ...]:
    """Every condition that the trial names as its subject, or asks for."""
    found = {
        names_of(token, NameKind.CONDITION)[NameKind.CONDITION]
        for text in about
        for token in tokenise(text, 0, len(text), context.phrases)
        if names_of(token, NameKind.CONDITION)
    }
    asked = (leaf for criterion in read for leaf in _required(criterion.expression))
    return tuple(sorted(found | {leaf.concept for leaf in asked if isinstance(leaf, HasCondition)}))


def _is_primary(concept: str, catalogue: Catalogue) -> bool:
    entry = catalogue.concepts[concept]
    return entry.malignancy and not entry.metastasis


def _accepted(read: list[ReadCriterion], catalogue: Catalogue) -> tuple[str, ...]:
    """Malignancies that the inclusion criteria ask for."""
    found: list[str] = []
    for criterion in read:
        for leaf in _required(criterion.expression):
            if isinstance(leaf, HasCondition) and _is_primary(leaf.concept, catalogue) and leaf.concept not in found:
                found.append(leaf.concept)
    return tuple(found)


def _required(node: Criterion) -> Iterable[Criterion]:
    if isinstance(node, Not | If):
        return
    inner = children(node)
    if not inner:
        yield node
    for each in inner:
        yield from _required(each)


def _structured(population: Population, read: list[ReadCriterion]) -> list[ReadCriterion]:
    """Criteria from the registration's fields, where its text does not say the same or stricter."""
    result: list[ReadCriterion] = []
    ages = [
        AgeBound(op, age)
        for op, age in ((Op.GE, population.minimum_age), (Op.LE, population.maximum_age))
        if age is not None
    ]
    said = [leaf for criterion in read for leaf in _required(criterion.expression)]
    missing = tuple(
        bound for bound in ages if not any(isinstance(leaf, AgeIs) and _covers(leaf, bound) for leaf in said)
    )
    if missing:
        words = "; ".join(
            f"{'Minimum' if bound.op is Op.GE else 'Maximum'} age: {bound.age.words()}" for bound in missing
        )
        result.append(_made("age", words, AgeIs(missing)))
    sex = population.sex
    if sex in {"female", "male"} and not any(isinstance(leaf, SexIs) for leaf in said):
        result.append(_made("sex", f"Sex: {sex}", SexIs(Sex(sex))))
    if population.healthy_volunteers is False and not any(isinstance(leaf, HasCondition) for leaf in said):
        asked = Judgement("Is the patient somebody with the condition under study (no healthy volunteer)?")
        result.append(_made("volunteers", "Accepts healthy volunteers: no", asked))
    return result


def _made(identifier: str, text: str, node: Criterion) -> ReadCriterion:
    return ReadCriterion(
        identifier, Kind.INCLUSION, "", text, (0, 0), reading_of(node), node, ("From the registration's own fields.",)
    )


def _covers(leaf: AgeIs, bound: AgeBound) -> bool:
    """The text's own age bound is the same as, or stricter than, the field's."""
    for own in leaf.bounds:
        if own.age.unit is not bound.age.unit:
            continue
        if bound.op is Op.GE and own.op in {Op.GE, Op.GT} and own.age.count >= bound.age.count:
            return True
        if bound.op is Op.LE and own.op in {Op.LE, Op.LT} and own.age.count <= bound.age.count:
            return True
    return False
