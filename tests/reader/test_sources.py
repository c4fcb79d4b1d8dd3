"""Registrations in every form: what the register says of a trial is kept, and its criteria are read."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from app.criteria import record as r
from app.criteria.codec import decode_record, encode_record
from app.criteria.schema import record_schema
from app.criteria.time import Duration, TimeUnit
from app.knowledge.load import load_catalogue
from app.reader import (
    Kind,
    Reading,
    Registration,
    UnusableStudy,
    read_criteria_list,
    read_registration,
    read_research_study,
    read_row,
    read_study,
    read_study_xml,
)
from app.reader.registration import read_age, read_population, unread_ages

CRITERIA = "Inclusion Criteria:\n\n* Age 20 years or older\n\nExclusion Criteria:\n\n* Pregnant women\n"
EIGHTEEN = Duration(Decimal(18), TimeUnit.YEAR)


@cache
def catalogue():
    return load_catalogue()


STUDY: dict[str, Any] = {
    "protocolSection": {
        "identificationModule": {
            "nctId": "NCT00000001",
            "nctIdAliases": ["NCT00000002"],
            "orgStudyIdInfo": {"id": "ABC-1"},
            "secondaryIdInfos": [
                {"id": "2010-024379-15", "type": "EUDRACT_NUMBER"},
                {"id": "U10CA1", "type": "NIH", "domain": "NCI", "link": "https://example.org/U10CA1"},
            ],
            "organization": {"fullName": "A hospital", "class": "OTHER"},
            "briefTitle": "Cells",
            "officialTitle": "Cells against sarcoma",
            "acronym": "CAS",
        },
        "statusModule": {
            "overallStatus": "TERMINATED",
            "whyStopped": "No funds",
            "startDateStruct": {"date": "2011-08", "type": "ACTUAL"},
            "completionDateStruct": {"date": "2014-08-31", "type": "ESTIMATED"},
            "studyFirstSubmitDate": "2011-01-31",
            "statusVerifiedDate": "2014-01",
        },
        "sponsorCollaboratorsModule": {
            "leadSponsor": {"name": "A hospital", "class": "OTHER"},
            "collaborators": [{"name": "A firm", "class": "INDUSTRY"}],
        },
        "descriptionModule": {"briefSummary": "In short.", "detailedDescription": "At length."},
        "conditionsModule": {"conditions": ["Sarcoma"], "keywords": ["cells"]},
        "designModule": {
            "studyType": "INTERVENTIONAL",
            "phases": ["EARLY_PHASE1", "PHASE2"],
            "designInfo": {
                "allocation": "RANDOMIZED",
                "interventionModel": "PARALLEL",
                "primaryPurpose": "TREATMENT",
                "maskingInfo": {"masking": "DOUBLE", "whoMasked": ["PARTICIPANT", "CARE_PROVIDER"]},
            },
            "enrollmentInfo": {"count": 40, "type": "ESTIMATED"},
        },
        "armsInterventionsModule": {
            "armGroups": [
                {
                    "label": "Cells",
                    "type": "ACTIVE_COMPARATOR",
                    "description": "Given once.",
                    "interventionNames": ["Biological: NK cells"],
                }
            ],
            "interventions": [
                {"type": "BIOLOGICAL", "name": "NK cells", "otherNames": ["CB-NK"], "armGroupLabels": ["Cells"]}
            ],
        },
        "outcomesModule": {
            "primaryOutcomes": [{"measure": "Survival", "description": "Overall.", "timeFrame": "2 years"}],
            "otherOutcomes": [{"measure": "Sleep"}],
        },
        "eligibilityModule": {
            "eligibilityCriteria": CRITERIA,
            "minimumAge": "18 Years",
            "maximumAge": "N/A",
            "sex": "FEMALE",
            "genderBased": True,
            "genderDescription": "Women",
            "healthyVolunteers": False,
            "stdAges": ["ADULT", "OLDER_ADULT"],
        },
        "contactsLocationsModule": {
            "overallOfficials": [
                {"name": "A. Doctor, MD", "role": "PRINCIPAL_INVESTIGATOR", "affiliation": "A hospital"}
            ],
            "centralContacts": [
                {"name": "B. Nurse", "role": "CONTACT", "phone": "1", "phoneExt": "2", "email": "b@example.org"}
            ],
            "locations": [
                {
                    "facility": "A hospital",
                    "status": "NOT_YET_RECRUITING",
                    "city": "Aachen",
                    "state": "NRW",
                    "zip": "52062",
                    "country": "Germany",
                    "geoPoint": {"lat": 50.77664, "lon": 6.08342},
                    "contacts": [{"name": "C. Clerk", "role": "CONTACT"}],
                }
            ],
        },
        "referencesModule": {
            "references": [{"citation": "Somebody. A journal. 2010.", "type": "BACKGROUND", "pmid": "1"}],
            "seeAlsoLinks": [{"url": "https://example.org", "label": "More"}],
        },
    }
}
RECORD = r.RegistrationRecord(
    identifiers=(
        r.Identifier("NCT00000001", r.IdentifierUse.REGISTRY),
        r.Identifier("ABC-1", r.IdentifierUse.ORGANISATION, domain="A hospital"),
        r.Identifier("2010-024379-15", r.IdentifierUse.SECONDARY, "eudract-number"),
        r.Identifier("U10CA1", r.IdentifierUse.SECONDARY, "nih", "NCI", link="https://example.org/U10CA1"),
        r.Identifier("NCT00000002", r.IdentifierUse.ALIAS),
    ),
    brief_title="Cells",
    official_title="Cells against sarcoma",
    acronym="CAS",
    summary="In short.",
    description="At length.",
    status="terminated",
    why_stopped="No funds",
    design=r.Design(
        study_type="interventional",
        phases=("early 1", "2"),
        primary_purpose="treatment",
        allocation="randomized",
        intervention_model="parallel",
        masking="double",
        who_masked=("participant", "care-provider"),
    ),
    population=r.Population(
        minimum_age=EIGHTEEN,
        sex="female",
        is_gender_based=True,
        gender_description="Women",
        healthy_volunteers=False,
        age_groups=("adult", "older-adult"),
    ),
    enrolment=r.Enrolment(40, is_actual=False),
    conditions=("Sarcoma",),
    keywords=("cells",),
    sponsor=r.Organisation("A hospital", "other"),
    collaborators=(r.Organisation("A firm", "industry"),),
    officials=(r.Official("A. Doctor, MD", "principal-investigator", "A hospital"),),
    contacts=(r.Contact("B. Nurse", "contact", "1", "2", "b@example.org"),),
    sites=(
        r.Site(
            "A hospital",
            "not-yet-recruiting",
            "Aachen",
            "NRW",
            "52062",
            "Germany",
            latitude=Decimal("50.77664"),
            longitude=Decimal("6.08342"),
            contacts=(r.Contact("C. Clerk", "contact"),),
        ),
    ),
    arms=(r.Arm("Cells", "active-comparator", "Given once.", ("NK cells",)),),
    interventions=(r.Intervention("NK cells", "biological", "", ("CB-NK",), ("Cells",)),),
    outcomes=(
        r.RegisteredOutcome("Survival", r.OutcomeRank.PRIMARY, "Overall.", "2 years"),
        r.RegisteredOutcome("Sleep", r.OutcomeRank.OTHER),
    ),
    start=r.RegisteredDate("2011-08", is_actual=True),
    completion=r.RegisteredDate("2014-08-31", is_actual=False),
    first_submitted=r.RegisteredDate("2011-01-31"),
    verified=r.RegisteredDate("2014-01"),
    citations=(r.Citation("Somebody. A journal. 2010.", "background", "1"),),
    links=(r.Link("https://example.org", "More"),),
)
XML = f"""<?xml version="1.0" encoding="UTF-8"?>
<clinical_study>
  <id_info>
    <org_study_id>ABC-1</org_study_id>
    <secondary_id>2010-024379-15</secondary_id>
    <nct_id>NCT00000001</nct_id>
    <nct_alias>NCT00000002</nct_alias>
  </id_info>
  <brief_title>Cells</brief_title>
  <acronym>CAS</acronym>
  <official_title>Cells against sarcoma</official_title>
  <sponsors>
    <lead_sponsor><agency>A hospital</agency><agency_class>Other</agency_class></lead_sponsor>
    <collaborator><agency>A firm</agency><agency_class>Industry</agency_class></collaborator>
  </sponsors>
  <source>A hospital</source>
  <brief_summary><textblock>
      In
      short.
  </textblock></brief_summary>
  <overall_status>Terminated</overall_status>
  <why_stopped>No funds</why_stopped>
  <start_date type="Actual">August 2011</start_date>
  <completion_date type="Anticipated">August 31, 2014</completion_date>
  <phase>Phase 1/Phase 2</phase>
  <study_type>Interventional</study_type>
  <study_design_info>
    <allocation>Randomized</allocation>
    <intervention_model>Parallel Assignment</intervention_model>
    <primary_purpose>Treatment</primary_purpose>
    <masking>Double (Participant, Care Provider)</masking>
  </study_design_info>
  <primary_outcome><measure>Survival</measure><time_frame>2 years</time_frame></primary_outcome>
  <enrollment type="Actual">40</enrollment>
  <condition>Sarcoma</condition>
  <arm_group><arm_group_label>Cells</arm_group_label><arm_group_type>Active Comparator</arm_group_type></arm_group>
  <intervention>
    <intervention_type>Biological</intervention_type>
    <intervention_name>NK cells</intervention_name>
    <arm_group_label>Cells</arm_group_label>
  </intervention>
  <eligibility>
    <criteria><textblock>{CRITERIA.replace("* ", "          -  ")}</textblock></criteria>
    <gender>Female</gender>
    <minimum_age>18 Years</minimum_age>
    <maximum_age>N/A</maximum_age>
    <healthy_volunteers>No</healthy_volunteers>
  </eligibility>
  <overall_official>
    <first_name>A.</first_name><last_name>Doctor</last_name><degrees>MD</degrees>
    <role>Principal Investigator</role><affiliation>A hospital</affiliation>
  </overall_official>
  <overall_contact><last_name>B. Nurse</last_name><phone>Phone: 1</phone></overall_contact>
  <location>
    <facility>
      <name>A hospital</name>
      <address><city>Aachen</city><state>NRW</state><zip>52062</zip><country>Germany</country></address>
    </facility>
    <status>Not yet recruiting</status>
    <contact><last_name>C. Clerk</last_name></contact>
  </location>
  <reference><citation>Somebody. A journal. 2010.</citation><PMID>1</PMID></reference>
