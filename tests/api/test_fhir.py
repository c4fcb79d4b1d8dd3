"""The calls under /fhir, through the front door: reading, searching, negotiation, operations, and every refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.api import examples
from app.api.errors import KINDS
from app.api.fhir_capability import SERVED
from app.api.fhir_outcomes import _BY_STATUS, ISSUES, issue_code
from tests.validators import problems_by_models, problems_in_r4

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("validators")]

FHIR = {"Content-Type": "application/fhir+json"}
R5 = {"Accept": "application/fhir+json; fhirVersion=5.0"}
PAGE = """A study of something for type 2 diabetes

NCT ID: NCT{number:08}

Recruitment Status
{status}

Conditions
Type 2 Diabetes

Inclusion Criteria:
1. Age 18 to 75 years
2. ECOG performance status of 0-1
3. Hemoglobin >= 9 g/dL or platelets >= 100 x 10^9/L
4. Willing to wear a hat

Exclusion Criteria:
1. Type 1 diabetes
2. Chemotherapy within 4 weeks
"""
RECORD: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "collection",
    "entry": [
        {"resource": {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1961-04-23"}},
        {
            "fullUrl": "urn:uuid:0b6d6f2e-0d8a-4e7c-9a55-6c7f0a0e7a02",
            "resource": {
                "resourceType": "Observation",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "89247-1"}]},
                "subject": {"reference": "Patient/p1"},
                "effectiveDateTime": "2026-11-01",
                "valueInteger": 1,
            },
        },
        {
            "resource": {
                "resourceType": "Observation",
                "id": "wrong",
                "status": "entered-in-error",
                "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
                "subject": {"reference": "Patient/p2"},
            }
        },
    ],
}


async def register(client, number: int, status: str = "RECRUITING") -> str:
    answer = await client.post(
        "/fhir/ResearchStudy/$import",
        content=PAGE.format(number=number, status=status),
        headers={"Content-Type": "text/plain"},
    )
    assert answer.status_code in {200, 201}, answer.text
    return f"NCT{number:08}"


def is_outcome(answer, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/fhir+json")
    outcome = answer.json()
    assert outcome["resourceType"] == "OperationOutcome"
    assert {each["code"] for each in outcome["issue"]} == {code}
    assert problems_by_models(outcome, "4.0") == problems_by_models(outcome, "5.0") == []
    issue: dict[str, Any] = outcome["issue"][0]
    return issue


def valid(answer, version: str = "4.0") -> dict[str, Any]:
    """The resource of an answer: said to be, and being, FHIR in that version."""
    assert answer.status_code in {200, 201}, answer.text
    assert answer.headers["content-type"] == f"application/fhir+json; fhirVersion={version}; charset=utf-8"
    resource: dict[str, Any] = answer.json()
    assert problems_by_models(resource, version) == []
    if version == "4.0":
        assert problems_in_r4([resource]) == []
    return resource


def parts(parameter: dict[str, Any]) -> dict[str, Any]:
    """The values of the parts by name; None for one without."""
    return {each["name"]: next((each[key] for key in each if key != "name"), None) for each in parameter["part"]}


def criteria(guidance: dict[str, Any]) -> dict[str, dict[str, Any]]:
    out = next(each for each in guidance["contained"] if each["id"] == "out")
    return {parts(each)["id"]: each for each in out["parameter"] if each["name"] == "criterion"}


# --- what is said to be served is served -----------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["4.0", "5.0"])
async def test_everything_that_metadata_claims_can_be_called(client, version):
    ident = await register(client, 1)
    accept = {"Accept": f"application/fhir+json; fhirVersion={version}"}
    own = {"resourceType": "ConceptMap", "url": "https://hospital.example/own", "status": "draft"}
    stored = await client.put(
        "/fhir/ConceptMap/own", json=own,
        headers={"Content-Type": f"application/fhir+json; fhirVersion={version}"},
    )  # fmt: skip
    assert stored.status_code in {200, 201}, stored.text
    statement = valid(await client.get("/fhir/metadata", headers=accept), version)

    assert statement["fhirVersion"] == {"4.0": "4.0.1", "5.0": "5.0.0"}[version]
    (rest,) = statement["rest"]
    assert [each["type"] for each in rest["resource"]] == list(SERVED)
    for each in rest["resource"]:
        kind = each["type"]
        found = (await client.get(f"/fhir/{kind}?_count=1", headers=accept)).json()
        assert found["total"] > 0, kind
        one = found["entry"][0]["resource"]
        read = await client.get(f"/fhir/{kind}/{one['id']}", headers=accept)
        assert read.json() == one
        codes = [one["code"] for one in each["interaction"]]
        assert codes == [
            "read",
            "vread",
            *(("update", "delete") if kind in {"ConceptMap", "CodeSystem"} else ()),
            "search-type",
        ]
        old = await client.get(f"/fhir/{kind}/{one['id']}/_history/{one['meta']['versionId']}", headers=accept)
        assert old.json() == one
        assert each["conditionalRead"] == "not-match"
        same = await client.get(f"/fhir/{kind}/{one['id']}", headers={**accept, "If-None-Match": read.headers["etag"]})
        assert (same.status_code, same.content) == (304, b"")
        for parameter in each["searchParam"]:
            answer = await client.get(
                f"/fhir/{kind}", params={parameter["name"]: "nothing-is-called-so"}, headers=accept
            )
            assert answer.json()["total"] == 0, parameter
        for include in each.get("searchInclude", ()):
            answer = await client.get(f"/fhir/{kind}", params={"_id": ident, "_include": include}, headers=accept)
            modes = [one["search"]["mode"] for one in answer.json()["entry"]]
            assert modes == ["match", "include"], include
        for operation in each.get("operation", ()):
            defined = await client.get(f"/fhir/OperationDefinition?url={operation['definition']}", headers=accept)
            (entry,) = defined.json()["entry"]
            await is_callable(client, entry["resource"], ident, accept)
    assert (await client.delete("/fhir/ConceptMap/own")).status_code == 204


async def is_callable(client, definition: dict[str, Any], ident: str, accept: dict[str, str]) -> None:
    """An operation answers as its definition says, at each level that it names."""
    kind, code = definition["resource"][0], definition["code"]
    paths = [f"/fhir/{kind}/${code}"] if definition["type"] else []
    paths += [f"/fhir/{kind}/{ident}/${code}"] if definition["instance"] else []
    assert paths
    for path in paths:
        if code == "package":
            answer = await client.get(path, headers=accept)
        else:
            body = PAGE.format(number=1, status="RECRUITING") if code == "import" else json.dumps(RECORD)
            kind_of = "text/plain" if code == "import" else "application/fhir+json"
            answer = await client.post(path, content=body, headers={**accept, "Content-Type": kind_of})
        assert answer.status_code == 200, (path, answer.text)
    assert (await client.get(f"/fhir/{kind}/${code}", headers=accept)).status_code == 405


# --- reading and searching -------------------------------------------------------------------------------------------


async def test_a_trial_is_read_in_both_versions(client):
    ident = await register(client, 2)
    r4 = valid(await client.get(f"/fhir/ResearchStudy/{ident}"))
    r5 = valid(await client.get(f"/fhir/ResearchStudy/{ident}", headers=R5), "5.0")

    assert (r4["status"], r5["progressStatus"][0]["state"]["coding"][0]["code"]) == ("active", "recruiting")
    for kind in ("Group", "PlanDefinition", "Library", "Questionnaire"):
        assert valid(await client.get(f"/fhir/{kind}/{ident}"))["id"] == ident


async def test_old_versions_stay_readable(client):
    ident = await register(client, 3)
    await register(client, 3, "COMPLETED")

    newest = (await client.get(f"/fhir/ResearchStudy/{ident}")).json()
    first = (await client.get(f"/fhir/ResearchStudy/{ident}/_history/1")).json()
    assert (newest["status"], first["status"]) == ("completed", "active")
    assert newest["meta"]["versionId"].startswith("2.")
    is_outcome(await client.get(f"/fhir/ResearchStudy/{ident}/_history/9"), 404, "not-found")
    is_outcome(await client.get(f"/fhir/ResearchStudy/{ident}/_history/x"), 404, "not-found")


async def test_searches_find_by_each_parameter(client):
    ident = await register(client, 4, "SUSPENDED")

    async def found(query: str) -> list[str]:
        answer = await client.get(f"/fhir/ResearchStudy?_count=100&{query}")
        return [each["resource"]["id"] for each in answer.json().get("entry", ())]

    for query in (
        f"_id={ident}",
        f"_id=NCT99999999,{ident}",
        f"identifier={ident}",
        f"identifier=https://clinicaltrials.gov/nctid|{ident}",
        "title=a study of something for type&status=temporarily-closed-to-accrual",
        "title:contains=TYPE 2&status=temporarily-closed-to-accrual",
        "condition=http://snomed.info/sct|44054006&status=temporarily-closed-to-accrual",
        "condition=44054006&status=temporarily-closed-to-accrual",
        "condition:text=2 diab&status=temporarily-closed-to-accrual",
    ):
        assert ident in await found(query), query
    for query in (
        f"identifier=https://www.isrctn.com/ISRCTN|{ident}",
        f"_id={ident}&status=active",
        "title=study of something",
        "title:exact=a study",
        "condition=http://loinc.org|44054006",
    ):
        assert ident not in await found(query), query


async def test_other_types_are_found_by_their_url(client):
    ident = await register(client, 5)
    plan = (await client.get(f"/fhir/PlanDefinition/{ident}")).json()
    value_set = (await client.get("/fhir/ValueSet/type-2-diabetes")).json()

    for one in (plan, value_set):
        for url in (one["url"], f"{one['url']}|{one['version']}"):
            answer = await client.get(f"/fhir/{one['resourceType']}", params={"url": url})
            assert [each["resource"]["id"] for each in answer.json()["entry"]] == [one["id"]], url
        answer = await client.get(f"/fhir/{one['resourceType']}", params={"url": f"{one['url']}|nine"})
        assert answer.json()["total"] == 0


async def test_pages_follow_each_other_to_the_end(client):
    for number in range(20, 25):
        await register(client, number)

    seen: list[str] = []
    bundle: dict[str, Any] = {}
    url = "/fhir/ResearchStudy?_count=2&title=A study of something"
    while url:
        bundle = valid(await client.get(url))
        assert bundle["type"] == "searchset"
        seen += [each["resource"]["id"] for each in bundle["entry"]]
        links = {each["relation"]: each["url"] for each in bundle["link"]}
        assert {"self", "first", "last"} <= links.keys()
        url = links.get("next", "")
    assert len(seen) == len(set(seen)) == bundle["total"] >= 5
    counted = (await client.get("/fhir/ResearchStudy?_summary=count")).json()
    assert "entry" not in counted
    assert counted["total"] >= len(seen)


async def test_a_search_may_be_posted(client):
    """Its parameters stand in the body, in the address, or in both, and its links are addresses to get."""
    ident = await register(client, 30)
    await register(client, 31)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    found = await client.post(
        "/fhir/ResearchStudy/_search", content=f"_id={ident}&_include=ResearchStudy:enrollment", headers=form
    )
    assert [each["search"]["mode"] for each in valid(found)["entry"]] == ["match", "include"]
    got = await client.get(f"/fhir/ResearchStudy?_id={ident}&_include=ResearchStudy:enrollment")
    assert found.json() == got.json()
    both = await client.post(
        "/fhir/ResearchStudy/_search?_count=1", content="title=A%20study&_format=json",
        headers={**form, "Accept": "application/fhir+xml"},
    )  # fmt: skip
    links = {each["relation"]: each["url"] for each in both.json()["link"]}
    assert (await client.get(links["next"])).json()["entry"] != both.json()["entry"]
    empty = await client.post(f"/fhir/ResearchStudy/_search?_id={ident}", headers=form)
    assert empty.json()["total"] == 1

    post = "/fhir/ResearchStudy/_search"
    is_outcome(await client.post(post, content="colour=red", headers=form), 400, "value")
    is_outcome(await client.post(post, content="_format=xml", headers=form), 406, "not-supported")
    is_outcome(await client.post(post, content="%ff=%ff", headers=form), 400, "structure")
    is_outcome(await client.post(post, content="nonsense", headers=form), 400, "structure")
    is_outcome(await client.post(post, json={"_id": ident}), 415, "not-supported")
    is_outcome(await client.post("/fhir/Patient/_search", content="_id=1", headers=form), 404, "not-supported")
    is_outcome(await client.get("/fhir/ResearchStudy/_search"), 405, "not-supported")


async def test_a_study_is_found_by_every_number_that_it_has(client):
    """The number of another register, and a sponsor's own, stand beside the one that the trial goes by here."""
    study = {
        "resourceType": "ResearchStudy", "id": "x", "status": "active", "title": "A study under many numbers",
        "identifier": [
            {"use": "official", "system": "https://clinicaltrials.gov/nctid", "value": "NCT00000032"},
            {"use": "secondary", "system": "https://sponsor.example/number", "value": "SP-\u00e4 7"},
        ],
        "description": "Inclusion Criteria:\n- Age 18 years or older\n",
    }  # fmt: skip
    stored = await client.post("/fhir/ResearchStudy/$import", content=json.dumps(study), headers=FHIR)
    assert stored.status_code in {200, 201}, stored.text
    read = (await client.get("/fhir/ResearchStudy/NCT00000032")).json()
    assert "SP-\u00e4 7" in [each["value"] for each in read["identifier"]]

    for each in read["identifier"]:
        for token in (each["value"], f"{each.get('system', '')}|{each['value']}"):
            found = await client.get("/fhir/ResearchStudy", params={"identifier": token})
            assert [one["resource"]["id"] for one in found.json()["entry"]] == ["NCT00000032"], token
        for token in (f"https://other.example|{each['value']}", each["value"][:-1]):
            assert (await client.get("/fhir/ResearchStudy", params={"identifier": token})).json()["total"] == 0
    body = {"resourceType": "Parameters", "parameter": [
        {"name": "data", "resource": RECORD}, {"name": "study", "valueIdentifier": read["identifier"][-1]},
    ]}  # fmt: skip
    answer = await client.post("/fhir/ResearchStudy/$check-eligibility", content=json.dumps(body), headers=FHIR)
    assert len(valid(answer)["entry"]) == 1


