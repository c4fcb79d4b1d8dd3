"""A node in one line, so that a case can be read and written by hand."""

from __future__ import annotations

from app.criteria.nodes import (
    AgeIs,
    AllOf,
    AnyOf,
    AtLeast,
    ConfirmedBy,
    Criterion,
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
    Limit,
    Measured,
    NormalLimit,
    Not,
    NotUnderstood,
    Preference,
    Quantity,
    ReproductiveIs,
    ResultIs,
    Scored,
    SexIs,
    State,
    Timing,
    When,
)


def outline(node: Criterion) -> str:
    """`all(...)`, `any(...)`, `not(...)`, `if(c; then; else)`, and facts as `kind subject qualifiers`."""
    match node:
        case AllOf(parts):
            return f"all({'; '.join(map(outline, parts))})"
        case AnyOf(parts):
            return f"any({'; '.join(map(outline, parts))})"
        case AtLeast(count, parts):
            return f"at least {count}({'; '.join(map(outline, parts))})"
        case Not(part):
            return f"not({outline(part)})"
        case If(condition, then, otherwise):
            rest = "" if otherwise is None else f"; {outline(otherwise)}"
            return f"if({outline(condition)}; {outline(then)}{rest})"
        case AgeIs(bounds):
            return "age " + " ".join(f"{b.op.value} {b.age.words()}" for b in bounds)
        case SexIs(sex):
            return sex.value
        case HasCondition():
            return _words("condition", node.concept, _when(node.when), _condition(node))
        case HadTreatment():
            return _words("treatment", node.concept, _when(node.when), _treatment(node))
        case HadVaccine(concept, when, excluding):
            return _words("vaccine", concept, _when(when), _excepts(excluding))
        case HasAllergy(concept, degree, ever):
            return _words("allergy", concept, "ever" if ever else "", f"[{degree}]" if degree else "")
        case ConfirmedBy(concept, method):
            return f"confirmed {concept} by {method}"
        case Elapsed(treatment, at_least, half_lives):
            longer = f" or {half_lives} half-lives" if half_lives else ""
            return f"elapsed {at_least.words()}{longer} since {outline(treatment)}"
        case Measured():
            limits = " ".join(f"{b.op.value} {_limit(b.limit)}" for b in node.bounds)
            return _words(node.analyte, limits, _in(node.within), node.circumstance or "", node.formula or "")
        case ResultIs(analyte, outcome, within):
            return _words(analyte, outcome.value, _in(within))
        case Scored(scale, steps, within):
            return _words(scale, " ".join(f"{b.op.value} {b.value}" for b in steps), _in(within))
        case InStudy(when, of_treatment):
            return _words("in treatment study" if of_treatment else "in study", _when(when))
        case ReproductiveIs(state):
            return state.value
        case GaveConsent():
            return "consent"
        case IsAlive():
            return "alive"
        case Judgement():
            return "ask"
        case NotUnderstood():
            return "unread"
        case Preference():
            return "note"


def _condition(node: HasCondition) -> str:
    return _words(
        f"[{node.degree}]" if node.degree else "",
        "suspected" if node.suspected else "",
        f"other than {'/'.join(node.other_than)}" if node.other_than else "",
        f"due to {node.due_to}" if node.due_to else "",
        f"defined by {{{outline(node.defined_by)}}}" if node.defined_by else "",
        _excepts(node.excluding),
    )


def _treatment(node: HadTreatment) -> str:
    dose = node.dose
    return _words(
        f"[{node.degree}]" if node.degree else "",
        f"{dose.op.value} {_limit(dose.per_day)}{f' as {dose.equivalent}' if dose.equivalent else ''}" if dose else "",
        f"only {'/'.join(node.routes)}" if node.routes else "",
        f"never {'/'.join(node.not_routes)}" if node.not_routes else "",
        f"at {'/'.join(node.sites)}" if node.sites else "",
        node.intent or "",
        f"for {node.reason}" if node.reason else "",
        "planned" if node.planned else "",
        _excepts(node.excluding),
    )


def _excepts(excluding: tuple[Except, ...]) -> str:
    if not excluding:
        return ""
    return "except " + ", ".join(
        each.concept
        + ("" if each.state is State.ANY else f" {each.state.value}")
        + (f" only {{{outline(each.only)}}}" if each.only else "")
        for each in excluding
    )


def _when(when: When) -> str:
    if when.timing is not Timing.WITHIN or when.duration is None:
        return when.timing.value if when.timing is Timing.EVER else ""
    return f"within {when.duration.words()}{'' if when.closed else ' (open)'}"


def _in(duration: object) -> str:
    return f"within {duration.words()}" if duration else ""  # type: ignore[attr-defined]


def _limit(limit: Limit) -> str:
    match limit:
        case Quantity(value, unit):
            return f"{value} {unit}"
        case NormalLimit(end, factor, plus):
            return f"{factor} x {end.value}" + (f" + {plus.value} {plus.unit}" if plus else "")


def _words(*words: str) -> str:
    return " ".join(word for word in words if word)
