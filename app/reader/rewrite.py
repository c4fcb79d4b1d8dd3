"""Adding an exception to every treatment or vaccine of an expression that was read before it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.criteria.nodes import AllOf, AnyOf, HadTreatment, HadVaccine, children

if TYPE_CHECKING:
    from app.criteria.nodes import Criterion, Except, When
    from app.reader.context import Context


def rewrite_treatments(node: Criterion, exceptions: tuple[Except, ...], context: Context) -> Criterion | None:
    """The node with the exceptions on its treatments and vaccines; None where it has none, or where an exception would
    leave nothing of one of them.
    """
    if isinstance(node, HadTreatment | HadVaccine):
        if any(context.covers(each.concept, node.concept) for each in exceptions):
            return None
        return replace(node, excluding=tuple(dict.fromkeys((*node.excluding, *exceptions))))
    if isinstance(node, AllOf | AnyOf):
        parts = [rewrite_treatments(part, exceptions, context) for part in node.parts]
        if all(part is None for part in parts):
            return None
        kept = tuple(new if new is not None else old for new, old in zip(parts, node.parts, strict=True))
        return replace(node, parts=kept)
    return None


def window_of(node: Criterion) -> When | None:
    """When the first treatment of a node is asked for; None where it has none."""
    if isinstance(node, HadTreatment):
        return node.when
    return next((when for each in children(node) if (when := window_of(each)) is not None), None)


def in_window(node: Criterion, when: When) -> Criterion:
    """The node with every treatment asked for at `when`."""
    if isinstance(node, HadTreatment):
        return replace(node, when=when)
    if isinstance(node, AllOf | AnyOf):
        return replace(node, parts=tuple(in_window(part, when) for part in node.parts))
    return node
