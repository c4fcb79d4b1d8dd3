"""Elements become values: dates to spans, numbers to exact decimals, codings to `Coded`; what cannot be read is told.

One `Values` serves one chart and remembers what it has read, for a record repeats its dates and codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from app.criteria.time import DateSpan, Duration, TimeUnit, after, read_date
from app.evaluator.facts import Amount, Coded, Coding, NumberValue, RangeValue
from app.fhir.datatypes import CodeableConcept

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.fhir import datatypes as fhir
    from app.fhir.terms import Term, Vocabulary

NO_CODE = Coded()

# No quantity in a record is larger or finer than this. The bound keeps 1E+999999 from becoming a number of a million
# digits in the first sum that it meets.
_MAX_EXPONENT = 30
_MAX_DIGITS = 60

_UNITS = {
    "h": TimeUnit.HOUR,
    "d": TimeUnit.DAY,
    "wk": TimeUnit.WEEK,
    "mo": TimeUnit.MONTH,
    "a": TimeUnit.YEAR,
    "hour": TimeUnit.HOUR,
    "hours": TimeUnit.HOUR,
    "day": TimeUnit.DAY,
    "days": TimeUnit.DAY,
    "week": TimeUnit.WEEK,
    "weeks": TimeUnit.WEEK,
    "month": TimeUnit.MONTH,
    "months": TimeUnit.MONTH,
    "year": TimeUnit.YEAR,
    "years": TimeUnit.YEAR,
}  # fmt: skip
_CONCEPT = msgspec.json.Decoder(CodeableConcept)
_ONE_DAY = timedelta(days=1)
_MOMENT = len("2026-11-22T00:00:00.000000")
_SNOMED_URI = "http://snomed.info/sct"


class BadValue(Exception):
    """An element whose value is none of its type: the resource does not count. `path` and `text` say which and what."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(f"{path} is {text}")
        self.path = path
        self.text = text


def read_number(raw: fhir.Raw, path: str, child: str = "") -> Decimal | None:
    """A JSON number exactly as written; None where there is none. BadValue for anything else or beyond all measure."""
    text = bytes(raw)
    if not text or text == b"null":
        return None
    if text[0] not in b"-0123456789":
        raise BadValue(path + child, f"{text[:40].decode(errors='replace')}, which is no number")
    if len(text) > _MAX_DIGITS:
        raise BadValue(path + child, "a number too long to be a measurement")
    number = Decimal(text.decode())
    if abs(number.adjusted()) > _MAX_EXPONENT:
        raise BadValue(path + child, "a number too large or too small to be a measurement")
    return number


def read_duration(quantity: fhir.Quantity | None, path: str) -> Duration | None:
    """A length of time; None where there is none, or its unit is none of time, or the number is no length."""
    if quantity is None:
        return None
    count = read_number(quantity.value, f"{path}.value")
    unit = _UNITS.get(quantity.code or "") or _UNITS.get((quantity.unit or "").lower())
    if count is None or unit is None or quantity.comparator:
        return None
    try:
        return Duration(count, unit)
    except ValueError:
        return None


def last_day(start: DateSpan | None, length: Duration | None) -> DateSpan | None:
    """The last of the days that something of this length takes when it starts then: 30 days from the 1st end on the
    30th.
    """
    if start is None or length is None or length.count == 0:
        return None
    try:
        earliest = after(start.earliest, length) - _ONE_DAY if start.earliest else None
        latest = after(start.latest, length) - _ONE_DAY if start.latest else None
    except (ValueError, OverflowError):
        return None
    if length.unit is TimeUnit.HOUR:  # a day that was only begun counts
        earliest, latest = _not_before(earliest, start.earliest), _not_before(latest, start.latest)
    return DateSpan(earliest, latest, f"{start.text} + {length.words()}")


def _not_before(day: date | None, other: date | None) -> date | None:
    return other if day is not None and other is not None and day < other else day


def earliest_of(spans: Iterable[DateSpan]) -> DateSpan | None:
    """The span that begins first, None where there is none."""
    return min(spans, key=lambda each: (each.earliest or date.min, each.text), default=None)


def latest_of(spans: Iterable[DateSpan]) -> DateSpan | None:
    """The span that ends last, None where there is none."""
    return max(spans, key=lambda each: (each.latest or date.max, each.text), default=None)


