"""Who has corrected a reading, and when: what a version of a trial remembers of its curator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Review:
    """A person's reading: who gave it (the subject of a token), when, and the version that it made.

    0 as the version means the one that is being made.
    """

    by: str
    at: datetime
    version: int = 0
