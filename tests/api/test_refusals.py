"""What is refused, how it is told, and that nothing is stored by it."""

from __future__ import annotations

import gzip
import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import app
from app.api import examples
from app.api.errors import KINDS
from app.errors import EligoError
from app.fhir.errors import UnreadableRecord
from tests.api.conftest import LIMIT

in_module = pytest.mark.asyncio(loop_scope="module")

TEXT = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/json"}
FHIR = {"Content-Type": "application/fhir+json"}
BUNDLE = json.dumps(examples.BUNDLE)
WRONG_CRITERION = {"kind": "inclusion", "expression": {"kind": "not", "part": {"kind": "x"}}}
JUDGE = "/v1/trials/NCT00000000/evaluate"

NEVER_OVER_HTTP = {
    "BadDatabaseUrl": "ends the start of the service",
    "BadSetting": "ends the start of the service",
    "CatalogueError": "ends the start of a worker",
    "NotMigrated": "ends the start of the service",
    "NotComparable": "an answer within the evaluator",
    "TracingUnavailable": "ends the start of the service",
    "UnitError": "an answer within the reader and the evaluator",
    "UnreadableRecord": "the root of the others",
    "UnusableStudy": "the service makes an UnusableTrial of it",
}


def refusals(kind: type[EligoError] = EligoError) -> set[type[EligoError]]:
    return {each for below in kind.__subclasses__() for each in {below, *refusals(below)}}


def test_every_refusal_has_its_status():
    for module in pkgutil.walk_packages(app.__path__, "app."):
        importlib.import_module(module.name)
    named = {each for each in refusals() if each.__module__.startswith("app.")}
    command_line = {each for each in named if each.__module__.startswith("app.cli")}

    assert {each.__name__ for each in named - command_line - set(KINDS)} <= set(NEVER_OVER_HTTP)
    assert all(issubclass(each, EligoError) for each in KINDS)
    assert UnreadableRecord not in KINDS


def is_problem(answer: Any, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert set(told) == {"type", "title", "status", "detail", "errors"}
    assert (told["type"], told["status"]) == (kind if ":" in kind else f"urn:eligo:problem:{kind}", status)
    assert told["title"]
    assert told["detail"]
    return told


TRIAL_TYPES = "text/plain, application/json, application/fhir+json, application/xml, text/xml, text/csv"


@in_module
@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("asOf=yesterday", "asOf"),
        ("asOf=2026-02-30", "asOf"),
        ("asOf=1700000000", "asOf"),
        ("asOf=2026-11-22T10:00:00Z", "asOf"),
        ("asOf=0001-01-01", "asOf"),
        ("asOf=٢٠٢٦-11-22", "asOf"),
        ("asof=2026-11-22", "asof"),
        ("asOf=2026-11-22&asOf=2026-11-23", "asOf"),
        ("absence=maybe", "absence"),
        ("maxAge=P1Y2M", "maxAge"),
        ("maxAge=-3", "maxAge"),
        ("maxAge=ninety", "maxAge"),
        ("maxAge=%20P90D", "maxAge"),
        ("maxAge=P٩D", "maxAge"),
        ("complete=condition", "complete"),
        ("complete=Condition,Sock", "complete"),
        ("patient=%00", "patient"),
        ("version=0", "version"),
        ("version=99999999999999999999", "version"),
        ("verbose=yes", "verbose"),
    ],
)
async def test_a_parameter_that_cannot_be_used_is_named(client, query, name):
    told = is_problem(await client.post(f"{JUDGE}?{query}", content=BUNDLE, headers=FHIR), 400, "bad-parameter")

    assert [each["parameter"] for each in told["errors"]] == [name]
    assert [each["pointer"] for each in told["errors"]] == [f"/{name}"]


@in_module
@pytest.mark.parametrize("query", ["q=%00", "page=0", "page=x", "page=99999999999", "colour=red"])
async def test_so_it_is_for_lists(client, query):
    is_problem(await client.get(f"/v1/trials?{query}"), 400, "bad-parameter")


