"""FHIR data types, as far as Eligo reads them: typed structs; elements that are not named here are skipped unread.

R4, R4B and R5 stand in one struct, because what they name differently never collides. Strictly typed: a wrong JSON
type is an error of the resource. Numbers stay raw bytes until they are asked for, so that 1.50 is never anything but
1.50.
"""

from __future__ import annotations

import msgspec

Raw = msgspec.Raw
NO_BYTES = Raw()


class Shape(msgspec.Struct, gc=False, rename="camel", omit_defaults=True):
    """The base of everything here: names as FHIR writes them, and no part in reference cycles."""


class Coding(Shape):
    """Coding."""

    system: str | None = None
    code: str | None = None
    display: str | None = None


class CodeableConcept(Shape):
    """CodeableConcept."""

    coding: list[Coding] | None = None
    text: str | None = None


class Identifier(Shape):
    """Identifier."""

    system: str | None = None
    value: str | None = None


class Reference(Shape):
    """Reference; `identifier` is what a logical reference has."""

    reference: str | None = None
    identifier: Identifier | None = None
    display: str | None = None


class CodeableReference(Shape):
    """CodeableReference (R5), and the CodeableConcept that R4 has in its place: `coding` and `text`."""

    concept: CodeableConcept | None = None
    reference: Reference | None = None
    coding: list[Coding] | None = None
    text: str | None = None


class Period(Shape):
    """Period: both ends included."""

    start: str | None = None
    end: str | None = None


class Quantity(Shape):
    """Quantity, Age, Duration and SimpleQuantity."""

    value: Raw = NO_BYTES
    comparator: str | None = None
    unit: str | None = None
    system: str | None = None
    code: str | None = None


class Range(Shape):
    """Range."""

    low: Quantity | None = None
    high: Quantity | None = None


class Ratio(Shape):
    """Ratio."""

    numerator: Quantity | None = None
    denominator: Quantity | None = None


class Extension(Shape):
    """Extension, with the two values that any of ours has."""

    url: str | None = None
    value_codeable_concept: CodeableConcept | None = None
    value_reference: Reference | None = None


class Repeat(Shape):
    """Timing.repeat."""

    bounds_duration: Quantity | None = None
    bounds_range: Range | None = None
    bounds_period: Period | None = None
    count: Raw = NO_BYTES
    frequency: Raw = NO_BYTES
    frequency_max: Raw = NO_BYTES
    period: Raw = NO_BYTES
    period_max: Raw = NO_BYTES
    period_unit: str | None = None
    day_of_week: list[str] | None = None
    time_of_day: list[str] | None = None
    when: list[str] | None = None


class Timing(Shape):
    """Timing."""

    modifier_extension: list[Extension] | None = None
    event: list[str] | None = None
    repeat: Repeat | None = None
    code: CodeableConcept | None = None


class DoseAndRate(Shape):
    """Dosage.doseAndRate."""

    dose_quantity: Quantity | None = None
    dose_range: Range | None = None


class Dosage(Shape):
    """Dosage; `dose` is MedicationAdministration.dosage.dose. `as_needed` is R5's boolean, `as_needed_for` its
    reasons.
    """

    modifier_extension: list[Extension] | None = None
    text: str | None = None
    timing: Timing | None = None
    as_needed_boolean: bool | None = None
    as_needed_codeable_concept: CodeableConcept | None = None
    as_needed: bool | None = None
    as_needed_for: list[CodeableConcept] | None = None
    site: CodeableConcept | None = None
    route: CodeableConcept | None = None
    dose_and_rate: list[DoseAndRate] | None = None
    dose: Quantity | None = None
    max_dose_per_period: Ratio | list[Ratio] | None = None
