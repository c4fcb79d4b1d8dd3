"""What records say: conditions, treatments, results, studies and consent, in R4 and R5."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from app.evaluator.facts import Activity, Certainty, Match, NumberValue, RangeValue, Standing, TextValue, TreatmentFact
from app.fhir.chart import read_chart
from app.knowledge.catalogue import Family
from tests.fhir.charts import (
    CATALOGUE,
    CLINICAL,
    GTS,
    ICD10CM,
    LOINC,
    ME,
    PATIENT,
    RXNORM,
    SNOMED,
    UCUM,
    VERIFICATION,
    bundle,
    chart,
    coded,
    codes_of,
    condition,
    haemoglobin,
    observation,
    order,
    prednisone,
)

DIABETES = coded(SNOMED, "44054006", "Diabetes mellitus type 2")
MEDICATION = (Family.MEDICATION,)
PROCEDURE = (Family.PROCEDURE,)


def the_condition(**more: Any):
    [hit] = chart(condition("c", DIABETES, **more)).conditions("type-2-diabetes")
    return hit.fact


def the_drug(resource: dict[str, Any], *others: dict[str, Any]) -> TreatmentFact:
    [hit] = chart(resource, *others).treatments("corticosteroid", MEDICATION)
    assert hit.match is Match.IS
    return hit.fact


def days(fact: TreatmentFact) -> tuple[str | None, str | None, bool]:
    start = str(fact.start.earliest) if fact.start else None
    return start, str(fact.end.latest) if fact.end else None, fact.ongoing


# --- how a code meets a question -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "concept", "match"),
    [
        (DIABETES, "diabetes", Match.IS),
        (coded(SNOMED, "73211009"), "type-2-diabetes", Match.VAGUE),
        (coded("http://snomed.info/sct/731000124108", "44054006"), "diabetes", Match.IS),
        (coded("urn:oid:2.16.840.1.113883.6.96", "44054006"), "diabetes", Match.IS),
        (coded(ICD10CM, "E11.9"), "type-2-diabetes", Match.IS),
        ({"text": "Diabetes mellitus, type 2"}, "diabetes", Match.NAMED),
        (
            coded(SNOMED, "126906006", "Receptor negative lung cancer, high risk of recurrence"),
            "lung-cancer",
            Match.NAMED,
        ),
        (coded(SNOMED, "126906006", "Non-small cell lung cancer"), "lung-cancer", Match.NAMED),
        ({"text": "DIABETES"}, "type-2-diabetes", Match.UNPLACED),
        ({"text": "Broken arm"}, "diabetes", Match.UNPLACED),
        (coded("urn:example:local", "X1", "Cerebral metastases"), "brain-metastasis", Match.NAMED),
        (coded("urn:example:local", "X1", "Broken arm"), "brain-metastasis", Match.UNPLACED),
        (coded(SNOMED, "126906006", "Lung tumor, unusual"), "tumour-of-lung", Match.NAMED),
        ({}, "diabetes", Match.UNPLACED),
    ],
)
def test_a_code_bears_on_a_concept(code, concept, match):
    assert [hit.match for hit in chart(condition("c", code)).conditions(concept)] == [match]


@pytest.mark.parametrize(
    "code",
    [
        coded(SNOMED, "254637007", "Lung cancer in a patient with diabetes"),  # known as something else
        coded(SNOMED, "126906006", "Neoplasm of prostate"),  # not listed, and its words name something else
        coded(SNOMED, "126906006", "Family history of diabetes mellitus"),
        coded(SNOMED, "126906006", "Screening for diabetes"),
        coded(SNOMED, "126906006", "No evidence of diabetes"),
        coded(SNOMED, "126906006", "Diabetes screening"),
        coded(SNOMED, "126906006", "Diabetes insipidus"),
    ],
)
def test_a_code_that_is_something_else_does_not_bear_on_it(code):
    assert chart(condition("c", code)).conditions("diabetes") == ()


def test_a_drug_that_the_catalogue_cannot_place_may_be_any():
    fact = order(medicationCodeableConcept=coded(RXNORM, "198146", "prednisone 2.5 MG Oral Tablet"))

    assert [hit.match for hit in chart(fact).treatments("corticosteroid", MEDICATION)] == [Match.NAMED]
    assert [hit.match for hit in chart(fact).treatments("diabetes", MEDICATION)] == [Match.UNPLACED]
    assert chart(fact).unknown_codes(Family.MEDICATION) == 1


# --- conditions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "activity"),
    [
        ({}, Activity.ACTIVE),
        ({"clinicalStatus": coded(CLINICAL, "recurrence")}, Activity.ACTIVE),
        ({"clinicalStatus": coded(CLINICAL, "remission")}, Activity.REMISSION),
        ({"clinicalStatus": coded(CLINICAL, "inactive")}, Activity.INACTIVE),
        ({"clinicalStatus": coded(CLINICAL, "unknown")}, Activity.UNKNOWN),
        ({"abatementDateTime": "2020"}, Activity.RESOLVED),
        ({"abatementString": "last winter"}, Activity.RESOLVED),
        ({"clinicalStatus": coded(CLINICAL, "active"), "abatementDateTime": "2020"}, Activity.ACTIVE),
    ],
)
def test_clinical_status(more, activity):
    assert the_condition(**more).activity is activity


@pytest.mark.parametrize(
    ("code", "certainty"),
    [
        ("confirmed", Certainty.CONFIRMED),
        ("provisional", Certainty.SUSPECTED),
        ("differential", Certainty.SUSPECTED),
        ("refuted", Certainty.REFUTED),
        ("who-knows", Certainty.SUSPECTED),
    ],
)
def test_verification_status(code, certainty):
    assert the_condition(verificationStatus=coded(VERIFICATION, code)).certainty is certainty


@pytest.mark.parametrize(
    ("more", "earliest", "latest"),
    [
        ({"onsetDateTime": "2024-05-01T23:30:00-05:00"}, date(2024, 5, 1), date(2024, 5, 1)),
        ({"onsetDateTime": "2024-05"}, date(2024, 5, 1), date(2024, 5, 31)),
        ({"onsetPeriod": {"start": "2024-05-01", "end": "2024-06"}}, date(2024, 5, 1), date(2024, 6, 30)),
        ({"onsetPeriod": {"start": "2024-05-01"}}, date(2024, 5, 1), None),
        ({"onsetAge": {"value": 45, "system": UCUM, "code": "a"}}, date(2011, 3, 14), date(2012, 3, 13)),
        (
            {"onsetRange": {"low": {"value": 40, "code": "a"}, "high": {"value": 45, "code": "a"}}},
            date(2006, 3, 14),
            date(2012, 3, 13),
        ),
    ],
)
def test_onset_in_every_form(more, earliest, latest):
    onset = the_condition(**more).onset

    assert (onset.earliest, onset.latest) == (earliest, latest)


def test_an_onset_in_words_is_no_date():
    assert the_condition(onsetString="in childhood").onset is None


def test_evidence_in_r4_and_r5():
    r4 = the_condition(evidence=[{"code": [coded(SNOMED, "73211009")], "detail": [{"reference": "Observation/1"}]}])
    r5 = the_condition(evidence=[{"concept": coded(SNOMED, "73211009"), "reference": {"reference": "Observation/1"}}])

    for fact in (r4, r5):
        assert fact.has_evidence
        assert fact.evidence_references == ("Observation/1",)
        assert fact.evidence_codes[0].codings[0].code == "73211009"


def test_a_primary_is_no_metastasis():
    found = chart(
        condition("lung", coded(SNOMED, "254637007")),
        condition("brain", coded(SNOMED, "94225005")),
        condition("sugar", DIABETES),
    )

    assert [each.source.reference for each in found.primaries()] == ["Condition/lung"]


# --- drugs -----------------------------------------------------------------------------------------------------------


def test_an_active_order_runs_on_whatever_its_supply():
    fact = the_drug(
        order(authoredOn="2026-01-01", dispenseRequest={"expectedSupplyDuration": {"value": 30, "code": "d"}})
    )

    assert days(fact) == ("2026-01-01", None, True)
    assert fact.start_path == "MedicationRequest.authoredOn"


@pytest.mark.parametrize(
    ("more", "end"),
    [
        ({}, None),
        ({"dispenseRequest": {"expectedSupplyDuration": {"value": 30, "code": "d"}}}, "2026-01-30"),
        (
            {"dispenseRequest": {"expectedSupplyDuration": {"value": 30, "code": "d"}, "numberOfRepeatsAllowed": 1}},
            "2026-03-01",
        ),
        (
            {
                "dosageInstruction": [
                    {"timing": {"repeat": {"boundsPeriod": {"start": "2026-01-01", "end": "2026-01-10"}}}}
                ]
            },
            "2026-01-10",
        ),
        ({"dosageInstruction": [{"timing": {"repeat": {"boundsDuration": {"value": 2, "code": "wk"}}}}]}, "2026-01-14"),
    ],
)
def test_a_completed_order_ends_where_dosage_or_supply_says(more, end):
    assert days(the_drug(order(status="completed", authoredOn="2026-01-01", **more))) == ("2026-01-01", end, False)


@pytest.mark.parametrize(
    ("resource", "standing"),
    [
        (order(doNotPerform=True), Standing.AGAINST),
        (order(status="stopped"), Standing.HAPPENED),
        (prednisone("MedicationStatement", "s", status="not-taken"), Standing.AGAINST),
        (prednisone("MedicationStatement", "s", status="on-hold"), Standing.HAPPENED),
        (prednisone("MedicationUsage", "s", status="active"), Standing.HAPPENED),
        (prednisone("MedicationAdministration", "a", status="not-done"), Standing.AGAINST),
        (prednisone("MedicationDispense", "d", status="completed"), Standing.HAPPENED),
    ],
)
def test_what_a_status_says_happened(resource, standing):
    assert the_drug(resource).standing is standing


@pytest.mark.parametrize(
    "resource",
    [
        order(status="draft"),
        order(status="cancelled"),
        order(status="unknown"),
        order(intent="proposal"),
        prednisone("MedicationDispense", "d", status="in-progress"),
        prednisone("MedicationAdministration", "a", status="unknown"),
    ],
)
def test_what_says_nothing_either_way_is_no_fact_but_shows_its_type(resource):
    found = chart(resource)

    assert found.treatments("corticosteroid", MEDICATION) == ()
    assert found.shown(Family.MEDICATION)


@pytest.mark.parametrize("resource", [order(status=None), order(intent=None), order(status="whatever", intent="dream")])
def test_an_order_that_does_not_say_what_it_is_decides_nothing(resource):
    found = chart(resource)

    if resource["status"] != "whatever":
        assert [hit.match for hit in found.treatments("corticosteroid", MEDICATION)] == [Match.VAGUE]
    assert codes_of(found) == [("malformed", "MedicationRequest/rx")]


@pytest.mark.parametrize(
    ("code", "standing", "ongoing"),
    [
        ("taking", Standing.HAPPENED, True),
        ("not-taking", Standing.AGAINST, False),
        ("stopped", Standing.HAPPENED, False),
        ("on-hold-as-directed", Standing.HAPPENED, False),
    ],
)
def test_adherence_of_an_r5_statement(code, standing, ongoing):
    fact = the_drug(
        {
            "resourceType": "MedicationStatement",
            "id": "s",
            "status": "recorded",
            "subject": ME,
            "medication": {"concept": coded(RXNORM, "8640")},
            "effectivePeriod": {"start": "2026-01-01"},
            "adherence": {"code": coded("http://hl7.org/fhir/CodeSystem/medication-statement-adherence", code)},
        }
    )

    assert (fact.standing, fact.ongoing) == (standing, ongoing)


def test_an_administration_has_its_day_in_r4_and_r5():
    for name in ("effectiveDateTime", "occurenceDateTime"):
        fact = the_drug(prednisone("MedicationAdministration", "a", status="completed", **{name: "2026-11-08"}))
        assert days(fact) == ("2026-11-08", "2026-11-08", False)
        assert fact.start_path == f"MedicationAdministration.{name}"


def test_a_dispense_lasts_as_long_as_its_supply():
    fact = the_drug(
        prednisone("MedicationDispense", "d", status="completed", whenHandedOver="2026-01-01", daysSupply={"value": 30})
    )

    assert days(fact) == ("2026-01-01", "2026-01-30", False)


MEDICATION_RESOURCE = {
    "resourceType": "Medication",
    "id": "med",
    "code": {"text": "Local prednisone mixture"},
    "ingredient": [{"itemCodeableConcept": coded(RXNORM, "8640", "Prednisone")}],
}


@pytest.mark.parametrize(
    "more",
    [
        {"medicationReference": {"reference": "Medication/med"}},
        {"medicationReference": {"reference": "urn:uuid:med"}},
        {"medication": {"reference": {"reference": "Medication/med"}}},
        {"contained": [MEDICATION_RESOURCE], "medicationReference": {"reference": "#med"}},
    ],
)
def test_a_drug_is_found_behind_its_reference(more):
    resource = {**order(**more), "medicationCodeableConcept": None}
    others = [] if "contained" in more else [MEDICATION_RESOURCE]

    assert the_drug(resource, *others).ingredients[0].codings[0].code == "8640"


def test_a_drug_behind_a_reference_that_leads_nowhere_may_be_any():
    resource = {**order(medicationReference={"reference": "Medication/gone"}), "medicationCodeableConcept": None}

    assert [hit.match for hit in chart(resource).treatments("corticosteroid", MEDICATION)] == [Match.UNPLACED]


def mg(value: float) -> dict[str, Any]:
    return {"value": value, "unit": "mg", "system": UCUM, "code": "mg"}


@pytest.mark.parametrize(
    ("timing", "per_day"),
    [
        ({"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}, "2"),
        ({"repeat": {"frequency": 1, "period": 8, "periodUnit": "h"}}, "3"),
        ({"repeat": {"frequency": 1, "period": 2, "periodUnit": "d"}}, "0.5"),
        ({"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}}, None),
        ({"repeat": {"frequency": 1, "period": 1, "periodUnit": "mo"}}, None),
        ({"repeat": {"period": 1, "periodUnit": "d", "timeOfDay": ["08:00:00", "20:00:00"]}}, "2"),
        ({"repeat": {"frequency": 1, "period": 1, "periodUnit": "d", "dayOfWeek": ["mon"]}}, None),
        ({"code": coded(GTS, "TID")}, "3"),
        ({"code": coded(GTS, "QOD")}, "0.5"),
        ({"code": coded(GTS, "Q6H")}, "4"),
        ({"code": {"text": "as told"}}, None),
        (None, None),
    ],
)
def test_how_often_a_day(timing, per_day):
    dosage = {"timing": timing, "doseAndRate": [{"doseQuantity": mg(5)}]}
    [dosing] = the_drug(order(dosageInstruction=[dosage])).dosing

    assert dosing.per_day == (None if per_day is None else Decimal(per_day))
    assert dosing.amount is not None
    assert (dosing.amount.value, dosing.amount.unit) == (Decimal(5), "mg")


def test_a_dose_range_and_a_frequency_range_give_the_most_in_a_day():
    repeat = {"frequency": 1, "frequencyMax": 3, "period": 1, "periodUnit": "d"}
    dosage = {
        "timing": {"repeat": repeat},
        "asNeededBoolean": True,
        "doseAndRate": [{"doseRange": {"low": mg(5), "high": mg(10)}}],
        "maxDosePerPeriod": {"numerator": mg(60), "denominator": {"value": 2, "code": "d"}},
    }
    [dosing] = the_drug(order(dosageInstruction=[dosage])).dosing

    assert dosing.as_needed
    assert dosing.amount is not None
    assert dosing.amount_high is not None
    assert dosing.max_per_day is not None
    assert (dosing.amount.value, dosing.amount_high.value, dosing.max_per_day.value) == tuple(map(Decimal, (5, 30, 30)))


def test_a_taper_keeps_its_steps():
    steps = [
        {
            "timing": {
                "repeat": {"boundsPeriod": {"start": start, "end": end}, "frequency": 1, "period": 1, "periodUnit": "d"}
            },
            "doseAndRate": [{"doseQuantity": mg(dose)}],
        }
        for start, end, dose in (("2026-01-01", "2026-01-05", 40), ("2026-01-06", "2026-01-10", 20))
    ]
    fact = the_drug(order(dosageInstruction=steps))

    assert days(fact) == ("2026-01-01", "2026-01-10", False)
    assert [each.amount.value for each in fact.dosing if each.amount] == [40, 20]


# --- procedures, vaccinations, plans ---------------------------------------------------------------------------------

TRANSFUSION = coded(SNOMED, "116863004", "Transfusion of red blood cells")


def procedure(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Procedure", "id": "t", "status": "completed", "code": TRANSFUSION, "subject": ME, **more}


@pytest.mark.parametrize(
    ("resource", "standing", "start"),
    [
        (procedure(performedDateTime="2026-11-08"), Standing.HAPPENED, "2026-11-08"),
        (procedure(occurrenceDateTime="2026-11-08"), Standing.HAPPENED, "2026-11-08"),
        (procedure(performedPeriod={"start": "2026-11-08", "end": "2026-11-09"}), Standing.HAPPENED, "2026-11-08"),
        (procedure(status="not-done"), Standing.AGAINST, None),
        (procedure(status="preparation"), Standing.PLANNED, None),
        (
            {
                **procedure(status="active", occurrenceDateTime="2026-12-01"),
                "resourceType": "ServiceRequest",
                "intent": "order",
            },
            Standing.PLANNED,
            "2026-12-01",
        ),
        (
            {
                "resourceType": "Appointment",
                "id": "t",
                "status": "booked",
                "serviceType": [TRANSFUSION],
                "start": "2026-12-01T09:00:00Z",
                "participant": [{"actor": {"reference": "Practitioner/x"}}, {"actor": ME}],
            },
            Standing.PLANNED,
            "2026-12-01",
        ),
    ],
)
def test_procedures_and_plans(resource, standing, start):
    [hit] = chart(resource).treatments("transfusion", PROCEDURE)

    assert (hit.match, hit.fact.standing, days(hit.fact)[0]) == (Match.IS, standing, start)


def test_a_plan_does_not_show_that_all_procedures_were_sent():
    planned = {**procedure(status="active"), "resourceType": "ServiceRequest", "intent": "order"}

    assert not chart(planned).shown(Family.PROCEDURE)
    assert chart(planned).count(Family.PROCEDURE) == 0


# --- results ---------------------------------------------------------------------------------------------------------


def test_a_number_is_exactly_what_was_sent():
    body = bundle(PATIENT, haemoglobin("o", 0, "2026-11-01")).replace(b'"value": 0', b'"value": 8.90')
    [fact] = read_chart(body, CATALOGUE).observations("haemoglobin")

    assert fact.value == NumberValue(Decimal("8.90"), "", "g/dL", "g/dL", UCUM)
    assert str(fact.value.value) == "8.90"
    assert fact.path == "Observation.valueQuantity"


def test_results_are_ordered_by_day_then_moment_then_reference():
    found = chart(
        haemoglobin("noon", 10, "2026-11-01T12:00:00+01:00"),
        haemoglobin("later", 11, "2026-11-01T11:30:00Z"),
        haemoglobin("before", 9, "2026-10-01"),
        observation("undated", "718-7", valueString="pending"),
    )

    assert [each.source.reference for each in found.observations("haemoglobin")] == [
        "Observation/undated",
        "Observation/before",
        "Observation/noon",
        "Observation/later",
    ]


@pytest.mark.parametrize("status", ["registered", "cancelled", "unknown", "entered-in-error", "nonsense", None])
def test_a_result_that_is_none_yet_or_no_more_does_not_count(status):
    assert chart(haemoglobin("o", 10, "2026-11-01", status=status)).observations("haemoglobin") == ()


def test_a_preliminary_result_counts_with_a_warning():
    found = chart(haemoglobin("o", 10, "2026-11-01", status="preliminary"))

    assert [each.preliminary for each in found.observations("haemoglobin")] == [True]
    assert codes_of(found) == [("preliminary", "Observation/o")]


def test_a_panel_gives_each_of_its_components():
    pressure = [
        {"code": coded(LOINC, code), "valueQuantity": {"value": value, "code": "mm[Hg]"}}
        for code, value in (("8480-6", 140), ("8462-4", 90))
    ]
    found = chart(observation("bp", "85354-9", effectiveDateTime="2026-11-01", component=pressure))

    [systolic] = found.observations("systolic")
    [diastolic] = found.observations("diastolic")
    assert systolic.path == "Observation.component[0].valueQuantity"
    assert diastolic.path == "Observation.component[1].valueQuantity"
    assert [each.path for each in systolic.companions] == [diastolic.path]


@pytest.mark.parametrize(
    ("more", "value"),
    [
        ({"valueInteger": 1}, NumberValue(Decimal(1), "", "1", "", "")),
        ({"valueString": "1"}, TextValue("1")),
        ({"valueRange": {"low": {"value": 0}}}, RangeValue(NumberValue(Decimal(0), "", "", "", ""), None)),
        ({"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}}, None),
        ({"dataAbsentReason": {"text": "not done"}}, None),
    ],
)
def test_values_in_every_form(more, value):
    [fact] = chart(observation("o", "89247-1", **more)).observations("ecog")

    assert fact.value == value


@pytest.mark.parametrize(
    "more",
    [
        {"valueQuantity": {"value": "10"}},
        {"valueQuantity": {"value": "NaN"}},
        {"valueQuantity": {"value": 10, "comparator": "about"}},
        {"valueInteger": 1, "valueString": "1"},
        {"valueInteger": 1, "dataAbsentReason": {"text": "not done"}},
        {"valueInteger": 1, "effectiveDateTime": "2026-11-01T24:00:00Z"},
        {"valueInteger": 1, "referenceRange": [{"low": {"value": True}}]},
    ],
)
def test_a_result_that_contradicts_itself_does_not_count(more):
    found = chart(observation("o", "89247-1", **more))

    assert found.observations("ecog") == ()
    assert codes_of(found) == [("malformed", "Observation/o")]


def test_a_number_beyond_all_measure_does_not_count():
    body = bundle(PATIENT, haemoglobin("o", 0, "2026-11-01")).replace(b'"value": 0', b'"value": 1E+999999')

    assert read_chart(body, CATALOGUE).observations("haemoglobin") == ()


@pytest.mark.parametrize(
    ("focus", "counts"),
    [
        ("Patient/p1", True),
        ("Condition/c", True),
        ("BodyStructure/b", True),
        ("Patient/donor", False),
        ("RelatedPerson/mother", False),
        ("Device/pump", False),
    ],
)
def test_a_result_about_another_person_is_not_the_patients(focus, counts):
    found = chart(haemoglobin("o", 10, "2026-11-01", focus=[{"reference": focus}]))

    assert bool(found.observations("haemoglobin")) is counts


def test_a_result_is_found_by_its_words_where_its_code_is_not_listed():
    local = {"code": coded("urn:example:lab", "HB1", "Hb (venous)")}
    found = chart({**haemoglobin("o", 10, "2026-11-01"), **local})

    assert found.observations("haemoglobin") == ()
    assert [each.source.reference for each in found.named_observations("haemoglobin")] == ["Observation/o"]


def test_issued_serves_where_nothing_says_when_it_was_taken():
    [fact] = chart(observation("o", "718-7", issued="2026-11-01T08:00:00Z", valueInteger=9)).observations("haemoglobin")

    assert fact.when_path == "Observation.issued"


def test_an_observation_can_be_a_diagnosis():
    noted = observation("o", "89247-1", valueCodeableConcept=DIABETES)
    [hit] = chart(noted).concept_observations("diabetes")

    assert (hit.match, hit.coding.code if hit.coding else "") == (Match.IS, "44054006")


# --- studies and consent ---------------------------------------------------------------------------------------------

STUDY = {
    "resourceType": "ResearchStudy",
    "id": "rs",
    "title": "A study",
    "identifier": [{"system": "https://clinicaltrials.gov/nctid", "value": "NCT00000000"}],
}


@pytest.mark.parametrize(
    ("more", "taking_part", "took_part", "end"),
    [
        ({"status": "on-study", "individual": ME, "period": {"start": "2026-01-01"}}, True, False, None),
        ({"status": "off-study", "individual": ME, "period": {"end": "2026-03-02"}}, False, True, "2026-03-02"),
        ({"status": "screening", "individual": ME}, False, False, None),
        (
            {
                "status": "active",
                "subject": ME,
                "progress": [
                    {"subjectState": coded("", "on-study"), "startDate": "2026-01-01", "endDate": "2026-02-01"},
                    {"subjectState": coded("", "off-study"), "startDate": "2026-02-01"},
                ],
            },
            False,
            True,
            "2026-02-01",
        ),
    ],
)
def test_taking_part_in_a_study(more, taking_part, took_part, end):
    subject = {"resourceType": "ResearchSubject", "id": "s", "study": {"reference": "ResearchStudy/rs"}, **more}
    [fact] = chart(subject, STUDY).participations()

    assert (fact.taking_part, fact.took_part) == (taking_part, took_part)
    assert (str(fact.end.latest) if fact.end else None) == end
    assert fact.study_ids == ("NCT00000000", "rs")
    assert fact.study_title == "A study"


@pytest.mark.parametrize("more", [{"status": "active"}, {"status": None}, {"status": "on-study", "period": 3}])
def test_a_study_record_without_a_state_may_be_any_participation(more):
    [fact] = chart({"resourceType": "ResearchSubject", "id": "s", "individual": ME, **more}).participations()

    assert (fact.taking_part, fact.took_part, fact.end) == (False, True, None)


def test_a_study_record_that_cannot_be_read_may_be_any_participation():
    subject = {"resourceType": "ResearchSubject", "id": "s", "status": "on-study", "individual": ME, "period": "2026"}
    [fact] = chart(subject).participations()

    assert (fact.taking_part, fact.took_part, fact.end) == (False, True, None)


@pytest.mark.parametrize(
    "more",
    [
        {
            "patient": ME,
            "scope": coded("http://terminology.hl7.org/CodeSystem/consentscope", "research"),
            "provision": {"type": "permit", "data": [{"reference": {"reference": "ResearchStudy/rs"}}]},
        },
        {
            "subject": ME,
            "category": [coded("http://terminology.hl7.org/CodeSystem/consentscope", "research")],
            "decision": "permit",
            "provision": [{"data": [{"reference": {"reference": "ResearchStudy/rs"}}]}],
        },
    ],
)
def test_a_research_consent_in_r4_and_r5(more):
    [fact] = chart({"resourceType": "Consent", "id": "c", "status": "active", **more}, STUDY).consents()

    assert (fact.permits, fact.research, fact.studies) == (True, True, ("NCT00000000", "rs"))


def test_a_consent_that_is_not_active_is_none():
    assert chart({"resourceType": "Consent", "id": "c", "status": "inactive", "patient": ME}).consents() == ()


def test_allergies_have_their_degrees():
    allergy = {
        "resourceType": "AllergyIntolerance",
        "id": "a",
        "patient": ME,
        "code": coded(RXNORM, "8640", "Prednisone"),
        "criticality": "high",
        "reaction": [{"severity": "severe", "manifestation": [{"concept": {"text": "Rash"}}]}],
    }
    [hit] = chart(allergy).allergies("corticosteroid")

    assert (hit.match, hit.fact.criticality, hit.fact.severities) == (Match.IS, "high", ("severe",))
    assert hit.fact.manifestations[0].text == "Rash"
