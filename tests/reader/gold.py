"""The gold set: criterion lines of real registrations, quoted by offset, and what each of them means.

The texts are not in the repository: a line is `text[at[0]:at[1]]` of the registration that its file names, held to the
first digits of its hash. `at` counts in the eligibility text alone where the source is a record (JSON, XML, CSV).
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import yaml

from app.knowledge.catalogue import Catalogue
from app.reader import read_registration, read_study
from app.reader.registration import ReadCriterion

CASES = Path(__file__).parents[1] / "cases" / "reading"
HALVES = ("develop", "measure")

_HASH_DIGITS = 8


@dataclass(frozen=True, slots=True)
class GoldLine:
    """One line: [start, end) in the eligibility text, the list it stands in, and its accepted readings (outlines)."""

    trial: str
    start: int
    end: int
    side: str
    reads: tuple[str, ...]
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GoldTrial:
    """One registration with its gold lines, as the reader sees it: `text` is what the offsets and spans count in."""

    trial: str
    text: str
    lines: tuple[GoldLine, ...]
    criteria: tuple[ReadCriterion, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """An eligibility text and what reads it; `items` are the offsets of a list that came split."""

    text: str
    study: dict[str, Any] | None
    items: dict[int, tuple[int, int]]


class MovedError(AssertionError):
    """A gold line whose offsets do not lead to the words it was written for."""

    def __init__(self, trial: str, place: object) -> None:
        super().__init__(f"{trial}: the words at {place} are not those that this gold line was written for.")


def gold_files(half: str) -> list[Path]:
    """The files of one half, sorted."""
    return sorted((CASES / half).glob("*.yaml"))


def is_here(file: Path, shared: Path) -> bool:
    """Whether the registration that a gold file quotes lies on this machine."""
    return (shared / "data" / "trials" / _load(file)["source"].partition("#")[0]).is_file()


def read_gold(file: Path, shared: Path, catalogue: Catalogue) -> GoldTrial:
    """The gold lines of one file beside what the reader makes of the same registration.

    Raises MovedError where the text at an offset is not the text the line was written for.
    """
    gold = _load(file)
    source = _source(shared / "data" / "trials" / gold["source"], gold["trial"])
    lines = tuple(_line(gold["trial"], raw, source) for raw in gold["lines"])
    read = read_registration(source.text, catalogue) if source.study is None else read_study(source.study, catalogue)
    return GoldTrial(gold["trial"], source.text, lines, read.criteria)


def source_text(file: Path, shared: Path) -> str:
    """The eligibility text that a gold file quotes, as its registration has it; a page as a whole."""
    gold = _load(file)
    return _source(shared / "data" / "trials" / gold["source"], gold["trial"]).text


def _load(file: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(file.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return loaded


def _line(trial: str, raw: dict[str, Any], source: _Source) -> GoldLine:
    place = raw.get("item", raw.get("at"))
    start, end = source.items.get(raw["item"], (0, 0)) if "item" in raw else raw["at"]
    digest = hashlib.sha256(source.text[start:end].encode()).hexdigest()[:_HASH_DIGITS]
    if str(raw["starts"]) != digest:
        raise MovedError(trial, place)
    reads = raw["reads"] if isinstance(raw["reads"], list) else [raw["reads"]]
    return GoldLine(trial, start, end, raw["side"], tuple(reads), tuple(raw["kind"]))


# --- the forms in which registrations lie there ----------------------------------------------------------------------


def _source(path: Path, trial: str) -> _Source:
    if path.suffix == ".txt":
        return _Source(path.read_text(), None, {})
    if path.suffix == ".csv":
        return _table_row(path, trial)
    if path.suffix == ".xml":
        return _xml(path)
    record = json.loads(path.read_text())
    if "protocolSection" in record:
        return _Source(record["protocolSection"]["eligibilityModule"]["eligibilityCriteria"], record, {})
    return _split_list(record)


def _table_row(path: Path, trial: str) -> _Source:
    with path.open(newline="") as file:
        row = next(each for each in csv.reader(file) if each[0] == trial)
    _, title, _, conditions, text = row
    return _Source(text, _study(trial, title, conditions.split("|"), {"eligibilityCriteria": text}), {})


def _xml(path: Path) -> _Source:
    root = ET.parse(path).getroot()
    eligibility = root.find("eligibility")
    assert eligibility is not None
    text = eligibility.findtext("criteria/textblock", "")
    fields = {
        "eligibilityCriteria": text,
        "minimumAge": eligibility.findtext("minimum_age", ""),
        "maximumAge": eligibility.findtext("maximum_age", ""),
        "sex": eligibility.findtext("gender", ""),
    }
    conditions = [each.text or "" for each in root.iter("condition")]
    return _Source(
        text,
        _study(root.findtext("id_info/nct_id", ""), root.findtext("brief_title", ""), conditions, fields),
        {},
    )


def _split_list(record: dict[str, Any]) -> _Source:
    """Criteria that came split, one after the other under their headings, and where each of them stands there."""
    text = ""
    items: dict[int, tuple[int, int]] = {}
    entries = sorted(record["eligibility"]["unstructured"], key=lambda each: each["display_order"])
    for heading, side in (("Inclusion Criteria:", True), ("Exclusion Criteria:", False)):
        text += f"{heading}\n\n"
        for entry in entries:
            if entry["inclusion_indicator"] is side:
                words = re.sub(r"\s*\n\s*", " ", entry["description"].strip())
                items[entry["display_order"]] = (len(text) + 2, len(text) + 2 + len(words))
                text += f"* {words}\n"
        text += "\n"
    fields = {"eligibilityCriteria": text, "sex": record["eligibility"]["structured"].get("sex", "")}
    return _Source(text, _study(record["nct_id"], record["brief_title"], [], fields), items)


def _study(trial: str, title: str, conditions: list[str], eligibility: dict[str, Any]) -> dict[str, Any]:
    return {
        "protocolSection": {
            "identificationModule": {"nctId": trial, "briefTitle": title},
            "conditionsModule": {"conditions": conditions},
            "eligibilityModule": eligibility,
        }
    }
