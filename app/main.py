"""Wires everything: settings, database, workers, services, routes. Imported by the command line and by the server."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import httpx
from fastapi import Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware

from app import __version__
from app.api import fhir, health, hooks, routes, smart
from app.api.access import authorise
from app.api.cds_clients import Callers
from app.api.description import describe
from app.api.errors import handle_errors
from app.api.fhir_outcomes import Outcomes
from app.api.limits import LimitBody, NoLeaks
from app.api.proxies import Proxies
from app.api.slow import PATIENCE
from app.clients.fhir_server import FhirServers
from app.clients.outbound import Allowlist, GuardedTransport, read_base
from app.clients.registry import Registry
from app.clients.terminology import Terminology
from app.clients.tokens import KeySets, Verifier
from app.emitters.canonical import Canonical
from app.errors import EligoError
from app.observability import Observability
from app.services.catalogued import Catalogued
from app.services.compiled import Compiled, WithCompiled
from app.services.evaluation import Evaluation
from app.services.hierarchies import Hierarchies
from app.services.hooks import Hooks, HookService, HookSetup
from app.services.local import Local
from app.services.local_codes import LocalCodes
from app.services.resources import Resources
from app.services.shelf import Shelf
from app.services.studies import Studies
from app.services.trials import Trials
from app.services.workers import Workers
from app.settings import CdsService, Settings, load_settings
from app.store import Database, Limits, SqlCompiled, SqlExpansions, SqlSiteCodes, SqlTrials, is_current, migrate
from app.store.hooks import SqlHooks
from app.wiring.access import Access
from app.wiring.limits import body_limits, connection_limits, job_limits
from app.wiring.site import site_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import Any

    from app.store.database import Watch

_log = logging.getLogger("eligo")
_LISTEN_S, _AGAIN_S = 2.0, 15.0
_STATE_S = 2.0
"""Whoever asks whether Eligo is ready waits no longer than this for the database."""
_DESCRIPTION = """What a patient's FHIR record shows about every criterion of a clinical trial, with evidence.

