"""What resources that tell a site's codes have in common: how their parts are taken out, and how they are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.errors import EligoError

if TYPE_CHECKING:
    from collections.abc import Iterator


class BadSiteCodes(EligoError):
    """A ConceptMap or a CodeSystem supplement that cannot be used; `pointer` (JSON pointer) says where."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(reason)
        self.pointer = pointer


def canonical_of(resource: dict[str, Any]) -> str:
    """Its URL, with its version where it has one."""
    url = text(resource, "url", "")
    version = resource.get("version")
    return f"{url}|{version}" if isinstance(version, str) and version else url


def text(element: dict[str, Any], key: str, pointer: str) -> str:
    """A text that has to be there. BadSiteCodes."""
    value = element.get(key)
    if not isinstance(value, str) or not value.strip():
        raise BadSiteCodes(f"{pointer}/{key}", f"`{key}` is missing.")
    return value.strip()


def objects(element: dict[str, Any], key: str, pointer: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a list with their places; none where there is no list. BadSiteCodes."""
    given = element.get(key)
    if given is None:
        return
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise BadSiteCodes(f"{pointer}/{key}", f"`{key}` is a list of objects.")
    for place, each in enumerate(given):
        yield f"{pointer}/{key}/{place}", each
