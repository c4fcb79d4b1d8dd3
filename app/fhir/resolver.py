"""What a reference means inside the bundle: by fullUrl, or by type and id where there is one such resource only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from app.fhir.resources import Resource
from app.fhir.subject import plain_reference

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.fhir.bundle import Entry


class Resolver:
    """Resolves references. Entries without fullUrl, common as they are, are found by type and id (more than FHIR
    grants).
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._by_url: dict[str, Resource | None] = {}
        self._by_id: dict[str, Resource | None] = {}
        for entry in entries:
            resource = entry.resource
            if resource is None:
                continue
            if entry.full_url:
                _enter(self._by_url, entry.full_url, resource)
            if resource.id:
                _enter(self._by_id, f"{type_name(resource)}/{resource.id}", resource)
                _enter(self._by_id, f"urn:uuid:{resource.id}", resource)

    def find(self, reference: str) -> Resource | None:
        """The resource; None where there is none or where several could be meant."""
        reference = plain_reference(reference)
        if reference in self._by_url:
            return self._by_url[reference]
        if reference in self._by_id:
            return self._by_id[reference]
        if "://" in reference:
            return self._by_id.get("/".join(reference.split("/")[-2:]))
        return None


def _enter(found: dict[str, Resource | None], key: str, resource: Resource) -> None:
    known = found.setdefault(key, resource)
    if known is not resource and known is not None and msgspec.json.encode(known) != msgspec.json.encode(resource):
        found[key] = None  # several could be meant


def type_name(resource: Resource) -> str:
    """Its resourceType."""
    return str(type(resource).__struct_config__.tag)
