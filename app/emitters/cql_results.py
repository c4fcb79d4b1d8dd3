"""Measured values, qualitative results and scores become CQL."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from app.criteria.nodes import NormalEnd, NormalLimit, Outcome, Pick
from app.emitters.cql_gaps import GapKind
from app.emitters.cql_rules import cql_string
from app.knowledge.catalogue import Measure

if TYPE_CHECKING:
    from app.criteria.nodes import Bound, Measured, ResultIs, Scored
    from app.emitters.cql_nodes import Writer
    from app.knowledge.catalogue import Analyte

_DAWN = "@0001-01-01"
_RATIOS = frozenset({"1", "{INR}", "{ratio}"})
"""Units of what has none by nature."""


def measured(writer: Writer, node: Measured) -> str:
    """A measured value against its bounds: the latest, or any in the window."""
    analyte = writer.catalogue.analytes.get(node.analyte)
    if analyte is None:
        return writer.open(GapKind.NOT_IN_CATALOGUE)
    if analyte.formula is not None or node.formula is not None:
        return writer.open(GapKind.FORMULA)
    if analyte.objects:
        return writer.open(GapKind.OBJECTS)
    if node.circumstance is not None:
        return writer.open(GapKind.CIRCUMSTANCE)
    first = writer.since(node.within) if node.within is not None else None
    if node.within is not None and first is None:
        return writer.open(GapKind.DURATION)
    converts = analyte.molar_mass is not None or analyte.charge is not None
    if converts and not all(isinstance(each.limit, NormalLimit) for each in node.bounds):
        writer.gap(GapKind.MOLAR)
    if _is_viral_load(analyte):
        writer.gap(GapKind.VIRAL_LOAD)
    answer = "\n        and ".join(_bound(each, analyte) for each in node.bounds)
    results = writer.data.results(analyte)
    if node.pick is Pick.ANY:
        since = first or _DAWN
        return (
            f"Rules.AnyIn((Rules.Since({results}, {since}, AsOf)) Result\n"
            f"      return all Rules.IfWithin(Result, {since}, AsOf, {answer}))"
        )
    if first is not None:
        answer = f"Rules.IfSince(Result, {first}, {answer})"
    return f"Rules.Unanimous((Rules.LatestOf({results}, AsOf)) Result\n      return all {answer})"


def _bound(bound: Bound, analyte: Analyte) -> str:
    unitless = _bool(analyte.unit in _RATIOS)
    limit, op = bound.limit, cql_string(bound.op.value)
    if isinstance(limit, NormalLimit):
        plus, unit = (limit.plus.value, limit.plus.unit) if limit.plus is not None else (Decimal(0), "1")
        upper = _bool(limit.end is NormalEnd.UPPER)
        return f"Rules.IsNormal(Result, {op}, {upper}, {limit.factor:f}, {plus:f}, {cql_string(unit)}, {unitless})"
    unit = "1" if analyte.unit in _RATIOS and limit.unit in _RATIOS else limit.unit
    return f"Rules.Is(Result, {op}, {limit.value:f}, {cql_string(unit)}, {unitless})"


def result(writer: Writer, node: ResultIs) -> str:
    """What a qualitative test says."""
    analyte = writer.catalogue.analytes.get(node.analyte)
    if analyte is None:
        return writer.open(GapKind.NOT_IN_CATALOGUE)
    if analyte.id in {"pathology-report", "cytology-report"}:
        return writer.open(GapKind.REPORT)
    if analyte.words:
        return writer.open(GapKind.GRADED)
    first = writer.since(node.within) if node.within is not None else None
    if node.within is not None and first is None:
        return writer.open(GapKind.DURATION)
    answer = is_positive(analyte) if node.outcome is Outcome.POSITIVE else f"not {is_positive(analyte)}"
    if first is not None:
        answer = f"Rules.IfSince(Result, {first}, {answer})"
    return f"Rules.Unanimous((Rules.LatestOf({writer.data.results(analyte)}, AsOf)) Result\n      return all {answer})"


def is_positive(analyte: Analyte) -> str:
    """Whether a result is positive; open where its grades mean something of their own."""
    if analyte.words:
        return "null as Boolean"
    is_count = analyte.measure is Measure.QUANTITY and _is_viral_load(analyte)
    return f"Rules.IsPositive(Result, {_bool(is_count)})"


def _is_viral_load(analyte: Analyte) -> bool:
    return any("viral load" in each.display for each in analyte.codes)


def scored(writer: Writer, node: Scored) -> str:
    """The place of the latest value on its scale."""
    scale = writer.catalogue.scales.get(node.scale)
    if scale is None or any(scale.rank(each.value) is None for each in node.bounds):
        return writer.open(GapKind.NOT_IN_CATALOGUE)
    first = writer.since(node.within) if node.within is not None else None
    if node.within is not None and first is None:
        return writer.open(GapKind.DURATION)
    codes, words = writer.data.ranks(scale)
    rank = f"Rules.RankOf(Result, {codes}, {words})"
    answer = " and ".join(f"{rank} {each.op} {scale.rank(each.value)}" for each in node.bounds)
    if first is not None:
        answer = f"Rules.IfSince(Result, {first}, {answer})"
    return f"Rules.Unanimous((Rules.LatestOf({writer.data.results(scale)}, AsOf)) Result\n      return all {answer})"


def _bool(value: object) -> str:
    return "true" if value else "false"
