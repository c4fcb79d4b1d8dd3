"""Finds in the words of a record which concepts they name: enough to doubt an absence, never enough to prove anything.

Words are compared without case, punctuation, plural or the differences between British and American spelling. A collision
that this makes is harmless: it leaves something unknown that might have been ruled out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.knowledge.catalogue import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.knowledge.catalogue import Catalogue

_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"[\u2019']s\b")

# Words around a name that make it something else than the thing itself, as `fold` leaves them.
_OTHER_THINGS = (
    "family history",
    "fh",
    "screening",
    "screen for",
    "waiting list",
    "risk of",
    "at risk for",
    "risk for",
    "prevention of",
    "prophylaxis against",
    "education about",
    "fear of",
    "exposure to",
)
_VACCINE_WORDS = ("vaccin", "immunis", "immuniz", "inoculat")

# Words before a name that deny it; up to two words may stand between ("no evidence of brain metastasis").
_DENIALS = frozenset(
    {"no", "not", "without", "deny", "denied", "absence", "negative", "never", "exclude", "excluded", "non"}
)
_REACH = 3


def fold(text: str) -> str:
    """The words of a text as they are compared, with single spaces and one at either end."""
    words = _WORD.findall(_POSSESSIVE.sub("", text.lower()))
    return f" {' '.join(map(_fold_word, words))} "


def _fold_word(word: str) -> str:
    if len(word) > 3:
        if word.endswith("ies"):
            word = f"{word[:-3]}y"
        elif word.endswith("ses"):
            word = f"{word[:-3]}sis"  # metastases, diagnoses
        elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
            word = word[:-1]
    word = word.replace("ae", "e").replace("oe", "e")
    if word.endswith("our") and len(word) > 4:
        word = f"{word[:-3]}or"
    return word.replace("isation", "ization").replace("phor", "for")


@dataclass(slots=True)
class NameIndex:
    """Names of the catalogue, by their folded words."""

    ids: dict[str, set[str]] = field(default_factory=dict)
    longest: dict[str, int] = field(default_factory=dict)
    """First word of a name -> how many words the longest name has that begins with it."""
    not_named: dict[str, tuple[str, ...]] = field(default_factory=dict)
    conditions: frozenset[str] = frozenset()

    def add(self, id_: str, names: Iterable[str], not_named: Iterable[str] = ()) -> None:
        """Take in the names of one thing."""
        for name in names:
            folded = fold(name).strip()
            if folded:
                self.ids.setdefault(folded, set()).add(id_)
                words = folded.split(" ")
                self.longest[words[0]] = max(len(words), self.longest.get(words[0], 0))
        others = tuple(fold(each) for each in not_named)
        if others:
            self.not_named[id_] = others

    def named_in(self, texts: Iterable[str]) -> frozenset[str]:
        """What the texts name, each read by itself."""
        found: set[str] = set()
        for text in texts:
            found |= self._named_in(fold(text))
        return frozenset(found)

    def _named_in(self, folded: str) -> set[str]:
        words = folded.split()
        found: set[str] = set()
        for start, word in enumerate(words):
            longest = self.longest.get(word)
            if longest is None:
                continue
            for end in range(start + 1, min(start + longest, len(words)) + 1):
                ids = self.ids.get(" ".join(words[start:end]))
                if ids and not _denied(words, start):
                    found |= ids
        if not found:
            return found
        if any(f" {each} " in folded for each in _OTHER_THINGS):
            return set()
        if any(each in folded for each in _VACCINE_WORDS):
            found -= self.conditions
        return {each for each in found if not self.speaks_of_another(each, folded)}

    def speaks_of_another(self, id_: str, folded: str) -> bool:
        """Whether the text has words that, for this concept, mean something else."""
        return any(each in folded for each in self.not_named.get(id_, ()))


def _denied(words: list[str], start: int) -> bool:
    return any(each in _DENIALS for each in words[max(0, start - _REACH) : start])


def concept_names(catalogue: Catalogue) -> NameIndex:
    """The names of every concept."""
    index = NameIndex(conditions=frozenset(c.id for c in catalogue.concepts.values() if c.kind is Kind.CONDITION))
    for each in catalogue.concepts.values():
        index.add(each.id, (each.name, *each.names), each.not_named)
    return index


def result_names(catalogue: Catalogue) -> NameIndex:
    """The names of every analyte and scale."""
    index = NameIndex()
    for analyte in catalogue.analytes.values():
        index.add(analyte.id, (analyte.name, *analyte.names))
    for scale in catalogue.scales.values():
        index.add(scale.id, (scale.name, *scale.names))
    return index
