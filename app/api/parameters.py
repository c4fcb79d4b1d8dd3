"""Query parameters, checked. A name that a call does not know is refused: `asof=` would silently mean today."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Literal

from fastapi import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.services.options import (
    COMPLETES,
    DAYS,
    DURATIONS,
    EARLIEST,
    LATEST,
    BadParameter,
    Options,
    read_complete,
    read_day,
    read_max_age,
)

_MAX_INT = 2**31 - 1


def _day(given: object) -> date:
    """A day as ISO 8601 writes it, and nothing that merely could be one (seconds since 1970)."""
    day = read_day(given) if isinstance(given, str) else None
    if day is not None:
        return day
    raise ValueError(f"A date such as 2026-11-22, from {EARLIEST} to {LATEST}.")


def _no_nul(given: object) -> object:
    if isinstance(given, str) and "\0" in given:
        raise ValueError("A NUL character (U+0000) is in no name.")
    return given


Words = Annotated[str, BeforeValidator(_no_nul), Field(max_length=200, json_schema_extra={"pattern": r"^[^\u0000]*$"})]


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class ListQuery(_Query):
    """What is listed."""

    q: Words = Field("", description="Words found anywhere in the id, the title or the conditions")
    condition: Words = Field("", description="Words found anywhere in the conditions")
    status: Words = Field("", description="The recruitment status, such as `recruiting`")
    page: int = Field(1, ge=1, le=1_000_000, description="Which page, from 1")


class VersionQuery(_Query):
    """Which version is read."""

    version: int | None = Field(None, ge=1, le=_MAX_INT, description="The version; default: the newest")


class GetQuery(VersionQuery):
    """Which version is read, or which two are laid side by side."""

    diff: str | None = Field(
        None,
        pattern=r"^[1-9][0-9]{0,8},[1-9][0-9]{0,8}$",
        description="Two versions, such as `1,2`: what changed from the first to the second",
    )

    def versions(self) -> tuple[int, int] | None:
        """The two versions to compare. BadParameter where one version is asked for as well."""
        if self.diff is None:
            return None
        if self.version is not None:
            raise BadParameter("diff", "names its versions itself; leave `version` out.")
        before, after = self.diff.split(",")
        return int(before), int(after)


class JudgeQuery(_Query):
    """How a record is judged."""

    as_of: Annotated[date | None, BeforeValidator(_day)] = Field(
        None,
        alias="asOf",
        description="The evaluation date; default: today, UTC",
        json_schema_extra={"pattern": DAYS},
    )
    absence: Literal["open", "closed"] | None = Field(
        None,
        description="`open`: nothing is ever concluded from absence; `closed`: always. Default: where the record shows "
        "that it has what there is",
    )
    max_age: str | None = Field(
        None,
        alias="maxAge",
        description="Values older than this decide nothing: `P90D`, `P3M`, or a number of days",
        json_schema_extra={"pattern": DURATIONS},
    )
    complete: list[Annotated[str, Field(json_schema_extra={"pattern": COMPLETES})]] = Field(
        [], description="Resource types of which the record has all (repeated or comma-separated)"
    )
    patient: Words | None = Field(
        None, description="Who is meant, where the Bundle has several patients: an id or a reference"
    )

    def options(self) -> Options:
        """The options. The clock is read here and nowhere below."""
        return Options(
            as_of=self.as_of or datetime.now(UTC).date(),
            absence=self.absence or "default",
            max_age=None if self.max_age is None else read_max_age(self.max_age),
            complete=read_complete(self.complete),
            patient=self.patient,
        )


class RecordQuery(JudgeQuery):
    """How a FHIR operation judges a record; `_format` is read elsewhere."""

    format: str | None = Field(None, alias="_format")
    pretty: str | None = Field(None, alias="_pretty")


class JudgeVersionQuery(JudgeQuery, VersionQuery):
    """How a record is judged by one trial."""


class JudgeAllQuery(JudgeQuery):
    """How a record is judged by all trials."""

    status: Words = Field("", description="Only trials with this recruitment status")
    limit: int | None = Field(None, ge=1, le=_MAX_INT, description="The most summaries to answer with; default: all")


async def each_once(request: Request) -> None:
    """Refuse a parameter that is given twice: one of its values would silently not count.

    Like all that routes depend on it is async: what is not would be sent to a thread and back, for each call.
    """
    names = [name for name, _ in request.query_params.multi_items() if name != "complete"]
    for name in names:
        if names.count(name) > 1:
            raise BadParameter(name, "is given more than once.")
