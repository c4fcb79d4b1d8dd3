"""The service on a real database file with real worker processes, called in the process itself."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest_asyncio

from app.main import create_app
from app.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest
    from fastapi import FastAPI

LIMIT = 200_000
"""A small limit of the body, so that tests can exceed it cheaply."""


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an app that has started; stopped on the way out."""
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client,
    ):
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    folder: Path = tmp_path_factory.mktemp("api")
    settings = Settings(database_url=f"sqlite:///{folder}/eligo.db", max_body_bytes=LIMIT, judge_processes=1)
    async with running(create_app(settings)) as started:
        yield started
