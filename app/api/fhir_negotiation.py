"""Which FHIR version and format an answer has, from Accept, Content-Type and `_format`."""

from __future__ import annotations

from email.message import Message
from typing import TYPE_CHECKING

from app.api.errors import NotAcceptable, UnsupportedMediaType
from app.emitters.fhir import FhirVersion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import Request

FHIR_JSON = "application/fhir+json"
_TYPES = (FHIR_JSON, "application/json", "text/json")
_RANGES = {"*/*", "application/*", *_TYPES}
_FORMATS = {"json", *_TYPES}
_READABLE = {"4.0", "4.0.1", "4.3", "4.3.0", "5.0", "5.0.0"}
"""Versions in which a record may come; charts read all of them."""

_ANSWERED = {"4.0": FhirVersion.R4, "4.0.1": FhirVersion.R4, "5.0": FhirVersion.R5, "5.0.0": FhirVersion.R5}


def fhir_version(request: Request, formats: Sequence[str] | None = None) -> FhirVersion:
    """The version to answer in: that of `_format` (`formats`, else the query's) or Accept, of Content-Type, or R4.
    NotAcceptable, UnsupportedMediaType.
    """
    sent = sent_version(request)
    asked = _asked(request, request.query_params.getlist("_format") if formats is None else formats)
    if asked is not None:
        return asked
    return sent


def sent_version(request: Request) -> FhirVersion:
    """The version that a body is called: R4 where nothing is said (R4B has what is taken here as R4 has it)."""
    sent = _parameters(request.headers.get("content-type", "")).get("fhirversion", "")
    if sent and sent not in _READABLE:
        raise UnsupportedMediaType(f"fhirVersion={sent}", ("fhirVersion=4.0", "fhirVersion=5.0"))
    return FhirVersion.R5 if sent.startswith("5") else FhirVersion.R4


def content_type(version: FhirVersion) -> str:
    """The Content-Type of an answer."""
    return f"{FHIR_JSON}; fhirVersion={version.value}; charset=utf-8"


def _asked(request: Request, formats: Sequence[str]) -> FhirVersion | None:
    """What Accept or `_format` ask for; None where they leave the version open. NotAcceptable."""
    if formats:
        # A plus sign that was not escaped arrives as a space.
        kind, _, _ = formats[0].partition(";")
        if kind.strip().replace(" ", "+").lower() not in _FORMATS:
            raise NotAcceptable(formats[0])
        accepted = [formats[0]]
    else:
        accepted = [each for each in ",".join(request.headers.getlist("accept")).split(",") if each.strip()]
        if not accepted:
            return None
    best: tuple[float, bool, FhirVersion | None] | None = None
    for each in accepted:
        parameters = _parameters(each)
        kind = each.partition(";")[0].strip().lower()
        quality = _quality(parameters.get("q", "1"))
        named = parameters.get("fhirversion")
        version = None if named is None else _ANSWERED.get(named)
        if quality > 0 and (formats or kind in _RANGES) and (named is None or version is not None):
            found = (quality, version is not None, version)
            best = found if best is None or found[:2] > best[:2] else best
    if best is None:
        raise NotAcceptable(", ".join(accepted))
    return best[2]


def _quality(given: str) -> float:
    try:
        return float(given)
    except ValueError:
        return 0.0


def _parameters(media_type: str) -> dict[str, str]:
    """The parameters of a media type, names in lower case."""
    parsed = Message()
    parsed["content-type"] = media_type
    return {name.lower(): value.strip() for name, value in parsed.get_params(failobj=[])[1:]}
