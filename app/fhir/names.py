"""Finds in the words of a record which concepts they name: enough to doubt an absence, never enough to prove anything.

Words are compared without case, punctuation, plural or the differences between British and American spelling. A
collision that this makes is harmless: it leaves something unknown that might have been ruled out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.knowledge.catalogue import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.knowledge.catalogue import Catalogue

_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"[\u2019']s\b")
_REACH = 3
_SHORTEST = 2

# Words right before a name that make it something else, or deny it. Only right before: "triple negative breast
# cancer" and
# "breast cancer with a high risk of recurrence" are breast cancers. As `fold` leaves them.
_BEFORE = (
    "family history", "family history of", "fh", "fh of", "screening for", "screening of", "screen for",
    "waiting list for", "risk of", "risk for", "prevention of", "exposure to", "fear of", "education about",
    "vaccination for", "vaccination against", "vaccine for", "vaccine against",
    "no", "no known", "no history of", "no evidence of", "no sign of", "negative for", "absence of", "without", "deny",
    "denied", "ruled out",
)  # fmt: skip
_AFTER = ("screening", "waiting list", "prophylaxis", "excluded", "ruled out")
_AFTER_A_DISEASE = ("vaccine", "vaccination", "immunization")


def fold(text: str) -> str:
    """The words of a text as they are compared, with single spaces and one at either end."""
    words = _WORD.findall(_POSSESSIVE.sub("", text.lower()))
    return f" {' '.join(map(_fold_word, words))} "


def _fold_word(word: str) -> str:
    if len(word) > 3:  # shorter words have no plural that matters
        if word.endswith("ies"):
            word = f"{word[:-3]}y"
        elif word.endswith(("sis", "ses")):
            word = word[:-2]  # metastasis, metastases; diseases
        elif word.endswith("se"):
            word = word[:-1]  # disease
        elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
            word = word[:-1]
    word = word.replace("ae", "e").replace("oe", "e")
    if word.endswith("our") and len(word) > 4:  # tumour, not four
        word = f"{word[:-3]}or"
    return word.replace("isation", "ization")


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
                if not ids or _is_other(words, start, end):
                    continue
                found |= ids - self.conditions if _follows(words, end, _AFTER_A_DISEASE) else ids
        return {each for each in found if not self.speaks_of_another(each, folded)}

    def speaks_of_another(self, id_: str, folded: str) -> bool:
        """Whether the text has words that, for this concept, mean something else."""
        return any(each in folded for each in self.not_named.get(id_, ()))


def _is_other(words: list[str], start: int, end: int) -> bool:
    """Whether the words right around a name deny it, or make it a screening, a family history and the like."""
    before = f" {' '.join(words[max(0, start - _REACH) : start])}"
    return any(before.endswith(f" {each}") for each in _BEFORE) or _follows(words, end, _AFTER)


def _follows(words: list[str], end: int, phrases: tuple[str, ...]) -> bool:
    after = f"{' '.join(words[end : end + _REACH])} "
    return any(after.startswith(f"{each} ") for each in phrases)


def concept_names(catalogue: Catalogue) -> NameIndex:
    """The names of every concept."""
    index = NameIndex(conditions=frozenset(c.id for c in catalogue.concepts.values() if c.kind is Kind.CONDITION))
    for each in catalogue.concepts.values():
        index.add(each.id, (each.name, *each.names), each.not_named)
    return index


def site_names(names: Mapping[str, Mapping[str, str]]) -> NameIndex:
    """Names that a site has added: id -> name -> where it is from. Abbreviations of one or two letters are none."""
    index = NameIndex()
    for id_, added in names.items():
        index.add(id_, (each for each in added if len(fold(each).strip()) > _SHORTEST))
    return index


def result_names(catalogue: Catalogue) -> NameIndex:
    """The names of every analyte and scale."""
    index = NameIndex()
    for analyte in catalogue.analytes.values():
        index.add(analyte.id, (analyte.name, *analyte.names))
    for scale in catalogue.scales.values():
        index.add(scale.id, (scale.name, *scale.names))
    return index
