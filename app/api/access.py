"""Who may call what: one table of calls and the scopes that each needs, from which they are checked and described.

What is not in the table is refused to everybody. `system/X.r` reads a resource of a type, `system/X.s` searches; trials
are ResearchStudies with all that is made of them, and judging reads a patient's record besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi import Request

from app.api.callers import GRANT
from app.api.fhir_capability import SERVED
from app.api.scopes import Need
from app.errors import EligoError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.api.scopes import Grant

Ways = tuple[tuple[Need, ...], ...]
"""Alternatives; each is all that is needed that way."""

WRITE: Final = Need("eligo/trials.write")
EVALUATE: Final = Need("eligo/evaluate")
_TYPE: Final = "{resource_type}"
_READ: Final = Need("ResearchStudy", "r")
_SEARCH: Final = Need("ResearchStudy", "s")
_PATIENT: Final = Need("Patient", "r")
_PACKAGE: Final = ("ResearchStudy", "Group", "PlanDefinition", "Library", "Questionnaire", "ValueSet", "CodeSystem")

_LISTS: Final[Ways] = ((_SEARCH,),)
_READS: Final[Ways] = ((_READ,),)
_WRITES: Final[Ways] = ((WRITE,),)
_JUDGES: Final[Ways] = ((_READ, _PATIENT), (EVALUATE,))
_JUDGES_ALL: Final[Ways] = ((Need("ResearchStudy", "rs"), _PATIENT), (EVALUATE,))

OPEN: Final = frozenset({"live", "ready", "metadata", "smart_configuration"})
"""Calls that need no token: whether the service lives, and where a token is to be had."""

NEEDS: Final[dict[str, Ways]] = {
    # /v1
    "list_trials": _LISTS,
    "get_trial": _READS,
    "get_registration": _READS,
    "read_criteria": _READS,
    "register_trial": _WRITES,
    "correct_criteria": _WRITES,
    "remove_trial": _WRITES,
    "evaluate": _JUDGES,
    "evaluate_inline": _JUDGES,
    "evaluate_all": _JUDGES_ALL,
    "summarise_feedback": _LISTS,
    # /fhir
    "search": ((Need(_TYPE, "s"),),),
    "search_by_form": ((Need(_TYPE, "s"),),),
    "read": ((Need(_TYPE, "r"),),),
    "vread": ((Need(_TYPE, "r"),),),
    "package_study": (tuple([Need(each, "r") for each in _PACKAGE]),),
    "import_study": _WRITES,
    "put_codes": _WRITES,
    "remove_codes": _WRITES,
    "check_one": _JUDGES,
    "check_all": _JUDGES_ALL,
    "apply_plan": _JUDGES,
    # /cds-services, where CDS clients have no tokens of their own
    "discover_services": _LISTS,
    "call_service": _JUDGES_ALL,
    "take_feedback": _JUDGES_ALL,
}
"""By the name of the route."""

SCOPES: Final = {
    "system/ResearchStudy.r": "Read trials, and how their criteria are read",
    "system/ResearchStudy.s": "List and search trials",
    "system/ResearchStudy.rs": "Read and search trials",
    "system/Patient.r": "Bring a patient's record to be judged",
    EVALUATE.scope: "Judge records by trials, without any other scope",
    WRITE.scope: "Import, correct and delete trials; store a site's ConceptMaps",
}
"""What the scopes mean; `system/*.rs` stands for all that read."""


class InsufficientScope(EligoError):
    """A token that holds, and does not grant what this call does. `needed` are the scopes that would."""

    def __init__(self, needed: str) -> None:
        super().__init__(
            f"The token does not grant this. It needs: {needed}." if needed else "No token grants this call."
        )
        self.needed = needed


async def authorise(request: Request) -> None:
    """Refuse what the token does not grant. Where nobody was asked for a token there is nothing to check."""
    grant: Grant | None = getattr(request.state, GRANT, None)
    if grant is None:
        return
    name = getattr(request.scope.get("endpoint"), "__name__", "")
    if name in OPEN:
        return
    ways = NEEDS.get(name)
    if ways is None:
        raise InsufficientScope("")
    if any(need.name == _TYPE for way in ways for need in way):
        resource_type = request.path_params["resource_type"]
        if resource_type not in SERVED:
            return  # there is none to read; the route says which there are
        ways = tuple([tuple([_of(need, resource_type) for need in way]) for way in ways])
    if not any(grant.covers_all(way) for way in ways):
        raise InsufficientScope(in_words(ways))


def demand(request: Request, needs: Sequence[Need]) -> None:
    """Refuse what the token does not grant besides what the table says. InsufficientScope."""
    grant: Grant | None = getattr(request.state, GRANT, None)
    if grant is not None and not grant.covers_all(needs):
        raise InsufficientScope(in_words((tuple(needs),)))


def in_words(ways: Ways) -> str:
    """The scopes of the first way, parted by spaces as RFC 6750 has it."""
    return " ".join(need.scope for need in ways[0])


def _of(need: Need, resource_type: str) -> Need:
    return Need(resource_type, need.letters) if need.name == _TYPE else need
