"""The answers of people: QuestionnaireResponses to one Questionnaire become what was said, and facts beside the record.

Booleans are kept by linkId. An item `fact:<id>` becomes a record of its own: a value is an Observation of that analyte
or scale, a date is that of the diagnosis or the treatment. Such a record shows nothing complete.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import msgspec

from app.evaluator.answers import Place, Said
from app.evaluator.facts import Coded, Warning_
from app.evaluator.truth import Truth
from app.fhir import resources
from app.fhir.datatypes import NO_BYTES, CodeableConcept, Coding, Period, Quantity, Raw, Shape
from app.fhir.index import Record
from app.fhir.terms import Term
from app.fhir.values import BadValue
from app.knowledge.catalogue import Family

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from app.fhir.terms import Vocabulary
    from app.fhir.values import Values
    from app.knowledge.catalogue import Code, Concept

_TYPE = "QuestionnaireResponse"
_FACT = "fact:"
_COUNTS = frozenset({"completed", "amended"})
_UNUSABLE = "answer-not-used"


class Answer(Shape):
    """QuestionnaireResponse.item.answer, with the values that an answer to Eligo's questions may have."""

    value_boolean: bool | None = None
    value_decimal: Raw = NO_BYTES
    value_integer: Raw = NO_BYTES
    value_quantity: Quantity | None = None
    value_date: str | None = None
    value_date_time: str | None = None
    value_string: str | None = None
    value_coding: Coding | None = None
    item: list[Item] | None = None


class Item(Shape):
    """QuestionnaireResponse.item."""

    link_id: str | None = None
    answer: list[Answer] | None = None
    item: list[Item] | None = None


_ITEMS = msgspec.json.Decoder(list[Item])


@dataclass(slots=True)
class Heard:
    """What the responses to one Questionnaire say. `records` are the answered facts, by resource type."""

    said: dict[str, Said] = field(default_factory=dict)
    records: dict[str, list[Record]] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    warnings: list[Warning_] = field(default_factory=list)

    def refuse(self, text: str, place: Place) -> None:
        """Note an answer that cannot be used."""
        self.warnings.append(Warning_(_UNUSABLE, text, place.reference))


def hear(records: Iterable[Record], questionnaire: str, values: Values, as_of: date) -> Heard | None:
    """The answers to a Questionnaire (canonical URL with version) given until a day; None where there are none.

    Of several answers under one linkId the latest counts; those of the same time must agree.
    """
    address = questionnaire.partition("|")[0]
    heard = Heard()
    found: dict[str, list[tuple[str, Place, Answer]]] = {}
    for record in records:
        response = cast("resources.QuestionnaireResponse", record.resource)
        if (response.questionnaire or "").partition("|")[0] != address:
            continue
        place = Place(record.reference, _TYPE, response.authored or "")
        if response.questionnaire != questionnaire:
            heard.refuse(f"This answers another version than {questionnaire}, and decides nothing.", place)
        elif response.status not in _COUNTS:
            status = response.status or "without a status"
            heard.refuse(f"This response is {status}; only a completed or amended one counts.", place)
        elif not record.doubt:
            _take(response, record.reference, values, as_of, found, heard)
    for link_id in sorted(found):
        latest = max(when for when, _, _ in found[link_id])
        last = sorted([(p, a) for when, p, a in found[link_id] if when == latest], key=lambda each: each[0].reference)
        if link_id.startswith(_FACT):
            _take_facts(link_id, last, values.vocabulary, heard)
        else:
            _take_said(link_id, last, heard)
    return heard if heard.said or heard.records or heard.warnings else None


def _take(
    response: resources.QuestionnaireResponse, reference: str, values: Values, as_of: date,
    found: dict[str, list[tuple[str, Place, Answer]]], heard: Heard,
) -> None:  # fmt: skip
    whole = Place(reference, _TYPE, response.authored or "")
    try:
        when = values.date(response.authored, f"{_TYPE}.authored")
        items = _ITEMS.decode(response.item) if bytes(response.item) else []
    except (BadValue, msgspec.ValidationError) as error:
        heard.refuse(f"This response does not count: {error}.", whole)
        return
    if when is not None and (when.earliest is None or when.earliest > as_of):
        return
    # The undated come first of all; on one day, those with a time of day after those without.
    day = when.earliest.isoformat() if when is not None and when.earliest is not None else ""
    moment = f"{day} {values.instant(response.authored)}"
    for link_id, answers in _flat(items):
        path = f"{_TYPE}.descendants().where(linkId='{link_id}').answer.value"
        place = Place(reference, path, response.authored or "")
        if len(answers) > 1:
            heard.refuse(f"{link_id} has {len(answers)} answers where one is asked for.", place)
        elif answers:
            found.setdefault(link_id, []).append((moment, place, answers[0]))


