"""From refusals to RFC 9457 problems: one table, and the handlers that use it."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from app.api.access import InsufficientScope
from app.api.cds_clients import Forbidden, NoToken, Unauthenticated
from app.clients.introspection import IntrospectionUnavailable
from app.clients.outbound import NotAllowed
from app.clients.tokens import KeysUnavailable, TokenRefused
from app.criteria.codec import CodecProblems
from app.errors import DatabaseUnavailable, EligoError, VersionMoved
from app.fhir import errors as fhir
from app.fhir.site_codes import BadSiteCodes
from app.services.forms import UnusableTrial
from app.services.hooks import DataUnavailable, NoSuchService, WrongCall
from app.services.local_codes import OtherVersion
from app.services.options import BadParameter
from app.services.studies import ResourceNotFound
from app.services.trials import NoRecord, PreconditionFailed, TrialNotFound
from app.services.workers import TooBusy, TookTooLong, WorkerLost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import FastAPI, Request

PROBLEM = "application/problem+json"
_CAMEL = re.compile(r"(?<!^)(?=[A-Z])")


class BodyTooLarge(EligoError):
    """More than `limit` bytes, as sent or inflated; the rest was not read."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The body has more than {limit} bytes (inflated), which is the limit here. Send less at once."
        )
        self.limit = limit


class InflatesTooMuch(EligoError):
    """A body that inflates to more than `ratio` times its size, as none does that is sent in earnest."""

    def __init__(self, ratio: int) -> None:
        super().__init__(f"The body inflates to more than {ratio} times its size. Send it as it is.")
        self.ratio = ratio


