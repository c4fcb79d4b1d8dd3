"""CDS Hooks: which trials may a patient fit, told where the clinician works.

A call goes: what the EHR sent along is sorted; what lacks is fetched from its FHIR server within a budget of time; the
record is judged by the trials of the service; the best become cards. Nothing of the patient is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

from app.emitters.cards import CardMaker, is_override_reason, kind_of_suggestion, trial_of_card
from app.errors import EligoError
from app.fhir.errors import NoPatient, SeveralPatients, UnknownPatient
from app.services.core import TrialKey
from app.services.options import Options, Wish
from app.services.prefetched import gather
from app.services.reading import dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import date
    from uuid import UUID

    from app.emitters.canonical import Canonical
    from app.emitters.prefetch import Template
    from app.services.evaluation import Fetch
    from app.services.prefetched import Gathered
    from app.services.shelf import Shelf
    from app.services.trials import Summary

Json = dict[str, Any]
_CLOSED: Final = frozenset(
    {
        "completed", "terminated", "withdrawn", "suspended", "no_longer_available", "closed", "closed-to-accrual",
        "closed-to-accrual-and-intervention", "administratively-completed", "disapproved",
    }
)  # fmt: skip
ORDER_SELECT: Final = "order-select"
_ORDERED: Final = frozenset({"MedicationRequest", "ServiceRequest"})
_MOST_KNOWN: Final = 32


class NoSuchService(EligoError):
    """No CDS service has this id."""

    def __init__(self, service_id: str) -> None:
        super().__init__(f"There is no CDS service {service_id[:60]!r}. GET /cds-services lists those there are.")


class WrongCall(EligoError):
    """A call that cannot be understood; `pointer` (JSON pointer) says where."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"{pointer}: {reason}")
        self.pointer = pointer
        self.reason = reason


class DataUnavailable(EligoError):
    """Not even the Patient can be had, by prefetch or from the FHIR server (CDS Hooks 2.0: 412)."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The Patient is neither in the prefetch nor to be had from the FHIR server ({reason}). "
            "Send the prefetch key `patient`, or fhirServer with fhirAuthorization."
        )
        self.reason = reason


@dataclass(frozen=True, slots=True)
class HookService:
    """One CDS service, as it is configured.

    `trials` and `conditions` narrow which trials count (empty: all); `statuses` are recruitment states (empty: all that
    are not over). `least_met` is the share of criteria, 0 to 1, that must be met for a card.
    """

    id: str
    hook: str
    title: str
    description: str
    trials: frozenset[str] = frozenset()
    conditions: tuple[str, ...] = ()
    statuses: frozenset[str] = frozenset()
    least_met: float = 0.0
    most_cards: int = 3
    with_ineligible: bool = False

    def takes(self, trial: Summary) -> bool:
        """Whether a trial counts here."""
        if self.trials and trial.id not in self.trials:
            return False
        status = trial.status.lower()
        if (status not in self.statuses) if self.statuses else (status in _CLOSED):
            return False
        words = " ".join((trial.title, *trial.conditions)).casefold()
        return not self.conditions or any(each.casefold() in words for each in self.conditions)


@dataclass(frozen=True, slots=True)
class HookCall:
    """A call, checked. `prefetch` values are JSON as bytes; `orders` the drafts that were selected."""

    hook: str
    instance: str
    patient_id: str
    prefetch: Mapping[str, bytes]
    fhir_server: str = ""
    token: str = ""
    orders: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class HookSetup:
    """How an installation offers its CDS services. Fetching what a prefetch lacks takes at most `budget_s` seconds."""

    services: tuple[HookService, ...]
    canonical: Canonical
    smart_url: str = ""
    budget_s: float = 1.0


class Fetched(Protocol):
    """What a FHIR server answered to one query."""

    @property
    def pages(self) -> tuple[bytes, ...]: ...
    @property
    def is_whole(self) -> bool: ...
    @property
    def reason(self) -> str: ...


class Servers(Protocol):
    """FHIR servers of EHRs."""

    async def fetch(self, base: str, token: str, queries: Mapping[str, str], budget_s: float) -> Mapping[str, Fetched]:
        """The answers by key. Refuses a server that may not be called."""


class CandidateJudges(Protocol):
    """Who judges, off the event loop."""

    async def make_cards(
        self,
        trials: Sequence[TrialKey],
        bundle: bytes,
        options: Options,
        wish: Wish,
        maker: CardMaker,
        fetch: Fetch,
        *,
        named: str = "",
    ) -> bytes:
        """The answer with the cards of the promising trials, as JSON; `named` is the Patient of the call where the
        record is another's.
        """

    async def prefetch(self, trials: Sequence[TrialKey], fetch: Fetch) -> tuple[Template, ...]:
        """What an EHR should send along, so that these trials can be judged."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What became of a card. No patient datum: no comment, no reason in words."""

    card: str
    trial_id: str
    service_id: str
    outcome: str
    suggestions: tuple[str, ...]
    reason: str
    at: datetime


