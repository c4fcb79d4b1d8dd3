"""A person corrects how criteria are read; amendments keep what they leave alone, and tell what they changed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from app.api import examples
from app.api.callers import SUBJECT
from app.main import create_app
from app.settings import Settings
from tests.api.conftest import running
from tests.serving import serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/json"}
BUNDLE = json.dumps(examples.BUNDLE)
PREGNANT = {"kind": "reproductive-is", "state": "pregnant"}
OVER_21 = {"kind": "age-is", "bounds": [{"op": ">=", "age": {"count": "21", "unit": "year"}}]}


def page(number: int, *, e1: str = "Frobnication of the gizmo", i1: str = "Age 18 to 75 years", more: str = "") -> str:
    return f"""A study of curation {number}

NCT ID: NCT{number:08}

Inclusion Criteria:
1. {i1}
2. ECOG performance status of 0-1

Exclusion Criteria:
1. {e1}
{more}"""


async def register(client, text: str) -> dict[str, Any]:
    answer = await client.post("/v1/trials", content=text, headers=TEXT)
    assert answer.status_code in {200, 201}, answer.text
    return {**answer.json(), "code": answer.status_code}


async def correct(client, number: int, *criteria: dict[str, Any], **headers: str) -> Any:
    return await client.put(
        f"/v1/trials/NCT{number:08}/criteria", content=json.dumps({"criteria": criteria}), headers={**JSON, **headers}
    )


def by_id(trial: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in trial["criteria"]}


async def test_a_correction_makes_the_next_version_and_keeps_the_words(client):
    before = await register(client, page(1))
    answer = await correct(client, 1, {"id": "E1", "expression": PREGNANT, "note": "Gizmo is  their word."})
    trial = answer.json()

    assert answer.status_code == 200
    assert (before["version"], trial["version"]) == (1, 2)
    assert (before["reviewed"], before["review"], trial["reviewed"]) == (False, None, True)
    assert (trial["review"]["by"], trial["review"]["version"]) == ("anonymous", 2)
    assert trial["review"]["at"].endswith("+00:00")
    assert trial["text"] == before["text"]
    e1 = by_id(trial)["E1"]
    assert (e1["text"], e1["reading"], e1["says"]) == ("Frobnication of the gizmo", "computable", "is pregnant")
    assert (e1["expression"], e1["reviewed"]) == (PREGNANT, True)
    assert e1["notes"] == ["Corrected by a person.", "Gizmo is their word."]
    assert by_id(trial)["I1"] == by_id(before)["I1"]
    assert (await client.get("/v1/trials/NCT00000001")).json() == trial
    assert (await client.get("/v1/trials/NCT00000001?version=1")).json()["reviewed"] is False


async def test_the_same_correction_twice_is_the_same_version(client):
    await register(client, page(2))
    first = await correct(client, 2, {"id": "E1", "expression": PREGNANT})
    again = await correct(client, 2, {"id": "E1", "expression": PREGNANT})
    whole = await client.put("/v1/trials/NCT00000002/criteria", content=first.content, headers=JSON)
    once_more = await client.put("/v1/trials/NCT00000002/criteria", content=whole.content, headers=JSON)

    assert again.content == first.content
    # All criteria sent back as they are: those that nobody had looked at are reviewed by it.
    assert (whole.json()["version"], once_more.json()["version"]) == (3, 3)
    assert all(each["reviewed"] for each in whole.json()["criteria"])
    assert [each["expression"] for each in whole.json()["criteria"]] == [
        each["expression"] for each in first.json()["criteria"]
    ]


async def test_a_corrected_trial_is_judged_as_corrected(client):
    await register(client, page(3))
    url = "/v1/trials/NCT00000003/evaluate?asOf=2026-11-22"
    before = (await client.post(url, content=BUNDLE, headers=JSON)).json()
    await correct(client, 3, {"id": "E1", "expression": {"kind": "not", "part": OVER_21}})
    after = (await client.post(url, content=BUNDLE, headers=JSON)).json()
    first = (await client.post(f"{url}&version=1", content=BUNDLE, headers=JSON)).json()

    assert [each["criteria"][2]["status"] for each in (before, after, first)] == ["review", "pass", "review"]
    assert after["trial"]["version"] == 2


async def test_the_same_content_again_leaves_the_correction_in_force(client):
    await register(client, page(4))
    corrected = (await correct(client, 4, {"id": "E1", "expression": PREGNANT})).json()
    again = await register(client, page(4))

    assert again.pop("code") == 200
    assert again == corrected


async def test_content_that_was_taken_away_comes_back_with_its_correction(client):
    await register(client, page(5))
    corrected = (await correct(client, 5, {"id": "E1", "expression": PREGNANT})).json()
    await client.delete("/v1/trials/NCT00000005")
    assert (await correct(client, 5, {"id": "E1", "expression": PREGNANT})).status_code == 404
    again = await register(client, page(5))

    assert again.pop("code") == 201
    assert again == corrected


async def test_what_leaves_the_criteria_alone_leaves_the_trial_reviewed(client):
    await register(client, page(6))
    corrected = (await correct(client, 6, {"id": "E1", "expression": PREGNANT})).json()
    renamed = await register(client, "Another name\n" + page(6))

    assert renamed["version"] == 3
    assert renamed["title"] != corrected["title"]
    assert (renamed["reviewed"], renamed["review"]) == (True, corrected["review"])
    assert by_id(renamed)["E1"]["expression"] == PREGNANT


async def test_an_amendment_keeps_the_corrections_of_words_that_are_the_same(client):
    await register(client, page(7))
    quoted = {**PREGNANT, "quote": {"text": "gizmo", "start": 20, "end": 25}}
    await correct(client, 7, {"id": "E1", "expression": quoted}, {"id": "I1", "expression": OVER_21})
    amended = await register(client, page(7, i1="Age 20 to 75 years", more="2. Age over 70 years"))
    again = await register(client, page(7, i1="Age 20 to 75 years", more="2. Age over 70 years"))

    assert (amended["version"], amended["reviewed"], amended["review"]) == (3, False, None)
    e1, i1 = by_id(amended)["E1"], by_id(amended)["I1"]
    assert (e1["reviewed"], e1["says"]) == (True, "is pregnant")
    assert e1["notes"] == [
        "Corrected by a person.",
        "A person's reading is kept from version 2; its words are the same.",
    ]
    assert e1["expression"]["quote"]["start"] == 20
    assert (i1["reviewed"], i1["says"]) == (False, "age is between 20 years and 75 years")
    assert (again.pop("code"), again["version"]) == (200, 3)


async def test_an_old_etag_is_refused(client):
    registered = await client.post("/v1/trials", content=page(8), headers=TEXT)
    assert registered.headers["etag"] == '"1"'
    first = await correct(client, 8, {"id": "E1", "expression": PREGNANT}, **{"If-Match": '"1"'})
    late = await correct(client, 8, {"id": "E1", "expression": OVER_21}, **{"If-Match": '"1"'})
    odd = await correct(client, 8, {"id": "E1", "expression": OVER_21}, **{"If-Match": 'W/"2", "x"'})
    any_ = await correct(client, 8, {"id": "E1", "expression": OVER_21}, **{"If-Match": "*"})

    assert (first.status_code, first.headers["etag"]) == (200, '"2"')
    assert (late.status_code, late.headers["etag"]) == (412, '"2"')
    assert late.json()["type"] == "urn:eligo:problem:precondition-failed"
    assert odd.status_code == 412
    assert any_.json()["version"] == 3
    same = await client.get("/v1/trials/NCT00000008", headers={"If-None-Match": '"3"'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", '"3"')
    assert (await client.get("/v1/trials/NCT00000008", headers={"If-None-Match": '"2"'})).status_code == 200


async def test_corrections_at_the_same_time_are_all_kept(client):
    await register(client, page(9))
    done = await asyncio.gather(
        correct(client, 9, {"id": "E1", "expression": PREGNANT}),
        correct(client, 9, {"id": "I1", "expression": OVER_21}),
        register(client, page(9)),
    )
    trial = (await client.get("/v1/trials/NCT00000009")).json()

    assert [each.status_code for each in done[:2]] == [200, 200]
    assert trial["version"] == 3
    assert [by_id(trial)[each]["reviewed"] for each in ("E1", "I1", "I2")] == [True, True, False]


@pytest.mark.parametrize(
    ("criteria", "pointer", "told"),
    [
        ([], "/criteria", "no list"),
        ([1], "/criteria/0", "an object"),
        ([{"id": "E1"}], "/criteria/0/expression", "no expression"),
        ([{"expression": PREGNANT}], "/criteria/0/id", "no id"),
        ([{"id": "E11", "expression": PREGNANT}], "/criteria/0/id", "E1"),
        ([{"id": "E1", "expression": PREGNANT, "text": "x"}], "/criteria/0/text", "Leave it out"),
        ([{"id": "E1", "expression": PREGNANT, "kind": "inclusion"}], "/criteria/0/kind", "`not`"),
        ([{"id": "E1", "expression": PREGNANT, "when": 1}], "/criteria/0/when", "no such key"),
        ([{"id": "E1", "expression": PREGNANT, "note": 5}], "/criteria/0/note", "characters"),
        ([{"id": "E1", "expression": PREGNANT}] * 2, "/criteria/1/id", "twice"),
        ([{"id": "E1", "expression": {"kind": "any-of", "parts": []}}], "/criteria/0/expression", "no parts"),
        (
            [{"id": "E1", "expression": {"kind": "any-of", "parts": [PREGNANT, {"kind": "has-condition"}]}}],
            "/criteria/0/expression/parts/1",
            "'concept'",
        ),
        (
            [{"id": "E1", "expression": {"kind": "not", "part": {"kind": "has-condition", "concept": "brest-cancer"}}}],
            "/criteria/0/expression/part/concept",
            "breast-cancer",
        ),
        (
            [{"id": "E1", "expression": {"kind": "result-is", "analyte": "hbsagg", "outcome": "positive"}}],
            "/criteria/0/expression/analyte",
            "hbsag",
        ),
    ],
)
async def test_what_cannot_be_taken_is_told_with_its_place_and_a_remedy(client, criteria, pointer, told):
    await register(client, page(10))
    answer = await correct(client, 10, *criteria)

    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == "urn:eligo:problem:codec-problems"
    found = next(each for each in problem["errors"] if each["pointer"] == pointer)
    assert told in found["detail"]
    assert found["remedy"]
    assert (await client.get("/v1/trials/NCT00000010")).json()["version"] == 1


async def test_all_that_is_wrong_is_told_at_once_and_nothing_is_kept(client):
    await register(client, page(11))
    answer = await correct(
        client,
        11,
        {"id": "I1", "expression": OVER_21},
        {"id": "I9", "expression": {"kind": "x"}},
        {"id": "E1", "expression": {"kind": "has-condition", "concept": "nobody-has-it-xyzzy"}},
    )

    assert {each["pointer"] for each in answer.json()["errors"]} == {
        "/criteria/1/id",
        "/criteria/1/expression/kind",
        "/criteria/2/expression/concept",
    }
    assert (await client.get("/v1/trials/NCT00000011")).json()["version"] == 1


async def test_other_refusals_of_a_correction(client):
    await register(client, page(12))
    url = "/v1/trials/NCT00000012/criteria"

    assert (await client.put(url, content="{", headers=JSON)).status_code == 400
    assert (await client.put(url, content="[]", headers=JSON)).status_code == 422
    assert (await client.put(url, content="", headers=JSON)).status_code == 400
    assert (await client.put(url, content="x", headers=TEXT)).status_code == 415
    assert (await client.put("/v1/trials/none/criteria", content="{}", headers=JSON)).status_code == 404


async def test_who_corrects_is_whom_authentication_has_found(tmp_path):
    app = create_app(Settings(database_url=f"sqlite:///{tmp_path}/eligo.db", judge_processes=1))

    class Authenticated:
        """What a layer that has checked a token does."""

        def __init__(self, inner):
            self.inner = inner

        async def __call__(self, scope, receive, send):
            if scope["type"] == "http":
                scope.setdefault("state", {})[SUBJECT] = "curator-7"
            await self.inner(scope, receive, send)

    app.add_middleware(Authenticated)
    async with running(app) as client:
        await register(client, page(13))
        trial = (await correct(client, 13, {"id": "E1", "expression": PREGNANT})).json()

    assert trial["review"]["by"] == "curator-7"


async def test_a_diff_tells_what_an_amendment_changed(client):
    await register(client, page(14))
    await register(
        client,
        page(14, e1="Frobnication of the whole gizmo", i1="Age 20 to 75 years", more="2. Pregnant women\n").replace(
            "2. ECOG performance status of 0-1\n", ""
        ),
    )
    found = (await client.get("/v1/trials/NCT00000014?diff=1,2")).json()

    assert (found["id"], found["from"], found["to"], found["affectsVerdicts"]) == ("NCT00000014", 1, 2, True)
    assert found["counts"] == {"added": 1, "dropped": 1, "reworded": 2, "moved": 0, "reread": 0, "unchanged": 0}
    told = [(each["changes"], (each["before"] or each["after"])["id"]) for each in found["criteria"]]
    assert told == [(["reworded"], "I1"), (["dropped"], "I2"), (["reworded"], "E1"), (["added"], "E2")]
    age = found["criteria"][0]
    assert age["parts"] == [
        {"before": "age is between 18 years and 75 years", "after": "age is between 20 years and 75 years"}
    ]
    assert age["words"] == [
        {"op": "same", "text": "Age"},
        {"op": "dropped", "text": "18"},
        {"op": "added", "text": "20"},
        {"op": "same", "text": "to 75 years"},
    ]
    assert found["criteria"][3]["parts"] == [{"before": None, "after": "is pregnant"}]
    back = (await client.get("/v1/trials/NCT00000014?diff=2,1")).json()
    assert back["counts"]["added"] == back["counts"]["dropped"] == 1
    same = (await client.get("/v1/trials/NCT00000014?diff=1,1")).json()
    assert (same["criteria"], same["counts"]["unchanged"], same["affectsVerdicts"]) == ([], 3, False)


async def test_a_diff_tells_what_a_correction_changed(client):
    await register(client, page(15))
    await correct(client, 15, {"id": "E1", "expression": PREGNANT})
    found = (await client.get("/v1/trials/NCT00000015?diff=1,2")).json()

    assert found["counts"]["reread"] == 1
    (change,) = found["criteria"]
    assert (change["changes"], change["affectsVerdicts"], change["words"]) == (["reread"], True, [])
    assert (change["before"]["reviewed"], change["after"]["reviewed"]) == (False, True)


async def test_a_diff_that_cannot_be_made_is_refused(client):
    await register(client, page(16))
    url = "/v1/trials/NCT00000016"

    assert (await client.get(f"{url}?diff=1,9")).status_code == 404
    assert (await client.get(f"{url}?diff=1")).status_code == 400
    assert (await client.get(f"{url}?diff=0,1")).status_code == 400
    assert (await client.get(f"{url}?diff=1,2&version=1")).status_code == 400


async def test_over_a_real_socket_with_a_database_of_its_own(tmp_path):
    import httpx

    with serving(tmp_path) as served, httpx.Client(base_url=served.address) as caller:
        assert caller.post("/v1/trials", content=page(17), headers=TEXT).status_code == 201
        answer = caller.put(
            "/v1/trials/NCT00000017/criteria",
            content=json.dumps({"criteria": [{"id": "E1", "expression": PREGNANT}]}),
            headers={**JSON, "If-Match": '"1"'},
        )
        found = caller.get("/v1/trials/NCT00000017", params={"diff": "1,2"}).json()
        report = caller.post("/v1/trials/NCT00000017/evaluate", content=BUNDLE, headers=JSON).json()

    assert (answer.status_code, answer.json()["reviewed"]) == (200, True)
    assert found["counts"]["reread"] == 1
    assert report["criteria"][2]["says"] == "is pregnant"