class SlowBody(EligoError):
    """The body was not there within `limit_s` seconds; the rest was not waited for."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"The body was not there within {limit_s:g} seconds. Send it again, or send less at once.")
        self.limit_s = limit_s


class EmptyBody(EligoError):
    """A body is needed and none came."""

    def __init__(self) -> None:
        super().__init__("The body is empty.")


class UnsupportedMediaType(EligoError):
    """A media type that this call does not take; `accepted` are those it takes."""

    def __init__(self, given: str, accepted: Sequence[str]) -> None:
        what = f"{given!r} is" if given else "No Content-Type is given, and none is"
        super().__init__(f"{what} not taken here. Send {' or '.join(accepted)}.")
        self.given = given
        self.accepted = tuple(accepted)


class NotAcceptable(EligoError):
    """The caller accepts no form in which FHIR is answered here."""

    def __init__(self, accepted: str) -> None:
        super().__init__(
            f"Nothing can be answered as {accepted[:100]!r}. Accept application/fhir+json, with fhirVersion=4.0 or 5.0."
        )


class NotSupported(EligoError):
    """A resource type that is not served; `served` are those that are."""

    def __init__(self, resource_type: str, served: Sequence[str]) -> None:
        super().__init__(f"{resource_type[:50]!r} is not served here. These types are: {', '.join(served)}.")
        self.served = tuple(served)


class UnsupportedCharset(EligoError):
    """A character set other than those that text comes in here."""

    def __init__(self, charset: str) -> None:
        super().__init__(f"The character set {charset!r} is not taken here. Send UTF-8.")
        self.charset = charset


class UnsupportedEncoding(EligoError):
    """A Content-Encoding other than gzip."""

    def __init__(self, encoding: str) -> None:
        super().__init__(f"The Content-Encoding {encoding!r} is not taken here. Send the body as it is, or with gzip.")
        self.encoding = encoding


class BrokenEncoding(EligoError):
    """A body that is not what its headers say: no gzip, gzip that breaks off, no text in its character set."""

    def __init__(self, encoding: str) -> None:
        super().__init__(f"The body is not valid {encoding}, or breaks off.")
        self.encoding = encoding


class Kind(NamedTuple):
    """How a refusal is told: the status, and a title that is the same every time."""

    status: HTTPStatus
    title: str


_BAD = HTTPStatus.BAD_REQUEST
_UNFIT = HTTPStatus.UNPROCESSABLE_ENTITY
_UNSUPPORTED = HTTPStatus.UNSUPPORTED_MEDIA_TYPE

KINDS: dict[type[EligoError], Kind] = {
    BadSiteCodes: Kind(_UNFIT, "What tells a site's codes cannot be used"),
    BadParameter: Kind(_BAD, "A parameter cannot be used"),
    BodyTooLarge: Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large"),
    BrokenEncoding: Kind(_BAD, "The body cannot be decoded"),
    CodecProblems: Kind(_UNFIT, "The criteria cannot be read"),
    DatabaseUnavailable: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The database cannot be used"),
    DataUnavailable: Kind(HTTPStatus.PRECONDITION_FAILED, "The patient's data cannot be had"),
    Forbidden: Kind(HTTPStatus.FORBIDDEN, "Not allowed"),
    InsufficientScope: Kind(HTTPStatus.FORBIDDEN, "The token does not grant this"),
    IntrospectionUnavailable: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The caller cannot be checked now"),
    KeysUnavailable: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The caller cannot be checked now"),
    NoSuchService: Kind(HTTPStatus.NOT_FOUND, "No such service"),
    NotAllowed: Kind(HTTPStatus.FORBIDDEN, "The FHIR server is not one that may be called"),
    NoToken: Kind(HTTPStatus.UNAUTHORIZED, "Authentication is needed"),
    TokenRefused: Kind(HTTPStatus.UNAUTHORIZED, "The token was refused"),
    Unauthenticated: Kind(HTTPStatus.UNAUTHORIZED, "Authentication is needed"),
    WrongCall: Kind(_BAD, "The call cannot be understood"),
    EmptyBody: Kind(_BAD, "The body is empty"),
    NoRecord: Kind(HTTPStatus.NOT_FOUND, "The version has no registration record"),
    NotAcceptable: Kind(HTTPStatus.NOT_ACCEPTABLE, "The answer cannot be given in this form"),
    NotSupported: Kind(HTTPStatus.NOT_FOUND, "No such resource type"),
    OtherVersion: Kind(HTTPStatus.NOT_ACCEPTABLE, "The resource is kept in another FHIR version"),
    PreconditionFailed: Kind(HTTPStatus.PRECONDITION_FAILED, "The trial has been changed"),
    ResourceNotFound: Kind(HTTPStatus.NOT_FOUND, "No such resource"),
    SlowBody: Kind(HTTPStatus.REQUEST_TIMEOUT, "The body took too long"),
    InflatesTooMuch: Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large"),
    TooBusy: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "Too much at once"),
    TookTooLong: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The time limit was reached"),
    TrialNotFound: Kind(HTTPStatus.NOT_FOUND, "No such trial"),
    UnsupportedCharset: Kind(_UNSUPPORTED, "The character set is not supported"),
    UnsupportedEncoding: Kind(_UNSUPPORTED, "The content encoding is not supported"),
    UnsupportedMediaType: Kind(_UNSUPPORTED, "The media type is not supported"),
    UnusableTrial: Kind(_UNFIT, "The trial cannot be read"),
    VersionMoved: Kind(HTTPStatus.CONFLICT, "The trial has been changed in between"),
    WorkerLost: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The work was interrupted"),
    fhir.NoPatient: Kind(_BAD, "The Bundle has no Patient"),
    fhir.NotABundle: Kind(_BAD, "The body is not a FHIR Bundle"),
    fhir.NotJson: Kind(_BAD, "The body is not JSON"),
    fhir.SeveralPatients: Kind(_BAD, "The Bundle has several patients"),
    fhir.TooDeep: Kind(_BAD, "The body is nested too deeply"),
    fhir.TooManyEntries: Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The Bundle has too many entries"),
    fhir.UnknownPatient: Kind(_BAD, "The patient is not in the Bundle"),
}
"""Every refusal that a caller can meet. A test finds those that are missing here."""


def problem(
    status: int,
    title: str,
    detail: str,
    *,
    kind: str = "",
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem as RFC 9457 has it; `kind` is the last part of its type."""
    content = {
        "type": f"urn:eligo:problem:{kind}" if kind else "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "errors": list(errors),
    }
    return Response(orjson.dumps(content), status, dict(headers or {}), PROBLEM)


def problem_of(error: EligoError) -> Response:
    """The problem that tells a refusal."""
    kind = next(KINDS[each] for each in type(error).__mro__ if each in KINDS)
    name = _CAMEL.sub("-", type(error).__name__).lower()
    status = kind.status
    if isinstance(error, TokenRefused) and not error.is_known:
        status = HTTPStatus.FORBIDDEN
    return problem(status, kind.title, str(error), kind=name, errors=_places(error), headers=_headers(error))


