"""Where the reference material lies that is not part of the repository."""

from __future__ import annotations

import os
from pathlib import Path

_BESIDE = Path(__file__).parents[2] / "shared"


def reference_folder() -> Path:
    """The folder beside the checkout, or the one that ELIGO_SHARED names; it need not be there."""
    return Path(os.environ.get("ELIGO_SHARED", _BESIDE))
