"""A registry page as copied → its fields and where the eligibility text stands. Five mirrors' layouts, none by name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from app.criteria.record import Population
from app.reader.items import Item
from app.reader.registration import read_population, unread_ages
from app.reader.split import split

REGISTRY_ID = re.compile(
    r"\b(NCT\d{8}|ChiCTR[-\w]*\d{4,}|ISRCTN\d{8}|EUCTR\d{4}-\d{6}-\d{2}|\d{4}-\d{6}-\d{2}(?:-\d{2})?|CTR\d{8}|jRCT\w*\d{6,}|DRKS\d{8}|ACTRN\d{14})\b"
)
_ELIGIBILITY = re.compile(
    r"^\W*(?:recruitment\s*(?:&|and)\s*eligibility|eligibility(?: criteria)?|participation criteria|criteria)\W*$",
    re.IGNORECASE,
)
_SIDE = re.compile(r"^\W*(?:(?:key|main|major)\s+)?(?:inclusion|exclusion)\s+criteria\W*", re.IGNORECASE)
_END = re.compile(
    r"^\W*(?:study\s*(?:&|and)\s*design|study design|study details|study type|minimum eligible age|minimum age|"
    r"ages? eligible|sponsors?|(?:trial )?locations?(?: \(\d+\))?|contacts?(?: and locations)?|"
    r"arms?(?:\s*(?:&|and)\s*interventions?.*)?|"
    r"outcome measures|primary outcome.*|responsible party|interventions?|more information|collaborators?.*|study plan|"
    r"participant groups.*|trial locations|documents|faqs)\W*$",
    re.IGNORECASE,
)
_STATUSES = {
    "recruiting": "recruiting",
    "not yet recruiting": "not-yet-recruiting",
    "active, not recruiting": "active-not-recruiting",
    "active not recruiting": "active-not-recruiting",
    "completed": "completed",
    "terminated": "terminated",
    "suspended": "suspended",
    "withdrawn": "withdrawn",
    "enrolling by invitation": "enrolling-by-invitation",
    "unknown": "unknown",
    "unknown status": "unknown",
}
_LABELS = {
    "status": "status",
    "recruitment status": "status",
    "overall status": "status",
    "sex": "sex",
    "eligible sex": "sex",
    "gender": "sex",
    "phase": "phase",
    "clinical phase": "phase",
    "registration number": "id",
    "nct id": "id",
    "lead sponsor": "sponsor",
    "conditions": "condition",
    "condition": "condition",
    "minimum eligible age": "minimum_age",
    "minimum age": "minimum_age",
    "maximum eligible age": "maximum_age",
    "maximum age": "maximum_age",
    "accepts healthy volunteers": "volunteers",
    "target recruitment": "size",
    "total enrollment": "size",
    "interventions": "intervention",
    "title": "title",
}
_BLURB = re.compile(
    r"^(?:see|get|review|check|understand|learn|meet|identify|explore|reach|find|dive)\b", re.IGNORECASE
)
_DESCRIBED = re.compile(
    r"^this (?:is|study is)\b.*?\b(?:evaluating|investigating|assessing)\s+(?:the\s+)?(.+)$", re.IGNORECASE
)
_NOISE = re.compile(r"^(?:image|overview|medpath|powered by ai|home|menu|search|back|share|print|save)$", re.IGNORECASE)
_PHASE_LINE = re.compile(
    r"^(?:early\s+)?phase\s*(\d|i{1,3}v?|iv)(?:\s*/\s*(?:phase\s*)?(\d|i{1,3}v?|iv))?$", re.IGNORECASE
)
_AGE_LINE = re.compile(r"^(\d{1,3})\s*(?:-|to)\s*(\d{1,3})\s*(years?|months?)(?: old)?$", re.IGNORECASE)
_AGE_OPEN = re.compile(r"^(\d{1,3})\s*(years?|months?)\s*(?:and (?:older|above|over)|\+)$", re.IGNORECASE)
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4"}


@dataclass(slots=True)
class Page:
    """What a page gives, before its criteria are read; `region` is where they stand, `headings` the headings there."""

    id: str | None = None
    title: str = ""
    status: str = ""
    phase: str = ""
    sponsor: str = ""
    conditions: list[str] = field(default_factory=list)
    population: Population = field(default_factory=Population)
    notes: tuple[str, ...] = ()
    items: list[Item] = field(default_factory=list)
    region: tuple[int, int] = (0, 0)
    headings: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True)
class _Line:
    text: str
    start: int
    end: int


def read_page(text: str) -> Page:
    """The fields and items of a page. `text` is normalised and keeps the source's offsets."""
    lines = [_Line(m[0].strip(), m.start(), m.end()) for m in re.finditer(r"[^\n]+", text) if m[0].strip()]
    page = Page()
    begin, stop = _eligibility(lines, len(text))
    fields, used = _fields(lines, stop)
    page.id = _find_id(text, fields)
    page.status = _status(fields.get("status", ""), lines)
    page.phase = _phase(fields.get("phase", ""), lines)
    page.sponsor = fields.get("sponsor", "")
    low, high = _ages(fields, lines)
    page.population = read_population(low, high, fields.get("sex", ""), fields.get("volunteers", ""))
    page.notes = unread_ages(low, high)
    page.conditions = _conditions(fields, lines)
    page.title = _title(lines, fields)
    start = max([begin, *(end for end in used if begin <= end < stop)])
    found = split(text, start, stop, None)
    page.items, page.headings, page.region = found.items, found.headings, (start, stop)
    return page


