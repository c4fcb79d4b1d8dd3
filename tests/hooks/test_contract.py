"""Every field of CDS Hooks 2.0, held to `schemas/cds-hooks.schema.json`: what Eligo answers, takes and refuses."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import pytest_asyncio
from referencing import Registry, Resource

from tests.hooks.conftest import COLON, LUNG, TRIAL, call, result, searchset, service
from tests.hooks.test_calls import FULL, OXALIPLATIN, RECENT, drafts, order
from tests.reference import reference_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import httpx

pytestmark = pytest.mark.asyncio(loop_scope="module")
Json = dict[str, Any]
SCHEMAS = Path(__file__).parents[2] / "schemas"
FIXTURES = reference_folder() / "data" / "cds-hooks"
OPEN = FULL | {"results1": searchset(result("hb", "718-7", 95, "g/L", RECENT))}
REQUIRED = "required"
SERVICES = [
    {"id": "view", "hook": "patient-view"},
    {"id": "start", "hook": "encounter-start", "with_ineligible": True},
    {"id": "book", "hook": "appointment-book"},
    {"id": "select", "hook": "order-select"},
]
CONTEXTS: dict[str, Json] = {
    "patient-view": {},
    "encounter-start": {"encounterId": "e1"},
    "appointment-book": {"appointments": {"resourceType": "Bundle", "type": "collection"}},
    "order-select": drafts(order(OXALIPLATIN)),
}
PLACES = {"patient-view": "view", "encounter-start": "start", "appointment-book": "book", "order-select": "select"}

# What the specification has and Eligo does not send, with the reason.
NEVER_SENT = {
    "response.systemActions": "nothing is done without the user",
    "source.icon": "there is no picture to show",
    "action.resourceId": "nothing is deleted",
    **{
        f"{each}.extension": "all that is added stands on the card"
        for each in ("discovery", "service", "response", "source", "suggestion", "action", "link", "coding")
    },
}


@cache
def schema(name: str) -> Any:
    """A schema of the project."""
    return json.loads((SCHEMAS / f"{name}.schema.json").read_text())


@cache
def validator(what: str) -> jsonschema.Draft202012Validator:
    """Validates one kind of message: a name under `$defs`."""
    hooks, criteria = schema("cds-hooks"), schema("card-criteria")
    registry: Registry[Any] = Registry().with_resources(
        [(each["$id"], Resource.from_contents(each)) for each in (hooks, criteria)]
    )
    return jsonschema.Draft202012Validator({"$ref": f"{hooks['$id']}#/$defs/{what}"}, registry=registry)


def problems(what: str, message: object) -> list[tuple[str, str]]:
    """Where a message differs from the specification, and by which rule."""
    found = validator(what).iter_errors(message)
    return sorted((f"/{'/'.join(map(str, each.absolute_path))}", str(each.validator)) for each in found)


def fields(what: str, message: Json) -> Iterator[str]:
    """The fields of the specification that a message has: `card.summary`."""
    for key, value in message.items():
        yield f"{what}.{key}"
        rule = schema("cds-hooks")["$defs"][what]["properties"].get(key, {})
        inner = rule.get("items", rule).get("$ref", "").removeprefix("#/$defs/").replace("reason", "coding")
        if "properties" in schema("cds-hooks")["$defs"].get(inner, {}) and inner not in {"extension", "resource"}:
            for each in value if isinstance(value, list) else [value]:
                yield from fields(inner, each)


def declared(*kinds: str) -> set[str]:
    """The fields that the specification has for these kinds of objects."""
    return {f"{kind}.{name}" for kind in kinds for name in schema("cds-hooks")["$defs"][kind]["properties"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    trials = [TRIAL.replace("NCT00000042", f"NCT0000006{number}") for number in range(5)]
    folder = tmp_path_factory.mktemp("contract")
    async with service(folder, *trials, cds_services=SERVICES, cds_smart_url="https://smart.example/launch") as started:
        yield started


@pytest.fixture(scope="module")
def good() -> Json:
    """A call that has every field."""
    return {
        "hook": "patient-view",
        "hookInstance": "00000000-0000-4000-8000-000000000000",
        "fhirServer": "https://ehr.example/fhir",
        "fhirAuthorization": {
            "access_token": "secret",
            "token_type": "Bearer",
            "expires_in": 300,
            "scope": "patient/*.read",
            "subject": "eligo",
            "patient": "p1",
        },
        "context": {"userId": "Practitioner/1", "patientId": "p1", "encounterId": "e1"},
        "prefetch": OPEN,
        "extension": {"com.example.screen": {"width": 80}},
    }


def without(message: Json, *path: str | int) -> Json:
    """The message without one of its fields."""
    copied = copy.deepcopy(message)
    place: Any = copied
    for each in path[:-1]:
        place = place[each]
    del place[path[-1]]
    return copied


# --- the schemas themselves


@pytest.mark.parametrize("name", ["cds-hooks", "card-criteria"])
async def test_the_schemas_are_schemas(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))


# --- discovery


async def test_discovery_has_every_field(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/cds-services")).json()

    assert problems("discovery", answer) == []
    assert set(fields("discovery", answer)) == declared("discovery", "service") - set(NEVER_SENT)


@pytest.mark.parametrize("field", ["hook", "id", "description"])
async def test_a_service_without_a_required_field_is_refused(client: httpx.AsyncClient, field: str) -> None:
    (first, *_) = (await client.get("/cds-services")).json()["services"]

    assert problems("service", without(first, field)) == [("/", REQUIRED)]


# --- answers


async def answers(client: httpx.AsyncClient) -> list[Json]:
    """Answers with every kind of card: promising, one for the rest, ruled out, a warning of an order; and none."""
    found = []
    against = OPEN | {"conditions": searchset(COLON, LUNG)}
    for hook, prefetch in (
        ("patient-view", OPEN),
        ("encounter-start", against),
        ("appointment-book", OPEN),
        ("order-select", OPEN),
        ("patient-view", against),
    ):
        answer = await client.post(
            f"/cds-services/{PLACES[hook]}", json=call(prefetch, hook=hook, context=CONTEXTS[hook])
        )
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
    return found


async def test_answers_have_every_field_and_no_other(client: httpx.AsyncClient) -> None:
    found = await answers(client)

    assert [problems("response", each) for each in found] == [[]] * len(found)
    assert [len(each["cards"]) for each in found] == [4, 4, 4, 4, 0]
    assert {name for each in found for name in fields("response", each)} == declared(
        "response", "card", "source", "suggestion", "action", "link", "coding"
    ) - set(NEVER_SENT)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("summary",), "x" * 140, ("/cards/0/summary", "maxLength")),
        (("summary",), "", ("/cards/0/summary", "minLength")),
        (("detail",), None, ("/cards/0/detail", "type")),
        (("indicator",), "hard-stop", ("/cards/0/indicator", "enum")),
        (("uuid",), "1", ("/cards/0/uuid", "pattern")),
        (("source", "url"), "eligo", ("/cards/0/source/url", "pattern")),
        (("source", "topic"), {"code": "x"}, ("/cards/0/source/topic", REQUIRED)),
        (("suggestions",), [], ("/cards/0/suggestions", "minItems")),
        (("suggestions", 0, "label"), "", ("/cards/0/suggestions/0/label", "minLength")),
        (("suggestions", 0, "isRecommended"), "yes", ("/cards/0/suggestions/0/isRecommended", "type")),
        (("suggestions", 0, "actions", 0, "type"), "enrol", ("/cards/0/suggestions/0/actions/0/type", "enum")),
        (("suggestions", 0, "actions", 0, "type"), "delete", ("/cards/0/suggestions/0/actions/0", REQUIRED)),
        (("selectionBehavior",), "all", ("/cards/0/selectionBehavior", "enum")),
        (("overrideReasons", 0), {"code": "a", "system": "b"}, ("/cards/0/overrideReasons/0", REQUIRED)),
        (("links", 0, "appContext"), "x", ("/cards/0/links/0/type", "const")),
        (("links", 0, "type"), "popup", ("/cards/0/links/0/type", "enum")),
        (("extension",), {"criteria": {}}, ("/cards/0/extension", "pattern")),
        (("colour",), "red", ("/cards/0", "additionalProperties")),
        (
            ("extension", "org.eligo.criteria", "criteria", 0, "status"),
            "maybe",
            ("/cards/0/extension/org.eligo.criteria/criteria/0/status", "enum"),
        ),
    ],
)
async def test_a_card_that_is_wrong_is_told(
    client: httpx.AsyncClient, path: tuple[str | int, ...], value: object, expected: tuple[str, str]
) -> None:
    made = copy.deepcopy((await answers(client))[0])
    place: Any = made["cards"][0]
    for each in path[:-1]:
        place = place[each]
    place[path[-1]] = value

    assert problems("response", made) == [expected]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("empty", []),
        ("two-cards", []),
        # Of the days before 2.0: long summaries, links without a type, suggestions without how to choose among them.
        ("source-link", [("/cards/0/links/0", REQUIRED), ("/cards/0/summary", "maxLength")]),
        ("suggestion", [("/cards/0", "dependentRequired"), ("/cards/0/summary", "maxLength")]),
    ],
)
async def test_answers_of_other_makers(name: str, expected: list[tuple[str, str]]) -> None:
    file = FIXTURES / f"cdshooks-response-{name}.json"
    if not file.is_file():
        pytest.skip(f"{file.name} is not on this machine; ELIGO_SHARED may name its folder.")

    assert problems("response", json.loads(file.read_text())) == expected


# --- requests


async def test_a_call_may_have_every_field(client: httpx.AsyncClient, good: Json) -> None:
    assert problems("request", good) == []
    assert set(fields("request", good)) >= declared("request") | declared("authorization") - {"authorization.extension"}

    answer = await client.post("/cds-services/view", json=good)

    assert answer.status_code == 200, answer.text
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        (("hook",), ""),
        (("hookInstance",), ""),
        (("context",), ""),
        (("context", "userId"), "/context/userId"),
        (("context", "patientId"), "/context/patientId"),
        (("fhirServer",), "/fhirServer"),
        (("fhirAuthorization", "access_token"), "/fhirAuthorization"),
    ],
)
async def test_a_call_without_a_required_field_is_refused(
    client: httpx.AsyncClient, good: Json, path: tuple[str, ...], pointer: str
) -> None:
    sent = without(good, *path)

    assert len(problems("request", sent)) == 1
    answer = await client.post("/cds-services/view", json=sent)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert path[-1] in answer.text


@pytest.mark.parametrize(("hook", "context"), CONTEXTS.items())
async def test_each_hook_has_its_context(client: httpx.AsyncClient, hook: str, context: Json) -> None:
    sent = call(OPEN, hook=hook, context=context)

    assert problems("request", sent) == []
    assert (await client.post(f"/cds-services/{PLACES[hook]}", json=sent)).status_code == 200
    for name in context:
        lacking = without(sent, "context", name)
        assert problems("request", lacking) == [("/context", REQUIRED)]
        answer = await client.post(f"/cds-services/{PLACES[hook]}", json=lacking)
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["pointer"] == f"/context/{name}"


@pytest.mark.parametrize("name", ["patient-view", "order-select"])
async def test_requests_of_other_makers(name: str) -> None:
    file = FIXTURES / f"cdshooks-request-{name}-good.json"
    if not file.is_file():
        pytest.skip(f"{file.name} is not on this machine; ELIGO_SHARED may name its folder.")

    assert problems("request", json.loads(file.read_text())) == []


# --- feedback


def heard(card: Json) -> Json:
    """Feedback that has every field."""
    return {
        "feedback": [
            {
                "card": card["uuid"],
                "outcome": "accepted",
                "acceptedSuggestions": [{"id": card["suggestions"][0]["uuid"], "extension": {"com.example.a": 1}}],
                "outcomeTimestamp": "2026-11-22T09:00:00Z",
                "extension": {"com.example.b": 2},
            },
            {
                "card": card["uuid"],
                "outcome": "overridden",
                "overrideReason": {"reason": card["overrideReasons"][0], "userComment": "Lives far away"},
                "outcomeTimestamp": "2026-11-22T10:00:00.125+01:00",
            },
        ]
    }


async def test_feedback_may_have_every_field(client: httpx.AsyncClient) -> None:
    sent = heard((await answers(client))[0]["cards"][0])

    assert problems("feedback", sent) == []
    assert set(fields("feedback", sent)) - {"feedback.feedback"} >= declared("outcome")
    assert (await client.post("/cds-services/view/feedback", json=sent)).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        ("feedback",),
        ("feedback", 0, "card"),
        ("feedback", 0, "outcome"),
        ("feedback", 0, "outcomeTimestamp"),
        ("feedback", 0, "acceptedSuggestions"),
        ("feedback", 0, "acceptedSuggestions", 0, "id"),
    ],
)
async def test_feedback_without_a_required_field_is_refused(
    client: httpx.AsyncClient, path: tuple[str | int, ...]
) -> None:
    sent = without(heard((await answers(client))[0]["cards"][0]), *path)

    assert problems("feedback", sent) == [(f"/{'/'.join(map(str, path[:-1]))}", REQUIRED)]
    answer = await client.post("/cds-services/view/feedback", json=sent)
    assert answer.status_code == 400, answer.text
    assert str(path[-1]) in answer.text
