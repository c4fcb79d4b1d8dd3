"""Every parser of what others send: bytes in; an answer or one of our own refusals out, and nothing else.

Each takes any bytes at all, so that the same list serves hypothesis and a coverage-guided fuzzer.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

from joserfc.jwk import KeySet

from app.api import examples, hooks
from app.api.errors import KINDS
from app.clients.tokens import Verifier
from app.criteria.time import read_date
from app.demo import load_demo_patients, load_demo_trials
from app.errors import EligoError
from app.fhir.chart import read_chart
from app.knowledge.load import load_catalogue
from app.knowledge.load_units import load_unit_table
from app.knowledge.ucum import UnitError
from app.services import core, local_codes, reading
from app.services.fhir_requests import read_record_request
from app.services.forms import CSV, FHIR, JSON, TEXT, XML, load_json, trials_of
from app.services.options import Options
from app.services.prefetched import gather
from app.services.reading import dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REFUSALS: tuple[type[EligoError], ...] = (*KINDS, UnitError)
OPTIONS = Options(as_of=date(2026, 11, 22))
CONCEPT_MAP = {
    "resourceType": "ConceptMap",
    "url": "http://hospital.example/fhir/ConceptMap/labs",
    "status": "active",
    "group": [
        {
            "source": "http://hospital.example/labs",
            "target": "http://loinc.org",
            "element": [{"code": "HB", "target": [{"code": "718-7", "equivalence": "equivalent"}]}],
        }
    ],
}
PARAMETERS = {
    "resourceType": "Parameters",
    "parameter": [
        {"name": "data", "resource": examples.BUNDLE},
        {"name": "asOf", "valueDate": "2026-11-22"},
        {"name": "absence", "valueCode": "open"},
        {"name": "maxAge", "valueDuration": {"value": 10, "code": "d", "system": "http://unitsofmeasure.org"}},
    ],
}
CALL = {
    "hook": "order-select",
    "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    "context": {
        "userId": "Practitioner/1",
        "patientId": "p1",
        "selections": ["MedicationRequest/m"],
        "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "MedicationRequest"}}]},
    },
    "prefetch": {"patient": {"resourceType": "Patient", "id": "p1"}},
}
TOKEN = (
    b"eyJhbGciOiJSUzM4NCIsImtpZCI6ImsiLCJ0eXAiOiJKV1QifQ."
    b"eyJpc3MiOiJodHRwczovL2Voci5leGFtcGxlIiwiZXhwIjoxNzAwMDAwMDAwfQ.c2lnbmF0dXJl"
)


@dataclass(frozen=True, slots=True)
class Parser:
    """One parser, and sound input to start from."""

    reads: Callable[[bytes], object]
    samples: Sequence[bytes]

    def reads_or_refuses(self, body: bytes) -> bool:
        """Whether it was read; false where it was refused. Anything else is a bug and comes out as it is."""
        try:
            self.reads(body)
        except REFUSALS:
            return False
        return True


@cache
def desk() -> core.Desk:
    """A desk with the demonstration's trials ready."""
    made = core.Desk(load_catalogue())
    for place, each in enumerate(load_demo_trials(), 1):
        document = reading.read_trial(JSON, each.content.decode(), None, made.catalogue).document
        key = core.TrialKey(f"sha256:{place}", 1)
        made.trials[key] = core.ready_trial(made, 1, document)
    return made


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _bundle(body: bytes) -> object:
    read_chart(body, desk().catalogue)
    return core.judge_each(desk().trials.values(), body, OPTIONS, desk())


def _registration(media_type: str) -> Callable[[bytes], object]:
    def read(body: bytes) -> object:
        found = reading.read_trial(media_type, _text(body), None, desk().catalogue)
        document = json.loads(found.document)
        for each in document["criteria"]:
            start, end = each["span"]  # empty where a field of the registration says it, and no words
            assert start == end or document["text"][start:end] == each["text"]
        return found

    return read


def _lines(body: bytes) -> object:
    parts = []
    for line in _text(body).splitlines():
        parts += [each.body for each in trials_of(JSON, line)] if line.strip() else []
    return parts


class _NoKeys:
    async def of(self, url: str, kid: str) -> KeySet:
        return KeySet([])


def _token(body: bytes) -> object:
    verifier = Verifier({"https://ehr.example": "https://ehr.example/keys"}, _NoKeys())  # type: ignore[arg-type]
    return asyncio.run(verifier.verify(body.decode("latin-1"), "https://eligo.example", 1_700_000_000))


def _unit(body: bytes) -> object:
    table, text = load_units(), _text(body)
    table.read(text)
    return table.parse(text)


load_units = cache(load_unit_table)


def _concept_map(body: bytes) -> object:
    resource = load_json(body)
    if not isinstance(resource, dict):
        return None
    local_codes._read("ConceptMap", resource)
    return dumps(resource)


def _hook(body: bytes) -> object:
    call = hooks._read_call(body)
    made = gather(call.prefetch, (), call.patient_id)
    return made.bundle([dumps(each) for each in call.orders])


def _dumped(*values: Any) -> tuple[bytes, ...]:
    return tuple(json.dumps(each).encode() for each in values)


@cache
def parsers() -> dict[str, Parser]:
    """By name."""
    patients = [each.content for each in load_demo_patients()]
    trials = [each.content for each in load_demo_trials()]
    return {
        "bundle": Parser(_bundle, [*_dumped(examples.BUNDLE), *patients]),
        "page": Parser(_registration(TEXT), [examples.PAGE.encode(), examples.CRITERIA.encode()]),
        "study": Parser(_registration(JSON), [*_dumped(examples.STUDY, examples.CRITERIA_LIST), *trials]),
        "fhir-study": Parser(_registration(FHIR), _dumped(examples.RESEARCH_STUDY)),
        "xml": Parser(_registration(XML), [examples.STUDY_XML.encode()]),
        "csv": Parser(_registration(CSV), [examples.ROW.encode()]),
        "ndjson": Parser(_lines, [b"\n".join(_dumped(examples.STUDY, examples.CRITERIA_LIST))]),
        "token": Parser(_token, [TOKEN]),
        "unit": Parser(_unit, [b"10*9/L", b"mg/dL", b"K/uL", b"mL/min/{1.73_m2}", b"kg.m/s2", b"[iU]/L"]),
        "date": Parser(
            lambda body: read_date(_text(body)), [b"2024", b"2024-02", b"2024-02-29", b"2024-02-29T10:00:00.5+01:00"]
        ),
        "parameters": Parser(lambda body: read_record_request(body, OPTIONS, frozenset()), _dumped(PARAMETERS)),
        "concept-map": Parser(_concept_map, _dumped(CONCEPT_MAP)),
        "hook": Parser(_hook, _dumped(CALL)),
        "inline": Parser(lambda body: core.judge_inline(body, OPTIONS, desk()), _dumped(examples.INLINE)),
    }
