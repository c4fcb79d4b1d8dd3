"""What all tests share: where the reference material lies, if it lies here at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reference import reference_folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference material, which is not part of the repository: beside the checkout, or ELIGO_SHARED."""
    folder = reference_folder()
    if not (folder / "design").is_dir():
        pytest.skip(f"The reference material is not on this machine ({folder}); ELIGO_SHARED may name it.")
    return folder
