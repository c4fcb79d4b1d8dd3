"""CDS Hooks cards (2.0, "Card attributes"): what a clinician should know of a trial that this patient may fit.

A card offers and never decides. No empty strings, lists or nulls: fields without a value are left out, as the
specification asks.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Json = dict[str, Any]
MAX_SUMMARY: Final = 139
EXTENSION: Final = "org.eligo.criteria"
_MOST_ROWS: Final = 8
_MOST_TESTS: Final = 5
_NOT_A_DEVICE: Final = "Eligo supports people who screen; it enrols nobody. Check every criterion with the protocol."
_REASONS_SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
_REASONS: Final = {
    "patient-ineligible": "The patient is not eligible",
    "patient-refuses": "The patient does not want to take part",
    "limited-time": "No time for it now",
    "wrong-time-workflow": "Not the right moment in the work",
    "need-more-info": "More information is needed",
    "does-not-align-latest-evidence": "It does not go with the latest evidence",
}
_NCT = re.compile(r"NCT\d{8}")
_NCT_SYSTEM: Final = "https://clinicaltrials.gov/nctid"
_LOINC: Final = "http://loinc.org"
_ESCAPED: Final = str.maketrans({each: f"\\{each}" for each in "\\`*_{}[]<>|#!~"})


@dataclass(frozen=True, slots=True)
class CardMaker:
    """Makes the cards of one call.

    `public` is the address under which this service is reached, `base` that of its canonical URLs; `instance` is the
    call's hookInstance; `smart_url`, where set, launches an app beside the card.
    """

    public: str
    base: str
    instance: str
    smart_url: str = ""

    def trial(self, report: Json, *, breaks: Sequence[str] = (), notes: Sequence[str] = ()) -> Json:
        """The card of one trial. With `breaks`, the criteria that an order would violate, it warns of that order."""
        trial = report["trial"]
        counts = report["counts"]
        card_id = card_uuid(trial["id"], self.instance)
        card: Json = {
            "uuid": str(card_id),
            "summary": _summary(trial, counts, report, breaks),
            "detail": _detail(report, breaks, notes),
            "indicator": "warning" if breaks else "info",
            "source": self._source(),
            "overrideReasons": override_reasons(),
            "links": self._links(trial),
            "extension": {EXTENSION: _extension(report)},
        }
        suggestions = [] if breaks else _suggestions(report, card_id)
        if suggestions:
            card |= {"suggestions": suggestions, "selectionBehavior": "any"}
        return card

    def more(self, summaries: Sequence[Json], *, is_broken: bool = False) -> Json:
        """One card for all trials that have none of their own; with `is_broken`, those that an order would rule out."""
        count = f"{len(summaries)} more trial{'s' if len(summaries) > 1 else ''}"
        lines = [
            f"- **{_cell(each['trial']['id'])}** {_cell(each['trial']['title'])}: {_tally(each['counts'])}"
            for each in summaries
        ]
        return {
            "uuid": str(card_uuid("", self.instance)),
            "summary": f"This order would rule the patient out of {count}"
            if is_broken
            else f"{count} may fit this patient",
            "detail": "\n".join([*lines[:50], "", _NOT_A_DEVICE]),
            "indicator": "warning" if is_broken else "info",
            "source": self._source(),
        }

    def _source(self) -> Json:
        topic = {
            "system": f"{self.base}/CodeSystem/card-topic",
            "code": "trial-eligibility",
            "display": "Trial eligibility",
        }
        return {"label": "Eligo trial screening", "url": self.public, "topic": topic}

    def _links(self, trial: Json) -> list[Json]:
        links = []
        if _NCT.fullmatch(trial["id"]):
            url = f"https://clinicaltrials.gov/study/{trial['id']}"
            links.append({"label": "The registration", "url": url, "type": "absolute"})
        report = f"{self.public}/v1/trials/{trial['id']}?version={trial['version']}"
        links.append({"label": "The criteria as Eligo reads them", "url": report, "type": "absolute"})
        if self.smart_url:
            context = f'{{"trial":"{trial["id"]}","version":{trial["version"]}}}'
            links.append(
                {"label": "Go through the criteria", "url": self.smart_url, "type": "smart", "appContext": context}
            )
        return links


# --- ids that need no memory ---------------------------------------------------------------------------------------


def card_uuid(trial_id: str, instance: str) -> uuid.UUID:
    """The id of a trial's card in one call (RFC 9562, version 8): its first half names the trial, its second the call.

    So feedback on a card can be told to be about a trial without anything being kept of the call.
    """
    trial, call = _digest(trial_id), hashlib.sha256(f"{instance}\0{trial_id}".encode()).digest()
    raw = bytearray(trial + call[:8])
    raw[6] = 0x80 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    return uuid.UUID(bytes=bytes(raw))


def trial_of_card(card: uuid.UUID, trial_ids: Iterable[str]) -> str | None:
    """Which of the trials a card was about; "" for the card of all further ones, None where it is none of ours."""
    first = bytearray(card.bytes[:8])
    for each in ("", *trial_ids):
        mine = bytearray(_digest(each))
        mine[6] = 0x80 | mine[6] & 0x0F
        if first == mine:
            return each
    return None


def suggestion_uuid(card: uuid.UUID, kind: str) -> str:
    """The id of a suggestion on a card."""
    return str(uuid.uuid5(card, kind))


SUGGESTIONS: Final = ("contact", "ineligible", *(f"test-{number}" for number in range(_MOST_TESTS)))


def kind_of_suggestion(card: uuid.UUID, suggestion: str) -> str | None:
    """What was suggested under an id; None where it is none of ours."""
    return next((each for each in SUGGESTIONS if suggestion_uuid(card, each) == suggestion.lower()), None)


def _digest(trial_id: str) -> bytes:
    return hashlib.sha256(b"eligo-card\0" + trial_id.encode()).digest()[:8]


def override_reasons() -> list[Json]:
    """Why a card may be put aside."""
    return [{"code": code, "system": _REASONS_SYSTEM, "display": display} for code, display in _REASONS.items()]


def is_override_reason(code: str, system: str) -> bool:
    """Whether it is one of those that cards offer."""
    return code in _REASONS and system == _REASONS_SYSTEM


# --- words ----------------------------------------------------------------------------------------------------------


def _summary(trial: Json, counts: Mapping[str, int], report: Json, breaks: Sequence[str]) -> str:
    if breaks:
        start = f"This order would rule the patient out of {trial['id']}"
        until = [each["passesFrom"] for each in report["criteria"] if each["id"] in breaks and each["passesFrom"]]
        text = f"{start} ({', '.join(breaks)}){f' until {max(until)}' if len(until) == len(breaks) else ''}"
        return text if len(text) <= MAX_SUMMARY else start[:MAX_SUMMARY]
    head = f"{trial['id']}: {_tally(counts)}"
    title = " ".join(trial["title"].split())
    room = MAX_SUMMARY - len(head) - 3
    if title not in {"", trial["id"]} and room >= 12:
        head += f" - {title if len(title) <= room else title[: room - 1].rstrip() + '…'}"
    return head[:MAX_SUMMARY]


def _tally(counts: Mapping[str, int]) -> str:
    binding = sum(counts[each] for each in ("pass", "fail", "unknown", "review"))
    parts = [f"{counts['pass']} of {binding} criteria met"]
    for status, words in (("fail", "not met"), ("unknown", "need data"), ("review", "need a person")):
        if counts[status]:
            parts.append(f"{counts[status]} {words}")
    return ", ".join(parts)


def _detail(report: Json, breaks: Sequence[str], notes: Sequence[str]) -> str:
    criteria = report["criteria"]
    by = {
        status: [each for each in criteria if each["status"] == status]
        for status in ("pass", "fail", "unknown", "review")
    }
    broken = [each for each in criteria if each["id"] in breaks]
    blocks = [f"**{_cell(report['trial']['title'])}**", *[f"> {_cell(each)}" for each in notes]]
    blocks += _table("What the order would break", broken, _proof)
    blocks += _table("What speaks against", [each for each in by["fail"] if each not in broken], _proof)
    blocks += _table("What fits", by["pass"], _proof)
    blocks += _table("What is missing", by["unknown"], _missing)
    blocks += _table("What a person must say", by["review"], _asked)
    return "\n\n".join([*blocks, f"As of {report['asOf']}. {_NOT_A_DEVICE}"])


def _table(title: str, criteria: Sequence[Json], last: Any) -> list[str]:
    if not criteria:
        return []
    rows = [f"| {each['id']} | {_cell(each['text'], 140)} | {last(each)} |" for each in criteria[:_MOST_ROWS]]
    if len(criteria) > _MOST_ROWS:
        rows.append(f"| | and {len(criteria) - _MOST_ROWS} more | |")
    return [f"**{title}**", "\n".join(["| | Criterion | What the record shows |", "| --- | --- | --- |", *rows])]


def _proof(criterion: Json) -> str:
    """The values that decide it, each with its date and where it stands; of a verdict by absence, its reason."""
    shown = [each for each in criterion["evidence"] if each["role"] != "considered"] or criterion["evidence"]
    return "; ".join(map(_value, shown[:3])) or _cell(criterion["explanation"], 160)


def _value(evidence: Json) -> str:
    when = f" ({_cell(evidence['effective'])})" if evidence["effective"] else ""
    return f"{_cell(evidence['value'], 80)}{when}, {_cell(evidence['reference'], 120)}"


def _missing(criterion: Json) -> str:
    texts = list(dict.fromkeys(each["text"] for each in criterion["missing"]))
    return _cell("; ".join(texts[:3]) + ("; …" if len(texts) > 3 else ""), 240)


def _asked(criterion: Json) -> str:
    return _cell(" ".join(each["text"] for each in criterion["questions"][:2]), 240)


def _cell(text: str, most: int = 400) -> str:
    """Text as a table cell or line shows it: nothing in it is Markdown or HTML (GitHub Flavored Markdown, 2.4, 6.6)."""
    plain = " ".join(text.split())
    plain = plain if len(plain) <= most else plain[: most - 1].rstrip() + "…"
    return plain.translate(_ESCAPED)


_TOLD: Final = (
    "id", "kind", "text", "status", "holds", "basis", "evidence", "missing", "questions", "passesFrom",
)  # fmt: skip


def _extension(report: Json) -> Json:
    """Everything of the report that a program may want, without the parts of criteria."""
    criteria = [{key: each[key] for key in _TOLD} for each in report["criteria"]]
    told: Json = _without_empty(
        {**{key: report[key] for key in ("trial", "overall", "asOf", "counts")}, "criteria": criteria}
    )
    return told


def _without_empty(value: Any) -> Any:
    """Without nulls, and without empty texts, lists and objects."""
    kind = type(value)  # JSON as it was decoded has no subclasses
    if kind is dict:
        made = {}
        for key, each in value.items():
            kept = _without_empty(each) if type(each) is dict or type(each) is list else each
            if kept or kept is False or kept == 0:
                made[key] = kept
        return made
    if kind is list:
        return [_without_empty(each) for each in value]
    return value


# --- what can be done -----------------------------------------------------------------------------------------------


def _suggestions(report: Json, card: uuid.UUID) -> list[Json]:
    trial, patient = report["trial"], report["patient"]
    subject = {"reference": patient}
    made = []
    if not report["counts"]["fail"]:
        text = f"Ask the study team of {trial['id']} whether the patient can be screened"
        task = {
            "resourceType": "Task",
            "status": "draft",
            "intent": "proposal",
            "description": text,
            "for": subject,
            "input": [{"type": {"text": "Clinical trial"}, "valueString": trial["id"]}],
        }
        made.append(_suggestion(card, "contact", "Contact the study team", text, task, is_recommended=True))
    for number, test in enumerate(_tests(report)):
        text = f"Order {test['text']}"
        request = {
            "resourceType": "ServiceRequest",
            "status": "draft",
            "intent": "proposal",
            "code": {"coding": [test["code"]], "text": test["text"]},
            "subject": subject,
            "note": [{"text": f"Asked for by a criterion of {trial['id']}"}],
        }
        made.append(_suggestion(card, f"test-{number}", text[:120], text, request))
    text = f"Note that the patient is not eligible for {trial['id']}"
    study: Json = {"display": trial["title"] or trial["id"]}
    if _NCT.fullmatch(trial["id"]):
        study["identifier"] = {"system": _NCT_SYSTEM, "value": trial["id"]}
    subject_of_research = {
        "resourceType": "ResearchSubject",
        "status": "ineligible",
        "study": study,
        "individual": subject,
    }
    made.append(_suggestion(card, "ineligible", "Document as not eligible", text, subject_of_research))
    return made


def _suggestion(
    card: uuid.UUID, kind: str, label: str, text: str, resource: Json, *, is_recommended: bool = False
) -> Json:
    made: Json = {
        "label": label,
        "uuid": suggestion_uuid(card, kind),
        "actions": [{"type": "create", "description": text, "resource": resource}],
    }
    return made | {"isRecommended": True} if is_recommended else made


def _tests(report: Json) -> list[Json]:
    """The tests that would settle open criteria, each once: those that have a LOINC code."""
    found: dict[str, Json] = {}
    for criterion in report["criteria"]:
        for each in criterion["missing"] if criterion["status"] == "unknown" else ():
            code = each["code"]
            if each["type"] == "Observation" and code is not None and code["system"] == _LOINC:
                found.setdefault(code["code"], {"code": code, "text": each["text"]})
    return list(found.values())[:_MOST_TESTS]