@pytest.mark.parametrize("version", ["4.0", "5.0"])
async def test_what_a_package_brings_can_be_read_alone(client, version):
    """Each resource under its own id, as in the package: the value sets of the CQL and the shared Library too."""
    ident = await register(client, 33)
    accept = {"Accept": f"application/fhir+json; fhirVersion={version}"}
    package = (await client.get(f"/fhir/ResearchStudy/{ident}/$package", headers=accept)).json()
    brought = [each["resource"] for each in package["entry"]]
    ids = {(each["resourceType"], each["id"]) for each in brought}

    assert ("Library", "EligoRules") in ids
    assert {
        ("ValueSet", "eligo-positive"),
        ("ValueSet", "haemoglobin-result"),
        ("ValueSet", "type-1-diabetes-wider"),
    } <= ids
    for each in brought:
        alone = (await client.get(f"/fhir/{each['resourceType']}/{each['id']}", headers=accept)).json()
        alone.pop("meta")
        assert {key: value for key, value in each.items() if key != "meta"} == alone, each["id"]
    for url in ("ValueSet/eligo-positive", "Library/EligoRules"):
        one = next(each for each in brought if each.get("url", "").endswith(url))
        kind = one["resourceType"]
        for asked in (one["url"], f"{one['url']}|{one['version']}"):
            assert (await client.get(f"/fhir/{kind}", params={"url": asked})).json()["total"] == 1
        assert (await client.get(f"/fhir/{kind}", params={"url": f"{one['url']}|0"})).json()["total"] == 0


