"""The calls under `/fhir`: reading and searching trials as FHIR resources, and the operations on them.

They are not in the API description: `/fhir/metadata` describes them, in FHIR's own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import parse_qsl, urlencode

import orjson
from fastapi import APIRouter, Depends, HTTPException, Query, Request
from starlette.responses import Response

from app.api import bodies
from app.api.access import demand
from app.api.errors import BrokenEncoding, EmptyBody, NotSupported
from app.api.fhir_capability import COUNT, MOST, SERVED, Served, capability_statement
from app.api.fhir_negotiation import content_type, fhir_version, sent_version
from app.api.fhir_outcomes import ROOT
from app.api.parameters import RecordQuery
from app.api.scopes import Need
from app.api.smart import ANY_ORIGIN
from app.emitters.canonical import Canonical
from app.services.fhir_requests import RecordRequest, read_record_request
from app.services.forms import MEDIA_TYPES
from app.services.local_codes import LocalCodes
from app.services.options import BadParameter
from app.services.resources import Resources
from app.services.studies import Studies, Test

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.emitters.fhir import FhirVersion
    from app.services.publishing import Made

_GENERAL = frozenset({"_format", "_pretty"})
_RESULT = frozenset({"_count", "_page", "_include", "_summary", "_total"}) | _GENERAL
_MOST_FIELDS = 200
_ALIASES = {"as_of": "asOf", "max_age": "maxAge"}

router = APIRouter(prefix=ROOT, include_in_schema=False)


async def _studies(request: Request) -> Studies:
    found: Studies = request.app.state.studies
    return found


def _local_codes(request: Request) -> LocalCodes:
    found: LocalCodes = request.app.state.local_codes
    return found


def _resources(request: Request) -> Resources:
    found: Resources = request.app.state.resources
    return found


async def _canonical(request: Request) -> Canonical:
    found: Canonical = request.app.state.canonical
    return found


StudiesUse = Annotated[Studies, Depends(_studies)]
CanonicalUse = Annotated[Canonical, Depends(_canonical)]


@router.get("/metadata")
async def metadata(request: Request, canonical: CanonicalUse) -> Response:
    """What is served here, truly."""
    version = fhir_version(request)
    _only(request, _GENERAL)
    state = request.app.state
    statement = capability_statement(
        version, _address(request), canonical, asks_for_tokens=state.smart.is_on, cors=state.cors
    )
    return _answer(orjson.dumps(statement), version, headers=ANY_ORIGIN)


# --- operations ------------------------------------------------------------------------------------------------------


@router.post("/ResearchStudy/$import")
async def import_study(request: Request, studies: StudiesUse) -> Response:
    """Store a registration, and answer with the resources made of it."""
    version = fhir_version(request)
    _only(request, _GENERAL)
    media_type, body = await bodies.read_text(request, MEDIA_TYPES)
    ident, is_new, made = await studies.register(media_type, body, version)
    location = {"Location": f"{_address(request)}/ResearchStudy/{ident}"}
    return _answer(made, version, 201 if is_new else 200, location)


@router.get("/ResearchStudy/{ident}/$package")
async def package_study(ident: str, request: Request, studies: StudiesUse) -> Response:
    """Everything of one trial in one Bundle."""
    version = fhir_version(request)
    _only(request, _GENERAL)
    return _answer(await studies.package(ident, version), version)


@router.post("/ResearchStudy/$check-eligibility")
async def check_all(query: Annotated[RecordQuery, Query()], request: Request, studies: StudiesUse) -> Response:
    """Judge a record by several studies."""
    version = fhir_version(request)
    return _answer(await studies.check_each(await _record(query, request), version), version)


@router.post("/ResearchStudy/{ident}/$check-eligibility")
async def check_one(
    ident: str, query: Annotated[RecordQuery, Query()], request: Request, studies: StudiesUse
) -> Response:
    """Judge a record by one study."""
    version = fhir_version(request)
    return _answer(await studies.check(ident, await _record(query, request), version), version)


@router.post("/PlanDefinition/{ident}/$apply")
async def apply_plan(
    ident: str, query: Annotated[RecordQuery, Query()], request: Request, studies: StudiesUse
) -> Response:
    """What to do next for a patient and a trial."""
    version = fhir_version(request)
    return _answer(await studies.apply(ident, await _record(query, request), version), version)


async def _record(query: RecordQuery, request: Request) -> RecordRequest:
    """The record and how to judge it, from the query and the body."""
    given = frozenset(_ALIASES.get(each, each) for each in query.model_fields_set)
    options = query.options()
    _, body = await bodies.read_bytes(request, bodies.BUNDLE)
    return read_record_request(body, options, given)


# --- a site's own codes ----------------------------------------------------------------------------------------------


@router.put("/{resource_type}/{ident}")
async def put_codes(resource_type: str, ident: str, request: Request) -> Response:
    """Store a ConceptMap or a CodeSystem supplement, by which records are understood from the next one on."""
    version = sent_version(request)
    _written(resource_type)
    _only(request, _GENERAL)
    _, body = await bodies.read_bytes(request, bodies.BUNDLE)
    made, is_new = await _local_codes(request).put(resource_type, ident, body, version)
    told = {"ETag": f'W/"{made.version_id}"', "Location": f"{_address(request)}/{resource_type}/{ident}"}
    return _answer(made.content, version, 201 if is_new else 200, told)


@router.delete("/{resource_type}/{ident}")
async def remove_codes(resource_type: str, ident: str, request: Request) -> Response:
    """Take a ConceptMap or a supplement away. Its versions stay readable."""
    _written(resource_type)
    _only(request, _GENERAL)
    await _local_codes(request).remove(resource_type, ident)
    return Response(status_code=204)


# --- reading and searching -------------------------------------------------------------------------------------------


@router.get("/{resource_type}")
async def search(resource_type: str, request: Request) -> Response:
    """Search a type."""
    return await _search(resource_type, request.query_params.multi_items(), request)


@router.post("/{resource_type}/_search")
async def search_by_form(resource_type: str, request: Request) -> Response:
    """The same, with parameters in the body, in the address, or both."""
    try:
        _, body = await bodies.read_text(request, bodies.FORM)
    except EmptyBody:
        body = ""  # all of it in the address
    try:
        sent = parse_qsl(
            body, keep_blank_values=True, strict_parsing=bool(body), errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise BrokenEncoding(bodies.FORM[0]) from None
    return await _search(resource_type, [*request.query_params.multi_items(), *sent], request)


async def _search(resource_type: str, parameters: Sequence[tuple[str, str]], request: Request) -> Response:
    version = fhir_version(request, [value for key, value in parameters if key == "_format"])
    served = _served(resource_type)
    asked = _asked(parameters, request, served, version)
    demand(request, [Need(each, "r") for each in asked.include])
    page = await _resources(request).search(
        resource_type, asked.tests, version, include=asked.include, offset=asked.offset, limit=asked.limit
    )
    base = _address(request)
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": page.total}
    if asked.is_count:
        return _answer(orjson.dumps(bundle), version)
    bundle["link"] = _links(f"{base}/{resource_type}", asked, page.total)
    entries = [_entry(each, base, "match") for each in page.matches]
    entries += [_entry(each, base, "include") for each in page.included]
    if entries:
        bundle["entry"] = entries
    return _answer(orjson.dumps(bundle), version)


@router.get("/{resource_type}/{ident}")
async def read(resource_type: str, ident: str, request: Request) -> Response:
    """Read a resource."""
    return await _read(resource_type, ident, None, request)


@router.get("/{resource_type}/{ident}/_history/{version_id}")
async def vread(resource_type: str, ident: str, version_id: str, request: Request) -> Response:
    """Read a resource in one version."""
    return await _read(resource_type, ident, version_id, request)


async def _read(resource_type: str, ident: str, version_id: str | None, request: Request) -> Response:
    version = fhir_version(request)
    _served(resource_type)
    if ident.startswith("$") or ident == "_search":
        raise HTTPException(405, f"{ident[:50]} is called by POST.", {"Allow": "POST"})
    _only(request, _GENERAL)
    made = await _resources(request).read(resource_type, ident, version, version_id)
    tag = {"ETag": f'W/"{made.version_id}"', "Vary": "Accept"}
    known = ",".join(request.headers.getlist("if-none-match"))
    if known.strip() == "*" or f'"{made.version_id}"' in [each.strip().removeprefix("W/") for each in known.split(",")]:
        return Response(status_code=304, headers=tag)
    return _answer(made.content, version, headers=tag)


# --- what a search asks ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """A search, checked. `query` are its parameters without the page, for links."""

    tests: tuple[Test, ...]
    include: tuple[str, ...]
    page: int
    limit: int
    is_count: bool
    query: tuple[tuple[str, str], ...]

    @property
    def offset(self) -> int:
        """How many matches lie before the page."""
        return (self.page - 1) * self.limit


def _asked(parameters: Sequence[tuple[str, str]], request: Request, served: Served, version: FhirVersion) -> _Asked:
    """The parameters of a search. BadParameter for one that is not known, unless the caller prefers leniency."""
    known = {each.name: each for each in served.search if version in each.versions}
    is_lenient = "handling=lenient" in ",".join(request.headers.getlist("prefer")).replace(" ", "").lower()
    tests: list[Test] = []
    include: dict[str, None] = {}
    query: list[tuple[str, str]] = []
    numbers = {"_count": COUNT, "_page": 1}
    is_count = False
    for key, value in parameters:
        name, _, modifier = key.partition(":")
        parameter = known.get(name)
        if parameter is not None and (not modifier or modifier in parameter.modifiers):
            if "\0" in value:
                raise BadParameter(name, "has a NUL character (U+0000) in it.")
            values = tuple(each for each in _split(value) if each)
            if not values:
                raise BadParameter(name, "has no value.")
            tests.append(Test(name, modifier, values))
        elif key in numbers:
            numbers[key] = _number(key, value)
        elif key == "_include":
            if value not in served.includes:
                raise BadParameter(key, f"takes {', '.join(served.includes) or 'nothing'} here.")
            include[served.includes[value]] = None
        elif key == "_summary":
            if value not in {"count", "false"}:
                raise BadParameter(key, "is `count` or `false` here.")
            is_count = value == "count"
        elif key not in _RESULT:
            if is_lenient:
                continue
            names = ", ".join([*known, *sorted(_RESULT)])
            raise BadParameter(key[:50], f"is no search parameter of {served.type} here. These are: {names}.")
        if key != "_page":
            query.append((key, value))
    limit = min(numbers["_count"], MOST)
    is_count = is_count or limit == 0  # `_count=0` is FHIR's other way to ask for the number alone
    return _Asked(tuple(tests), tuple(include), max(1, numbers["_page"]), max(1, limit), is_count, tuple(query))


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 6) or (name == "_page" and int(value) < 1):
        raise BadParameter(name, "is a whole number.")
    return int(value)


def _split(value: str) -> Sequence[str]:
    """The alternatives of a value: commas part them, unless escaped."""
    held = value.replace("\\,", "\x01")
    return [each.replace("\x01", ",").strip() for each in held.split(",")]


def _links(address: str, asked: _Asked, total: int) -> list[dict[str, str]]:
    last = max(1, -(-total // asked.limit))
    pages = {"self": asked.page, "first": 1, "last": last}
    if asked.page > 1:
        pages["previous"] = min(asked.page - 1, last)
    if asked.page < last:
        pages["next"] = asked.page + 1
    return [
        {"relation": relation, "url": f"{address}?{urlencode([*asked.query, ('_page', page)])}"}
        for relation, page in pages.items()
    ]


def _entry(made: Made, base: str, mode: str) -> dict[str, Any]:
    resource = orjson.loads(made.content)
    return {
        "fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}",
        "resource": orjson.Fragment(made.content),
        "search": {"mode": mode},
    }


def _written(resource_type: str) -> None:
    if not _served(resource_type).is_written:
        raise HTTPException(405, f"{resource_type} is read only here.", {"Allow": "GET"})


def _served(resource_type: str) -> Served:
    served = SERVED.get(resource_type)
    if served is None:
        raise NotSupported(resource_type, tuple(SERVED))
    return served


def _only(request: Request, allowed: frozenset[str]) -> None:
    for key in request.query_params:
        if key not in allowed:
            raise BadParameter(key[:50], "is not taken here.")


def _address(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}{ROOT}"


def _answer(content: bytes, version: FhirVersion, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(content, status, headers, content_type(version))
