"""Limits as the settings have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api.limits import BodyLimits
from app.api.slow import Patience
from app.services.workers import JobLimits

if TYPE_CHECKING:
    from app.settings import Settings


def body_limits(settings: Settings) -> BodyLimits:
    """Of bodies."""
    return BodyLimits(settings.max_body_bytes, settings.max_inflate_ratio, settings.body_timeout_s)


def job_limits(settings: Settings) -> JobLimits:
    """Of jobs."""
    return JobLimits(settings.judge_limit_s, settings.judge_wait_s, settings.judge_line, settings.max_entries)


def connection_limits(settings: Settings) -> Patience:
    """Of connections."""
    return Patience(settings.header_timeout_s, settings.body_timeout_s)