@dataclass(slots=True)
class Values:
    """Reads values for one chart. `birth` turns ages into dates; it is None until the patient is known."""

    vocabulary: Vocabulary
    birth: DateSpan | None
    _dates: dict[str, DateSpan]
    _instants: dict[str, str]
    _coded: dict[tuple[str | None, ...], Coded]
    _terms: dict[bytes, Term]
    _by_coded: dict[int, Term]
    _short: dict[str, str]
    _numbers: dict[bytes, Decimal]

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Values:
        """Fresh ones."""
        return cls(vocabulary, None, {}, {}, {}, {}, {}, {}, {})

    # -- time

    def date(self, text: str | None, path: str) -> DateSpan | None:
        """A date, dateTime or instant; BadValue where it is none."""
        if text is None:
            return None
        found = self._dates.get(text)
        if found is None:
            found = read_date(text)
            if found is None:
                raise BadValue(path, f"{text[:40]!r}, which is no FHIR date")
            self._dates[text] = found
        return found

    def instant(self, text: str | None) -> str:
        """Comparable text of the moment in UTC; "" where no time of day is given."""
        if text is None or "T" not in text:
            return ""
        found = self._instants.get(text)
        if found is None:
            found = self._instants[text] = _utc(text)
        return found

    def ends(self, period: fhir.Period | None, path: str) -> tuple[DateSpan | None, DateSpan | None]:
        """Start and end of a Period. BadValue where the end certainly lies before the start."""
        if period is None:
            return None, None
        start = self.date(period.start, f"{path}.start")
        end = self.date(period.end, f"{path}.end")
        if start and end and start.earliest and end.latest and end.latest < start.earliest:
            raise BadValue(path, f"{period.start} to {period.end}, which ends before it starts")
        return start, end

    def within(self, period: fhir.Period | None, path: str) -> DateSpan | None:
        """Some moment of a Period; a missing end leaves that side open."""
        start, end = self.ends(period, path)
        if start is None and end is None:
            return None
        first = start.earliest if start else None
        last = end.latest if end else None
        return DateSpan(first, last, f"{start.text if start else '..'}/{end.text if end else '..'}")

    def at_age(self, age: fhir.Quantity | None, path: str) -> DateSpan | None:
        """The days on which the patient was that old: at 45, the 45th birthday up to the day before the 46th."""
        if age is None:
            return None
        return self._between_ages(age, age, path)

    def at_ages(self, ages: fhir.Range | None, path: str) -> DateSpan | None:
        """The days from the lower age to the upper one, that year (month ...) included."""
        if ages is None:
            return None
        return self._between_ages(ages.low, ages.high, path)

    def _between_ages(self, low: fhir.Quantity | None, high: fhir.Quantity | None, path: str) -> DateSpan | None:
        first = last = None
        words = dict.fromkeys(map(_age_words, (low, high)))
        if self.birth is not None and self.birth.earliest and self.birth.latest:
            young, old = _whole(low, path), _whole(high, path)
            try:
                if young and not (low and low.comparator in {"<", "<="}):
                    first = after(self.birth.earliest, young)
                if old and not (high and high.comparator in {">", ">="}):
                    last = after(self.birth.latest, Duration(old.count + 1, old.unit)) - _ONE_DAY
            except ValueError as error:
                raise BadValue(path, "an age that nobody reaches") from error
        return DateSpan(first, last, f"age {'-'.join(words)}")

    # -- codes

    def short_system(self, uri: str) -> str:
        """The catalogue's short name of a code system, or the URI as it was sent."""
        found = self._short.get(uri)
        if found is None:
            plain = uri.strip().partition("|")[0].rstrip("/").replace("https://", "http://", 1)
            if plain.startswith(f"{_SNOMED_URI}/"):  # an edition or version of it
                plain = _SNOMED_URI
            systems = self.vocabulary.catalogue.systems
            known = systems.get(uri) or systems.get(plain) or systems.get(f"urn:oid:{plain}")
            found = self._short[uri] = str(known) if known else uri
        return found

    def coding(self, coding: fhir.Coding) -> Coding:
        """One coding."""
        uri = coding.system or ""
        system, code = self.short_system(uri) if uri else "", (coding.code or "").strip()
        mapped = self.vocabulary.catalogue.index.mapped(system, code)
        return Coding(system, uri, code, coding.display or "", mapped)

    def coded(self, concept: fhir.CodeableConcept | fhir.CodeableReference | None) -> Coded:
        """A CodeableConcept, or what a CodeableReference has of one."""
        if concept is None:
            return NO_CODE
        codings, text = concept.coding, concept.text
        inner: fhir.CodeableConcept | None = getattr(concept, "concept", None)
        if inner is not None:
            codings, text = inner.coding, inner.text
        key: tuple[str | None, ...] = (text,)
        for each in codings or ():
            key += (each.system, each.code, each.display)
        found = self._coded.get(key)
        if found is None:
            found = self._coded[key] = Coded(tuple(map(self.coding, codings or ())), text or "")
        return found

    def term(self, raw: fhir.Raw, path: str) -> Term:
        """A CodeableConcept that was not yet read, and what it means. BadValue where it is none."""
        key = bytes(raw)
        found = self._terms.get(key)
        if found is None:
            found = self.vocabulary.kept.get(key)
            if found is None:
                found = self._new_term(key, path)
            self._terms[key] = found
            self._by_coded[id(found.coded)] = found
        return found

    def _new_term(self, key: bytes, path: str) -> Term:
        if key in {b"", b"null"}:
            return self.term_of(None)
        try:
            concept = _CONCEPT.decode(key)
        except (msgspec.ValidationError, UnicodeDecodeError) as error:
            raise BadValue(path, f"no CodeableConcept ({error})") from None
        term = self.term_of(concept)
        self.vocabulary.keep(key, term)
        return term

    def results_of(self, coded: Coded) -> tuple[str, ...]:
        """The analytes and scales that a code measures; `coded` came from here."""
        found = self._by_coded.get(id(coded))
        return found.results if found is not None else ()

    def term_of(self, concept: fhir.CodeableConcept | fhir.CodeableReference | None) -> Term:
        """What a concept means that has been read."""
        coded = self.coded(concept)
        found = self._by_coded.get(id(coded))
        if found is None:
            found = self._by_coded[id(coded)] = self.vocabulary.make(coded)
        return found

    def all_coded(
        self, concepts: Iterable[fhir.CodeableConcept] | Iterable[fhir.CodeableReference] | None
    ) -> tuple[Coded, ...]:
        """Those of a list that have a code or a text."""
        if not concepts:
            return ()
        return tuple(each for each in map(self.coded, concepts) if each is not NO_CODE and (each.codings or each.text))

    # -- quantities

    def number(self, quantity: fhir.Quantity | None, path: str, child: str = "") -> NumberValue | None:
        """A Quantity with a value."""
        if quantity is None:
            return None
        text = bytes(quantity.value)
        value = self._numbers.get(text)
        if value is None:
            value = read_number(quantity.value, path, f"{child}.value")
            if value is None:
                return None
            self._numbers[text] = value
        comparator = quantity.comparator or ""
        if comparator and comparator not in {"<", "<=", ">=", ">"}:
            raise BadValue(f"{path}{child}.comparator", f"{comparator[:40]!r}, which is none of < <= >= >")
        return NumberValue(value, comparator, quantity.code or "", quantity.unit or "", quantity.system or "")

    def range(self, range_: fhir.Range | None, path: str) -> RangeValue | None:
        """A Range with at least one end."""
        if range_ is None:
            return None
        low, high = self.number(range_.low, f"{path}.low"), self.number(range_.high, f"{path}.high")
        return None if low is None and high is None else RangeValue(low, high)

    def amount(self, quantity: fhir.Quantity | None, path: str) -> Amount | None:
        """A dose; None where it is only a bound (comparator)."""
        number = self.number(quantity, path)
        return None if number is None or number.comparator else Amount(number.value, number.code or number.unit)


def _utc(text: str) -> str:
    leap = text.replace(":60", ":59", 1) if ":60" in text else text  # a leap second, which datetime does not have
    try:
        moment = datetime.fromisoformat(leap)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    return moment.isoformat(timespec="microseconds")[:_MOMENT]


def _whole(age: fhir.Quantity | None, path: str) -> Duration | None:
    length = read_duration(fhir_plain(age), path)
    if length is None or length.unit is TimeUnit.HOUR:
        return None
    return Duration(Decimal(int(length.count)), length.unit)


def fhir_plain(age: fhir.Quantity | None) -> fhir.Quantity | None:
    """The age without its comparator."""
    return None if age is None else type(age)(value=age.value, unit=age.unit, system=age.system, code=age.code)


def _age_words(age: fhir.Quantity | None) -> str:
    if age is None:
        return ".."
    return f"{age.comparator or ''}{bytes(age.value).decode(errors='replace')} {age.unit or age.code or ''}".strip()
