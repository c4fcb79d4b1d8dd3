"""What makes a body no patient record at all. Everything milder is a warning, and the resource does not count."""

from __future__ import annotations

from app.errors import EligoError


class UnreadableRecord(EligoError):
    """The root of these: the body cannot be judged as it is."""


class NotJson(UnreadableRecord):
    """The body is no JSON; `reason` says where it breaks off."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The body is not JSON ({reason}). Send a FHIR Bundle as application/fhir+json.")
        self.reason = reason


class TooDeep(UnreadableRecord):
    """The body is nested deeper than any record is."""

    def __init__(self) -> None:
        super().__init__(
            "The JSON is nested too deeply to be read. No FHIR resource needs that many levels; send a plain Bundle."
        )


class TooManyEntries(UnreadableRecord):
    """The Bundle has more entries than are read here; `count` and `limit` are how many."""

    def __init__(self, count: int, limit: int) -> None:
        super().__init__(f"The Bundle has {count} entries, and {limit} is the limit here. Send less at once.")
        self.count = count
        self.limit = limit


class NotABundle(UnreadableRecord):
    """The body is JSON but no Bundle that can be read; `found` says what it is instead."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"A FHIR Bundle with one patient's resources is needed, but the body is {found}. "
            "Put the resources into a Bundle of type collection."
        )
        self.found = found


class NoPatient(UnreadableRecord):
    """The bundle has no Patient."""

    def __init__(self) -> None:
        super().__init__("The Bundle has no Patient resource. Add the Patient whom the other resources are about.")


class SeveralPatients(UnreadableRecord):
    """The bundle has more than one Patient and nobody said which one is meant; `ids` are theirs, in order."""

    def __init__(self, ids: tuple[str, ...]) -> None:
        super().__init__(f"The Bundle has {len(ids)} patients. Say which one is meant with the parameter `patient`.")
        self.ids = ids


class UnknownPatient(UnreadableRecord):
    """The patient that was asked for is not in the bundle; `id` is what was asked, `ids` are those that are there."""

    def __init__(self, id: str, ids: tuple[str, ...]) -> None:  # noqa: A002  # FHIR's word
        super().__init__("The Bundle has no such Patient. The parameter `patient` is the id of one that it has.")
        self.id = id
        self.ids = ids