**Not a medical device.** It supports people who screen patients for trials; it enrols and excludes nobody. A qualified
person decides, with the record and the protocol at hand.
"""


class NotMigrated(EligoError):
    """A database that only its owner may change is not at the newest migration."""

    def __init__(self) -> None:
        super().__init__("The database is not up to date. Run `eligo migrate` first.")


@dataclass(frozen=True, slots=True)
class AtHand:
    """What the command line works with: the services, at work within this process."""

    trials: Trials
    evaluation: Evaluation
    studies: Studies
    registry: Registry
    compiled: Compiled


@asynccontextmanager
async def at_hand(settings: Settings) -> AsyncIterator[AtHand]:
    """The services on the database of the settings. NotMigrated, DatabaseUnavailable, BadDatabaseUrl."""
    database = open_database(settings)
    try:
        await ensure_current(database)
        canonical = Canonical(settings.canonical_url)
        local = Local(canonical, site_of(settings))
        opener = database.opener(SqlTrials)
        trials = Trials(opener, local)
        async with Registry(
            settings.registry_url, timeout_s=settings.registry_timeout_s, max_bytes=settings.max_body_bytes
        ) as registry:
            shelf = Shelf(opener, settings.trial_cache_bytes)
            compiled = Compiled(database.opener(SqlCompiled))
            studies = Studies(opener, shelf, local, trials, canonical, compiled)
            await LocalCodes(database.opener(SqlSiteCodes, locked=True), local).refresh()
            yield AtHand(trials, Evaluation(shelf, local), studies, registry, compiled)
    finally:
        await database.close()


def open_database(settings: Settings, watch: Watch | None = None) -> Database:
    """The database of the settings, with the limits that they set. BadDatabaseUrl."""
    limits = Limits(
        pool=settings.database_pool_size,
        overflow=settings.database_pool_overflow,
        wait_s=settings.database_pool_wait_s,
        connect_s=settings.database_connect_timeout_s,
        statement_s=settings.database_statement_timeout_s,
        lock_s=settings.database_lock_timeout_s,
    )
    return Database(settings.database_url, limits, watch)


async def ensure_current(database: Database) -> None:
    """Migrate an SQLite file; any other database must be current already. NotMigrated."""
    if database.is_sqlite:
        await migrate(database)
    elif not await is_current(database):
        raise NotMigrated


class _Codes:
    """What is heard of codes beside the catalogue while the service runs: ConceptMaps, and a terminology server."""

    def __init__(
        self, settings: Settings, database: Database, workers: Workers, state: Callable[[], Awaitable[str]]
    ) -> None:
        self._state = state
        self._asks = bool(settings.terminology_url)
        self._server = Terminology(settings.terminology_url, timeout_s=settings.terminology_timeout_s)
        self._hierarchies = Hierarchies(
            database.opener(SqlTrials), database.opener(SqlExpansions, locked=True), workers, self._server
        )
        self._tasks: list[asyncio.Task[None]] = []
        self.local = LocalCodes(database.opener(SqlSiteCodes, locked=True), workers)

    async def start(self) -> None:
        """Know the codes before the first record, and listen from then on."""
        await self._hear()
        self._tasks = [asyncio.create_task(self._listen())]
        if self._asks:
            self._tasks.append(asyncio.create_task(self._ask()))

    async def stop(self) -> None:
        """Stop listening."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, EligoError):
                await task
        await self._server.close()

    async def _hear(self) -> None:
        with suppress(EligoError):
            if await self._state() == "current":
                await self.local.refresh()

    async def _listen(self) -> None:
        """Hear within seconds of what this or another process has stored."""
        while True:
            await asyncio.sleep(_LISTEN_S)
            await self._hear()

    async def _ask(self) -> None:
        """Ask the terminology server about trials that are new, and again for what it did not answer."""
        while True:
            with suppress(EligoError):
                if await self._state() == "current":
                    await self._hierarchies.refresh()
            await asyncio.sleep(_AGAIN_S if self._hierarchies.is_behind else _LISTEN_S)


