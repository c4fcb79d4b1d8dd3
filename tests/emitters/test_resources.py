"""What the resources of a trial say: criterion by criterion, against what was registered and read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.criteria.codec import decode
from app.emitters.fhir import FhirVersion
from app.emitters.group import group
from app.emitters.package import package, resource_of
from app.emitters.plan import Logic, library
from app.emitters.value_sets import value_set
from tests.emitters.trials import BASE, catalogue, published, target

EBM = "http://hl7.org/fhir/uv/ebm/StructureDefinition/"
PAGE = """A study of something for type 2 diabetes

NCT ID: NCT00000000

Recruitment Status
RECRUITING

Conditions
Type 2 Diabetes

Inclusion Criteria:
1. Age 18 to 75 years
2. ECOG performance status of 0-1
3. Hemoglobin >= 9 g/dL or platelets >= 100 x 10^9/L
4. ALT <= 3 x ULN
5. Signed informed consent
6. Something that glorps the frobnicator
7. Priority will be given to patients living nearby

Exclusion Criteria:
1. Pregnant or breastfeeding women
2. Type 1 diabetes
3. Myocardial infarction within 6 months
"""


@pytest.fixture(scope="module")
def trial():
    return published(PAGE)


def by_id(resource: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in resource["characteristic"]}


def of(element: dict[str, Any], url: str) -> Any:
    """The value of an extension."""
    found = next(each for each in element["extension"] if each["url"] == url)
    return next((value for key, value in found.items() if key.startswith("value")), found.get("extension"))


def test_a_group_has_the_words_of_every_criterion_and_its_side(trial):
    made = by_id(group(trial, target()))

    binding = [each for each in trial.criteria if each.reading != "note"]
    assert list(made) == [each.id for each in binding]
    for each in binding:
        assert of(made[each.id], f"{EBM}characteristic-description") == each.text
        assert made[each.id]["exclude"] is (each.kind == "exclusion")


def test_every_criterion_can_be_taken_out_of_the_group_as_it_was(trial):
    made = group(trial, target())
    url = f"{BASE}/StructureDefinition/eligo-criterion"
    found = [of(each, url) for each in made["characteristic"]]
    found += [each["valueString"] for each in made["extension"] if each["url"] == url]
    carried = sorted((json.loads(each) for each in found), key=lambda each: each["order"])

    assert [decode(each["expression"]) for each in carried] == [each.expression for each in trial.criteria]
    assert [(each["id"], each["text"], tuple(each["span"])) for each in carried] == [
        (each.id, each.text, each.span) for each in trial.criteria
    ]


def test_a_wish_is_not_among_what_must_fit(trial):
    wish = next(each for each in trial.criteria if each.reading == "note")

    assert wish.id not in by_id(group(trial, target()))


def test_an_age_is_a_range_of_completed_years(trial):
    age = by_id(group(trial, target()))["I1"]

    assert age["valueRange"]["low"] == {
        "value": 18, "unit": "year", "system": "http://unitsofmeasure.org", "code": "a"
    }  # fmt: skip
    assert age["valueRange"]["high"]["value"] == 75


def test_a_score_is_a_range_and_a_normal_limit_is_counted_in_itself(trial):
    made = by_id(group(trial, target()))

    assert [made["I2"]["valueRange"][each]["value"] for each in ("low", "high")] == [0, 1]
    assert "89247-1" in {each["code"] for each in made["I2"]["code"]["coding"]}
    limit = made["I4"]["valueQuantity"]
    assert (limit["comparator"], limit["value"], limit["code"]) == ("<=", 3, "{ULN}")


def test_alternatives_are_a_contained_group(trial):
    made = group(trial, target())
    either = by_id(made)["I3"]
    child = next(each for each in made["contained"] if each["id"] == "I3-parts")

    assert either["valueReference"] == {"reference": "#I3-parts"}
    assert of(child, f"{EBM}combination-method") == "any-of"
    assert [each["id"] for each in child["characteristic"]] == ["I3.1", "I3.2"]
    assert [each["valueQuantity"]["value"] for each in child["characteristic"]] == [9, 100]
    # The top Group never says how it combines: it is all of its characteristics, also for who ignores extensions.
    assert not [each for each in made["extension"] if each["url"] == f"{EBM}combination-method"]


def test_what_excludes_may_point_to_a_group_too(trial):
    made = group(trial, target())

    assert by_id(made)["E1"]["exclude"] is True
    child = next(each for each in made["contained"] if each["id"] == "E1-parts")
    assert of(child, f"{EBM}combination-method") == "any-of"
    assert {each["exclude"] for each in child["characteristic"]} == {False}


def test_a_diagnosis_has_the_code_that_is_called_like_it_and_a_window_is_counted_back(trial):
    made = by_id(group(trial, target()))
    value, event = made["E2"]["valueCodeableConcept"], made["E3"]

    assert ("http://snomed.info/sct", "46635009") in {(each["system"], each["code"]) for each in value["coding"]}
    assert of(value, f"{BASE}/StructureDefinition/eligo-value-set").startswith(f"{BASE}/ValueSet/type-1-diabetes|")
    timing = {each["url"]: each for each in of(event, f"{EBM}characteristic-timing")}
    assert timing["offset"]["valueRange"]["low"] == {
        "value": -6, "unit": "month", "system": "http://unitsofmeasure.org", "code": "mo"
    }  # fmt: skip


def test_what_was_not_understood_stays_words(trial):
    unread = by_id(group(trial, target()))["I6"]

    assert unread["code"] == {"text": "Defined by CodeableConcept"}
    assert unread["valueCodeableConcept"] == {"text": "Something that glorps the frobnicator"}


def test_r5_says_definitional_and_the_study_points_to_it(trial):
    made = group(trial, target(FhirVersion.R5))
    study = resource_of("ResearchStudy", trial, target(FhirVersion.R5))

    assert made["membership"] == "definitional"
    assert "actual" not in made
    assert study["recruitment"]["eligibility"]["reference"] == "Group/NCT00000000"
    assert study["progressStatus"][0]["state"]["coding"][0]["code"] == "recruiting"


def test_a_study_in_r4(trial):
    study = resource_of("ResearchStudy", trial, target())

    assert study["status"] == "active"
    assert study["identifier"][0] == {
        "use": "official", "system": "https://clinicaltrials.gov/nctid", "value": "NCT00000000"
    }  # fmt: skip
    assert study["enrollment"][0]["reference"] == "Group/NCT00000000"
    assert study["protocol"] == [{"reference": "PlanDefinition/NCT00000000"}]
    assert "44054006" in {each["code"] for each in study["condition"][0]["coding"]}


def test_a_status_that_is_not_known_is_not_called_open():
    study = resource_of("ResearchStudy", published(PAGE.replace("RECRUITING", "UNKNOWN")), target())

    assert "status" not in study
    assert study["_status"]["extension"][0]["valueCode"] == "unknown"


def test_a_plan_has_an_action_a_criterion_with_its_data(trial):
    plan = resource_of("PlanDefinition", trial, target())
    sides = {each["title"]: each["action"] for each in plan["action"]}

    assert [each["id"] for each in sides["Inclusion"]] == ["I1", "I2", "I3", "I4", "I5", "I6", "I7"]
    assert [each["id"] for each in sides["Exclusion"]] == ["E1", "E2", "E3"]
    alt = sides["Inclusion"][3]
    assert alt["condition"][0]["expression"] == {"language": "text/cql-identifier", "expression": "I4"}
    assert alt["textEquivalent"] == "ALT <= 3 x ULN"
    assert "1742-6" in {each["code"] for each in alt["input"][0]["codeFilter"][0]["code"]}
    assert "condition" not in sides["Inclusion"][6]
    infarction = sides["Exclusion"][2]["input"][0]
    assert infarction["codeFilter"][0]["valueSet"].startswith(f"{BASE}/ValueSet/myocardial-infarction|")
    assert infarction["dateFilter"][0]["valueDuration"]["code"] == "mo"
    assert plan["url"] == f"{BASE}/PlanDefinition/NCT00000000"
    assert plan["library"] == [f"{BASE}/Library/NCT00000000|1"]


def test_a_datum_is_asked_for_once_with_its_window():
    page = PAGE.replace("ALT <= 3 x ULN", "Platelets >= 100 x 10^9/L within 14 days")
    plan = resource_of("PlanDefinition", published(page), target())
    platelets = plan["action"][0]["action"][3]

    assert platelets["textEquivalent"] == "Platelets >= 100 x 10^9/L within 14 days"
    (need,) = platelets["input"]
    assert need["dateFilter"][0]["valueDuration"]["value"] == 14


def test_a_library_carries_the_logic_that_it_is_given(trial):
    made = library(trial, target(), Logic((("text/cql", "library X"),), ("http://fhir.org/guides/x|1",)))

    assert made["content"] == [{"contentType": "text/cql", "data": "bGlicmFyeSBY"}]
    assert made["relatedArtifact"][0]["resource"] == "http://fhir.org/guides/x|1"
    assert made["dataRequirement"][0]["type"] == "Patient"


def test_value_sets_are_what_the_evaluator_takes_for_the_concept():
    """Every code of a ValueSet is placed in the concept by the index, and what is taken out is not."""
    systems = {uri: system.value for uri, system in catalogue().systems.items()}
    index = catalogue().index
    for concept in ("type-2-diabetes", "malignant-neoplasm", "systemic-corticosteroid", "soft-tissue-sarcoma"):
        made = value_set(catalogue().concepts[concept], target())
        listed = filtered = 0
        for part in made["compose"]["include"]:
            for each in part.get("concept", ()):
                listed += 1
                assert concept in index.place(systems[part["system"]], each["code"]).concepts, each
            for each in part.get("filter", ()):
                filtered += 1
                assert concept in index.place(systems[part["system"]], f"{each['value']}0").concepts or (
                    concept in index.place(systems[part["system"]], each["value"]).concepts
                )
        for part in made["compose"].get("exclude", ()):
            for each in part["filter"]:
                assert concept not in index.place(systems[part["system"]], each["value"]).concepts, each
        assert listed > 10
        assert filtered > 0


def test_a_questionnaire_asks_by_the_ids_of_the_report(trial):
    form = resource_of("Questionnaire", trial, target())
    items = {each["linkId"]: each for each in flat(form["item"])}

    assert form["url"] == f"{BASE}/Questionnaire/NCT00000000"
    assert form["version"] == "1"
    assert items["I6"]["type"] == "boolean"
    assert items["I6"]["text"] == "Does this hold: “Something that glorps the frobnicator”?"
    assert items["E1-parts"]["type"] == "group"
    assert {"E1.1", "E1.2"} <= items.keys()
    assert "I1" not in items
    assert "I7" not in items
    assert items["fact:haemoglobin"]["type"] == "quantity"
    assert items["fact:ecog"]["type"] == "choice"
    assert [each["valueCoding"]["display"] for each in items["fact:ecog"]["answerOption"]][:2] == ["0", "1"]
    assert items["fact:myocardial-infarction"]["type"] == "date"
    assert items["fact:ecog"] in items["facts"]["item"]


def flat(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for each in items for one in (each, *flat(each.get("item", [])))]


def test_link_ids_stand_once(trial):
    for version in FhirVersion:
        form = resource_of("Questionnaire", trial, target(version))
        ids = [each["linkId"] for each in flat(form["item"])]
        assert len(ids) == len(set(ids))


def test_the_same_trial_gives_the_same_bytes(trial):
    once, again = (json.dumps(package(published(PAGE), target())) for _ in range(2))

    assert once == again


def test_a_text_that_fhir_cannot_hold_is_brought_into_what_it_can():
    odd = PAGE.replace("Signed informed", "Signed\u00a0informed\u2028\ufeff")
    made = by_id(group(published(odd), target()))

    assert of(made["I5"], f"{EBM}characteristic-description") == "Signed informed   consent"
