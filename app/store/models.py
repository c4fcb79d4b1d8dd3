"""The tables. What they hold of a trial is what was read from its registration; nothing here changes once written.

`migrations/` makes the same tables; a test compares the two.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, Index, Integer, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

MAX_ID = 128


class Base(DeclarativeBase):
    """The declarative base; its names of constraints are fixed, so that later migrations can find them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class TrialRow(Base):
    """A trial: which version counts, and what lists search. `searched` and `conditions` are case-folded."""

    __tablename__ = "trial"
    __table_args__ = (
        Index("ix_trial_listed", "hidden_at", "status", "id"),
        # Words are found anywhere in these: by their trigrams, which PostgreSQL alone has an index for.
        *(
            Index(f"ix_trial_{name}_trgm", name, postgresql_using="gin", postgresql_ops={name: "gin_trgm_ops"}).ddl_if(
                dialect="postgresql"
            )
            for name in ("searched", "conditions")
        ),
    )

    id: Mapped[str] = mapped_column(String(MAX_ID), primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(Text)
    searched: Mapped[str] = mapped_column(Text)
    conditions: Mapped[str] = mapped_column(Text)
    hidden_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class VersionRow(Base):
    """One version of a trial, as it was read. `digest` addresses `document` and `source` together.

    `document` is the trial as JSON text, exactly as it is given out; `source` is what was sent, `source_digest` its
    address, `record` the registration record as JSON text (both NULL in versions that are older than they). Where
    `reviewed_by` (the subject of a token) is set, a person's reading is in force, which was given at `reviewed_at` and
    made the version `reviewed_in`.
    """

    __tablename__ = "trial_version"

    trial_id: Mapped[str] = mapped_column(ForeignKey("trial.id", ondelete="RESTRICT"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    digest: Mapped[str] = mapped_column(String(71), index=True)
    title: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    phase: Mapped[str] = mapped_column(Text)
    conditions: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    document: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    record: Mapped[str | None] = mapped_column(Text)
    source_digest: Mapped[str | None] = mapped_column(String(71))
    reviewed_by: Mapped[str | None] = mapped_column(Text)
    reviewed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    reviewed_in: Mapped[int | None] = mapped_column(Integer)


class RevisionRow(Base):
    """One row that counts the changes, so that a process knows whether the list it remembers still holds.

    A counter and not a clock: two nodes never agree on the time, and a list that is believed too long judges by
    criteria that were amended.
    """

    __tablename__ = "revision"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(Integer)


class FeedbackRow(Base):
    """What became of a CDS card. `trial_id` is "" for the card of all further trials; `suggestions` is a JSON list."""

    __tablename__ = "feedback"
    __table_args__ = (Index("ix_feedback_trial_id", "trial_id"),)

    card: Mapped[str] = mapped_column(String(36), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(16), primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True)
    trial_id: Mapped[str] = mapped_column(String(MAX_ID))
    service_id: Mapped[str] = mapped_column(String(MAX_ID))
    suggestions: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(String(64))


class UsedTokenRow(Base):
    """A caller's token that was used and may not be used again until it has expired: a digest of issuer and `jti`."""

    __tablename__ = "used_token"
    __table_args__ = (Index("ix_used_token_until", "until"),)

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    until: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class _SiteResource:
    """One version of a resource of a site. `content` is the resource as it was sent, "" where it was taken away."""

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    fhir_version: Mapped[str] = mapped_column(String(8))
    content: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ConceptMapRow(_SiteResource, Base):
    """One version of a site's ConceptMap."""

    __tablename__ = "concept_map"


class SupplementRow(_SiteResource, Base):
    """One version of a site's CodeSystem supplement."""

    __tablename__ = "supplement"


class CompiledRow(Base):
    """What a CQL library was compiled to. `digest` is of its source text; `elm` is JSON."""

    __tablename__ = "compiled"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    elm: Mapped[str] = mapped_column(Text)
    compiled_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ExpansionRow(Base):
    """What lies beneath a SNOMED CT code in one version. `digest` is of version and expression; `codes` is JSON."""

    __tablename__ = "expansion"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(Text)
    ecl: Mapped[str] = mapped_column(Text)
    code: Mapped[str] = mapped_column(String(32))
    codes: Mapped[str] = mapped_column(Text)
    fetched_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