async def _state(database: Database) -> str:
    """Whether the database can be used: `current`, `not-migrated`, `unreachable`."""
    try:
        async with asyncio.timeout(_STATE_S):
            return "current" if await is_current(database) else "not-migrated"
    except (EligoError, TimeoutError):
        return "unreachable"


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service. An SQLite database is brought up to date when it starts; any other one only by `eligo migrate`."""
    settings = settings or load_settings()
    seen = Observability(metrics_token=settings.metrics_token.get_secret_value(), otel_endpoint=settings.otel_endpoint)
    database = open_database(settings, seen.meter)
    canonical = Canonical(settings.canonical_url)
    workers = Workers(
        settings.judge_processes, job_limits(settings), canonical, site=site_of(settings), watch=seen.meter
    )

    open_store = database.opener(SqlTrials)
    shelf = Shelf(open_store, settings.trial_cache_bytes, seen.meter)

    codes = _Codes(settings, database, workers, partial(_state, database))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        if database.is_sqlite:
            await migrate(database)
        starting = asyncio.create_task(workers.start())
        await codes.start()
        try:
            yield {PATIENCE: connection_limits(settings)}
        finally:
            starting.cancel()
            with suppress(asyncio.CancelledError, EligoError):
                await starting
            await codes.stop()
            await asyncio.to_thread(workers.close)
            await cds.close()
            await access.close()
            await database.close()
            seen.close()

    app = FastAPI(
        title="Eligo",
        version=__version__,
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0"},
        lifespan=lifespan,
        dependencies=[Depends(authorise)],
        generate_unique_id_function=lambda route: route.name,
        openapi_tags=[
            {"name": routes.TRIALS, "description": "Registrations, and how they were read"},
            {"name": hooks.HOOKS, "description": "Trials for the patient at hand, where the clinician works"},
            {"name": routes.JUDGING, "description": "Records against criteria; no record is stored"},
        ],
    )
    app.state.database_state = partial(_state, database)
    app.state.workers = workers
    app.state.trials = Trials(open_store, workers)
    app.state.evaluation = Evaluation(shelf, workers)
    app.state.canonical = canonical
    app.state.local_codes = codes.local
    compiled = Compiled(database.opener(SqlCompiled))
    app.state.studies = Studies(open_store, shelf, workers, app.state.trials, canonical, compiled)
    app.state.resources = Resources(
        WithCompiled(Catalogued(workers, canonical), compiled), WithCompiled(app.state.studies, compiled), codes.local
    )
    cds = _Cds(settings)
    open_hooks = database.opener(SqlHooks, locked=True)
    app.state.hooks = Hooks(shelf, open_hooks, workers, cds.servers, cds.setup)
    app.state.callers = Callers(cds.tokens, open_hooks, settings.public_url)
    app.include_router(routes.router)
    app.include_router(hooks.router)
    app.include_router(hooks.summaries)
    app.include_router(health.router)
    app.include_router(smart.router)
    app.include_router(fhir.router)
    handle_errors(app)
    access = Access(settings)
    access.guard(app)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Accept", "If-Match", "If-None-Match"],
            expose_headers=["ETag", "Location", "Retry-After"],
        )
    app.add_middleware(LimitBody, limits=body_limits(settings))
    app.add_middleware(NoLeaks)
    app.add_middleware(Outcomes)  # around all others, so that it sees every refusal
    seen.install(app)
    app.add_middleware(Proxies, trusted=settings.trusted_proxies, public_url=settings.public_url)
    describe(app, settings.auth_token_url)
    logging.getLogger("uvicorn.access").addFilter(_without_query)
    return app


class _Cds:
    """What the CDS services need of the outside, as the settings have it."""

    def __init__(self, settings: Settings) -> None:
        self._clients: list[httpx.AsyncClient] = []
        self.servers: FhirServers | None = None
        if settings.cds_fhir_servers:
            allowed = Allowlist(map(read_base, settings.cds_fhir_servers), private=settings.cds_private_addresses)
            self.servers = FhirServers(
                allowed, self._client(allowed, settings.cds_budget_s), most_bytes=settings.max_body_bytes
            )
        self.tokens: Verifier | None = None
        if settings.cds_issuers and settings.cds_auth != "none":
            allowed = Allowlist(map(read_base, settings.cds_issuers.values()), private=settings.cds_private_addresses)
            self.tokens = Verifier(settings.cds_issuers, KeySets(self._client(allowed), time.monotonic))
        elif settings.cds_issuers:
            _log.warning("ELIGO_CDS_AUTH=none: CDS clients are not asked for a token; only this machine may call.")
        services = settings.cds_services or tuple(
            CdsService(id=f"trials-{hook}", hook=hook)
            for hook in ("patient-view", "encounter-start", "appointment-book", "order-select")
        )
        self.setup = HookSetup(
            services=tuple(map(_hook_service, services)),
            canonical=Canonical(settings.canonical_url),
            smart_url=settings.cds_smart_url,
            budget_s=settings.cds_budget_s,
        )

    def _client(self, allowed: Allowlist, timeout_s: float = 10.0) -> httpx.AsyncClient:
        client = httpx.AsyncClient(transport=GuardedTransport(allowed), timeout=timeout_s, trust_env=False)
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for each in self._clients:
            await each.aclose()


def _hook_service(given: CdsService) -> HookService:
    return HookService(
        id=given.id,
        hook=given.hook,
        title=given.title,
        description=given.description,
        trials=frozenset(given.trials),
        conditions=given.conditions,
        statuses=frozenset(each.lower() for each in given.statuses),
        least_met=given.least_met,
        most_cards=given.most_cards,
        with_ineligible=given.with_ineligible,
    )


def _without_query(record: logging.LogRecord) -> bool:
    """Cut the query off what the server logs of a request: `patient=` may stand in it."""
    if isinstance(record.args, tuple) and len(record.args) == 5:  # client, method, path, HTTP version, status
        client, method, path, version, status = record.args
        record.args = (client, method, str(path).partition("?")[0], version, status)
    return True
