"""A site's CodeSystem supplements: codes beneath others, alternative codes, further names; named in the evidence."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.test_local_codes import FHIR, SITE, SNOMED, TEXT, TRIAL, TYPE_2, judged, record
from tests.serving import serving

URL = "https://hospital.example/CodeSystem/own"


def supplement(*concepts: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {
        "resourceType": "CodeSystem", "url": URL, "version": "2", "status": "active", "content": "supplement",
        "supplements": SNOMED, "hierarchyMeaning": "is-a", "concept": list(concepts), **changed,
    }  # fmt: skip


def prop(code: str, value: str) -> dict[str, str]:
    return {"code": code, "valueCode": value}


LOCAL = [{"system": SNOMED, "code": "999000001", "display": "Zuckerkrankheit, zweite Art"}]


@pytest.fixture(scope="module")
def http(tmp_path_factory):
    with (
        serving(tmp_path_factory.mktemp("supplements")) as served,
        httpx.Client(base_url=served.address, timeout=60) as client,
    ):
        assert client.post("/v1/trials", content=TRIAL, headers=TEXT).status_code == 201
        yield client


@pytest.fixture(autouse=True)
def no_supplement(http):
    """Each case begins without one."""
    yield
    http.delete("/fhir/CodeSystem/own")


def put(http, content: dict[str, Any], ident: str = "own", **headers: str) -> httpx.Response:
    return http.put(f"/fhir/CodeSystem/{ident}", json=content, headers={**FHIR, **headers})


@pytest.mark.parametrize(
    "concepts",
    [
        ({"code": "999000001", "property": [prop("parent", TYPE_2)]},),
        ({"code": TYPE_2, "property": [prop("child", "999000001")]},),
        ({"code": TYPE_2, "concept": [{"code": "999000001"}]},),
        ({"code": TYPE_2, "concept": [{"code": "999000009", "concept": [{"code": "999000001"}]}]},),
    ],
)
def test_what_lies_beneath_a_code_is_a_kind_of_it(http, concepts):
    """The site's own extension of SNOMED CT: its code lies beneath type 2 diabetes, in one step or in two."""
    before = judged(http, record(LOCAL))
    assert put(http, supplement(*concepts)).status_code == 201
    found = judged(http, record(LOCAL))

    assert before["I1"]["status"] != "pass"
    assert (found["I1"]["status"], found["I1"]["evidence"][0]["code"]["map"]) == ("pass", f"{URL}|2")
    assert found["E1"]["status"] == before["E1"]["status"]
    assert found["knowledge"] != before["knowledge"]


def test_the_site_may_call_its_properties_as_it_likes(http):
    declared = [{"code": "oberbegriff", "uri": "http://hl7.org/fhir/concept-properties#parent", "type": "code"}]
    concept = {"code": "999000001", "property": [prop("oberbegriff", TYPE_2)]}
    put(http, supplement(concept, property=declared))

    assert judged(http, record(LOCAL))["I1"]["status"] == "pass"


def test_a_property_that_means_something_else_places_nothing(http):
    before = judged(http, record(LOCAL))
    declared = [{"code": "parent", "uri": "https://hospital.example/bills-with", "type": "code"}]
    put(http, supplement({"code": "999000001", "property": [prop("parent", TYPE_2)]}, property=declared))

    assert judged(http, record(LOCAL)) == before


@pytest.mark.parametrize("meaning", [None, "part-of", "grouped-by", "classified-with"])
def test_another_hierarchy_leaves_it_open(http, meaning):
    content = supplement({"code": TYPE_2, "concept": [{"code": "999000001"}]})
    content.pop("hierarchyMeaning")
    put(http, content | ({"hierarchyMeaning": meaning} if meaning else {}))
    found = judged(http, record(LOCAL))["I1"]

    assert (found["status"], found["holds"]) == ("unknown", None)
    assert found["evidence"][0]["reference"] == "Condition/c0"


def test_an_alternative_code_is_the_same(http):
    put(http, supplement({"code": TYPE_2, "property": [prop("synonym", "999000001")]}))
    found = judged(http, record(LOCAL))

    assert (found["I1"]["status"], found["E1"]["status"]) == ("pass", "pass")


def test_what_the_catalogue_knows_is_not_placed_anew(http):
    known = [{"system": SNOMED, "code": TYPE_2}]
    before = judged(http, record(known))
    put(http, supplement({"code": TYPE_2, "property": [prop("parent", "46635009")]}))

    assert judged(http, record(known)) == before


def test_a_further_name_raises_a_doubt_and_proves_nothing(http):
    """A code that nobody has placed, with the German name of type 2 diabetes: it may be that. The absence of it is
    not certain any more, and the evidence says whose name it is.
    """
    before = judged(http, record(LOCAL))["I1"]
    put(http, supplement({"code": TYPE_2, "designation": [{"language": "de", "value": "Zuckerkrankheit, zweite Art"}]}))
    found = judged(http, record(LOCAL))["I1"]

    assert (before["status"], before["holds"], before["evidence"]) == ("fail", False, [])
    assert (found["status"], found["holds"]) == ("unknown", None)
    assert found["evidence"][0]["reference"] == "Condition/c0"
    assert found["evidence"][0]["code"]["map"] == f"{URL}|2"


