"""What is generated equals what generates it. Part of `make check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli import settings_table
from app.main import create_app
from app.settings import Settings

pytestmark = pytest.mark.freshness
ROOT = Path(__file__).parents[2]


def test_the_api_description_is_what_the_service_gives_out():
    made = create_app(Settings(database_url="sqlite:///unused.db")).openapi()

    assert json.loads((ROOT / "openapi" / "openapi.json").read_text()) == json.loads(json.dumps(made)), (
        "run `make openapi`"
    )


def test_the_page_of_settings_is_what_the_settings_are():
    assert (ROOT / "docs" / "settings.md").read_text() == settings_table.markdown(), "run `make settings`"