class FeedbackStore(Protocol):
    """Where feedback is kept, within one transaction."""

    async def add_feedback(self, feedback: Feedback) -> bool:
        """Keep it; False where just this was kept before."""

    async def summarise_feedback(self) -> Sequence[Json]:
        """Per trial: how often its cards were accepted and overridden, and why."""


class Hooks:
    """The CDS services of this installation."""

    def __init__(
        self,
        shelf: Shelf,
        open_feedback: Callable[[], AbstractAsyncContextManager[FeedbackStore]],
        judges: CandidateJudges,
        servers: Servers | None,
        setup: HookSetup,
    ) -> None:
        self._services = {each.id: each for each in setup.services}
        self._shelf = shelf
        self._open_feedback = open_feedback
        self._judges = judges
        self._servers = servers
        self._setup = setup
        self._templates: dict[tuple[TrialKey, ...], tuple[Template, ...]] = {}

    async def discover(self) -> Json:
        """The services, with what each wants to be sent along."""
        return {"services": [await self._described(each) for each in self._services.values()]}

    async def _described(self, service: HookService) -> Json:
        asked = await self._asked(await self._trials(service))
        return {
            "hook": service.hook,
            "id": service.id,
            "title": service.title,
            "description": service.description,
            "prefetch": {each.key: each.query for each in asked},
            "usageRequirements": "Eligo supports people who screen patients for trials. It is not a medical device and "
            "enrols nobody.",
        }

    async def call(self, service_id: str, call: HookCall, public: str, today: date) -> bytes:
        """The cards, as JSON. NoSuchService, WrongCall, DataUnavailable, and what the record is refused for."""
        service = self.service(service_id)
        if call.hook != service.hook:
            raise WrongCall("/hook", f"this service is for {service.hook}")
        keys = await self._trials(service)
        gathered = gather(call.prefetch, await self._asked(keys), call.patient_id)
        await self._fetch_missing(call, gathered, await self._asked(keys))
        options = Options(
            as_of=today,
            complete=frozenset(gathered.complete - gathered.incomplete),
            incomplete=frozenset(gathered.incomplete),
            patient=f"Patient/{call.patient_id}",
        )
        orders = [dumps(_placed(each, call.patient_id, today)) for each in call.orders]
        wish = Wish(
            most=service.most_cards,
            least_met=service.least_met,
            with_ineligible=service.with_ineligible and service.hook != ORDER_SELECT,
            ordered=gathered.bundle(orders) if service.hook == ORDER_SELECT else None,
        )
        maker = CardMaker(public, self._setup.canonical.base, call.instance, self._setup.smart_url)
        return await self._cards(keys, gathered.bundle(), options, wish, maker, call)

    def service(self, service_id: str) -> HookService:
        """A service by its id. NoSuchService."""
        found = self._services.get(service_id)
        if found is None:
            raise NoSuchService(service_id)
        return found

    async def _trials(self, service: HookService) -> tuple[TrialKey, ...]:
        trials = await self._shelf.every()
        return tuple([TrialKey(each.digest, each.version) for each in trials if service.takes(each)])

    async def _asked(self, keys: tuple[TrialKey, ...]) -> tuple[Template, ...]:
        found = self._templates.get(keys)
        if found is None:
            found = await self._judges.prefetch(keys, self._shelf.documents)
            if len(self._templates) >= _MOST_KNOWN:
                self._templates.clear()
            self._templates[keys] = found
        return found

    async def _fetch_missing(self, call: HookCall, gathered: Gathered, asked: Sequence[Template]) -> None:
        if self._servers is None or not call.fhir_server or not gathered.wanted:
            return  # where no server is listed, none is called: what lacks stays open
        queries = {key: _with_medications(query) for key, query in gathered.wanted.items()}
        found = await self._servers.fetch(call.fhir_server, call.token, queries, self._setup.budget_s)
        for template in asked:
            answer = found.get(template.key)
            if answer is not None:
                gathered.take_pages(template, answer.pages, is_whole=answer.is_whole)

    async def _cards(
        self,
        keys: tuple[TrialKey, ...],
        bundle: bytes,
        options: Options,
        wish: Wish,
        maker: CardMaker,
        call: HookCall,
    ) -> bytes:
        try:
            return await self._judges.make_cards(keys, bundle, options, wish, maker, self._shelf.documents)
        except NoPatient:
            raise DataUnavailable("it is not there") from None
        except UnknownPatient:
            if call.fhir_server:
                raise DataUnavailable("another Patient is") from None
        # A sandbox sends one whole record under an invented id, and has no server that could be asked.
        named = f"Patient/{call.patient_id}"
        anyone = replace(options, patient=None)
        try:
            return await self._judges.make_cards(keys, bundle, anyone, wish, maker, self._shelf.documents, named=named)
        except SeveralPatients:
            raise DataUnavailable("others are") from None

    # -- feedback

    async def take_feedback(self, service_id: str, items: Sequence[FeedbackItem]) -> None:
        """Keep what became of cards. The same twice is kept once. NoSuchService, WrongCall."""
        self.service(service_id)
        ids = [each.id for each in await self._shelf.every()]
        known = []
        for place, item in enumerate(items):
            trial_id = trial_of_card(item.card, ids)
            if trial_id is None:
                raise WrongCall(f"/feedback/{place}/card", "this is the id of no card of ours, or its trial is gone")
            kinds = [kind_of_suggestion(item.card, each) for each in item.suggestions]
            known.append(
                Feedback(
                    card=str(item.card),
                    trial_id=trial_id,
                    service_id=service_id,
                    outcome=item.outcome,
                    suggestions=tuple(sorted({each for each in kinds if each is not None})),
                    reason=item.reason if is_override_reason(item.reason, item.reason_system) else "",
                    at=item.at.astimezone(UTC),
                )
            )
        async with self._open_feedback() as feedback:
            for each in known:
                await feedback.add_feedback(each)

    async def feedback(self) -> Json:
        """Feedback per trial."""
        async with self._open_feedback() as feedback:
            return {"feedback": list(await feedback.summarise_feedback())}


