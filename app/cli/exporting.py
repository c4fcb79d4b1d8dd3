"""A trial's FHIR resources as files: the Bundle, and each resource by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from app.errors import EligoError

if TYPE_CHECKING:
    from pathlib import Path

BUNDLE_NAME = "package.json"


class NotWritable(EligoError):
    """A folder that cannot be written to."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"{folder} cannot be written to: {reason}.")
        self.folder = folder


def write_package(bundle: bytes, folder: Path) -> list[str]:
    """Write a Bundle and its resources, `ResearchStudy-NCT03619954.json` and so on; the names of the files.

    The folder is made where it is not there; files of the same name are written over. NotWritable.
    """
    content = orjson.loads(bundle)
    files = {BUNDLE_NAME: content}
    files |= {
        f"{each['resourceType']}-{each['id']}.json": each for each in (one["resource"] for one in content["entry"])
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, resource in files.items():
            (folder / name).write_bytes(pretty(resource))
    except OSError as error:
        raise NotWritable(folder, error.strerror or type(error).__name__) from None
    return list(files)


def pretty(resource: object) -> bytes:
    """JSON for people and for `diff`."""
    return orjson.dumps(resource, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
