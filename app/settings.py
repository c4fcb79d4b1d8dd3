"""Settings from the environment: `ELIGO_*`. Read by `main` alone."""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from app.emitters.canonical import DEFAULT_BASE
from app.errors import EligoError

if TYPE_CHECKING:
    from collections.abc import Iterable

_MB = 1024 * 1024
SECRETS = Path("/run/secrets")
"""Where Docker and others mount secrets."""
_OTHERS = re.compile(r"ELIGO_(?:.*_)?(?:PORT(?:_.*)?|SERVICE_.*)|ELIGO_(?:SHARED|TEST_.*|SECOND_ENGINE)")


def _default_url() -> str:
    return f"sqlite:///{Path(user_data_path('eligo', appauthor=False)) / 'eligo.db'}"


class BadSetting(EligoError):
    """A variable of the environment that cannot be used; `name` says which. Its value is not repeated."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} cannot be used: {reason}.")
        self.name = name
        self.reason = reason


class _Files(EnvSettingsSource):
    """`ELIGO_X_FILE` names a file whose content is the value of `ELIGO_X`: so secrets stay out of the environment.

    A file `eligo_x` where secrets are mounted counts without being named.
    """

    def _load_env_vars(self) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for name in Settings.model_fields:
            variable = f"ELIGO_{name.upper()}"
            named = os.environ.get(f"{variable}_FILE", "")
            path = Path(named) if named else SECRETS / variable.lower()
            if not named and not path.is_file():
                continue
            if named and os.environ.get(variable):
                raise BadSetting(f"{variable}_FILE", f"{variable} is set as well, and only one of them can count")
            try:
                found[variable.lower()] = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is no text"
                raise BadSetting(f"{variable}_FILE", f"the file {path} cannot be read ({reason})") from None
        return found


class CdsService(BaseModel):
    """One CDS service. Empty lists narrow nothing; `statuses` empty: every trial that is not over."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")
    hook: Literal["patient-view", "encounter-start", "appointment-book", "order-select"]
    title: str = "Clinical trials"
    description: str = "Trials that this patient may fit, criterion by criterion."
    trials: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    least_met: float = Field(default=0.0, ge=0, le=1)
    most_cards: int = Field(default=3, ge=1, le=20)
    with_ineligible: bool = False


