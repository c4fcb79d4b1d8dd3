"""Bodies to try in the API description. Each is sent, as it stands here, by a test."""

from __future__ import annotations

from typing import Any

PAGE = """A study of something for sarcoma

NCT ID: NCT00000000

Recruitment Status
RECRUITING

Inclusion Criteria:
1. Age 18 to 75 years
2. ECOG performance status of 0-1

Exclusion Criteria:
1. Pregnant or breastfeeding women
"""

STUDY: dict[str, Any] = {
    "protocolSection": {
        "identificationModule": {"nctId": "NCT00000000", "briefTitle": "A study of something for sarcoma"},
        "statusModule": {"overallStatus": "RECRUITING"},
        "conditionsModule": {"conditions": ["Sarcoma"]},
        "eligibilityModule": {
            "eligibilityCriteria": "Inclusion Criteria:\n\n* ECOG performance status of 0-1\n\n"
            "Exclusion Criteria:\n\n* Pregnant or breastfeeding women\n",
            "minimumAge": "18 Years",
            "maximumAge": "75 Years",
            "sex": "ALL",
        },
    }
}

STUDY_XML = """<?xml version="1.0" encoding="UTF-8"?>
<clinical_study>
  <id_info><nct_id>NCT00000000</nct_id></id_info>
  <brief_title>A study of something for sarcoma</brief_title>
  <overall_status>Recruiting</overall_status>
  <condition>Sarcoma</condition>
  <eligibility>
    <criteria><textblock>
        Inclusion Criteria:

          -  ECOG performance status of 0-1

        Exclusion Criteria:

          -  Pregnant or breastfeeding women
    </textblock></criteria>
    <gender>All</gender>
    <minimum_age>18 Years</minimum_age>
    <maximum_age>75 Years</maximum_age>
  </eligibility>
</clinical_study>
"""

CRITERIA_LIST: dict[str, Any] = {
    "nct_id": "NCT00000000",
    "brief_title": "A study of something for sarcoma",
    "current_trial_status": "Active",
    "eligibility": {
        "structured": {"min_age": "18 Years", "max_age": "75 Years", "sex": "ALL"},
        "unstructured": [
            {"display_order": 1, "inclusion_indicator": True, "description": "ECOG performance status of 0-1"},
            {"display_order": 2, "inclusion_indicator": False, "description": "Pregnant or breastfeeding women"},
        ],
    },
}

ROW = """#nct_id,title,conditions,eligibility_criteria
NCT00000000,A study of something for sarcoma,Sarcoma,"
Inclusion Criteria:
  - Age 18 to 75 years
  - ECOG performance status of 0-1

Exclusion Criteria:
  - Pregnant or breastfeeding women
"
"""

RESEARCH_STUDY: dict[str, Any] = {
    "resourceType": "ResearchStudy",
    "identifier": [{"system": "https://clinicaltrials.gov/nctid", "value": "NCT00000000"}],
    "title": "A study of something for sarcoma",
    "status": "active",
    "condition": [{"text": "Sarcoma"}],
    "contained": [
        {
            "resourceType": "Group",
            "id": "eligibility",
            "type": "person",
            "actual": False,
            "characteristic": [
                {"code": {"text": "Age 18 to 75 years"}, "valueBoolean": True, "exclude": False},
                {"code": {"text": "ECOG performance status of 0-1"}, "valueBoolean": True, "exclude": False},
                {"code": {"text": "Pregnant or breastfeeding women"}, "valueBoolean": True, "exclude": True},
            ],
        }
    ],
    "enrollment": [{"reference": "#eligibility"}],
}

CORRECTION: dict[str, Any] = {
    "criteria": [
        {
            "id": "E1",
            "expression": {"kind": "reproductive-is", "state": "pregnant"},
            "note": "The sponsor confirms that breastfeeding alone does not exclude.",
        }
    ]
}

CRITERIA = "Inclusion Criteria:\n1. Age 18 to 75 years\n"

BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {
            "fullUrl": "urn:uuid:0b6d6f2e-0d8a-4e7c-9a55-6c7f0a0e7a01",
            "resource": {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1961-04-23"},
        }
    ],
}

INLINE: dict[str, Any] = {"trial": PAGE, "bundle": BUNDLE}
