"""What is taken in: which bodies are refused, whom a record is about, and what is said of what does not count."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from app.evaluator.facts import Chart, Match
from app.fhir.chart import read_chart
from app.fhir.errors import (
    NoPatient,
    NotABundle,
    NotJson,
    SeveralPatients,
    TooDeep,
    UnknownPatient,
    UnreadableRecord,
)
from app.knowledge.catalogue import Family
from tests.fhir.charts import (
    CATALOGUE,
    ME,
    PATIENT,
    SNOMED,
    bundle,
    chart,
    coded,
    codes_of,
    condition,
    haemoglobin,
    order,
)

if TYPE_CHECKING:
    from pathlib import Path

DIABETES = coded(SNOMED, "44054006", "Diabetes mellitus type 2")
OTHER = {"resourceType": "Patient", "id": "p2", "gender": "male"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"{",
        b'{"resourceType": "Bundle", "entry": [NaN]}',
        b'{"resourceType": "Bundle", "x": 1.}',
        b"\xff",
    ],
)
def test_what_is_no_json_is_refused_as_such(body):
    with pytest.raises(NotJson):
        read_chart(body, CATALOGUE)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"1",
        b"{}",
        b'{"resourceType": 7}',
        b'{"resourceType": "Parameters", "parameter": []}',
        json.dumps(PATIENT).encode(),
        bundle(PATIENT, kind="history"),
        b'{"resourceType": "Bundle", "entry": {}}',
    ],
)
def test_what_is_no_bundle_of_a_record_is_refused_as_such(body):
    with pytest.raises(NotABundle):
        read_chart(body, CATALOGUE)


@pytest.mark.parametrize(
    "around", ['{"resourceType": "Bundle", "x": %s}', '{"resourceType": "Bundle", "entry": [{"resource": %s}]}']
)
def test_deep_nesting_is_refused(around):
    with pytest.raises(TooDeep):
        read_chart((around % ("[" * 50_000 + "]" * 50_000)).encode(), CATALOGUE)


def test_nesting_that_parses_is_never_an_error_of_another_kind():
    for depth in (10, 100, 300, 600, 900, 1200):
        body = '{"resourceType": "Bundle", "entry": [{"resource": %s}]}' % ('{"a":' * depth + "1" + "}" * depth)
        with pytest.raises((TooDeep, NoPatient)):
            read_chart(body.encode(), CATALOGUE)


def test_a_bundle_needs_a_patient():
    with pytest.raises(NoPatient):
        read_chart(bundle(condition("c", DIABETES)), CATALOGUE)
    with pytest.raises(NoPatient):
        read_chart(b'{"resourceType": "Bundle"}', CATALOGUE)


def test_two_patients_need_to_be_told_apart():
    body = bundle(PATIENT, OTHER)
    with pytest.raises(SeveralPatients) as several:
        read_chart(body, CATALOGUE)
    assert several.value.ids == ("p1", "p2")
    assert read_chart(body, CATALOGUE, patient="p2").patient.gender == "male"
    assert read_chart(body, CATALOGUE, patient="Patient/p1").patient.gender == "female"


def test_a_patient_that_is_not_there_is_refused_by_name():
    with pytest.raises(UnknownPatient) as unknown:
        read_chart(bundle(PATIENT), CATALOGUE, patient="p9")
    assert (unknown.value.id, unknown.value.ids) == ("p9", ("p1",))


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/p1"},
        {"reference": "Patient/p1/_history/3"},
        {"reference": "https://ehr.example.org/fhir/Patient/p1"},
        {"reference": "urn:uuid:0d4e5f2a-1111-4222-8333-444455556666"},
        {"identifier": {"system": "urn:example:mrn", "value": "12345"}},
        {"reference": "Patient?identifier=urn:example:mrn|12345"},
    ],
)
def test_every_way_to_refer_to_the_patient_is_understood(subject):
    patient = {**PATIENT, "identifier": [{"system": "urn:example:mrn", "value": "12345"}]}
    entry = {"fullUrl": "urn:uuid:0d4e5f2a-1111-4222-8333-444455556666", "resource": patient}
    found = read_chart(bundle(entry, {**condition("c", DIABETES), "subject": subject}), CATALOGUE)

    assert [hit.match for hit in found.conditions("diabetes")] == [Match.IS]


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/p10"},
        {"reference": "p1"},
        {"reference": "Group/p1"},
        {"identifier": {"system": "urn:example:other", "value": "12345"}},
    ],
)
def test_what_is_about_somebody_else_is_named_and_not_used(subject):
    found = chart({**condition("c", DIABETES), "subject": subject})

    assert found.conditions("diabetes") == ()
    assert codes_of(found) == [("other-subject", "Condition/c")]
    assert not found.shown(Family.CONDITION)


def test_a_resource_without_a_subject_does_not_count_but_forbids_to_say_there_is_none():
    found = chart({**condition("c", DIABETES), "subject": None})

    assert [hit.match for hit in found.conditions("diabetes")] == [Match.VAGUE]
    assert codes_of(found) == [("no-subject", "Condition/c")]
    assert not found.shown(Family.CONDITION)


def test_what_was_entered_in_error_does_not_count_and_shows_nothing():
    in_error = {"coding": [{"code": "entered-in-error"}]}
    found = chart(
        {**condition("c", DIABETES), "verificationStatus": in_error}, order(status="entered-in-error", onset="x")
    )

    assert found.conditions("diabetes") == ()
    assert found.treatments("corticosteroid", (Family.MEDICATION,)) == ()
    assert codes_of(found) == [("entered-in-error", "Condition/c"), ("entered-in-error", "MedicationRequest/rx")]
    assert not found.shown(Family.CONDITION)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"modifierExtension": [{"url": "urn:example:not-really", "valueBoolean": True}]}, "unknown-modifier"),
        ({"implicitRules": "urn:example:rules"}, "unknown-modifier"),
        ({"onsetDateTime": "2024-13-01"}, "malformed"),
        ({"onsetDateTime": 2024}, "malformed"),
        ({"onsetPeriod": {"start": "2024-05-01", "end": "2024-04-01"}}, "malformed"),
        ({"bodySite": {"text": "lung"}}, "malformed"),
    ],
)
def test_a_diagnosis_that_cannot_be_read_is_neither_taken_for_true_nor_for_none(more, code):
    found = chart(condition("c", DIABETES, **more))

    assert [hit.match for hit in found.conditions("diabetes")] == [Match.VAGUE]
    assert found.conditions("lung-cancer") == ()
    assert codes_of(found) == [(code, "Condition/c")]
    assert found.primaries() == ()


@pytest.mark.parametrize("code", ["diabetes", {"coding": {}}, {"coding": [{"code": 1}]}, 7])
def test_a_diagnosis_whose_code_cannot_be_read_may_be_any(code):
    found = chart(condition("c", code))

    assert [hit.match for hit in found.conditions("lung-cancer")] == [Match.UNPLACED]
    assert codes_of(found) == [("malformed", "Condition/c")]


def test_one_malformed_resource_leaves_the_others_as_they_are():
    found = chart(
        condition("c", DIABETES, onsetDateTime="2024-05-01"), haemoglobin("o", 9.5, "2026-11-01", interpretation={})
    )

    assert [hit.match for hit in found.conditions("diabetes")] == [Match.IS]
    assert found.observations("haemoglobin") == ()
    assert codes_of(found) == [("malformed", "Observation/o")]


def test_entries_that_are_nothing_are_told():
    body = b'{"resourceType": "Bundle", "entry": [3, {}, {"resource": []}, {"resource": {"resourceType": "Dragon"}},'
    body += b'{"resource": {"id": "x"}}, {"resource": ' + json.dumps(PATIENT).encode() + b"}]}"

    warnings = [each.code for each in read_chart(body, CATALOGUE).warnings]

    assert sorted(warnings) == ["malformed", "malformed", "no-resource", "unknown-type", "unknown-type"]


def test_the_same_resource_twice_counts_once():
    found = chart(condition("c", DIABETES), condition("c", DIABETES))

    assert len(found.conditions("diabetes")) == 1
    assert found.count(Family.CONDITION) == 1
    assert found.warnings == ()


def test_two_resources_with_one_id_and_different_content_decide_nothing():
    found = chart(condition("c", DIABETES), condition("c", coded(SNOMED, "254637007")))

    assert [hit.match for hit in found.conditions("diabetes")] == [Match.VAGUE]
    assert [hit.match for hit in found.conditions("lung-cancer")] == [Match.VAGUE]
    assert codes_of(found) == [("duplicate", "Condition/c")]
    assert not found.shown(Family.CONDITION)


def test_two_resources_with_one_id_from_two_servers_are_two():
    entries = [
        {"fullUrl": f"https://{server}.example.org/Condition/c", "resource": condition("c", code)}
        for server, code in (("a", DIABETES), ("b", coded(SNOMED, "254637007")))
    ]
    found = read_chart(bundle(PATIENT, *entries), CATALOGUE)

    [hit] = found.conditions("diabetes")
    assert (hit.match, hit.fact.source.reference) == (Match.IS, "https://a.example.org/Condition/c")


def test_two_patients_with_one_id_are_told_apart_by_their_addresses():
    first, second = (f"https://{server}.example.org/Patient/p1" for server in "ab")
    body = bundle(
        {"fullUrl": first, "resource": PATIENT},
        {"fullUrl": second, "resource": {**PATIENT, "gender": "male"}},
        {**condition("a", DIABETES), "subject": {"reference": first}},
        {**condition("b", DIABETES), "subject": {"reference": second}},
        {**condition("c", DIABETES), "subject": {"reference": "Patient/p1"}},
    )
    for patient, gender, mine in ((first, "female", "Condition/a"), (second, "male", "Condition/b")):
        found = read_chart(body, CATALOGUE, patient=patient)
        assert found.patient.gender == gender
        assert [hit.fact.source.reference for hit in found.conditions("diabetes")] == [mine]
    with pytest.raises(UnknownPatient):
        read_chart(body, CATALOGUE, patient="p1")


def test_the_chart_is_what_the_evaluator_asks_for():
    found: Chart = chart()

    assert found.patient.gender == "female"


def test_a_patient_sent_twice_with_different_sexes_has_none():
    found = read_chart(bundle(PATIENT, {**PATIENT, "gender": "male"}), CATALOGUE)

    assert (found.patient.gender, found.patient.birth) == ("", None)
    assert codes_of(found) == [("duplicate", "Patient/p1")]


def test_a_bad_birth_date_leaves_the_age_open():
    found = read_chart(bundle({**PATIENT, "birthDate": "1966-02-30"}), CATALOGUE)

    assert found.patient.birth is None
    assert codes_of(found) == [("malformed", "Patient/p1")]


def test_a_type_is_shown_by_a_resource_by_an_empty_search_or_by_the_caller():
    searched = {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": "self", "url": "https://ehr.example.org/fhir/Condition?patient=p1&_count=50"}],
    }
    assert not chart().shown(Family.CONDITION)
    assert chart(condition("c", DIABETES)).shown(Family.CONDITION)
    assert chart(searched).shown(Family.CONDITION)
    assert not chart(searched).shown(Family.PROCEDURE)
    assert chart(complete=frozenset({"Condition"})).shown(Family.CONDITION)
    assert chart(complete=frozenset({"MedicationDispense"})).shown(Family.MEDICATION)
    assert not chart(complete=frozenset({"Medication"})).shown(Family.MEDICATION)
    assert chart(complete=frozenset({"ResearchSubject"})).shown_type("ResearchSubject")


@pytest.mark.parametrize(
    "url",
    [
        "https://ehr.example.org/fhir/Condition?patient=p1&code=73211009",
        "https://ehr.example.org/fhir/Condition?patient=p2",
        "https://ehr.example.org/fhir/Condition?patient=p1&clinical-status=active",
    ],
)
def test_a_search_for_a_part_or_for_another_shows_nothing(url):
    searched = {"resourceType": "Bundle", "type": "searchset", "link": [{"relation": "self", "url": url}]}

    assert not chart(searched).shown(Family.CONDITION)


def test_absence_can_be_opened_and_closed():
    assert not chart(condition("c", DIABETES), absence="open").shown(Family.CONDITION)
    assert chart(absence="closed").shown(Family.CONDITION)


def test_resources_of_a_search_inside_the_bundle_count():
    inside = json.loads(bundle(condition("c", DIABETES), kind="searchset"))

    assert len(chart(inside).conditions("diabetes")) == 1


def test_a_paged_answer_is_told():
    more = {"link": [{"relation": "next", "url": "https://ehr.example.org/fhir?page=2"}]}

    found = read_chart(bundle(PATIENT, kind="searchset", **more), CATALOGUE)

    assert [each.code for each in found.warnings] == ["more-pages"]


def test_references_resolve_to_what_is_in_the_bundle():
    report = {"fullUrl": "urn:uuid:7", "resource": {"resourceType": "DiagnosticReport", "id": "path"}}
    found = read_chart(bundle(PATIENT, report), CATALOGUE)

    for reference in ("DiagnosticReport/path", "urn:uuid:7", "https://x.example.org/DiagnosticReport/path"):
        source = found.resolve(reference)
        assert source is not None
        assert (source.reference, source.type) == ("DiagnosticReport/path", "DiagnosticReport")
    assert found.resolve("DiagnosticReport/other") is None


def test_a_resource_without_id_is_named_by_its_address_or_its_content():
    nameless = {key: value for key, value in condition("", DIABETES).items() if key != "id"}
    entry = {"fullUrl": "urn:uuid:9", "resource": nameless}

    [by_address] = read_chart(bundle(PATIENT, entry), CATALOGUE).conditions("diabetes")
    [by_content] = chart(nameless).conditions("diabetes")

    assert by_address.fact.source.reference == "urn:uuid:9"
    assert by_content.fact.source.reference.startswith("Condition without id (")


def test_a_byte_order_mark_is_passed_over():
    assert read_chart(b"\xef\xbb\xbf" + bundle(PATIENT), CATALOGUE).patient.gender == "female"


def test_malformed_files_end_in_a_refusal_or_a_chart(shared: Path):
    refused: list[str] = []
    for path in sorted((shared / "data" / "malformed").glob("*.json")):
        try:
            found = read_chart(path.read_bytes(), CATALOGUE)
        except UnreadableRecord as error:
            refused.append(str(error))
        else:
            assert found.patient.source.type == "Patient"
    assert len(refused) == 11


def test_every_sample_patient_is_read_to_the_last_fact(shared: Path):
    for path in sorted((shared / "data" / "patients").glob("*/*.json")):
        try:
            found = read_chart(path.read_bytes(), CATALOGUE)
        except NoPatient:
            assert path.name == "patient_data_empty-cgv.json"
            continue
        for family in Family:
            assert found.unknown_codes(family) <= found.count(family)
        for concept in CATALOGUE.concepts:
            found.conditions(concept)
            found.treatments(concept, tuple(Family))
        for analyte in CATALOGUE.analytes:
            found.observations(analyte)
            found.named_observations(analyte)
        assert ME["reference"] not in {each.reference for each in found.warnings}