async def test_the_address_of_each_entry_can_be_read(client):
    ident = await register(client, 6)
    bundle = (await client.get(f"/fhir/ResearchStudy?_id={ident}&_include=ResearchStudy:enrollment")).json()

    for each in bundle["entry"]:
        assert (await client.get(each["fullUrl"])).json() == each["resource"]


# --- negotiation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        ("*/*", "4.0"),
        ("application/json", "4.0"),
        ("application/fhir+json; fhirVersion=4.0", "4.0"),
        ("application/fhir+json;fhirVersion=5.0", "5.0"),
        ('application/fhir+json; fhirVersion="5.0"', "5.0"),
        ("application/fhir+json; fhirVersion=5.0; q=0.5, application/fhir+json; fhirVersion=4.0", "4.0"),
        ("application/fhir+xml, application/fhir+json; fhirVersion=5.0; q=0.1", "5.0"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "4.0"),
    ],
)
async def test_the_version_is_the_one_that_is_accepted(client, accept, version):
    answer = await client.get("/fhir/metadata", headers={"Accept": accept})

    assert answer.status_code == 200, answer.text
    assert f"fhirVersion={version}" in answer.headers["content-type"]


@pytest.mark.parametrize("accept", ["application/fhir+xml", "text/html", "application/fhir+json; fhirVersion=3.0"])
async def test_what_cannot_be_answered_is_not_acceptable(client, accept):
    is_outcome(await client.get("/fhir/metadata", headers={"Accept": accept}), 406, "not-supported")


