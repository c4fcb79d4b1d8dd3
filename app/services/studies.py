"""Trials as FHIR resources: reading, searching, packages, and verdicts on records."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from app.emitters.canonical import Canonical, fhir_id
from app.emitters.research_study import R4_STATUS, R5_STATES, registry_system
from app.errors import EligoError
from app.services import publishing
from app.services.core import TrialKey
from app.services.options import BadParameter
from app.services.publishing import Made, StoredTrial
from app.services.reading import TRIAL_ID
from app.services.trials import TrialNotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from app.emitters.fhir import FhirVersion
    from app.services.core import Desk
    from app.services.fhir_requests import RecordRequest
    from app.services.shelf import Shelf
    from app.services.trials import OpenStore, Summary, Trials, Version

    Fetch = Callable[[Sequence[str]], Awaitable[Mapping[str, str]]]

P = ParamSpec("P")
T = TypeVar("T")
_KEPT = 200
"""Resources that are kept as they were made; what was read once is mostly read again."""


class Bench(Protocol):
    """Who does jobs off the event loop."""

    async def work(self, job: Callable[Concatenate[Desk, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do a job that needs no trials."""

    async def work_on(
        self,
        trials: Sequence[TrialKey],
        fetch: Fetch,
        job: Callable[Concatenate[Desk, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do a job on trials; `fetch` brings documents by digest."""


class Compiling(Protocol):
    """Who has what the logic of trials was compiled to."""

    async def into(self, made: Made) -> Made:
        """The same with that in its Libraries."""


class ResourceNotFound(EligoError):
    """No such resource, or no such version of it."""

    def __init__(self, resource_type: str, ident: str) -> None:
        super().__init__(f"There is no {resource_type} {ident!r} here. GET /fhir/{resource_type} lists what there is.")
        self.resource_type = resource_type


@dataclass(frozen=True, slots=True)
class Test:
    """One condition of a search: a parameter with its modifier, and the values any of which will do."""

    name: str
    modifier: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What a page of a search holds: matches, what is included with them, and how many match in all."""

    total: int
    matches: Sequence[Made]
    included: Sequence[Made] = ()


class Studies:
    """What is served under /fhir. No transaction is open while something is made or judged."""

    def __init__(
        self,
        open_store: OpenStore,
        shelf: Shelf,
        bench: Bench,
        trials: Trials,
        canonical: Canonical,
        compiled: Compiling,
    ) -> None:
        self._compiled = compiled
        self._open_store = open_store
        self._bench = bench
        self._trials = trials
        self._canonical = canonical
        self._shelf = shelf
        self._numbered: dict[str, tuple[tuple[str, str], ...]] = {}
        self._coded: dict[str, tuple[tuple[str, str], ...]] = {}
        self._kept: OrderedDict[tuple[str, str, str], Made] = OrderedDict()

    # --- reading -----------------------------------------------------------------------------------------------------

    async def read(self, resource_type: str, ident: str, fhir: FhirVersion, version_id: str | None = None) -> Made:
        """A resource by its logical id, and where asked for in one version. ResourceNotFound."""
        number = version_id.partition(".")[0] if version_id is not None else None
        if number is not None and not (number.isdecimal() and len(number) < 10):
            raise ResourceNotFound(resource_type, f"{ident}/_history/{version_id}")
        found_trial = await self._find(resource_type, ident, int(number) if number is not None else None)
        (made,) = await self._publish([found_trial], (resource_type,), fhir)
        if version_id is not None and version_id not in {made.version_id, made.version_id.partition(".")[0]}:
            raise ResourceNotFound(resource_type, f"{ident}/_history/{version_id}")
        return made

    async def package(self, ident: str, fhir: FhirVersion) -> bytes:
        """Everything of one trial. ResourceNotFound."""
        found = await self._find("ResearchStudy", ident)
        made = await self._bench.work(publishing.publish_package, _stored(found), fhir)
        return (await self._compiled.into(Made("", made))).content

    async def register(self, media_type: str, body: str, fhir: FhirVersion) -> tuple[str, bool, bytes]:
        """Store a registration: the logical id, whether it is new, and its package. UnusableTrial, NotJson."""
        registered = await self._trials.register(media_type, body)
        ident = fhir_id(registered.id)
        return ident, registered.is_new, await self.package(ident, fhir)

    # --- searching ---------------------------------------------------------------------------------------------------

    async def search(
        self, resource_type: str, tests: Sequence[Test], fhir: FhirVersion, *, include: Sequence[str] = (),
        offset: int, limit: int,
    ) -> Page:  # fmt: skip
        """Resources for which every test holds. `include` are types that come along with ResearchStudies."""
        trials = await self._shelf.every()
        if any(each.name == "condition" for each in tests):
            await self._code(trials)
        numbers = [value for each in tests if each.name == "identifier" for value in each.values]
        if numbers:
            await self._number(numbers)
        found = [each for each in trials if all(self._fits(each, test, resource_type, fhir) for test in tests)]
        page = found[offset : offset + limit]
        if not page:
            return Page(len(found), ())
        async with self._open_store() as store:
            versions = [await store.find(each.id, each.version) for each in page]
        kept = [each for each in versions if each is not None]
        matches = await self._publish(kept, (resource_type,), fhir)
        included = await self._publish(kept, include, fhir) if include else []
        return Page(len(found), matches, included)

    def _fits(self, trial: Summary, test: Test, resource_type: str, fhir: FhirVersion) -> bool:
        match test.name:
            case "_id":
                return fhir_id(trial.id) in test.values
            case "url":
                url = self._canonical.url(resource_type, trial.id)
                return any(each in {url, f"{url}|{trial.version}"} for each in test.values)
            case "identifier":
                return any(self._is_identified(trial, each) for each in test.values)
            case "title":
                return any(_matches(trial.title, each, test.modifier) for each in test.values)
            case "status":
                status = "active" if fhir.value == "5.0" else R4_STATUS.get(trial.status, "")
                return any(status and status == each.rpartition("|")[2] for each in test.values)
            case "progress-status-state":
                state = R5_STATES.get(trial.status, "")
                return any(state and state == each.rpartition("|")[2] for each in test.values)
            case "condition" if test.modifier == "text":
                shown = [each.casefold() for each in trial.conditions]
                return any(each.casefold() in one for each in test.values for one in shown)
            case "condition":
                codes = {code for words in trial.conditions for code in self._coded.get(words, ())}
                return any(_has_token(codes, each) for each in test.values)
            case _:
                raise BadParameter(test.name, "is no search parameter here.")

    def _is_identified(self, trial: Summary, token: str) -> bool:
        own = registry_system(trial.id) or f"{self._canonical.base}/trial-id"
        return _has_token({(own, trial.id), *self._numbered.get(trial.digest, ())}, token)

    async def _number(self, tokens: Sequence[str]) -> None:
        """Learn all numbers of the trials whose records have one of these, further registers' numbers too."""
        values = [each.rpartition("|")[2] for each in tokens]
        async with self._open_store() as store:
            found = await store.records_with([each for each in values if each])
        new = [each for each in found if each[0] not in self._numbered]
        if new:
            numbers = await self._bench.work(publishing.registry_numbers, [(id_, record) for _, id_, record in new])
            self._numbered |= {digest: each for (digest, _, _), each in zip(new, numbers, strict=True)}

    async def _code(self, trials: Sequence[Summary]) -> None:
        """Learn the codes of conditions that were not met before."""
        new = sorted({words for each in trials for words in each.conditions} - self._coded.keys())
        if new:
            codes = await self._bench.work(publishing.code_conditions, new)
            self._coded |= dict(zip(new, codes, strict=True))

    # --- judging -----------------------------------------------------------------------------------------------------

    async def check(self, ident: str, request: RecordRequest, fhir: FhirVersion) -> bytes:
        """A GuidanceResponse of one study. ResourceNotFound, or what the record is refused for."""
        if request.studies or request.inline:
            raise BadParameter("study", "is for the type level; here the study is the one in the address.")
        key = await self._key(ident)
        return await self._bench.work_on(
            (key,),
            self._shelf.documents,
            publishing.check,
            (key,),
            (),
            request.bundle,
            request.options,
            fhir,
            is_one=True,
        )

    async def check_each(self, request: RecordRequest, fhir: FhirVersion) -> bytes:
        """A collection of GuidanceResponses: of the studies that were named or sent along, else of all."""
        trials = await self._shelf.every()
        if request.studies:
            await self._number(request.studies)
            trials = self._named(trials, request.studies)
        elif request.inline:
            trials = ()
        keys = tuple([TrialKey(each.digest, each.version) for each in trials])
        return await self._bench.work_on(
            keys, self._shelf.documents, publishing.check, keys, request.inline, request.bundle, request.options, fhir,
            is_one=False,
        )  # fmt: skip

    def _named(self, trials: Sequence[Summary], names: Sequence[str]) -> list[Summary]:
        found: dict[str, Summary] = {}
        for name in names:
            named = name.removeprefix("ResearchStudy/")
            one = [each for each in trials if fhir_id(each.id) == named or self._is_identified(each, name)]
            if not one:
                raise BadParameter("study", f"names a study that is not stored here: {name!r}.")
            found |= {each.id: each for each in one}
        return list(found.values())

    async def apply(self, ident: str, request: RecordRequest, fhir: FhirVersion) -> bytes:
        """What to do next for a patient and the trial of a PlanDefinition. ResourceNotFound."""
        if request.studies or request.inline:
            raise BadParameter("study", "is not taken here.")
        found = await self._find("PlanDefinition", ident)
        key = TrialKey(found.summary.digest, found.summary.version)
        return await self._bench.work_on(
            (key,), self._shelf.documents, publishing.apply, key, _stored(found), request.bundle, request.options, fhir
        )

    # --- the store ---------------------------------------------------------------------------------------------------

    async def _find(self, resource_type: str, ident: str, version: int | None = None) -> Version:
        """A trial by the logical id of its resources. ResourceNotFound."""
        async with self._open_store() as store:
            if TRIAL_ID.fullmatch(ident) and fhir_id(ident) == ident:
                found = await store.find(ident, version)
                if found is not None:
                    return found
        # An id that is no FHIR id is published under another, made of it.
        named = [each.id for each in await self._shelf.every() if fhir_id(each.id) == ident]
        async with self._open_store() as store:
            for each in named:
                found = await store.find(each, version)
                if found is not None:
                    return found
        raise ResourceNotFound(resource_type, ident)

    async def _key(self, ident: str) -> TrialKey:
        """What names the newest version among compiled ones, also where the database is lost. ResourceNotFound."""
        if TRIAL_ID.fullmatch(ident) and fhir_id(ident) == ident:
            with suppress(TrialNotFound):
                return await self._shelf.key(ident)
        for each in await self._shelf.every():
            if fhir_id(each.id) == ident:
                return TrialKey(each.digest, each.version)
        raise ResourceNotFound("ResearchStudy", ident)

    async def _publish(self, versions: Sequence[Version], types: Sequence[str], fhir: FhirVersion) -> list[Made]:
        """These resources of these trials, trial by trial; made anew only where they are not kept."""
        keys = [
            (each.summary.digest, f"{each.summary.version} {kind}", fhir.value) for each in versions for kind in types
        ]
        if not all(each in self._kept for each in keys):
            stored = [_stored(each) for each in versions]
            made = await self._bench.work(publishing.publish, stored, tuple(types), fhir)
            self._kept |= zip(keys, made, strict=True)
            found = made
        else:
            found = [self._kept[each] for each in keys]
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return found


def _stored(version: Version) -> StoredTrial:
    return StoredTrial(version.summary.version, version.document, version.record)


def _matches(text: str, wanted: str, modifier: str) -> bool:
    """A string search: from its beginning; anywhere (`contains`); as a whole and in its case (`exact`)."""
    if modifier == "exact":
        return text == wanted
    found = text.casefold().find(wanted.casefold())
    return found >= 0 if modifier == "contains" else found == 0


def _has_token(codes: set[tuple[str, str]], token: str) -> bool:
    """A token search (FHIR R4, 3.1.1.4.10): `code`, `system|code`, or `|code` for one without a system."""
    system, bar, code = token.rpartition("|")
    return any(one == code and (not bar or own == system) for own, one in codes)
