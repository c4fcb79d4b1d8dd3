"""Prefetch as EHRs really send it (CDS Hooks 2.0, "Prefetch"): absent keys, null, empty Bundles, errors inside, pages,
a whole Bundle under one key or in place of all keys. What is whole, what is lacking, and what is to be fetched yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from app.emitters.prefetch import PATIENT_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.emitters.prefetch import Template

_ERRORS: Final = frozenset({"error", "fatal"})


class _Issue(msgspec.Struct):
    severity: str | None = None


class _Inner(msgspec.Struct, rename="camel"):
    resource_type: str | None = None
    issue: list[_Issue] | None = None


class _Search(msgspec.Struct):
    mode: str | None = None


class _Entry(msgspec.Struct):
    resource: _Inner | None = None
    search: _Search | None = None


class _Link(msgspec.Struct):
    relation: str | None = None
    url: str | None = None


class _Sent(msgspec.Struct, rename="camel"):
    resource_type: str | None = None
    total: int | None = None
    link: list[_Link] | None = None
    entry: list[_Entry] | None = None


_SENT = msgspec.json.Decoder(_Sent)


@dataclass(slots=True)
class Gathered:
    """What is at hand: resources and Bundles as bytes; the types of which all, or not all, is there; what is to be
    fetched, by key: a query, or the address of a further page.
    """

    parts: list[bytes] = field(default_factory=list)
    complete: set[str] = field(default_factory=set)
    incomplete: set[str] = field(default_factory=set)
    wanted: dict[str, str] = field(default_factory=dict)

    def bundle(self, more: Iterable[bytes] = ()) -> bytes:
        """One collection Bundle of everything, and of `more` resources."""
        entries = b",".join(b'{"resource":' + each + b"}" for each in (*self.parts, *more))
        return b'{"resourceType":"Bundle","type":"collection","entry":[' + entries + b"]}"

    def take_pages(self, template: Template, pages: Iterable[bytes], *, is_whole: bool) -> None:
        """Take in what was fetched for a key."""
        self.parts += pages
        if template.is_whole:
            (self.complete if is_whole else self.incomplete).add(template.type)
            if is_whole:
                self.incomplete.discard(template.type)


def gather(prefetch: Mapping[str, bytes], templates: Iterable[Template], patient_id: str) -> Gathered:
    """Sort what was sent. Values are JSON as bytes; keys that no template has are data like any other."""
    gathered = Gathered()
    by_key = {each.key: each for each in templates}
    if _type_of(prefetch.get("resourceType", b"")) == "Bundle":  # one Bundle in place of the keys
        body = b",".join(msgspec.json.encode(key) + b":" + value for key, value in prefetch.items())
        gathered.parts.append(b"{" + body + b"}")
        return gathered
    for key, value in prefetch.items():
        template = by_key.get(key)
        if template is None:
            if _decode(value) is not None:
                gathered.parts.append(value)
        else:
            _take(template, value, gathered, patient_id)
    for key, template in by_key.items():
        if key not in prefetch:
            gathered.wanted[key] = query_of(template, patient_id)
    return gathered


def query_of(template: Template, patient_id: str) -> str:
    """The query with its token filled in. An id has no character that a URL would change (FHIR R4, "id")."""
    return template.query.replace("{{context.patientId}}", patient_id)


def _type_of(raw: bytes) -> str | None:
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _decode(value: bytes) -> _Sent | None:
    """A resource, read as far as needed; None where it is none, or an error."""
    try:
        found = _SENT.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if found.resource_type not in {None, "OperationOutcome"} else None


def _take(template: Template, value: bytes, gathered: Gathered, patient_id: str) -> None:
    if value.strip() == b"null":
        if template.key == PATIENT_KEY:
            gathered.wanted[template.key] = query_of(template, patient_id)
        elif template.is_whole:  # asked for, and there is nothing
            gathered.complete.add(template.type)
        return
    found = _decode(value)
    if found is None:
        gathered.wanted[template.key] = query_of(template, patient_id)
        if template.is_whole:
            gathered.incomplete.add(template.type)
        return
    gathered.parts.append(value)
    if found.resource_type != "Bundle":
        return
    further = next((each.url for each in found.link or () if each.relation == "next" and each.url), None)
    if further is not None:
        gathered.wanted[template.key] = further
    if template.is_whole:
        whole = further is None and not _has_error(found) and not _is_cut(found, template)
        (gathered.complete if whole else gathered.incomplete).add(template.type)


def _has_error(sent: _Sent) -> bool:
    inside = [each.resource for each in sent.entry or () if each.resource is not None]
    return any(
        each.resource_type == "OperationOutcome" and any(issue.severity in _ERRORS for issue in each.issue or ())
        for each in inside
    )


def _is_cut(sent: _Sent, template: Template) -> bool:
    """Whether there is more than was sent, by its total or because as many came as were asked for at most."""
    matches = sum(
        each.resource is not None and (each.search is None or each.search.mode in {None, "match"})
        for each in sent.entry or ()
    )
    if sent.total is not None:
        return sent.total > matches
    return matches >= template.count
