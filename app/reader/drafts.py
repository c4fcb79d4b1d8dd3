"""Facts in the making: what a clause has said of each name so far, and the node it comes to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from app.criteria.nodes import (
    CURRENT,
    EVER,
    AllOf,
    AnyOf,
    ConfirmedBy,
    Criterion,
    Dose,
    Elapsed,
    Except,
    HadTreatment,
    HadVaccine,
    HasAllergy,
    HasCondition,
    If,
    Judgement,
    Not,
    NotUnderstood,
    Outcome,
    Quote,
    Reproductive,
    ReproductiveIs,
    ResultIs,
    Route,
    Timing,
    When,
)
from app.reader.tokens import NameKind

if TYPE_CHECKING:
    from app.criteria.time import Duration
    from app.knowledge.catalogue import Catalogue

REPRODUCTIVE = {"pregnancy": Reproductive.PREGNANT, "breastfeeding": Reproductive.BREASTFEEDING}


@dataclass(slots=True)
class Draft:
    """One fact of a clause; modifiers that follow it are added until it is made."""

    kind: NameKind | None
    id: str
    start: int
    end: int
    node: Criterion | None = None
    when: When | None = None
    lead: When | None = None
    degrees: list[str] = field(default_factory=list)
    suspected: bool = False
    other: bool = False
    excluding: list[Except] = field(default_factory=list)
    dose: Dose | None = None
    routes: tuple[Route, ...] = ()
    not_routes: tuple[Route, ...] = ()
    sites: tuple[str, ...] = ()
    intent: str | None = None
    planned: bool = False
    due_to: str | None = None
    defined_by: Criterion | None = None
    outcome: Outcome | None = None
    elapsed: Duration | None = None
    half_lives: int | None = None
    elapsed_if: tuple[Criterion, Duration] | None = None
    restricts: list[Criterion] = field(default_factory=list)
    negated: bool = False
    confirm: str | None = None
    adjective: bool = False
    degree_behind: bool = False  # said of this name alone, in brackets behind it
    said_before: Criterion | None = None  # of words not read: what may be said of the whole list
    timed: Timing | None = None  # what a word of its own says of when ("prior A")
    alternatives: list[Criterion | Draft] = field(default_factory=list)

    @property
    def is_treatment(self) -> bool:
        """A drug, a procedure or the like, of which it may be asked when it ended."""
        return self.kind is NameKind.TREATMENT

    @property
    def is_result(self) -> bool:
        """A measurement or a coded result: "and" between two of them means both."""
        return self.outcome is not None or (self.node is not None and self.kind in {NameKind.ANALYTE, NameKind.SCALE})


def make(draft: Draft, text: str, catalogue: Catalogue, study_disease: tuple[str, ...]) -> Criterion:
    """The node a finished draft comes to."""
    quote = Quote(text[draft.start : draft.end], draft.start, draft.end)
    node = draft.node if draft.node is not None else _fact(draft, quote, catalogue, study_disease)
    if draft.confirm is not None and draft.kind is NameKind.CONDITION:
        node = AllOf((node, ConfirmedBy(draft.id, draft.confirm, quote)), quote)
    if draft.restricts:
        node = AllOf((node, *draft.restricts), quote)
    if draft.alternatives:
        made: list[Criterion] = [node]
        for each in draft.alternatives:
            if isinstance(each, Draft):
                if each.when is None and each.lead is None:
                    each.when, each.lead = draft.when, draft.lead
                made.append(make(each, text, catalogue, study_disease))
            else:
                made.append(each)
        node = AnyOf(tuple(made), quote)
    return Not(node, quote) if draft.negated else node


def _fact(draft: Draft, quote: Quote, catalogue: Catalogue, study_disease: tuple[str, ...]) -> Criterion:
    degree = " ".join(draft.degrees) or None
    match draft.kind:
        case NameKind.CONDITION:
            return _condition(draft, quote, degree, catalogue, study_disease)
        case NameKind.TREATMENT:
            return _treatment(draft, quote, degree)
        case NameKind.ALLERGEN:
            ever = draft.lead is not None and draft.lead.timing is Timing.EVER
            return HasAllergy(draft.id, degree, ever, quote)
        case NameKind.VACCINE:
            return HadVaccine(draft.id, draft.when or EVER, tuple(draft.excluding), quote)
        case NameKind.ANALYTE if draft.outcome is not None:
            within = draft.when.duration if draft.when else None
            return ResultIs(draft.id, draft.outcome, within, quote)
        case _:
            msg = f"a draft of kind {draft.kind} has no node"
            raise AssertionError(msg)


def _condition(
    draft: Draft, quote: Quote, degree: str | None, catalogue: Catalogue, study_disease: tuple[str, ...]
) -> Criterion:
    if draft.id in REPRODUCTIVE:
        lasting = draft.when or draft.lead
        if degree or (lasting is not None and lasting.timing is not Timing.CURRENT):
            # "pregnancy within 6 months", "high-risk pregnancy": more than that she is pregnant now.
            return NotUnderstood(" ".join(quote.text.split()), quote)
        return ReproductiveIs(REPRODUCTIVE[draft.id], quote)
    concept = catalogue.concepts[draft.id]
    if draft.elapsed is not None:
        return Elapsed(HasCondition(draft.id, quote=quote), draft.elapsed, None, quote)
    node = HasCondition(
        concept=draft.id,
        when=draft.when or draft.lead or CURRENT,
        degree=degree,
        suspected=draft.suspected,
        other_than=study_disease if draft.other and concept.malignancy else (),
        excluding=tuple(draft.excluding),
        due_to=draft.due_to,
        defined_by=draft.defined_by,
        quote=quote,
    )
    if draft.outcome is None:
        return node
    results: tuple[Criterion, ...] = tuple(ResultIs(each, Outcome.POSITIVE, None, quote) for each in concept.results)
    if draft.outcome is Outcome.NEGATIVE:
        return Not(AnyOf((*results, node), quote), quote) if results else Not(node, quote)
    return AnyOf((*results, node), quote) if results else node


def _treatment(draft: Draft, quote: Quote, degree: str | None) -> Criterion:
    node = HadTreatment(
        concept=draft.id,
        when=draft.when or draft.lead or EVER,
        dose=draft.dose,
        degree=degree,
        routes=draft.routes,
        not_routes=draft.not_routes,
        sites=draft.sites,
        intent=draft.intent,
        planned=draft.planned,
        excluding=tuple(draft.excluding),
        quote=quote,
    )
    if draft.elapsed is None:
        return node
    timeless = replace(node, when=EVER)
    plain = Elapsed(timeless, draft.elapsed, draft.half_lives, quote)
    if draft.elapsed_if is None:
        return plain
    condition, longer = draft.elapsed_if
    return If(condition, Elapsed(timeless, longer, None, quote), plain, quote)


def question(text: str, quote: Quote) -> Judgement:
    """What to ask a person: the registration's own words."""
    return Judgement(" ".join(text.split()).strip(" ,;.:-"), quote)


def within(duration: Duration, *, closed: bool = True) -> When:
    """The window that ends at asOf."""
    return When(Timing.WITHIN, duration, closed)
