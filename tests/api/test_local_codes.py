"""A site's own codes by ConceptMap: matched after the record's own, named in the evidence, and known within seconds."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest

from tests.serving import serving

FHIR = {"Content-Type": "application/fhir+json"}
TEXT = {"Content-Type": "text/plain"}
SITE = "https://hospital.example/codes"
MAP_URL = "https://hospital.example/ConceptMap/own"
TRIAL = """A study of something

NCT ID: NCT00000900

Inclusion Criteria:
1. Type 2 diabetes
2. Hemoglobin at least 9 g/dL

Exclusion Criteria:
1. Type 1 diabetes
"""
SNOMED, LOINC = "http://snomed.info/sct", "http://loinc.org"
TYPE_2, TYPE_1, HAEMOGLOBIN = "44054006", "46635009", "718-7"


def concept_map(*lines: tuple[str, str, str, str], status: str = "active", key: str = "equivalence") -> dict[str, Any]:
    """Lines of (own code, target system, target code, equivalence)."""
    return {
        "resourceType": "ConceptMap",
        "url": MAP_URL,
        "version": "3",
        "status": status,
        "group": [
            {
                "source": SITE,
                "target": system,
                "element": [{"code": own, "target": [{"code": target, key: relation}]}],
            }
            for own, system, target, relation in lines
        ],
    }


def record(*codings: list[dict[str, str]]) -> dict[str, Any]:
    """A patient with a diagnosis for each list of codings, and a haemoglobin by the site's own code."""
    own = {"coding": [{"system": SITE, "code": "hb"}]}
    value = {"value": 10, "unit": "g/dL", "system": "http://unitsofmeasure.org", "code": "g/dL"}
    resources: list[dict[str, Any]] = [
        {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1961-04-23"},
        {
            "resourceType": "Observation", "id": "hb", "status": "final", "code": own,
            "subject": {"reference": "Patient/p1"}, "effectiveDateTime": "2026-11-20", "valueQuantity": value,
        },
    ]  # fmt: skip
    resources += [
        {"resourceType": "Condition", "id": f"c{place}", "code": {"coding": each},
         "subject": {"reference": "Patient/p1"}, "onsetDateTime": "2020-01-01"}
        for place, each in enumerate(codings)
    ]  # fmt: skip
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}


OWN = [{"system": SITE, "code": "dm2", "display": "Sugar, second kind"}]


@pytest.fixture(scope="module")
def http(tmp_path_factory):
    with (
        serving(tmp_path_factory.mktemp("maps")) as served,
        httpx.Client(base_url=served.address, timeout=60) as client,
    ):
        assert client.post("/v1/trials", content=TRIAL, headers=TEXT).status_code == 201
        yield client


@pytest.fixture(autouse=True)
def no_maps(http):
    """Each case begins without a map."""
    yield
    http.delete("/fhir/ConceptMap/own")


def put(http, content: dict[str, Any], **headers: str) -> httpx.Response:
    return http.put("/fhir/ConceptMap/own", json=content, headers={**FHIR, **headers})


def judged(http, bundle: dict[str, Any]) -> dict[str, Any]:
    answer = http.post("/v1/trials/NCT00000900/evaluate?asOf=2026-11-22", json=bundle)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return {**{each["id"]: each for each in report["criteria"]}, "knowledge": report["engine"]["knowledge"]}


def test_a_code_of_the_site_decides_once_it_is_mapped_and_no_longer_than_that(http):
    before = judged(http, record(OWN))
    assert (
        put(http, concept_map(("dm2", SNOMED, TYPE_2, "equivalent"), ("hb", LOINC, HAEMOGLOBIN, "equal"))).status_code
        == 201
    )
    mapped = judged(http, record(OWN))
    assert http.delete("/fhir/ConceptMap/own").status_code == 204
    after = judged(http, record(OWN))

    assert [before[each]["status"] for each in ("I1", "I2", "E1")] == ["unknown", "unknown", "unknown"]
    assert [mapped[each]["status"] for each in ("I1", "I2", "E1")] == ["pass", "pass", "pass"]
    assert after == before
    assert mapped["knowledge"] != before["knowledge"]
    for criterion in ("I1", "I2"):
        code = mapped[criterion]["evidence"][0]["code"]
        assert (code["system"], code["map"]) == (SITE, f"{MAP_URL}|3")


