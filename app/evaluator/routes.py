"""By which routes a treatment was given: as the record says, else as the product's dose form says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.criteria.nodes import Route
from app.evaluator.truth import Truth, all_of, any_of

if TYPE_CHECKING:
    from app.evaluator.facts import Coded, Coding, TreatmentFact
    from app.knowledge.catalogue import Catalogue, Concept

# What a route is a kind of. Rectal is systemic or local, by the preparation: it is open. So is the peritoneum, from
# which much is absorbed.
_KINDS: dict[Route, frozenset[Route]] = {
    Route.SYSTEMIC: frozenset({Route.SYSTEMIC, Route.ORAL, Route.PARENTERAL, Route.INTRAVENOUS}),
    Route.PARENTERAL: frozenset({Route.PARENTERAL, Route.INTRAVENOUS}),
}
_OPEN: dict[Route, frozenset[Route]] = {
    Route.SYSTEMIC: frozenset({Route.RECTAL, Route.INTRAPERITONEAL, Route.OTHER}),
    Route.PARENTERAL: frozenset({Route.SYSTEMIC, Route.OTHER}),
    Route.INTRAVENOUS: frozenset({Route.PARENTERAL, Route.SYSTEMIC, Route.OTHER}),
    Route.ORAL: frozenset({Route.SYSTEMIC, Route.OTHER}),
}
_LOCAL_OPEN = frozenset({Route.OTHER})
_ROUTES = frozenset(each.value for each in Route)
_ATC_LEVELS = (7, 5, 4, 3)


def implied_routes(concept: Concept) -> tuple[Route, ...]:
    """A class that is systemic counts by systemic routes only: an inhaled corticosteroid is none of it."""
    return (Route.SYSTEMIC,) if concept.systemic else ()


def routes_of(fact: TreatmentFact, catalogue: Catalogue) -> tuple[Route | None, ...]:
    """Every route recorded (None where a record says one that nobody knows), else what its code says; empty where
    unknown.
    """
    if fact.routes:
        return tuple(_route(each, catalogue) for each in fact.routes)
    for coded in (fact.code, *fact.ingredients):
        for coding in coded.codings:
            named = _implied(coding, catalogue)
            if named is not None:
                known = catalogue.routes.get(named, named)
                return (Route(known),) if known in _ROUTES else (None,)
    return ()


def _implied(coding: Coding, catalogue: Catalogue) -> str | None:
    """The route by the dose form of a product, by all products of an ingredient, or by an ATC group that has one."""
    if coding.system == "atc":
        keys = (f"atc|{coding.code[:level]}" for level in _ATC_LEVELS)
        return next((catalogue.routes[each] for each in keys if each in catalogue.routes), None)
    if coding.system != "rxnorm":
        return None
    product = catalogue.products.get(coding.code)
    if product is not None and product.route is not None:
        return product.route
    drug = catalogue.drugs.get(coding.code)
    return drug.route if drug is not None else None


def by_route(routes: tuple[Route | None, ...], wanted: tuple[Route, ...], unwanted: tuple[Route, ...]) -> Truth:
    """Whether it was given by a route that counts, and by one that is not left out."""
    parts = []
    if wanted:
        parts.append(any_of(_is(each, one) for each in routes for one in wanted) if routes else Truth.UNKNOWN)
    if unwanted:
        left_out = all_of(any_of(_is(each, one) for one in unwanted) for each in routes) if routes else Truth.UNKNOWN
        parts.append({Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE, Truth.UNKNOWN: Truth.UNKNOWN}[left_out])
    return all_of(parts)


def _route(coded: Coded, catalogue: Catalogue) -> Route | None:
    """Codes first, then the words of a display or text: the catalogue has both."""
    keys = [f"{each.system}|{each.code}" for each in coded.codings]
    keys += [each.display.strip().lower() for each in coded.codings if each.display]
    keys.append(coded.text.strip().lower())
    for key in keys:
        found = catalogue.routes.get(key)
        if found is not None:
            return Route(found)
    return None


def _is(route: Route | None, wanted: Route) -> Truth:
    if route is None:
        return Truth.UNKNOWN
    if route in _KINDS.get(wanted, frozenset({wanted})):
        return Truth.TRUE
    return Truth.UNKNOWN if route in _OPEN.get(wanted, _LOCAL_OPEN) else Truth.FALSE
