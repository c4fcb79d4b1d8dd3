"""The forms that a trial comes in, and how a body is told to be one of them."""

from __future__ import annotations

import csv
import io
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from app.errors import EligoError
from app.fhir.errors import NotJson
from app.reader import XML_ROOT, is_criteria_list, is_table_header

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT, JSON, FHIR, XML, CSV = "text/plain", "application/json", "application/fhir+json", "application/xml", "text/csv"
MEDIA_TYPES = (TEXT, JSON, FHIR, XML, "text/xml", CSV)
"""What a trial may be sent as. Which form it is, the body says."""

_MARKUP = re.compile(rf"\s*<(?:\?xml\b|!--|!DOCTYPE\b|{XML_ROOT}\b)")
_HTML = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
_ROWS = ("studies", "data", "trials")
"""Where answers of registers to a search keep what they found: ClinicalTrials.gov, the NCI now and before."""


class Form(StrEnum):
    """The forms a trial comes in."""

    PAGE = "page"
    STUDY = "ctgov-study"
    XML = "ctgov-xml"
    LIST = "criteria-list"
    ROW = "table-row"
    FHIR = "fhir"

    @property
    def media_type(self) -> str:
        """What a body of this form is sent as."""
        return _MEDIA_TYPE[self]


_MEDIA_TYPE = {Form.PAGE: TEXT, Form.STUDY: JSON, Form.XML: XML, Form.LIST: JSON, Form.ROW: CSV, Form.FHIR: FHIR}


class UnusableTrial(EligoError):
    """What was sent is no trial that can be read; `pointer` (JSON pointer) says where in the body."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(reason)
        self.pointer = pointer


class Sent(NamedTuple):
    """One trial as it was sent. `content` is its JSON, or the cells of its row by column; None for text and XML."""

    form: Form
    body: str
    content: Any = None


class Part(NamedTuple):
    """One trial of a body that may have many. `place` says which ("line 3", "" where there is one only)."""

    place: str
    media_type: str
    body: str


def sent_trial(media_type: str, body: str) -> Sent:
    """What the body is. NotJson, UnusableTrial: it is no trial, or several."""
    kind = _kind(media_type, body)
    if kind in {TEXT, XML} and _HTML.match(body):
        raise UnusableTrial(
            "", "This is an HTML page. Send its text as copied, or the study as JSON from the register."
        )
    if kind == XML:
        return Sent(Form.XML, body)
    if kind == CSV:
        return _row(body)
    if kind == JSON:
        return sent_json(load_json(body), "", body, is_fhir=media_type == FHIR)
    return Sent(Form.PAGE, body)


def sent_json(content: object, pointer: str, body: str = "", *, is_fhir: bool = False) -> Sent:
    """What parsed JSON is; `pointer` says where it stands. UnusableTrial.

    `is_fhir` is true of what is called FHIR, and then is taken for nothing else.
    """
    if isinstance(content, dict):
        if "resourceType" in content or is_fhir:
            return Sent(Form.FHIR, body, content)
        if isinstance(content.get("protocolSection"), dict):
            return Sent(Form.STUDY, body, content)
        if is_criteria_list(content):
            return Sent(Form.LIST, body, content)
    if _many(content) is not None:
        raise UnusableTrial(
            pointer, "This is a list of trials. Send one at a time, or give the file to `eligo import`."
        )
    raise UnusableTrial(
        f"{pointer}/protocolSection",
        "A study of the ClinicalTrials.gov API (version 2) has a `protocolSection` object; FHIR has a `resourceType`; "
        "a trial with its criteria already split has `eligibility.unstructured`. This has none of them.",
    )


def trials_of(media_type: str, body: str) -> Iterator[Part]:
    """Every trial of a body, each as a body of its own: NDJSON, an array, the answer to a search, a table, or one."""
    kind = _kind(media_type, body)
    if kind == CSV:
        yield from _rows(body)
        return
    if kind != JSON:
        yield Part("", kind, body)
        return
    try:
        content = load_json(body)
    except NotJson:
        lines = [(number, line) for number, line in enumerate(body.splitlines(), 1) if line.strip()]
        if len(lines) < 2 or not _is_json(lines[0][1]):
            raise
        # A line that is broken is told when it is read, and the others count.
        yield from (Part(f"line {number}", JSON, line) for number, line in lines)
        return
    many = _many(content)
    if many is None:
        yield Part("", JSON, body)
    else:
        yield from (Part(f"trial {place}", JSON, orjson.dumps(each).decode()) for place, each in enumerate(many, 1))


def load_json(text: str | bytes) -> Any:
    """The values of a JSON text. NotJson."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NotJson(str(error)) from None


def _kind(media_type: str, body: str) -> str:
    """TEXT, JSON, XML or CSV: as it is called, and where it is only called text, as it looks."""
    if media_type in {JSON, FHIR}:
        return JSON
    if media_type in {XML, "text/xml"}:
        return XML
    if media_type == CSV:
        return CSV
    if _MARKUP.match(body):
        return XML
    first = body.lstrip()[:1]
    if first in {"{", "["} and (_is_json(body) or _is_json(body.lstrip().partition("\n")[0])):
        return JSON
    return CSV if _is_table(body) else TEXT


def _is_json(text: str) -> bool:
    try:
        return isinstance(orjson.loads(text), dict | list)
    except orjson.JSONDecodeError:
        return False


def _many(content: object) -> list[Any] | None:
    """The trials of an array, or of what a register answers to a search."""
    if isinstance(content, dict):
        content = next((content[key] for key in _ROWS if isinstance(content.get(key), list)), None)
    return content if isinstance(content, list) else None


def _is_table(body: str) -> bool:
    header = body.lstrip().partition("\n")[0]
    return "," in header and is_table_header(tuple(header.split(",")))


def _cells(body: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(body.lstrip(), newline=""), strict=True))
    except csv.Error as error:
        raise UnusableTrial("", f"The table cannot be read: {error}.") from None


def _rows(body: str) -> Iterator[Part]:
    header, *rows = _cells(body) or [[]]
    if not is_table_header(tuple(header)):
        raise UnusableTrial("", "The table needs a header with the columns `nct_id` and `eligibility_criteria`.")
    for number, row in enumerate(rows, 1):
        # A second line of headings repeats the names; it is no trial.
        if any(cell.strip() for cell in row) and [each.strip() for each in row] != [each.strip() for each in header]:
            written = io.StringIO(newline="")
            csv.writer(written).writerows([header, row])
            yield Part(f"row {number}", CSV, written.getvalue())


def _row(body: str) -> Sent:
    parts = list(_rows(body))
    if len(parts) != 1:
        raise UnusableTrial(
            "", f"The table has {len(parts)} trials. Send one at a time, or give the file to `eligo import`."
        )
    header, row = _cells(parts[0].body)
    return Sent(Form.ROW, parts[0].body, dict(zip(header, row, strict=False)))