@in_module
async def test_the_longest_ages_are_taken(client):
    await client.post("/v1/trials", content=examples.PAGE, headers=TEXT)
    for age in ("P999999D", "P999999W", "P999999M", "P999999Y", "0", "P0D", "90"):
        answer = await client.post(f"{JUDGE}?maxAge={age}&asOf=1900-01-01", content=BUNDLE, headers=FHIR)
        assert answer.status_code == 200, answer.text


@in_module
@pytest.mark.parametrize("trial_id", ["NCT99999999", "%00", "a%20b", "x" * 500, "%2e%2e", "😀"])
async def test_an_unknown_trial_is_not_found(client, trial_id):
    for answer in (
        await client.get(f"/v1/trials/{trial_id}"),
        await client.delete(f"/v1/trials/{trial_id}"),
        await client.post(f"/v1/trials/{trial_id}/evaluate", content=BUNDLE, headers=FHIR),
    ):
        is_problem(answer, 404, "trial-not-found" if "%2e" not in trial_id else answer.json()["type"])


@in_module
async def test_unknown_paths_and_methods_are_problems_too(client):
    is_problem(await client.get("/v2/trials"), 404, "about:blank")
    answer = await client.put("/v1/trials")
    is_problem(answer, 405, "about:blank")
    assert answer.headers["allow"] == "GET, POST"
    assert (await client.patch("/v1/trials/NCT00000000")).headers["allow"] == "DELETE, GET"
    assert (await client.delete("/health/live")).headers["allow"] == "GET"


@in_module
@pytest.mark.parametrize(
    ("path", "content_type", "accepted"),
    [
        ("/v1/trials", "application/pdf", TRIAL_TYPES),
        ("/v1/trials", "application/fhir+xml", TRIAL_TYPES),
        ("/v1/trials", "", TRIAL_TYPES),
        ("/v1/read", "application/json", "text/plain"),
        (JUDGE, "application/fhir+xml", "application/fhir+json, application/json"),
        (JUDGE, "application/x-www-form-urlencoded", "application/fhir+json, application/json"),
        ("/v1/evaluate", "text/plain", "application/fhir+json, application/json"),
        ("/v1/evaluate/inline", "application/fhir+json", "application/json"),
    ],
)
async def test_a_type_that_is_not_taken_is_told_what_is(client, path, content_type, accepted):
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await client.post(path, content="{}", headers=headers)

    is_problem(answer, 415, "unsupported-media-type")
    assert answer.headers["accept"] == accepted


@in_module
async def test_character_sets_are_decoded_or_refused(client):
    async def read(content: bytes, charset: str) -> Any:
        return await client.post(
            "/v1/read", content=content, headers={"Content-Type": f"text/plain; charset={charset}"}
        )

    assert (await read("• Größe".encode("cp1252"), "windows-1252")).status_code == 200
    assert (await read(b"\xef\xbb\xbf1. Age 18 to 75 years", "UTF-8")).json()["criteria"][0]["span"][0] < 4
    is_problem(await read(b"\xff\xfe", "utf-8"), 400, "broken-encoding")
    is_problem(await read(b"x", "utf-7"), 415, "unsupported-charset")


@in_module
@pytest.mark.parametrize("path", ["/v1/trials", "/v1/read", JUDGE, "/v1/evaluate", "/v1/evaluate/inline"])
async def test_an_empty_body_is_refused(client, path):
    for content in (b"", b" \n"):
        headers = TEXT if path == "/v1/read" else JSON
        is_problem(await client.post(path, content=content, headers=headers), 400, "empty-body")


@in_module
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("{", "not-json"),
        ("NaN", "not-json"),
        ('{"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"x": NaN}}]}', "not-json"),
        ("[" * 5000, "not-a-bundle"),
        ("[]", "not-a-bundle"),
        ('{"resourceType": "Patient"}', "not-a-bundle"),
        ('{"resourceType": "Bundle", "type": "collection"}', "no-patient"),
    ],
)
async def test_a_body_that_is_no_record_is_refused(client, body, kind):
    await client.post("/v1/trials", content=examples.PAGE, headers=TEXT)
    for path in (JUDGE, "/v1/evaluate"):
        answer = await client.post(path, content=body, headers=FHIR)
        is_problem(answer, 400, answer.json()["type"])
        assert answer.json()["type"].removeprefix("urn:eligo:problem:") in kind.split("|")


