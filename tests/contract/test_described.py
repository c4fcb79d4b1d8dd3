"""The API description against the running service: schemathesis sends what it describes, and what it forbids.

By default a short run on SQLite; `make contract` sets ELIGO_CONTRACT=full for at least 5,000 requests on each database.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.demo import load_demo_trials
from app.store import Database, migrate
from tests.issuer import issuer
from tests.postgresql import postgresql
from tests.serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.issuer import Issuer
    from tests.serving import Served

FULL = os.environ.get("ELIGO_CONTRACT") == "full"
SEED = 20261124
EXAMPLES = 400 if FULL else 6
LEAST = 5_000 if FULL else 600
_HERE = Path(__file__).parent


@pytest.fixture
def login() -> Iterator[Issuer]:
    with issuer() as server:
        yield server


@pytest.fixture
def on_sqlite(tmp_path: Path, login: Issuer) -> Iterator[Served]:
    with serving(tmp_path, **login.environment(login.by_keys)) as served:
        yield served


@pytest.fixture
async def postgresql_url() -> Any:
    with postgresql() as url:
        database = Database(url)
        await migrate(database)
        await database.close()
        yield url


@pytest.fixture
def on_postgresql(tmp_path: Path, postgresql_url: str, login: Issuer) -> Iterator[Served]:
    with serving(tmp_path, ELIGO_DATABASE_URL=postgresql_url, **login.environment(login.by_keys)) as served:
        yield served


def run(address: str, folder: Path, token: str) -> dict[str, Any]:
    """What schemathesis tells of all its phases and checks."""
    report = folder / "report.json"
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(_HERE / "schemathesis.toml"), "--no-color"),
        *("run", f"{address}/openapi.json", "--seed", str(SEED), "--max-examples", str(EXAMPLES)),
        *("--header", f"Authorization: Bearer {token}"),
        *("--report", "json", "--report-json-path", str(report)),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert report.exists(), done.stdout + done.stderr
    told: dict[str, Any] = json.loads(report.read_bytes())
    assert done.returncode == 0, done.stdout
    return told


def is_as_described(served: Served, folder: Path, login: Issuer) -> None:
    token = login.token(exp=int(time.time()) + 12 * 3600)
    for each in load_demo_trials():
        sent = httpx.post(
            f"{served.address}/v1/trials",
            content=each.content,
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
        )
        assert sent.status_code == 201

    told = run(served.address, folder, token)

    assert not told["failures"], told["failures"]
    assert not told["errors"], told["errors"]
    assert {name: phase["status"] for name, phase in told["phases"].items()} == dict.fromkeys(
        ("examples", "coverage", "fuzzing", "stateful"), "success"
    )
    assert told["operations"]["tested"] == told["operations"]["total"] > 10
    assert told["test_cases"]["generated"] >= LEAST
    assert "Traceback" not in served.log.read_text()
    print(f"{told['test_cases']['generated']} requests, {told['running_time']:.0f} s")  # noqa: T201  the figure wanted


def test_every_answer_is_as_described(on_sqlite, tmp_path, login):
    is_as_described(on_sqlite, tmp_path, login)


@pytest.mark.skipif(not FULL, reason="make contract tries both databases")
def test_every_answer_is_as_described_on_postgresql(on_postgresql, tmp_path, login):
    is_as_described(on_postgresql, tmp_path, login)
