"""The demonstration: trials and patients that do not exist, as files beside this module, and how to read them.

Everything is judged as of one fixed day, so that the demonstration gives the same answer for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

AS_OF = date(2026, 11, 22)
"""The day as of which the demonstration is judged."""


@dataclass(frozen=True, slots=True)
class DemoFile:
    """One file: its name without the ending, and its bytes (JSON, UTF-8)."""

    name: str
    content: bytes


def load_demo_trials() -> tuple[DemoFile, ...]:
    """Five studies in the form of the ClinicalTrials.gov API, version 2, by name."""
    return _load("trials")


def load_demo_patients() -> tuple[DemoFile, ...]:
    """Ten FHIR Bundles of one patient each (R4; one is R5), by name."""
    return _load("patients")


def _load(folder: str) -> tuple[DemoFile, ...]:
    return tuple(DemoFile(each.name.removesuffix(".json"), each.read_bytes()) for each in _files(folder))


def _files(folder: str) -> list[Traversable]:
    found = [each for each in (resources.files(__name__) / folder).iterdir() if each.name.endswith(".json")]
    return sorted(found, key=lambda each: each.name)
