"""Sentences that speak of a group, beside those that speak of everybody.

"ALT must be ≤ 3 x ULN. For patients with liver metastases, ALT must be ≤ 5 x ULN": the second is no further requirement
but the limit that those patients have in place of the first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.criteria.nodes import AllOf, AnyOf, HasCondition, If, Measured, Not, SexIs, children

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.criteria.nodes import Criterion


def measured_in(node: Criterion) -> Iterator[Measured]:
    """Every measured value that a node speaks of."""
    if isinstance(node, Measured):
        yield node
    for each in children(node):
        yield from measured_in(each)


def in_place_of(before: Criterion, group: Criterion) -> Criterion | None:
    """`before` with the limits that a group has in place of its own; None where `group` is no such limit of it."""
    found = _limits_of(group)
    if found is None:
        return None
    condition, limits = found
    own = [node.analyte for node in measured_in(before)]
    # What an inclusion asks beside a limit is asked for itself; what an exclusion has beside one says whom it is for.
    for_all = {node.analyte for node in _for_everybody(before, beside=isinstance(group, If))}
    if not limits or any(own.count(analyte) != 1 or analyte not in for_all for analyte in limits):
        return None
    return _replaced(before, condition, limits)


def _for_everybody(node: Criterion, *, beside: bool) -> Iterator[Measured]:
    """The limits that are for nobody in particular; `beside`: also those that stand beside something else."""
    match node:
        case Measured():
            yield node
        case AnyOf(parts):
            for part in parts:
                yield from _for_everybody(part, beside=beside)
        case AllOf(parts) if beside or all(isinstance(part, Measured | AllOf | AnyOf) for part in parts):
            for part in parts:
                yield from _for_everybody(part, beside=beside)
        case _:
            return


def _limits_of(group: Criterion) -> tuple[Criterion, dict[str, Measured]] | None:
    match group:
        case If(condition, then, None):
            parts = then.parts if isinstance(then, AllOf) else (then,)
        case AllOf((HasCondition() | SexIs() | Not(HasCondition()) as condition, *rest)):
            inner = rest[0] if len(rest) == 1 else None
            parts = inner.parts if isinstance(inner, AllOf | AnyOf) else tuple(rest)
        case _:
            return None
    limits = {part.analyte: part for part in parts if isinstance(part, Measured)}
    return (condition, limits) if len(limits) == len(parts) else None


def _replaced(node: Criterion, condition: Criterion, limits: dict[str, Measured]) -> Criterion:
    match node:
        case Measured(analyte=analyte) if analyte in limits:
            return If(condition, limits[analyte], node, node.quote)
        case AllOf(parts) | AnyOf(parts):
            return replace(node, parts=tuple(_replaced(part, condition, limits) for part in parts))
        case _:
            return node
