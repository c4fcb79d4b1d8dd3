"""Every resource that is made of real registrations is FHIR, by validators that know nothing of Eligo."""

from __future__ import annotations

from typing import Any

import pytest

from app.emitters.fhir import FhirVersion
from app.emitters.operations import OPERATIONS, criterion_statuses, operation_definition
from app.emitters.package import OF_TRIALS, package
from app.emitters.value_sets import concept_codes, value_set
from tests.emitters.trials import catalogue, published_file, registrations, target
from tests.validators import problems_by_models, problems_in_r4

pytestmark = pytest.mark.xdist_group("validators")


@pytest.fixture(scope="module")
def packages(shared) -> dict[str, list[dict[str, Any]]]:
    trials = [published_file(each) for each in registrations(shared)]
    assert len(trials) == 35
    return {version.value: [package(each, target(version)) for each in trials] for version in FhirVersion}


@pytest.mark.parametrize("version", ["4.0", "5.0"])
def test_packages_are_valid_by_the_models(packages, version):
    for each in packages[version]:
        assert [one["resource"]["resourceType"] for one in each["entry"][: len(OF_TRIALS)]] == list(OF_TRIALS)
    bundles = [{**each, "entry": [{"fullUrl": one["fullUrl"]} for one in each["entry"]]} for each in packages[version]]
    found = [one for each in (*bundles, *each_once(packages[version])) for one in problems_by_models(each, version)]
    assert found == []


def test_packages_are_valid_in_r4_by_two_more_validators(packages):
    assert problems_in_r4(each_once(packages["4.0"])) == []


def each_once(bundles: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The resources of all packages; a ValueSet that many trials use stands in many."""
    return list({each["fullUrl"]: each["resource"] for bundle in bundles for each in bundle["entry"]}.values())


@pytest.mark.parametrize("version", list(FhirVersion))
def test_so_is_what_belongs_to_no_trial(version):
    made = [operation_definition(each, target(version)) for each in OPERATIONS]
    made += [criterion_statuses(target(version)), concept_codes(target(version))]
    made += [value_set(each, target(version)) for each in list(catalogue().concepts.values())[::25]]

    assert [problem for each in made for problem in problems_by_models(each, version.value)] == []
    if version is FhirVersion.R4:
        assert problems_in_r4(made) == []


def test_the_validators_see_what_is_wrong():
    """A check that cannot fail shows nothing."""
    wrong = {"resourceType": "Group", "id": "a b", "type": "person", "actual": "no", "characteristics": []}

    assert problems_by_models(wrong, "4.0")
    found = problems_in_r4([wrong])
    assert any(each.startswith("fhir") for each in found)
    assert any("characteristics" in each for each in found)
    assert any("must match pattern" in each for each in found)


def test_every_reference_within_a_package_is_to_something_in_it(packages):
    for version, bundles in packages.items():
        for bundle in bundles:
            resources = [each["resource"] for each in bundle["entry"]]
            known = {f"{each['resourceType']}/{each['id']}" for each in resources}
            known |= {f"{each['url']}|{each['version']}" for each in resources if "url" in each}
            for resource in resources:
                inner = {f"#{each['id']}" for each in resource.get("contained", ())}
                pointed = _references(resource)
                assert {each for each in pointed if each.startswith("#")} == inner, (version, resource["id"])
                # FHIRHelpers is HL7's own: every engine has it.
                helpers = {"http://hl7.org/fhir/Library/FHIRHelpers|4.0.1"}
                assert {each for each in pointed if not each.startswith("#")} <= known | helpers


def _references(value: Any) -> set[str]:
    """All references and canonicals of Eligo's own, anywhere in a resource."""
    found: set[str] = set()
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "reference" and isinstance(each, str):
                found.add(each)
            elif key in {"library", "valueSet", "valueCanonical", "resource"} and key != "contained":
                found |= {one for one in (each if isinstance(each, list) else [each]) if isinstance(one, str)}
            found |= _references(each) if not isinstance(each, str) else set()
    elif isinstance(value, list):
        for each in value:
            found |= _references(each)
    return found