async def test_format_outranks_accept(client):
    xml = {"Accept": "application/fhir+xml"}
    for given in ("json", "application/fhir+json", "application/fhir%2Bjson"):
        assert (await client.get(f"/fhir/metadata?_format={given}", headers=xml)).status_code == 200
    is_outcome(await client.get("/fhir/metadata?_format=xml"), 406, "not-supported")


async def test_a_record_in_a_version_that_is_not_read_is_not_taken(client):
    ident = await register(client, 7)
    path = f"/fhir/ResearchStudy/{ident}/$check-eligibility"

    for version in ("4.0", "4.3", "5.0"):
        headers = {"Content-Type": f"application/fhir+json; fhirVersion={version}"}
        answer = await client.post(path, content=json.dumps(RECORD), headers=headers)
        assert f"fhirVersion={'5.0' if version == '5.0' else '4.0'}" in answer.headers["content-type"]
    headers = {"Content-Type": "application/fhir+json; fhirVersion=3.0"}
    is_outcome(await client.post(path, content=json.dumps(RECORD), headers=headers), 415, "not-supported")
    headers = {"Content-Type": "application/fhir+xml"}
    is_outcome(await client.post(path, content="<x/>", headers=headers), 415, "not-supported")


# --- $check-eligibility ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["4.0", "5.0"])
async def test_a_record_is_judged_criterion_by_criterion(client, version):
    ident = await register(client, 8)
    answer = await client.post(
        f"/fhir/ResearchStudy/{ident}/$check-eligibility?asOf=2026-11-22",
        content=json.dumps(RECORD),
        headers={**FHIR, "Accept": f"application/fhir+json; fhirVersion={version}"},
    )
    guidance = valid(answer, version)
    report = (
        await client.post(f"/v1/trials/{ident}/evaluate?asOf=2026-11-22", content=json.dumps(RECORD), headers=FHIR)
    ).json()

    assert guidance["resourceType"] == "GuidanceResponse"
    assert guidance["status"] == "data-required"
    assert guidance["subject"] == {"reference": "Patient/p1"}
    plan = (await client.get(f"/fhir/PlanDefinition/{ident}")).json()
    assert guidance["moduleCanonical"] == f"{plan['url']}|{plan['version']}"
    made = criteria(guidance)
    assert list(made) == [each["id"] for each in report["criteria"]]
    for each in report["criteria"]:
        same(made[each["id"]], each)
    score = next(parts(each) for each in made["I2"]["part"] if each["name"] == "evidence")
    assert score["reference"] == {"reference": "urn:uuid:0b6d6f2e-0d8a-4e7c-9a55-6c7f0a0e7a02"}
    outcome = next(each for each in guidance["contained"] if each["resourceType"] == "OperationOutcome")
    assert "Observation/wrong" in outcome["issue"][0]["diagnostics"]


