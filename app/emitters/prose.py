"""Plain words for a criterion, made from the expression alone: what a reader compares with the registration's text."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from app.criteria.nodes import (
    AgeIs,
    AllOf,
    AnyOf,
    AtLeast,
    ConfirmedBy,
    Elapsed,
    Except,
    GaveConsent,
    HadTreatment,
    HadVaccine,
    HasAllergy,
    HasCondition,
    If,
    InStudy,
    IsAlive,
    Judgement,
    Measured,
    Not,
    NotUnderstood,
    Pick,
    Preference,
    Reproductive,
    ReproductiveIs,
    ResultIs,
    Scored,
    SexIs,
    State,
    Timing,
)
from app.criteria.words import bounds_words, dose_words, range_words, when_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.criteria.nodes import Criterion, Logic, When
    from app.criteria.time import Duration
    from app.knowledge.catalogue import Catalogue

_LOGIC = AllOf | AnyOf | AtLeast | Not | If
_REPRODUCTIVE = {
    Reproductive.PREGNANT: "is pregnant",
    Reproductive.BREASTFEEDING: "is breastfeeding",
    Reproductive.CHILDBEARING: "is a woman of childbearing potential",
}
_STATES = {
    State.ANY: "",
    State.CURED: "that is cured",
    State.TREATED: "that is treated",
    State.STABLE: "that is stable",
}


def says(criterion: Criterion, catalogue: Catalogue) -> str:
    """The criterion in plain words. Brackets stand where the operator around a part would tear it apart."""
    match criterion:
        case AllOf() | AnyOf() | AtLeast() | Not() | If():
            return _logic(criterion, catalogue)
        case AgeIs(bounds):
            return f"age is {range_words((each.op, each.age.words()) for each in bounds)}"
        case SexIs(sex):
            return f"sex is {sex}"
        case HasCondition():
            return _condition(criterion, catalogue)
        case ConfirmedBy(concept, method):
            return f"{_name(concept, catalogue)} is confirmed by {method}"
        case HadTreatment():
            return _treatment(criterion, catalogue)
        case Elapsed():
            return _elapsed(criterion, catalogue)
        case HasAllergy(concept, degree, ever):
            has = "has or has had" if ever else "has"
            return f"{has} {f'a {degree} ' if degree else 'an '}allergy to {_name(concept, catalogue)}"
        case HadVaccine(concept, when, excluding):
            return _clause(("has had", when_words(when), _name(concept, catalogue)), _except(excluding, catalogue))
        case Measured():
            return _measured(criterion, catalogue)
        case ResultIs(analyte, outcome, within):
            return f"{_analyte(analyte, catalogue)} is {outcome}{_within(within)}"
        case Scored(scale, bounds, within):
            name = catalogue.scales[scale].name if scale in catalogue.scales else _plain(scale)
            return f"{name} is {range_words((each.op, each.value) for each in bounds)}{_within(within)}"
        case InStudy(when, of_treatment):
            verb = "takes part in" if when.timing is Timing.CURRENT else "has taken part in"
            study = "another clinical study of a treatment" if of_treatment else "another clinical study"
            return _clause((verb, study, when_words(when)), "")
        case ReproductiveIs(state):
            return _REPRODUCTIVE[state]
        case GaveConsent():
            return "has given research consent"
        case IsAlive():
            return "is alive"
        case Judgement(question):
            return f"a person answers yes to: {question}"
        case NotUnderstood(text):
            return f"not understood: “{text}”"
        case Preference(text):
            return f"binds nobody: “{text}”"
        case _:
            assert_never(criterion)


def _logic(node: Logic, catalogue: Catalogue) -> str:
    match node:
        case AllOf(parts):
            return _joined(parts, "and", catalogue)
        case AnyOf(parts):
            return _joined(parts, "or", catalogue)
        case AtLeast(count, parts):
            return f"at least {count} of: {'; '.join(says(each, catalogue) for each in parts)}"
        case Not(part):
            return f"not ({says(part, catalogue)})"
        case If(condition, then, otherwise):
            text = f"if ({says(condition, catalogue)}), then ({says(then, catalogue)})"
            return text if otherwise is None else f"{text}, otherwise ({says(otherwise, catalogue)})"
        case _:
            assert_never(node)


def _joined(parts: Sequence[Criterion], joint: str, catalogue: Catalogue) -> str:
    texts = [says(each, catalogue) for each in parts]
    if len(texts) == 1:
        return texts[0]
    return f" {joint} ".join(
        f"({text})" if isinstance(each, _LOGIC) and not isinstance(each, Not) else text
        for each, text in zip(parts, texts, strict=True)
    )


def _condition(node: HasCondition, catalogue: Catalogue) -> str:
    verb = {Timing.CURRENT: "has", Timing.EVER: "has or has had", Timing.WITHIN: "has had"}[node.when.timing]
    when = "" if node.when.timing is Timing.EVER else when_words(node.when)
    name = _name(node.concept, catalogue)
    what = f"{node.degree} {name}" if node.degree else name
    if node.suspected:
        what = f"known or suspected {what}"
    if node.other_than:
        what = f"{what} other than the disease under study"
    if node.due_to is not None:
        what = f"{what} caused by {_name(node.due_to, catalogue)}"
    if node.defined_by is not None:
        what = f"{what}, told by whether {says(node.defined_by, catalogue)}"
    head = f"{verb}, {when}, {what}" if when else f"{verb} {what}"
    return f"{head}{_except(node.excluding, catalogue)}"


def _treatment(node: HadTreatment, catalogue: Catalogue) -> str:
    name = _name(node.concept, catalogue)
    what = f"{node.degree} {name}" if node.degree else name
    if node.intent is not None:
        what = f"{node.intent} {what}"
    words = [what]
    if node.dose is not None:
        words.append(f"at a dose {dose_words(node.dose)}")
    if node.routes:
        words.append(f"by {' or '.join(node.routes)} route")
    if node.not_routes:
        words.append(f"not by {' or '.join(node.not_routes)} route")
    if node.sites:
        words.append(f"to {' or '.join(_name(each, catalogue) for each in node.sites)}")
    if node.reason is not None:
        words.append(f"for {_name(node.reason, catalogue)}")
    text = " ".join(words)
    if node.planned:
        return f"is planned to have {text}{_except(node.excluding, catalogue)}"
    verb = "is having" if node.when.timing is Timing.CURRENT else "has had"
    when = _treatment_when(node.when)
    head = f"{verb}, {when}, {text}" if when else f"{verb} {text}"
    return f"{head}{_except(node.excluding, catalogue)}"


def _treatment_when(when: When) -> str:
    return when_words(when) if when.timing is Timing.WITHIN else ""


def _elapsed(node: Elapsed, catalogue: Catalogue) -> str:
    treatment = node.treatment
    if isinstance(treatment, HadTreatment):
        what = _treatment(treatment, catalogue)
        for verb in ("has had ", "is having "):
            what = what.removeprefix(verb)
    else:
        what = _name(treatment.concept, catalogue)
    longer = f", or {node.half_lives} half-lives of the drug if that is longer," if node.half_lives else ""
    return f"at least {node.at_least.words()}{longer} have passed since the last {what}"


def _measured(node: Measured, catalogue: Catalogue) -> str:
    name = _analyte(node.analyte, catalogue)
    pick = "any " if node.pick is Pick.ANY else ""
    where = f" {_plain(node.circumstance)}" if node.circumstance else ""
    where = where.replace(" room air", " on room air").replace(" rest", " at rest")
    how = f" (by {_plain(node.formula).title()})" if node.formula else ""
    return f"{pick}{name}{where}{how} is {bounds_words(node.bounds)}{_within(node.within)}"


def _except(excluding: Sequence[Except], catalogue: Catalogue) -> str:
    if not excluding:
        return ""
    texts = []
    for each in excluding:
        text = " ".join(word for word in (_name(each.concept, catalogue), _STATES[each.state]) if word)
        if each.only is not None:
            text = f"{text} where {says(each.only, catalogue)}"
        texts.append(text)
    return f", except {' or '.join(texts)}"


def _within(within: Duration | None) -> str:
    return f" within {within.words()}" if within is not None else ""


def _clause(words: Sequence[str], tail: str) -> str:
    return f"{' '.join(word for word in words if word)}{tail}"


def _name(concept: str, catalogue: Catalogue) -> str:
    found = catalogue.concepts.get(concept)
    return found.name if found is not None else _plain(concept)


def _analyte(analyte: str, catalogue: Catalogue) -> str:
    found = catalogue.analytes.get(analyte)
    return found.name if found is not None else _plain(analyte)


def _plain(identifier: str) -> str:
    return identifier.replace("-", " ")
