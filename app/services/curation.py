"""A person's reading of a trial: corrections of what was read, and what becomes of them when the text is amended.

Plain functions on stored documents (JSON text), so that they can run in a worker process. The words of the registration
are never changed; a correction changes what they are read as.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import replace
from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from app.criteria.codec import CodecProblem, CodecProblems, decode, encode
from app.emitters.prose import says
from app.knowledge.known import unknown_names
from app.reader import reading_of
from app.services.forms import load_json
from app.services.reading import dumps

if TYPE_CHECKING:
    from app.criteria.nodes import Criterion
    from app.knowledge.catalogue import Catalogue

Json = dict[str, Any]
CORRECTED = "Corrected by a person."
KEPT = "A person's reading is kept from version "
_AS_STORED = ("kind", "text", "span", "number")
_DERIVED = frozenset({"says", "reading", "notes", "reviewed"})
_KEYS = frozenset({"id", "expression", "note", *_AS_STORED, *_DERIVED})
_MAX_NOTE = 1000
_MOST_PROBLEMS = 100
"""More are not told at once: who has so many has sent something else."""


def correct(document: str, body: str | bytes, catalogue: Catalogue) -> str | None:
    """The document with a person's corrections; None where it says all of that already.

    `body` is `{"criteria": [{"id": ..., "expression": ..., "note": ...}]}`; criteria that are not listed stay as they
    are. A criterion may come as a Trial gives it out: what is derived from the expression is not looked at, and what is
    the registration's must be unchanged. NotJson, CodecProblems (all of them, with pointers into the body).
    """
    trial = orjson.loads(document)
    by_id = {each["id"]: each for each in trial["criteria"]}
    problems: list[CodecProblem] = []
    changed = False
    listed = _listed(load_json(body), problems)
    for index, given in enumerate(listed):
        stored = _meant(given, f"/criteria/{index}", by_id, problems)
        node = _expression(given, f"/criteria/{index}", catalogue, problems)
        note = _note(given, f"/criteria/{index}", problems)
        if len(problems) >= _MOST_PROBLEMS:
            raise CodecProblems(tuple(problems[:_MOST_PROBLEMS]))
        if stored is not None and node is not None:
            changed = _apply(stored, node, note, catalogue) or changed
    _once(listed, problems)
    if problems:
        raise CodecProblems(tuple(problems))
    return dumps(trial).decode() if changed else None


class Carried(NamedTuple):
    """A document read anew, with what a person had corrected before. `is_same`: no criterion is another one now."""

    document: str
    is_same: bool


def carry(reviewed: str, version: int, read: str) -> Carried:
    """What was read from a registration, with a person's readings of `version` where the words have not changed."""
    before, now = orjson.loads(reviewed)["criteria"], orjson.loads(read)
    waiting: defaultdict[tuple[str, str], deque[Json]] = defaultdict(deque)
    for each in before:
        waiting[_key(each)].append(each)
    counts, counts_now = Counter(map(_key, before)), Counter(map(_key, now["criteria"]))
    for each in now["criteria"]:
        key = _key(each)
        if not waiting[key]:
            continue
        old = waiting[key].popleft()
        # The same words twice, one of them gone: which of them the person meant is not certain.
        is_certain = counts[key] == counts_now[key]
        if old.get("reviewed") and is_certain:
            told = [one for one in old["notes"] if one.startswith(KEPT)]
            each["expression"] = _moved(old["expression"], old, each)
            each["says"], each["reading"] = old["says"], old["reading"]
            each["notes"] = [*old["notes"], *([] if told else [f"{KEPT}{version}; its words are the same."])]
            each["reviewed"] = True
    is_same = list(map(_key, before)) == list(map(_key, now["criteria"]))
    return Carried(dumps(now).decode(), is_same)


def is_corrected(document: str) -> bool:
    """Whether a person has corrected any criterion of it."""
    return any(each.get("reviewed") for each in orjson.loads(document)["criteria"])


def _listed(body: object, problems: list[CodecProblem]) -> list[Any]:
    criteria = body.get("criteria") if isinstance(body, dict) else None
    if isinstance(criteria, list) and criteria:
        return criteria
    problems.append(
        CodecProblem(
            "/criteria", "There is no list of corrected criteria.", 'Send {"criteria": [{"id", "expression"}]}.'
        )
    )
    return []


