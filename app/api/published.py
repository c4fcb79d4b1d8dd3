"""What is published for those who call: JSON Schemas of what goes over the wire, and answers as examples.

The answers stand in `answers.json` beside this module, as the service gave them (`app.cli.answering` writes them anew).
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Any, Final

from app.api import shapes
from app.criteria.schema import expression_schema

Json = dict[str, Any]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_SHAPES: Final[dict[str, tuple[type[shapes.Shape], str]]] = {
    "trial": (shapes.Trial, "A trial: a version of a registration, and how its criteria are read"),
    "report": (shapes.EligibilityReport, "What a record shows about every criterion of a trial"),
    "problem": (shapes.Problem, "An error, as RFC 9457 has it"),
}


def schemas() -> dict[str, Json]:
    """The schemas that are made from the code, by the name of their file (`schemas/NAME.schema.json`)."""
    made: dict[str, Json] = {"expression": expression_schema()}
    for name, (shape, title) in _SHAPES.items():
        written = shape.model_json_schema(mode="serialization")
        written.pop("title", None)
        made[name] = {"$schema": _DIALECT, "$id": f"urn:eligo:schema:{name}", "title": title, **written}
    return made


def load_answers() -> dict[str, Json]:
    """Answers by operation: `{"register_trial": {"201": {"application/json": ...}}}`."""
    read: dict[str, Json] = json.loads((resources.files("app.api") / "answers.json").read_text(encoding="utf-8"))
    return read


def add_answers(description: Json, answers: dict[str, Json]) -> None:
    """Put the answers into an API description as examples, where it describes such an answer."""
    for path in description["paths"].values():
        for call in path.values():
            for status, given in answers.get(call.get("operationId", ""), {}).items():
                for media_type, example in given.items():
                    described = call["responses"][status].setdefault("content", {})
                    described.setdefault(media_type, {"schema": {"type": "object"}})["example"] = example