def _flat(items: Iterable[Item]) -> Iterator[tuple[str, list[Answer]]]:
    waiting = list(items)[::-1]
    while waiting:
        item = waiting.pop()
        if item.link_id:
            yield item.link_id, item.answer or []
        inner = [*(item.item or ()), *(each for answer in item.answer or () for each in answer.item or ())]
        waiting += inner[::-1]


def _take_said(link_id: str, answers: list[tuple[Place, Answer]], heard: Heard) -> None:
    given = [(place, answer.value_boolean) for place, answer in answers if answer.value_boolean is not None]
    for place, answer in answers:
        if answer.value_boolean is None:
            heard.refuse(f"{link_id} is answered by yes or no (valueBoolean).", place)
    if given:
        values = {value for _, value in given}
        truth = Truth.UNKNOWN if len(values) > 1 else Truth.TRUE if values.pop() else Truth.FALSE
        heard.said[link_id] = Said(truth, tuple([place for place, _ in given]))


def _take_facts(link_id: str, answers: list[tuple[Place, Answer]], vocabulary: Vocabulary, heard: Heard) -> None:
    name = link_id.removeprefix(_FACT)
    catalogue = vocabulary.catalogue
    for number, (place, answer) in enumerate(answers):
        made: Record | None = None
        reference = f"{place.reference}#{link_id}{f'-{number}' if number else ''}"
        result = catalogue.analytes.get(name) or catalogue.scales.get(name)
        if result is not None:
            made = _observation(reference, result.codes, place.authored, vocabulary, answer)
            wanted = "a value with its unit"
        elif name in catalogue.concepts:
            made = _event(reference, catalogue.concepts[name], vocabulary, answer)
            wanted = "a date"
        else:
            heard.refuse(f"{link_id} names no fact that is known here.", place)
            continue
        if made is None:
            heard.refuse(f"{link_id} takes {wanted}.", place)
            continue
        heard.records.setdefault(made.type, []).append(made)
        heard.places[reference] = place


def _observation(
    reference: str, codes: tuple[Code, ...], authored: str, vocabulary: Vocabulary, answer: Answer
) -> Record | None:
    value: dict[str, Any] = {}
    if answer.value_quantity is not None:
        value["value_quantity"] = answer.value_quantity
    elif answer.value_coding is not None:
        value["value_codeable_concept"] = CodeableConcept(coding=[answer.value_coding])
    elif answer.value_string is not None:
        value["value_string"] = answer.value_string
    elif bytes(answer.value_integer):
        value["value_integer"] = answer.value_integer
    elif bytes(answer.value_decimal):
        value["value_quantity"] = Quantity(value=answer.value_decimal, code="1", unit="1")
    if not value or not codes:
        return None
    uri = next(uri for uri, system in vocabulary.catalogue.systems.items() if system is codes[0].system)
    code = msgspec.json.encode({"coding": [{"system": uri, "code": codes[0].code}]})
    whole = resources.Observation(status="final", code=Raw(code), effective_date_time=authored or None, **value)
    return Record(reference, "Observation", whole)


def _event(reference: str, concept: Concept, vocabulary: Vocabulary, answer: Answer) -> Record | None:
    """The diagnosis began, or the treatment was last given, on a day."""
    day = answer.value_date or answer.value_date_time
    if day is None:
        return None
    term = Term(
        coded=Coded(text=concept.name), placed=(), known=True, is_drug=False, in_system=True,
        concepts=vocabulary.wider[concept.id], vague=frozenset(), results=(), _vocabulary=vocabulary,
    )  # fmt: skip
    code = Raw(msgspec.json.encode({"text": concept.name}))
    families = concept.families
    whole: resources.Resource
    if Family.MEDICATION in families:
        name = "MedicationStatement"
        whole = resources.MedicationStatement(
            status="completed", medication_codeable_concept=code, effective_period=Period(start=day, end=day)
        )
    elif Family.PROCEDURE in families:
        name, whole = "Procedure", resources.Procedure(status="completed", code=code, performed_date_time=day)
    elif Family.IMMUNIZATION in families:
        name = "Immunization"
        whole = resources.Immunization(status="completed", vaccine_code=code, occurrence_date_time=day)
    elif Family.CONDITION in families:
        name, whole = "Condition", resources.Condition(code=code, onset_date_time=day)
    else:
        return None
    return Record(reference, name, whole, terms=(term,))