def _once(listed: list[Any], problems: list[CodecProblem]) -> None:
    seen: set[str] = set()
    for index, each in enumerate(listed):
        name = each.get("id") if isinstance(each, dict) else None
        if isinstance(name, str):
            if name in seen:
                problems.append(
                    CodecProblem(f"/criteria/{index}/id", f"{name!r} is given twice.", "Give each criterion once.")
                )
            seen.add(name)


def _meant(given: object, here: str, by_id: dict[str, Json], problems: list[CodecProblem]) -> Json | None:
    """The stored criterion that is corrected; what is the registration's must be as it is there."""
    if not isinstance(given, dict):
        problems.append(CodecProblem(here, "A correction is an object.", 'Write {"id": ..., "expression": {...}}.'))
        return None
    for key in given:
        if key not in _KEYS:
            known = ", ".join(sorted(_KEYS - _DERIVED))
            problems.append(
                CodecProblem(f"{here}/{_escaped(key)}", "A correction has no such key.", f"It may have: {known}.")
            )
    name = given.get("id")
    stored = by_id.get(name) if isinstance(name, str) else None
    if stored is None:
        near = get_close_matches(str(name), by_id, n=3, cutoff=0.5) or list(by_id)[:5]
        what = "The correction has no id." if name is None else f"The trial has no criterion {str(name)[:60]!r}."
        problems.append(CodecProblem(f"{here}/id", what, f"Its criteria are called {', '.join(near)} ..."))
        return None
    for key in _AS_STORED:
        if key in given and given[key] != stored[key]:
            remedy = (
                "Keep the side, and put the expression into `not`."
                if key == "kind"
                else "Leave it out, or as it is: a correction changes what the words are read as."
            )
            problems.append(
                CodecProblem(f"{here}/{key}", "This is the registration's own and is not corrected.", remedy)
            )
    return stored


def _expression(given: object, here: str, catalogue: Catalogue, problems: list[CodecProblem]) -> Criterion | None:
    if not isinstance(given, dict):
        return None
    if "expression" not in given:
        problems.append(CodecProblem(f"{here}/expression", "The correction has no expression.", "Add `expression`."))
        return None
    try:
        node = decode(given["expression"])
    except CodecProblems as found:
        problems += [replace(each, pointer=f"{here}/expression{each.pointer}") for each in found.problems]
        return None
    unknown = tuple(islice(unknown_names(node, catalogue), _MOST_PROBLEMS))
    problems += [replace(each, pointer=f"{here}/expression{each.pointer}") for each in unknown]
    return None if unknown else node


def _note(given: object, here: str, problems: list[CodecProblem]) -> str:
    note = given.get("note", "") if isinstance(given, dict) else ""
    if isinstance(note, str) and len(note) <= _MAX_NOTE and "\0" not in note:
        return " ".join(note.split())
    problems.append(
        CodecProblem(f"{here}/note", "The note is no text of a fitting length.", f"At most {_MAX_NOTE} characters.")
    )
    return ""


def _apply(stored: Json, node: Criterion, note: str, catalogue: Catalogue) -> bool:
    """Put the correction into the stored criterion; whether that changed anything."""
    # The same meaning without its quotes (or with others) is the same expression: the quotes that are there stay.
    is_new = node != decode(stored["expression"])
    expression = encode(node) if is_new else stored["expression"]
    notes = [CORRECTED] if is_new else list(stored["notes"])
    if note and note not in notes:
        notes.append(note)
    if not is_new and stored.get("reviewed") and notes == stored["notes"]:
        return False
    stored.update(
        expression=expression, says=says(node, catalogue), reading=reading_of(node).value, notes=notes, reviewed=True
    )
    return True


def _key(criterion: Json) -> tuple[str, str]:
    return criterion["kind"], " ".join(criterion["text"].split())


def _moved(expression: Any, old: Json, new: Json) -> Any:
    """The expression with its quotes where the words stand now; without them where white space has changed."""
    by = new["span"][0] - old["span"][0] if new["text"] == old["text"] else None
    if isinstance(expression, list):
        return [_moved(each, old, new) for each in expression]
    if not isinstance(expression, dict):
        return expression
    moved = {key: _moved(each, old, new) for key, each in expression.items() if key != "quote"}
    quote = expression.get("quote")
    if isinstance(quote, dict) and by is not None and quote["start"] + by >= 0:
        moved["quote"] = {**quote, "start": quote["start"] + by, "end": quote["end"] + by}
    return moved


def _escaped(key: str) -> str:
    return str(key)[:60].replace("~", "~0").replace("/", "~1")
