"""`eligo import`: trials from files, folders, tables, NDJSON and a register, one after the other."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from app.cli import files
from app.clients.registry import NUMBER
from app.errors import DatabaseUnavailable, EligoError
from app.reader import Reading
from app.services.forms import JSON, Part
from app.services.jobs import where

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from app.main import AtHand


class Source(NamedTuple):
    """What was named on the command line: a file, or else a registry number."""

    name: str
    file: Path | None


class BadJournal(EligoError):
    """A journal that cannot be written, or is none; `file` is its path."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"The journal {file} cannot be used: {reason}.")
        self.file = file


class Journal:
    """What is done, a line each, so that an import that broke off goes on where it stopped."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._done: set[str] = set()
        if file is not None and file.exists():
            try:
                self._done = {
                    str(orjson.loads(line)["done"]) for line in file.read_bytes().splitlines() if line.strip()
                }
            except OSError as error:
                raise BadJournal(file, str(error.strerror)) from None
            except (ValueError, KeyError, TypeError):
                raise BadJournal(file, "it has lines in it that are not of a journal") from None

    def has(self, key: str) -> bool:
        """Whether it was done in an earlier run."""
        return key in self._done

    def add(self, key: str) -> None:
        """Remember that it is done."""
        if self._file is not None:
            try:
                with self._file.open("ab") as out:
                    out.write(orjson.dumps({"done": key}) + b"\n")
            except OSError as error:
                raise BadJournal(self._file, str(error.strerror)) from None


@dataclass(slots=True)
class Tally:
    """What came of it so far; `readings` counts the criteria of all trials."""

    new: int = 0
    as_before: int = 0
    refused: int = 0
    skipped: int = 0
    readings: Counter[str] = field(default_factory=Counter)

    def words(self) -> str:
        """`3 new, 2 as before, 0 refused.`, and before it how much of it was understood."""
        skipped = f", {self.skipped} done in an earlier run" if self.skipped else ""
        understood = f"{counts_in_words(self.readings)}\n" if self.readings else ""
        return f"{understood}{self.new} new, {self.as_before} as before, {self.refused} refused{skipped}."


def counts_in_words(counts: Counter[str]) -> str:
    """`12 criteria: 5 computable, 7 unread.`"""
    found = ", ".join(f"{counts[each]} {each.value}" for each in Reading if counts[each])
    total = sum(counts.values())
    return f"{total} {'criterion' if total == 1 else 'criteria'}: {found}."


def sources_of(given: Sequence[str]) -> list[Source]:
    """What the arguments name: files, the files of folders, and registry numbers. BadPath."""
    found: list[Source] = []
    for each in given:
        if NUMBER.fullmatch(each) and not Path(each).exists():
            found.append(Source(each.upper(), None))
        else:
            found += [Source(str(file), file) for file in files.expanded([Path(each)])]
    return found


class Importer:
    """Imports one source after the other; one that is refused does not stop the rest.

    `say` is told what came of each trial, as an object for JSON: `source` and either `error` or what was read.
    """

    def __init__(self, hand: AtHand, journal: Journal, say: Callable[[dict[str, Any]], None]) -> None:
        self._hand = hand
        self._journal = journal
        self._say = say
        self.tally = Tally()

    async def run(self, sources: Sequence[Source]) -> None:
        """Import all of them, with progress on standard error. BadJournal; DatabaseUnavailable where that is lost."""
        console = Console(stderr=True, soft_wrap=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            for source in progress.track(sources, description="Importing"):
                try:
                    async for part, key in self._parts(source):
                        name = f"{source.name}, {part.place}" if part.place else source.name
                        await self._one(source, part, key, name, progress.console)
                except EligoError as error:
                    self._refuse(source.name, error, progress.console)

    async def _parts(self, source: Source) -> AsyncIterator[tuple[Part, str]]:
        """The trials of a source that are still to be done, and what the journal calls them."""
        if source.file is None:
            if self._journal.has(source.name):
                self.tally.skipped += 1
                return
            yield Part("", JSON, await self._hand.registry.fetch(source.name)), source.name
            return
        for part in files.trials_in(source.file):
            key = f"sha256:{hashlib.sha256(part.body.encode()).hexdigest()}"
            if self._journal.has(key):
                self.tally.skipped += 1
            else:
                yield part, key

    async def _one(self, source: Source, part: Part, key: str, name: str, console: Console) -> None:
        """Import one trial. What a file is called serves as its number where its text has none."""
        stem = source.file.stem if source.file is not None and not part.place else ""
        number = stem.upper() if NUMBER.fullmatch(stem) else None
        try:
            registered = await self._hand.trials.register(part.media_type, part.body, number)
        except EligoError as error:
            self._refuse(name, error, console)
            return
        except Exception as bug:  # noqa: BLE001  one trial that Eligo stumbles over must not stop the others
            self._tell(name, f"Eligo made a mistake: {type(bug).__name__} at {where(bug)}. Please report it.", console)
            return
        self._journal.add(key)
        trial = orjson.loads(registered.trial)
        notes = trial["notes"]
        if source.file is None and registered.id != source.name:
            notes = [f"The register knows {source.name} as {registered.id}.", *notes]
            console.print(f"[yellow]{escape(notes[0])}[/]")
        counts = Counter(each["reading"] for each in trial["criteria"])
        self.tally.readings.update(counts)
        if registered.is_new:
            self.tally.new += 1
        else:
            self.tally.as_before += 1
        self._say(
            {
                "source": name,
                "id": registered.id,
                "version": trial["version"],
                "isNew": registered.is_new,
                "title": trial["title"],
                "criteria": {each.value: counts[each] for each in Reading},
                "notes": notes,
            }
        )

    def _refuse(self, name: str, error: EligoError, console: Console) -> None:
        if isinstance(error, DatabaseUnavailable | BadJournal):
            raise error  # nothing that follows could be kept
        self._tell(name, str(error), console)

    def _tell(self, name: str, message: str, console: Console) -> None:
        self.tally.refused += 1
        console.print(f"[red]{escape(name)}:[/] {escape(message)}", soft_wrap=True)
        self._say({"source": name, "error": message})


def in_words(done: dict[str, Any]) -> str:
    """One line on a trial that was imported; "" on one that was refused, of which standard error tells."""
    if "error" in done:
        return ""
    state = "new" if done["isNew"] and done["version"] == 1 else "next version" if done["isNew"] else "as before"
    return f"{done['id']} version {done['version']} ({state}): {counts_in_words(Counter(done['criteria']))}"