@dataclass(frozen=True, slots=True)
class FeedbackItem:
    """Feedback on one card, as a client sends it, without what people wrote."""

    card: UUID
    outcome: str
    at: datetime
    suggestions: tuple[str, ...] = ()
    reason: str = ""
    reason_system: str = ""


def _with_medications(query: str) -> str:
    """With the Medications that requests refer to; prefetch templates may not ask for these, queries may."""
    name, has_query, _ = query.partition("?")
    medications = {"MedicationRequest", "MedicationStatement", "MedicationAdministration", "MedicationDispense"}
    return f"{query}&_include={name}:medication" if has_query and name in medications else query


def _placed(order: Json, patient_id: str, today: date) -> Json:
    """A draft as it would be once it is signed."""
    return {
        "authoredOn": today.isoformat(),
        "subject": {"reference": f"Patient/{patient_id}"},
        **order,
        "status": "active",
        "intent": "order",
    }


def selected_orders(drafts: Sequence[Json], selections: Sequence[str]) -> tuple[Json, ...]:
    """The drafts that were selected (`Type/id`), of the types that criteria know."""
    kinds = [(each.get("resourceType"), each) for each in drafts]
    return tuple(
        [
            each
            for kind, each in kinds
            if isinstance(kind, str) and kind in _ORDERED and f"{kind}/{each.get('id')}" in selections
        ]
    )