class Settings(BaseSettings):
    """What an installation decides. Sizes in bytes, times in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="ELIGO_", env_ignore_empty=True, extra="ignore", use_attribute_docstrings=True
    )

    database_url: str = Field(default_factory=_default_url, repr=False)
    """An SQLAlchemy URL: SQLite or PostgreSQL. Default: an SQLite file in the user's data directory."""
    database_pool_size: int = Field(default=5, ge=1, le=500)
    """Connections to PostgreSQL that each server process keeps."""
    database_pool_overflow: int = Field(default=5, ge=0, le=500)
    """Connections beyond these that a server process may open in busy moments."""
    database_pool_wait_s: float = Field(default=5.0, gt=0, le=120)
    """How long a request waits for a connection to come free."""
    database_connect_timeout_s: float = Field(default=5.0, gt=0, le=120)
    """How long PostgreSQL may take to accept a connection."""
    database_statement_timeout_s: float = Field(default=10.0, gt=0, le=3600)
    """How long one statement may take in PostgreSQL; migrations are not limited."""
    database_lock_timeout_s: float = Field(default=5.0, gt=0, le=3600)
    """How long a statement waits for what another one has locked."""
    trial_cache_bytes: int = Field(default=64 * _MB, ge=0)
    """How much of the text of trials each server process keeps at hand."""
    canonical_url: str = Field(default=DEFAULT_BASE, pattern=r"^https?://[^\s|#?]*[^\s|#?/]$")
    """The base of the canonical URLs under which trials are published; it stays when the service moves."""
    max_body_bytes: int = Field(default=20 * _MB, ge=1024)
    """The most that a request's body may have, inflated."""
    judge_processes: int = Field(default_factory=lambda: min(2, os.cpu_count() or 1), ge=1, le=64)
    """Processes that read and judge, for each server process."""
    judge_limit_s: float = Field(default=120.0, gt=0)
    """After this long a job is stopped."""
    judge_wait_s: float = Field(default=30.0, gt=0)
    """How long a job may wait for its turn."""
    judge_line: int = Field(default=16, ge=0, le=10_000)
    """How many jobs may wait for each judging process; one more is turned away."""
    max_entries: int = Field(default=50_000, ge=1)
    """The most entries that a Bundle may have."""
    max_inflate_ratio: int = Field(default=200, ge=2)
    """The most that a compressed body may inflate to, as a multiple of what was sent."""
    body_timeout_s: float = Field(default=60.0, gt=0)
    """How long a body may take to arrive."""
    header_timeout_s: float = Field(default=10.0, gt=0)
    """How long the head of a request may take to arrive."""
    max_connections: int = Field(default=1000, ge=10)
    """Connections to each server process; beyond it calls are answered 503."""
    shutdown_s: int = Field(default=30, ge=1)
    """How long calls may run on when the service is told to stop."""
    registry_url: str = Field(default="https://clinicaltrials.gov/api/v2", pattern=r"^https?://\S+$")
    """The register that `eligo import NCT...` asks: one that answers as the ClinicalTrials.gov API, version 2, does."""
    registry_timeout_s: float = Field(default=30.0, gt=0)
    """How long the register may take to answer."""
    terminology_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """The base address of a FHIR terminology server with SNOMED CT; "" for none."""
    terminology_timeout_s: float = Field(default=20.0, gt=0)
    """How long the terminology server may take to answer one call."""

    childbearing_ages: str = Field(default="12-55", pattern=r"^\d{1,2}-\d{1,2}$")
    """The completed years, both ends included, in which childbearing potential is presumed of females."""
    stale_after: str = Field(default="P90D", pattern=r"^P\d{1,6}[DWMY]$")
    """Values older than this are marked as stale in the evidence."""
    weight_max_older: str = Field(default="P90D", pattern=r"^P\d{1,6}[DWMY]$")
    """How much older than the creatinine a weight may be in a creatinine clearance."""
    reference_ranges: str = ""
    """A YAML file of the site's reference ranges, for observations that have none of their own; by analyte."""

    log_format: Literal["auto", "json", "text"] = "auto"
    """How the log is written: `json` one object a line, `text`, or `auto`: text, in colour on a terminal."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged; `debug` has health checks as well."""
    metrics_token: SecretStr = SecretStr("")
    """The bearer token by which Prometheus reads `/metrics`; without one only this machine may."""
    otel_endpoint: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """The base address of an OpenTelemetry collector (OTLP over HTTP) that gets traces; needs `eligo[otel]`."""

    public_url: str = Field(default="", pattern=r"^(https?://[^\s|#?]*[^\s|#?/])?$")
    """The address under which callers reach the service, behind a gateway its public one: tokens are meant for it."""
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ("127.0.0.1", "::1")
    """Addresses and networks of gateways whose `X-Forwarded-*` headers count, separated by commas."""
    auth: Literal["", "none"] = ""
    """`none` asks nobody for a token although issuers are named; then only this machine is answered."""
    auth_issuers: dict[str, str] = {}
    """Whose access tokens count: issuer -> the https address of its keys (JWKS)."""
    auth_introspection_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """Where the authorization server tells about tokens that no listed issuer has signed (RFC 7662)."""
    auth_introspection_client: str = ""
    """The client id by which Eligo asks there."""
    auth_introspection_secret: SecretStr = SecretStr("")
    """The secret of that client."""
    auth_introspection_keep_s: float = Field(default=30.0, ge=0, le=300)
    """How long an answer is remembered: so long a token that was revoked may still count."""
    auth_token_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """Where callers get tokens; told in `.well-known/smart-configuration`."""
    auth_authorize_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """Where people are sent to log in, if they are; told there as well."""
    auth_audience: Annotated[tuple[str, ...], NoDecode] = Field(default=(), validate_default=True)
    """What tokens are meant for (`aud`), separated by commas; default: the public address, and `/fhir` below it."""
    audit_file: str = ""
    """The file that AuditEvents are appended to, a line each."""
    audit_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """The address that AuditEvents are posted to, such as a FHIR server's `/AuditEvent`."""
    audit_token: SecretStr = SecretStr("")
    """The bearer token that is sent there."""
    audit_queue: int = Field(default=10_000, ge=1, le=1_000_000)
    """How many events may wait for their delivery; what is beyond is dropped and counted."""
    audit_sink: Literal["off", "stdout", "file", "http"] = "off"
    """Where AuditEvents go that say who asked about which trial: `stdout`, `file`, `http`, or `off`."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins of web pages that may call, separated by commas."""
    cds_auth: Literal["", "none"] = ""
    """`none` asks CDS clients for no token although issuers are listed; then only this machine may call."""
    cds_issuers: dict[str, str] = {}
    """Who may sign the tokens of CDS clients: issuer -> the https address of its keys (JWKS)."""
    cds_fhir_servers: Annotated[tuple[str, ...], NoDecode] = ()
    """Base addresses of FHIR servers that may be called for what a prefetch lacks, separated by commas."""
    cds_private_addresses: bool = False
    """Whether names of these servers may mean addresses of private networks."""
    cds_budget_s: float = Field(default=1.0, gt=0, le=30)
    """The most that fetching what a prefetch lacks may take."""
    cds_smart_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """The launch address of a SMART app that cards link to."""
    cds_services: tuple[CdsService, ...] = ()
    """The CDS services; default: one for each of the four hooks, for all trials that are not over."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, and files that it names or that lie where secrets are mounted."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _Files(settings_cls)

    @field_validator("childbearing_ages")
    @classmethod
    def _ages(cls, given: str) -> str:
        low, high = map(int, given.split("-"))
        if not low <= high:
            raise ValueError("give the lower age first, such as 12-55")
        return given

    @property
    def asks_for_tokens(self) -> bool:
        """Whether callers need a token."""
        return bool(self.auth_issuers or self.auth_introspection_url) and self.auth != "none"

    @property
    def audiences(self) -> tuple[str, ...]:
        """What tokens must be meant for; one of these."""
        return self.auth_audience or (self.public_url, f"{self.public_url}/fhir")

    @property
    def why_local(self) -> str:
        """Why only this machine may be answered, and what to set; "" where others may."""
        if not self.asks_for_tokens:
            return (
                "Without authentication Eligo answers its own machine only. Set ELIGO_AUTH_ISSUERS (JSON: issuer to "
                "the https address of its keys) or ELIGO_AUTH_INTROSPECTION_URL, and ELIGO_PUBLIC_URL; for CDS clients "
                "ELIGO_CDS_ISSUERS. Or let a gateway on this machine authenticate."
            ) + (" ELIGO_AUTH=none has switched it off." if self.auth == "none" else "")
        if self.cds_issuers and self.cds_auth == "none":
            return "ELIGO_CDS_AUTH=none leaves the CDS services without authentication: unset it."
        return ""

    @field_validator("audit_sink")
    @classmethod
    def _has_a_place(cls, given: str, info: ValidationInfo) -> str:
        for sink, name in (("file", "audit_file"), ("http", "audit_url")):
            if given == sink and not info.data.get(name):
                raise ValueError(f"`{sink}` needs ELIGO_{name.upper()}")
        return given

    @field_validator("auth_issuers")
    @classmethod
    def _safe_keys(cls, given: dict[str, str]) -> dict[str, str]:
        for each in given.values():
            _safe(each)
        return given

    @field_validator("auth_introspection_url")
    @classmethod
    def _safe_introspection(cls, given: str) -> str:
        if given:
            _safe(given)
        return given

    @field_validator("auth_audience", mode="after")
    @classmethod
    def _meant_for_something(cls, given: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        found = info.data
        named = found.get("auth_issuers") or found.get("auth_introspection_url")
        if named and not given and not found.get("public_url"):
            raise ValueError("set ELIGO_PUBLIC_URL, or this: what access tokens are meant for (aud)")
        return given

    @field_validator("auth_audience", "trusted_proxies", "cors_origins", "cds_fhir_servers", mode="before")
    @classmethod
    def _listed(cls, given: object) -> object:
        return tuple(filter(None, map(str.strip, given.split(",")))) if isinstance(given, str) else given

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for each in given:
            try:
                ip_network(each, strict=False)
            except ValueError:
                raise ValueError("give addresses or networks, such as 10.0.0.7 or 10.0.0.0/8") from None
        return given


def _safe(address: str) -> None:
    """ValueError where others than the operator could say what this address answers."""
    url = urlsplit(address)
    try:
        is_here = ip_address(url.hostname or "").is_loopback
    except ValueError:
        is_here = False
    if not url.hostname or not (url.scheme == "https" or (url.scheme == "http" and is_here)):
        raise ValueError("this has to be an https address (or http to a loopback address such as 127.0.0.1)")


def unknown_variables(names: Iterable[str]) -> dict[str, str]:
    """Variables that look like settings and are none, each with the one that may be meant ("" where none comes close).

    What an orchestrator sets for a service that is called eligo (ELIGO_PORT, ELIGO_SERVICE_HOST ...) is left out.
    """
    known = {f"ELIGO_{each.upper()}" for each in Settings.model_fields}
    known |= {f"{each}_FILE" for each in known}
    odd = sorted(
        each for each in names if each.startswith("ELIGO_") and each not in known and not _OTHERS.fullmatch(each)
    )
    return {each: next(iter(get_close_matches(each, sorted(known), 1, 0.8)), "") for each in odd}


def load_settings() -> Settings:
    """The settings of the environment. BadSetting, with what the setting is for."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        field = str(first["loc"][0])
        says = Settings.model_fields[field].description or "" if field in Settings.model_fields else ""
        reason = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
        if first["type"] == "string_pattern_mismatch":
            reason = f"it has not the form that is needed (by default {Settings.model_fields[field].default!r})"
        raise BadSetting(f"ELIGO_{field}".upper(), f"{reason}. It is for this: {says.rstrip('.')}") from None
    except SettingsError as error:  # JSON that is none; the message names the field, and not its value
        name = re.search(r'"(\w+)"', str(error))
        raise BadSetting(f"ELIGO_{name[1] if name else ''}".upper(), "it is no JSON") from None