def _eligibility(lines: list[_Line], length: int) -> tuple[int, int]:
    """[start, end) of the eligibility text: from its heading (the last one before the lists) to the next section."""
    first_list = next((i for i, line in enumerate(lines) if _SIDE.match(line.text)), None)
    headings = [i for i, line in enumerate(lines) if _ELIGIBILITY.match(line.text)]
    if first_list is None and not headings:
        return 0, length
    begin = headings[-1] + 1 if first_list is None else first_list
    end = next((i for i in range(begin, len(lines)) if _END.match(_bare(lines[i].text))), None)
    if begin >= len(lines):
        return length, length
    return lines[begin].start, length if end is None else lines[end].start


def _bare(text: str) -> str:
    return text.lstrip("-•* ").strip()


def _fields(lines: list[_Line], _stop: int) -> tuple[dict[str, str], list[int]]:
    """Label → value: after a colon, or on the next line (a sentence of advice between is passed over)."""
    found: dict[str, str] = {}
    used: list[int] = []
    for i, line in enumerate(lines):
        bare = _bare(line.text)
        label, _, inline = bare.partition(":")
        name = _LABELS.get(label.strip().lower())
        if name is None:
            continue
        if inline.strip():
            found.setdefault(name, inline.strip())
            continue
        j = i + 1
        if j < len(lines) and _BLURB.match(_bare(lines[j].text)):
            j += 1
        is_value = j < len(lines) and _LABELS.get(_bare(lines[j].text).rstrip(":").lower()) is None
        if is_value and name not in found:
            found[name] = _bare(lines[j].text)
            used.append(lines[j].end)
    return found, used


def _find_id(text: str, fields: dict[str, str]) -> str | None:
    labelled = REGISTRY_ID.search(fields.get("id", ""))
    match = labelled or REGISTRY_ID.search(text)
    return match[1] if match else None


def _status(value: str, lines: list[_Line]) -> str:
    for candidate in [value, *(line.text for line in lines[:40])]:
        status = _STATUSES.get(candidate.lower().replace("_", " ").strip())
        if status:
            return status
    return "unknown"


def _phase(value: str, lines: list[_Line]) -> str:
    for candidate in [value, *(line.text for line in lines[:40])]:
        match = _PHASE_LINE.match(
            candidate.replace("PHASE", "PHASE ").replace("/ PHASE", "/PHASE").replace("  ", " ").strip()
        )
        if match:
            return "/".join(_ROMAN.get(g.lower(), g) for g in match.groups() if g)
    return ""


def _ages(fields: dict[str, str], lines: list[_Line]) -> tuple[str, str]:
    low, high = fields.get("minimum_age", ""), fields.get("maximum_age", "")
    if not low and not high:
        for line in lines[:40]:
            if match := _AGE_LINE.match(line.text):
                low, high = f"{match[1]} {match[3]}", f"{match[2]} {match[3]}"
                break
            if match := _AGE_OPEN.match(line.text):
                low = f"{match[1]} {match[2]}"
                break
    return low, high


def _conditions(fields: dict[str, str], lines: list[_Line]) -> list[str]:
    value = fields.get("condition", "")
    if not value:
        # One mirror prints the conditions under "Study details", before the registry number.
        for i, line in enumerate(lines):
            if re.match(r"^study details$", line.text, re.IGNORECASE):
                for after in lines[i + 1 : i + 4]:
                    if REGISTRY_ID.match(after.text):
                        break
                    value = f"{value}, {after.text}".strip(", ")
                break
    return [part.strip() for part in re.split(r"[,;|]", value) if part.strip()]


def _title(lines: list[_Line], fields: dict[str, str]) -> str:
    if title := fields.get("title"):
        return title
    for line in lines:
        if _NOISE.match(line.text) or _PHASE_LINE.match(line.text):
            continue
        if _SIDE.match(line.text) or _ELIGIBILITY.match(line.text):
            return ""  # the text begins with the criteria: it has no title
        sentence = re.split(r"(?<=[a-z)])\.\s", line.text)[0]
        if described := _DESCRIBED.match(sentence):
            sentence = described[1][:1].upper() + described[1][1:]
        return sentence.rstrip(".")[:200]
    return ""