def same(parameter: dict[str, Any], verdict: dict[str, Any]) -> None:
    """A criterion or part says in FHIR what it says in the report; what is missing is a DataRequirement by its id."""
    found = parts(parameter)
    assert found.get("text", "") == verdict["text"]
    assert found["holds"] == verdict["holds"] or verdict["holds"] is None
    assert ("valueBoolean" in next(each for each in parameter["part"] if each["name"] == "holds")) is (
        verdict["holds"] is not None
    )
    assert (found["basis"], found["explanation"]) == (verdict["basis"], verdict["explanation"])
    assert found.get("status") == verdict.get("status")
    for name, key in (("evidence", "reference"), ("missing", "text"), ("question", "linkId"), ("part", "id")):
        plural = {"evidence": "evidence", "missing": "missing", "question": "questions", "part": "parts"}[name]
        inner = [each for each in parameter["part"] if each["name"] == name]
        said = [parts(each)[key] for each in inner]
        wanted = [each[key] for each in verdict[plural]]
        assert [each["reference"] if isinstance(each, dict) else each for each in said] == wanted
        if name == "part":
            for one, other in zip(inner, verdict["parts"], strict=True):
                same(one, other)


async def test_what_is_missing_is_a_data_requirement_that_the_criterion_cites(client):
    ident = await register(client, 9)
    answer = await client.post(
        f"/fhir/ResearchStudy/{ident}/$check-eligibility", content=json.dumps(RECORD), headers=FHIR
    )
    guidance = answer.json()
    needed = {each["id"]: each for each in guidance["dataRequirement"]}

    cited = [parts(each) for each in criteria(guidance)["I3"]["part"][-1]["part"] if each["name"] == "missing"]
    requirement = needed[cited[0]["requirement"]]
    assert requirement["type"] == "Observation"
    assert requirement["codeFilter"][0]["code"][0]["system"] == "http://loinc.org"
    assert needed["dr-questions"]["type"] == "QuestionnaireResponse"
    assert all(each["id"] for each in guidance["dataRequirement"])