@pytest.mark.parametrize("relation", ["wider", "subsumes"])
def test_what_is_narrower_is_the_target_and_may_be_something_else_besides(http, relation):
    """The site's code is a kind of type 2 diabetes; that it is not some other disease too, the map does not say."""
    put(http, concept_map(("dm2", SNOMED, TYPE_2, relation)))
    found = judged(http, record(OWN))

    assert (found["I1"]["status"], found["I1"]["holds"]) == ("pass", True)
    assert (found["E1"]["status"], found["E1"]["holds"]) == ("unknown", None)


@pytest.mark.parametrize("relation", ["narrower", "specializes", "inexact", "relatedto"])
def test_what_is_broader_or_uncertain_leaves_it_open(http, relation):
    put(http, concept_map(("dm2", SNOMED, TYPE_2, relation)))
    found = judged(http, record(OWN))["I1"]

    assert (found["status"], found["holds"]) == ("unknown", None)
    assert found["evidence"][0]["reference"] == "Condition/c0"


@pytest.mark.parametrize("relation", ["unmatched", "disjoint"])
def test_what_is_something_else_says_nothing(http, relation):
    before = judged(http, record(OWN))
    put(http, concept_map(("dm2", SNOMED, TYPE_2, relation)))

    assert judged(http, record(OWN)) == before


def test_the_relationships_of_r5_point_the_other_way_and_mean_the_same(http):
    r5 = "application/fhir+json; fhirVersion=5.0"
    for relation, status in (
        ("equivalent", "pass"),
        ("source-is-narrower-than-target", "pass"),
        ("source-is-broader-than-target", "unknown"),
        ("related-to", "unknown"),
    ):
        content = concept_map(("dm2", SNOMED, TYPE_2, relation), key="relationship")
        assert put(http, content, **{"Content-Type": r5}).status_code in {200, 201}
        assert judged(http, record(OWN))["I1"]["status"] == status, relation
    assert http.get("/fhir/ConceptMap/own").status_code == 406
    assert http.get("/fhir/ConceptMap/own", headers={"Accept": r5}).status_code == 200


def test_the_codes_of_the_record_come_first(http):
    """The record itself says type 2; a map that makes type 1 of the site's code beside it is not heard."""
    put(http, concept_map(("dm2", SNOMED, TYPE_1, "equivalent")))
    both = [*OWN, {"system": SNOMED, "code": TYPE_2}]

    found = judged(http, record(both))
    assert (found["I1"]["status"], found["E1"]["status"]) == ("pass", "pass")
    assert "map" not in found["I1"]["evidence"][0]["code"]
    alone = judged(http, record(OWN))
    assert alone["E1"]["status"] == "fail"


def test_what_the_catalogue_knows_is_not_mapped_anew(http):
    content = concept_map((TYPE_2, SNOMED, TYPE_1, "equivalent"))
    content["group"][0]["source"] = SNOMED
    before = judged(http, record([{"system": SNOMED, "code": TYPE_2}]))
    put(http, content)

    assert judged(http, record([{"system": SNOMED, "code": TYPE_2}])) == before


def test_a_line_under_conditions_is_not_certain(http):
    content = concept_map(("dm2", SNOMED, TYPE_2, "equivalent"))
    content["group"][0]["element"][0]["target"][0]["dependsOn"] = [{"property": "urn:x", "value": "y"}]
    put(http, content)

    assert judged(http, record(OWN))["I1"]["status"] == "unknown"