@in_module
@pytest.mark.parametrize(
    ("body", "status", "kind", "pointer"),
    [
        ("{", 400, "not-json", None),
        ("[]", 422, "unusable-trial", ""),
        ("{}", 422, "unusable-trial", "/protocolSection"),
        ('{"protocolSection": {}}', 422, "unusable-trial", ""),
        ("[" * 900 + "]" * 900, 422, "unusable-trial", ""),
        (
            json.dumps(
                {
                    "protocolSection": {
                        **examples.STUDY["protocolSection"],
                        "identificationModule": {"nctId": "../etc", "briefTitle": "x"},
                    }
                }
            ),
            422,
            "unusable-trial",
            "/protocolSection/identificationModule/nctId",
        ),
        (json.dumps(examples.STUDY).replace("of something", "of \\u0000"), 422, "unusable-trial", ""),
        (json.dumps(examples.STUDY)[:-1] + ', "x": ' + "[" * 900 + "]" * 900 + "}", 400, "too-deep", None),
    ],
)
async def test_a_study_that_cannot_be_read_is_refused_and_not_stored(client, body, status, kind, pointer):
    before = (await client.get("/v1/trials")).json()["total"]
    told = is_problem(await client.post("/v1/trials", content=body, headers=JSON), status, kind)

    assert [each["pointer"] for each in told["errors"]] == ([] if pointer is None else [pointer])
    assert (await client.get("/v1/trials")).json()["total"] == before


@in_module
@pytest.mark.parametrize(
    ("body", "status", "kind", "pointer"),
    [
        ("{", 400, "not-json", None),
        ("[]", 422, "unusable-trial", ""),
        ("{}", 422, "unusable-trial", "/resourceType"),
        (json.dumps(examples.STUDY), 422, "unusable-trial", "/resourceType"),
        (BUNDLE, 422, "unusable-trial", "/entry"),
        (
            json.dumps({"resourceType": "Bundle", "entry": [{"resource": examples.RESEARCH_STUDY}] * 2}),
            422,
            "unusable-trial",
            "/entry",
        ),
        ('{"resourceType": "ResearchStudy", "title": "x"}', 422, "unusable-trial", ""),
        (
            json.dumps(examples.RESEARCH_STUDY).replace('"exclude"', '"excluded"'),
            422,
            "unusable-trial",
            "/contained/0/characteristic/0/exclude",
        ),
        (json.dumps(examples.RESEARCH_STUDY).replace("of something", "of \\u0000"), 422, "unusable-trial", ""),
        (json.dumps(examples.RESEARCH_STUDY)[:-1] + ', "x": ' + "[" * 900 + "]" * 900 + "}", 400, "too-deep", None),
    ],
)
async def test_a_research_study_that_cannot_be_read_is_refused_and_not_stored(client, body, status, kind, pointer):
    before = (await client.get("/v1/trials")).json()["total"]
    told = is_problem(await client.post("/v1/trials", content=body, headers=FHIR), status, kind)

    assert [each["pointer"] for each in told["errors"]] == ([] if pointer is None else [pointer])
    assert (await client.get("/v1/trials")).json()["total"] == before


@in_module
async def test_a_page_without_criteria_is_refused(client):
    is_problem(await client.post("/v1/trials", content="\0", headers=TEXT), 422, "unusable-trial")
    is_problem(await client.post("/v1/trials", content=page_with_nul(), headers=TEXT), 422, "unusable-trial")


def page_with_nul() -> str:
    return examples.PAGE.replace("something", "some\0thing")


@in_module
async def test_what_is_no_utf_8_is_no_json(client):
    await client.post("/v1/trials", content=examples.PAGE, headers=TEXT)
    broken = BUNDLE.encode().replace(b"Patient", b"Pat\xffent")
    for path in (JUDGE, "/v1/evaluate", "/fhir/ResearchStudy/NCT00000000/$check-eligibility"):
        answer = await client.post(path, content=broken, headers=FHIR)
        assert answer.status_code == 400, (path, answer.text)
    inline = json.dumps(examples.INLINE).encode().replace(b"Patient", b"Pat\xffent")
    answer = await client.post("/v1/evaluate/inline", content=inline, headers=JSON)
    assert answer.status_code == 400, answer.text


