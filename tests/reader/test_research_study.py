"""FHIR studies: what their facts and criteria become, on which side, and what never decides."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from app.knowledge.load import load_catalogue
from app.reader import Kind, Reading, UnusableStudy, read_research_study
from tests.reader.outline import outline

if TYPE_CHECKING:
    from pathlib import Path

    from app.reader import Registration

CATALOGUE = load_catalogue()
EBM = "http://hl7.org/fhir/uv/ebm/StructureDefinition"


def read(resource: dict[str, Any]) -> Registration:
    """What is read; spans point into the text, whatever was sent."""
    registration = read_research_study(resource, CATALOGUE)
    for each in registration.criteria:
        if each.span != (0, 0):
            assert registration.text[slice(*each.span)] == each.text
    return registration


def trait(text: str, *, exclude: bool = False, **more: Any) -> dict[str, Any]:
    return {"code": {"text": text}, "valueBoolean": True, "exclude": exclude, **more}


def coded(display: str, *, exclude: bool = False, **value: Any) -> dict[str, Any]:
    return {"code": {"coding": [{"display": display}]}, "exclude": exclude, **value}


def group(*characteristics: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Group",
        "id": "g",
        "type": "person",
        "actual": False,
        "characteristic": list(characteristics),
        **more,
    }


def study(*contained: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "ResearchStudy",
        "id": "s",
        "title": "Cells against sarcoma",
        "status": "active",
        "enrollment": [{"reference": "#g"}],
        "contained": list(contained),
        **more,
    }


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}


def sides(registration: Registration) -> list[tuple[str, str, str]]:
    return [(each.id, each.reading.value, outline(each.expression)) for each in registration.criteria]


R5 = {
    "resourceType": "ResearchStudy",
    "status": "active",
    "identifier": [
        {"use": "official", "value": "PROTOCOL 7/b"},
        {"system": "https://euclinicaltrials.eu/clinicalTrialId", "value": "2023-501234-12-00"},
        {"system": "http://clinicaltrials.gov/", "value": "NCT00000001"},
    ],
    "label": [{"type": {"coding": [{"code": "official"}]}, "value": "Cells in R5"}],
    "phase": {"coding": [{"code": "phase-1-phase-2"}]},
    "condition": [{"coding": [{"display": "Sarcoma"}]}, {"text": "Osteosarcoma"}],
    "associatedParty": [
        {"name": "Somebody", "role": {"coding": [{"code": "general-contact"}]}},
        {"role": {"coding": [{"code": "lead-sponsor"}]}, "party": {"reference": "Organization/o"}},
    ],
    "progressStatus": [
        {"state": {"coding": [{"code": "not-yet-recruiting"}]}, "period": {"end": "2026-01-01"}},
        {"state": {"coding": [{"code": "active-but-not-recruiting"}]}, "actual": True},
    ],
    "recruitment": {"eligibility": {"reference": "Group/g"}},
}


def test_a_group_of_r4_becomes_two_lists_in_order():
    found = read(
        study(
            group(
                trait("Pregnant or breastfeeding women", exclude=True),
                trait("Age 18 to 75 years"),
                trait("ECOG performance status of 0-1"),
            ),
            identifier=[{"system": "https://clinicaltrials.gov/nctid", "value": "NCT00000000"}],
            condition=[{"text": "Sarcoma"}],
            phase={"text": "Phase II"},
            sponsor={"display": "A hospital"},
        )
    )

    assert (found.id, found.title, found.status, found.phase) == (
        "NCT00000000",
        "Cells against sarcoma",
        "recruiting",
        "2",
    )
    assert (found.conditions, found.sponsor) == (("Sarcoma",), "A hospital")
    assert found.text.splitlines() == [
        "Inclusion Criteria:",
        "- Age 18 to 75 years",
        "- ECOG performance status of 0-1",
        "",
        "Exclusion Criteria:",
        "- Pregnant or breastfeeding women",
    ]
    assert [(each.id, each.reading) for each in found.criteria] == [
        ("I1", Reading.COMPUTABLE),
        ("I2", Reading.COMPUTABLE),
        ("E1", Reading.COMPUTABLE),
    ]
    assert found.notes == ("The criteria are the characteristics of Group/g.",)


def test_a_bundle_of_r5_is_read_through_its_references():
    described = {"code": {"text": "Defined by CodeableConcept"}, "exclude": False, "description": "Age 18 to 75 years"}
    free = {
        "code": {"text": "Defined by CodeableConcept"},
        "exclude": True,
        "valueCodeableConcept": {"text": "HIV infection"},
    }
    sent = bundle(
        R5,
        {"resourceType": "Organization", "id": "o", "name": "A hospital"},
        {**group(described, free), "membership": "definitional"},
        {**group(trait("Never asked for")), "id": "other"},
        {"resourceType": "Library", "id": "l"},
    )
    found = read(sent)

    assert (found.id, found.title, found.status, found.phase) == (
        "NCT00000001",
        "Cells in R5",
        "active-not-recruiting",
        "1/2",
    )
    assert (found.conditions, found.sponsor) == (("Sarcoma", "Osteosarcoma"), "A hospital")
    assert sides(found) == [
        ("I1", "computable", "age >= 18 years <= 75 years"),
        ("E1", "computable", "condition hiv-infection"),
    ]
    assert "Not read: Library." in found.notes


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"status": "closed-to-accrual"}, "active-not-recruiting"),
        ({"status": "completed"}, "completed"),
        ({"status": "in-review"}, "in-review"),
        ({}, "unknown"),
        ({"status": "active", "version": "1"}, "unknown"),
        ({"progressStatus": [{"state": {"coding": [{"code": "recruiting"}]}}]}, "recruiting"),
    ],
)
def test_only_r4_says_by_its_status_who_recruits(status, expected):
    sent = study(group(trait("Age 18 to 75 years")))
    del sent["status"]

    assert read({**sent, **status}).status == expected


def test_a_sponsors_own_number_is_no_registry_number_and_nameless_studies_stay_apart():
    one = study(group(trait("Age 18 to 75 years")), identifier=[{"value": "7/b"}])
    del one["title"]

    assert (read(one).id, read(one).title) == (None, "Untitled trial 7/b")


def test_codes_without_text_are_read_by_their_words_and_it_is_said():
    years = {"unit": "years"}
    found = read(
        study(
            group(
                coded("Age", valueRange={"low": {"value": 18, "code": "a"}, "high": {"value": 75.0, "code": "a"}}),
                coded("Age", valueRange={"low": {"value": 18, **years}}),
                coded("Hemoglobin", valueQuantity={"value": 9, "comparator": ">=", "unit": "g/dL"}),
                coded(
                    "Disease", exclude=True, valueCodeableConcept={"coding": [{"display": "Type 2 diabetes mellitus"}]}
                ),
            )
        )
    )

    assert sides(found) == [
        ("I1", "computable", "age >= 18 years <= 75 years"),
        ("I2", "computable", "age >= 18 years"),
        ("I3", "computable", "haemoglobin >= 9 g/dL"),
        ("E1", "computable", "condition type-2-diabetes"),
    ]
    assert "Characteristics of Group/g without text are read by the words of their codes." in found.notes


@pytest.mark.parametrize(
    "doubtful",
    [
        coded("Family history", valueCodeableConcept={"coding": [{"display": "Diabetes mellitus"}]}),
        coded("Diabetes mellitus", valueCodeableConcept={"coding": [{"display": "Suspected"}]}),
        coded("HIV infection", valueBoolean=True, period={"end": "2020-01-01"}),
        coded("HIV infection", valueBoolean=True, offset={"text": "x"}),
        coded("HIV infection", valueBoolean=True, modifierExtension=[{"url": "urn:x"}]),
        coded("HIV infection", valueBoolean=True, extension=[{"url": f"{EBM}/characteristic-timing"}]),
        coded("HIV infection", valueReference={"reference": "Condition/1"}),
        coded("HIV infection", valueExpression={"expression": "x"}),
        coded("HIV infection", valueQuantity={"value": True}),
        trait("HIV infection", valueBoolean=False, description="HIV infection"),
        trait("No HIV infection", exclude=True),
        {"exclude": False},
    ],
)
def test_what_depends_on_more_than_words_is_kept_and_decides_nothing(doubtful):
    found = read(study(group(doubtful, trait("Age 18 to 75 years"))))

    (criterion,) = (each for each in found.criteria if "Age 18" not in each.text)
    assert criterion.reading is Reading.UNREAD
    assert outline(criterion.expression) == "unread"
    assert criterion.text


def test_what_must_be_false_stands_on_the_other_side():
    found = read(
        study(
            group(
                trait("HIV infection", valueBoolean=False),
                trait("Type 2 diabetes", exclude=True, valueBoolean=False),
            )
        )
    )

    assert [(each.kind, outline(each.expression)) for each in found.criteria] == [
        (Kind.INCLUSION, "condition type-2-diabetes"),
        (Kind.EXCLUSION, "condition hiv-infection"),
    ]


def test_groups_that_combine_otherwise_do_not_become_all_of():
    hiv, diabetes = "HIV infection", "Type 2 diabetes"
    any_of = {"extension": [{"url": f"{EBM}/combination-method", "valueCode": "any-of"}]}

    wanted = read(study(group(trait(hiv), trait(diabetes), **any_of)))
    barred = read(study(group(trait(hiv, exclude=True), trait(diabetes, exclude=True), combinationMethod="any-of")))
    mixed = read(study(group(trait(hiv), trait(diabetes, exclude=True), **any_of)))
    counted = read(study(group(trait(hiv), trait(diabetes), combinationMethod="at-least", combinationThreshold=1)))
    at_most = read(study(group(trait(hiv), combinationMethod="at-most")))

    assert sides(wanted) == [("I1", "computable", "any(condition hiv-infection; condition type-2-diabetes)")]
    assert sides(barred) == [("E1", "computable", "all(condition hiv-infection; condition type-2-diabetes)")]
    for each in (mixed, counted, at_most):
        assert sides(each) == [("I1", "unread", "unread")]
        assert hiv in each.criteria[0].text


def test_a_characteristic_may_be_a_group_of_its_own():
    inner = group(trait("HIV infection"), trait("Type 2 diabetes"), id="in", combinationMethod="any-of")
    by_reference = {"code": {"text": "Defined by Reference"}, "valueReference": {"reference": "#in"}}
    found = read(study(group({**by_reference, "exclude": True}, trait("Age 18 to 75 years"), contained=[inner])))
    circle = group({**by_reference, "exclude": False, "valueReference": {"reference": "#g"}})

    assert sides(found)[1] == ("E1", "computable", "any(condition hiv-infection; condition type-2-diabetes)")
    assert [each[1] for each in sides(read(study(circle)))] == ["unread"]


@pytest.mark.parametrize("line", ["\n", " ", "\r\n"])
def test_headings_in_a_characteristic_say_the_sides(line):
    text = line.join(["Inclusion Criteria:", "- Age 18 to 75 years", "Exclusion Criteria:", "- HIV infection"])
    found = read(study(group(trait(text))))

    assert [(each.id, outline(each.expression)) for each in found.criteria] == [
        ("I1", "age >= 18 years <= 75 years"),
        ("E1", "condition hiv-infection"),
    ]
    assert [each.kind for each in read(study(group(trait("Exclusion criteria: HIV infection")))).criteria] == [
        Kind.EXCLUSION
    ]


def test_lines_within_a_characteristic_are_kept_together():
    text = "Any of the following:\n- HIV infection\n- Type 2 diabetes"
    found = read(study(group(trait(text, exclude=True), trait("Pregnant", exclude=True))))

    assert [each.reading for each in found.criteria] == [Reading.COMPUTABLE] * 2
    assert outline(found.criteria[0].expression) == "any(condition hiv-infection; condition type-2-diabetes)"


LISTS = "Inclusion Criteria:\n\n* Age 18 to 75 years\n\nExclusion Criteria:\n\n* HIV infection\n"


@pytest.mark.parametrize(
    ("sent", "source"),
    [
        (study(group(description=LISTS)), "Group/g"),
        (
            study({**group(), "extension": [{"url": "http://x/artifact-description", "valueMarkdown": LISTS}]}),
            "Group/g",
        ),
        (study(enrollment=[{"reference": "Group/elsewhere", "display": LISTS}]), "enrollment (display)"),
        (study(enrollment=[], description=f"This trial has a long story.\n\n{LISTS}\nLocations\nParis"), "description"),
        ({**R5, "recruitment": {}, "descriptionSummary": LISTS}, "descriptionSummary"),
        (study(objective=[{"name": LISTS}]), "objective"),
        (bundle(study(enrollment=[]), group(description=LISTS)), "Group/g"),
        (
            bundle(
                study(protocol=[{"reference": "PlanDefinition/p"}]),
                {
                    "resourceType": "PlanDefinition",
                    "id": "p",
                    "action": [
                        {"title": "Infusion", "action": [{"title": "Give cells"}]},
                        {"title": "Inclusion", "action": [{"prefix": "I1", "textEquivalent": "Age 18 to 75 years"}]},
                        {"title": "Exclusion criteria", "action": [{"description": "HIV infection"}]},
                    ],
                },
            ),
            "PlanDefinition/p",
        ),
    ],
)
def test_text_is_found_where_there_are_no_characteristics(sent, source):
    found = read(sent)

    assert sides(found) == [
        ("I1", "computable", "age >= 18 years <= 75 years"),
        ("E1", "computable", "condition hiv-infection"),
    ]
    assert any(source in each for each in found.notes)


def test_a_description_without_headings_that_may_exclude_decides_nothing():
    plain = read(study(group(description="Type 2 diabetes")))
    doubtful = read(study(group(description="Type 2 diabetes\nHIV infection is excluded")))

    assert sides(plain) == [("I1", "computable", "condition type-2-diabetes")]
    assert sides(doubtful) == [("I1", "unread", "unread")]


def test_an_expression_is_never_left_out():
    expression = {"url": "http://x/characteristicExpression", "valueExpression": {"expression": "Eligible"}}
    found = read(study(group(extension=[expression])))

    assert sides(found) == [("I1", "unread", "unread")]


def test_a_list_of_participants_is_no_criteria():
    sent = study(group(trait("HIV infection"), actual=True, member=[{"entity": {"reference": "Patient/1"}}]))

    assert read(sent).criteria == ()
    assert "lists participants" in read(sent).notes[0]


def test_two_groups_are_one_population_only_as_two_sides():
    one = group(trait("Age 18 to 75 years"))
    other = group(trait("HIV infection", exclude=True), id="h")
    both = [{"reference": "#g"}, {"reference": "#h"}]

    assert [each.id for each in read(study(one, other, enrollment=both)).criteria] == ["I1", "E1"]
    with pytest.raises(UnusableStudy, match="one of them or all") as caught:
        read(study(one, {**one, "id": "h"}, enrollment=both))
    assert caught.value.pointer == "/enrollment"


def test_a_group_with_text_and_a_group_with_characteristics_are_read_together():
    other = group(id="h", description="Exclusion Criteria:\n- HIV infection")
    both = [{"reference": "#g"}, {"reference": "#h"}]
    found = read(study(group(trait("Age 18 to 75 years")), other, enrollment=both))

    assert [(each.id, outline(each.expression)) for each in found.criteria] == [
        ("I1", "age >= 18 years <= 75 years"),
        ("E1", "condition hiv-infection"),
    ]


def test_criteria_that_are_elsewhere_too_are_told():
    found = read(study(group(trait("Age 18 to 75 years"), description="x"), description=LISTS))

    assert [each.id for each in found.criteria] == ["I1"]
    assert found.notes[1:] == (
        "The description of Group/g was not read.",
        "Criteria in the text of description were not read.",
    )


def test_a_group_that_was_not_sent_leaves_no_half_of_the_criteria():
    elsewhere = {"reference": "Group/elsewhere"}
    one = group(trait("Age 18 to 75 years"))
    for sent in (
        study(one, enrollment=[{"reference": "#g"}, elsewhere]),
        study(one, enrollment=[{"reference": "#g"}, {**elsewhere, "display": LISTS}]),
        study(one, enrollment=[elsewhere]),
        study(enrollment=[elsewhere, {"reference": "Group/x", "display": LISTS}]),
    ):
        with pytest.raises(UnusableStudy, match="Group/elsewhere, which was not sent") as caught:
            read(sent)
        assert caught.value.pointer == "/enrollment"

    found = read(study(enrollment=[elsewhere], description=LISTS))
    assert [each.id for each in found.criteria] == ["I1", "E1"]
    assert "Group/elsewhere, which was not sent" in found.notes[0]


@pytest.mark.parametrize(
    ("sent", "pointer"),
    [
        ({}, "/resourceType"),
        (group(), "/resourceType"),
        (bundle(), "/entry"),
        ({"resourceType": "Bundle", "entry": 3}, "/entry"),
        (bundle(study(), study()), "/entry"),
        (study(group(trait("x", exclude=False), {"code": {"text": "x"}})), "/contained/0/characteristic/1/exclude"),
        (bundle(study(enrollment=[]), group({"exclude": "no"})), "/entry/1/resource/characteristic/0/exclude"),
        (study(group(trait("Inclusion Criteria: x", exclude=True))), "/contained/0/characteristic/0"),
        (
            study(group({**trait("Inclusion criterion", exclude=True), "valueCodeableConcept": {"text": "x"}})),
            "/contained/0/characteristic/0",
        ),
    ],
)
def test_what_cannot_be_read_safely_is_refused_with_its_place(sent, pointer):
    with pytest.raises(UnusableStudy) as caught:
        read(sent)

    assert caught.value.pointer == pointer


def test_a_study_without_criteria_has_none():
    assert read(study(enrollment=[])).criteria == ()
    assert read(study(enrollment=[], contained=3, condition="x", phase=[], identifier={}, label=1)).criteria == ()


def test_a_study_from_a_matching_service_is_read_by_its_display(shared: Path):
    sent = json.loads((shared / "data/trials/fhir-researchstudy/complete_study.json").read_text())
    found = read(sent)

    assert (found.id, found.status, found.phase, found.conditions) == (
        "NCT02513394",
        "recruiting",
        "3",
        ("Breast Cancer",),
    )
    kinds = [each.kind for each in found.criteria]
    assert (kinds.count(Kind.INCLUSION), kinds.count(Kind.EXCLUSION)) == (21, 13)
    left = found.text
    for each in reversed(found.criteria):
        left = left[: each.span[0]] + left[each.span[1] :]
    assert "".join(left.split()).replace("-", "") == "InclusionCriteria:ExclusionCriteria:"
