"""What all tests share: where the reference material lies, if it lies here at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference material, which is not part of the repository: beside the checkout, or ELIGO_SHARED."""
    folder = Path(os.environ.get("ELIGO_SHARED", _BESIDE))
    if not (folder / "design").is_dir():
        pytest.skip(f"The reference material is not on this machine ({folder}); ELIGO_SHARED may name it.")
    return folder
