"""The API description, made true: problems instead of FastAPI's own errors, and what each call needs of a token."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from app.api.access import NEEDS, OPEN, SCOPES
from app.api.errors import PROBLEM
from app.api.hooks import HOOKS
from app.api.published import add_answers, load_answers
from app.api.shapes import Problem

if TYPE_CHECKING:
    from fastapi import FastAPI

    from app.api.scopes import Need

_TOKEN, _CDS = "accessToken", "cdsClient"
_NO_ADDRESS: Final = "https://authorization.example/token"


def describe(app: FastAPI, token_url: str) -> None:
    """Let the app describe itself so. `token_url` is the authorization server's, "" where none is configured."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        made = make()
        schemas = made["components"]["schemas"]
        place = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(place.pop("$defs"))
        schemas["Problem"] = place
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        made["components"]["securitySchemes"] = _schemes(token_url)
        for path in made["paths"].values():
            for call in path.values():
                _without_own_errors(call)
                _secure(call)
        made["components"]["schemas"] = dict(sorted(schemas.items()))
        add_answers(made, load_answers())
        return made

    app.openapi = openapi  # type: ignore[method-assign]


def _schemes(token_url: str) -> dict[str, Any]:
    return {
        _TOKEN: {
            "type": "oauth2",
            "description": "An access token with SMART scopes, where authentication is configured. "
            "`/.well-known/smart-configuration` says where it is to be had.",
            "flows": {
                "clientCredentials": {"tokenUrl": token_url or _NO_ADDRESS, "scopes": {"system/*.rs": "Read", **SCOPES}}
            },
        },
        _CDS: {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A token that the CDS client has signed (CDS Hooks 2.0), where its issuers are configured.",
        },
    }


def _without_own_errors(call: dict[str, Any]) -> None:
    plain = call["responses"].get("422", {}).get("content", {}).get("application/json")
    if plain is not None and plain.get("schema", {}).get("$ref", "").endswith("HTTPValidationError"):
        call["responses"]["422"]["content"].pop("application/json")
        if not call["responses"]["422"]["content"]:
            del call["responses"]["422"]


def _secure(call: dict[str, Any]) -> None:
    name = call["operationId"]
    if name in OPEN:
        call["security"] = []
        return
    ways = NEEDS.get(name, ())
    call["security"] = [{_TOKEN: _scopes(way)} for way in ways]
    if call.get("tags") == [HOOKS] and name != "summarise_feedback":
        call["security"].append({_CDS: []})
    told = call["responses"]
    for status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE):
        told.setdefault(
            str(status.value),
            {
                "description": status.phrase,
                "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        )
    call["responses"] = dict(sorted(told.items()))


def _scopes(way: tuple[Need, ...]) -> list[str]:
    return [need.scope for need in way]
