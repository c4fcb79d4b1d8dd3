"""What can never happen to a chart: that the order of entries matters, a body breaks it, or asking changes it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.fhir.chart import PatientChart, read_chart
from app.fhir.errors import UnreadableRecord
from app.knowledge.catalogue import Family
from tests.fhir.charts import (
    CATALOGUE,
    PATIENT,
    SNOMED,
    bundle,
    coded,
    condition,
    haemoglobin,
    order,
    prednisone,
)

DATES = st.sampled_from(["2024", "2024-05", "2024-05-01", "2024-05-01T10:00:00Z", "2024-05-01T12:30:00+02:00", "bad"])
IDS = st.sampled_from(["a", "b", "c", "d"])
CODES = st.sampled_from(
    [
        coded(SNOMED, "44054006", "Diabetes mellitus type 2"),
        coded(SNOMED, "73211009", "Diabetes mellitus"),
        coded(SNOMED, "254637007"),
        {"text": "Diabetes"},
        {"text": "something"},
        coded("urn:example:local", "1", "brain metastasis"),
    ]
)
RESOURCES = st.one_of(
    st.builds(lambda i, c, d: condition(i, c, onsetDateTime=d), IDS, CODES, DATES),
    st.builds(haemoglobin, IDS, st.sampled_from([8, 9.5, 12]), DATES),
    st.builds(lambda i, d, s: order(i, authoredOn=d, status=s), IDS, DATES, st.sampled_from(["active", "draft", "x"])),
    st.builds(
        lambda i, d: prednisone("MedicationAdministration", i, status="completed", effectiveDateTime=d), IDS, DATES
    ),
    st.builds(lambda i, c: {**condition(i, c), "subject": {"reference": "Patient/p2"}}, IDS, CODES),
    st.builds(lambda c: {k: v for k, v in condition("", c).items() if k != "id"}, CODES),
)


def everything(chart: PatientChart) -> list[Any]:
    """All that a chart can be asked, and then what it warns of."""
    asked: list[Any] = [
        chart.patient,
        chart.primaries(),
        chart.participations(),
        chart.consents(),
        chart.all_allergies(),
    ]
    for family in Family:
        asked += [chart.shown(family), chart.count(family), chart.unknown_codes(family)]
    for concept in CATALOGUE.concepts:
        asked += [chart.conditions(concept), chart.treatments(concept, tuple(Family)), chart.allergies(concept)]
        asked.append(chart.concept_observations(concept))
    for analyte in (*CATALOGUE.analytes, *CATALOGUE.scales):
        asked += [chart.observations(analyte), chart.named_observations(analyte)]
    return [*asked, chart.warnings]


@given(st.lists(RESOURCES, max_size=8), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_entries_does_not_matter(resources, random):
    shuffled = [PATIENT, *resources]
    random.shuffle(shuffled)

    assert everything(read_chart(bundle(*shuffled), CATALOGUE)) == everything(
        read_chart(bundle(PATIENT, *resources), CATALOGUE)
    )


@given(st.lists(RESOURCES, max_size=6))
@settings(deadline=None)
def test_asking_twice_gives_the_same_answer(resources):
    chart = read_chart(bundle(PATIENT, *resources), CATALOGUE)

    assert everything(chart) == everything(chart)


@given(st.lists(RESOURCES, max_size=6))
@settings(deadline=None)
def test_a_malformed_neighbour_changes_nothing_but_the_warnings(resources):
    broken = {"resourceType": "Goal", "id": 7}

    with_it = everything(read_chart(bundle(PATIENT, *resources, broken), CATALOGUE))

    assert with_it == everything(read_chart(bundle(PATIENT, *resources), CATALOGUE))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(RESOURCES, st.data())
@settings(deadline=None)
def test_whatever_stands_in_an_element_is_read_or_refused_in_our_own_words(resource, data):
    path: Any = json.loads(json.dumps(resource))
    whole = path
    while True:
        key = data.draw(st.sampled_from(sorted(path)) if isinstance(path, dict) else st.integers(0, len(path) - 1))
        if not isinstance(path[key], dict | list) or not path[key] or data.draw(st.booleans()):
            path[key] = data.draw(JSON)
            break
        path = path[key]
    try:
        chart = read_chart(bundle(PATIENT, whole), CATALOGUE)
    except UnreadableRecord:
        return
    everything(chart)


@given(st.binary(max_size=60))
def test_no_bytes_break_it(body):
    try:
        read_chart(body, CATALOGUE)
    except UnreadableRecord:
        return
