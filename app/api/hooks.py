"""CDS Hooks 2.0: discovery, the services, feedback. https://cds-hooks.hl7.org/2.0/"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
import orjson
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from app.api import bodies
from app.api.cds_clients import Caller
from app.api.routes import problems
from app.services.hooks import ORDER_SELECT, FeedbackItem, HookCall, Hooks, WrongCall, selected_orders

HOOKS: Final = "CDS Hooks"
_JSON: Final = "application/json"
_NEEDED: Final = {
    "patient-view": ("userId", "patientId"),
    "encounter-start": ("userId", "patientId", "encounterId"),
    "appointment-book": ("userId", "patientId", "appointments"),
    ORDER_SELECT: ("userId", "patientId", "selections", "draftOrders"),
}
"""What the context of each hook must have (the hook library)."""
_MOST_FEEDBACK: Final = 100
_MOST_URL: Final = 2048


class _Authorization(msgspec.Struct):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105  the kind of token, not one


class _Call(msgspec.Struct, rename="camel"):
    hook: str
    hook_instance: str
    context: dict[str, Any]
    fhir_server: str | None = None
    fhir_authorization: _Authorization | None = None
    prefetch: dict[str, msgspec.Raw] | None = None


class _Accepted(msgspec.Struct):
    id: str


class _Coding(msgspec.Struct):
    code: str = ""
    system: str = ""


class _Reason(msgspec.Struct):
    reason: _Coding | None = None


class _Item(msgspec.Struct, rename="camel"):
    card: str
    outcome: str
    outcome_timestamp: str
    accepted_suggestions: list[_Accepted] | None = None
    override_reason: _Reason | None = None


class _Feedback(msgspec.Struct):
    feedback: list[_Item]


_CALL = msgspec.json.Decoder(_Call)
_FEEDBACK = msgspec.json.Decoder(_Feedback)


async def _hooks(request: Request) -> Hooks:
    found: Hooks = request.app.state.hooks
    return found


async def _admitted(request: Request) -> Caller:
    found: Caller = await request.app.state.callers.admit(request)
    return found


HooksUse = Annotated[Hooks, Depends(_hooks)]
router = APIRouter(prefix="/cds-services", tags=[HOOKS], dependencies=[Depends(_admitted)])
summaries = APIRouter(prefix="/v1", tags=[HOOKS])
_CALL_SCHEMA: Final = {
    "type": "object",
    "description": "A call of a hook (CDS Hooks 2.0)",
    "required": ["hook", "hookInstance", "context"],
    "properties": {
        "hook": {"type": "string", "description": "The hook that the service is for"},
        "hookInstance": {"type": "string", "description": "A UUID"},
        "context": {
            "type": "object",
            "required": ["userId", "patientId"],
            "properties": {
                "userId": {"type": "string", "minLength": 1},
                "patientId": {"type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$"},
            },
        },
        "fhirServer": {"type": ["string", "null"], "maxLength": _MOST_URL},
        "fhirAuthorization": {
            "type": ["object", "null"],
            "description": "Only together with fhirServer",
            "required": ["access_token"],
            "properties": {"access_token": {"type": "string"}, "token_type": {"type": "string"}},
        },
        "prefetch": {"type": ["object", "null"]},
    },
}
_FEEDBACK_SCHEMA: Final = {
    "type": "object",
    "description": "What became of cards",
    "required": ["feedback"],
    "properties": {
        "feedback": {
            "type": "array",
            "minItems": 1,
            "maxItems": _MOST_FEEDBACK,
            "items": {
                "type": "object",
                "required": ["card", "outcome", "outcomeTimestamp"],
                "properties": {
                    "card": {"type": "string", "description": "The uuid of the card"},
                    "outcome": {"enum": ["accepted", "overridden"]},
                    "outcomeTimestamp": {"type": "string", "description": "A time with its zone (ISO 8601)"},
                    "acceptedSuggestions": {
                        "type": ["array", "null"],
                        "description": "Needed where the outcome is `accepted`",
                        "items": {
                            "type": "object",
                            "required": ["id"],
                            "properties": {"id": {"type": "string"}},
                        },
                    },
                    "overrideReason": {
                        "type": ["object", "null"],
                        "properties": {
                            "reason": {
                                "type": ["object", "null"],
                                "properties": {"code": {"type": "string"}, "system": {"type": "string"}},
                            }
                        },
                    },
                },
            },
        }
    },
}
_EXAMPLE: Final = {
    "hook": "patient-view",
    "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    "context": {"userId": "Practitioner/1", "patientId": "p1"},
    "prefetch": {
        "patient": {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1960-05-01"},
        "conditions": {"resourceType": "Bundle", "type": "searchset", "total": 0},
    },
}


@router.get("", response_class=Response, responses={200: {"description": "The services"}, **problems(401, 403, 503)})
async def discover_services(hooks: HooksUse) -> Response:
    """The CDS services, with what each wants to be sent along (prefetch)."""
    return Response(orjson.dumps(await hooks.discover()), media_type=_JSON)


@router.post(
    "/{service_id}",
    response_class=Response,
    responses={200: {"description": "Cards, or none"}, **problems(401, 403, 404, 412, 413, 415, 503)},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {_JSON: {"schema": _CALL_SCHEMA, "example": _EXAMPLE}},
        }
    },
)
async def call_service(service_id: str, request: Request, hooks: HooksUse) -> Response:
    """Which trials this patient may fit. Nothing of the patient is kept."""
    hooks.service(service_id)
    _, body = await bodies.read_bytes(request, bodies.JSON)
    public = request.app.state.callers.public(request)
    return Response(await hooks.call(service_id, _read_call(body), public, datetime.now(UTC).date()), media_type=_JSON)


@router.post(
    "/{service_id}/feedback",
    response_class=Response,
    responses={200: {"description": "Kept"}, **problems(401, 403, 404, 413, 415, 503)},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                _JSON: {
                    "schema": _FEEDBACK_SCHEMA,
                    "example": {
                        "feedback": [
                            {
                                "card": "26c82ff1-df85-81bd-ab53-f9be644de957",
                                "outcome": "overridden",
                                "overrideReason": {
                                    "reason": {
                                        "code": "patient-refuses",
                                        "system": "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes",
                                    }
                                },
                                "outcomeTimestamp": "2026-11-22T09:00:00Z",
                            }
                        ]
                    },
                }
            },
        }
    },
)
async def take_feedback(service_id: str, request: Request, hooks: HooksUse) -> Response:
    """What became of cards: kept without any patient datum, and without what people wrote."""
    hooks.service(service_id)
    _, body = await bodies.read_bytes(request, bodies.JSON)
    await hooks.take_feedback(service_id, _read_feedback(body))
    return Response(b"{}", media_type=_JSON)


@summaries.get("/feedback", response_class=Response, responses={200: {"description": "Per trial"}, **problems(503)})
async def summarise_feedback(hooks: HooksUse) -> Response:
    """How often the cards of each trial were accepted and overridden, and why."""
    return Response(orjson.dumps(await hooks.feedback()), media_type=_JSON)


# --- reading what was sent ------------------------------------------------------------------------------------------


def _read_call(body: bytes) -> HookCall:
    call: _Call = _decoded(_CALL, body)
    context = call.context
    _uuid(call.hook_instance, "/hookInstance")
    for name in _NEEDED.get(call.hook, ("userId", "patientId")):
        if not context.get(name):
            raise WrongCall(f"/context/{name}", f"{call.hook} needs it")
    if not isinstance(context["userId"], str):
        raise WrongCall("/context/userId", "this is a reference such as Practitioner/1")
    patient_id = context["patientId"]
    if not isinstance(patient_id, str) or not _is_id(patient_id):
        raise WrongCall("/context/patientId", "this is no FHIR id (letters, digits, `-` and `.`, at most 64)")
    server = call.fhir_server or ""
    if len(server) > _MOST_URL:
        raise WrongCall("/fhirServer", "this is too long for an address")
    if call.fhir_authorization is not None and not server:
        raise WrongCall("/fhirServer", "it is needed where fhirAuthorization is sent")
    return HookCall(
        hook=call.hook,
        instance=call.hook_instance,
        patient_id=patient_id,
        prefetch={key: bytes(value) for key, value in (call.prefetch or {}).items()},
        fhir_server=server,
        token=call.fhir_authorization.access_token if call.fhir_authorization is not None else "",
        orders=_orders(context) if call.hook == ORDER_SELECT else (),
    )


def _orders(context: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    selections, drafts = context["selections"], context["draftOrders"]
    if not isinstance(selections, list) or not all(isinstance(each, str) for each in selections):
        raise WrongCall("/context/selections", "this is a list of references such as MedicationRequest/1")
    entries = drafts.get("entry") if isinstance(drafts, dict) else None
    if not isinstance(entries, list):
        raise WrongCall("/context/draftOrders", "this is a Bundle with entries")
    resources = [
        each["resource"] for each in entries if isinstance(each, dict) and isinstance(each.get("resource"), dict)
    ]
    return selected_orders(resources, selections)


def _read_feedback(body: bytes) -> list[FeedbackItem]:
    items: list[_Item] = _decoded(_FEEDBACK, body).feedback
    if not items or len(items) > _MOST_FEEDBACK:
        raise WrongCall("/feedback", f"between 1 and {_MOST_FEEDBACK} items can be told at once")
    return [_read_item(item, place) for place, item in enumerate(items)]


def _read_item(item: _Item, place: int) -> FeedbackItem:
    here = f"/feedback/{place}"
    if item.outcome not in {"accepted", "overridden"}:
        raise WrongCall(f"{here}/outcome", "this is `accepted` or `overridden`")
    taken = tuple([each.id for each in item.accepted_suggestions or ()])
    if item.outcome == "accepted" and not taken:
        raise WrongCall(f"{here}/acceptedSuggestions", "they are needed where the outcome is `accepted`")
    try:
        at = datetime.fromisoformat(item.outcome_timestamp)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise WrongCall(f"{here}/outcomeTimestamp", "this is a time such as 2026-11-22T09:00:00Z")
    reason = item.override_reason.reason if item.override_reason is not None else None
    return FeedbackItem(
        card=_uuid(item.card, f"{here}/card"),
        outcome=item.outcome,
        at=at,
        suggestions=taken,
        reason=reason.code if reason is not None else "",
        reason_system=reason.system if reason is not None else "",
    )


def _decoded(decoder: Any, body: bytes) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        # "Expected `str`, got `int` - at `$.context`": the place, and what is wrong, without the value.
        reason, _, place = str(error).partition(" - at `$")
        raise WrongCall(place.rstrip("`").replace(".", "/").replace("[", "/").replace("]", "") or "", reason) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise WrongCall("", "the body is no JSON") from None


def _uuid(text: str, pointer: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise WrongCall(pointer, "this is no UUID") from None


def _is_id(text: str) -> bool:
    return 0 < len(text) <= 64 and all(each.isascii() and (each.isalnum() or each in "-.") for each in text)
