"""What a FHIR operation on a record is asked with: a bare Bundle, or Parameters that hold it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from app.fhir.errors import NotJson
from app.services.options import BadParameter, Options, read_complete, read_day, read_max_age

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PRIMITIVES = ("valueString", "valueCode", "valueDate", "valueUri", "valueCanonical", "valueId")
_UCUM_DURATION = {"d": "D", "wk": "W", "mo": "M", "a": "Y"}


@dataclass(frozen=True, slots=True)
class RecordRequest:
    """A record and how to judge it. `studies` are identifiers, `inline` studies that were sent along, as JSON bytes."""

    bundle: bytes
    options: Options
    studies: tuple[str, ...] = ()
    inline: tuple[bytes, ...] = ()


class _Head(msgspec.Struct, rename="camel"):
    resource_type: str = ""
    parameter: list[_Parameter] = []


class _Parameter(msgspec.Struct, rename="camel"):
    """A parameter; the record is not parsed here, for it may be large."""

    name: str = ""
    resource: msgspec.Raw = msgspec.Raw(b"")
    value_string: Any = None
    value_code: Any = None
    value_date: Any = None
    value_uri: Any = None
    value_canonical: Any = None
    value_id: Any = None
    value_reference: Any = None
    value_identifier: Any = None
    value_duration: Any = None


_HEAD = msgspec.json.Decoder(_Head)


def read_record_request(body: bytes, options: Options, given: frozenset[str]) -> RecordRequest:
    """Read a body. `options` are those of the query; a parameter named in `given` was set there and may not be again.

    BadParameter for one that is not known, is given twice, or has no value that can be used; NotJson.
    """
    try:
        head = _HEAD.decode(body)
    except msgspec.ValidationError:
        # Whatever it is, it is JSON: who reads the record says what is wrong with it.
        return RecordRequest(body, options)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise NotJson(str(error)) from None
    if head.resource_type != "Parameters":
        return RecordRequest(body, options)
    return _of_parameters(head.parameter, options, given)


def _of_parameters(parameters: list[_Parameter], options: Options, given: frozenset[str]) -> RecordRequest:
    bundle = b""
    studies: list[str] = []
    inline: list[bytes] = []
    complete: list[str] = []
    seen = set(given)
    for each in parameters:
        if each.name in seen and each.name not in {"study", "complete"}:
            raise BadParameter(each.name, "is given more than once.")
        seen.add(each.name)
        match each.name:
            case "data":
                bundle = bytes(each.resource)
                if not bundle:
                    raise BadParameter("data", "holds the Bundle as its `resource`.")
            case "study" if bytes(each.resource):
                inline.append(bytes(each.resource))
            case "study":
                studies.append(_study(each))
            case "complete":
                complete.append(_text(each))
            case _ if each.name in _SETTERS:
                options = _SETTERS[each.name](options, each)
            case _:
                raise BadParameter(each.name or "(no name)", f"is none of {', '.join(sorted(_KNOWN))}.")
    if not bundle:
        raise BadParameter("data", "is missing: the Bundle with the patient's record.")
    if complete:
        options = replace(options, complete=options.complete | read_complete(complete))
    return RecordRequest(bundle, options, tuple(studies), tuple(inline))


def _text(parameter: _Parameter) -> str:
    values = (parameter.value_string, parameter.value_code, parameter.value_date, parameter.value_uri)
    for value in (*values, parameter.value_canonical, parameter.value_id):
        if isinstance(value, str) and value.strip():
            return value.strip()
    raise BadParameter(parameter.name, f"needs a value ({', '.join(_PRIMITIVES[:3])}).")


def _study(parameter: _Parameter) -> str:
    identifier = parameter.value_identifier
    if isinstance(identifier, dict) and isinstance(identifier.get("value"), str):
        system = identifier.get("system")
        return f"{system}|{identifier['value']}" if isinstance(system, str) else str(identifier["value"])
    return _text(parameter)


def _as_of(options: Options, parameter: _Parameter) -> Options:
    day = read_day(_text(parameter))
    if day is None:
        raise BadParameter("asOf", "is a date such as 2026-11-22.")
    return replace(options, as_of=day)


def _absence(options: Options, parameter: _Parameter) -> Options:
    match _text(parameter):
        case "open":
            return replace(options, absence="open")
        case "closed":
            return replace(options, absence="closed")
        case _:
            raise BadParameter("absence", "is `open` or `closed`.")


def _max_age(options: Options, parameter: _Parameter) -> Options:
    length = parameter.value_duration
    if isinstance(length, dict):
        unit, value = _UCUM_DURATION.get(str(length.get("code"))), length.get("value")
        if unit is None or not isinstance(value, int) or isinstance(value, bool):
            raise BadParameter("maxAge", "is a whole number of d, wk, mo or a (UCUM).")
        return replace(options, max_age=read_max_age(f"P{value}{unit}"))
    return replace(options, max_age=read_max_age(_text(parameter)))


def _patient(options: Options, parameter: _Parameter) -> Options:
    reference = parameter.value_reference
    if isinstance(reference, dict) and isinstance(reference.get("reference"), str):
        return replace(options, patient=reference["reference"])
    return replace(options, patient=_text(parameter))


_SETTERS: Mapping[str, Callable[[Options, _Parameter], Options]] = {
    "asOf": _as_of,
    "absence": _absence,
    "maxAge": _max_age,
    "patient": _patient,
    "subject": _patient,
}
_KNOWN = {"data", "study", "complete", *_SETTERS}