async def test_parameters_set_the_same_as_the_query(client):
    ident = await register(client, 10)
    path = f"/fhir/ResearchStudy/{ident}/$check-eligibility"
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "data", "resource": RECORD},
            {"name": "asOf", "valueDate": "2026-11-22"},
            {"name": "absence", "valueCode": "closed"},
            {"name": "maxAge", "valueDuration": {"value": 10, "system": "http://unitsofmeasure.org", "code": "d"}},
            {"name": "complete", "valueCode": "Condition"},
            {"name": "complete", "valueString": "Procedure"},
            {"name": "patient", "valueReference": {"reference": "Patient/p1"}},
        ],
    }
    by_body = await client.post(path, content=json.dumps(body), headers=FHIR)
    query = "asOf=2026-11-22&absence=closed&maxAge=P10D&complete=Condition,Procedure&patient=Patient/p1"
    by_query = await client.post(f"{path}?{query}", content=json.dumps(RECORD), headers=FHIR)

    assert by_body.status_code == 200, by_body.text
    assert by_body.content == by_query.content
    plain = await client.post(f"{path}?asOf=2026-11-22", content=json.dumps(RECORD), headers=FHIR)
    assert plain.content != by_query.content


@pytest.mark.parametrize(
    "parameter",
    [
        {"name": "asOf", "valueDate": "yesterday"},
        {"name": "absence", "valueCode": "maybe"},
        {"name": "maxAge", "valueString": "long"},
        {"name": "maxAge", "valueDuration": {"value": 1.5, "code": "d"}},
        {"name": "complete", "valueCode": "Conditions"},
        {"name": "colour", "valueCode": "red"},
        {"name": "asOf"},
        {"name": "data", "resource": RECORD},
        {"name": "study", "valueString": "NCT00000001"},
    ],
)
async def test_a_parameter_that_cannot_be_used_is_refused(client, parameter):
    ident = await register(client, 10)
    body = {"resourceType": "Parameters", "parameter": [{"name": "data", "resource": RECORD}, parameter]}
    answer = await client.post(
        f"/fhir/ResearchStudy/{ident}/$check-eligibility", content=json.dumps(body), headers=FHIR
    )

    issue = is_outcome(answer, 400, "value")
    assert parameter["name"] in issue["diagnostics"]


