"""Calls of the CDS services: discovery, prefetch in all its shapes, cards, feedback."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import pytest_asyncio
from fhir.resources.R4B import get_fhir_model_class

from tests.hooks.conftest import COLON, LUNG, PATIENT, TRIAL, call, result, searchset, service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio(loop_scope="module")
SHARED = Path(os.environ.get("ELIGO_SHARED", Path(__file__).resolve().parents[3] / "shared"))
RECENT = (datetime.now(UTC) - timedelta(days=3)).date().isoformat()
VIEW = "/cds-services/trials-patient-view"
NOTHING: dict[str, Any] = {"medicationRequests": None, "medicationStatements": None, "procedures": searchset()}
FULL: dict[str, Any] = {
    "patient": PATIENT,
    "conditions": searchset(COLON),
    "results1": searchset(result("hb", "718-7", 95, "g/L", RECENT), result("plt", "777-3", 180, "10*9/L", RECENT)),
    **NOTHING,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    async with service(tmp_path_factory.mktemp("hooks")) as started:
        yield started


async def cards(client: httpx.AsyncClient, sent: Any, url: str = VIEW) -> list[dict[str, Any]]:
    answer = await client.post(url, json=sent)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["cards"]
    return found


def status(card: dict[str, Any]) -> dict[str, str]:
    return {each["id"]: each["status"] for each in card["extension"]["org.eligo.criteria"]["criteria"]}


# --- discovery


async def test_discovery_has_a_service_for_each_hook_with_what_it_wants_sent(client):
    services = (await client.get("/cds-services")).json()["services"]

    assert [each["hook"] for each in services] == [
        "patient-view",
        "encounter-start",
        "appointment-book",
        "order-select",
    ]
    for each in services:
        assert {"hook", "id", "title", "description", "prefetch", "usageRequirements"} == set(each)
        assert each["prefetch"]["patient"] == "Patient/{{context.patientId}}"


async def test_prefetch_asks_for_what_the_criteria_ask_for_and_no_more(client):
    prefetch = (await client.get("/cds-services")).json()["services"][0]["prefetch"]

    assert prefetch["conditions"] == "Condition?patient={{context.patientId}}&_count=500"
    assert {"procedures", "medicationRequests", "results1"} <= set(prefetch)
    assert not {"allergies", "immunizations", "consents"} & set(prefetch)
    assert "http://loinc.org|718-7" in prefetch["results1"]
    assert prefetch["results1"].startswith("Observation?patient={{context.patientId}}&code=http://loinc.org|")
    assert prefetch["results1"].endswith("&_sort=-date&_count=200")
    assert not [each for each in prefetch.values() if "_include" in each or len(each) > 2000]


# --- prefetch in all its shapes


async def test_a_full_prefetch_gives_a_card_with_every_criterion(client):
    (card,) = await cards(client, call(FULL))

    assert status(card) == {
        "I1": "pass", "I2": "pass", "I3": "pass", "I4": "pass", "I5": "review", "E1": "pass", "E2": "pass",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("prefetch", "expected"),
    [
        (FULL, "pass"),
        (FULL | {"conditions": None}, "unknown"),
        (FULL | {"conditions": searchset()}, "unknown"),
        ({key: value for key, value in FULL.items() if key != "conditions"}, "unknown"),
        (
            FULL
            | {
                "conditions": {
                    "resourceType": "OperationOutcome",
                    "issue": [{"severity": "error", "code": "exception"}],
                }
            },
            "unknown",
        ),
    ],
    ids=["sent", "null", "empty", "absent", "error"],
)
async def test_the_diagnosis_is_there_or_not(client, prefetch, expected):
    shown = status((await cards(client, call(prefetch)))[0]) if expected == "pass" else None

    if shown is not None:
        assert shown["I2"] == "pass"
    else:
        found = await cards(client, call(prefetch))
        # Asked for and not there: no colon cancer, so no card at all. Not asked for or failed: open.
        is_shown_empty = prefetch.get("conditions", 0) is None or prefetch.get("conditions") == searchset()
        assert found == [] if is_shown_empty else status(found[0])["I2"] == "unknown"


async def test_a_key_that_was_asked_and_is_empty_proves_absence(client):
    (card,) = await cards(client, call(FULL))
    assert status(card)["E2"] == "pass"

    (card,) = await cards(client, call({key: FULL[key] for key in ("patient", "conditions", "results1")}))
    assert status(card)["E2"] == "unknown"


@pytest.mark.parametrize(
    "cut",
    [
        searchset(COLON, total=7),
        searchset(COLON, link=[{"relation": "next", "url": "https://ehr.example/fhir?page=2"}]),
        searchset(COLON)
        | {
            "entry": [
                *searchset(COLON)["entry"],
                {"resource": {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "timeout"}]}},
            ]
        },
        {
            key: value
            for key, value in searchset(*[COLON | {"id": f"c{n}"} for n in range(500)]).items()
            if key != "total"
        },
    ],
    ids=["total", "next page", "error inside", "as many as asked for"],
)
async def test_a_page_that_is_cut_off_proves_no_absence(client, cut):
    (card,) = await cards(client, call(FULL | {"conditions": cut}))

    assert (status(card)["I2"], status(card)["E1"]) == ("pass", "unknown")


async def test_a_whole_bundle_under_one_key_is_read(client):
    everything = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": each} for each in (PATIENT, COLON)],
    }

    (card,) = await cards(client, call({"record": everything}))

    assert status(card)["I2"] == "pass"


async def test_a_bundle_in_place_of_the_keys_is_read_and_another_patient_is_told(client):
    everything = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": each} for each in (PATIENT, COLON)],
    }

    (card,) = await cards(client, call(everything, context={"patientId": "invented"}))

    assert status(card)["I2"] == "pass"
    assert "check that it is the right patient" in card["detail"]


async def test_without_the_patient_the_answer_is_412(client):
    answer = await client.post(VIEW, json=call({"conditions": searchset(COLON)}))

    assert answer.status_code == 412
    assert "prefetch key `patient`" in answer.json()["detail"]


async def test_no_prefetch_at_all_is_412(client):
    assert (await client.post(VIEW, json=call(None))).status_code == 412


async def test_nobody_is_offered_a_trial_that_rules_them_out(client):
    assert await cards(client, call(FULL | {"conditions": searchset(COLON, LUNG)})) == []


# --- cards


async def test_a_card_has_what_the_specification_asks_for(client):
    (card,) = await cards(client, call(FULL | {"results1": searchset(result("hb", "718-7", 95, "g/L", RECENT))}))

    assert len(card["summary"]) < 140
    assert card["summary"].startswith("NCT00000042: 5 of 7 criteria met, 1 need data, 1 need a person")
    assert card["indicator"] == "info"
    assert set(card["source"]) == {"label", "url", "topic"}
    assert card["selectionBehavior"] == "any"
    assert all({"code", "system", "display"} == set(each) for each in card["overrideReasons"])
    assert [each["type"] for each in card["links"]] == ["absolute", "absolute"]
    assert card["links"][0]["url"] == "https://clinicaltrials.gov/study/NCT00000042"
    assert "Observation/hb" in card["detail"]
    assert RECENT in card["detail"]
    assert "it enrols nobody" in card["detail"]
    assert _is_without_empty(card)


def _is_without_empty(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(map(_is_without_empty, value.values()))
    if isinstance(value, list):
        return bool(value) and all(map(_is_without_empty, value))
    return value not in (None, "")


async def test_what_a_card_suggests_is_valid_fhir(client):
    (card,) = await cards(client, call(FULL | {"results1": searchset(result("hb", "718-7", 95, "g/L", RECENT))}))

    actions = {each["label"]: each["actions"][0] for each in card["suggestions"]}
    assert list(actions) == ["Contact the study team", "Order platelet count", "Document as not eligible"]
    assert [each["type"] for each in actions.values()] == ["create"] * 3
    for each in actions.values():
        get_fhir_model_class(each["resource"]["resourceType"]).model_validate(each["resource"])
    assert actions["Order platelet count"]["resource"]["code"]["coding"][0]["code"] == "777-3"
    assert {each["resource"].get("intent", "proposal") for each in actions.values()} == {"proposal"}


async def test_the_same_call_gives_the_same_card(client):
    sent = call(FULL)

    assert await cards(client, sent) == await cards(client, sent)


async def test_markdown_in_a_record_stays_text(client):
    coding = {"system": "http://snomed.info/sct", "code": "363406005"}
    evil = COLON | {"code": {"coding": [coding | {"display": "colon | <b>x</b> [y](http://z)"}]}}

    (card,) = await cards(client, call(FULL | {"conditions": searchset(evil)}))

    assert "colon \\| \\<b\\>x\\</b\\> \\[y\\](http://z)" in card["detail"]


async def test_a_smart_link_carries_the_trial(tmp_path):
    async with service(tmp_path, cds_smart_url="https://smart.example/launch") as client:
        (card,) = await cards(client, call(FULL))

    assert card["links"][-1]["type"] == "smart"
    assert json.loads(card["links"][-1]["appContext"]) == {"trial": "NCT00000042", "version": 1}


async def test_more_trials_than_cards_share_one_card(tmp_path):
    trials = [TRIAL.replace("NCT00000042", f"NCT0000005{number}") for number in range(5)]
    async with service(tmp_path, *trials) as client:
        found = await cards(client, call(FULL))

    assert [each["summary"][:11] for each in found[:3]] == ["NCT00000050", "NCT00000051", "NCT00000052"]
    assert found[3]["summary"] == "2 more trials may fit this patient"
    assert "NCT00000054" in found[3]["detail"]


async def test_an_order_that_breaks_more_trials_than_cards_says_so(tmp_path):
    trials = [TRIAL.replace("NCT00000042", f"NCT0000005{number}") for number in range(5)]
    async with service(tmp_path, *trials) as client:
        sent = call(FULL, hook="order-select", context=drafts(order(OXALIPLATIN)))
        found = await cards(client, sent, "/cds-services/trials-order-select")

    assert found[3]["summary"] == "This order would rule the patient out of 2 more trials"
    assert [each["indicator"] for each in found] == ["warning"] * 4


async def test_services_are_configured(tmp_path):
    services = [
        {"id": "lung", "hook": "patient-view", "conditions": ["lung"]},
        {"id": "named", "hook": "patient-view", "trials": ["NCT00000042"], "most_cards": 1},
        {"id": "nearly-sure", "hook": "patient-view", "least_met": 0.9},
        {"id": "all", "hook": "encounter-start", "with_ineligible": True},
    ]
    async with service(tmp_path, cds_services=services) as client:
        ids = [each["id"] for each in (await client.get("/cds-services")).json()["services"]]
        found = {each: await cards(client, call(FULL), f"/cds-services/{each}") for each in ids[:3]}
        start = call(
            FULL | {"conditions": searchset(COLON, LUNG)}, hook="encounter-start", context={"encounterId": "e1"}
        )
        against = await cards(client, start, "/cds-services/all")

    assert ids == ["lung", "named", "nearly-sure", "all"]
    assert [len(each) for each in found.values()] == [0, 1, 0]
    assert "What speaks against" in against[0]["detail"]
    assert [each["label"] for each in against[0]["suggestions"]] == ["Document as not eligible"]


# --- orders


def order(rxnorm: str, ident: str = "o1") -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": ident,
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": {
            "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": rxnorm}]
        },
    }


def drafts(*orders: dict[str, Any], selections: list[str] | None = None) -> dict[str, Any]:
    return {
        "selections": selections if selections is not None else [f"MedicationRequest/{each['id']}" for each in orders],
        "draftOrders": {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": each} for each in orders],
        },
    }


OXALIPLATIN, PARACETAMOL = "32592", "161"


async def test_an_order_that_breaks_a_wash_out_is_warned_of(client):
    sent = call(FULL, hook="order-select", context=drafts(order(OXALIPLATIN)))

    (card,) = await cards(client, sent, "/cds-services/trials-order-select")

    assert card["indicator"] == "warning"
    assert card["summary"].startswith("This order would rule the patient out of NCT00000042 (E2)")
    assert "What the order would break" in card["detail"]


@pytest.mark.parametrize(
    ("context", "prefetch"),
    [
        (drafts(order(PARACETAMOL)), FULL),
        (drafts(order(OXALIPLATIN), selections=["MedicationRequest/other"]), FULL),
        (drafts({"resourceType": ["MedicationRequest"], "id": "m"}, selections=["['MedicationRequest']/m"]), FULL),
        (drafts(order(OXALIPLATIN)), FULL | {"conditions": searchset(COLON, LUNG)}),
    ],
    ids=[
        "a harmless drug",
        "an order that was not selected",
        "no resource",
        "a trial that is ruled out anyway",
    ],
)
async def test_other_orders_are_not(client, context, prefetch):
    sent = call(prefetch, hook="order-select", context=context)

    assert await cards(client, sent, "/cds-services/trials-order-select") == []


# --- calls that cannot be understood


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"hook": "order-select"}, "/context/selections"),
        ({"hook": "patient-greet"}, "/hook"),
        ({"hookInstance": "no uuid"}, "/hookInstance"),
        ({"context": {"userId": "Practitioner/1"}}, "/context/patientId"),
        ({"context": {"userId": "Practitioner/1", "patientId": "../etc"}}, "/context/patientId"),
        ({"context": {"patientId": "p1"}}, "/context/userId"),
        ({"context": {"userId": 7, "patientId": "p1"}}, "/context/userId"),
        ({"context": 3}, "/context"),
        ({"fhirAuthorization": {"access_token": "t"}}, "/fhirServer"),
        ({"prefetch": []}, "/prefetch"),
    ],
)
async def test_a_call_that_cannot_be_understood_says_where(client, change, pointer):
    answer = await client.post(VIEW, json=call(FULL) | change)

    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_an_order_that_is_nested_too_deeply_is_refused(client):
    nested: list[Any] = []
    for _ in range(300):
        nested = [nested]
    context = drafts({"resourceType": "MedicationRequest", "id": "m", "extension": nested})

    answer = await client.post(
        "/cds-services/trials-order-select", json=call(FULL, hook="order-select", context=context)
    )

    assert answer.status_code == 400, answer.text


async def test_a_service_that_is_not_there(client):
    answer = await client.post("/cds-services/none", json=call(FULL))

    assert answer.status_code == 404
    assert "GET /cds-services" in answer.json()["detail"]


async def test_what_is_no_json(client):
    answer = await client.post(VIEW, content=b"{", headers={"Content-Type": "application/json"})

    assert answer.status_code == 400


@pytest.mark.parametrize("name", ["cdshooks-request-patient-view-good.json", "cdshooks-request-order-select-good.json"])
async def test_requests_of_other_makers_are_answered(client, name):
    file = SHARED / "data" / "cds-hooks" / name
    if not file.is_file():
        pytest.skip(f"{file} is not on this machine")
    sent = json.loads(file.read_text())

    answer = await client.post(f"/cds-services/trials-{sent['hook']}", json=sent)

    assert answer.status_code == 200, answer.text
    assert isinstance(answer.json()["cards"], list)


# --- feedback


async def test_feedback_is_kept_once_and_summarised_per_trial(tmp_path):
    async with service(tmp_path) as client:
        (card,) = await cards(client, call(FULL))
        taken = {
            "card": card["uuid"],
            "outcome": "accepted",
            "acceptedSuggestions": [{"id": card["suggestions"][0]["uuid"]}],
            "outcomeTimestamp": "2026-11-22T09:00:00Z",
        }
        reason = {"code": "patient-refuses", "system": card["overrideReasons"][0]["system"]}
        refused = {
            "card": card["uuid"],
            "outcome": "overridden",
            "overrideReason": {"reason": reason, "userComment": "Mrs CANARY lives far away"},
            "outcomeTimestamp": "2026-11-22T10:00:00+01:00",
        }
        for _ in range(2):
            answer = await client.post(f"{VIEW}/feedback", json={"feedback": [taken, refused]})
            assert answer.status_code == 200, answer.text
        (summary,) = (await client.get("/v1/feedback")).json()["feedback"]

    assert summary["trial"] == "NCT00000042"
    assert (summary["accepted"], summary["overridden"]) == (1, 1)
    assert summary["suggestions"] == {"contact": 1}
    assert summary["reasons"] == {"patient-refuses": 1}
    assert not [each for each in tmp_path.rglob("*") if each.is_file() and b"CANARY" in each.read_bytes()]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"card": "nonsense"}, "/feedback/0/card"),
        ({"card": "00000000-0000-4000-8000-000000000000"}, "/feedback/0/card"),
        ({"outcome": "liked"}, "/feedback/0/outcome"),
        ({"outcome": "accepted"}, "/feedback/0/acceptedSuggestions"),
        ({"outcomeTimestamp": "yesterday"}, "/feedback/0/outcomeTimestamp"),
    ],
)
async def test_feedback_that_cannot_be_understood_says_where(client, change, pointer):
    (card,) = await cards(client, call(FULL))
    item = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-11-22T09:00:00Z"} | change

    answer = await client.post(f"{VIEW}/feedback", json={"feedback": [item]})

    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer
