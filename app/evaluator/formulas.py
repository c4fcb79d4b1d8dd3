"""Values that are computed where nobody reported them: each formula with its source, each input in the evidence."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING

import msgspec

from app.criteria.time import TimeUnit, before, completed
from app.evaluator.facts import Coded, NumberValue, ObservationFact
from app.evaluator.picks import latest
from app.evaluator.quantities import Unreadable, convert, read_interval
from app.evaluator.verdict import Evidence, Role
from app.evaluator.wording import first_coding, value_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.evaluator.case import Case
    from app.knowledge.catalogue import Analyte

_DIGITS = 40
_NOTHING = Coded()


class Input(msgspec.Struct, frozen=True, gc=False):
    """One exact input, in the unit its formula wants."""

    value: Fraction
    fact: ObservationFact


def computed(case: Case, analyte: Analyte) -> tuple[ObservationFact, tuple[Evidence, ...]] | None:
    """The value as if it had been observed, and the evidence of its inputs; None where an input is missing or
    inexact.
    """
    formula = _FORMULAS.get(analyte.formula or "")
    if formula is None or not case.chart.observations(analyte.inputs[0]):
        return None
    return formula(case)


def _input(case: Case, analyte: str, unit: str) -> Input | None:
    """The latest exact value; None where there is none or the latest ones differ."""
    entry = case.catalogue.analytes.get(analyte)
    if entry is None:
        return None
    found: Input | None = None
    for fact in latest(case.chart.observations(analyte), case.as_of):
        interval = read_interval(fact.value, entry, case.catalogue)
        if isinstance(interval, Unreadable):
            return None
        there = convert(interval, unit, entry, case.catalogue)
        if isinstance(there, Unreadable) or there.low is None or there.low != there.high:
            return None
        if found is not None and found.value != there.low:
            return None
        found = found or Input(there.low, fact)
    return found


def cockcroft_gault(case: Case) -> tuple[ObservationFact, tuple[Evidence, ...]] | None:
    """Creatinine clearance in mL/min: (140 - age) x weight / (72 x creatinine), in women x 0.85.

    Age in years, weight in kg, creatinine in mg/dL. Cockcroft DW, Gault MH. Prediction of creatinine clearance from
    serum
    creatinine. Nephron 1976;16(1):31-41. The weight may be at most `weight_max_older` older than the creatinine.
    """
    patient = case.chart.patient
    creatinine = _input(case, "creatinine", "mg/dL")
    weight = _input(case, "body-weight", "kg")
    birth = case.birth
    if creatinine is None or weight is None or patient.gender not in {"male", "female"}:
        return None
    if birth is None or birth.earliest is None or birth.earliest != birth.latest or not creatinine.value:
        return None
    measured, weighed = creatinine.fact.when, weight.fact.when
    if measured is None or weighed is None or measured.latest is None or weighed.earliest is None:
        return None
    if weighed.earliest < before(measured.latest, case.settings.weight_max_older):
        return None
    age = completed(birth.earliest, case.as_of, TimeUnit.YEAR)
    clearance = (140 - age) * weight.value / (72 * creatinine.value)
    if patient.gender == "female":
        clearance *= Fraction(85, 100)
    inputs = (
        *_cited(creatinine, weight),
        Evidence(patient.source.reference, Role.CONSIDERED, "Patient.birthDate", f"{age} years", birth.text),
        Evidence(patient.source.reference, Role.CONSIDERED, "Patient.gender", patient.gender, ""),
    )
    return _observed(creatinine, clearance, "mL/min", "computed by Cockcroft-Gault"), inputs


def qtc_fridericia(case: Case) -> tuple[ObservationFact, tuple[Evidence, ...]] | None:
    """QT / cube root of RR (RR = 60 / heart rate, in seconds). Fridericia LS. Acta Med Scand 1920;53:469-486."""
    return _qtc(case, 3, "computed by Fridericia")


def qtc_bazett(case: Case) -> tuple[ObservationFact, tuple[Evidence, ...]] | None:
    """QT / square root of RR (RR = 60 / heart rate, in seconds). Bazett HC. Heart 1920;7:353-370."""
    return _qtc(case, 2, "computed by Bazett")


def _qtc(case: Case, root: int, how: str) -> tuple[ObservationFact, tuple[Evidence, ...]] | None:
    qt = _input(case, "qt-interval", "ms")
    rate = _input(case, "heart-rate", "/min")
    if qt is None or rate is None or rate.value <= 0 or not _same_day(qt, rate):
        return None
    return _observed(qt, qt.value / _root(60 / rate.value, root), "ms", how), _cited(qt, rate)


def bmi(case: Case) -> tuple[ObservationFact, tuple[Evidence, ...]] | None:
    """Weight (kg) / height (m) squared. Keys A et al. J Chronic Dis 1972;25:329-343."""
    weight, height = _input(case, "body-weight", "kg"), _input(case, "body-height", "m")
    if weight is None or height is None or height.value <= 0:
        return None
    return _observed(weight, weight.value / height.value**2, "kg/m2", "computed"), _cited(weight, height)


def bsa_mosteller(case: Case) -> tuple[ObservationFact, tuple[Evidence, ...]] | None:
    """Square root of height (cm) x weight (kg) / 3600, in m2. Mosteller RD. N Engl J Med 1987;317:1098."""
    weight, height = _input(case, "body-weight", "kg"), _input(case, "body-height", "cm")
    if weight is None or height is None or height.value <= 0:
        return None
    area = _root(height.value * weight.value / 3600, 2)
    return _observed(weight, area, "m2", "computed by Mosteller"), _cited(weight, height)


def corrected_calcium(case: Case) -> tuple[ObservationFact, tuple[Evidence, ...]] | None:
    """Calcium (mg/dL) + 0.8 x (4 - albumin in g/dL). Payne RB et al. Br Med J 1973;4:643-646, in the usual US units."""
    calcium, albumin = _input(case, "calcium", "mg/dL"), _input(case, "albumin", "g/dL")
    if calcium is None or albumin is None or not _same_day(calcium, albumin):
        return None
    value = calcium.value + Fraction(8, 10) * (4 - albumin.value)
    return _observed(calcium, value, "mg/dL", "corrected for albumin"), _cited(calcium, albumin)


_FORMULAS: dict[str, Callable[[Case], tuple[ObservationFact, tuple[Evidence, ...]] | None]] = {
    "cockcroft-gault": cockcroft_gault,
    "qtc-fridericia": qtc_fridericia,
    "qtc-bazett": qtc_bazett,
    "bmi": bmi,
    "bsa-mosteller": bsa_mosteller,
    "corrected-calcium": corrected_calcium,
}


def _same_day(one: Input, other: Input) -> bool:
    return one.fact.when is not None and other.fact.when is not None and one.fact.when.latest == other.fact.when.latest


def _root(number: Fraction, degree: int) -> Fraction:
    """The root to 40 digits; exact where it has so few."""
    with localcontext() as context:
        context.prec = _DIGITS + 10
        value = Decimal(number.numerator) / Decimal(number.denominator)
        root = value ** (Decimal(1) / Decimal(degree)) if degree > 2 else value.sqrt()
        rounded = Fraction(root.quantize(Decimal(1).scaleb(-_DIGITS)))
        short = Fraction(root.quantize(Decimal(1).scaleb(-12)))
    return short if short**degree == number else rounded


def _cited(*inputs: Input) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            each.fact.source.reference, Role.CONSIDERED, each.fact.path, value_text(each.fact.value),
            each.fact.when.text if each.fact.when is not None else "", first_coding(each.fact.code),
        )
        for each in inputs
    )  # fmt: skip


def _observed(main: Input, value: Fraction, unit: str, how: str) -> ObservationFact:
    """A fact that stands where the main input stands; its number is a decimal of 28 digits at most."""
    number = _decimal(value)
    fact = main.fact
    return ObservationFact(
        source=fact.source, code=Coded((), how), value=NumberValue(number, "", unit, unit, ""), path=fact.path,
        when=fact.when, when_path=fact.when_path, instant=fact.instant, preliminary=fact.preliminary, ranges=(),
        interpretation=(), sites=(), method=_NOTHING, objects=(), companions=(),
    )  # fmt: skip


def _decimal(value: Fraction) -> Decimal:
    with localcontext() as context:
        context.prec = _DIGITS
        return Decimal(value.numerator) / Decimal(value.denominator)
