"""What is read, as it is stored and given out: registrations and criteria as JSON. Plain functions without I/O."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

import orjson

from app.criteria.codec import encode, encode_record
from app.emitters.prose import says
from app.fhir.errors import TooDeep
from app.reader import (
    UnusableStudy,
    read_criteria_list,
    read_criteria_text,
    read_registration,
    read_research_study,
    read_row,
    read_study,
    read_study_xml,
)
from app.services.forms import Form, UnusableTrial, sent_trial

if TYPE_CHECKING:
    from app.knowledge.catalogue import Catalogue
    from app.reader import ReadCriterion, Registration
    from app.services.forms import Sent

MAX_TRIAL_ID = 128
TRIAL_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_TRIAL_ID - 1}}}")
_MAX_SLUG = 80
_NUMBER_AT = {
    Form.STUDY: "/protocolSection/identificationModule/nctId",
    Form.LIST: "/nct_id",
}


@dataclass(frozen=True, slots=True)
class ReadTrial:
    """A trial as it was read, ready to be stored.

    `document` is the trial as JSON text: everything of the contract's `Trial` but its version; `record` is the
    registration record as JSON text. `source_digest` addresses what was sent, `digest` that and all that was read from
    it, so that a better reader makes a new version of an old text.
    """

    id: str
    title: str
    status: str
    phase: str
    conditions: tuple[str, ...]
    media_type: str
    source: str
    document: str
    record: str
    digest: str
    source_digest: str


def read_trial(media_type: str, body: str, number: str | None, catalogue: Catalogue) -> ReadTrial:
    """Read what somebody registers. UnusableTrial where it has no criteria, or is nothing that is read here; NotJson.

    `number` is the registry number to know it by where the text itself has none.
    """
    sent = sent_trial(media_type, body)
    registration = read_sent(sent, "", catalogue)
    _check(sent, registration)
    if not registration.criteria:
        raise UnusableTrial("", "No criteria were found. Send the eligibility criteria with the rest of the page.")
    source = sent.body if sent.form in {Form.PAGE, Form.XML, Form.ROW} else dumps_sorted(sent.content).decode()
    source_digest = digest_of(sent.form.media_type, source)
    trial_id = registration.id or number or trial_slug(registration) or f"trial-{source_digest.partition(':')[2][:12]}"
    document = dumps(
        {
            "id": trial_id,
            "title": registration.title,
            "status": registration.status,
            "phase": registration.phase,
            "conditions": registration.conditions,
            "text": registration.text,
            "notes": registration.notes,
            "criteria": [criterion_json(each, catalogue) for each in registration.criteria],
        }
    ).decode()
    record = dumps(encode_record(registration.record)).decode()
    return ReadTrial(
        id=trial_id,
        title=registration.title,
        status=registration.status,
        phase=registration.phase,
        conditions=registration.conditions,
        media_type=sent.form.media_type,
        source=source,
        document=document,
        record=record,
        digest=digest_of(sent.form.media_type, source, document, record),
        source_digest=source_digest,
    )


def read_text(text: str, catalogue: Catalogue) -> bytes:
    """`{"criteria": [...]}` of criteria with or without the rest of a page."""
    return dumps({"criteria": [criterion_json(each, catalogue) for each in read_criteria_text(text, catalogue)]})


def read_any(media_type: str, body: str, catalogue: Catalogue) -> bytes:
    """`{"criteria": [...]}` of a registration in any form, without storing it. UnusableTrial, NotJson."""
    registration = read_sent(sent_trial(media_type, body), "", catalogue)
    return dumps({"criteria": [criterion_json(each, catalogue) for each in registration.criteria]})


def read_sent(sent: Sent, pointer: str, catalogue: Catalogue) -> Registration:
    """The registration of what was sent; `pointer` is where that stands in the body. UnusableTrial."""
    try:
        match sent.form:
            case Form.PAGE:
                return read_registration(sent.body, catalogue)
            case Form.XML:
                return read_study_xml(sent.body, catalogue)
            case Form.STUDY:
                return read_study(sent.content, catalogue)
            case Form.LIST:
                return read_criteria_list(sent.content, catalogue)
            case Form.ROW:
                return read_row(sent.content, catalogue)
            case Form.FHIR:
                return read_research_study(sent.content, catalogue)
            case _:
                assert_never(sent.form)
    except UnusableStudy as found:
        raise UnusableTrial(f"{pointer}{found.pointer}", str(found)) from None


def criterion_json(criterion: ReadCriterion, catalogue: Catalogue) -> dict[str, Any]:
    """A criterion as the contract has it."""
    return {
        "id": criterion.id,
        "kind": criterion.kind,
        "number": criterion.number,
        "text": criterion.text,
        "span": criterion.span,
        "reading": criterion.reading,
        "says": says(criterion.expression, catalogue),
        "expression": encode(criterion.expression),
        "notes": criterion.notes,
    }


def trial_slug(registration: Registration) -> str:
    """Lower-case words of the title joined by hyphens; "" where it has none, or no Latin letter or digit in it."""
    title = registration.record.brief_title or registration.record.official_title
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if len(words) <= _MAX_SLUG:
        return words
    # Cut between words, unless the first is longer than all that may stand.
    return words[:_MAX_SLUG].rpartition("-")[0] or words[:_MAX_SLUG]


def digest_of(*parts: str) -> str:
    """The address of content: equal parts, equal address."""
    return f"sha256:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}"


def dumps(value: Any) -> bytes:
    """JSON. TooDeep."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # its one cause here: more than 254 levels
        raise TooDeep from None


def dumps_sorted(value: Any) -> bytes:
    """JSON whose keys are in order, so that equal values are equal texts. TooDeep."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        raise TooDeep from None


def _check(sent: Sent, registration: Registration) -> None:
    shown = (registration.title, registration.status, registration.phase, *registration.conditions)
    if "\0" in "".join((sent.body, *shown)):
        raise UnusableTrial("", "The text has a NUL character (U+0000) in it; no registration has one.")
    if registration.id is not None and not TRIAL_ID.fullmatch(registration.id):
        raise UnusableTrial(
            _NUMBER_AT.get(sent.form, ""),
            f"{registration.id!r} is no registry number: at most {MAX_TRIAL_ID} letters, digits, `.`, `_` and `-`.",
        )
