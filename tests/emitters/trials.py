"""Trials as emitters take them, made by the front door: from a page or a study of a register."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from app.emitters.canonical import Canonical
from app.emitters.fhir import FhirVersion, Target
from app.knowledge.load import load_catalogue
from app.services.publishing import published_trial
from app.services.reading import read_trial

if TYPE_CHECKING:
    from app.emitters.fhir import PublishedTrial
    from app.knowledge.catalogue import Catalogue

BASE = "https://trials.example.org/fhir"


@cache
def catalogue() -> Catalogue:
    """The catalogue, read once."""
    return load_catalogue()


def target(version: FhirVersion = FhirVersion.R4) -> Target:
    """Whom it is emitted for."""
    return Target(version, Canonical(BASE), catalogue())


def published(text: str, media_type: str = "text/plain", version: int = 1) -> PublishedTrial:
    """A registration, read and stored and taken out again."""
    read = read_trial(media_type, text, None, catalogue())
    return published_trial(version, read.document, read.record, catalogue())


def registrations(shared: Path) -> list[Path]:
    """The five trials, and thirty registrations of a register."""
    return [*sorted((shared / "trials").glob("*.txt")), *sorted((shared / "data/trials/ctgov-v2").glob("*.json"))[:30]]


def published_file(path: Path) -> PublishedTrial:
    """The same, of a file."""
    return published(path.read_text(), "application/json" if path.suffix == ".json" else "text/plain")
