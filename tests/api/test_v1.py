"""The calls of `/v1`, through the front door."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.api import examples

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/json"}
FHIR = {"Content-Type": "application/fhir+json"}
BUNDLE = json.dumps(examples.BUNDLE)
TWO = json.dumps(
    {**examples.BUNDLE, "entry": [{"resource": {"resourceType": "Patient", "id": each}} for each in ("p1", "p2")]}
)


def page(number: int, title: str = "A study of something", age: int = 18) -> str:
    return (
        examples.PAGE.replace("NCT00000000", f"NCT{number:08}")
        .replace("A study of something", title)
        .replace("18 to", f"{age} to")
    )


async def register(client, text: str) -> dict[str, Any]:
    answer = await client.post("/v1/trials", content=text, headers=TEXT)
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


async def test_a_page_becomes_a_trial_and_the_same_page_is_the_same_version(client):
    text = page(1)
    first = await client.post("/v1/trials", content=text, headers=TEXT)
    again = await client.post("/v1/trials", content=text, headers={"Content-Type": "text/plain; charset=utf-8"})
    changed = await client.post("/v1/trials", content=page(1, age=21), headers=TEXT)

    assert (first.status_code, again.status_code, changed.status_code) == (201, 200, 201)
    assert first.headers["location"] == "/v1/trials/NCT00000001"
    assert again.content == first.content
    assert [each.json()["version"] for each in (first, again, changed)] == [1, 1, 2]
    trial = first.json()
    assert (trial["id"], trial["status"]) == ("NCT00000001", "recruiting")
    assert [each["id"] for each in trial["criteria"]] == ["I1", "I2", "E1"]
    start, end = trial["criteria"][0]["span"]
    assert trial["text"][start:end] == trial["criteria"][0]["text"]


async def test_versions_stay_readable_after_the_trial_is_gone(client):
    text = page(2)
    await register(client, text)
    await register(client, page(2, age=30))

    assert (await client.get("/v1/trials/NCT00000002")).json()["version"] == 2
    assert (await client.delete("/v1/trials/NCT00000002")).status_code == 204
    assert (await client.get("/v1/trials/NCT00000002")).status_code == 404
    assert (await client.delete("/v1/trials/NCT00000002")).status_code == 404
    assert (await client.get("/v1/trials/NCT00000002", params={"version": 1})).json()["text"] == text
    assert (await client.post("/v1/trials/NCT00000002/evaluate", content=BUNDLE, headers=FHIR)).status_code == 404


async def test_a_study_is_read_like_a_page_and_its_order_of_keys_does_not_matter(client):
    first = await client.post("/v1/trials", content=json.dumps(examples.STUDY), headers=JSON)
    turned = json.dumps(dict(reversed(examples.STUDY["protocolSection"].items())))
    again = await client.post("/v1/trials", content=f'{{"protocolSection": {turned}}}', headers=JSON)

    assert (first.status_code, again.status_code) == (201, 200)
    assert [each["id"] for each in first.json()["criteria"]] == ["age", "I1", "E1"]
    assert first.json()["conditions"] == ["Sarcoma"]


async def test_a_research_study_is_read_like_a_page(client):
    async def send(study: dict[str, Any], media_type: str = "application/fhir+json; charset=utf-8") -> Any:
        return await client.post("/v1/trials", content=json.dumps(study), headers={"Content-Type": media_type})

    study = {**examples.RESEARCH_STUDY, "identifier": [{"value": "NCT00000200"}]}
    first, again = await send(study), await send(dict(reversed(study.items())))
    group = {**study["contained"][0], "characteristic": study["contained"][0]["characteristic"][:2]}
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {"resource": {**study, "contained": [], "enrollment": [{"reference": "Group/eligibility"}]}},
            {"resource": group},
        ],
    }
    changed = await send(bundle)

    assert [each.status_code for each in (first, again, changed)] == [201, 200, 201], changed.text
    assert first.headers["location"] == "/v1/trials/NCT00000200"
    assert again.content == first.content
    trials = [first.json(), changed.json()]
    assert [each["version"] for each in trials] == [1, 2]
    assert [[each["id"] for each in trial["criteria"]] for trial in trials] == [["I1", "I2", "E1"], ["I1", "I2"]]
    assert (trials[0]["status"], trials[0]["conditions"]) == ("recruiting", ["Sarcoma"])
    assert trials[0]["notes"] == ["The criteria are the characteristics of Group/eligibility."]
    start, end = trials[0]["criteria"][2]["span"]
    assert trials[0]["text"][start:end] == "Pregnant or breastfeeding women"


async def test_xml_lists_and_tables_are_read_like_pages(client):
    sent = (
        ("application/xml", examples.STUDY_XML),
        ("text/xml", examples.STUDY_XML),
        ("application/json", json.dumps(examples.CRITERIA_LIST)),
        ("text/csv", examples.ROW),
    )
    for media_type, body in sent:
        content = body.replace("NCT00000000", "NCT00000201")
        answer = await client.post("/v1/trials", content=content, headers={"Content-Type": media_type})

        assert answer.status_code in {200, 201}, answer.text
        assert answer.headers["location"] == "/v1/trials/NCT00000201"
        assert {each["kind"] for each in answer.json()["criteria"]} == {"inclusion", "exclusion"}


async def test_what_comes_as_text_or_under_another_name_is_told_by_what_it_is(client):
    sent = (
        ("text/plain", json.dumps(examples.STUDY)),
        ("text/plain", examples.STUDY_XML),
        ("text/plain", json.dumps(examples.RESEARCH_STUDY)),
        ("text/plain", examples.ROW),
        ("application/json", json.dumps(examples.RESEARCH_STUDY)),
    )
    for number, (media_type, body) in enumerate(sent, 210):
        content = body.replace("NCT00000000", f"NCT00000{number}")
        answer = await client.post("/v1/trials", content=content, headers={"Content-Type": media_type})

        assert answer.status_code == 201, answer.text
        assert answer.json()["conditions"] == ["Sarcoma"]


async def test_several_trials_in_one_body_are_refused_with_the_way_out(client):
    row = examples.ROW.partition("\n")[2]
    for media_type, body in (
        ("application/json", json.dumps([examples.STUDY, examples.STUDY])),
        ("application/json", json.dumps({"studies": [examples.STUDY]})),
        ("text/csv", examples.ROW + row),
    ):
        answer = await client.post("/v1/trials", content=body, headers={"Content-Type": media_type})

        assert answer.status_code == 422
        assert "eligo import" in answer.json()["detail"]


async def test_what_the_register_says_besides_is_kept_with_each_version(client):
    study = json.loads(json.dumps(examples.STUDY).replace("NCT00000000", "NCT00000220"))
    first = await client.post("/v1/trials", content=json.dumps(study), headers=JSON)
    study["protocolSection"]["sponsorCollaboratorsModule"] = {"leadSponsor": {"name": "A hospital", "class": "OTHER"}}
    second = await client.post("/v1/trials", content=json.dumps(study), headers=JSON)
    url = "/v1/trials/NCT00000220/registration"

    assert (first.json()["version"], second.json()["version"]) == (1, 2)
    newest = (await client.get(url)).json()
    assert newest["identifiers"] == [{"value": "NCT00000220", "use": "registry"}]
    assert newest["population"]["minimumAge"] == {"count": "18", "unit": "year"}
    assert newest["sponsor"] == {"name": "A hospital", "kind": "other"}
    assert "sponsor" not in (await client.get(url, params={"version": 1})).json()
    assert (await client.get(url, params={"version": 3})).status_code == 404


async def test_a_trial_without_a_number_is_called_by_its_title(client):
    text = page(0, "Études of Ällergy & more").replace("NCT ID: NCT00000000\n", "")
    answer = await client.post("/v1/trials", content=text, headers=TEXT)

    assert answer.headers["location"] == "/v1/trials/etudes-of-allergy-more-for-sarcoma"
    assert (await client.get(answer.headers["location"])).json() == answer.json()


async def test_lists_search_and_page(client):
    for number in range(100, 153):
        await register(client, page(number, f"Needle {number}"))

    first = (await client.get("/v1/trials", params={"q": "needle"})).json()
    second = (await client.get(first["next"])).json()

    assert (first["total"], len(first["trials"]), first["page"], first["pageSize"]) == (53, 50, 1, 50)
    assert [each["id"] for each in second["trials"]] == ["NCT00000150", "NCT00000151", "NCT00000152"]
    assert second["next"] is None
    assert (await client.get("/v1/trials", params={"q": "needle", "status": "completed"})).json()["total"] == 0
    assert (await client.get("/v1/trials", params={"q": "needle 1_1"})).json()["total"] == 0


async def test_criteria_are_read_without_being_stored(client):
    before = (await client.get("/v1/trials")).json()["total"]
    answer = await client.post("/v1/read", content=examples.CRITERIA, headers=TEXT)

    assert answer.status_code == 200
    assert [each["id"] for each in answer.json()["criteria"]] == ["I1"]
    assert (await client.get("/v1/trials")).json()["total"] == before


async def test_a_record_is_judged_and_the_same_request_gives_the_same_bytes(client):
    await register(client, page(3))
    url = "/v1/trials/NCT00000003/evaluate?asOf=2026-11-22"
    answers = [
        await client.post(url, content=BUNDLE, headers=FHIR),
        await client.post(url, content=BUNDLE, headers=JSON),
        await client.post(url, content=gzip.compress(BUNDLE.encode()), headers={**FHIR, "Content-Encoding": "gzip"}),
    ]

    assert {each.status_code for each in answers} == {200}
    assert len({each.content for each in answers}) == 1
    report = answers[0].json()
    assert report["trial"] == {"id": "NCT00000003", "version": 1, "title": "A study of something for sarcoma"}
    assert (report["patient"], report["asOf"]) == ("Patient/p1", "2026-11-22")
    assert report["criteria"][0]["status"] == "pass"
    assert sum(report["counts"].values()) == len(report["criteria"]) == 3


async def test_the_version_that_judges_can_be_chosen(client):
    await register(client, page(4, age=18))
    await register(client, page(4, age=70))
    url = "/v1/trials/NCT00000004/evaluate?asOf=2026-11-22"

    newest = (await client.post(url, content=BUNDLE, headers=FHIR)).json()
    first = (await client.post(f"{url}&version=1", content=BUNDLE, headers=FHIR)).json()

    assert (newest["trial"]["version"], newest["criteria"][0]["status"]) == (2, "fail")
    assert (first["trial"]["version"], first["criteria"][0]["status"]) == (1, "pass")


async def test_without_a_date_it_is_today(client):
    await register(client, page(5))
    report = (await client.post("/v1/trials/NCT00000005/evaluate", content=BUNDLE, headers=FHIR)).json()

    assert report["asOf"] == datetime.now(UTC).date().isoformat()


async def test_all_trials_are_judged_best_first_and_a_new_one_is_seen_at_once(client):
    await register(client, page(6, "Zebra", age=70))
    await register(client, page(7, "Zebra", age=18))
    url = "/v1/evaluate?asOf=2026-11-22"

    first = (await client.post(url, content=BUNDLE, headers=FHIR)).json()
    await register(client, page(8, "Zebra", age=18))
    second = (await client.post(url, content=BUNDLE, headers=FHIR)).json()
    limited = (await client.post(f"{url}&limit=1", content=BUNDLE, headers=FHIR)).json()
    nobody = (await client.post(f"{url}&status=withdrawn", content=BUNDLE, headers=FHIR)).json()

    ids = [each["trial"]["id"] for each in second["results"]]
    assert second["total"] == first["total"] + 1 == len(ids)
    assert ids.index("NCT00000007") < ids.index("NCT00000008") < ids.index("NCT00000006")
    assert second["results"][ids.index("NCT00000006")]["fail"] == ["I1"]
    assert (limited["total"], len(limited["results"])) == (second["total"], 1)
    assert (nobody["total"], nobody["results"], nobody["patient"]) == (0, [], "Patient/p1")


async def test_a_trial_that_comes_along_is_judged_in_every_form(client):
    stored = await register(client, page(9))
    study = examples.RESEARCH_STUDY
    in_bundle = {"resourceType": "Bundle", "entry": [{"resource": study}]}
    forms = [
        page(9),
        examples.STUDY,
        study,
        in_bundle,
        {"criteria": stored["criteria"]},
        {**stored, "id": "NCT00000009"},
    ]
    for form in forms:
        answer = await client.post(
            "/v1/evaluate/inline?asOf=2026-11-22",
            content=json.dumps({"trial": form, "bundle": examples.BUNDLE}),
            headers=JSON,
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["trial"]["version"] is None
        assert answer.json()["criteria"][0]["status"] == "pass"


async def test_the_right_patient_of_two_is_judged(client):
    await register(client, page(10))
    url = "/v1/trials/NCT00000010/evaluate"

    assert (await client.post(f"{url}?patient=p2", content=TWO, headers=FHIR)).json()["patient"] == "Patient/p2"
    for query, error in (("", "several-patients"), ("?patient=p3", "unknown-patient")):
        answer = await client.post(f"{url}{query}", content=TWO, headers=FHIR)
        assert answer.status_code == 400
        assert answer.json()["type"] == f"urn:eligo:problem:{error}"


async def test_completeness_and_absence_come_from_the_query(client):
    await register(client, page(11).replace("Pregnant or breastfeeding women", "HIV infection"))
    url = "/v1/trials/NCT00000011/evaluate"

    async def status(query: str) -> str:
        answer = await client.post(f"{url}{query}", content=BUNDLE, headers=FHIR)
        assert answer.status_code == 200, answer.text
        return answer.json()["criteria"][2]["status"]

    assert await status("") == "unknown"
    assert await status("?complete=Condition&complete=Procedure,Observation") == "pass"
    assert await status("?complete=Condition&absence=open") == "unknown"
    assert await status("?absence=closed") == "pass"
