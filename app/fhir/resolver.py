"""What a reference means inside the bundle: by fullUrl, or by type and id where there is one such resource only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.fhir.resources import Resource
from app.fhir.subject import plain_reference

if TYPE_CHECKING:
    from collections.abc import Iterable


class Resolver:
    """Resolves references. Entries without fullUrl, common as they are, are found by type and id (more than FHIR grants)."""

    def __init__(self, entries: Iterable[tuple[str | None, Resource]]) -> None:
        self._by_url: dict[str, Resource | None] = {}
        self._by_id: dict[str, Resource | None] = {}
        for full_url, resource in entries:
            if full_url:
                _enter(self._by_url, full_url, resource)
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
    if key not in found:
        found[key] = resource
    elif found[key] != resource:
        found[key] = None


def type_name(resource: Resource) -> str:
    """Its resourceType."""
    return str(type(resource).__struct_config__.tag)
