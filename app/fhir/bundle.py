"""Bytes of a Bundle become its entries: in one strict pass, or, where anything in it is malformed, entry by entry.

The second way finds out which resource is at fault and keeps what can be read of it, so that a broken diagnosis is
not taken for none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from app.evaluator.facts import Warning_
from app.fhir.datatypes import NO_BYTES, Raw, Shape
from app.fhir.errors import NotABundle, NotJson, TooDeep
from app.fhir.resources import READ, UNREAD, AnyResource, Link, NestedBundle, Resource, Unread

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BY_NAME: dict[str, type[Resource]] = {each.__struct_config__.tag: each for each in (*READ, *UNREAD)}  # type: ignore[misc]

# Search parameters that do not narrow what a search finds of one patient.
_HARMLESS = frozenset(
    {
        "patient", "subject", "_count", "_format", "_pretty", "_sort", "_total", "_include", "_revinclude", "_summary",
        "_elements", "_offset", "_getpages", "_getpagesoffset", "_bundletype", "_page", "page", "_skip", "_maxresults",
    }
)  # fmt: skip


class Entry(Shape):
    """Bundle.entry."""

    full_url: str | None = None
    resource: AnyResource | None = None
    request: Raw = NO_BYTES
    response: Raw = NO_BYTES


class _Bundle(Shape):
    resource_type: str | None = None
    type: str | None = None
    link: list[Link] | None = None
    entry: list[Entry] | None = None


class _LooseEntry(Shape):
    full_url: Raw = NO_BYTES
    resource: Raw = NO_BYTES
    request: Raw = NO_BYTES
    response: Raw = NO_BYTES


class _LooseBundle(Shape):
    resource_type: Raw = NO_BYTES
    type: Raw = NO_BYTES
    link: Raw = NO_BYTES
    entry: Raw = NO_BYTES


_BUNDLE = msgspec.json.Decoder(_Bundle)
_LOOSE_BUNDLE = msgspec.json.Decoder(_LooseBundle)
_ENTRIES = msgspec.json.Decoder(list[Entry])
_LOOSE_ENTRIES = msgspec.json.Decoder(list[Raw])
_LOOSE_ENTRY = msgspec.json.Decoder(_LooseEntry)
_RESOURCE = msgspec.json.Decoder(AnyResource)
_ELEMENTS = msgspec.json.Decoder(dict[str, Raw])
_TEXT = msgspec.json.Decoder(str)
_LINKS = msgspec.json.Decoder(list[Link])


@dataclass(frozen=True, slots=True)
class Search:
    """An answer to a search: which type it was for, and for whom ("" where the address does not say)."""

    type: str
    patient: str


@dataclass(slots=True)
class Opened:
    """What a Bundle holds; some entries have no resource. `broken` are the ids (Python's) of resources that were only
    read in part.
    """

    entries: list[Entry] = field(default_factory=list)
    broken: set[int] = field(default_factory=set)
    searches: list[Search] = field(default_factory=list)
    warnings: list[Warning_] = field(default_factory=list)


def open_bundle(body: bytes) -> Opened:
    """The entries of a Bundle, those of Bundles inside it too. NotJson, TooDeep or NotABundle where it is none."""
    body = body.removeprefix(_BYTE_ORDER_MARK)
    opened = Opened()
    try:
        try:
            bundle = _BUNDLE.decode(body)
        except (msgspec.ValidationError, UnicodeDecodeError):
            _open_loosely(body, opened)
            return opened
    except RecursionError:
        raise TooDeep from None
    except msgspec.DecodeError as error:
        raise NotJson(str(error).removeprefix("JSON is malformed: ")) from None
    _check_kind(bundle.resource_type, bundle.type)
    _note_links(bundle.type, bundle.link, opened)
    _add(bundle.entry, opened)
    return opened


def _check_kind(resource_type: str | None, bundle_type: str | None) -> None:
    if resource_type != "Bundle":
        raise NotABundle(f"a resource of type {resource_type[:60]!r}" if resource_type else "no FHIR resource")
    if bundle_type == "history":
        raise NotABundle("a history Bundle, which holds outdated versions")


def _note_links(bundle_type: str | None, links: list[Link] | None, opened: Opened) -> None:
    for each in links or ():
        if each.relation == "next":
            text = "The answer to a search has further pages that were not sent; what is on them is not known here."
            opened.warnings.append(Warning_("more-pages", text, ""))
        if bundle_type == "searchset" and each.relation == "self" and each.url:
            found = _read_search(each.url)
            if found is not None:
                opened.searches.append(found)


def _read_search(url: str) -> Search | None:
    """What the self link of a searchset says was asked for; None where it asked for a part of it only."""
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query)
    except ValueError:
        return None
    path = [each for each in parts.path.split("/") if each and each != "_search"]
    if not path or any(name.partition(":")[0] not in _HARMLESS for name, _ in query):
        return None
    asked = [value for name, value in query if name.partition(":")[0] in {"patient", "subject"}]
    compartment = path[-2] if len(path) > 2 and path[-3] == "Patient" else ""
    return Search(path[-1], asked[0] if asked else compartment)


def _add(entries: list[Entry] | None, opened: Opened) -> None:
    """Keep the entries that have a resource, and those of the Bundles among them."""
    for entry in entries or ():
        resource = entry.resource
        if resource is None:
            _no_resource(entry.full_url, entry, opened)
        elif type(resource) is NestedBundle:
            _open_nested(resource, opened)
    opened.entries += entries or ()


def _no_resource(full_url: str | None, entry: Entry | _LooseEntry, opened: Opened) -> None:
    if not bytes(entry.request) and not bytes(entry.response):
        opened.warnings.append(Warning_("no-resource", "An entry has no resource.", full_url or ""))


def _open_nested(bundle: NestedBundle, opened: Opened) -> None:
    if bundle.type == "history":
        text = "A history Bundle inside the Bundle was not read: it holds outdated versions."
        opened.warnings.append(Warning_("history", text, f"Bundle/{bundle.id}" if bundle.id else ""))
        return
    _note_links(bundle.type, bundle.link, opened)
    if not _given(bundle.entry):
        return
    try:
        _add(_ENTRIES.decode(bundle.entry), opened)
    except (msgspec.ValidationError, UnicodeDecodeError):
        _add_loosely(bundle.entry, opened)


# --- entry by entry --------------------------------------------------------------------------------------------------


def _given(raw: Raw) -> bool:
    return bytes(raw) not in {b"", b"null"}


def _text(raw: Raw) -> str | None:
    try:
        return _TEXT.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _open_loosely(body: bytes, opened: Opened) -> None:
    try:
        bundle = _LOOSE_BUNDLE.decode(body)
    except msgspec.ValidationError:
        raise NotABundle("JSON, but no object") from None
    bundle_type = _text(bundle.type)
    _check_kind(_text(bundle.resource_type), bundle_type)
    try:
        _note_links(bundle_type, _LINKS.decode(bundle.link) if _given(bundle.link) else None, opened)
    except (msgspec.ValidationError, UnicodeDecodeError):
        opened.warnings.append(Warning_("malformed", "Bundle.link cannot be read.", ""))
    if _given(bundle.entry):
        _add_loosely(bundle.entry, opened)


def _add_loosely(raw: Raw, opened: Opened) -> None:
    try:
        entries = _LOOSE_ENTRIES.decode(raw)
    except msgspec.ValidationError:
        raise NotABundle("a Bundle whose `entry` is no list") from None
    for each in entries:
        try:
            entry = _LOOSE_ENTRY.decode(each)
        except msgspec.ValidationError:
            opened.warnings.append(Warning_("malformed", "An entry is no JSON object and was not read.", ""))
            continue
        full_url = _text(entry.full_url)
        if not _given(entry.resource):
            _no_resource(full_url, entry, opened)
            continue
        resource = _read_loosely(entry.resource, full_url, opened)
        if type(resource) is NestedBundle:
            _open_nested(resource, opened)
        elif resource is not None:
            opened.entries.append(Entry(full_url=full_url, resource=resource))


def _read_loosely(raw: Raw, full_url: str | None, opened: Opened) -> Resource | None:
    """The resource; what can be read of it, with a warning, where it is malformed; None where it is nothing we know."""
    try:
        resource: Resource = _RESOURCE.decode(raw)
    except (msgspec.ValidationError, UnicodeDecodeError) as error:
        fault = str(error)
    else:
        return resource
    try:
        elements = _ELEMENTS.decode(raw)
    except (msgspec.ValidationError, UnicodeDecodeError):
        opened.warnings.append(Warning_("malformed", "The resource of an entry is no JSON object.", full_url or ""))
        return None
    name = _text(elements.get("resourceType", NO_BYTES))
    reference = _reference(name, _text(elements.get("id", NO_BYTES)), full_url)
    kind = _BY_NAME.get(name or "")
    if kind is None:
        text = (
            f"FHIR has no resource type {name[:60]!r}; it was not read." if name else "A resource has no resourceType."
        )
        opened.warnings.append(Warning_("unknown-type", text, reference))
        return None
    resource = _salvage(kind, elements)
    if not isinstance(resource, Unread):
        opened.warnings.append(
            Warning_("malformed", f"The {name} is malformed and does not count: {fault}.", reference)
        )
        opened.broken.add(id(resource))
    return resource


def _reference(name: str | None, id_: str | None, full_url: str | None) -> str:
    return f"{name}/{id_}" if name and id_ else full_url or name or ""


def _salvage(kind: type[Resource], elements: dict[str, Raw]) -> Resource:
    """A resource made of those of its elements that can be read."""
    values: dict[str, Any] = {}
    for each in msgspec.structs.fields(kind):
        raw = elements.get(each.encode_name)
        if raw is None:
            continue
        try:
            values[each.name] = msgspec.json.decode(raw, type=each.type)
        except (msgspec.ValidationError, UnicodeDecodeError):
            continue
    return kind(**values)
