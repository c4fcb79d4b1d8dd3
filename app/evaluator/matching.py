"""Whether a coding on a record (a site, a reason, a cause) is a concept of the catalogue. Never by words alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.evaluator.truth import Truth, any_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.evaluator.facts import Coded, Coding
    from app.knowledge.catalogue import Catalogue, CodeGroup, Concept


def is_concept(coded: Coded, concept: str, catalogue: Catalogue) -> Truth:
    """True where a coding is the concept, false where one is known as something else, unknown otherwise."""
    known = False
    for coding in _heard(coded, catalogue):
        placement = catalogue.index.place(coding.system, coding.code)
        if concept in placement.concepts:
            return Truth.TRUE
        if concept in placement.vague:
            return Truth.UNKNOWN
        known = known or placement.known
    return Truth.FALSE if known else Truth.UNKNOWN


def _heard(coded: Coded, catalogue: Catalogue) -> tuple[Coding, ...]:
    """The codings, without those that only a site's map explains where one of the others is known by itself."""
    own = tuple([each for each in coded.codings if not each.mapped])
    if len(own) < len(coded.codings) and any(catalogue.index.place(each.system, each.code).known for each in own):
        return own
    return coded.codings


def is_event(asked: Concept, coded: Coded, catalogue: Catalogue) -> bool:
    """Whether it happens at a moment: by the concept that is asked about, or by one of its kinds that the record is.

    A record that only hints at the concept (an infarction, of a thromboembolic event) is what its own concepts are.
    """
    if asked.event:
        return True
    kinds = catalogue.index.closure.get(asked.id, frozenset())
    placed = {each for coding in coded.codings for each in catalogue.index.place(coding.system, coding.code).concepts}
    return any(catalogue.concepts[each].event for each in placed & kinds or placed if each in catalogue.concepts)


def any_is(coded: Iterable[Coded], concepts: Iterable[str], catalogue: Catalogue) -> Truth:
    """Whether any of the codings is any of the concepts; unknown where there are none."""
    seen = [is_concept(each, concept, catalogue) for each in coded for concept in concepts]
    return any_of(seen) if seen else Truth.UNKNOWN


def has_code(coded: Coded, group: CodeGroup) -> bool:
    """Whether one of the codings is one of the codes of a group."""
    return any(each.code == one.code and each.system == one.system for each in coded.codings for one in group.codes)