@in_module
async def test_what_is_nested_too_deeply_for_an_answer_is_refused(client):
    deep = "[" * 300 + "]" * 300
    site_codes = (
        '{"resourceType": "ConceptMap", "url": "http://a.example", "status": "active", "extension": ' + deep + "}"
    )
    answer = await client.put("/fhir/ConceptMap/m", content=site_codes, headers=FHIR)
    assert answer.status_code == 400, answer.text


@in_module
async def test_an_equivalence_that_is_no_text_is_refused(client):
    line = {"code": "hb", "target": [{"code": "718-7", "equivalence": ["equal"]}]}
    group = [{"source": "http://a.example", "target": "http://loinc.org", "element": [line]}]
    site_codes = {"resourceType": "ConceptMap", "url": "http://a.example", "status": "active", "group": group}
    answer = await client.put("/fhir/ConceptMap/m", content=json.dumps(site_codes), headers=FHIR)
    assert answer.status_code == 422, answer.text


@in_module
@pytest.mark.parametrize(
    ("body", "status", "kind", "pointers"),
    [
        ("{}", 422, "unusable-trial", [""]),
        ('{"trial": 3, "bundle": {}}', 422, "unusable-trial", ["/trial"]),
        ('{"trial": {"resourceType": "Group"}, "bundle": {}}', 422, "unusable-trial", ["/trial/resourceType"]),
        ('{"trial": {"criteria": []}, "bundle": {}}', 422, "unusable-trial", ["/trial/criteria"]),
        ('{"trial": {"criteria": [3]}, "bundle": {}}', 422, "unusable-trial", ["/trial/criteria/0"]),
        ('{"trial": {"criteria": [{"kind": "x"}]}, "bundle": {}}', 422, "unusable-trial", ["/trial/criteria/0/kind"]),
        (
            json.dumps({"trial": {"criteria": [WRONG_CRITERION]}, "bundle": {}}),
            422,
            "codec-problems",
            ["/trial/criteria/0/expression/part/kind"],
        ),
        (json.dumps({"trial": examples.PAGE, "bundle": {}}), 400, "not-a-bundle", []),
        (json.dumps({"trial": examples.STUDY, "bundle": 3}), 400, "not-a-bundle", []),
        ('{"trial": "x", "bundle": ' + "[" * 5000, 400, "not-json|too-deep", []),
    ],
)
async def test_what_comes_along_wrong_is_told_where(client, body, status, kind, pointers):
    answer = await client.post("/v1/evaluate/inline", content=body, headers=JSON)
    assert answer.json()["type"].removeprefix("urn:eligo:problem:") in kind.split("|")
    told = is_problem(answer, status, answer.json()["type"])

    assert [each["pointer"] for each in told["errors"]] == pointers


@in_module
@pytest.mark.parametrize("path", ["/v1/trials", "/v1/read", JUDGE, "/v1/evaluate", "/v1/evaluate/inline"])
async def test_too_much_is_refused_everywhere(client, path):
    headers = TEXT if path == "/v1/read" else JSON
    too_much = b" " * (LIMIT + 1)
    for content, encoding in ((too_much, {}), (gzip.compress(b" " * 50_000_000), {"Content-Encoding": "gzip"})):
        assert len(content) < 2 * LIMIT
        answer = await client.post(path, content=content, headers={**headers, **encoding})
        is_problem(answer, 413, "body-too-large")
        assert answer.headers["connection"] == "close"


@in_module
async def test_a_body_at_the_limit_is_taken(client):
    await client.post("/v1/trials", content=examples.PAGE, headers=TEXT)
    padded = BUNDLE.encode().ljust(LIMIT)
    for content, encoding in ((padded, {}), (gzip.compress(padded), {"Content-Encoding": "gzip"})):
        assert (await client.post(JUDGE, content=content, headers={**FHIR, **encoding})).status_code == 200