async def test_many_studies_are_judged_at_once_best_first(client):
    idents = [await register(client, number) for number in (11, 12)]
    inline = json.loads(json.dumps(examples.RESEARCH_STUDY))

    async def ask(*studies: dict[str, Any]) -> dict[str, Any]:
        body = {"resourceType": "Parameters", "parameter": [{"name": "data", "resource": RECORD}, *studies]}
        answer = await client.post("/fhir/ResearchStudy/$check-eligibility", content=json.dumps(body), headers=FHIR)
        return valid(answer)

    named = await ask(
        {"name": "study", "valueString": idents[0]},
        {"name": "study", "valueIdentifier": {"system": "https://clinicaltrials.gov/nctid", "value": idents[1]}},
    )
    assert [each["resource"]["moduleCanonical"].split("/")[-1] for each in named["entry"]] == [
        f"{each}|1" for each in idents
    ]
    sent = await ask({"name": "study", "resource": inline})
    (only,) = sent["entry"]
    assert only["resource"]["moduleCodeableConcept"]["text"] == "A study of something for sarcoma"
    every = await ask()
    assert len(every["entry"]) == (await client.get("/fhir/ResearchStudy?_summary=count")).json()["total"]
    ranks = [each["resource"]["contained"][0]["parameter"][0]["valueCode"] for each in every["entry"]]
    order = ["eligible", "undetermined", "ineligible"]
    assert ranks == sorted(ranks, key=order.index)


async def test_the_same_record_gives_the_same_bytes(client):
    ident = await register(client, 13)
    path = f"/fhir/ResearchStudy/{ident}/$check-eligibility?asOf=2026-11-22"
    once, again = [await client.post(path, content=json.dumps(RECORD), headers=FHIR) for _ in range(2)]

    assert once.content == again.content


# --- $apply ----------------------------------------------------------------------------------------------------------


async def test_what_is_missing_is_proposed_and_what_people_know_is_asked(client):
    ident = await register(client, 14)
    plan = valid(await client.post(f"/fhir/PlanDefinition/{ident}/$apply", content=json.dumps(RECORD), headers=FHIR))

    assert (plan["resourceType"], plan["status"], plan["intent"]) == ("CarePlan", "draft", "proposal")
    contained = {each["id"]: each for each in plan["contained"]}
    tests = [each for each in contained.values() if each["resourceType"] == "ServiceRequest"]
    assert "718-7" in {each["code"]["coding"][0]["code"] for each in tests}
    task = contained["questions"]
    assert task["input"][0]["valueCanonical"].endswith(f"/Questionnaire/{ident}|1")
    assert {"valueString": "I4", "type": {"text": "linkId"}} in task["input"]
    actions = contained["next-steps"]["action"]
    assert [each["resource"]["reference"] for each in actions] == [
        f"#{each}" for each in contained if each != "next-steps"
    ]


async def test_apply_in_r5_is_a_bundle(client):
    ident = await register(client, 14)
    answer = await client.post(
        f"/fhir/PlanDefinition/{ident}/$apply", content=json.dumps(RECORD), headers={**FHIR, **R5}
    )
    bundle = valid(answer, "5.0")

    first, *others = bundle["entry"]
    assert first["resource"]["resourceType"] == "RequestOrchestration"
    pointed = [each["resource"]["reference"] for each in first["resource"]["action"]]
    assert pointed == [each["fullUrl"] for each in others]


async def test_nothing_says_that_somebody_is_eligible(client):
    """Also where every criterion passes: then the study may be contacted, and a person decides."""
    text = "A study of ageing\n\nNCT ID: NCT00000015\n\nInclusion Criteria:\n1. Age 18 to 75 years\n"
    await client.post("/fhir/ResearchStudy/$import", content=text, headers={"Content-Type": "text/plain"})
    plan = valid(await client.post("/fhir/PlanDefinition/NCT00000015/$apply", content=json.dumps(RECORD), headers=FHIR))

    (request,) = [each for each in plan["contained"] if each["resourceType"] == "CommunicationRequest"]
    assert "Contact the study" in request["payload"][0]["contentString"]
    assert "eligible" not in json.dumps(plan).lower()


