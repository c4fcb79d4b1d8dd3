"""A FHIR study as it was sent: which resources there are, what references mean, and plain words of elements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.reader.registration import UnusableStudy

if TYPE_CHECKING:
    from collections.abc import Iterator

Resource = dict[str, Any]

_READ = frozenset({"ResearchStudy", "Group", "EvidenceVariable", "PlanDefinition", "Organization"})


def dicts(value: object) -> list[Resource]:
    """The objects of a list (or the one object that stands where a list is due)."""
    if isinstance(value, dict):
        return [value]
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def words(value: object) -> str:
    """A text on one line; "" for what is no text."""
    return " ".join(value.split()) if isinstance(value, str) else ""


def concept_words(concept: object) -> str:
    """A CodeableConcept's text, or a display of its, or the bare code."""
    if not isinstance(concept, dict):
        return ""
    codings = dicts(concept.get("coding"))
    shown = (words(each.get("display")) for each in codings)
    codes = (" ".join(filter(None, (words(each.get("system")), words(each.get("code"))))) for each in codings)
    return words(concept.get("text")) or next(filter(None, shown), "") or next(filter(None, codes), "")


def extension(element: Resource, *names: str) -> object:
    """The value of the first extension whose address ends in one of `names`; None without one."""
    for each in dicts(element.get("extension")):
        if str(each.get("url") or "").rpartition("/")[2].removeprefix("extension-") in names:
            return next((value for key, value in each.items() if key.startswith("value")), None)
    return None


def name_of(resource: Resource) -> str:
    """`Group/1`, as notes call it."""
    return "/".join(filter(None, (str(resource.get("resourceType") or "Resource"), words(resource.get("id")))))


class Sent:
    """What was sent: the study, and every resource with its place (JSON pointer)."""

    def __init__(self, resource: Resource) -> None:
        is_bundle = resource.get("resourceType") == "Bundle"
        entries = list(_entries(resource)) if is_bundle else [(resource, "", "")]
        studies = [(each, pointer) for each, pointer, _ in entries if each.get("resourceType") == "ResearchStudy"]
        if len(studies) != 1:
            raise UnusableStudy(
                "/entry" if is_bundle else "/resourceType",
                f"The Bundle has {len(studies)} ResearchStudies. Send one at a time."
                if studies
                else "There is no ResearchStudy. Send one, alone or in a Bundle with its Groups.",
            )
        self.study, self.pointer = studies[0]
        self.resources = [(each, pointer) for each, pointer, _ in entries]
        self._places = {id(each): pointer for each, pointer in self.resources}
        self._named = {f"{each.get('resourceType')}/{each.get('id')}": (each, at) for each, at in self.resources}
        self._named |= {url: (each, at) for each, at, url in entries if url}
        self._inside: dict[int, dict[str, tuple[Resource, str]]] = {}

    def contained(self, container: Resource) -> dict[str, tuple[Resource, str]]:
        """What a resource contains, by id, with places."""
        if id(container) not in self._inside:
            base = self._places.get(id(container), self.pointer)
            given = container.get("contained")
            self._inside[id(container)] = {
                str(each.get("id") or index): (each, f"{base}/contained/{index}")
                for index, each in enumerate(given if isinstance(given, list) else [])
                if isinstance(each, dict)
            }
        return self._inside[id(container)]

    def all(self, *types: str) -> list[tuple[Resource, str]]:
        """Every resource of these types: those of the Bundle, and those the study contains."""
        every = (*self.resources, *self.contained(self.study).values())
        return [(each, pointer) for each, pointer in every if each.get("resourceType") in types]

    def find(self, container: Resource, reference: Resource) -> tuple[Resource, str] | None:
        """What a reference in `container` means, with its place."""
        target = words(reference.get("reference"))
        if target.startswith("#"):
            # What is contained has its neighbours beside it, in the study.
            return self.contained(container).get(target[1:]) or self.contained(self.study).get(target[1:])
        target = target.partition("/_history/")[0]
        return self._named.get(target) or self._named.get("/".join(target.split("/")[-2:]))

    def notes(self) -> list[str]:
        """What was sent and not read."""
        every = (*self.resources, *self.contained(self.study).values())
        others = sorted({str(each.get("resourceType")) for each, _ in every} - _READ)
        notes = [f"Not read: {', '.join(others)}."] if others else []
        if self.study.get("modifierExtension"):
            notes.append("The study has a modifier extension, which was not read.")
        if any(each.get("eligibility") for each in dicts(self.study.get("comparisonGroup"))):
            notes.append("Criteria of single arms (comparisonGroup.eligibility) were not read.")
        return notes


def _entries(bundle: Resource) -> Iterator[tuple[Resource, str, str]]:
    """Resource, place and `fullUrl` of each entry."""
    given = bundle.get("entry")
    for index, each in enumerate(given if isinstance(given, list) else []):
        if isinstance(each, dict) and isinstance(each.get("resource"), dict):
            yield each["resource"], f"/entry/{index}/resource", words(each.get("fullUrl"))
