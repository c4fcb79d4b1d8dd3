"""Settings from the environment: `ELIGO_*`. Read by `main` alone."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_data_path
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.emitters.canonical import DEFAULT_BASE
from app.errors import EligoError

_MB = 1024 * 1024


def _default_url() -> str:
    return f"sqlite:///{Path(user_data_path('eligo', appauthor=False)) / 'eligo.db'}"


class BadSetting(EligoError):
    """A variable of the environment that cannot be used; `name` says which. Its value is not repeated."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} cannot be used: {reason}.")
        self.name = name
        self.reason = reason


class Settings(BaseSettings):
    """What an installation decides. Sizes in bytes, times in seconds."""

    model_config = SettingsConfigDict(env_prefix="ELIGO_", env_ignore_empty=True, extra="ignore")

    database_url: str = Field(default_factory=_default_url, repr=False)
    """An SQLAlchemy URL: SQLite or PostgreSQL. Default: an SQLite file in the user's data directory."""
    canonical_url: str = Field(default=DEFAULT_BASE, pattern=r"^https?://[^\s|#?]*[^\s|#?/]$")
    """The base of the canonical URLs under which trials are published; it stays when the service moves."""
    max_body_bytes: int = Field(default=20 * _MB, ge=1024)
    """The most that a request's body may have, inflated."""
    judge_processes: int = Field(default_factory=lambda: min(2, os.cpu_count() or 1), ge=1, le=64)
    """Processes that read and judge, for each server process."""
    judge_limit_s: float = Field(default=120.0, gt=0)
    """After this long a job is stopped."""
    registry_url: str = Field(default="https://clinicaltrials.gov/api/v2", pattern=r"^https?://\S+$")
    """The register that `eligo import NCT...` asks: one that answers as the ClinicalTrials.gov API, version 2, does."""
    registry_timeout_s: float = Field(default=30.0, gt=0)
    """How long the register may take to answer."""


def load_settings() -> Settings:
    """The settings of the environment. BadSetting."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise BadSetting(f"ELIGO_{first['loc'][0]}".upper(), first["msg"]) from None