</clinical_study>
"""
LIST: dict[str, Any] = {
    "nci_id": "NCI-2014-1",
    "nct_id": "NCT00000001",
    "protocol_id": "ABC-1",
    "brief_title": "Cells",
    "phase": "I_II",
    "current_trial_status": "Temporarily Closed to Accrual",
    "start_date": "2014-08-18",
    "eligibility": {
        "structured": {
            "min_age": "18 Years",
            "max_age": "999 Years",
            "sex": "ALL",
            "accepts_healthy_volunteers": False,
        },
        "unstructured": [
            {"inclusion_indicator": False, "display_order": 4, "description": "Pregnant women"},
            {"inclusion_indicator": True, "display_order": 1, "description": "STEP 1 ELIGIBILITY"},
            {
                "inclusion_indicator": True,
                "display_order": 3,
                "description": "Adequate organ function:\r\n* Platelets >= 100,000/mm^3\r\n** Hemoglobin >= 9 g/dL",
            },
            {"inclusion_indicator": True, "display_order": 2, "description": "Age 20 years or older"},
        ],
    },
}


def kinds(found: Registration) -> list[tuple[str, Reading]]:
    return [(each.id, each.reading) for each in found.criteria]


def spans_fit(found: Registration) -> None:
    for each in found.criteria:
        if each.span != (0, 0):
            assert found.text[slice(*each.span)] == each.text


def test_a_study_of_the_api_keeps_all_that_the_register_says():
    found = read_study(STUDY, catalogue())

    assert found.record == RECORD
    assert (found.id, found.title, found.status, found.phase) == ("NCT00000001", "Cells", "terminated", "early 1/2")
    assert (found.conditions, found.sponsor) == (("Sarcoma",), "A hospital")
    assert kinds(found) == [
        ("sex", Reading.COMPUTABLE),
        ("volunteers", Reading.JUDGEMENT),
        ("I1", Reading.COMPUTABLE),
        ("E1", Reading.COMPUTABLE),
    ]
    spans_fit(found)


def test_fields_of_a_wrong_type_are_passed_over():
    broken = {
        "protocolSection": {
            **{key: [1, {"a": None}, "x"] for key in STUDY["protocolSection"]},
            "eligibilityModule": {
                "eligibilityCriteria": CRITERIA,
                "minimumAge": 18,
                "sex": ["ALL"],
                "stdAges": "ADULT",
            },
            "designModule": {"enrollmentInfo": {"count": True}, "phases": "PHASE1"},
            "contactsLocationsModule": {"locations": [{"geoPoint": {"lat": "x", "lon": 1e400}, "contacts": 7}]},
            "statusModule": {"startDateStruct": {"date": "soon"}},
        }
    }

    found = read_study(broken, catalogue())

    assert found.record == r.RegistrationRecord(sites=(r.Site(),))
    assert (found.id, found.title) == (None, "Untitled trial")
    assert len(found.criteria) == 2


def test_an_age_limit_that_is_not_read_is_told():
    module = {**STUDY["protocolSection"]["eligibilityModule"], "maximumAge": "thirty Minutes"}
    found = read_study({"protocolSection": {"eligibilityModule": module}}, catalogue())

    assert found.notes == ("The age limit “thirty Minutes” was not read.",)


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("No", False),
        ("no healthy volunteers", False),
        ("Yes", True),
        ("Accepts Healthy Volunteers", True),
        ("", None),
        ("Not provided", None),
        ("None given", None),
    ],
)
def test_healthy_volunteers_are_refused_only_where_that_is_said(said, taken):
    assert read_population("", "", "", said).healthy_volunteers is taken


@pytest.mark.parametrize("said", ["", "N/A", "None", "No limit", "no maximum age", "Not applicable", " - "])
def test_an_open_end_of_the_age_range_is_no_limit_and_no_note(said):
    assert (read_age(said), unread_ages(said)) == (None, ())


def test_xml_keeps_what_it_says_in_the_same_words_as_the_api():
    found = read_study_xml(XML, catalogue())

    record, like = found.record, RECORD
    assert record.identifiers[0] == like.identifiers[0]
    assert {each.value: each.use for each in record.identifiers} == {
        "NCT00000001": r.IdentifierUse.REGISTRY,
        "ABC-1": r.IdentifierUse.ORGANISATION,
        "2010-024379-15": r.IdentifierUse.SECONDARY,
        "NCT00000002": r.IdentifierUse.ALIAS,
    }
    same_words = (
        *("brief_title", "official_title", "acronym", "summary", "status", "why_stopped", "conditions", "sponsor"),
        *("collaborators", "officials", "start", "completion", "citations"),
    )
    for same in same_words:
        assert getattr(record, same) == getattr(like, same), same
    assert record.design == r.Design(
        "interventional", ("1", "2"), "treatment", "randomized", "parallel", "double", ("participant", "care-provider")
    )
    assert record.population == r.Population(minimum_age=EIGHTEEN, sex="female", healthy_volunteers=False)
    assert record.enrolment == r.Enrolment(40, is_actual=True)
    assert record.contacts == (r.Contact("B. Nurse", "contact", "1"),)
    assert record.sites == (
        r.Site(
            "A hospital",
            "not-yet-recruiting",
            "Aachen",
            "NRW",
            "52062",
            "Germany",
            contacts=(r.Contact("C. Clerk", "contact"),),
        ),
    )
    assert record.arms == (r.Arm("Cells", "active-comparator", "", ("NK cells",)),)
    assert record.outcomes == (r.RegisteredOutcome("Survival", r.OutcomeRank.PRIMARY, "", "2 years"),)
    assert kinds(found) == kinds(read_study(STUDY, catalogue()))
    spans_fit(found)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<clinical_study>", "cannot be read"),
        ("<html></html>", "<html>"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><clinical_study>&a;</clinical_study>', "entities"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><clinical_study/>', "document type"),
        ("", "cannot be read"),
        ("<clinical_study>" + "<a>" * 70 + "</a>" * 70 + "</clinical_study>", "64 deep"),
    ],
)
def test_xml_that_is_none_or_would_unfold_is_refused(text, told):
    with pytest.raises(UnusableStudy, match=told):
        read_study_xml(text, catalogue())


def test_a_list_of_criteria_is_read_in_its_order_with_its_headings_and_inner_lists():
    found = read_criteria_list(LIST, catalogue())

    assert [(each.id, each.kind, each.text.partition("\n")[0]) for each in found.criteria if each.span != (0, 0)] == [
        ("I1", Kind.INCLUSION, "STEP 1 ELIGIBILITY"),
        ("I2", Kind.INCLUSION, "Age 20 years or older"),
        ("I3", Kind.INCLUSION, "Adequate organ function:"),
        ("E1", Kind.EXCLUSION, "Pregnant women"),
    ]
    assert dict(kinds(found))["I1"] is Reading.NOTE
    assert dict(kinds(found))["I3"] is Reading.COMPUTABLE
    assert (found.id, found.status, found.phase) == ("NCT00000001", "suspended", "1/2")
    assert found.record.population.maximum_age is None
    assert [each.value for each in found.record.identifiers] == ["NCT00000001", "ABC-1", "NCI-2014-1"]
    spans_fit(found)


def test_a_criterion_of_a_list_that_does_not_say_its_side_is_refused():
    broken = {**LIST, "eligibility": {"unstructured": [{"description": "Pregnant women"}]}}

    with pytest.raises(UnusableStudy) as refusal:
        read_criteria_list(broken, catalogue())

    assert refusal.value.pointer == "/eligibility/unstructured/0/inclusion_indicator"


def test_a_row_of_a_table_is_read():
    row = {"#nct_id": "NCT00000001", "title": "Cells", "conditions": "Sarcoma|Ewing", "eligibility_criteria": CRITERIA}
    found = read_row(row, catalogue())

    assert (found.id, found.title, found.conditions) == ("NCT00000001", "Cells", ("Sarcoma", "Ewing"))
    assert kinds(found) == [("I1", Reading.COMPUTABLE), ("E1", Reading.COMPUTABLE)]


def test_text_that_begins_with_its_criteria_has_no_title():
    assert read_registration(CRITERIA, catalogue()).record.brief_title == ""


def test_a_research_study_keeps_what_it_says():
    study = {
        "resourceType": "ResearchStudy",
        "identifier": [
            {"system": "https://example.org/own", "value": "ABC-1"},
            {"system": "https://clinicaltrials.gov", "value": "NCT00000001"},
        ],
        "title": "Cells",
        "status": "closed-to-accrual",
        "reasonStopped": {"text": "No funds"},
        "phase": {"text": "Phase 1/Phase 2"},
        "primaryPurposeType": {"text": "Treatment"},
        "condition": [{"text": "Sarcoma"}],
        "keyword": [{"text": "cells"}],
        "contact": [{"name": "B. Nurse", "telecom": [{"system": "email", "value": "b@example.org"}]}],
        "period": {"start": "2011-08", "end": "2014-08-31T00:00:00Z"},
        "sponsor": {"display": "A hospital"},
        "principalInvestigator": {"reference": "#pi"},
        "site": [{"reference": "#site"}],
        "arm": [{"name": "Cells", "type": {"text": "Active Comparator"}, "description": "Given once."}],
        "objective": [{"name": "Does it work?", "type": {"text": "primary"}}],
        "contained": [
            {"resourceType": "Practitioner", "id": "pi", "name": [{"given": ["A."], "family": "Doctor"}]},
            {
                "resourceType": "Location",
                "id": "site",
                "name": "A hospital",
                "address": {"city": "Aachen", "country": "Germany"},
                "position": {"latitude": 50.77664, "longitude": 6.08342},
            },
        ],
        "description": CRITERIA,
    }
    record = read_research_study(study, catalogue()).record

    assert record.identifiers == (
        r.Identifier("NCT00000001", r.IdentifierUse.REGISTRY, system="https://clinicaltrials.gov"),
        r.Identifier("ABC-1", r.IdentifierUse.SECONDARY, system="https://example.org/own"),
    )
    assert (record.status, record.why_stopped, record.design.phases) == (
        "active-not-recruiting",
        "No funds",
        ("1", "2"),
    )
    assert record.design.primary_purpose == "treatment"
    assert record.officials == (r.Official("A. Doctor", "principal-investigator"),)
    assert record.contacts == (r.Contact("B. Nurse", email="b@example.org"),)
    assert (record.start, record.completion) == (r.RegisteredDate("2011-08"), r.RegisteredDate("2014-08-31"))
    assert record.sites == (
        r.Site(
            "A hospital", city="Aachen", country="Germany", latitude=Decimal("50.77664"), longitude=Decimal("6.08342")
        ),
    )
    assert record.arms == (r.Arm("Cells", "active-comparator", "Given once."),)
    assert record.objectives == (r.Objective("Does it work?", "primary"),)


def test_records_are_written_and_read_back_and_fit_their_schema():
    from jsonschema import Draft202012Validator

    check = Draft202012Validator(record_schema())
    for record in (RECORD, r.RegistrationRecord(), read_criteria_list(LIST, catalogue()).record):
        written = encode_record(record)
        check.validate(written)
        assert decode_record(r.RegistrationRecord, json.loads(json.dumps(written))) == record


def test_every_registration_of_the_reference_material_is_read_with_its_record(shared):
    from jsonschema import Draft202012Validator

    check = Draft202012Validator(record_schema())
    trials = shared / "data" / "trials"
    found = [
        *(read_study(json.loads(each.read_text()), catalogue()) for each in trials.glob("ctgov-v2/*.json")),
        *(read_study_xml(each.read_text(), catalogue()) for each in trials.glob("ctgov-legacy-xml/*.xml")),
        *(read_criteria_list(json.loads(each.read_text()), catalogue()) for each in trials.glob("nci-*/*.json")),
    ]
    with (trials / "plain-text" / "clinical_trials_2020.csv").open(newline="") as table:
        found += [read_row(row, catalogue()) for row in csv.DictReader(table) if row["#nct_id"] != "#nct_id"]

    assert len(found) == 39 + 3 + 6 + 20
    for each in found:
        assert each.id is not None
        assert each.id.startswith("NCT")
        assert each.criteria
        check.validate(encode_record(each.record))
        spans_fit(each)
    assert all(each.record.sponsor for each in found[:42])
    assert all(each.record.enrolment and each.record.start for each in found[:42])