def _places(error: EligoError) -> list[dict[str, str]]:
    """Where it lies: JSON pointers into the body, or the name of a parameter."""
    match error:
        case CodecProblems(problems=problems):
            return [
                {"pointer": each.pointer, "detail": f"{each.message} {each.remedy}", "remedy": each.remedy}
                for each in problems
            ]
        case UnusableTrial(pointer=pointer) | BadSiteCodes(pointer=pointer):
            return [{"pointer": pointer, "detail": str(error)}]
        case WrongCall(pointer=pointer, reason=reason):
            return [{"pointer": pointer, "detail": reason}]
        case BadParameter(name=name, reason=reason):
            return [_parameter(name, reason)]
        case fhir.UnknownPatient():
            return [_parameter("patient", str(error))]
        case fhir.NoPatient() | fhir.SeveralPatients():
            return [{"pointer": "/entry", "detail": str(error)}]
        case _:
            return []


def _parameter(name: str, detail: str) -> dict[str, str]:
    return {"pointer": f"/{name}", "parameter": name, "detail": detail}


def _headers(error: EligoError) -> dict[str, str]:
    match error:
        case UnsupportedMediaType(accepted=accepted):
            return {"Accept": ", ".join(accepted)}
        case UnsupportedEncoding():
            return {"Accept-Encoding": "gzip, identity"}
        case BodyTooLarge() | InflatesTooMuch() | SlowBody():
            return {"Connection": "close"}  # or the server would read on to the end of what it refused
        case PreconditionFailed(newest=newest):
            return {"ETag": f'"{newest}"'}
        case NoToken():  # RFC 6750, section 3: no error is told to who has not tried
            return {"WWW-Authenticate": 'Bearer realm="eligo"'}
        case TokenRefused(reason=reason):
            told = f'error="invalid_token", error_description="{reason}"'
            return {"WWW-Authenticate": f'Bearer realm="eligo", {told}'}
        case Unauthenticated():
            return {"WWW-Authenticate": 'Bearer realm="eligo", error="invalid_token"'}
        case InsufficientScope(needed=needed):
            told = f', scope="{needed}"' if needed else ""
            return {"WWW-Authenticate": f'Bearer realm="eligo", error="insufficient_scope"{told}'}
        case (
            KeysUnavailable()
            | IntrospectionUnavailable()
            | DatabaseUnavailable()
            | TooBusy()
            | TookTooLong()
            | WorkerLost()
        ):
            return {"Retry-After": "5"}
        case _:
            return {}


def handle_errors(app: FastAPI) -> None:
    """Let the app answer every refusal with a problem."""

    @app.exception_handler(EligoError)
    async def _refusal(_: Request, error: EligoError) -> Response:
        return problem_of(error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> Response:
        found = _invalid_places(error)
        return problem(
            _BAD,
            KINDS[BadParameter].title,
            " ".join(f"The parameter `{each['parameter']}`: {each['detail']}" for each in found),
            kind="bad-parameter",
            errors=found,
        )

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        headers = error.headers
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and error.detail == _FRAMEWORK:
            headers = {**(headers or {}), "Allow": ", ".join(_methods(request))}
        return problem(error.status_code, HTTPStatus(error.status_code).phrase, str(error.detail), headers=headers)


_FRAMEWORK = HTTPStatus.METHOD_NOT_ALLOWED.phrase
"""What the framework says where no route takes the method; a call that refuses one says itself what it takes."""


def _methods(request: Request) -> list[str]:
    """All methods that the path takes (RFC 9110, 10.2.1): the framework tells those of the first route that fits."""
    asked = [(method, {**request.scope, "method": method}) for method in ("DELETE", "GET", "POST", "PUT")]
    routes = request.app.routes
    return [method for method, scope in asked if any(each.matches(scope)[0] is Match.FULL for each in routes)]


def _invalid_places(error: RequestValidationError) -> list[dict[str, str]]:
    """One entry a parameter. What was given is not repeated: it may be a patient's."""
    return [_parameter(str(each["loc"][1]), _said(each)) for each in error.errors()]


def _said(found: dict[str, Any]) -> str:
    if found["type"] == "extra_forbidden":
        return "This call has no such parameter."
    return str(found["msg"]).removeprefix("Value error, ")
