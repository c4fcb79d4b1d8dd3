"""The calls under `/v1`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from app.api import bodies, examples, shapes
from app.api.callers import Caller, etag, if_match, is_known
from app.api.errors import PROBLEM
from app.api.parameters import (
    GetQuery,
    JudgeAllQuery,
    JudgeQuery,
    JudgeVersionQuery,
    ListQuery,
    VersionQuery,
    each_once,
)
from app.services.evaluation import Evaluation
from app.services.forms import CSV, FHIR, JSON, MEDIA_TYPES, TEXT, XML
from app.services.trials import PAGE_SIZE, Trials

_JSON = "application/json"
TRIALS, JUDGING = "Trials", "Judging"


async def _trials(request: Request) -> Trials:
    found: Trials = request.app.state.trials
    return found


async def _evaluation(request: Request) -> Evaluation:
    found: Evaluation = request.app.state.evaluation
    return found


def _root(request: Request) -> str:
    """The prefix that a gateway puts before all paths."""
    return str(request.scope.get("root_path", ""))


TrialsUse = Annotated[Trials, Depends(_trials)]
EvaluationUse = Annotated[Evaluation, Depends(_evaluation)]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors a call may answer with."""
    return {
        each: {
            "description": HTTPStatus(each).phrase,
            "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for each in (400, *statuses)
    }


def _takes(of_type: dict[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": of_type}}


_BUNDLE_SCHEMA: Final = {
    "type": "object",
    "description": "A FHIR Bundle: R4, R4B or R5",
    "required": ["resourceType"],
    "properties": {"resourceType": {"const": "Bundle"}, "entry": {"type": "array", "items": {}}},
}
_WORDS_SCHEMA: Final = {"type": "string", "pattern": "\\S"}
_BUNDLE = _takes({each: {"schema": _BUNDLE_SCHEMA, "example": examples.BUNDLE} for each in bodies.BUNDLE})
_SENT = problems(413, 415, 422, 503)

router = APIRouter(prefix="/v1", dependencies=[Depends(each_once)])


@router.post(
    "/trials",
    tags=[TRIALS],
    status_code=201,
    response_class=Response,
    responses={
        200: {"model": shapes.Trial, "description": "The same content was stored before"},
        201: {"model": shapes.Trial, "description": "A new trial, or the next version of one"},
        **_SENT,
    },
    openapi_extra=_takes(
        {
            TEXT: {"schema": _WORDS_SCHEMA, "example": examples.PAGE},
            JSON: {
                "schema": {
                    "type": "object",
                    "description": "A study of the ClinicalTrials.gov API, version 2, or a trial of the NCI's API with "
                    "its criteria already split",
                },
                "examples": {
                    "study": {"summary": "A ClinicalTrials.gov study", "value": examples.STUDY},
                    "list": {"summary": "Criteria already split", "value": examples.CRITERIA_LIST},
                },
            },
            FHIR: {
                "schema": {
                    "type": "object",
                    "description": "A FHIR ResearchStudy (R4, R4B or R5), or a Bundle with one and its Groups",
                },
                "example": examples.RESEARCH_STUDY,
            },
            XML: {
                "schema": {"type": "string", "description": "A `clinical_study` as ClinicalTrials.gov gave it out"},
                "example": examples.STUDY_XML,
            },
            CSV: {
                "schema": {"type": "string", "description": "A header and one row of a table of registrations"},
                "example": examples.ROW,
            },
        }
    ),
)
async def register_trial(request: Request, trials: TrialsUse) -> Response:
    """Register a trial: a registry page as copied, a ClinicalTrials.gov study (JSON or XML), a FHIR ResearchStudy ...

    Which of them it is, the body says: JSON and XML that come as text are told from a page.
    """
    media_type, body = await bodies.read_text(request, MEDIA_TYPES)
    registered = await trials.register(media_type, body)
    return Response(
        registered.trial,
        201 if registered.is_new else 200,
        {"Location": f"{_root(request)}/v1/trials/{registered.id}", "ETag": etag(registered.version)},
        _JSON,
    )


@router.get(
    "/trials", tags=[TRIALS], response_class=Response, responses={200: {"model": shapes.TrialPage}, **problems(503)}
)
async def list_trials(query: Annotated[ListQuery, Query()], request: Request, trials: TrialsUse) -> Response:
    """List trials by id, a page at a time."""
    page = await trials.list(q=query.q, condition=query.condition, status=query.status, page=query.page)
    further = {**query.model_dump(exclude_defaults=True), "page": page.number + 1}
    answer = {
        "trials": [
            {
                "id": each.id,
                "version": each.version,
                "title": each.title,
                "status": each.status,
                "phase": each.phase,
                "conditions": each.conditions,
            }
            for each in page.trials
        ],
        "page": page.number,
        "pageSize": PAGE_SIZE,
        "total": page.total,
        "next": f"{_root(request)}/v1/trials?{urlencode(further)}" if page.has_next else None,
    }
    return Response(orjson.dumps(answer), media_type=_JSON)


@router.get(
    "/trials/{trial_id}",
    tags=[TRIALS],
    response_class=Response,
    responses={
        200: {"model": shapes.Trial | shapes.TrialDiff},
        304: {"description": "The version that If-None-Match names"},
        **problems(404, 503),
    },
)
async def get_trial(
    trial_id: str, query: Annotated[GetQuery, Query()], request: Request, trials: TrialsUse
) -> Response:
    """Get a trial: its newest version, or any by its number; with `diff`, what changed from one to another."""
    versions = query.versions()
    if versions is not None:
        return Response(await trials.diff(trial_id, *versions), media_type=_JSON)
    found = await trials.get(trial_id, query.version)
    headers = {"ETag": etag(found.version)}
    if is_known(request, found.version):
        return Response(status_code=304, headers=headers)
    return Response(found.trial, headers=headers, media_type=_JSON)


@router.put(
    "/trials/{trial_id}/criteria",
    tags=[TRIALS],
    response_class=Response,
    responses={
        200: {"model": shapes.Trial, "description": "The next version, or the newest where nothing is changed"},
        **problems(404, 409, 412),
        **_SENT,
    },
    openapi_extra={
        **_takes(
            {
                JSON: {
                    "schema": {
                        "type": "object",
                        "required": ["criteria"],
                        "properties": {
                            "criteria": {
                                "type": "array",
                                "minItems": 1,
                                "description": "The criteria that are corrected; the others stay as they are",
                                "items": {
                                    "type": "object",
                                    "required": ["id", "expression"],
                                    "properties": {
                                        "id": {"type": "string", "description": "As the trial has it"},
                                        "expression": {
                                            "type": "object",
                                            "description": "schemas/expression.schema.json",
                                        },
                                        "note": {"type": "string", "description": "Why; kept with the criterion"},
                                    },
                                },
                            }
                        },
                    },
                    "example": examples.CORRECTION,
                }
            }
        ),
        "parameters": [
            {
                "name": "If-Match",
                "in": "header",
                "required": False,
                "description": "The ETag of the version that was corrected: refused (412) where another is the newest",
                "schema": {"type": "string"},
            }
        ],
    },
)
async def correct_criteria(trial_id: str, request: Request, caller: Caller, trials: TrialsUse) -> Response:
    """Correct how criteria are read: a person's expressions for some or all of them, as the next version.

    The words of the registration stay. Who corrected and when is kept with the version.
    """
    _, body = await bodies.read_text(request, bodies.JSON)
    corrected = await trials.correct(trial_id, body, caller, if_match(request))
    return Response(corrected.trial, headers={"ETag": etag(corrected.version)}, media_type=_JSON)


@router.get(
    "/trials/{trial_id}/registration",
    tags=[TRIALS],
    response_class=Response,
    responses={200: {"model": shapes.Registration}, **problems(404, 503)},
)
async def get_registration(trial_id: str, query: Annotated[VersionQuery, Query()], trials: TrialsUse) -> Response:
    """Get what the register says of a trial besides its criteria: numbers, sponsor, sites, arms, outcomes, dates ..."""
    return Response(await trials.registration(trial_id, query.version), media_type=_JSON)


@router.delete(
    "/trials/{trial_id}", tags=[TRIALS], status_code=204, response_class=Response, responses=problems(404, 503)
)
async def remove_trial(trial_id: str, trials: TrialsUse) -> Response:
    """Take a trial away. Its versions stay readable by their number."""
    await trials.remove(trial_id)
    return Response(status_code=204)


@router.post(
    "/read",
    tags=[TRIALS],
    response_class=Response,
    responses={200: {"model": shapes.Criteria}, **_SENT},
    openapi_extra=_takes({TEXT: {"schema": _WORDS_SCHEMA, "example": examples.CRITERIA}}),
)
async def read_criteria(request: Request, trials: TrialsUse) -> Response:
    """Read criteria, with or without the rest of the page. Nothing is stored."""
    _, text = await bodies.read_text(request, bodies.TEXT)
    return Response(await trials.read(text), media_type=_JSON)


@router.post(
    "/trials/{trial_id}/evaluate",
    tags=[JUDGING],
    response_class=Response,
    responses={200: {"model": shapes.EligibilityReport}, **problems(404), **_SENT},
    openapi_extra=_BUNDLE,
)
async def evaluate(
    trial_id: str, query: Annotated[JudgeVersionQuery, Query()], request: Request, evaluation: EvaluationUse
) -> Response:
    """Judge a patient's record by one trial. The record is not stored."""
    options = query.options()
    _, bundle = await bodies.read_bytes(request, bodies.BUNDLE)
    return Response(await evaluation.judge(trial_id, query.version, bundle, options), media_type=_JSON)


@router.post(
    "/evaluate",
    tags=[JUDGING],
    response_class=Response,
    responses={200: {"model": shapes.EligibilityOverview}, **_SENT},
    openapi_extra=_BUNDLE,
)
async def evaluate_all(
    query: Annotated[JudgeAllQuery, Query()], request: Request, evaluation: EvaluationUse
) -> Response:
    """Judge a patient's record by every trial: one summary each, best candidates first. The record is not stored."""
    options = query.options()
    _, bundle = await bodies.read_bytes(request, bodies.BUNDLE)
    return Response(
        await evaluation.judge_all(bundle, options, status=query.status, limit=query.limit), media_type=_JSON
    )


@router.post(
    "/evaluate/inline",
    tags=[JUDGING],
    response_class=Response,
    responses={200: {"model": shapes.EligibilityReport}, **_SENT},
    openapi_extra=_takes(
        {
            _JSON: {
                "schema": {
                    "type": "object",
                    "required": ["trial", "bundle"],
                    "properties": {
                        "trial": {
                            "description": "A page or criteria as text, a ClinicalTrials.gov study, a FHIR "
                            "ResearchStudy or a Bundle with one, or an object with `criteria` as a Trial has them",
                            "type": ["string", "object"],
                        },
                        "bundle": _BUNDLE_SCHEMA,
                    },
                },
                "example": examples.INLINE,
            }
        }
    ),
)
async def evaluate_inline(
    query: Annotated[JudgeQuery, Query()], request: Request, evaluation: EvaluationUse
) -> Response:
    """Judge a patient's record by a trial that comes along. Nothing is stored, and no database is needed."""
    options = query.options()
    _, body = await bodies.read_bytes(request, bodies.JSON)
    return Response(await evaluation.judge_inline(body, options), media_type=_JSON)
