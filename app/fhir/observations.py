"""Observations and their components become facts: a value, when, its reference ranges, and what it was read from."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from app.evaluator.facts import (
    CodedValue,
    FlagValue,
    NumberValue,
    ObservationFact,
    ReferenceRange,
    TextValue,
)
from app.fhir.datatypes import NO_BYTES
from app.fhir.values import NO_CODE, BadValue, read_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.criteria.time import DateSpan
    from app.evaluator.facts import Coded, Source, Value
    from app.fhir import resources
    from app.fhir.values import Values

USABLE = frozenset({"final", "amended", "corrected", "preliminary"})
STATUSES = USABLE | {"registered", "cancelled", "entered-in-error", "unknown"}
USABLE_REPORTS = frozenset({"final", "amended", "corrected", "appended", "preliminary"})
REPORT_STATUSES = USABLE_REPORTS | {"registered", "partial", "modified", "cancelled", "entered-in-error", "unknown"}


def read_observation(resource: resources.Observation, source: Source, values: Values) -> tuple[ObservationFact, ...]:
    """The Observation itself, then its components in order; each has the components beside it as companions.

    BadValue where an element that is read has no value of its type. An Observation that only holds components together
    (blood pressure) has no fact of its own.
    """
    when, when_path, instant = _when(resource, values)
    sites = values.all_coded([resource.body_site]) if resource.body_site is not None else ()
    method = values.coded(resource.method) if resource.method is not None else NO_CODE
    objects = _objects(resource, sites)
    whole = _Whole(source, when, when_path, instant, resource.status == "preliminary", sites, method, objects)
    components = resource.component
    if not components:
        return (_fact(resource, "Observation", whole, values),)
    paths = [f"Observation.component[{place}]" for place in range(len(components))]
    parts = [_fact(each, path, whole, values) for each, path in zip(components, paths, strict=True)]
    beside = tuple(
        structs.replace(part, companions=tuple(other for other in parts if other is not part)) for part in parts
    )
    own = _fact(resource, "Observation", whole, values, tuple(parts))
    return beside if own.value is None and not own.interpretation else (own, *beside)


class _Whole(NamedTuple):
    """What an Observation and its components have in common."""

    source: Source
    when: DateSpan | None
    when_path: str
    instant: str
    preliminary: bool
    sites: tuple[Coded, ...]
    method: Coded
    objects: tuple[str, ...]


def _fact(
    part: resources.Observation | resources.Component,
    path: str,
    whole: _Whole,
    values: Values,
    companions: tuple[ObservationFact, ...] = (),
) -> ObservationFact:
    if part.modifier_extension:
        raise BadValue(path, "modified by an extension that is not known")
    value, value_path = _value(part, path, values)
    source, when, when_path, instant, preliminary, sites, method, objects = whole
    return ObservationFact(
        source,
        values.term(part.code, path).coded,
        value,
        value_path,
        when,
        when_path,
        instant,
        preliminary,
        _ranges(part.reference_range, values, path) if part.reference_range is not None else (),
        values.all_coded(part.interpretation) if part.interpretation is not None else (),
        sites,
        method,
        objects,
        companions,
    )


def read_report(resource: resources.DiagnosticReport, source: Source, values: Values) -> tuple[ObservationFact, ...]:
    """One fact for each conclusion that is coded, or one without a value. BadValue as for Observations."""
    when, when_path, instant = _when_reported(resource, values)
    code = values.term(resource.code, "DiagnosticReport.code").coded
    concluded = values.all_coded(resource.conclusion_code or ())
    found: list[tuple[Value | None, str]] = [
        (CodedValue(each), f"DiagnosticReport.conclusionCode[{place}]") for place, each in enumerate(concluded)
    ]
    return tuple(
        ObservationFact(
            source, code, value, path, when, when_path, instant, resource.status == "preliminary",
            (), (), (), NO_CODE, (), (),
        )
        for value, path in found or [(None, "DiagnosticReport.code")]
    )  # fmt: skip


def order(fact: ObservationFact) -> tuple[bool, int, str, str, str]:
    """Oldest first, the undated before all; on the same day by the moment where a time is given, then by reference."""
    when = fact.when
    if when is None:
        return False, 0, "", fact.source.reference, fact.path
    last = when.latest or when.earliest
    return True, last.toordinal() if last else 0, fact.instant, fact.source.reference, fact.path


def _when(resource: resources.Observation, values: Values) -> tuple[DateSpan | None, str, str]:
    text = resource.effective_date_time
    if text is not None:
        return values.date(text, "Observation.effectiveDateTime"), "Observation.effectiveDateTime", values.instant(text)
    if resource.effective_instant is not None:
        text = resource.effective_instant
        return values.date(text, "Observation.effectiveInstant"), "Observation.effectiveInstant", values.instant(text)
    if resource.effective_period is not None:
        period = resource.effective_period
        span = values.within(period, "Observation.effectivePeriod")
        return span, "Observation.effectivePeriod", values.instant(period.end or period.start)
    if resource.issued is not None:
        text = resource.issued
        return values.date(text, "Observation.issued"), "Observation.issued", values.instant(text)
    return None, "", ""


def _when_reported(resource: resources.DiagnosticReport, values: Values) -> tuple[DateSpan | None, str, str]:
    if resource.effective_date_time is not None:
        path, text = "DiagnosticReport.effectiveDateTime", resource.effective_date_time
        return values.date(text, path), path, values.instant(text)
    if resource.effective_period is not None:
        period, path = resource.effective_period, "DiagnosticReport.effectivePeriod"
        return values.within(period, path), path, values.instant(period.end or period.start)
    if resource.issued is not None:
        path = "DiagnosticReport.issued"
        return values.date(resource.issued, path), path, values.instant(resource.issued)
    return None, "", ""


def _value(part: resources.Observation | resources.Component, path: str, values: Values) -> tuple[Value | None, str]:
    """The value and its FHIRPath. A value beside a dataAbsentReason, or two values, contradict themselves: BadValue."""
    value: Value | None = None
    name = ""
    given = 0
    if part.value_quantity is not None:
        given, name = 1, f"{path}.valueQuantity"
        value = values.number(part.value_quantity, name)
    if part.value_codeable_concept is not None:
        given, name = given + 1, f"{path}.valueCodeableConcept"
        coded = values.coded(part.value_codeable_concept)
        value = CodedValue(coded) if coded.codings or coded.text else None
    if part.value_string is not None:
        given, name, value = given + 1, f"{path}.valueString", TextValue(part.value_string)
    if part.value_boolean is not None:
        given, name, value = given + 1, f"{path}.valueBoolean", FlagValue(part.value_boolean)
    if part.value_integer is not NO_BYTES:
        whole = read_number(part.value_integer, path, ".valueInteger")
        if whole is not None:
            given, name, value = given + 1, f"{path}.valueInteger", NumberValue(whole, "", "1", "", "")
    if part.value_range is not None:
        given, name = given + 1, f"{path}.valueRange"
        value = values.range(part.value_range, name)
    if part.value_ratio is not None:
        given, name, value = given + 1, f"{path}.valueRatio", _ratio(part, path, values)
    if given > 1:
        raise BadValue(f"{path}.value[x]", "given more than once")
    if value is not None and part.data_absent_reason is not None:
        raise BadValue(path, "a value together with the reason why there is none")
    return value, name or path


def _ratio(part: resources.Observation | resources.Component, path: str, values: Values) -> Value | None:
    """Only a ratio to one is a number; a titre such as 1:128 is none."""
    ratio = part.value_ratio
    if ratio is None:
        return None
    number = values.number(ratio.numerator, f"{path}.valueRatio.numerator")
    below = values.number(ratio.denominator, f"{path}.valueRatio.denominator")
    if number is None or below is None or below.value != Decimal(1) or below.comparator:
        return None
    if (below.code or below.unit) not in {"", "1"}:
        return None
    return number


def _ranges(ranges: Sequence[resources.ReferenceRange] | None, values: Values, path: str) -> tuple[ReferenceRange, ...]:
    if not ranges:
        return ()
    found = []
    for place, each in enumerate(ranges):
        here = f"{path}.referenceRange[{place}]"
        if each.modifier_extension:
            raise BadValue(here, "modified by an extension that is not known")
        low, high = values.number(each.low, here, ".low"), values.number(each.high, here, ".high")
        if low is None and high is None:
            continue
        age = values.range(each.age, f"{here}.age") if each.age is not None else None
        found.append(
            ReferenceRange(
                low=low,
                high=high,
                type=values.coded(each.type) if each.type else NO_CODE,
                applies=values.all_coded(each.applies_to) if each.applies_to is not None else (),
                age_low=age.low if age else None,
                age_high=age.high if age else None,
            )
        )
    return tuple(found)


def _objects(resource: resources.Observation, sites: tuple[Coded, ...]) -> tuple[str, ...]:
    """What tells one lesion from another: the structure or diagnosis it is about, and its sites."""
    if resource.focus is None and resource.body_structure is None and not sites:
        return ()
    found = [each.reference for each in resource.focus or () if each.reference]
    if resource.body_structure is not None and resource.body_structure.reference:
        found.append(resource.body_structure.reference)
    for site in sites:
        found += [f"{each.system or each.uri}|{each.code}" for each in site.codings if each.code] or [site.text]
    return tuple(sorted(found))