def test_a_name_of_two_letters_names_nothing(http):
    named = [{"system": SNOMED, "code": "999000001", "display": "T2"}]
    before = judged(http, record(named))
    put(http, supplement({"code": TYPE_2, "designation": [{"value": "T2"}]}))

    assert judged(http, record(named))["I1"] == before["I1"]


def test_supplements_are_served_beside_the_code_systems_of_eligo(http):
    own = http.get("/fhir/CodeSystem").json()
    first = put(http, supplement({"code": TYPE_2}))
    second = put(http, supplement({"code": TYPE_2, "concept": [{"code": "999000001"}]}))
    assert (first.status_code, second.status_code) == (201, 200)

    every = http.get("/fhir/CodeSystem").json()
    assert every["total"] == own["total"] + 1
    assert [each["resource"]["id"] for each in every["entry"]][-1] == "own"
    last = http.get(f"/fhir/CodeSystem?_count=1&_page={every['total']}").json()
    assert [each["resource"]["id"] for each in last["entry"]] == ["own"]
    assert http.get("/fhir/CodeSystem", params={"url": f"{URL}|2"}).json()["total"] == 1
    assert http.get("/fhir/CodeSystem/own").json()["concept"][0]["concept"] == [{"code": "999000001"}]
    version = first.json()["meta"]["versionId"]
    assert "concept" not in http.get(f"/fhir/CodeSystem/own/_history/{version}").json()["concept"][0]
    assert http.delete("/fhir/CodeSystem/own").status_code == 204
    assert http.get("/fhir/CodeSystem/own").status_code == 404


def test_the_code_systems_of_eligo_cannot_be_overwritten(http):
    ident = http.get("/fhir/CodeSystem").json()["entry"][0]["resource"]["id"]

    assert put(http, supplement({"code": TYPE_2}), ident).status_code == 400
    assert http.delete(f"/fhir/CodeSystem/{ident}").status_code == 404


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"resourceType": "ConceptMap"}, "/resourceType"),
        ({"content": "complete"}, "/content"),
        ({"supplements": None}, "/supplements"),
        ({"url": None}, "/url"),
        ({"status": None}, "/status"),
        ({"concept": {}}, "/concept"),
        ({"concept": [{"code": TYPE_2, "concept": [{}]}]}, "/concept/0/concept/0/code"),
        ({"concept": [{"code": "1", "property": [{"code": "parent"}]}]}, "/concept/0/property/0/valueCode"),
        ({"concept": [{"code": "1", "designation": [{}]}]}, "/concept/0/designation/0/value"),
    ],
)
def test_a_supplement_that_cannot_be_used_is_refused(http, change, where):
    answer = put(http, {**supplement({"code": TYPE_2}), **change})

    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (422, "processing")
    assert where in answer.json()["issue"][0]["diagnostics"]


def test_a_ring_ends_and_a_draft_is_not_used(http):
    ring = (
        {"code": "999000001", "property": [prop("parent", "9")]},
        {"code": "9", "property": [prop("parent", "999000001")]},
    )
    before = judged(http, record(LOCAL))
    assert put(http, supplement(*ring)).status_code == 201
    assert judged(http, record(LOCAL)) == before
    put(http, supplement({"code": TYPE_2, "concept": [{"code": "999000001"}]}, status="draft"))
    assert judged(http, record(LOCAL)) == before


@pytest.mark.parametrize("kind", ["ResearchStudy", "ValueSet", "Library"])
def test_other_types_are_not_written(http, kind):
    answer = http.put(f"/fhir/{kind}/x", json={"resourceType": kind}, headers=FHIR)

    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (405, "not-supported")
    assert http.delete(f"/fhir/{kind}/x").status_code == 405
    assert http.put("/fhir/Observation/x", json={"resourceType": "Observation"}, headers=FHIR).status_code == 404


def test_a_map_and_a_supplement_speak_together(http):
    """The site's own code is mapped to a code of its extension, which a supplement places beneath type 2 diabetes."""
    mapped = {
        "resourceType": "ConceptMap", "url": f"{SITE}/map", "status": "active",
        "group": [{"source": SITE, "target": SNOMED, "element": [
            {"code": "dm2", "target": [{"code": TYPE_2, "equivalence": "equivalent"}]}]}],
    }  # fmt: skip
    http.put("/fhir/ConceptMap/one", json=mapped, headers=FHIR)
    put(http, supplement({"code": TYPE_2, "concept": [{"code": "999000001"}]}))
    both = judged(http, record([{"system": SITE, "code": "dm2"}], LOCAL))
    http.delete("/fhir/ConceptMap/one")

    assert both["I1"]["status"] == "pass"
    assert len({each["code"]["map"] for each in both["I1"]["evidence"]}) == 2
