"""Files that are named on the command line: which they are, what they hold, and what it is called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import EligoError
from app.services.forms import CSV, JSON, TEXT, XML, Part, trials_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STDIN = Path("-")
_LINES = frozenset({".ndjson", ".jsonl"})
_MEDIA_TYPES = {".txt": TEXT, ".json": JSON, ".xml": XML, ".csv": CSV, **dict.fromkeys(_LINES, JSON)}


class BadPath(EligoError):
    """A path that cannot be used; wrong usage, not a refusal of what it holds."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}.")
        self.path = path


class NotText(EligoError):
    """A file that is no text; `file` is its path."""

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} is no UTF-8 text.")
        self.file = file


def expanded(given: Iterable[Path]) -> list[Path]:
    """The files, and those of the folders that have trials by their names, in order. BadPath."""
    files: list[Path] = []
    for each in given:
        if each.is_dir():
            below = sorted(file for file in each.rglob("*") if file.suffix.lower() in _MEDIA_TYPES and file.is_file())
            if not below:
                raise BadPath(each, f"has no file in it that ends in {', '.join(sorted(_MEDIA_TYPES))}")
            files += below
        elif each == STDIN or each.is_file():
            files.append(each)
        else:
            raise BadPath(each, "is neither a file nor a folder, nor a number such as NCT03619954")
    return files


def media_type_of(file: Path) -> str:
    """What the name says it is; text where it says nothing, which is looked into."""
    return _MEDIA_TYPES.get(file.suffix.lower(), TEXT)


def read_bytes(file: Path) -> bytes:
    """What is in it, or in standard input. BadPath."""
    try:
        return sys.stdin.buffer.read() if file == STDIN else file.read_bytes()
    except OSError as error:
        raise BadPath(file, f"cannot be read: {error.strerror}") from None


def read_text(file: Path) -> str:
    """The same, as text. BadPath, NotText."""
    try:
        return read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotText(file) from None


def trials_in(file: Path) -> Iterator[Part]:
    """Every trial of a file. BadPath, NotText, NotJson, UnusableTrial.

    Files of lines are read line by line, so that one of any size fits into memory.
    """
    if file.suffix.lower() not in _LINES:
        yield from trials_of(media_type_of(file), read_text(file))
        return
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield Part(f"line {number}", JSON, line)
    except OSError as error:
        raise BadPath(file, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NotText(file) from None
