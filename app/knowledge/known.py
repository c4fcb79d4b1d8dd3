"""Whether the catalogue has what a criterion names: what a person who writes criteria is told where it has not."""

from __future__ import annotations

from difflib import get_close_matches
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from app.criteria import nodes
from app.criteria.codec import CodecProblem, places
from app.knowledge.catalogue import Family, Kind, Measure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.criteria.nodes import Criterion
    from app.knowledge.catalogue import Analyte, Catalogue, Concept, Scale

_CONCEPTS: tuple[tuple[type, str, Kind | None], ...] = (
    (nodes.HasCondition, "concept", Kind.CONDITION),
    (nodes.HasCondition, "other_than", Kind.CONDITION),
    (nodes.HasCondition, "due_to", Kind.CONDITION),
    (nodes.ConfirmedBy, "concept", Kind.CONDITION),
    (nodes.HadTreatment, "concept", Kind.TREATMENT),
    (nodes.HadTreatment, "sites", Kind.SITE),
    (nodes.HadTreatment, "reason", Kind.CONDITION),
    (nodes.Dose, "equivalent", Kind.TREATMENT),
    (nodes.HasAllergy, "concept", Kind.ALLERGEN),
    (nodes.HadVaccine, "concept", Kind.VACCINE),
    (nodes.Except, "concept", None),
)
"""Which field of what names a concept, and of which kind (None: of any)."""
_KEYS = {"other_than": "otherThan", "due_to": "dueTo"}
_NEAR = 5
_LONGEST = 60


def unknown_names(criterion: Criterion, catalogue: Catalogue) -> Iterator[CodecProblem]:
    """What the criterion names and the catalogue does not have, with names near to it; in document order.

    One after the other: to look for what is near takes some hundredths of a second.
    """
    for pointer, each in places(criterion):
        yield from _of(pointer, each, catalogue)


def _of(pointer: str, each: Any, catalogue: Catalogue) -> Iterator[CodecProblem]:
    for cls, field, kind in _CONCEPTS:
        if isinstance(each, cls):
            value = getattr(each, field)
            key = f"{pointer}/{_KEYS.get(field, field)}"
            given = enumerate(value) if isinstance(value, tuple) else ((None, value),)
            for place, name in given:
                if name is not None:
                    yield from _concept(key if place is None else f"{key}/{place}", name, kind, catalogue)
    match each:
        case nodes.Measured(analyte=name):
            yield from _measured(pointer, each, name, catalogue)
        case nodes.ResultIs(analyte=name) if name not in catalogue.analytes:
            yield _unknown(f"{pointer}/analyte", "analyte", name, catalogue.analytes)
        case nodes.Scored(scale=name, bounds=bounds):
            scale = catalogue.scales.get(name)
            if scale is None:
                yield _unknown(f"{pointer}/scale", "scale", name, catalogue.scales)
                return
            for place, bound in enumerate(bounds):
                if scale.rank(bound.value) is None:
                    yield CodecProblem(
                        f"{pointer}/bounds/{place}/value",
                        f"{scale.name} has no value {_short(bound.value)}.",
                        f"Use one of: {', '.join(one.value for one in scale.values)}.",
                    )
        case _:
            pass


def _concept(pointer: str, name: str, kind: Kind | None, catalogue: Catalogue) -> Iterator[CodecProblem]:
    found = catalogue.concepts.get(name)
    among = {key: each for key, each in catalogue.concepts.items() if kind is None or each.kind is kind}
    what = "concept" if kind is None else f"concept of kind {kind.value}"
    if found is None:
        yield _unknown(pointer, what, name, among)
    elif kind is not None and found.kind is not kind and not (kind is Kind.ALLERGEN and _is_drug(found)):
        yield CodecProblem(
            pointer,
            f"{_short(name)} is of kind {found.kind.value}, and a {kind.value} is asked for here.",
            f"{_near(name, among)} Or use the node that fits {_short(name)}.",
        )


def _is_drug(concept: Concept) -> bool:
    """A drug or a class of drugs may be an allergen."""
    return concept.kind is Kind.TREATMENT and concept.families == (Family.MEDICATION,)


def _measured(pointer: str, node: nodes.Measured, name: str, catalogue: Catalogue) -> Iterator[CodecProblem]:
    analyte = catalogue.analytes.get(name)
    measured = {key: each for key, each in catalogue.analytes.items() if each.measure is Measure.QUANTITY}
    if analyte is None:
        yield _unknown(f"{pointer}/analyte", "analyte", name, measured)
        return
    if analyte.measure is not Measure.QUANTITY:
        yield CodecProblem(
            f"{pointer}/analyte",
            f"{_short(name)} has no quantity: its results are positive or negative.",
            f"Use result-is. {_near(name, measured)}",
        )
        return
    if node.formula is not None and node.formula != analyte.formula:
        has = f"Its formula is {analyte.formula!r}." if analyte.formula else "Leave the formula out: it has none."
        yield CodecProblem(f"{pointer}/formula", f"{_short(name)} is not computed by {_short(node.formula)}.", has)
    for place, bound in enumerate(node.bounds):
        plain = isinstance(bound.limit, nodes.Quantity)
        quantity = bound.limit if isinstance(bound.limit, nodes.Quantity) else bound.limit.plus
        if quantity is not None and not is_comparable(quantity.unit, analyte, catalogue):
            yield CodecProblem(
                f"{pointer}/bounds/{place}/limit{'' if plain else '/plus'}/unit",
                f"A value in {_short(quantity.unit)} cannot be compared with {analyte.name}.",
                f"Give the UCUM code of a unit that converts to {analyte.unit}.",
            )


def is_comparable(unit: str, analyte: Analyte, catalogue: Catalogue) -> bool:
    """Values of the analyte may come in a unit that a limit in `unit` can be compared with."""
    if "{cop" in unit:  # copies and international units do not convert, and tests are reported in either
        return "{cop" in analyte.unit or "[IU]" in analyte.unit
    # Without a molar mass grams and moles do not convert, but laboratories report both: values meet a limit in either.
    mass = analyte.molar_mass or Fraction(1)
    return unit == analyte.unit or catalogue.units.comparable(
        unit, analyte.unit, molar_mass=mass, charge=analyte.charge, enzyme=analyte.enzyme
    )


def _unknown(
    pointer: str, what: str, name: str, among: Mapping[str, Concept] | Mapping[str, Analyte] | Mapping[str, Scale]
) -> CodecProblem:
    return CodecProblem(pointer, f"The catalogue has no {what} {_short(name)}.", _near(name, among))


def _near(name: str, among: Mapping[str, Concept] | Mapping[str, Analyte] | Mapping[str, Scale]) -> str:
    """Ids that are near to the name by themselves or by one of their names."""
    wanted = name[:_LONGEST].casefold().replace("_", "-").replace(" ", "-")
    spelt: dict[str, str] = {}
    for key, each in among.items():
        for one in (*each.names, each.name, key):
            spelt[one.casefold().replace(" ", "-")] = key
    close = [spelt[each] for each in get_close_matches(wanted, spelt, n=_NEAR * 2, cutoff=0.6)]
    inside = [
        key for one, key in spelt.items() if len(wanted) > 2 and (wanted in one or (len(one) > 3 and one in wanted))
    ]
    found = list(dict.fromkeys((*close, *inside)))[:_NEAR]
    return (
        f"Near to it: {', '.join(found)}."
        if found
        else "Nothing near to it is known; `eligo read` shows what words become."
    )


def _short(name: str) -> str:
    return repr(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}...")