async def test_where_something_stands_in_the_way_nothing_is_ordered(client):
    ident = await register(client, 16)
    child = json.loads(json.dumps(RECORD).replace("1961-04-23", "2020-04-23"))
    plan = valid(
        await client.post(
            f"/fhir/PlanDefinition/{ident}/$apply?asOf=2026-11-22", content=json.dumps(child), headers=FHIR
        )
    )

    (again,) = [each for each in plan["contained"] if each["resourceType"] != "RequestGroup"]
    assert again["restriction"]["period"]["start"] == "2038-04-23"
    assert plan["description"].startswith("What stands in the way: I1.")


# --- refusals --------------------------------------------------------------------------------------------------------


async def test_every_kind_of_refusal_has_an_issue_code():
    """None is told by what is left over for statuses that nobody thought of."""
    for each, kind in KINDS.items():
        name = "".join(f"-{c.lower()}" if c.isupper() else c for c in each.__name__)[1:]
        assert name in ISSUES or kind.status in _BY_STATUS, name
        assert issue_code(name, kind.status) != "exception"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/fhir", 404, "not-found"),
        ("GET", "/fhir/Patient", 404, "not-supported"),
        ("GET", "/fhir/Patient/1", 404, "not-supported"),
        ("GET", "/fhir/ResearchStudy/NCT99999999", 404, "not-found"),
        ("GET", "/fhir/ValueSet/none", 404, "not-found"),
        ("GET", "/fhir/ResearchStudy/NCT99999999/$package", 404, "not-found"),
        ("GET", "/fhir/a/b/c/d", 404, "not-found"),
        ("PUT", "/fhir/ResearchStudy/NCT00000001", 405, "not-supported"),
        ("DELETE", "/fhir/ResearchStudy/NCT00000001", 405, "not-supported"),
        ("POST", "/fhir/ResearchStudy", 405, "not-supported"),
        ("GET", "/fhir/ResearchStudy?colour=red", 400, "value"),
        ("GET", "/fhir/ResearchStudy?title:missing=true", 400, "value"),
        ("GET", "/fhir/ResearchStudy?_count=many", 400, "value"),
        ("GET", "/fhir/ResearchStudy?_id=", 400, "value"),
        ("GET", "/fhir/ResearchStudy?_id=%00", 400, "value"),
        ("GET", "/fhir/ResearchStudy?_include=ResearchStudy:site", 400, "value"),
        ("GET", "/fhir/ResearchStudy/%00", 404, "not-found"),
    ],
)
async def test_refusals_are_outcomes(client, method, path, status, code):
    is_outcome(await client.request(method, path), status, code)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 400, "required"),
        ("{", 400, "structure"),
        ("[]", 400, "structure"),
        ('{"resourceType": "Patient"}', 400, "structure"),
        ('{"resourceType": "Bundle"}', 400, "required"),
        ('{"resourceType": "Parameters"}', 400, "value"),
        (json.dumps(RECORD) + " " * 300_000, 413, "too-long"),
    ],
)
async def test_bodies_that_are_no_record_are_outcomes(client, body, status, code):
    ident = await register(client, 1)
    answer = await client.post(f"/fhir/ResearchStudy/{ident}/$check-eligibility", content=body, headers=FHIR)

    is_outcome(answer, status, code)


async def test_a_registration_without_criteria_is_an_outcome(client):
    answer = await client.post(
        "/fhir/ResearchStudy/$import", content="{}", headers={"Content-Type": "application/fhir+json"}
    )

    is_outcome(answer, 422, "processing")


async def test_a_bug_is_an_outcome_that_tells_nothing(client, monkeypatch):
    async def broken(*_: object) -> None:
        raise ValueError("the name of a patient")

    monkeypatch.setattr(client._transport.app.state.studies, "package", broken)
    answer = await client.get("/fhir/ResearchStudy/NCT00000001/$package")

    is_outcome(answer, 500, "exception")
    assert "patient" not in answer.text


async def test_unknown_parameters_are_ignored_where_leniency_is_asked_for(client):
    await register(client, 1)
    answer = await client.get("/fhir/ResearchStudy?colour=red", headers={"Prefer": "handling=lenient"})

    bundle = valid(answer)
    assert "colour" not in bundle["link"][0]["url"]
