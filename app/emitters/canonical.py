"""The canonical addresses of what Eligo publishes of a trial: one logical id, a URL under the installation's base, and
the trial's version (FHIR R4, section 2.29, "canonical").
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

DEFAULT_BASE = "https://eligo.example/fhir"
"""Where nothing is set. The domain is reserved (RFC 2606): an installation that publishes sets its own."""
_MAX_ID = 64
_DIGEST = 8


def fhir_id(trial_id: str) -> str:
    """A trial's id as a logical id, `[A-Za-z0-9.-]{1,64}` (FHIR R4, section 2.24.0.1): the same wherever that is one
    already; else made of it, with a digest so that two ids never become one.
    """
    plain = re.sub(r"[^A-Za-z0-9.-]", "-", trial_id)
    if plain == trial_id and len(plain) <= _MAX_ID:
        return plain
    digest = hashlib.sha256(trial_id.encode()).hexdigest()[:_DIGEST]
    return f"{plain[: _MAX_ID - _DIGEST - 1]}-{digest}"


@dataclass(frozen=True, slots=True)
class Canonical:
    """Addresses under a base such as `https://trials.example.org/fhir` (no slash at its end)."""

    base: str = DEFAULT_BASE

    def url(self, resource_type: str, trial_id: str) -> str:
        """`[base]/Questionnaire/NCT03619954`: what stays when a new version comes."""
        return f"{self.base}/{resource_type}/{fhir_id(trial_id)}"

    def versioned(self, resource_type: str, trial_id: str, version: int) -> str:
        """`[base]/Questionnaire/NCT03619954|2`."""
        return f"{self.url(resource_type, trial_id)}|{version}"