@in_module
async def test_gzip_must_be_whole(client):
    await client.post("/v1/trials", content=examples.PAGE, headers=TEXT)
    whole = gzip.compress(BUNDLE.encode())
    half = len(BUNDLE) // 2

    async def status(content: bytes, encoding: str = "gzip") -> int:
        headers = {**FHIR, "Content-Encoding": encoding}
        code: int = (await client.post(JUDGE, content=content, headers=headers)).status_code
        return code

    assert await status(whole) == 200
    assert await status(gzip.compress(BUNDLE[:half].encode()) + gzip.compress(BUNDLE[half:].encode())) == 200
    assert await status(whole[:-9]) == 400
    assert await status(BUNDLE.encode()) == 400
    assert await status(whole + b"rubbish") == 400
    assert await status(whole, "br") == 415
    assert await status(whole, "gzip, gzip") == 415


@in_module
async def test_broken_records_never_make_an_internal_error(client, shared):
    await client.post("/v1/trials", content=examples.PAGE, headers=TEXT)
    files = sorted(each for each in (shared / "data" / "malformed").rglob("*") if each.is_file())
    assert files
    for each in files:
        body = Path(each).read_bytes()
        for sent in (body, b'{"resourceType":"Bundle","type":"collection","entry":[{"resource":' + body + b"}]}"):
            answer = await client.post(JUDGE, content=sent or b"x", headers=FHIR)
            assert answer.status_code in {200, 400}, (each, answer.text)


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
STUDY_KEYS = st.sampled_from(
    [
        "action",
        "characteristic",
        "code",
        "contained",
        "description",
        "enrollment",
        "exclude",
        "extension",
        "id",
        "identifier",
        "objective",
        "recruitment",
        "reference",
        "resource",
        "resourceType",
        "text",
        "title",
        "value",
        "valueCodeableConcept",
        "valueQuantity",
        "valueRange",
        "valueReference",
    ]
)
STUDY_VALUES = st.recursive(
    LEAVES | st.sampled_from(["ResearchStudy", "Group", "PlanDefinition", "Inclusion Criteria:\n- x", "#g", "g"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STUDY_KEYS, inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["resourceType", "type", "entry", "resource", "fullUrl", "id", "birthDate", "gender", "subject", "code"]
)


def test_the_limit_is_larger_than_any_case_here():
    assert len(examples.PAGE) < LIMIT


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(resource=st.dictionaries(KEYS, VALUES, max_size=6))
def test_any_resource_is_answered_or_refused(resource):
    """Off the wire: the same functions that the workers call."""
    from datetime import date

    from app.knowledge.load import load_catalogue
    from app.services import core, reading
    from app.services.options import Options

    body = {**examples.BUNDLE, "entry": [*examples.BUNDLE["entry"], {"resource": resource}]}
    desk = core.Desk(load_catalogue())
    trial = core.ready_trial(desk, 1, reading.read_trial("text/plain", examples.PAGE, None, desk.catalogue).document)
    sent = json.dumps(body).encode("utf-8", "surrogatepass")
    try:
        assert core.judge(trial, sent, Options(date(2026, 11, 22)), desk)
    except tuple(KINDS):
        pass


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    study=st.dictionaries(STUDY_KEYS, STUDY_VALUES, max_size=6),
    group=st.dictionaries(STUDY_KEYS, STUDY_VALUES, max_size=6),
)
def test_any_research_study_is_read_or_refused(study, group):
    from app.knowledge.load import load_catalogue
    from app.services import reading

    sent = {
        **study,
        "resourceType": "ResearchStudy",
        "enrollment": [{"reference": "#g"}],
        "contained": [{**group, "resourceType": "Group", "id": "g"}],
    }
    body = json.dumps(sent)
    try:
        read = reading.read_trial("application/fhir+json", body, None, load_catalogue())
    except tuple(KINDS):
        return
    document = json.loads(read.document)
    assert document["criteria"]
    for each in document["criteria"]:
        assert document["text"][slice(*each["span"])] == each["text"]