def test_a_draft_is_kept_and_not_used(http):
    before = judged(http, record(OWN))
    assert put(http, concept_map(("dm2", SNOMED, TYPE_2, "equivalent"), status="draft")).status_code == 201

    assert judged(http, record(OWN)) == before
    assert http.get("/fhir/ConceptMap/own").json()["status"] == "draft"


def test_maps_have_versions(http):
    first = put(http, concept_map(("dm2", SNOMED, TYPE_2, "equivalent")))
    again = put(http, concept_map(("dm2", SNOMED, TYPE_2, "equivalent")))
    second = put(http, concept_map(("dm2", SNOMED, TYPE_1, "equivalent")))

    assert (first.status_code, again.status_code, second.status_code) == (201, 200, 200)
    assert first.headers["etag"] == again.headers["etag"] != second.headers["etag"]
    versions = [each.json()["meta"]["versionId"] for each in (first, second)]
    old = http.get(f"/fhir/ConceptMap/own/_history/{versions[0]}").json()
    assert old["group"][0]["element"][0]["target"][0]["code"] == TYPE_2
    assert http.get("/fhir/ConceptMap?_id=own").json()["total"] == 1
    assert http.get("/fhir/ConceptMap", params={"url": f"{MAP_URL}|3"}).json()["total"] == 1
    assert http.get("/fhir/ConceptMap", params={"url": f"{MAP_URL}|4"}).json()["total"] == 0
    http.delete("/fhir/ConceptMap/own")
    gone = http.get("/fhir/ConceptMap/own")
    assert (gone.status_code, gone.json()["issue"][0]["code"]) == (404, "not-found")
    assert http.get(f"/fhir/ConceptMap/own/_history/{versions[0]}").status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "where"),
    [
        ({"resourceType": "ValueSet"}, 422, "/resourceType"),
        ({"url": None}, 422, "/url"),
        ({"status": None}, 422, "/status"),
        ({"group": {}}, 422, "/group"),
        ({"group": [{"element": []}]}, 422, "/group/0/source"),
        ({"id": "other"}, 400, "id"),
    ],
)
def test_a_map_that_cannot_be_used_is_refused(http, change, status, where):
    content = {**concept_map(("dm2", SNOMED, TYPE_2, "equivalent")), **change}
    answer = put(http, content)

    assert answer.status_code == status
    assert where in answer.json()["issue"][0]["diagnostics"]
    assert http.get("/fhir/ConceptMap/own").status_code == 404


def test_a_relation_that_does_not_exist_is_refused(http):
    answer = put(http, concept_map(("dm2", SNOMED, TYPE_2, "same-same")))

    assert answer.status_code == 422
    assert "/group/0/element/0/target/0" in answer.json()["issue"][0]["diagnostics"]


def test_another_process_hears_of_it_within_seconds(http, tmp_path_factory):
    """Two servers on one database: what is sent to one is known to the other."""
    folder = tmp_path_factory.mktemp("two")
    url = f"sqlite:///{folder}/shared.db"
    (folder / "one").mkdir()
    (folder / "two").mkdir()
    with (
        serving(folder / "one", ELIGO_DATABASE_URL=url) as one,
        serving(folder / "two", ELIGO_DATABASE_URL=url) as two,
        httpx.Client(base_url=one.address, timeout=60) as first,
        httpx.Client(base_url=two.address, timeout=60) as second,
    ):
        first.post("/v1/trials", content=TRIAL, headers=TEXT)
        assert judged(second, record(OWN))["I1"]["status"] == "unknown"
        put(first, concept_map(("dm2", SNOMED, TYPE_2, "equivalent")))
        found = ""
        for _ in range(60):
            found = judged(second, record(OWN))["I1"]["status"]
            if found == "pass":
                break
            time.sleep(0.5)
        assert found == "pass"
        assert json.dumps(judged(first, record(OWN))) == json.dumps(judged(second, record(OWN)))
