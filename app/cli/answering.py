"""Asks a service of its own every call of the API description, and keeps the answers as its examples.

`python -m app.cli.answering` writes `app/api/answers.json` anew; `make openapi` runs it. The requests are the examples
of the description itself.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from app.api import examples
from app.api.published import schemas
from app.main import create_app
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

Answers = dict[str, dict[str, dict[str, Any]]]

AS_OF: Final = "2026-11-22"
_FILE: Final = Path(__file__).parents[1] / "api" / "answers.json"
_SCHEMAS: Final = Path(__file__).parents[2] / "schemas"
_TEXT: Final = {"Content-Type": "text/plain"}
_DAY: Final = {"asOf": AS_OF}
_TRIAL: Final = "/v1/trials/NCT00000000"
_SERVICE: Final = "/cds-services/trials-patient-view"
_CALLS: Final[tuple[tuple[str, str, dict[str, Any]], ...]] = (
    ("POST", "/v1/trials", {"content": examples.PAGE, "headers": _TEXT}),
    ("POST", "/v1/trials", {"content": examples.PAGE, "headers": _TEXT}),
    ("POST", "/v1/trials", {"content": "{}", "headers": {"Content-Type": "application/json"}}),
    ("POST", "/v1/trials", {"content": "x", "headers": {"Content-Type": "image/png"}}),
    ("GET", "/v1/trials", {}),
    ("GET", "/v1/trials", {"params": {"page": "0"}}),
    ("GET", _TRIAL, {}),
    ("GET", "/v1/trials/none", {}),
    ("GET", _TRIAL, {"params": {"version": "x"}}),
    ("GET", f"{_TRIAL}/registration", {}),
    ("POST", "/v1/read", {"content": examples.CRITERIA, "headers": _TEXT}),
    ("POST", f"{_TRIAL}/evaluate", {"json": examples.BUNDLE, "params": _DAY}),
    ("POST", f"{_TRIAL}/evaluate", {"json": {"resourceType": "Bundle", "type": "collection"}, "params": _DAY}),
    ("POST", f"{_TRIAL}/evaluate", {"json": examples.BUNDLE, "params": {"asof": AS_OF}}),
    ("POST", "/v1/trials/none/evaluate", {"json": examples.BUNDLE, "params": _DAY}),
    ("POST", "/v1/evaluate", {"json": examples.BUNDLE, "params": _DAY}),
    ("POST", "/v1/evaluate/inline", {"json": examples.INLINE, "params": _DAY}),
    ("POST", "/v1/evaluate/inline", {"json": {"trial": examples.PAGE}, "params": _DAY}),
    ("PUT", f"{_TRIAL}/criteria", {"json": examples.CORRECTION, "headers": {"If-Match": '"9"'}}),
    ("PUT", f"{_TRIAL}/criteria", {"json": examples.CORRECTION}),
    ("PUT", f"{_TRIAL}/criteria", {"json": {"criteria": [{"id": "I9", "expression": {"kind": "alive"}}]}}),
    ("GET", "/cds-services", {}),
    ("POST", _SERVICE, {"json": "request"}),
    ("POST", "/cds-services/none", {"json": "request"}),
    ("POST", f"{_SERVICE}/feedback", {"json": "request"}),
    ("GET", "/v1/feedback", {}),
    ("GET", "/health/live", {}),
    ("GET", "/health/ready", {}),
    ("DELETE", "/v1/trials/none", {}),
)
"""In the order in which they are sent; `"json": "request"` stands for the description's own example of the request."""


async def ask_all() -> Answers:
    """The answers of a new service, by operation, status and media type; what differs each time is made the same."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(Settings(database_url=f"sqlite:///{folder}/eligo.db", judge_processes=1))
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client,
        ):
            while (await client.get("/health/ready")).status_code != httpx.codes.OK:  # noqa: ASYNC110  asked as others do
                await asyncio.sleep(0.1)
            return await _ask(app, client)


async def _ask(app: FastAPI, client: httpx.AsyncClient) -> Answers:
    description = app.openapi()
    answers: Answers = {}
    for method, path, given in _CALLS:
        described = _described(description, path)[method.lower()]
        if given.get("json") == "request":
            given = {"json": described["requestBody"]["content"]["application/json"]["example"]}  # noqa: PLW2901
        answer = await client.request(method, path, **given)
        status, media_type = str(answer.status_code), answer.headers["content-type"].partition(";")[0]
        if status not in described["responses"]:
            raise RuntimeError(f"{method} {path} answered {status}, which is not described: {answer.text}")
        answers.setdefault(described["operationId"], {}).setdefault(status, {}).setdefault(
            media_type, json.loads(_same_each_time(answer.text))
        )
    return answers


def _described(description: dict[str, Any], path: str) -> dict[str, Any]:
    """The description of a path: one without parameters stands before one with."""
    found: dict[str, dict[str, Any]] = description["paths"]
    if path in found:
        return found[path]
    [template] = [
        each
        for each in found
        if "{" in each and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", each), path) and each.count("/") == path.count("/")
    ]
    return found[template]


def _same_each_time(text: str) -> str:
    """The catalogue's digest and moments of time, as they might be."""
    text = re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{'0' * 64}", text)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", f"{AS_OF}T09:00:00Z", text)


def written(answers: Answers) -> str:
    """The text of the file."""
    return json.dumps(answers, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> None:
    """Write answers and schemas."""
    _FILE.write_text(written(asyncio.run(ask_all())), encoding="utf-8")
    for name, schema in schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        (_SCHEMAS / f"{name}.schema.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
